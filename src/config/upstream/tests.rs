//! What the settings of an upstream may be, and what is said of those that are wrong.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::config::given::read_file;

const AUTHORITY: &str = include_str!("../../../tests/tls/authority.pem");
const URL: &str = "https://api.atlas.co/functions/v1";

/// A file with this text, and the directory that keeps it.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    write(&path, text);
    (directory, path)
}

/// Writes a file that is its owner's only.
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
    let own = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, own).expect("set");
}

fn live(url: &str) -> LiveGiven {
    LiveGiven {
        upstream: Some(url.parse().expect("a URL")),
        ..LiveGiven::default()
    }
}

/// The settings, with these variables set.
fn resolve(
    given: LiveGiven,
    variables: &[(&str, &str)],
) -> Result<Option<UpstreamSettings>, String> {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    given.resolve(&|name| variables.get(name).map(OsString::from))
}

fn refused(given: LiveGiven, variables: &[(&str, &str)]) -> String {
    let line = resolve(given, variables).expect_err("refused");
    assert!(!line.contains('\n'), "{line}");
    line
}

#[test]
fn without_an_upstream_there_is_none_and_its_other_settings_are_refused() {
    assert!(resolve(LiveGiven::default(), &[]).expect("none").is_none());
    let set = |set: fn(&mut LiveGiven)| {
        let mut given = LiveGiven::default();
        set(&mut given);
        given
    };
    for (given, name) in [
        (
            set(|given| given.ca_file = Some("/a".into())),
            "live_ca_file",
        ),
        (
            set(|given| given.connect_timeout = Some(Span(Duration::from_secs(1)))),
            "live_connect_timeout",
        ),
        (
            set(|given| given.answer_timeout = Some(Span(Duration::from_secs(1)))),
            "live_answer_timeout",
        ),
        (set(|given| given.connections = Some(1)), "live_connections"),
        (
            set(|given| given.upstream_is_idempotent = Some(true)),
            "live_upstream_is_idempotent",
        ),
    ] {
        let line = refused(given, &[]);
        assert!(
            line.starts_with(name) && line.contains("live_upstream is not"),
            "{line}"
        );
    }
    let line = refused(
        LiveGiven::default(),
        &[("ATLAS_LIVE_AUTHORIZATION", "Bearer hidden")],
    );
    assert!(line.starts_with("live_authorization is set"), "{line}");
    // Test mode's is nothing to live mode.
    assert!(resolve(LiveGiven::default(), &[("ATLAS_TEST_AUTHORIZATION", "x")]).is_ok());
}

#[test]
fn what_is_not_set_has_its_default() {
    let settings = resolve(live(URL), &[])
        .expect("settings")
        .expect("an upstream");
    assert_eq!(settings.url.as_str(), URL);
    assert!(settings.authorization.is_none() && settings.authorities.is_none());
    assert_eq!(settings.connect_timeout, Duration::from_secs(5));
    assert_eq!(settings.answer_timeout, Duration::from_secs(60));
    assert_eq!(settings.connections, 128);
    assert!(settings.is_idempotent);
}

#[test]
fn a_url_has_no_user_query_or_fragment_and_loses_a_slash_at_its_end() {
    for (text, is) in [
        ("https://api.atlas.co", "https://api.atlas.co"),
        ("HTTPS://Api.Atlas.co/", "https://api.atlas.co"),
        (
            "https://api.atlas.co:8443/v1//",
            "https://api.atlas.co:8443/v1",
        ),
        ("http://[::1]:9/a%20b/", "http://[::1]:9/a%20b"),
        ("https://api.atlas.co/a/../b", "https://api.atlas.co/b"),
    ] {
        assert_eq!(
            text.parse::<UpstreamUrl>()
                .map(|url| url.as_str().to_owned()),
            Ok(is.to_owned())
        );
    }
    for text in [
        "",
        "api.atlas.co",
        "ftp://api.atlas.co",
        "https:api.atlas.co",
        "https://",
        "https://user@api.atlas.co",
        "https://user:word@api.atlas.co",
        "https://api.atlas.co/?",
        "https://api.atlas.co/?a=b",
        "https://api.atlas.co/#",
        "https://api.atlas.co/ a",
        "https://api.atlas.co\\a",
    ] {
        assert!(text.parse::<UpstreamUrl>().is_err(), "{text}");
    }
}

