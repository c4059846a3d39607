//! The document of the API against the server itself: schemathesis asks for everything in it, rightly and wrongly.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::process::{Answer, Atlas, BINARY, Client, has_tool, run, text};

/// What every answer has to keep to.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";
const ORDER: &str =
    r#"{"amount":4990,"currency":"USD","capture_method":"manual","expires":2592000}"#;

#[test]
fn the_command_prints_the_document_that_the_server_gives() {
    let temporary = tempfile::tempdir().expect("a directory");
    let server = mock(&temporary.path().join("data"));
    let mut client = Client::connect(server.address).expect("a connection");
    let served = client
        .get("sk_test_reader", "/openapi.json")
        .expect("an answer");
    for arguments in [&["openapi"][..], &["openapi", "--json"]] {
        let printed = run(arguments, temporary.path());
        assert!(printed.status.success(), "{}", text(&printed.stderr));
        let printed: Value = serde_json::from_slice(&printed.stdout).expect("JSON");
        assert_eq!(served.json(), printed);
        assert_eq!(printed["openapi"], "3.1.0");
    }
}

#[test]
fn whatever_is_asked_the_answers_are_those_of_the_document() {
    let Some(tool) = schemathesis() else {
        return;
    };
    let temporary = tempfile::tempdir().expect("a directory");
    let server = mock(&temporary.path().join("data"));
    let url = format!("http://{}", server.address);
    let mut client = Client::connect(server.address).expect("a connection");
    let mut made = || {
        client
            .create("sk_test_schemathesis", "", ORDER)
            .expect("an answer")
            .json()
    };
    // As a merchant, everything; as a buyer, what a client secret opens.
    let (session, of_buyer) = (made(), made());
    let member = |session: &Value, name: &str| session[name].as_str().expect("text").to_owned();
    let paid = pay(
        &mut client,
        &member(&session, "id"),
        &member(&session, "client_secret"),
    );
    let (id, payment) = (member(&session, "id"), member(&paid.json(), "id"));
    ask(
        &tool,
        temporary.path(),
        &url,
        "sk_test_schemathesis",
        &[("sessions", &id), ("payment", &payment)],
    );
    let (id, secret) = (member(&of_buyer, "id"), member(&of_buyer, "client_secret"));
    let ids = [("sessions", &*id), ("config", &id), ("confirm", &id)];
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&tool, temporary.path(), &url, &secret, &ids));
        // What a session may ask in a minute is out of the way when the minutes are.
        while !asking.is_finished() {
            pass_a_minute(&mut client);
        }
    });
}

fn pass_a_minute(client: &mut Client) {
    let body = r#"{"advance":"60s"}"#;
    let moved = client.send(&format!(
        "POST /_mock/clock HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(moved.expect("an answer").status, 200);
}

/// A mock whose limits are out of the way.
fn mock(directory: &Path) -> Atlas {
    let mut command = Command::new(BINARY);
    command
        .args(["mock", "--port", "0", "--data-dir"])
        .arg(directory);
    for limit in ["--per-minute", "--per-day", "--per-address"] {
        command.args([limit, "100000000"]);
    }
    Atlas::start(command, directory)
}

fn pay(client: &mut Client, session: &str, secret: &str) -> Answer {
    let body = r#"{"token_id":"tok_visa"}"#;
    let paid = client.send(&format!(
        "POST /functions/v1/confirm-payment/{session} HTTP/1.1\r\nHost: atlas\r\nAuthorization: Bearer {secret}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    paid.expect("an answer")
}

/// Where `.ci/run` installs it; none, with a note, where it is not.
fn schemathesis() -> Option<PathBuf> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/schemathesis/bin/st");
    let name = usual.to_str().expect("a path");
    has_tool(name, &["--version"]).then_some(usual)
}

/// Asks for everything with this credential. Where the path has an id, it is one of these, by a word in the path.
fn ask(tool: &Path, directory: &Path, url: &str, credential: &str, ids: &[(&str, &str)]) {
    let operations = ids.iter().map(|(word, id)| {
        format!("[[operations]]\ninclude-path-regex = \"{word}.*[{{]id[}}]\"\nparameters = {{ id = \"{id}\" }}\n")
    });
    let config = directory.join("schemathesis.toml");
    std::fs::write(&config, operations.collect::<String>()).expect("written");
    let output = Command::new(tool)
        .arg("--config-file")
        .arg(&config)
        .args([
            "--no-color",
            "run",
            &format!("{url}/openapi.json"),
            "--url",
            url,
        ])
        .args(["-H", &format!("Authorization: Bearer {credential}")])
        .args([
            "--checks",
            CHECKS,
            "--max-examples",
            "60",
            "--suppress-health-check",
            "all",
        ])
        // The clock and the reset would pull the ground from under the others.
        .args(["--exclude-path-regex", "^/_mock"])
        .current_dir(directory)
        .output()
        .expect("schemathesis runs");
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}
