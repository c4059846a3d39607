//! `atlas mock` as a process: its clock survives a hard stop, and its log says what was made to go wrong.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::process::{Answer, Atlas, BINARY, Client, read_log};

const ORDER: &str = r#"{"amount":4990,"currency":"USD"}"#;
const SECRET: &str = "sk_test_xxx";

fn mock(directory: &Path) -> Atlas {
    let mut command = Command::new(BINARY);
    command
        .args(["mock", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(directory);
    Atlas::start(command, directory)
}

fn create(server: &Atlas, header: &str) -> Option<Answer> {
    let mut client = Client::connect(server.address).expect("a connection");
    let length = ORDER.len();
    client.send(&format!(
        "POST /functions/v1/create-session HTTP/1.1\r\nHost: atlas\r\nAuthorization: Bearer {SECRET}\r\n\
         Content-Type: application/json\r\nIdempotency-Key: order_1\r\n{header}Content-Length: {length}\r\n\r\n{ORDER}"
    ))
}

fn clock(server: &Atlas, body: &str) -> Value {
    let mut client = Client::connect(server.address).expect("a connection");
    let length = body.len();
    let answer = client.send(&format!(
        "POST /_mock/clock HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    ));
    serde_json::from_slice(&answer.expect("an answer").body).expect("JSON")
}

#[test]
fn a_clock_that_was_moved_goes_on_from_there_after_kill_9() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let server = mock(&directory);
    let first = create(&server, "").expect("an answer");
    assert_eq!(
        clock(&server, r#"{"advance":"48h"}"#)["ahead_seconds"],
        172_800
    );
    server.kill();
    let server = mock(&directory);
    let ahead = clock(&server, r#"{"advance":0}"#)["ahead_seconds"].as_u64();
    let ahead = ahead.expect("a number");
    assert!((172_700..=172_800).contains(&ahead), "{ahead}");
    let second = create(&server, "").expect("an answer");
    assert!(!second.replayed && second.session() != first.session());
    assert!(server.terminate().success());
}

#[test]
fn the_log_says_of_a_cut_request_that_it_was_cut_and_why() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let server = mock(&directory);
    for fault in ["drop-before", "drop-after-commit", "truncate-body"] {
        let cut = create(&server, &format!("X-Atlas-Mock: {fault}\r\n"));
        assert_eq!(cut, None, "{fault}");
    }
    assert!(create(&server, "").expect("an answer").replayed);
    assert!(server.terminate().success());
    let log = read_log(&directory);
    for (status, fault) in [
        ("cut", "drop-before"),
        ("cut", "drop-after-commit"),
        ("201", "truncate-body"),
    ] {
        let told = log.lines().any(|line| {
            line.contains(&format!("/functions/v1/create-session {status} "))
                && line.ends_with(&format!(" fault {fault}"))
        });
        assert!(told, "{fault} in {log}");
    }
}
