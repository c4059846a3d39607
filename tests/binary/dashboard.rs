//! `atlas dashboard`: a link to the dashboard, its password, and how the server keeps them to itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::process::{Atlas, BINARY, PATIENCE, json_of, read_log, run, run_with_input, text};
use crate::secrets::files_with;

const PASSWORD: &str = "correct horse battery";
const FORM: &str = "application/x-www-form-urlencoded";

/// Sends a request for this host and reads the whole answer.
pub fn exchange(address: SocketAddr, host: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let length = body.len();
    let request = format!(
        "{head}Host: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("written");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    text(&answer)
}

/// Follows a link; gives the answer.
pub fn follow(server: &Atlas, host: &str, url: &str) -> String {
    let (_, path) = url.split_once("/dashboard/").expect("a path");
    let head = format!("GET /dashboard/{path} HTTP/1.1\r\n");
    exchange(server.address, host, &head, "")
}

/// Tries a password on the server's own address.
fn log_in(server: &Atlas, password: &str) -> String {
    let host = server.address.to_string();
    let head = format!(
        "POST /dashboard/login HTTP/1.1\r\nOrigin: http://{host}\r\nContent-Type: {FORM}\r\n"
    );
    let body = format!("password={}", password.replace(' ', "+"));
    exchange(server.address, &host, &head, &body)
}

pub fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(given, _)| given.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The `Cookie` header for what an answer set.
pub fn cookie(answer: &str) -> String {
    let line = header(answer, "set-cookie").expect("a cookie");
    line.split(';').next().expect("a pair").to_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// The status of a page for this session.
fn look(server: &Atlas, host: &str, cookie: &str) -> String {
    let head = format!("GET /dashboard/keys HTTP/1.1\r\nCookie: {cookie}\r\n");
    status(&exchange(server.address, host, &head, "")).to_owned()
}

pub fn url_of(directory: &Path) -> String {
    let made = json_of(&["dashboard"], directory);
    made["url"].as_str().expect("a URL").to_owned()
}

fn set(directory: &Path, password: &str) -> std::process::Output {
    run_with_input(&["dashboard", "--set-password"], directory, password)
}

#[test]
fn it_prints_a_link_that_works_once_and_says_for_how_long() {
    let temporary = tempfile::tempdir().expect("a directory");
    let server = Atlas::serve(&temporary.path().join("data"), &[]);
    let output = run(&["dashboard"], &server.directory);
    let (printed, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    let host = server.address.to_string();
    let mut lines = printed.lines();
    let link = lines
        .find(|line| line.starts_with("http://"))
        .expect("a link");
    let begins = format!("http://{host}/dashboard/login?token=");
    assert!(link.starts_with(&begins), "{link}");
    let words = format!("{printed}{said}").to_lowercase();
    assert!(
        words.contains("five minutes") || words.contains("5 min"),
        "{words}"
    );
    let first = follow(&server, &host, link);
    assert_eq!(
        (status(&first), header(&first, "location")),
        ("303", Some("/dashboard/keys"))
    );
    assert_eq!(look(&server, &host, &cookie(&first)), "200");
    assert_eq!(status(&follow(&server, &host, link)), "401");
}

#[test]
fn a_machine_gets_the_link_and_its_end_and_nothing_else() {
    let temporary = tempfile::tempdir().expect("a directory");
    let server = Atlas::serve(&temporary.path().join("data"), &[]);
    let made = json_of(&["dashboard"], &server.directory);
    let members: Vec<_> = made.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["expires_at", "url"]);
    let until = made["expires_at"].as_str().expect("a time");
    let until: jiff::Timestamp = until.parse().expect("RFC 3339");
    let left = until.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((200..=300).contains(&left), "{left} s left");
}

#[test]
fn the_admin_socket_answers_to_no_foreign_name_and_to_no_form() {
    let temporary = tempfile::tempdir().expect("a directory");
    let server = Atlas::serve(&temporary.path().join("data"), &[]);
    let ask = |path: &str, host: &str, kind: &str| {
        let socket = server.directory.join("atlas.sock");
        let mut stream = std::os::unix::net::UnixStream::connect(socket).expect("a connection");
        let body = r#"{"do":"link"}"#;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    let good = ask("/operators", "localhost", "application/json");
    assert!(status(&good) == "200" && good.contains("token="), "{good}");
    for (host, kind, expected) in [
        ("evil.example", "application/json", "421"),
        ("localhost", FORM, "400"),
    ] {
        for path in ["/operators", "/keys"] {
            let answer = ask(path, host, kind);
            assert_eq!(status(&answer), expected, "{answer}");
            assert!(!answer.contains("token="), "{answer}");
        }
    }
}

#[test]
fn without_a_server_it_says_to_start_one() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    assert!(Atlas::serve(&directory, &[]).terminate().success());
    for directory in [directory, temporary.path().join("nowhere")] {
        let output = run(&["dashboard"], &directory);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(output.stdout.is_empty());
        assert!(
            message.contains("atlas serve") || message.contains("--data-dir"),
            "{message}"
        );
    }
}

#[test]
fn a_password_set_beside_a_running_server_lets_in_at_once_and_ends_what_was() {
    let temporary = tempfile::tempdir().expect("a directory");
    let server = Atlas::serve(&temporary.path().join("data"), &[]);
    let (directory, host) = (&server.directory, server.address.to_string());
    let before = cookie(&follow(&server, &host, &url_of(directory)));
    assert_eq!(status(&log_in(&server, PASSWORD)), "401");
    let output = set(directory, &format!("{PASSWORD}\n"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let answer = log_in(&server, PASSWORD);
    assert_eq!(status(&answer), "303", "{answer}");
    let inside = cookie(&answer);
    let statuses = [&before, &inside].map(|cookie| look(&server, &host, cookie));
    assert_eq!(statuses, ["401", "200"]);
    assert!(
        run(&["dashboard", "--remove-password"], directory)
            .status
            .success()
    );
    assert_eq!(look(&server, &host, &inside), "401");
    assert_eq!(status(&log_in(&server, PASSWORD)), "401");
}

#[test]
fn a_password_set_without_a_server_lets_in_when_there_is_one() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    assert!(Atlas::serve(&directory, &[]).terminate().success());
    assert!(set(&directory, PASSWORD).status.success());
    let server = Atlas::serve(&directory, &[]);
    assert_eq!(status(&log_in(&server, PASSWORD)), "303");
    assert!(server.terminate().success());
    let output = run(&["dashboard", "--remove-password"], &directory);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let server = Atlas::serve(&directory, &[]);
    assert_eq!(status(&log_in(&server, PASSWORD)), "401");
}

#[test]
fn a_machine_is_told_what_was_done_to_the_password() {
    let temporary = tempfile::tempdir().expect("a directory");
    let server = Atlas::serve(&temporary.path().join("data"), &[]);
    let arguments = ["dashboard", "--set-password", "--json"];
    let output = run_with_input(&arguments, &server.directory, PASSWORD);
    let printed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(printed, serde_json::json!({"password": "set"}));
    let printed = json_of(&["dashboard", "--remove-password"], &server.directory);
    assert_eq!(printed, serde_json::json!({"password": "removed"}));
}

#[test]
fn a_password_of_a_wrong_length_is_refused_and_not_repeated() {
    let temporary = tempfile::tempdir().expect("a directory");
    let server = Atlas::serve(&temporary.path().join("data"), &[]);
    let long = "x".repeat(1_025);
    for password in ["", "\n", "eleven-byte", &long] {
        let output = set(&server.directory, password);
        let message = text(&output.stderr);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{message}");
        assert!(
            message.contains("12") && message.contains("1024"),
            "{message}"
        );
        assert!(
            password.len() < 2 || !message.contains(password),
            "{message}"
        );
        assert_eq!(status(&log_in(&server, password)), "401");
    }
    let longest = "x".repeat(1_024);
    assert!(set(&server.directory, &longest).status.success());
}

#[test]
fn both_at_once_is_a_wrong_usage() {
    let temporary = tempfile::tempdir().expect("a directory");
    let arguments = ["dashboard", "--set-password", "--remove-password"];
    let output = run_with_input(&arguments, &temporary.path().join("data"), PASSWORD);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[test]
fn neither_link_nor_password_nor_session_is_in_a_log_at_trace_level_or_on_disk() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let mut command = Command::new(BINARY);
    command
        .env("RUST_LOG", "trace")
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&directory);
    let server = Atlas::start(command, &directory);
    let host = server.address.to_string();
    let (used, unused) = (url_of(&directory), url_of(&directory));
    let by_link = cookie(&follow(&server, &host, &used));
    assert!(set(&directory, PASSWORD).status.success());
    log_in(&server, "a wrong password");
    let by_password = cookie(&log_in(&server, PASSWORD));
    let head = format!("GET /dashboard/keys/new HTTP/1.1\r\nCookie: {by_password}\r\n");
    let page = exchange(server.address, &host, &head, "");
    let (_, csrf) = page.split_once("name=\"csrf\" value=\"").expect("a token");
    let csrf = csrf.split('"').next().expect("its end").to_owned();
    assert!(server.terminate().success());

    let log = read_log(&directory);
    assert!(log.contains("TRACE") && log.contains("/dashboard/login"));
    let value = |pair: &str| pair.split('=').nth(1).expect("a value").to_owned();
    let encoded = PASSWORD.replace(' ', "+");
    for secret in [
        value(&used),
        value(&unused),
        value(&by_link),
        value(&by_password),
        PASSWORD.to_owned(),
        encoded,
        "a wrong password".to_owned(),
        "a+wrong+password".to_owned(),
        csrf,
    ] {
        assert!(
            !log.contains(&secret),
            "a secret of the dashboard is in the log"
        );
        assert_eq!(files_with(&directory, &secret), Vec::<String>::new());
    }
}

#[test]
fn an_open_stream_of_events_does_not_hold_the_end_up() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    // Longer than the stream is read for: the server must not wait it out.
    let server = Atlas::serve(&directory, &["--shutdown-timeout", "180s"]);
    let host = server.address.to_string();
    let cookie = cookie(&follow(&server, &host, &url_of(&directory)));
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let request = format!(
        "GET /dashboard/events/requests HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("written");
    let mut start = [0; 15];
    stream.read_exact(&mut start).expect("an answer");
    assert_eq!(text(&start), "HTTP/1.1 200 OK");
    let reading = std::thread::spawn(move || {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the stream ends");
        text(&rest)
    });
    assert_eq!(
        server.terminate().code(),
        Some(0),
        "{}",
        read_log(&directory)
    );
    let rest = reading.join().expect("the stream ends in time");
    assert!(
        rest.ends_with("0\r\n\r\n"),
        "it is ended, not cut: {rest:?}"
    );
}

#[test]
fn behind_a_public_url_links_cookie_and_host_are_those_of_the_url() {
    let temporary = tempfile::tempdir().expect("a directory");
    let public = ["--public-url", "https://pay.example"];
    let server = Atlas::serve(&temporary.path().join("data"), &public);
    let link = url_of(&server.directory);
    let begins = "https://pay.example/dashboard/login?token=";
    assert!(link.starts_with(begins), "{link}");
    let refused = follow(&server, "evil.example", &link);
    assert_eq!(status(&refused), "421", "{refused}");
    let answer = follow(&server, "pay.example", &link);
    let attributes = header(&answer, "set-cookie").expect("a cookie");
    assert!(
        attributes.split("; ").any(|one| one == "Secure"),
        "{attributes}"
    );
    let cookie = cookie(&answer);
    assert_eq!(look(&server, "pay.example", &cookie), "200");
    assert_eq!(look(&server, "127.0.0.1", &cookie), "200");
    assert_eq!(look(&server, "not-pay.example", &cookie), "421");

    assert!(set(&server.directory, PASSWORD).status.success());
    let body = format!("password={}", PASSWORD.replace(' ', "+"));
    for (origin, expected) in [
        ("https://pay.example", "303"),
        ("https://evil.example", "403"),
    ] {
        let head = format!(
            "POST /dashboard/login HTTP/1.1\r\nOrigin: {origin}\r\nContent-Type: {FORM}\r\n"
        );
        let answer = exchange(server.address, "pay.example", &head, &body);
        assert_eq!(status(&answer), expected, "{origin}");
    }
}

#[test]
fn a_public_url_that_is_none_is_refused_with_its_name() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    for url in [
        "here",
        "ftp://pay.example",
        "https://",
        "https://me@pay.example",
        "",
    ] {
        let output = run(&["serve", "--public-url", url], &directory);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{url}: {message}");
        let named = message.contains("--public-url") || message.contains("public_url");
        assert!(named, "{url}: {message}");
    }
}
