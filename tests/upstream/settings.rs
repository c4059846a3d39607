//! Settings of an upstream: where they stand, which wins, and what `atlas check-config` shows of them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::caller::{Call, Caller};
use crate::process::{BINARY, text};
use crate::upstream::Upstream;
use crate::world::{AUTHORIZATION, serve};

const GOOD: &str = "https://api.atlas.example/functions/v1";

fn check_config(configure: impl FnOnce(&mut Command)) -> Output {
    let temporary = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(BINARY);
    command.arg("check-config").arg("--data-dir");
    command.arg(temporary.path().join("data"));
    configure(&mut command);
    let output = command.output().expect("atlas starts");
    let message = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{command:?}: {message}");
    output
}

/// One way to write a name: `live-upstream` for `live.upstream` and `live_upstream`.
fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace(['_', '.', ' '], "-")
}

/// The value of a setting in the lines that `check-config` prints.
#[track_caller]
fn shown(printed: &str, name: &str) -> String {
    let mut lines = printed.lines().filter_map(|line| line.split_once(" = "));
    let found = lines.find(|(given, _)| plain(given) == name);
    let (_, value) = found.unwrap_or_else(|| panic!("no {name} in {printed}"));
    value.trim_matches('"').to_owned()
}

/// The same in its JSON, whether a mode's settings stand in an object of their own or not.
#[track_caller]
fn shown_in(json: &Value, name: &str) -> Value {
    let members = json.as_object().expect("an object");
    let (mode, rest) = name.split_once('-').expect("a mode");
    let flat = members.iter().find(|(given, _)| plain(given) == name);
    let nested = || members.get(mode)?.as_object();
    let nested = || nested()?.iter().find(|(given, _)| plain(given) == rest);
    let (_, value) = flat
        .or_else(nested)
        .unwrap_or_else(|| panic!("no {name} in {json}"));
    value.clone()
}

#[test]
fn check_config_prints_what_is_in_force_and_hides_the_secret() {
    for mode in ["live", "test"] {
        let configure = |command: &mut Command| {
            command
                .args([format!("--{mode}-upstream"), GOOD.to_owned()])
                .args([format!("--{mode}-connections"), "7".to_owned()])
                .args(["--per-minute", "123"])
                .env(
                    format!("ATLAS_{}_AUTHORIZATION", mode.to_uppercase()),
                    AUTHORIZATION,
                );
        };
        let printed = text(&check_config(configure).stdout);
        let value = |name: &str| shown(&printed, &format!("{mode}-{name}"));
        assert_eq!(value("upstream").trim_end_matches('/'), GOOD);
        assert_eq!(value("connections"), "7");
        assert_eq!(value("connect-timeout"), "5s");
        assert!(matches!(value("answer-timeout").as_str(), "60s" | "1m"));
        assert_eq!(value("upstream-is-idempotent"), "true");
        assert!(matches!(value("authorization").as_str(), "...WXYZ" | "set"));
        assert_eq!(shown(&printed, "per-minute"), "123");
        assert!(!printed.contains("OfTheUpstream"), "{printed}");

        let output = check_config(|command| {
            configure(command);
            command.arg("--json");
        });
        let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let upstream = shown_in(&json, &format!("{mode}-upstream"));
        assert_eq!(upstream.as_str().expect("text").trim_end_matches('/'), GOOD);
        let connections = shown_in(&json, &format!("{mode}-connections"));
        assert_eq!(connections.to_string().trim_matches('"'), "7");
        assert!(!json.to_string().contains("OfTheUpstream"), "{json}");
    }
}

#[test]
fn the_ends_of_every_range_are_good() {
    let long = "x".repeat(4096);
    for (flags, authorization) in [
        (&["--live-upstream", GOOD][..], "x"),
        (&["--live-upstream", GOOD], &long),
        (&["--live-upstream", "http://localhost:8080"], "a b"),
        (&["--live-upstream", "http://127.0.0.1/"], "x"),
        (&["--live-upstream", "http://[::1]:8080/a/b/"], "x"),
        (&["--live-upstream", GOOD, "--live-connections", "1"], "x"),
        (
            &["--live-upstream", GOOD, "--live-connections", "10000"],
            "x",
        ),
        (
            &["--live-upstream", GOOD, "--live-connect-timeout", "1s"],
            "x",
        ),
        (
            &["--live-upstream", GOOD, "--live-connect-timeout", "1h"],
            "x",
        ),
        (
            &["--live-upstream", GOOD, "--live-answer-timeout", "1h"],
            "x",
        ),
    ] {
        check_config(|command| {
            command
                .args(flags)
                .env("ATLAS_LIVE_AUTHORIZATION", authorization);
        });
    }
    check_config(|command| {
        command.args(["--test-upstream", "http://sandbox.example/functions/v1"]);
    });
    let printed = check_config(|_| ());
    assert!(text(&printed.stdout).contains("per_minute = 1000"));
}