#[test]
fn a_live_key_goes_in_clear_to_this_machine_only() {
    for url in [
        "http://localhost:1",
        "http://127.9.9.9",
        "http://[::1]/a",
        URL,
    ] {
        assert!(resolve(live(url), &[]).is_ok(), "{url}");
    }
    for url in [
        "http://api.atlas.co/a",
        "http://10.0.0.1",
        "http://localhost.example",
    ] {
        let line = refused(live(url), &[]);
        assert!(
            line.contains(url) && line.contains("must begin with https://"),
            "{line}"
        );
        let test = TestGiven {
            upstream: Some(url.parse().expect("a URL")),
            ..TestGiven::default()
        };
        assert!(test.resolve(&|_| None).is_ok(), "{url}");
    }
}

#[test]
fn an_authorization_comes_from_a_file_a_variable_or_a_credential() {
    let (directory, path) = file("Bearer sk_live_of_a_file\r\n");
    let from = |given: LiveGiven, variables: &[(&str, &str)]| {
        let settings = resolve(given, variables)
            .expect("settings")
            .expect("an upstream");
        settings
            .authorization
            .map(|value| value.expose().to_owned())
    };
    let by_file = || LiveGiven {
        authorization_file: Some(path.clone()),
        ..live(URL)
    };
    assert_eq!(
        from(by_file(), &[]).as_deref(),
        Some("Bearer sk_live_of_a_file")
    );
    let variable = ("ATLAS_LIVE_AUTHORIZATION", "Basic YTpi");
    assert_eq!(from(live(URL), &[variable]).as_deref(), Some("Basic YTpi"));
    let credentials = (
        "CREDENTIALS_DIRECTORY",
        directory.path().to_str().expect("UTF-8"),
    );
    assert_eq!(from(live(URL), &[credentials]), None);
    write(&directory.path().join("live_authorization"), "Bearer c\n");
    assert_eq!(from(live(URL), &[credentials]).as_deref(), Some("Bearer c"));
    for (given, variables) in [
        (by_file(), vec![variable]),
        (by_file(), vec![credentials]),
        (live(URL), vec![variable, credentials]),
        (by_file(), vec![variable, credentials]),
    ] {
        let line = refused(given, &variables);
        assert!(
            line.starts_with("live_authorization is given twice, by "),
            "{line}"
        );
    }
}

#[test]
fn a_wrong_authorization_is_refused_without_being_repeated() {
    let long = "x".repeat(4_097);
    for value in [
        "",
        " ",
        " Bearer hidden",
        "Bearer hidden ",
        "hidden\thidden",
        "hidd\u{e9}n",
        "hidden\nhidden",
        &long,
    ] {
        let line = refused(live(URL), &[("ATLAS_LIVE_AUTHORIZATION", value)]);
        assert!(
            line.starts_with("ATLAS_LIVE_AUTHORIZATION: must be"),
            "{line}"
        );
        assert!(!line.contains("hidden") && !line.contains("xxx"), "{line}");
        let (_directory, path) = file(value);
        let given = LiveGiven {
            authorization_file: Some(path),
            ..live(URL)
        };
        let line = refused(given, &[]);
        assert!(line.starts_with("live_authorization_file = /"), "{line}");
        assert!(!line.contains("hidden") && !line.contains("xxx"), "{line}");
    }
    let longest = "x".repeat(4_096);
    assert!(resolve(live(URL), &[("ATLAS_LIVE_AUTHORIZATION", &longest)]).is_ok());
    let given = LiveGiven {
        authorization_file: Some("/nowhere/secret".into()),
        ..live(URL)
    };
    assert!(refused(given, &[]).contains("/nowhere/secret: can't be read"));
    let value = Authorization::parse("Bearer hidden").expect("a value");
    assert_eq!(format!("{value:?}"), "Authorization(..)");
}

