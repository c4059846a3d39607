//! Webhooks on the command line: endpoints given at the start, and `atlas webhooks`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::process::{Atlas, BINARY, json_of, run, text};

const SECRET: &str = "whsec_ChosenByTheTester0123456789";

fn refused(arguments: &[&str], directory: &Path) -> String {
    let output = run(arguments, directory);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    message
}

#[test]
fn a_url_out_of_reach_or_a_secret_without_form_is_refused_at_the_start() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    for (arguments, says) in [
        (
            &["mock", "--webhook", "http://10.0.0.1/hooks"][..],
            &[
                "http://10.0.0.1/hooks",
                "--allow-remote-webhooks",
                "localhost",
            ][..],
        ),
        (
            &["mock", "--webhook", "https://shop.example/"],
            &["--allow-remote-webhooks"],
        ),
        (
            &["serve", "--webhook", "http://shop.example/"],
            &["http://shop.example/", "https://"],
        ),
        (
            &[
                "serve",
                "--allow-remote-webhooks",
                "--webhook",
                "http://shop.example/",
            ],
            &["https://"],
        ),
        (
            &["mock", "--webhook", "localhost:3000"],
            &["--webhook", "localhost:3000"],
        ),
        (
            &["mock", "--webhook", "ftp://localhost/"],
            &["--webhook", "http or https"],
        ),
        (
            &["mock", "--webhook", "http://user:word@localhost/"],
            &["user name"],
        ),
    ] {
        let message = refused(arguments, &directory);
        for part in says {
            assert!(
                message.contains(part),
                "{arguments:?}: {message} has no {part}"
            );
        }
    }
    let many: Vec<String> = (1..=17)
        .map(|port| format!("http://localhost:{port}/"))
        .collect();
    let many = many.join(" ");
    let message = refused(&["mock", "--webhook", &many], &directory);
    assert!(message.contains("16"), "{message}");
    for secret in [
        "MistypedSecret0123456789",
        "whsec_short",
        "whsec_with space 0123456789",
    ] {
        let message = refused(&["mock", "--webhook-secret", secret], &directory);
        assert!(
            message.contains("webhook_secret: must be whsec_"),
            "{message}"
        );
        assert!(!message.contains(secret), "{message}");
    }
}

/// A mock that prints JSON; ended by drop.
struct Mock(Child);

