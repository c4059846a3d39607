//! `atlas check-config`: what would be in force, or what is wrong, without anything being opened.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::process::{Atlas, BINARY, read_log, run, text};

const UPSTREAM: &str = "https://api.atlas.co/functions/v1";
const SECRET: &str = "Bearer sk_live_0123456789abcdefghijWXYZ";

fn check(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(BINARY)
        .arg("check-config")
        .arg("--data-dir")
        .arg(directory)
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .expect("atlas runs")
}

fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn it_prints_what_is_in_force_whatever_says_so() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let file = temporary.path().join("atlas.toml");
    let settings = format!(
        "per_minute = 3\nper_day = 4\nwebhook = [\"http://localhost:1/a\", \"http://localhost:1/b\"]\n\
         [live]\nupstream = \"{UPSTREAM}/\"\nanswer_timeout = \"90s\"\nconnections = 5\n"
    );
    std::fs::write(&file, settings).expect("written");
    let file = file.to_str().expect("UTF-8");
    let arguments = [
        "--config",
        file,
        "--per-minute",
        "1",
        "--live-connections",
        "7",
    ];
    let variables = [
        ("ATLAS_PER_MINUTE", "2"),
        ("ATLAS_CONCURRENT", "9"),
        ("ATLAS_LIVE_AUTHORIZATION", SECRET),
        ("ATLAS_WEBHOOK_SECRET", "whsec_0123456789abcdef"),
    ];
    let output = check(&directory, &arguments, &variables);
    let lines = lines(&output);
    for line in [
        "listen = 127.0.0.1:8080",
        "per_minute = 1",
        "per_day = 4",
        "concurrent = 9",
        "max_body = 64KiB",
        "body_timeout = 10s",
        "idempotency_lifetime = 1day",
        "allow_origin = none",
        "webhook = http://localhost:1/a http://localhost:1/b",
        "webhook_secret = ...cdef",
        "trust_clock = false",
        "live_upstream = https://api.atlas.co/functions/v1",
        "live_authorization = ...WXYZ",
        "live_ca_file = none",
        "live_connect_timeout = 5s",
        "live_answer_timeout = 1m 30s",
        "live_connections = 7",
        "live_upstream_is_idempotent = true",
        "test_upstream = none",
    ] {
        assert!(
            lines.iter().any(|other| other == line),
            "{line}: {lines:#?}"
        );
    }
    assert!(!lines.concat().contains("sk_live") && !lines.concat().contains("whsec_0"));
    assert!(!directory.exists());
}

#[test]
fn every_setting_of_serve_is_told_by_its_name() {
    let temporary = tempfile::tempdir().expect("a directory");
    let upstreams = [
        "--live-upstream",
        UPSTREAM,
        "--test-upstream",
        UPSTREAM,
        "--json",
    ];
    let output = check(temporary.path(), &upstreams, &[]);
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["per_minute"], 1_000);
    assert_eq!(told["allow_origin"], serde_json::json!([]));
    assert_eq!(told["live_ca_file"], Value::Null);
    let help = Command::new(BINARY)
        .args(["serve", "--help"])
        .output()
        .expect("help");
    let help = text(&help.stdout);
    let variables = help.split("[env: ATLAS_").skip(1);
    let names: Vec<String> = variables
        .map(|rest| {
            rest.split(['=', ']'])
                .next()
                .unwrap_or_default()
                .to_lowercase()
        })
        // One is part of another, a file of what is told, and a file is no setting of its own.
        .filter(|name| {
            !matches!(name.as_str(), "port" | "config") && !name.ends_with("_authorization_file")
        })
        .collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(told.get(&name).is_some(), "{name}");
    }
}

