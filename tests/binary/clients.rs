//! The samples of the API's page, unchanged but for the host, by the clients they are written for.

use std::process::Command;

use serde_json::Value;

use crate::process::{Atlas, has_tool, text};

fn with_server(check: impl Fn(&str, &str)) {
    let temporary = tempfile::tempdir().expect("a directory");
    let server = Atlas::serve(&temporary.path().join("data"), &[]);
    let secret = server.key(&[]);
    check(&format!("http://{}", server.address), &secret);
}

/// The JSON that a sample prints.
fn printed(command: &mut Command) -> Value {
    let output = command.output().expect("the client runs");
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", text(&output.stdout)))
}

fn assert_is_session(body: &Value) {
    assert!(
        body["id"]
            .as_str()
            .is_some_and(|id| id.starts_with("sess_")),
        "{body}"
    );
    assert_eq!(
        (&body["amount"], &body["currency"]),
        (&Value::from(4990), &Value::from("USD"))
    );
}

#[test]
fn the_curl_sample_makes_a_session_and_with_an_idempotency_key_only_one() {
    if !has_tool("curl", &["--version"]) {
        return;
    }
    with_server(|url, secret| {
        let sample = |extra: &[&str]| {
            let mut curl = Command::new("curl");
            curl.args([
                "-s",
                "-X",
                "POST",
                &format!("{url}/functions/v1/create-session"),
            ])
            .args([
                "-H",
                &format!("Authorization: Bearer {secret}"),
                "-H",
                "Content-Type: application/json",
            ])
            .args(extra)
            .args(["-d", r#"{"amount": 4990, "currency": "USD"}"#]);
            printed(&mut curl)
        };
        assert_is_session(&sample(&[]));
        assert_ne!(sample(&[])["id"], sample(&[])["id"]);
        let keyed = ["-H", "Idempotency-Key: order_12345"];
        assert_eq!(sample(&keyed), sample(&keyed));
    });
}

#[test]
fn curl_with_the_key_as_user_name_makes_a_session() {
    if !has_tool("curl", &["--version"]) {
        return;
    }
    with_server(|url, secret| {
        let mut curl = Command::new("curl");
        curl.args([
            "-s",
            "-u",
            &format!("{secret}:"),
            &format!("{url}/functions/v1/create-session"),
        ])
        .args([
            "-H",
            "Content-Type: application/json",
            "-d",
            r#"{"amount": 4990, "currency": "USD"}"#,
        ]);
        assert_is_session(&printed(&mut curl));
    });
}

#[test]
fn curl_gets_its_413_for_a_body_of_5_mb_with_and_without_expect() {
    if !has_tool("curl", &["--version"]) {
        return;
    }
    with_server(|url, secret| {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(
            file.path(),
            format!("{{\"x\":\"{}\"}}", "x".repeat(5_000_000)),
        )
        .expect("written");
        for expect in ["Expect: 100-continue", "Expect:"].iter().cycle().take(20) {
            let mut curl = Command::new("curl");
            curl.args([
                "-s",
                &format!("{url}/functions/v1/create-session"),
                "-H",
                expect,
            ])
            .args([
                "-H",
                &format!("Authorization: Bearer {secret}"),
                "-H",
                "Content-Type: application/json",
            ])
            .args(["--data-binary", &format!("@{}", file.path().display())]);
            assert_eq!(
                printed(&mut curl)["error"]["code"],
                "request_too_large",
                "{expect}"
            );
        }
    });
}

#[test]
fn the_fetch_sample_makes_a_session_and_with_an_idempotency_key_only_one() {
    if !has_tool("node", &["-e", "fetch"]) {
        return;
    }
    with_server(|url, secret| {
        let sample = |extra: &str| {
            let script = format!(
                "const response = await fetch('{url}/functions/v1/create-session', {{
                   method: 'POST',
                   headers: {{ 'Authorization': 'Bearer {secret}', 'Content-Type': 'application/json'{extra} }},
                   body: JSON.stringify({{ amount: 4990, currency: 'USD' }}),
                 }});
                 console.log(JSON.stringify(await response.json()));"
            );
            printed(Command::new("node").args(["--input-type=module", "-e", &script]))
        };
        assert_is_session(&sample(""));
        let keyed = ", 'Idempotency-Key': 'order_12345'";
        assert_eq!(sample(keyed), sample(keyed));
    });
}

#[test]
fn the_requests_sample_makes_a_session_and_with_an_idempotency_key_only_one() {
    if !has_tool("python3", &["-c", "import requests"]) {
        return;
    }
    with_server(|url, secret| {
        let sample = |extra: &str| {
            let script = format!(
                "import json, requests\n\
                 response = requests.post(\n\
                 '{url}/functions/v1/create-session',\n\
                 headers={{'Authorization': 'Bearer {secret}'{extra}}},\n\
                 json={{'amount': 4990, 'currency': 'USD'}},\n\
                 )\n\
                 print(json.dumps(response.json()))"
            );
            printed(Command::new("python3").args(["-c", &script]))
        };
        assert_is_session(&sample(""));
        let keyed = ", 'Idempotency-Key': 'order_12345'";
        assert_eq!(sample(keyed), sample(keyed));
    });
}
