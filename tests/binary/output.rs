//! Results that can't be written: a command that lost its own did not do what it should.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::process::{Atlas, BINARY, create_key, json_of, text};

/// Runs a command whose standard output is this.
fn run_into(out: impl Into<Stdio>, arguments: &[&str], directory: &Path) -> Output {
    let mut command = Command::new(BINARY);
    command.args(arguments).arg("--data-dir").arg(directory);
    command.stdin(Stdio::null()).stdout(out);
    command.output().expect("atlas runs")
}

/// A disk without room.
fn full() -> File {
    let full = File::options().write(true).open("/dev/full");
    full.expect("/dev/full")
}

/// A pipe whose reader has gone.
fn closed() -> std::io::PipeWriter {
    let (_, writer) = std::io::pipe().expect("a pipe");
    writer
}

#[test]
fn a_result_that_is_lost_is_a_failure() {
    let temporary = tempfile::tempdir().expect("a directory");
    let server = Atlas::serve(&temporary.path().join("data"), &[]);
    let id = create_key(&server.directory, &[])["id"].clone();
    let id = id.as_str().expect("an id");
    let copy = temporary.path().join("copy");
    let copy = copy.to_str().expect("UTF-8");
    let root = temporary.path().join("root");
    let root = root.to_str().expect("UTF-8");
    for arguments in [
        &["keys", "list"][..],
        &["keys", "update", id, "--per-minute", "7"],
        &["claims", "list", "--json"],
        &["webhooks", "list", "--json"],
        &["dashboard", "--remove-password", "--json"],
        &["openapi"],
        &["openapi", "--json"],
        &["check-config"],
        &["check-config", "--json"],
        &["verify", "--json"],
        &["backup", copy],
        &["backup", copy, "--json"],
        &["keys", "--help"],
        &["--version"],
    ] {
        let output = run_into(full(), arguments, &server.directory);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.contains("could not be written to standard output: No space left"),
            "{arguments:?}: {said}"
        );
        let output = run_into(closed(), arguments, &server.directory);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert_eq!(said, "", "{arguments:?}");
    }
    let mut install = Command::new(BINARY);
    install.args(["install", "--root", root]).stdout(full());
    let output = install.output().expect("atlas runs");
    assert_eq!(output.status.code(), Some(1));
    // Nothing is left half done for it.
    let unit = Path::new(root).join("etc/systemd/system/atlas-backup.timer");
    assert!(unit.exists());
}

#[test]
fn of_a_secret_that_is_lost_it_is_said_how_to_get_another() {
    let temporary = tempfile::tempdir().expect("a directory");
    let server = Atlas::serve(&temporary.path().join("my data"), &[]);
    let directory = &server.directory;
    let made = create_key(directory, &[]);
    let id = made["id"].as_str().expect("an id");
    // The endpoint is made, and its secret lost.
    let url = "https://shop.example/hooks";
    let output = run_into(full(), &["webhooks", "add", url], directory);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("`atlas webhooks roll we_"), "{said}");
    let endpoint = json_of(&["webhooks", "list"], directory)[0]["id"].clone();
    let endpoint = endpoint.as_str().expect("an id");
    for (arguments, again) in [
        (
            &["keys", "create", "--name", "x"][..],
            "`atlas keys roll key_",
        ),
        (
            &["keys", "create", "--name", "x", "--json"],
            "`atlas keys roll key_",
        ),
        (
            &["keys", "roll", id, "--grace", "0s"],
            "`atlas keys roll key_",
        ),
        (&["webhooks", "roll", endpoint], "`atlas webhooks roll we_"),
        (
            &["webhooks", "roll", endpoint, "--json"],
            "`atlas webhooks roll we_",
        ),
        (&["dashboard"], "`atlas dashboard --data-dir '"),
        (&["dashboard", "--json"], "`atlas dashboard --data-dir '"),
    ] {
        for out in [Stdio::from(full()), Stdio::from(closed())] {
            let output = run_into(out, arguments, directory);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
            let last = said.lines().last().unwrap_or_default();
            assert!(last.contains("is lost") && last.contains(again), "{said}");
        }
    }
    // What it says is what helps, word for word.
    let output = run_into(full(), &["keys", "roll", id, "--grace", "0s"], directory);
    let said = text(&output.stderr);
    let line = said.split('`').nth(1).expect("a command");
    let shell = Command::new("sh")
        .args(["-c", &line.replacen("atlas", BINARY, 1)])
        .output()
        .expect("sh runs");
    let secret = text(&shell.stdout);
    assert!(secret.starts_with("sk_test_"), "{}", text(&shell.stderr));
    let listed = json_of(&["keys", "list"], directory);
    let listed = listed.as_array().expect("keys");
    let end = &secret.trim()[40..];
    let masked = format!("sk_test_...{end}");
    assert!(
        listed
            .iter()
            .any(|key| key["id"] == id && key["masked"] == masked.as_str())
    );
}
