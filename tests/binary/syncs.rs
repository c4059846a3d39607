//! A commit really reaches the disk: the system calls of the real process, counted.

use std::process::Command;

use crate::process::{Atlas, BINARY, Client, has_tool};

#[test]
fn every_commit_is_synced_before_its_answer() {
    if !has_tool("strace", &["-V"]) {
        return;
    }
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let trace = temporary.path().join("trace");
    let mut command = Command::new("strace");
    command
        .args([
            "-f",
            "-qq",
            "-e",
            "trace=fdatasync,writev,sendto,write",
            "-s",
            "24",
            "-o",
        ])
        .arg(&trace);
    command
        .arg(BINARY)
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&directory);
    let server = Atlas::start(command, &directory);
    let secret = server.key(&[]);
    let mut client = Client::connect(server.address).expect("a connection");
    for order in 0..20 {
        let answer = client.create(
            &secret,
            &format!("order-{order}"),
            r#"{"amount":1,"currency":"USD"}"#,
        );
        assert_eq!(answer.expect("an answer").status, 201);
    }
    drop(server);
    let trace = std::fs::read_to_string(trace).expect("a trace");
    let mut synced = false;
    let mut answers = 0;
    for line in trace.lines() {
        if line.contains("HTTP/1.1 201") {
            assert!(
                synced,
                "an answer went out without a sync since the one before: {line}"
            );
            synced = false;
            answers += 1;
        }
        synced |= line.contains("fdatasync") && line.ends_with("= 0");
    }
    assert_eq!(answers, 20);
}
