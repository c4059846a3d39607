//! The snippets beside a new secret, and the curl line of a request, do what they promise when they are pasted.

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

/// Method and address of the newest request, as the list shows them.
fn newest(desk: &Desk) -> String {
    desk.goto("/requests");
    desk.browser.text("#requests tbody tr:first-child th a")
}

fn count(desk: &Desk) -> usize {
    let rows = "return document.querySelectorAll('#requests tbody tr').length";
    let count = desk.browser.script(rows).as_u64();
    usize::try_from(count.expect("a number")).expect("a small one")
}

/// Sends a request by curl, then again by the line that its page shows; each is to be the same one request.
fn is_sent_again(arguments: &[&str], path: &str) {
    if !has_tool("curl", &["--version"]) {
        return;
    }
    let Some(desk) = Desk::inside() else { return };
    let key = desk.key(&[]);
    let url = format!("http://{}{path}", desk.server.address);
    let authorization = format!("Authorization: Bearer {}", key.secret);
    let always = [
        "-sS",
        "--globoff",
        "--path-as-is",
        "-H",
        &authorization,
        &url,
    ];
    let sent = Command::new("curl").args(always).args(arguments).output();
    assert!(sent.expect("curl runs").status.success());

    let (first, before) = (newest(&desk), count(&desk));
    let body = |desk: &Desk| {
        desk.browser.click("#requests tbody tr:first-child th a");
        desk.browser.wait_for("#curl");
        let body = "return document.querySelector('#sent-body')?.textContent ?? null";
        desk.browser.script(body)
    };
    let first_body = body(&desk);
    let line = desk.browser.exact_text("#curl");
    let mut again = Command::new("sh");
    again.env("ATLAS_KEY", &key.secret).args(["-c", &line]);
    let output = again.output().expect("sh runs");
    assert!(output.status.success(), "{line}: {}", text(&output.stderr));

    assert_eq!(newest(&desk), first, "{line}");
    assert_eq!(count(&desk), before + 1, "{line}");
    assert_eq!(body(&desk), first_body, "{line}");
}

#[test]
fn a_body_that_looks_like_a_file_is_sent_again_as_it_is() {
    let body = [
        "-H",
        "Content-Type: application/json",
        "--data-raw",
        "@/etc/hostname",
    ];
    is_sent_again(&body, "/functions/v1/create-session");
}

#[test]
fn an_address_that_looks_like_several_is_sent_again_as_one() {
    is_sent_again(&[], "/functions/v1/sessions/[1-3]{a,b}?x[]=1");
}

#[test]
fn an_address_with_dots_is_sent_again_as_it_is() {
    is_sent_again(&[], "/functions/v1/../v1/./sessions/x");
}

#[test]
fn a_head_is_sent_again_without_waiting_for_a_body() {
    is_sent_again(&["-I"], "/functions/v1/sessions/x");
}

#[test]
fn a_get_with_a_body_and_no_type_is_sent_again_so() {
    is_sent_again(
        &[
            "-X",
            "GET",
            "-H",
            "Content-Type:",
            "-H",
            "X-Empty;",
            "--data-raw",
            "a=1",
        ],
        "/nowhere",
    );
}
