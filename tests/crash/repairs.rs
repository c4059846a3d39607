//! Kills of `atlas verify --repair`: whenever it is cut short, what is left of its work is done by the next one.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::process::{Atlas, BINARY, Client, text};
use crate::{SETTINGS, goes_on, random, rounds};

/// Kills, unless more are asked for.
const ROUNDS: usize = 10;
const ORDERS: usize = 50;
/// Pointers to nothing, in several commits of a repair.
const STRAY: u64 = 1_500;
const ORDER: &str = r#"{"amount":4990,"currency":"USD"}"#;

fn repair(directory: &Path) -> Child {
    Command::new(BINARY)
        .args(["verify", "--repair", "--json", "--data-dir"])
        .arg(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("atlas starts")
}

fn faults(output: &Output) -> usize {
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success(), "{found}");
    found["faults"].as_array().expect("a list").len()
}

/// Sessions are said to expire that there are not.
fn plant(directory: &Path, round: u64) {
    let store = sled::Config::new()
        .path(directory.join("store"))
        .segment_size(8 << 20)
        .open()
        .expect("opens");
    let expiries = store.open_tree("expiries").expect("a tree");
    for number in 0..STRAY {
        let at = (round * STRAY + number + 1).to_be_bytes();
        let key = [&at[..], &[b'0'; 24]].concat();
        expiries.insert(key, &b""[..]).expect("written");
    }
    store.flush().expect("flushed");
}

#[test]
fn a_repair_that_is_killed_is_done_by_the_next_one_and_costs_nothing() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let server = Atlas::serve(&directory, SETTINGS);
    let secret = server.key(&[]);
    let mut client = Client::connect(server.address).expect("a connection");
    let orders: Vec<_> = (0..ORDERS)
        .map(|number| {
            let key = format!("order-{number}");
            let made = client.create(&secret, &key, ORDER).expect("an answer");
            (key, made)
        })
        .collect();
    assert!(server.terminate().success());
    let (rounds, mut round, mut cut) = (rounds(ROUNDS), 0, 0);
    while goes_on(round, rounds, cut > 0) {
        plant(&directory, round as u64);
        let mut child = repair(&directory);
        // No moment is waited for: any will do.
        std::thread::sleep(Duration::from_millis(random(400)));
        child.kill().expect("killed");
        let killed = child.wait_with_output().expect("ended");
        let left = faults(&repair(&directory).wait_with_output().expect("ended"));
        assert!(left as u64 <= STRAY);
        cut += usize::from(!killed.status.success() && left > 0);
        let again = repair(&directory).wait_with_output().expect("ended");
        assert_eq!(faults(&again), 0, "all was removed");
        round += 1;
    }
    eprintln!("{round} repairs killed, {cut} of them before their end");
    assert!(cut > 0, "no kill came in time");
    let server = Atlas::serve(&directory, SETTINGS);
    let mut client = Client::connect(server.address).expect("a connection");
    for (key, first) in &orders {
        let again = client.create(&secret, key, ORDER).expect("an answer");
        assert!(again.replayed, "{key} is forgotten");
        assert_eq!(text(&again.body), text(&first.body), "{key}");
    }
}
