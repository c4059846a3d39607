//! The README's fixtures for test suites, as they stand there, run by the tools they are written for.

use std::path::Path;
use std::process::Command;

use crate::process::{BINARY, has_tool, text};

/// The code block of the README that is to be saved under this name.
fn block(name: &str) -> String {
    let readme = include_str!("../../README.md");
    let mut lines = readme
        .lines()
        .skip_while(|line| !(line.starts_with("```") && line.ends_with(&format!(" {name}"))));
    assert!(lines.next().is_some(), "the README has no {name}");
    let block: Vec<&str> = lines.take_while(|line| *line != "```").collect();
    block.join("\n") + "\n"
}

/// Saves blocks in a directory of their own, runs a command there that finds `atlas`, and gives what it printed.
fn run(names: &[&str], program: &str, arguments: &[&str]) -> String {
    let temporary = tempfile::tempdir().expect("a directory");
    for name in names {
        std::fs::write(temporary.path().join(name), block(name)).expect("saved");
    }
    let programs = Path::new(BINARY).parent().expect("a directory").display();
    let path = std::env::var("PATH").expect("PATH");
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", format!("{programs}:{path}"))
        .env("RUST_LOG", "warn")
        .current_dir(temporary.path())
        .output()
        .expect("the tool runs");
    let printed = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{printed}");
    printed
}

#[test]
fn the_pytest_fixture_runs() {
    if !has_tool("python3", &["-c", "import pytest, requests"]) {
        return;
    }
    let arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider"];
    let printed = run(&["conftest.py", "test_shop.py"], "python3", &arguments);
    assert!(printed.contains("1 passed"), "{printed}");
}

#[test]
fn the_node_fixture_runs() {
    if !has_tool("node", &["-e", "require('node:test')"]) {
        return;
    }
    let printed = run(&["shop.test.mjs"], "node", &["--test"]);
    assert!(printed.contains("pass 1"), "{printed}");
}