#[test]
fn authorities_are_read_at_the_start() {
    let with = |text: &str| {
        let (directory, path) = file(text);
        let given = LiveGiven {
            ca_file: Some(path),
            ..live(URL)
        };
        (directory, given)
    };
    let (_directory, given) = with(&[AUTHORITY, AUTHORITY].concat());
    let settings = resolve(given, &[]).expect("settings").expect("an upstream");
    assert!(
        !settings
            .authorities
            .expect("authorities")
            .roots()
            .is_empty()
    );
    let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cut = &AUTHORITY[..AUTHORITY.len() / 2];
    for (text, says) in [
        ("", "must hold certificates"),
        ("no PEM at all", "must hold certificates"),
        (hollow, "its certificate 1 can't vouch"),
        (
            &[AUTHORITY, hollow].concat(),
            "its certificate 2 can't vouch",
        ),
        (cut, "must be PEM"),
    ] {
        let (_directory, given) = with(text);
        let line = refused(given, &[]);
        assert!(
            line.starts_with("live_ca_file = /") && line.contains(says),
            "{line}"
        );
    }
    let given = LiveGiven {
        ca_file: Some("/nowhere/ca.pem".into()),
        ..live(URL)
    };
    assert!(refused(given, &[]).contains("/nowhere/ca.pem: can't be read"));
}

#[test]
fn times_and_numbers_have_bounds() {
    let hour = Duration::from_secs(3_600);
    for (span, fits) in [
        (Duration::ZERO, false),
        (Duration::from_millis(1), true),
        (hour, true),
        (hour + Duration::from_millis(1), false),
    ] {
        let connect = LiveGiven {
            connect_timeout: Some(Span(span)),
            ..live(URL)
        };
        let answer = LiveGiven {
            answer_timeout: Some(Span(span)),
            ..live(URL)
        };
        for (given, name) in [
            (connect, "live_connect_timeout"),
            (answer, "live_answer_timeout"),
        ] {
            match resolve(given, &[]) {
                Ok(_) => assert!(fits, "{name}"),
                Err(line) => assert!(
                    !fits && line.starts_with(name) && line.contains("1h"),
                    "{line}"
                ),
            }
        }
    }
    for (number, fits) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
        let given = LiveGiven {
            connections: Some(number),
            ..live(URL)
        };
        assert_eq!(resolve(given, &[]).is_ok(), fits, "{number}");
        assert_eq!(connections(&number.to_string()).is_ok(), fits, "{number}");
    }
    assert!(connections("many").is_err());
}

#[test]
fn the_file_has_a_table_for_each_mode_and_no_secret() {
    let read = |text: &str| {
        let (_directory, path) = file(text);
        read_file(&path)
    };
    let given = read(&format!(
        "per_minute = 3\n[live]\nupstream = \"{URL}\"\nanswer_timeout = \"2m\"\nupstream_is_idempotent = false\n\
         [test]\nupstream = \"http://localhost:1\"\nconnections = 7\n"
    ));
    let given = given.expect("settings");
    let live = resolve(given.live, &[])
        .expect("settings")
        .expect("an upstream");
    assert_eq!(live.answer_timeout, Duration::from_secs(120));
    assert!(!live.is_idempotent);
    let test = given
        .test
        .resolve(&|_| None)
        .expect("settings")
        .expect("an upstream");
    assert_eq!(
        (test.connections, test.url.as_str()),
        (7, "http://localhost:1")
    );
    for (text, says) in [
        (
            "[live]\nauthorization = \"Bearer hidden\"\n",
            "line 2 ([live] authorization): unknown field",
        ),
        (
            "[live]\nupstream = \"ftp://a\"\n",
            "line 2 ([live] upstream): must be an http or https URL",
        ),
        (
            "[test]\n\nanswer_timeout = \"soon\"\n",
            "line 3 ([test] answer_timeout): must be a length of time",
        ),
        (
            "[other]\nupstream = \"http://a\"\n",
            "line 1 ([other]): unknown field",
        ),
    ] {
        let line = read(text).expect_err("refused");
        assert!(line.contains(says) && !line.contains("hidden"), "{line}");
    }
}

#[test]
fn what_is_given_first_counts_field_by_field() {
    let first = LiveGiven {
        connections: Some(1),
        ..LiveGiven::default()
    };
    let second = LiveGiven {
        connections: Some(2),
        upstream_is_idempotent: Some(false),
        ..live(URL)
    };
    let settings = resolve(first.or(second), &[])
        .expect("settings")
        .expect("an upstream");
    assert_eq!((settings.connections, settings.is_idempotent), (1, false));
}
