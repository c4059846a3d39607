//! `atlas keys`, with a running server and without one.

use serde_json::Value;

use crate::process::{Atlas, Client, create_key, eventually, json_of, run, run_with_input, text};

const ORDER: &str = r#"{"amount":4990,"currency":"USD"}"#;

fn status(server: &Atlas, secret: &str) -> u16 {
    let mut client = Client::connect(server.address).expect("a connection");
    client.create(secret, "", ORDER).expect("an answer").status
}

/// Runs the same commands twice: against a server, and on a directory that none uses.
fn with_and_without_server(check: impl Fn(&std::path::Path)) {
    let temporary = tempfile::tempdir().expect("a directory");
    check(&temporary.path().join("alone"));
    let server = Atlas::serve(&temporary.path().join("served"), &[]);
    check(&server.directory);
}

#[test]
fn create_prints_exactly_what_a_machine_needs() {
    with_and_without_server(|directory| {
        let made = create_key(
            directory,
            &["--mode", "live", "--account", "shop", "--expires", "90d"],
        );
        let members: Vec<_> = made
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        let mut expected = [
            "id",
            "account",
            "mode",
            "name",
            "secret",
            "created_at",
            "expires_at",
        ];
        expected.sort_unstable();
        assert_eq!(members, expected);
        assert!(
            made["secret"]
                .as_str()
                .is_some_and(|secret| secret.starts_with("sk_live_") && secret.len() == 44)
        );
        assert_eq!(
            (&made["account"], &made["mode"]),
            (&Value::from("shop"), &Value::from("live"))
        );
    });
}

#[test]
fn of_a_live_key_it_is_said_where_its_requests_go() {
    with_and_without_server(|directory| {
        for (mode, is_told) in [("live", true), ("test", false)] {
            let output = run(
                &["keys", "create", "--name", "x", "--mode", mode],
                directory,
            );
            let said = text(&output.stderr);
            assert!(output.status.success(), "{said}");
            assert_eq!(
                said.contains("503 live_mode_unavailable"),
                is_told,
                "{said}"
            );
        }
    });
}

#[test]
fn list_shows_every_key_and_no_secret() {
    with_and_without_server(|directory| {
        let made = create_key(directory, &["--per-minute", "7"]);
        let listed = json_of(&["keys", "list"], directory);
        let key = &listed.as_array().expect("an array")[0];
        assert_eq!(
            (&key["id"], &key["state"], &key["name"]),
            (&made["id"], &Value::from("active"), &Value::from("Tests"))
        );
        assert_eq!(key["limits"]["per_minute"], 7);
        let secret = made["secret"].as_str().expect("a secret");
        assert_eq!(key["masked"], format!("sk_test_...{}", &secret[40..]));
        let table = text(&run(&["keys", "list"], directory).stdout);
        assert!(
            table.contains(made["id"].as_str().expect("an id")) && table.starts_with("ID "),
            "{table}"
        );
        assert!(!table.contains(secret) && !listed.to_string().contains(secret));
    });
}

#[test]
fn update_changes_what_is_given_and_nothing_else() {
    with_and_without_server(|directory| {
        let made = create_key(directory, &["--per-minute", "7", "--expires", "1d"]);
        let id = made["id"].as_str().expect("an id");
        let changed = json_of(
            &[
                "keys",
                "update",
                id,
                "--name",
                "New",
                "--per-minute",
                "default",
                "--per-day",
                "5",
            ],
            directory,
        );
        assert_eq!(
            (&changed["name"], &changed["limits"]["per_minute"]),
            (&Value::from("New"), &Value::Null)
        );
        assert_eq!(
            (&changed["limits"]["per_day"], &changed["expires_at"]),
            (&Value::from(5), &made["expires_at"])
        );
        assert_eq!(
            json_of(&["keys", "update", id, "--expires", "never"], directory)["expires_at"],
            Value::Null
        );
    });
}

#[test]
fn what_a_key_can_t_be_given_is_wrong_usage_that_names_the_flag() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path();
    let made = create_key(directory, &[]);
    let id = made["id"].as_str().expect("an id");
    for (arguments, says) in [
        (
            &["create", "--name", "x", "--expires", "0s"][..],
            "'0s' for '--expires <TIME>': must be from 1s to 36500d",
        ),
        (
            &["update", id, "--expires", "0s"],
            "'0s' for '--expires <TIME|never>': must be from 1s to 36500d, or never",
        ),
        (
            &["roll", id, "--grace", "31d"],
            "'31d' for '--grace <TIME>': must be at most 30d",
        ),
        (&["update", id], "--name <NAME>|--expires"),
    ] {
        let output = run(&[&["keys"], arguments].concat(), directory);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.contains(says), "{arguments:?}: {message}");
    }
}

