//! Settings: four sources, one name, and clear words for wrong ones.

use std::process::Command;

use crate::process::{Atlas, BINARY, Client, run, text};

/// The minute limit that a server with these settings tells a stranger's key... of its own.
fn limit_of(flags: &[&str], variable: Option<&str>, file: Option<&str>) -> String {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let mut command = Command::new(BINARY);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&directory)
        .args(flags);
    if let Some(value) = variable {
        command.env("ATLAS_PER_MINUTE", value);
    }
    if let Some(text) = file {
        let path = temporary.path().join("atlas.toml");
        std::fs::write(&path, text).expect("written");
        command.arg("--config").arg(path);
    }
    let server = Atlas::start(command, &directory);
    let secret = server.key(&[]);
    let mut client = Client::connect(server.address).expect("a connection");
    let mut answers = 0;
    while client
        .get(&secret, "/functions/v1/sessions/none")
        .expect("an answer")
        .status
        == 404
    {
        answers += 1;
    }
    answers.to_string()
}

#[test]
fn flags_win_over_variables_over_the_file_over_defaults() {
    let file = "per_minute = 3\n";
    assert_eq!(limit_of(&["--per-minute", "1"], Some("2"), Some(file)), "1");
    assert_eq!(limit_of(&[], Some("2"), Some(file)), "2");
    assert_eq!(limit_of(&[], None, Some(file)), "3");
    assert_eq!(limit_of(&[], None, None), "1000");
}

#[test]
fn a_wrong_setting_is_refused_with_its_name_its_value_and_what_is_allowed() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    for (arguments, says) in [
        (
            &["--per-minute", "0"][..],
            &["--per-minute", "0", "from 1 to"][..],
        ),
        (&["--per-minute", "many"], &["--per-minute", "many"]),
        (
            &["--max-body", "1MiB"],
            &["max_body", "1048576", "1KiB to 64KiB"],
        ),
        (&["--listen", "here"], &["--listen", "here"]),
        (
            &["--idempotency-lifetime", "1 fortnight"],
            &["--idempotency-lifetime", "24h"],
        ),
        (
            &["--idempotency-lifetime", "0s"],
            &["idempotency_lifetime", "longer than nothing"],
        ),
        (
            &["--idempotency-lifetime", "999d"],
            &["idempotency_lifetime = 999d", "at most 366d"],
        ),
        (
            &["--trusted-proxy", "10.0.0.0/99"],
            &["--trusted-proxy", "10.0.0.0/8"],
        ),
        (
            &["--allow-origin", "https://shop.example/path"],
            &["--allow-origin", "https://shop.example"],
        ),
        (&["--workers", "0"], &["workers", "from 1 to 256"]),
        (
            &["--log-format", "yaml"],
            &["--log-format", "yaml", "text or json"],
        ),
        (&["--no-such-setting", "1"], &["--no-such-setting"]),
        (
            &["--config", "/nowhere/atlas.toml"],
            &["--config", "/nowhere/atlas.toml"],
        ),
    ] {
        assert_refused(arguments, says, &directory);
    }
}

#[test]
fn a_wrong_line_of_the_file_is_refused_with_its_number() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let path = temporary.path().join("atlas.toml");
    for (file, says) in [
        ("# mine\nper_minut = 3\n", &["line 2", "per_minut"][..]),
        ("per_minute = \"many\"\n", &["line 1", "per_minute"]),
        (
            "\n\nbody_timeout = \"soon\"\n",
            &["line 3", "body_timeout", "30s"],
        ),
        ("per_minute = \n", &["line 1"]),
        (
            "per_minute = -1\n",
            &["per_minute", "a whole number, 1 or more"],
        ),
        ("body_timeout = 5\n", &["body_timeout", "a text in quotes"]),
        (
            "allow_origin = \"https://shop.example\"\n",
            &["allow_origin", "a list of texts"],
        ),
    ] {
        std::fs::write(&path, file).expect("written");
        assert_refused(
            &["--config", path.to_str().expect("UTF-8")],
            says,
            &directory,
        );
    }
}

