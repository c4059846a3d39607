//! Each wrong setting of an upstream is refused at the start, and by `atlas check-config`, with a line that names it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{BINARY, text};

const MODES: &[&str] = &["live", "test"];
const GOOD: &str = "https://api.atlas.example/functions/v1";
/// A secret that no message may repeat.
const SECRET: &str = "sk_live_NeverToBeRepeated0123456789";

/// What the command says when it refuses what it was given: exit 2, and nothing of our secret.
#[track_caller]
fn refused(command: &str, configure: &dyn Fn(&mut Command)) -> String {
    let temporary = tempfile::tempdir().expect("a directory");
    let mut atlas = Command::new("timeout");
    atlas.args(["--signal=KILL", "60", BINARY, command]);
    if command == "serve" {
        atlas.args(["--listen", "127.0.0.1:0"]);
    }
    atlas.arg("--data-dir").arg(temporary.path().join("data"));
    configure(&mut atlas);
    let output = atlas.stdin(Stdio::null()).output().expect("atlas starts");
    let message = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{atlas:?}: {message}");
    for unknown in [
        "unexpected argument",
        "unrecognized subcommand",
        "unknown field",
    ] {
        assert!(!message.contains(unknown), "{atlas:?}: {message}");
    }
    assert!(!message.contains("NeverToBeRepeated"), "{message}");
    message
}

/// Fails unless `serve` and `check-config` both refuse it with a line that names this.
#[track_caller]
fn assert_refused(name: &str, configure: &dyn Fn(&mut Command)) {
    for command in ["serve", "check-config"] {
        let message = refused(command, configure);
        let named = |line: &str| {
            line.to_lowercase()
                .replace(['_', '.', ' '], "-")
                .contains(name)
        };
        assert!(message.lines().any(named), "{name} is not named: {message}");
    }
}

/// The same for what stands in the file; the line may name the setting without its table.
#[track_caller]
fn assert_file_refused(name: &str, file: &str) {
    let temporary = tempfile::tempdir().expect("a directory");
    let path = temporary.path().join("atlas.toml");
    std::fs::write(&path, file).expect("written");
    for command in ["serve", "check-config"] {
        let message = refused(command, &|atlas: &mut Command| {
            atlas.arg("--config").arg(&path);
        });
        assert!(message.contains(name), "{name} is not named: {message}");
    }
}

/// Values that are wrong even where the upstream is good: setting, value.
fn wrong_values() -> Vec<(&'static str, String)> {
    let values = |name: &'static str, values: &[&str]| -> Vec<(&'static str, String)> {
        values
            .iter()
            .map(|value| (name, (*value).to_owned()))
            .collect()
    };
    [
        values("connect-timeout", &["soon", "0s", "2h", "-1s", ""]),
        values("answer-timeout", &["soon", "0s", "-1s", ""]),
        values("connections", &["0", "10001", "many", "-1", "1.5", ""]),
        values("upstream-is-idempotent", &["maybe", "2"]),
        values("ca-file", &["/nowhere/ca.pem"]),
        values("authorization-file", &["/nowhere/authorization"]),
    ]
    .concat()
}

#[test]
fn a_url_that_is_none_for_an_upstream_is_refused() {
    for mode in MODES {
        let name = format!("{mode}-upstream");
        for url in [
            "",
            "api.atlas.example",
            "ftp://api.atlas.example/",
            "https://",
            "https:///functions/v1",
            "https://api.atlas.example:99999/",
            "https://api.atlas.example/?a=b",
            "https://api.atlas.example/#a",
            "https://user@api.atlas.example/",
            "https://user:NeverToBeRepeated@api.atlas.example/",
            "/functions/v1",
        ] {
            assert_refused(&name, &|atlas| {
                atlas.args([format!("--{name}"), url.to_owned()]);
            });
            if url.is_empty() {
                continue;
            }
            assert_refused(&name, &|atlas| {
                atlas.env(format!("ATLAS_{}_UPSTREAM", mode.to_uppercase()), url);
            });
        }
    }
}

