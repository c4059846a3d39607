//! `atlas verify`: a walk over every row that finds what is wrong, and repairs only what points to nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::process::{Atlas, BINARY, Client, eventually, has_tool, json_of, run, text};

fn post(client: &mut Client, secret: &str, path: &str, body: &str) -> Value {
    let length = body.len();
    let request = format!(
        "POST /functions/v1/{path} HTTP/1.1\r\nHost: atlas\r\nAuthorization: Bearer {secret}\r\n\
         Content-Type: application/json\r\nIdempotency-Key: {path}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let answer = client.send(&request).expect("an answer");
    assert!(answer.status < 300, "{path}: {}", text(&answer.body));
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// A server with something in every table: a key, endpoints, a session that is paid and refunded, one that waits.
pub fn served(directory: &Path) -> Atlas {
    let server = Atlas::serve(directory, &[]);
    let url = "http://127.0.0.1:1/nobody";
    let every = "payment.captured,refund.succeeded,session.expired";
    json_of(&["webhooks", "add", url, "--event", every], directory);
    let secret = server.key(&[]);
    let mut client = Client::connect(server.address).expect("a connection");
    let order = r#"{"amount":4990,"currency":"USD"}"#;
    let made = post(&mut client, &secret, "create-session", order);
    let member = |value: &Value, name: &str| value[name].as_str().expect("text").to_owned();
    let (id, buyer) = (member(&made, "id"), member(&made, "client_secret"));
    let confirm = format!("confirm-payment/{id}");
    let payment = post(&mut client, &buyer, &confirm, r#"{"token_id":"tok_visa"}"#);
    let refund = format!("refund-payment/{}", member(&payment, "id"));
    post(&mut client, &secret, &refund, r#"{"amount":90}"#);
    let waits = client.create(&secret, "waits", order).expect("an answer");
    assert_eq!(waits.status, 201);
    server
}

fn verified(directory: &Path, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let output = Command::new(BINARY)
        .args(["verify", "--json", "--data-dir"])
        .arg(directory)
        .args(arguments)
        .output()
        .expect("atlas runs");
    let found = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), found, text(&output.stderr))
}

#[test]
fn a_store_that_is_whole_has_nothing_wrong_while_it_serves_and_after() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let server = served(&directory);
    let (code, found, said) = verified(&directory, &[]);
    assert_eq!(
        (code, &found["faults"]),
        (Some(0), &Value::Array(Vec::new())),
        "{said}"
    );
    let rows = found["rows"].as_u64().expect("a number");
    assert!(rows >= 15, "{rows}");
    server.kill();
    let (code, found, said) = verified(&directory, &[]);
    assert_eq!(
        (code, &found["faults"]),
        (Some(0), &Value::Array(Vec::new())),
        "{said}"
    );
    let people = run(&["verify"], &directory);
    assert!(
        text(&people.stderr).contains("nothing is wrong"),
        "{}",
        text(&people.stderr)
    );
    let nowhere = run(&["verify"], &temporary.path().join("nowhere"));
    assert_eq!(nowhere.status.code(), Some(1));
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(copied.expect("cp runs").success());
}

fn tree(directory: &Path, name: &str) -> (sled::Db, sled::Tree) {
    let store = sled::Config::new()
        .path(directory.join("store"))
        .segment_size(8 << 20)
        .open()
        .expect("opens");
    let tree = store.open_tree(name).expect("a tree");
    (store, tree)
}

/// How a table is damaged.
enum Harm {
    /// The first row is garbage.
    Garbage,
    /// All rows are lost.
    Lost,
    /// There is a row of this key and value besides.
    Stray(Vec<u8>, Vec<u8>),
}

fn harm(directory: &Path, table: &str, harm: &Harm) {
    let (store, tree) = tree(directory, table);
    match harm {
        Harm::Garbage => {
            let (key, _) = tree.first().expect("read").expect("a row");
            tree.insert(key, b"\xff\xff").expect("written");
        }
        Harm::Lost => tree.clear().expect("cleared"),
        Harm::Stray(key, value) => {
            tree.insert(key.as_slice(), value.as_slice())
                .expect("written");
        }
    }
    store.flush().expect("flushed");
}

#[test]
fn whatever_is_wrong_is_found_where_it_is() {
    let temporary = tempfile::tempdir().expect("a directory");
    let whole = temporary.path().join("whole");
    assert_eq!(served(&whole).terminate().code(), Some(0));
    let at = [&1_u64.to_be_bytes()[..], &[b'0'; 24]].concat();
    let due = [&[b'w'; 24][..], &1_u64.to_be_bytes(), &[b'e'; 24]].concat();
    for (table, what, where_it_shows, says) in [
        ("sessions", Harm::Garbage, "sessions", "can't be read"),
        ("sessions", Harm::Lost, "refunds", "its session is missing"),
        ("refunds", Harm::Lost, "sessions", "don't add up"),
        ("refunds", Harm::Garbage, "refunds", "can't be read"),
        ("blocks", Harm::Lost, "contents", "tells of are missing"),
        ("blocks", Harm::Garbage, "blocks", "can't be read"),
        ("contents", Harm::Garbage, "contents", "can't be read"),
        ("contents", Harm::Lost, "blocks", "no idempotency key leads"),
        ("events", Harm::Lost, "deliveries", "its event is missing"),
        ("events", Harm::Garbage, "events", "can't be read"),
        ("deliveries", Harm::Garbage, "deliveries", "can't be read"),
        ("outbox", Harm::Lost, "deliveries", "not in the outbox"),
        ("endpoints", Harm::Garbage, "endpoints", "can't be read"),
        ("keys", Harm::Garbage, "keys", "can't be read"),
        ("keys", Harm::Lost, "days", "of no API key"),
        ("days", Harm::Garbage, "days", "can't be read"),
        (
            "claims",
            Harm::Stray(vec![1; 16], vec![9]),
            "claims",
            "can't be read",
        ),
        (
            "expiries",
            Harm::Stray(at, Vec::new()),
            "expiries",
            "points to no session",
        ),
        (
            "outbox",
            Harm::Stray(due, Vec::new()),
            "outbox",
            "points to no delivery",
        ),
    ] {
        let directory = temporary.path().join("harmed");
        copy(&whole, &directory);
        harm(&directory, table, &what);
        let (code, found, said) = verified(&directory, &[]);
        assert_eq!(code, Some(1), "{table}, {says}: {said}");
        let faults = found["faults"].as_array().expect("a list");
        let shows = |fault: &&Value| {
            let told = fault["what"].as_str().expect("text");
            fault["table"] == where_it_shows && told.contains(says)
        };
        assert!(
            faults.iter().any(|fault| shows(&fault)),
            "{table}, {says}: {found}"
        );
        std::fs::remove_dir_all(&directory).expect("removed");
    }
}

#[test]
fn a_repair_removes_pointers_to_nothing_and_nothing_else() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory: PathBuf = temporary.path().join("data");
    assert_eq!(served(&directory).terminate().code(), Some(0));
    let (_, before, _) = verified(&directory, &[]);
    let stray = [&1_u64.to_be_bytes()[..], &[b'0'; 24]].concat();
    harm(&directory, "expiries", &Harm::Stray(stray, Vec::new()));
    let (code, found, _) = verified(&directory, &["--repair"]);
    assert_eq!(
        (code, &found["faults"][0]["repaired"]),
        (Some(0), &Value::Bool(true))
    );
    assert_eq!(verified(&directory, &[]).1, before);
    harm(&directory, "endpoints", &Harm::Garbage);
    let (code, found, said) = verified(&directory, &["--repair"]);
    assert_eq!(
        (code, &found["faults"][0]["repaired"]),
        (Some(1), &Value::Bool(false))
    );
    assert!(said.contains("restore a copy"), "{said}");
    let (_, tree) = tree(&directory, "endpoints");
    assert_eq!(
        tree.first().expect("read").expect("a row").1,
        &b"\xff\xff"[..]
    );
}