impl Drop for Mock {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What a mock with these arguments says first.
fn first_line(configure: impl FnOnce(&mut Command)) -> (Mock, Value) {
    let mut command = Command::new(BINARY);
    command.args(["mock", "--json", "--listen", "127.0.0.1:0"]);
    configure(&mut command);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut mock = Mock(command.spawn().expect("atlas starts"));
    let mut line = String::new();
    let mut out = BufReader::new(mock.0.stdout.take().expect("standard output"));
    out.read_line(&mut line).expect("a line");
    (mock, serde_json::from_str(&line).expect("JSON"))
}

#[test]
fn a_mock_says_what_each_endpoint_given_at_the_start_is_signed_with() {
    let (one, two) = ("http://localhost:3000/a", "http://127.0.0.1:3000/b?c=d,e");
    let (_mock, line) = first_line(|command| {
        command.args(["--webhook", one, "--webhook", two, "--webhook", one]);
    });
    let webhooks = line["webhooks"].as_array().expect("a list");
    let urls: Vec<&str> = webhooks
        .iter()
        .filter_map(|one| one["url"].as_str())
        .collect();
    assert_eq!(urls, [one, two]);
    let secrets: Vec<&str> = webhooks
        .iter()
        .filter_map(|one| one["secret"].as_str())
        .collect();
    assert!(
        secrets
            .iter()
            .all(|secret| secret.starts_with("whsec_") && secret.len() == 38)
    );
    assert_ne!(secrets[0], secrets[1]);

    let (_mock, line) = first_line(|command| {
        command.env("ATLAS_WEBHOOK", format!("{one} {two}"));
        command.env("ATLAS_WEBHOOK_SECRET", SECRET);
    });
    let webhooks = line["webhooks"].as_array().expect("a list");
    assert_eq!(webhooks.len(), 2);
    assert!(webhooks.iter().all(|webhook| webhook["secret"] == SECRET));

    let (_mock, line) = first_line(|_| ());
    assert_eq!(line.get("webhooks"), None);
    assert!(line["url"].is_string() && line["pid"].is_number());

    let (_mock, line) = first_line(|command| {
        command.args(["--allow-remote-webhooks", "--webhook", "http://192.0.2.1/"]);
    });
    assert_eq!(line["webhooks"][0]["url"], "http://192.0.2.1/");
}

#[test]
fn settings_of_webhooks_may_stand_in_the_file() {
    let temporary = tempfile::tempdir().expect("a directory");
    let file = temporary.path().join("atlas.toml");
    let written = format!(
        "webhook = [\"http://localhost:1/\", \"https://shop.example/\"]\nallow_remote_webhooks = true\n\
         webhook_secret = \"{SECRET}\"\n"
    );
    std::fs::write(&file, written).expect("written");
    let (_mock, line) = first_line(|command| {
        command.arg("--config").arg(&file);
    });
    assert_eq!(line["webhooks"][1]["url"], "https://shop.example/");
    assert_eq!(line["webhooks"][0]["secret"], SECRET);
}

#[test]
fn a_secret_in_the_environment_is_in_no_help_and_in_no_log() {
    let help = Command::new(BINARY)
        .args(["mock", "--help"])
        .env("ATLAS_WEBHOOK_SECRET", SECRET)
        .output()
        .expect("help");
    let help = text(&help.stdout);
    assert!(help.contains("ATLAS_WEBHOOK_SECRET") && !help.contains(SECRET));

    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let mut command = Command::new(BINARY);
    command
        .args([
            "mock",
            "--listen",
            "127.0.0.1:0",
            "--webhook",
            "http://localhost:1/",
        ])
        .arg("--data-dir")
        .arg(&directory)
        .env("ATLAS_WEBHOOK_SECRET", SECRET)
        .env("RUST_LOG", "trace");
    let mock = Atlas::start(command, &directory);
    assert!(mock.terminate().success());
    let log = crate::process::read_log(&directory);
    assert!(log.contains("mock") && !log.contains(SECRET), "{log}");
    assert!(crate::secrets::files_with(&directory, SECRET).is_empty());
}

/// Adds, shows, rolls, pauses and removes an endpoint.
fn manage(directory: &Path) {
    let url = "https://shop.example/hooks";
    let added = json_of(
        &[
            "webhooks",
            "add",
            url,
            "--account",
            "shop",
            "--event",
            "dispute.lost,refund.failed",
        ],
        directory,
    );
    assert_eq!(
        (&added["url"], &added["account"]),
        (&url.into(), &"shop".into())
    );
    assert_eq!(
        added["events"],
        serde_json::json!(["refund.failed", "dispute.lost"])
    );
    let secret = added["secret"].as_str().expect("a secret");
    assert!(secret.starts_with("whsec_") && secret.len() == 38);
    let id = added["id"].as_str().expect("an id");
    let rolled = json_of(&["webhooks", "roll", id], directory);
    assert_ne!(rolled["secret"], secret);
    let shown = run(&["webhooks", "roll", id], directory);
    assert!(text(&shown.stdout).starts_with("whsec_") && text(&shown.stderr).contains(url));
    assert_eq!(
        json_of(&["webhooks", "pause", id], directory)["paused"],
        true
    );
    let listed = run(&["webhooks", "list"], directory);
    let line = text(&listed.stdout);
    assert!(
        line.contains(url) && line.contains("paused") && !line.contains("whsec_"),
        "{line}"
    );
    assert_eq!(
        json_of(&["webhooks", "resume", id], directory)["paused"],
        false
    );
    assert_eq!(json_of(&["webhooks", "list"], directory)[0]["id"], id);
    json_of(&["webhooks", "remove", id], directory);
    assert_eq!(
        json_of(&["webhooks", "list"], directory),
        serde_json::json!([])
    );
    let gone = run(&["webhooks", "remove", id], directory);
    assert_eq!(gone.status.code(), Some(1));
    for (arguments, says) in [
        (&["webhooks", "roll", secret][..], "we_"),
        (&["webhooks", "add", "nowhere"], "http or https"),
        (
            &["webhooks", "add", url, "--event", "payment.lost"],
            "payment.captured",
        ),
    ] {
        let message = refused(arguments, directory);
        assert!(
            message.contains(says) && !message.contains(secret),
            "{message}"
        );
    }
}

#[test]
fn endpoints_are_managed_with_a_running_server_and_without_one() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let server = Atlas::serve(&directory, &[]);
    manage(&directory);
    assert!(server.terminate().success());
    manage(&directory);
    let nowhere = run(&["webhooks", "list"], &temporary.path().join("none"));
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("no store"));
}
