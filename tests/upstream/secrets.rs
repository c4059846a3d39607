//! What opens the upstream is in no answer, no output, no log at any level and nowhere on disk.

use std::path::Path;
use std::process::Command;

use crate::caller::{Call, Caller, Reply};
use crate::process::{BINARY, read_log, run, text};
use crate::script::{answer, cut};
use crate::upstream::Upstream;
use crate::world::{AUTHORIZATION, serve};

/// The part that gives it away.
const SECRET: &str = "OfTheUpstream0123456789";

#[test]
fn the_authorization_of_the_upstream_is_in_no_log_no_answer_and_nowhere_on_disk() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let upstream = Upstream::new();
    let server = serve(&directory, |command| {
        command
            .args(["--live-upstream", &upstream.url()])
            .env("ATLAS_LIVE_AUTHORIZATION", AUTHORIZATION)
            .env("RUST_LOG", "trace");
    });
    let secret = server.key(&["--mode", "live"]);
    let send = |call: &Call| -> Reply {
        let reply = Caller::connect(server.address).and_then(|mut to| to.send(call, &secret));
        reply.expect("an answer")
    };
    upstream.stop();
    let mut replies = vec![send(&Call::keyed("o_3"))];
    upstream.start();
    replies.extend([send(&Call::keyed("o_1")), send(&Call::keyed("o_1"))]);
    assert!(replies[2].replayed());
    upstream.then(cut("HTTP/1.1 2"));
    replies.push(send(&Call::keyed("o_2")));
    upstream.then(answer(401, &[("WWW-Authenticate", "Bearer")], b"{}"));
    replies.push(send(&Call::get("/functions/v1/sessions")));
    upstream.then(cut("HTTP/1.1 200"));
    replies.push(send(&Call::get("/functions/v1/sessions")));
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [502, 201, 201, 504, 401, 504]);
    for reply in &replies {
        let said = reply.to_string();
        assert!(!said.contains(SECRET) && !said.contains(&secret), "{said}");
        let place = upstream.address().to_string();
        assert!(reply.status < 500 || !said.contains(&place), "{said}");
    }
    for arguments in [&["claims", "list"][..], &["claims", "list", "--json"]] {
        assert_silent(arguments, &directory);
    }
    assert!(server.terminate().success());
    let log = read_log(&directory);
    assert!(
        log.contains("TRACE") && log.contains("upstream 201"),
        "{log}"
    );
    assert!(!log.contains(SECRET), "the secret is in the log");
    assert!(!log.contains(&secret), "the client's secret is in the log");
    assert_eq!(files_with(&directory, SECRET), Vec::<String>::new());
    assert_eq!(files_with(&directory, &secret), Vec::<String>::new());
}

/// Fails if a command prints the secret, which its environment holds.
#[track_caller]
fn assert_silent(arguments: &[&str], directory: &Path) {
    let output = Command::new(BINARY)
        .args(arguments)
        .arg("--data-dir")
        .arg(directory)
        .env("ATLAS_LIVE_UPSTREAM", "https://api.atlas.example/")
        .env("ATLAS_LIVE_AUTHORIZATION", AUTHORIZATION)
        .env("ATLAS_TEST_UPSTREAM", "https://api.atlas.example/")
        .env("ATLAS_TEST_AUTHORIZATION", AUTHORIZATION)
        .env("RUST_LOG", "trace")
        .output()
        .expect("atlas starts");
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    assert!(!said.contains(SECRET), "{arguments:?}: {said}");
}

#[test]
fn no_help_and_no_command_prints_a_secret_of_the_environment() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    assert!(
        run(&["keys", "create", "--name", "A"], &directory)
            .status
            .success()
    );
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["check-config", "--help"],
        &["check-config"],
        &["check-config", "--json"],
        &["keys", "list"],
        &["claims", "list"],
        &["openapi"],
    ] {
        assert_silent(arguments, &directory);
    }
    let help = Command::new(BINARY).args(["serve", "--help"]).output();
    let help = text(&help.expect("help").stdout);
    for word in [
        "--live-upstream",
        "--test-upstream",
        "ATLAS_LIVE_AUTHORIZATION_FILE",
        "ATLAS_LIVE_AUTHORIZATION",
        "--live-answer-timeout",
    ] {
        assert!(help.contains(word), "{word}");
    }
}

#[test]
fn a_claim_masks_what_looks_like_a_secret() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let upstream = Upstream::new();
    let server = serve(&directory, |command| {
        command.args(["--live-upstream", &upstream.url()]);
    });
    let secret = server.key(&["--mode", "live"]);
    let (in_key, in_path) = (
        "sk_live_InTheKey0123456789abcdEFGH",
        "sk_live_InThePath0123456789abcdIJKL",
    );
    let path = format!("/functions/v1/keys/{in_path}?key={in_path}");
    let call = Call::new("POST", &path)
        .json("{}")
        .with("Idempotency-Key", in_key);
    upstream.then(cut("HTTP/1.1 2"));
    let reply = Caller::connect(server.address).and_then(|mut to| to.send(&call, &secret));
    let reply = reply.expect("an answer");
    reply.expect(504, "upstream_outcome_unknown");
    let hit = upstream.hit();
    assert_eq!(hit.header("idempotency-key"), in_key, "it goes up as it is");
    assert!(hit.target.contains(in_path), "{}", hit.target);
    let check = || {
        for arguments in [&["claims", "list"][..], &["claims", "list", "--json"]] {
            let output = run(arguments, &directory);
            assert!(output.status.success(), "{}", text(&output.stderr));
            let said = text(&output.stdout) + &text(&output.stderr);
            assert!(
                said.contains("sk_live_...EFGH") && said.contains("keys/sk_live_...IJKL"),
                "{said}"
            );
            for hidden in ["InTheKey", "InThePath"] {
                assert!(!said.contains(hidden), "{said}");
            }
        }
        for hidden in ["InTheKey", "InThePath"] {
            assert_eq!(files_with(&directory, hidden), Vec::<String>::new());
        }
    };
    check();
    assert!(server.terminate().success());
    check();
    let log = read_log(&directory);
    assert!(
        !log.contains("InTheKey") && !log.contains("InThePath"),
        "{log}"
    );
}

fn files_with(directory: &Path, secret: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_with(&path, secret));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}
