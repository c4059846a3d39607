//! The log as machines read it: one JSON object a line, and priorities where the journal takes them.

use std::io::{PipeReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::dashboard::{cookie, exchange, follow, header, url_of};
use crate::process::{Atlas, BINARY, CREATE, Client, read_log, run, text};

const ORDER: &str = r#"{"amount":4990,"currency":"USD"}"#;
const JSON: &[&str] = &["--log-format", "json"];

/// Each line of a log for machines.
pub fn lines_of(log: &str) -> Vec<Value> {
    let read = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    log.lines().map(read).collect()
}

/// The lines of requests.
fn requests_of(log: &str) -> Vec<Value> {
    let lines = lines_of(log).into_iter();
    lines
        .filter(|line| line["target"] == "atlas::request")
        .collect()
}

fn names(line: &Value) -> Vec<&str> {
    let members = line.as_object().expect("an object");
    members.keys().map(String::as_str).collect()
}

#[test]
fn every_line_is_an_object_and_a_request_is_told_member_by_member() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let server = Atlas::serve(&directory, &[JSON, &["--per-minute", "2"]].concat());
    let secret = server.key(&[]);
    // A body that is refused ends its connection.
    let connect = || Client::connect(server.address).expect("a connection");
    for status in [201, 201, 429] {
        let answer = connect().create(&secret, "order_1", ORDER);
        assert_eq!(answer.expect("an answer").status, status);
    }
    let by_hand = "GET /nowhere?a=b HTTP/1.1\r\nHost: a\r\nX-Request-Id: by_hand\r\n\r\n";
    assert_eq!(connect().send(by_hand).expect("an answer").status, 404);
    assert!(server.terminate().success());

    let log = read_log(&directory);
    for line in lines_of(&log) {
        let time = line["time"].as_str().expect("a time");
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.len() == 24);
        for name in ["level", "target", "message"] {
            assert!(line[name].is_string(), "{line}");
        }
    }
    let requests = requests_of(&log);
    let said = ["status", "replayed", "refused_by"];
    let said: Vec<_> = requests
        .iter()
        .map(|line| said.map(|name| line[name].clone()))
        .collect();
    let null = Value::Null;
    assert_eq!(
        said,
        [
            [json!(201), json!(false), null.clone()],
            [json!(201), json!(true), null.clone()],
            [json!(429), json!(false), json!("minute")],
            [json!(404), json!(false), null.clone()],
        ]
    );
    let (first, last) = (&requests[0], &requests[3]);
    let every = [
        "duration_ms",
        "key",
        "level",
        "message",
        "method",
        "path",
        "replayed",
        "request_id",
        "status",
        "target",
        "time",
    ];
    assert_eq!(names(first), every);
    assert_eq!(
        (&first["level"], &first["message"]),
        (&json!("info"), &json!("request"))
    );
    assert_eq!(
        (&first["method"], &first["path"]),
        (&json!("POST"), &json!(CREATE))
    );
    assert!(
        first["key"]
            .as_str()
            .is_some_and(|key| key.starts_with("key_"))
    );
    assert!(first["duration_ms"].as_f64().is_some_and(|took| took > 0.0));
    assert_eq!(
        (&last["request_id"], &last["path"]),
        (&json!("by_hand"), &json!("/nowhere"))
    );
    assert_eq!(last["key"], null);
}

#[test]
fn what_a_client_does_is_no_error_of_the_server_s() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let mut command = Command::new(BINARY);
    command.args(["mock", "--port", "0", "--data-dir"]);
    command.arg(&directory).env("RUST_LOG", "info");
    let server = Atlas::start(command, &directory);
    for fault in ["drop-before", "drop-after-commit", "truncate-body"] {
        let request = format!(
            "GET /functions/v1/test-cards HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer sk_test_a\r\nX-Atlas-Mock: {fault}\r\n\r\n"
        );
        let mut client = Client::connect(server.address).expect("a connection");
        assert!(client.send(&request).is_none(), "{fault}: it is cut");
    }
    for request in ["GARBAGE\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        let mut client = Client::connect(server.address).expect("a connection");
        assert_eq!(client.send(request).expect("an answer").status, 400);
    }
    assert!(server.terminate().success());
    let log = read_log(&directory);
    assert!(!log.contains("ERROR"), "{log}");
    assert_eq!(log.matches("/functions/v1/test-cards").count(), 3, "{log}");
}

/// An upstream that answers one request and cuts the next one off.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for answer in ["HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", ""] {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut bytes = [0; 8192];
            let read = stream.read(&mut bytes).expect("a request");
            assert!(read > 0);
            stream.write_all(answer.as_bytes()).expect("answered");
        }
    });
    address
}