#[test]
fn live_charges_go_in_the_clear_to_this_machine_only() {
    for url in [
        "http://api.atlas.example/",
        "http://10.0.0.1/",
        "http://192.168.0.1:8080/",
        "http://127.0.0.1.example/",
        "http://localhost.example/",
        "http://[2001:db8::1]/",
        "http://0.0.0.0/",
    ] {
        assert_refused("live-upstream", &|atlas| {
            atlas.args(["--live-upstream", url]);
        });
    }
}

#[test]
fn a_value_out_of_bounds_is_refused_as_flag_and_as_variable() {
    for mode in MODES {
        for (setting, value) in wrong_values() {
            let name = format!("{mode}-{setting}");
            assert_refused(&name, &|atlas| {
                atlas.args([format!("--{mode}-upstream"), GOOD.to_owned()]);
                atlas.arg(format!("--{name}={value}"));
            });
            if value.is_empty() {
                continue;
            }
            assert_refused(&name, &|atlas| {
                let variable = name.to_uppercase().replace('-', "_");
                atlas.env(format!("ATLAS_{}_UPSTREAM", mode.to_uppercase()), GOOD);
                atlas.env(format!("ATLAS_{variable}"), &value);
            });
        }
    }
}

#[test]
fn a_value_out_of_bounds_is_refused_in_the_file() {
    for mode in MODES {
        for (setting, value) in wrong_values() {
            let name = setting.replace('-', "_");
            let file = format!("[{mode}]\nupstream = \"{GOOD}\"\n{name} = \"{value}\"\n");
            assert_file_refused(&name, &file);
        }
        for (name, value) in [
            ("connections", "0"),
            ("connections", "10001"),
            ("upstream", "3"),
        ] {
            assert_file_refused(name, &format!("[{mode}]\n{name} = {value}\n"));
        }
    }
}

#[test]
fn a_secret_has_no_place_in_the_file_or_on_the_command_line() {
    for mode in MODES {
        let file = format!("[{mode}]\nupstream = \"{GOOD}\"\nauthorization = \"{SECRET}\"\n");
        let temporary = tempfile::tempdir().expect("a directory");
        let path = temporary.path().join("atlas.toml");
        std::fs::write(&path, file).expect("written");
        for argument in [
            format!("--config={}", path.display()),
            format!("--{mode}-authorization={SECRET}"),
        ] {
            let output = Command::new("timeout")
                .args(["--signal=KILL", "60", BINARY, "check-config", &argument])
                .output()
                .expect("atlas starts");
            let message = text(&output.stdout) + &text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{message}");
            assert!(message.contains("authorization"), "{message}");
            assert!(!message.contains("unrecognized subcommand"), "{message}");
            assert!(!message.contains("NeverToBeRepeated"), "{message}");
        }
    }
}

#[test]
fn what_belongs_to_an_upstream_is_refused_without_one() {
    let temporary = tempfile::tempdir().expect("a directory");
    let secret = temporary.path().join("authorization");
    std::fs::write(&secret, SECRET).expect("written");
    let secret = secret.to_str().expect("UTF-8");
    for mode in MODES {
        for (setting, value) in [
            ("authorization-file", secret),
            ("ca-file", secret),
            ("connect-timeout", "5s"),
            ("answer-timeout", "60s"),
            ("connections", "256"),
            ("upstream-is-idempotent", "false"),
        ] {
            let name = format!("{mode}-{setting}");
            assert_refused(&name, &|atlas| {
                atlas.arg(format!("--{name}={value}"));
            });
        }
        assert_refused(&format!("{mode}-authorization"), &|atlas| {
            atlas.env(
                format!("ATLAS_{}_AUTHORIZATION", mode.to_uppercase()),
                SECRET,
            );
        });
    }
}

/// Gives the server an upstream and an authorization by file, which is its owner's alone if it is there.
fn with_file(atlas: &mut Command, mode: &str, path: &Path) {
    drop(std::fs::set_permissions(
        path,
        Permissions::from_mode(0o600),
    ));
    atlas.args([format!("--{mode}-upstream"), GOOD.to_owned()]);
    atlas.arg(format!("--{mode}-authorization-file")).arg(path);
}