#[test]
fn a_wrong_setting_of_an_upstream_ends_it_as_it_ends_serve() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let live = ["--live-upstream", UPSTREAM];
    let file = temporary.path().join("not.pem");
    std::fs::write(&file, "nothing").expect("written");
    let file = file.to_str().expect("UTF-8");
    for (arguments, says) in [
        (
            &["--live-upstream", "api.atlas.co"][..],
            &["--live-upstream", "api.atlas.co", "http or https"][..],
        ),
        (
            &["--live-upstream", "http://api.atlas.co"],
            &["live_upstream = http://api.atlas.co", "https://"],
        ),
        (
            &["--live-connections", "3"],
            &["live_connections", "live_upstream is not"],
        ),
        (
            &["--live-connections", "0"],
            &["--live-connections", "'0'", "1 to 10000"],
        ),
        (
            &["--test-upstream-is-idempotent"],
            &["test_upstream_is_idempotent", "test_upstream is not"],
        ),
        (
            &[&live[..], &["--live-answer-timeout", "2h"]].concat(),
            &["live_answer_timeout = 2h", "1h"],
        ),
        (
            &[&live[..], &["--live-connect-timeout", "soon"]].concat(),
            &["--live-connect-timeout", "soon", "500ms"],
        ),
        (
            &[&live[..], &["--live-authorization-file", "/nowhere"]].concat(),
            &["live_authorization_file = /nowhere"],
        ),
        (
            &[&live[..], &["--live-ca-file", file]].concat(),
            &["live_ca_file = ", file, "certificates"],
        ),
        (
            &[&live[..], &["--live-authorization", "Bearer x"]].concat(),
            &["--live-authorization"],
        ),
    ] {
        for command in ["check-config", "serve"] {
            let output = run(&[&[command], arguments].concat(), &directory);
            let message = text(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(2),
                "{command} {arguments:?}: {message}"
            );
            for word in says {
                assert!(
                    message.contains(word),
                    "{command} {arguments:?}: {message} has no {word}"
                );
            }
        }
    }
    assert!(!directory.exists());
}

#[test]
fn an_authorization_comes_from_one_source_and_commands_about_keys_need_none() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let credential = temporary.path().join("test_authorization");
    std::fs::write(&credential, SECRET).expect("written");
    let owners = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&credential, owners).expect("set");
    let credentials = (
        "CREDENTIALS_DIRECTORY",
        temporary.path().to_str().expect("UTF-8"),
    );
    let test = ["--test-upstream", "http://api.atlas.co"];
    let lines = lines(&check(&directory, &test, &[credentials]));
    assert!(
        lines.contains(&"test_authorization = ...WXYZ".to_owned()),
        "{lines:#?}"
    );
    let twice = [credentials, ("ATLAS_TEST_AUTHORIZATION", SECRET)];
    let refused = check(&directory, &test, &twice);
    let message = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        message.contains("test_authorization is given twice") && !message.contains("sk_live"),
        "{message}"
    );
    // What systemd gives is a place to look, no setting: it may be there before the upstream is.
    assert_eq!(
        check(&directory, &[], &[credentials]).status.code(),
        Some(0)
    );
    let made = Command::new(BINARY)
        .args(["keys", "create", "--name", "x", "--data-dir"])
        .arg(&directory)
        .envs(twice)
        .output();
    assert!(made.expect("atlas runs").status.success());
}

#[test]
fn of_a_variable_that_is_no_setting_it_is_said_that_it_counts_for_nothing() {
    let temporary = tempfile::tempdir().expect("a directory");
    let variables = [
        ("ATLAS_PER_MINTUE", "7"),
        ("ATLAS_PER_DAY", "9"),
        ("ATLAS_LIVE_AUTHORIZATON", "x"),
    ];
    let directory = temporary.path().join("data");
    let output = check(&directory, &[], &variables);
    assert!(lines(&output).contains(&"per_day = 9".to_owned()));
    let says = "count for nothing: ATLAS_LIVE_AUTHORIZATON, ATLAS_PER_MINTUE;";
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.starts_with("warning: ") && said.contains(says),
        "{said}"
    );
    assert_eq!(text(&check(&directory, &[], &variables[1..2]).stderr), "");

    let mut command = Command::new(BINARY);
    command.args(["serve", "--port", "0", "--data-dir"]);
    command.arg(&directory).envs(variables);
    assert!(Atlas::start(command, &directory).terminate().success());
    let log = read_log(&directory);
    let warned: Vec<_> = log.lines().filter(|line| line.contains(says)).collect();
    assert_eq!(warned.len(), 1, "{log}");
    assert!(warned[0].contains("WARN"), "{log}");
}