#[test]
fn what_the_upstream_did_has_members_and_all_that_is_said_of_a_request_has_its_id() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let url = format!("http://{}", upstream());
    let server = Atlas::serve(&directory, &[JSON, &["--test-upstream", &url]].concat());
    let secret = server.key(&[]);
    for (order, status) in [("order_1", 202), ("order_2", 504)] {
        let mut client = Client::connect(server.address).expect("a connection");
        let answer = client.create(&secret, order, ORDER);
        assert_eq!(answer.expect("an answer").status, status);
    }
    assert!(server.terminate().success());

    let log = read_log(&directory);
    let requests = requests_of(&log);
    assert_eq!(requests.len(), 2, "{log}");
    assert_eq!(requests[0]["upstream_status"], 202);
    assert!(names(&requests[1]).contains(&"upstream_status"));
    assert_eq!(requests[1]["upstream_status"], Value::Null);
    assert!(requests.iter().all(|line| line["upstream_ms"].is_number()));
    let told = lines_of(&log).into_iter().find(|line| {
        let message = line["message"].as_str().expect("a message");
        message.contains("nobody knows what the upstream did")
    });
    let told = told.unwrap_or_else(|| panic!("not told: {log}"));
    assert_eq!(told["request_id"], requests[1]["request_id"]);
}

