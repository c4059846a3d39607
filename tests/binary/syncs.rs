//! A commit really reaches the disk: the system calls of the real process, counted.

use std::process::Command;

use crate::process::{Atlas, BINARY, Client, eventually, has_tool};

/// What the real process asks of the kernel while it serves some orders, from its start to a clean end.
pub fn traced(calls: &str) -> Option<String> {
    if !has_tool("strace", &["-V"]) {
        return None;
    }
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let trace = temporary.path().join("trace");
    let mut command = Command::new("strace");
    // Detached, so that the process that is started and stopped is atlas itself.
    command
        .args([
            "-D",
            "-f",
            "-q",
            "-s",
            "24",
            "-e",
            &format!("trace={calls}"),
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
    for order in 0..ORDERS {
        let answer = client.create(
            &secret,
            &format!("order-{order}"),
            r#"{"amount":1,"currency":"USD"}"#,
        );
        assert_eq!(answer.expect("an answer").status, 201);
    }
    let pid = format!("{} ", server.pid());
    let has_ended = |trace: &str| {
        trace
            .lines()
            .any(|line| line.starts_with(&pid) && line.ends_with("+++ exited with 0 +++"))
    };
    assert!(server.terminate().success());
    let so_far = || std::fs::read_to_string(&trace).expect("a trace");
    eventually("the trace ends", || has_ended(&so_far()));
    Some(so_far())
}

const ORDERS: usize = 20;

#[test]
fn every_commit_is_synced_before_its_answer() {
    let Some(trace) = traced("fdatasync,writev,sendto,write") else {
        return;
    };
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
    assert_eq!(answers, ORDERS);
}

#[test]
fn the_tables_are_synced_for_real() {
    let Some(trace) = traced("sync_file_range,fsync") else {
        return;
    };
    let weak: Vec<_> = trace
        .lines()
        .filter(|line| is_answered(line, "sync_file_range"))
        .collect();
    assert!(!weak.is_empty(), "sled asks for what promises nothing");
    assert!(
        weak.iter().all(|line| line.contains("ENOSYS")),
        "and must not get it: {weak:?}"
    );
    assert!(
        trace
            .lines()
            .filter(|line| is_answered(line, "fsync"))
            .count()
            >= weak.len(),
        "but the real thing instead"
    );
}

/// strace splits a call during which another thread spoke into two lines.
fn is_answered(line: &str, call: &str) -> bool {
    [format!(" {call}("), format!("<... {call} resumed>")]
        .iter()
        .any(|start| line.contains(start))
        && line.contains(") ")
        && line.contains(" = ")
}
