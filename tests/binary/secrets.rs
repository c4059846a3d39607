//! No secret is in a log at any level, in a listing, or anywhere on disk.

use std::path::Path;
use std::process::Command;

use crate::process::{
    Atlas, BINARY, CREATE, Client, create_key, json_of, read_log, run_with_input, text,
};

const ORDER: &str = r#"{"amount":4990,"currency":"USD"}"#;
const IMPORTED: &str = "sk_live_ImportedSecretOfSomeone0123456789";
const GUESSED: &str = "sk_test_GuessedByAStranger0123456789abcdef";

#[test]
fn no_secret_is_found_in_the_data_directory_or_in_a_log_at_trace_level() {
    let log = trace_level_log_without_secrets("text");
    assert!(
        log.contains("TRACE") && log.contains("POST /functions/v1/create-session 201"),
        "the log is at trace level"
    );
}

#[test]
fn nor_in_such_a_log_for_machines_of_which_every_line_can_be_read() {
    let log = trace_level_log_without_secrets("json");
    let lines = crate::logs::lines_of(&log);
    assert!(lines.iter().any(|line| line["level"] == "trace"));
    let is_order = |line: &&serde_json::Value| line["path"] == CREATE && line["status"] == 201;
    assert_eq!(lines.iter().filter(is_order).count(), 3);
}

/// The log of a server whose keys were used in every way.
fn trace_level_log_without_secrets(format: &str) -> String {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let mut command = Command::new(BINARY);
    command
        .env("RUST_LOG", "trace")
        .args(["serve", "--log-format", format])
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&directory);
    let server = Atlas::start(command, &directory);
    let secrets = use_keys_in_every_way(&server);
    assert!(server.terminate().success());

    let log = read_log(&directory);
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "a secret is in the log");
        assert!(
            !log.contains(&base64(&format!("{secret}:"))[..24]),
            "a secret is in the log, in base64"
        );
        assert_eq!(files_with(&directory, secret), Vec::<String>::new());
    }
    log
}

#[test]
fn a_line_of_the_log_has_of_a_method_only_its_beginning() {
    let temporary = tempfile::tempdir().expect("a directory");
    let server = Atlas::serve(&temporary.path().join("data"), &[]);
    let method = "M".repeat(60_000);
    let request = format!("{method} /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = Client::connect(server.address)
        .and_then(|mut client| client.send(&request))
        .expect("an answer");
    assert_eq!(answer.status, 404);
    let directory = server.directory.clone();
    assert!(server.terminate().success());
    let log = read_log(&directory);
    assert!(
        log.contains(&format!(" {} /nowhere 404", &method[..32])),
        "{log}"
    );
    assert!(!log.contains(&method[..33]));
}

fn use_keys_in_every_way(server: &Atlas) -> Vec<String> {
    let directory = &server.directory;
    let secret_of = |made: serde_json::Value| made["secret"].as_str().expect("a secret").to_owned();
    let made = create_key(directory, &[]);
    let id = made["id"].as_str().expect("an id").to_owned();
    let first = secret_of(made);
    // A stranger's body is not read, so the connection ends with the answer: each order takes its own.
    let order = |secret: &str| {
        let mut client = Client::connect(server.address).expect("a connection");
        client
            .create(secret, "order_1", ORDER)
            .expect("an answer")
            .status
    };
    assert_eq!((order(&first), order(GUESSED)), (201, 401));
    let rolled = secret_of(json_of(&["keys", "roll", &id], directory));
    assert_eq!((order(&rolled), order(&first)), (201, 201));
    assert!(
        run_with_input(&["keys", "import", "--name", "Old"], directory, IMPORTED)
            .status
            .success()
    );
    json_of(&["keys", "revoke", &id], directory);
    assert_eq!(order(&rolled), 401);
    for request in [
        format!("GET /functions/v1/sessions/{first} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!(
            "POST /functions/v1/create-session?api_key={first} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        ),
        format!("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: {first}\r\n\r\n"),
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {}\r\n\r\n",
            base64(&format!("{first}:"))
        ),
    ] {
        let answer = Client::connect(server.address)
            .and_then(|mut client| client.send(&request))
            .expect("an answer");
        assert!(matches!(answer.status, 401 | 404), "{}", text(&answer.body));
    }
    vec![first, rolled, IMPORTED.to_owned(), GUESSED.to_owned()]
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

pub fn files_with(directory: &Path, secret: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_with(&path, secret));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}
