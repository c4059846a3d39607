//! The snippets beside a new secret do what they promise when they are pasted.

use std::process::{Command, Output};

use crate::desk::Desk;
use crate::process::{has_tool, text};

/// Runs a snippet of the page of a new secret; gives what it printed.
fn run(desk: &Desk, id: &str, command: &mut Command) -> Output {
    desk.create("Snippets");
    let snippet = desk.browser.exact_text(&format!("#{id}"));
    let output = command.arg(&snippet).output().expect("it runs");
    let said = text(&output.stderr);
    assert!(output.status.success(), "{snippet}\nsays {said}");
    output
}

fn makes_a_session(id: &str, command: &mut Command) {
    let Some(desk) = Desk::inside() else { return };
    let output = run(&desk, id, command);
    let used = &desk.keys()[0]["used_today"];
    assert_eq!(*used, 1, "{}", text(&output.stdout));
    desk.goto("/sessions?mode=test&account=default");
    desk.browser.wait_for("#sessions tbody tr");
}

#[test]
fn curl() {
    makes_a_session("curl", Command::new("sh").arg("-c"));
}

#[test]
fn javascript() {
    if has_tool("node", &["-e", "fetch"]) {
        makes_a_session(
            "javascript",
            Command::new("node").args(["--input-type=module", "-e"]),
        );
    }
}

#[test]
fn python() {
    if has_tool("python3", &["-c", "import requests"]) {
        makes_a_session("python", Command::new("python3").arg("-c"));
    }
}