#[test]
fn one_id_leads_from_the_answer_to_the_log_and_to_the_dashboard() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let server = Atlas::serve(&directory, JSON);
    let host = server.address.to_string();
    let authorization = format!("Authorization: Bearer {}\r\n", server.key(&[]));
    let head = format!("GET /functions/v1/sessions/sess_1 HTTP/1.1\r\n{authorization}");
    let answer = exchange(server.address, &host, &head, "");
    let id = header(&answer, "x-request-id").expect("an id").to_owned();
    assert!(
        answer.contains(&format!(r#""request_id":"{id}""#)),
        "{answer}"
    );

    let cookie = cookie(&follow(&server, &host, &url_of(&directory)));
    let head = format!("GET /dashboard/requests HTTP/1.1\r\nCookie: {cookie}\r\n");
    let list = exchange(server.address, &host, &head, "");
    let (_, link) = list
        .split_once("href=\"/dashboard/requests/")
        .expect("a request");
    let number = link.split('"').next().expect("its end");
    let head = format!("GET /dashboard/requests/{number} HTTP/1.1\r\nCookie: {cookie}\r\n");
    let page = exchange(server.address, &host, &head, "");
    assert!(page.contains(&id), "{page}");
    assert!(server.terminate().success());
    let line = requests_of(&read_log(&directory)).into_iter().next();
    assert_eq!(line.expect("a line")["request_id"], id);
}

#[test]
fn a_server_that_can_not_start_says_so_in_the_form_of_its_log() {
    let temporary = tempfile::tempdir().expect("a directory");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let file = temporary.path().join("atlas.toml");
    std::fs::write(&file, "log_format = \"json\"\n").expect("written");
    let file = file.to_str().expect("UTF-8");
    for (arguments, variable) in [
        (JSON, "text"),
        (&[][..], "json"),
        (&["--config", file][..], ""),
    ] {
        let mut command = Command::new(BINARY);
        command.args(["serve", "--listen", &taken, "--data-dir"]);
        command.arg(temporary.path().join("data")).args(arguments);
        if !variable.is_empty() {
            command.env("ATLAS_LOG_FORMAT", variable);
        }
        let output = command.output().expect("atlas runs");
        assert_eq!(output.status.code(), Some(1));
        let last = lines_of(&text(&output.stderr)).pop().expect("a line");
        assert_eq!(last["level"], "error");
        let message = last["message"].as_str().expect("a message");
        assert!(message.contains("can't listen on"), "{message}");
    }
    // Elsewhere it is a line for people, as it always was.
    let output = run(
        &["serve", "--listen", &taken],
        &temporary.path().join("data"),
    );
    assert!(text(&output.stderr).starts_with("error: can't listen on"));
}

/// All that a server says on standard error, with a `JOURNAL_STREAM` made of the file that it says it to.
fn said_to(journal: impl Fn(u64, u64) -> String, directory: &Path, arguments: &[&str]) -> String {
    let (mut reader, writer): (PipeReader, _) = std::io::pipe().expect("a pipe");
    let file = rustix::fs::fstat(&writer).expect("its number");
    let mut command = Command::new(BINARY);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(directory)
        .args(arguments)
        .env("JOURNAL_STREAM", journal(file.st_dev, file.st_ino));
    let server = Atlas::start_with_log(command, directory, writer);
    let server = server.unwrap_or_else(|line| panic!("it does not serve: {line:?}"));
    let secret = server.key(&["--expires", "90d"]);
    let mut client = Client::connect(server.address).expect("a connection");
    client.create(&secret, "", ORDER).expect("an answer");
    assert!(server.terminate().success());
    let mut said = String::new();
    reader.read_to_string(&mut said).expect("text");
    said
}

#[test]
fn where_the_journal_reads_each_line_begins_with_its_priority_and_has_no_time() {
    let temporary = tempfile::tempdir().expect("a directory");
    let journal = |device, inode| format!("{device}:{inode}");
    let said = said_to(journal, &temporary.path().join("a"), &[]);
    assert!(
        said.lines().all(|line| line.starts_with("<6>INFO  ")),
        "{said}"
    );
    let line = said.lines().find(|line| line.contains("create-session"));
    let line = line.unwrap_or_else(|| panic!("no request: {said}"));
    assert!(
        line.contains(" POST /functions/v1/create-session 201 "),
        "{line}"
    );

    let said = said_to(journal, &temporary.path().join("b"), JSON);
    let lines = said.lines().map(|line| line.strip_prefix("<6>"));
    let lines: Option<Vec<_>> = lines.collect();
    let lines = lines.unwrap_or_else(|| panic!("no priority: {said}"));
    assert!(!requests_of(&lines.join("\n")).is_empty(), "{said}");
}

#[test]
fn what_does_not_go_to_the_journal_has_times_and_no_priority() {
    let temporary = tempfile::tempdir().expect("a directory");
    let other = |device, inode| format!("{device}:{}", inode + 1);
    let said = said_to(other, &temporary.path().join("data"), &[]);
    for line in said.lines() {
        let (time, rest) = line.split_once(' ').expect("words");
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{line}");
        assert!(rest.starts_with("INFO  "), "{line}");
    }
    assert!(said.contains("create-session 201"));
}

#[test]
fn what_a_command_says_beside_the_log_has_its_priority_too() {
    let temporary = tempfile::tempdir().expect("a directory");
    let config = temporary.path().join("atlas.toml");
    std::fs::write(&config, "per_minut = 3\n").expect("written");
    let config = config.to_str().expect("UTF-8");
    for (arguments, priority) in [
        (&["serve", "--config", config][..], "<3>error: --config "),
        (&["serve", "--per-minute", "0"], "<3>error: "),
        (&["serve", "--no-such-setting"], "<3>error: "),
        (&["claims", "list", "--config", config], "<3>error: "),
        (&["keys", "create", "--name", "x"], "<6>key_"),
    ] {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let file = rustix::fs::fstat(&writer).expect("its number");
        let journal = format!("{}:{}", file.st_dev, file.st_ino);
        let mut command = Command::new(BINARY);
        command.args(arguments).arg("--data-dir");
        command.arg(temporary.path().join("data"));
        command.env("JOURNAL_STREAM", journal).stderr(writer);
        command.stdout(std::process::Stdio::null());
        command.status().expect("atlas runs");
        drop(command);
        let mut said = String::new();
        reader.read_to_string(&mut said).expect("text");
        assert!(said.starts_with(priority), "{arguments:?}: {said}");
        let beginning = &priority[..3];
        assert!(
            said.lines().all(|line| line.starts_with(beginning)),
            "{said}"
        );
    }
}

#[test]
fn what_can_t_be_read_of_rust_log_is_told_as_a_line_of_the_log_and_the_rest_counts() {
    let temporary = tempfile::tempdir().expect("a directory");
    for (filter, says_info) in [
        ("info,x=yy", true),
        ("atlas=warn,x=yy", false),
        ("x=yy", true),
        ("info/a/b", true),
        ("info,a=b=c/a/b", true),
    ] {
        let directory = temporary.path().join("data");
        let mut command = Command::new(BINARY);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .arg("--data-dir")
            .arg(&directory)
            .env("RUST_LOG", filter);
        assert!(Atlas::start(command, &directory).terminate().success());
        let lines = lines_of(&read_log(&directory));
        let said = |level: &str, text: &str| {
            let message = |line: &Value| line["message"].as_str().unwrap_or_default().to_owned();
            let mut lines = lines.iter().filter(|line| line["level"] == level);
            lines.any(|line| message(line).starts_with(text))
        };
        assert!(said("warn", "RUST_LOG: "), "{filter}: {lines:?}");
        assert_eq!(said("info", "stopping"), says_info, "{filter}: {lines:?}");
        let log = directory.with_extension("log");
        std::fs::remove_file(log).expect("removed");
    }
}