#[test]
fn an_authorization_that_is_no_header_value_is_refused_without_being_repeated() {
    let temporary = tempfile::tempdir().expect("a directory");
    let path = temporary.path().join("authorization");
    for mode in MODES {
        for value in [
            String::new(),
            format!("Bearer {SECRET}\nX-Injected: 1"),
            format!("Bearer {SECRET}\u{7f}"),
            format!("Bearer {SECRET}\t1"),
            format!("Bearer {SECRET}é"),
            SECRET.repeat(4097 / SECRET.len() + 1),
        ] {
            let name = format!("{mode}-authorization");
            assert_refused(&name, &|atlas| {
                atlas.args([format!("--{mode}-upstream"), GOOD.to_owned()]);
                let variable = format!("ATLAS_{}_AUTHORIZATION", mode.to_uppercase());
                atlas.env(variable, &value);
            });
            std::fs::write(&path, &value).expect("written");
            assert_refused(&name, &|atlas| with_file(atlas, mode, &path));
        }
    }
}

#[test]
fn two_places_of_one_authorization_are_refused() {
    let temporary = tempfile::tempdir().expect("a directory");
    for mode in MODES {
        let path = temporary.path().join(format!("{mode}_authorization"));
        std::fs::write(&path, SECRET).expect("written");
        let variable = format!("ATLAS_{}_AUTHORIZATION", mode.to_uppercase());
        let name = format!("{mode}-authorization");
        assert_refused(&name, &|atlas| {
            with_file(atlas, mode, &path);
            atlas.env(&variable, SECRET);
        });
        assert_refused(&name, &|atlas| {
            with_file(atlas, mode, &path);
            atlas.env("CREDENTIALS_DIRECTORY", temporary.path());
        });
        assert_refused(&name, &|atlas| {
            atlas.args([format!("--{mode}-upstream"), GOOD.to_owned()]);
            atlas.env(&variable, SECRET);
            atlas.env("CREDENTIALS_DIRECTORY", temporary.path());
        });
    }
}

#[test]
fn a_file_of_authorities_without_a_certificate_is_refused() {
    let temporary = tempfile::tempdir().expect("a directory");
    let path = temporary.path().join("ca.pem");
    let begin = "-----BEGIN CERTIFICATE-----\n";
    let end = "-----END CERTIFICATE-----\n";
    for content in [
        String::new(),
        "no PEM\n".to_owned(),
        format!("{begin}AAAA\n{end}"),
    ] {
        std::fs::write(&path, content).expect("written");
        for mode in MODES {
            assert_refused(&format!("{mode}-ca-file"), &|atlas| {
                atlas.args([format!("--{mode}-upstream"), GOOD.to_owned()]);
                atlas.arg(format!("--{mode}-ca-file")).arg(&path);
            });
        }
    }
}

/// Secrets as they get into the variable that is meant for the name of a file.
const MISPLACED: &[&str] = &[
    "Bearer sk_live_NeverToBeRepeated",
    "Bearer NeverToBeRepeated",
    "Basic NeverToBeRepeated==",
    SECRET,
];

#[test]
fn a_secret_in_the_place_of_its_file_is_refused_without_being_repeated() {
    for mode in MODES {
        let name = format!("{mode}-authorization-file");
        let variable = format!("ATLAS_{}_AUTHORIZATION_FILE", mode.to_uppercase());
        for value in MISPLACED {
            assert_refused(&name, &|atlas| {
                atlas.args([format!("--{mode}-upstream"), GOOD.to_owned()]);
                atlas.env(&variable, value);
            });
            assert_refused(&name, &|atlas| with_file(atlas, mode, Path::new(value)));
            let file =
                format!("[{mode}]\nupstream = \"{GOOD}\"\nauthorization_file = \"{value}\"\n");
            assert_file_refused("authorization_file", &file);
        }
    }
}

#[test]
fn no_help_shows_what_the_variable_of_the_file_holds() {
    for command in ["serve", "check-config"] {
        for value in MISPLACED {
            let output = Command::new(BINARY)
                .args([command, "--help"])
                .env("ATLAS_LIVE_AUTHORIZATION_FILE", value)
                .env("ATLAS_TEST_AUTHORIZATION_FILE", value)
                .output()
                .expect("atlas starts");
            let said = text(&output.stdout) + &text(&output.stderr);
            assert!(output.status.success(), "{said}");
            assert!(said.contains("ATLAS_LIVE_AUTHORIZATION_FILE"), "{said}");
            assert!(!said.contains("NeverToBeRepeated"), "{said}");
        }
    }
}
