//! SIGTERM and SIGINT finish what runs, write the exact day counts, and end with 0.

use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::process::{Atlas, BINARY, Client, eventually, has_tool, json_of, read_log, text};
use crate::tls::{Files, certificates};

const ORDER: &str = r#"{"amount":4990,"currency":"USD"}"#;

#[test]
fn both_signals_end_an_idle_server_with_0_and_the_exact_day_count() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let mut sent = 0;
    let mut secret = None;
    for signal in ["TERM", "INT", "TERM"] {
        let server = Atlas::serve(&directory, &[]);
        let secret = secret.get_or_insert_with(|| server.key(&[]));
        let mut client = Client::connect(server.address).expect("a connection");
        for _ in 0..3 {
            assert_eq!(
                client.create(secret, "", ORDER).expect("an answer").status,
                201
            );
            sent += 1;
        }
        assert_eq!(
            server.signal(signal).code(),
            Some(0),
            "{}",
            read_log(&directory)
        );
        assert_eq!(
            json_of(&["keys", "list"], &directory)[0]["used_today"],
            sent
        );
        assert!(!directory.join("atlas.sock").exists());
    }
}

#[test]
fn both_signals_end_a_server_that_waits_for_its_data_directory() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    std::fs::create_dir(&directory).expect("made");
    let lock = std::fs::File::create(directory.join("lock")).expect("made");
    lock.lock().expect("locked");
    for (signal, number) in [("TERM", 15), ("INT", 2)] {
        let mut waiting = Command::new(BINARY);
        waiting.args(["serve", "--port", "0", "--data-dir"]);
        waiting
            .arg(&directory)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut waiting = waiting.spawn().expect("atlas starts");
        let pid = waiting.id();
        eventually("it listens for it", || is_caught(pid, number));
        let told = Command::new("kill")
            .args(["-s", signal, &pid.to_string()])
            .status();
        assert!(told.expect("kill runs").success());
        let status = waiting.wait().expect("ended");
        let mut said = String::new();
        let mut log = waiting.stderr.take().expect("standard error");
        std::io::Read::read_to_string(&mut log, &mut said).expect("text");
        assert_eq!(status.code(), Some(0), "{signal}: {said}");
        assert!(said.contains("stopped before it began"), "{said}");
    }
}

/// Whether the process has a signal in its own hands.
fn is_caught(pid: u32, signal: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Signal 1 is the lowest bit.
    caught.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[test]
fn a_second_signal_cuts_what_runs_and_loses_no_count() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let server = Atlas::serve(&directory, &["--shutdown-timeout", "1h"]);
    let secret = server.key(&[]);
    let mut client = Client::connect(server.address).expect("a connection");
    for _ in 0..8 {
        let answer = client.create(&secret, "", ORDER).expect("an answer");
        assert_eq!(answer.status, 201);
    }
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.write_all(&begun(&secret)).expect("written");
    // The 100 says that the request is being served.
    let mut line = [0; 25];
    std::io::Read::read_exact(&mut stream, &mut line).expect("100 Continue");
    let pid = server.pid().to_string();
    let told = Command::new("kill").arg(&pid).status();
    assert!(told.expect("kill runs").success());
    eventually("it stops", || read_log(&directory).contains("stopping: "));
    assert_eq!(server.terminate().code(), Some(1));
    let log = read_log(&directory);
    assert!(log.contains("told twice to stop"), "{log}");
    assert_eq!(json_of(&["keys", "list"], &directory)[0]["used_today"], 9);
}

/// The head of a request whose body is still to come.
fn begun(secret: &str) -> Vec<u8> {
    let head = format!(
        "POST /functions/v1/create-session HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\n\
         Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        ORDER.len()
    );
    head.into_bytes()
}

#[test]
fn a_request_that_runs_when_the_signal_comes_is_answered() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let server = Atlas::serve(&directory, &[]);
    let secret = server.key(&[]);
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.write_all(&begun(&secret)).expect("written");
    // The 100 says that the request is being served.
    let mut line = [0; 25];
    std::io::Read::read_exact(&mut stream, &mut line).expect("100 Continue");
    assert!(text(&line).starts_with("HTTP/1.1 100"), "{}", text(&line));
    let finish = std::thread::spawn(move || {
        // The log says when the signal has been seen.
        eventually("it is stopping", || {
            read_log(&directory).contains("stopping")
        });
        stream.write_all(ORDER.as_bytes()).expect("written");
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).expect("an answer");
        answer
    });
    assert_eq!(server.terminate().code(), Some(0));
    let answer = finish.join().expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

#[test]
fn a_body_that_still_comes_over_http2_at_the_end_is_given_up_quietly() {
    if !has_tool("curl", &["--http2", "--version"]) {
        return;
    }
    let files = Files::new();
    let mut command = Command::new(BINARY);
    command
        .args(["serve", "--port", "0", "--shutdown-timeout", "1s"])
        .args(["--tls-cert", &files.path("cert.pem")])
        .args(["--tls-key", &files.path("key.pem"), "--data-dir"])
        .arg(files.data());
    let server = Atlas::start(command, &files.data());
    let secret = server.key(&[]);
    let mut curl = Command::new("curl")
        .args(["--silent", "--http2", "--upload-file", "-", "-X", "POST"])
        .args(["--max-time", "60", "-u", &format!("{secret}:")])
        .arg("--cacert")
        .arg(certificates().join("authority.pem"))
        .arg(format!(
            "https://localhost:{}/functions/v1/create-session",
            server.address.port()
        ))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("curl runs");
    while json_of(&["keys", "list"], &files.data())[0]["used_today"] == 0 {
        assert!(
            curl.try_wait().expect("a child").is_none(),
            "curl has ended"
        );
    }
    let status = server.terminate();
    let log = read_log(&files.data());
    assert!(!log.contains("panicked"), "{log}");
    assert_eq!(status.code(), Some(0), "{log}");
    curl.wait().expect("it ends");
}