#[test]
fn flags_win_over_variables_over_the_file() {
    let upstreams = [Upstream::new(), Upstream::new(), Upstream::new()];
    for winner in 0..3 {
        let temporary = tempfile::tempdir().expect("a directory");
        let server = serve(&temporary.path().join("data"), |command| {
            let file = temporary.path().join("atlas.toml");
            let written = format!("[live]\nupstream = \"{}\"\n", upstreams[0].url());
            std::fs::write(&file, written).expect("written");
            command.arg("--config").arg(&file);
            if winner > 0 {
                command.env("ATLAS_LIVE_UPSTREAM", upstreams[1].url());
            }
            if winner > 1 {
                command.args(["--live-upstream", &upstreams[2].url()]);
            }
        });
        let secret = server.key(&["--mode", "live"]);
        let call = Call::get(&format!("/functions/v1/round/{winner}"));
        let reply = Caller::connect(server.address).and_then(|mut to| to.send(&call, &secret));
        reply.expect("an answer").expect_status(200);
        let targets = upstreams[winner].hits();
        let target = &targets.last().expect("it has arrived").target;
        assert!(target.ends_with(&format!("round/{winner}")), "{target}");
    }
    assert_eq!(upstreams.map(|upstream| upstream.hits().len()), [1, 1, 1]);
}

/// The Authorization that goes up.
fn authorization_with(configure: impl FnOnce(&mut Command)) -> Option<String> {
    let temporary = tempfile::tempdir().expect("a directory");
    let upstream = Upstream::new();
    let server = serve(&temporary.path().join("data"), |command| {
        command.args(["--live-upstream", &upstream.url()]);
        configure(command);
    });
    let secret = server.key(&["--mode", "live"]);
    let call = Call::get("/functions/v1/sessions");
    let reply = Caller::connect(server.address).and_then(|mut to| to.send(&call, &secret));
    reply.expect("an answer").expect_status(200);
    let hit = upstream.hit();
    assert!(
        !text(&hit.bytes).contains(&secret),
        "the client's key stays"
    );
    hit.find("authorization").map(str::to_owned)
}

fn mode(file: &Path, mode: u32) {
    std::fs::set_permissions(file, Permissions::from_mode(mode)).expect("set");
}

#[test]
fn a_file_that_everybody_may_use_holds_no_authorization() {
    let temporary = tempfile::tempdir().expect("a directory");
    let file = temporary.path().join("authorization");
    std::fs::write(&file, AUTHORIZATION).expect("written");
    for (bits, is_taken) in [
        (0o666, false),
        (0o644, false),
        (0o602, false),
        (0o640, true),
        (0o600, true),
    ] {
        mode(&file, bits);
        let mut command = Command::new(BINARY);
        command.args(["check-config", "--live-upstream", GOOD]);
        command.arg("--live-authorization-file").arg(&file);
        let output = command.output().expect("atlas starts");
        let said = text(&output.stderr);
        assert_eq!(output.status.success(), is_taken, "{bits:o}: {said}");
        let says = "everybody on this machine may use it; `chmod o= ";
        assert_eq!(said.contains(says), !is_taken, "{bits:o}: {said}");
    }
}

#[test]
fn the_authorization_comes_from_a_variable_a_file_or_a_credential_of_systemd() {
    let temporary = tempfile::tempdir().expect("a directory");
    let file = temporary.path().join("live_authorization");
    let expected = Some(AUTHORIZATION.to_owned());
    let by_variable = authorization_with(|command| {
        command.env("ATLAS_LIVE_AUTHORIZATION", AUTHORIZATION);
    });
    assert_eq!(by_variable, expected);
    // An editor ends the last line; that is no part of the secret.
    for end in ["", "\n", "\r\n"] {
        std::fs::write(&file, format!("{AUTHORIZATION}{end}")).expect("written");
        mode(&file, 0o600);
        let by_flag = authorization_with(|command| {
            command.arg("--live-authorization-file").arg(&file);
        });
        assert_eq!(by_flag, expected);
        let by_name = authorization_with(|command| {
            command.env("ATLAS_LIVE_AUTHORIZATION_FILE", &file);
        });
        assert_eq!(by_name, expected);
        let by_systemd = authorization_with(|command| {
            command.env("CREDENTIALS_DIRECTORY", temporary.path());
        });
        assert_eq!(by_systemd, expected);
    }
    assert_eq!(authorization_with(|_| ()), None);
}