#[test]
fn a_wrong_variable_is_told_by_its_own_name() {
    let temporary = tempfile::tempdir().expect("a directory");
    for (flags, told) in [
        (&[][..], "'ATLAS_PER_MINUTE'"),
        (&["--per-day=3"], "'ATLAS_PER_MINUTE'"),
        (&["--per-minute", "many"], "'--per-minute <N>'"),
        (&["--per-minute=many"], "'--per-minute <N>'"),
    ] {
        let mut asked = Command::new(BINARY);
        asked.args(["check-config", "--data-dir"]);
        asked.arg(temporary.path()).args(flags);
        let output = asked.env("ATLAS_PER_MINUTE", "x").output();
        let output = output.expect("atlas runs");
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {message}");
        assert!(message.contains(told), "{flags:?}: {message}");
    }
}

#[test]
fn a_flag_counts_before_the_variable_of_the_other_way_to_say_it() {
    let temporary = tempfile::tempdir().expect("a directory");
    let listen = |variable: (&str, &str), flags: &[&str]| {
        let mut command = Command::new(BINARY);
        command
            .args(["check-config", "--data-dir"])
            .arg(temporary.path())
            .args(flags)
            .env(variable.0, variable.1);
        let output = command.output().expect("atlas runs");
        (
            output.status.code(),
            text(&output.stdout) + &text(&output.stderr),
        )
    };
    for (variable, flags, says) in [
        (
            ("ATLAS_LISTEN", "127.0.0.1:1"),
            &["--port", "2"][..],
            "listen = 127.0.0.1:2",
        ),
        (
            ("ATLAS_PORT", "1"),
            &["--listen", "127.0.0.1:2"],
            "listen = 127.0.0.1:2",
        ),
    ] {
        let (code, said) = listen(variable, flags);
        assert_eq!(code, Some(0), "{flags:?}: {said}");
        assert!(said.replace('"', "").contains(says), "{flags:?}: {said}");
    }
    let (code, said) = listen(("ATLAS_PORT", "1"), &["--port", "2", "--listen", "[::1]:3"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("set one of the two"), "{said}");
}

fn assert_refused(arguments: &[&str], says: &[&str], directory: &std::path::Path) {
    let output = run(&[&["serve"], arguments].concat(), directory);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    for word in says {
        assert!(
            message.contains(word),
            "{arguments:?}: {message} has no {word}"
        );
    }
}

#[test]
fn without_a_command_it_serves_and_help_speaks_of_all() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let mut command = Command::new(BINARY);
    command
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&directory);
    assert!(Atlas::start(command, &directory).terminate().success());
    let mut alone = Command::new(BINARY);
    alone
        .env("ATLAS_LISTEN", "127.0.0.1:0")
        .current_dir(temporary.path());
    assert!(Atlas::start(alone, &directory).terminate().success());
    let help = Command::new(BINARY).arg("--help").output().expect("help");
    for word in [
        "serve",
        "mock",
        "keys",
        "--data-dir",
        "ATLAS_PER_MINUTE",
        "RUST_LOG",
        "Exit status",
        "Examples",
    ] {
        assert!(text(&help.stdout).contains(word), "{word}");
    }
}

#[test]
fn settings_of_every_command_may_stand_before_it() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let output = Command::new(BINARY)
        .arg("--data-dir")
        .arg(&directory)
        .args(["--json", "keys", "create", "--name", "x"])
        .output();
    let output = output.expect("atlas runs");
    assert!(
        output.status.success() && text(&output.stdout).contains("\"secret\""),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn the_mock_takes_the_documented_key_as_printed_and_keeps_accounts_apart() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let mut command = Command::new(BINARY);
    command
        .args(["mock", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&directory);
    let server = Atlas::start(command, &directory);
    let order = |secret: &str| {
        let mut client = Client::connect(server.address).expect("a connection");
        client
            .create(secret, "order_1", r#"{"amount":1,"currency":"USD"}"#)
            .expect("an answer")
    };
    let first = order("sk_test_xxx");
    assert_eq!(first.status, 201);
    assert_eq!(order("sk_test_xxx").body, first.body);
    assert_ne!(order("sk_test_other").body, first.body);
    for refused in ["sk_live_0123456789abcdef", "sk_test_", "sk_test_a-b"] {
        assert_eq!(order(refused).status, 401, "{refused}");
    }
}