#[test]
fn a_key_made_rolled_and_revoked_by_command_is_good_and_bad_at_once() {
    let temporary = tempfile::tempdir().expect("a directory");
    let server = Atlas::serve(&temporary.path().join("data"), &[]);
    let made = create_key(&server.directory, &[]);
    let (id, old) = (
        made["id"].as_str().expect("an id"),
        made["secret"].as_str().expect("a secret"),
    );
    assert_eq!(status(&server, old), 201);

    let rolled = json_of(&["keys", "roll", id, "--grace", "1h"], &server.directory);
    let new = rolled["secret"].as_str().expect("a secret");
    assert_eq!(
        (
            rolled["id"].as_str(),
            status(&server, old),
            status(&server, new)
        ),
        (Some(id), 201, 201)
    );

    let last = json_of(&["keys", "roll", id, "--grace", "0s"], &server.directory);
    let last = last["secret"].as_str().expect("a secret");
    assert_eq!((status(&server, new), status(&server, last)), (401, 201));

    assert_eq!(
        json_of(&["keys", "revoke", id], &server.directory)["state"],
        "revoked"
    );
    assert_eq!(status(&server, last), 401);
}

#[test]
fn a_revocation_outlives_kill_9() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let server = Atlas::serve(&directory, &[]);
    let made = create_key(&directory, &[]);
    json_of(
        &["keys", "revoke", made["id"].as_str().expect("an id")],
        &directory,
    );
    server.kill();
    let server = Atlas::serve(&directory, &[]);
    assert_eq!(
        status(&server, made["secret"].as_str().expect("a secret")),
        401
    );
}

#[test]
fn an_imported_secret_works_and_is_read_from_standard_input() {
    let temporary = tempfile::tempdir().expect("a directory");
    let server = Atlas::serve(&temporary.path().join("data"), &[]);
    let secret = "sk_test_an_old_secret_0123456789";
    let import = |secret: &str| {
        run_with_input(
            &["keys", "import", "--name", "Old"],
            &server.directory,
            secret,
        )
    };
    assert!(import(&format!("{secret}\n")).status.success());
    assert_eq!(status(&server, secret), 201);
    for (secret, says) in [
        (secret, "already known"),
        ("pk_test_nothing_of_ours", "sk_test_ or sk_live_"),
        ("", "sk_test_ or sk_live_"),
    ] {
        let output = import(secret);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text(&output.stderr).contains(says),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn wrong_commands_say_what_is_right_without_repeating_a_secret() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    create_key(&directory, &[]);
    let secret = "sk_test_pasted_by_mistake_0123456789";
    for (arguments, code, says) in [
        (
            &["keys", "revoke", "key_00000000000000000000"][..],
            1,
            "`atlas keys list --data-dir",
        ),
        (&["keys", "roll", "nonsense"], 2, "key_..."),
        (&["keys", "create", "--name", ""], 2, "1 to 100 characters"),
        (
            &["keys", "create", "--name", "x", "--mode", "prod"],
            2,
            "test or live",
        ),
        (
            &["keys", "create", "--name", "x", "--per-minute", "0"],
            2,
            "from 1 to",
        ),
        (
            &["keys", "create", "--name", "x", "--expires", "soon"],
            2,
            "90d",
        ),
        (
            &["keys", "create", "--name", "x", "--account", "a b"],
            2,
            "A-Z a-z 0-9",
        ),
        (&["keys"], 2, "Usage"),
    ] {
        let output = run(arguments, &directory);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
        assert!(message.contains(says), "{arguments:?}: {message}");
    }
    let message = text(&run(&["keys", "revoke", secret], &directory).stderr);
    assert!(message.contains("key_..."), "{message}");
    let nowhere = run(&["keys", "list"], &temporary.path().join("nowhere"));
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("--data-dir"));
}

#[test]
fn a_command_finds_a_server_that_is_only_just_starting() {
    let temporary = tempfile::tempdir().expect("a directory");
    for round in 0..8 {
        let directory = temporary.path().join(format!("data-{round}"));
        let (made, server) = std::thread::scope(|scope| {
            let starting = scope.spawn(|| Atlas::serve(&directory, &[]));
            // The lock is the first thing that a server takes.
            eventually("it has it", || directory.join("lock").exists());
            let made = create_key(&directory, &[]);
            (made, starting.join().expect("it starts"))
        });
        let secret = made["secret"].as_str().expect("a secret");
        assert_eq!(status(&server, secret), 201, "{round}");
    }
}