#[test]
fn a_server_that_is_only_just_starting_looks_itself() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    assert_eq!(served(&directory).terminate().code(), Some(0));
    for round in 0..6 {
        std::thread::scope(|scope| {
            let starting = scope.spawn(|| Atlas::serve(&directory, &[]));
            let (code, _, said) = verified(&directory, &[]);
            assert_eq!(code, Some(0), "{round}: {said}");
            let server = starting.join().expect("it starts");
            assert_eq!(server.terminate().code(), Some(0));
        });
    }
}

#[test]
fn a_command_that_a_starting_server_forestalls_asks_that_server() {
    if !has_tool("strace", &["-V"]) {
        return;
    }
    let temporary = tempfile::tempdir().expect("a directory");
    let (directory, trace) = (
        temporary.path().join("data"),
        temporary.path().join("trace"),
    );
    assert_eq!(served(&directory).terminate().code(), Some(0));
    let mut command = Command::new("strace");
    // Held up when it has found that nobody has the directory, until a server has it.
    command
        .args(["-f", "-q", "-e", "trace=close"])
        .args(["-e", "inject=close:delay_exit=2000000:when=1"])
        .arg("-P")
        .arg(directory.join("lock"))
        .arg("-o")
        .arg(&trace)
        .args([BINARY, "keys", "list", "--data-dir"])
        .arg(&directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let asking = command.spawn().expect("strace runs");
    eventually("it looks", || {
        std::fs::read_to_string(&trace).is_ok_and(|calls| calls.contains("(DELAYED)"))
    });
    let server = Atlas::serve(&directory, &[]);
    let asked = asking.wait_with_output().expect("an answer");
    assert_eq!(asked.status.code(), Some(0), "{}", text(&asked.stderr));
    assert_eq!(server.terminate().code(), Some(0));
}

/// Turns a bit in each of the places where the store's file has these bytes; says how many there are.
fn turn_bits(directory: &Path, bytes: &[u8]) -> usize {
    use std::os::unix::fs::FileExt;
    let path = directory.join("store/db");
    let content = std::fs::read(&path).expect("read");
    let file = std::fs::File::options().write(true).open(&path);
    let file = file.expect("opened");
    let places = content.windows(bytes.len()).enumerate();
    let places = places.filter(|(_, window)| *window == bytes);
    places
        .map(|(at, _)| file.write_all_at(&[bytes[0] ^ 1], at as u64))
        .map(|written| written.expect("written"))
        .count()
}

#[test]
fn of_a_damaged_file_it_is_said_which_rows_are_lost_and_the_others_are_looked_at() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let server = served(&directory);
    let secret = server.key(&[]);
    let mut client = Client::connect(server.address).expect("a connection");
    // So that the events lie in many pages.
    for order in 0..60 {
        let body = format!(r#"{{"amount":4990,"currency":"USD","external_id":"{order}"}}"#);
        let made = client.create(&secret, "", &body).expect("an answer").json();
        let member = |name: &str| made[name].as_str().expect("text").to_owned();
        let path = format!("confirm-payment/{}", member("id"));
        let card = r#"{"token_id":"tok_visa"}"#;
        post(&mut client, &member("client_secret"), &path, card);
    }
    assert_eq!(server.terminate().code(), Some(0));
    let mut ids = Vec::new();
    {
        let (_store, tree) = tree(&directory, "events");
        for row in tree.iter().keys() {
            ids.push(text(&row.expect("a key")));
        }
    }
    // A server reads pages when they are asked for.
    let server = Atlas::serve(&directory, &[]);
    let lost = &ids[ids.len() / 2];
    assert!(turn_bits(&directory, format!("evt_{lost}").as_bytes()) > 0);
    let (code, found, said) = verified(&directory, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("restore a copy"), "{said}");
    let rows = found["rows"].as_u64().expect("a number");
    assert!(rows > 200, "{rows}");
    let faults = found["faults"].as_array().expect("a list");
    let gap = faults.iter().find_map(|fault| {
        let key = fault["key"]
            .as_str()
            .filter(|_| fault["table"] == "events")?;
        key.split_once("..")
    });
    let (before, behind) = gap.expect("where the rows are that are lost");
    assert!(before < lost.as_str() && lost.as_str() < behind, "{gap:?}");
    assert!(ids[0].as_str() < before && behind < ids[ids.len() - 1].as_str());
    let people = text(&run(&["verify"], &directory).stdout);
    assert!(
        people.contains(&format!("events {before}..{behind}: the rows between")),
        "{people}"
    );
    let backup = temporary.path().join("backup");
    let output = run(&["backup", backup.to_str().expect("text")], &directory);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains(
            "the store's events can't all be read (its file is damaged): `atlas verify --data-dir"
        ),
        "{said}"
    );
    assert!(!backup.exists());
    drop(server);
}
