//! Secrets that are read from standard input: one line each, whole or not at all.

use serde_json::Value;

use crate::process::{Atlas, Client, json_of, run_with_input, text};

#[test]
fn a_password_is_one_line() {
    let temporary = tempfile::tempdir().expect("a directory");
    let server = Atlas::serve(&temporary.path().join("data"), &[]);
    let set = |typed: &str| {
        let asked = ["dashboard", "--set-password", "--json"];
        let output = run_with_input(&asked, &server.directory, typed);
        (output.status.code(), text(&output.stderr))
    };
    for typed in [
        "correct horse\nbattery staple\n",
        "correct horse battery\n\n",
        "correct horse\rbattery staple",
    ] {
        let (code, said) = set(typed);
        assert_eq!(code, Some(1), "{typed:?}: {said}");
        assert!(said.contains("a password is one line"), "{said}");
    }
    for end in ["", "\n", "\r\n"] {
        let (code, said) = set(&format!("correct horse battery{end}"));
        assert_eq!(code, Some(0), "{end:?}: {said}");
    }
}

#[test]
fn a_secret_that_is_too_long_to_be_read_is_not_imported_in_part() {
    let temporary = tempfile::tempdir().expect("a directory");
    let server = Atlas::serve(&temporary.path().join("data"), &[]);
    let import = |typed: &str| {
        let asked = ["keys", "import", "--name", "Old", "--json"];
        run_with_input(&asked, &server.directory, typed)
    };
    let longest = format!("sk_test_{}", "a".repeat(247));
    for typed in [
        format!("   {longest}b\n"),
        format!("{}{longest}", " ".repeat(20)),
        format!("{longest}bbbbbb"),
        format!("{longest}b"),
    ] {
        let output = import(&typed);
        assert_eq!(output.status.code(), Some(1), "{typed:?}");
    }
    let listed = json_of(&["keys", "list"], &server.directory);
    assert_eq!(listed, Value::Array(Vec::new()));
    let output = import(&format!("{longest}\r\n"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut client = Client::connect(server.address).expect("a connection");
    let order = r#"{"amount":4990,"currency":"USD"}"#;
    let answer = client.create(&longest, "", order).expect("an answer");
    assert_eq!(answer.status, 201);
}
