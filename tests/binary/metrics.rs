//! What Prometheus is told: on the admin socket and on an address of its own, with rules and a dashboard that go by it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{Atlas, BINARY, Client, eventually, has_tool, read_log, run, text};
use crate::tls::Files;

const ORDER: &str = r#"{"amount":4990,"currency":"USD"}"#;
const ALERTS: &str = include_str!("../../systemd/alerts.yml");
const ALERT_TESTS: &str = include_str!("alerts.yml");
const DASHBOARD: &str = include_str!("../../systemd/grafana.json");

/// The answer to a GET for the metrics, on any connection.
fn get(mut stream: impl Read + Write, path: &str, method: &str) -> String {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: atlas\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}

/// The metrics' text, by the admin socket.
pub(super) fn scrape(directory: &Path) -> String {
    let socket = UnixStream::connect(directory.join("atlas.sock")).expect("a server");
    let answer = get(socket, "/metrics", "GET");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4"));
    body.to_owned()
}

/// Every sample, by its name and labels.
pub(super) fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
        .collect()
}

/// What has grown between two scrapes, and by how much.
fn growth(before: &str, after: &str) -> BTreeMap<String, f64> {
    let before = samples(before);
    let grown = samples(after)
        .into_iter()
        .map(|(name, value)| (name.clone(), value - before.get(&name).unwrap_or(&0.0)));
    grown.filter(|(_, by)| *by != 0.0).collect()
}

/// Counters of the writer, to which the upkeep adds when its time has come.
const COMMITS: [&str; 3] = [
    r#"atlas_store_commits_total{result="kept"}"#,
    "atlas_store_group_commits_count",
    "atlas_store_sync_duration_seconds_count",
];

/// What requests add to, without times and what the process takes.
fn counted(growth: BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let is_counted = |name: &String| {
        ["_total", "_count"].iter().any(|end| {
            name.split('{')
                .next()
                .is_some_and(|name| name.ends_with(end))
        }) && !name.starts_with("process_")
            && !COMMITS.contains(&name.as_str())
    };
    growth
        .into_iter()
        .filter(|(name, _)| is_counted(name))
        .collect()
}

#[test]
fn every_request_is_counted_once_by_what_became_of_it() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let server = Atlas::serve(&directory, &["--per-minute", "4", "--workers", "1"]);
    let secret = server.key(&["--account", "hidden-account"]);
    let mut client = Client::connect(server.address).expect("a connection");
    let before = scrape(&directory);
    let larger = r#"{"amount":4991,"currency":"USD"}"#;
    for (idempotency_key, body, status) in [
        ("order_1", ORDER, 201),
        ("order_1", ORDER, 201),
        ("order_1", larger, 409),
        ("", ORDER, 201),
    ] {
        let answer = client.create(&secret, idempotency_key, body);
        assert_eq!(answer.expect("an answer").status, status);
    }
    let read = |secret: &str| {
        format!(
            "GET /functions/v1/sessions/sess_1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\n\r\n"
        )
    };
    for (secret, status) in [(secret.as_str(), 429), ("sk_test_unknown", 401)] {
        let answer = client.send(&read(secret)).expect("an answer");
        assert_eq!(answer.status, status);
    }
    // Whatever came before on its connection has ended by now; monitors are not counted.
    let alive = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(client.send(alive).expect("an answer").status, 200);

    let after = scrape(&directory);
    let grown = growth(&before, &after);
    // Two sessions and the lease of the day, each waited for before the next.
    for name in COMMITS {
        let commits = grown.get(name).copied().unwrap_or_default();
        assert!(commits >= 3.0, "{name} {commits}");
    }
    let expected: BTreeMap<String, f64> = [
        (
            r#"atlas_requests_total{code="201",face="api",mode="test"}"#,
            3.0,
        ),
        (
            r#"atlas_requests_total{code="409",face="api",mode="test"}"#,
            1.0,
        ),
        (
            r#"atlas_requests_total{code="429",face="api",mode="test"}"#,
            1.0,
        ),
        (
            r#"atlas_requests_total{code="401",face="api",mode="none"}"#,
            1.0,
        ),
        (r#"atlas_requests_limited_total{limit="minute"}"#, 1.0),
        (r#"atlas_idempotent_requests_total{found="first"}"#, 1.0),
        (r#"atlas_idempotent_requests_total{found="replayed"}"#, 1.0),
        (r#"atlas_idempotent_requests_total{found="mismatch"}"#, 1.0),
        (
            r#"atlas_request_duration_seconds_count{face="api",mode="test"}"#,
            5.0,
        ),
        (
            r#"atlas_request_duration_seconds_count{face="api",mode="none"}"#,
            1.0,
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    assert_eq!(counted(grown), expected);
    assert_eq!(samples(&after)["atlas_store_records"], 1.0);
    assert_eq!(
        samples(&after)[r#"atlas_requests_in_flight{mode="test"}"#],
        0.0
    );
    assert!(!after.contains("hidden-account") && !after.contains("sk_test"));

    let again = scrape(&directory);
    assert_eq!(counted(growth(&after, &again)), BTreeMap::new());
    assert!(server.terminate().success());
}

/// A server with every part but TLS, and where its metrics are.
fn complete(directory: &Path) -> (Atlas, SocketAddr) {
    complete_with(directory, &[])
}

fn complete_with(directory: &Path, more: &[&str]) -> (Atlas, SocketAddr) {
    let upstream = "http://127.0.0.1:9";
    let (live, test) = (["--live-upstream", upstream], ["--test-upstream", upstream]);
    let own = ["--metrics-listen", "127.0.0.1:0"];
    let server = Atlas::serve(directory, &[&live[..], &test, &own, more].concat());
    let said = || {
        let log = read_log(directory);
        let (_, rest) = log.split_once("metrics on http://")?;
        let (address, _) = rest.split_once("/metrics\n")?;
        Some(address.parse().expect("an address"))
    };
    eventually("the log says where the metrics are", || said().is_some());
    (server, said().expect("an address"))
}

#[test]
fn an_address_of_their_own_has_the_metrics_and_nothing_else_and_the_api_has_none() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let (server, address) = complete(&directory);
    let connect = || TcpStream::connect(address).expect("a connection");
    let answer = get(connect(), "/metrics", "GET");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\natlas_build_info{version="), "{answer}");
    for (path, method) in [
        ("/", "GET"),
        ("/metrics", "POST"),
        ("/keys", "POST"),
        ("/healthz", "GET"),
        ("/dashboard", "GET"),
        ("/functions/v1/create-session", "POST"),
    ] {
        let answer = get(connect(), path, method);
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(answer.ends_with("Only /metrics is here, and it is read by GET.\n"));
    }
    let api = TcpStream::connect(server.address).expect("a connection");
    let answer = get(api, "/metrics", "GET");
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(answer.contains("route_not_found"), "{answer}");
    assert!(server.terminate().success());
}

#[test]
fn a_wrong_address_for_the_metrics_is_refused_by_name() {
    let temporary = tempfile::tempdir().expect("a directory");
    let directory = temporary.path().join("data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    for (listen, metrics, code, words) in [
        (
            "127.0.0.1:7001",
            "127.0.0.1:7001",
            2,
            "metrics_listen = 127.0.0.1:7001: the API listens there",
        ),
        (
            "0.0.0.0:7001",
            "127.0.0.1:7001",
            2,
            "metrics_listen = 127.0.0.1:7001: the API listens there",
        ),
        (
            "[::]:7001",
            "127.0.0.1:7001",
            2,
            "metrics_listen = 127.0.0.1:7001: the API listens there",
        ),
        (
            "127.0.0.1:7001",
            "[::ffff:127.0.0.1]:7001",
            2,
            "metrics_listen = [::ffff:127.0.0.1]:7001: the API listens there",
        ),
        ("127.0.0.1:0", "9090", 2, "--metrics-listen"),
        ("127.0.0.1:0", taken.as_str(), 1, "another server is there"),
    ] {
        let arguments = ["serve", "--listen", listen, "--metrics-listen", metrics];
        let output = run(&arguments, &directory);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{said}");
    }
    // All addresses of IPv4 are none of IPv6.
    let apart = ["--listen", "0.0.0.0:7001", "--metrics-listen", "[::1]:7001"];
    let output = run(&[&["check-config"], &apart[..]].concat(), &directory);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn prometheus_finds_nothing_to_say_of_the_metrics_and_the_rules() {
    if !has_tool("promtool", &["--version"]) {
        return;
    }
    let files = Files::new();
    let (directory, cert, key) = (files.data(), files.path("cert.pem"), files.path("key.pem"));
    let (server, _) = complete_with(&directory, &["--tls-cert", &cert, "--tls-key", &key]);
    let mut check = Command::new("promtool");
    check.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut check = check
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    let mut stdin = check.stdin.take().expect("standard input");
    let scraped = scrape(&directory);
    stdin.write_all(scraped.as_bytes()).expect("written");
    drop(stdin);
    let output = check.wait_with_output().expect("it ends");
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");

    let file = files.0.path().join("alerts.yml");
    std::fs::write(&file, ALERTS).expect("written");
    let mut rules = Command::new("promtool");
    let output = rules.args(["check", "rules"]).arg(&file).output();
    let output = output.expect("promtool runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(server.terminate().success());
}

#[test]
fn every_rule_speaks_when_it_should_and_only_then() {
    if !has_tool("promtool", &["--version"]) {
        return;
    }
    let temporary = tempfile::tempdir().expect("a directory");
    for (name, content) in [("rules.yml", ALERTS), ("tests.yml", ALERT_TESTS)] {
        std::fs::write(temporary.path().join(name), content).expect("written");
    }
    let mut test = Command::new("promtool");
    test.args(["test", "rules", "tests.yml"])
        .current_dir(&temporary);
    let output = test.output().expect("promtool runs");
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{said}");
    let tested = ALERT_TESTS.split("alertname: ").skip(1);
    let tested: Vec<_> = tested
        .filter_map(|test| test.split([',', '\n']).next())
        .collect();
    for rule in ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
    {
        let times = tested.iter().filter(|tested| **tested == rule).count();
        assert!(times >= 2, "{rule}: at least once silent, once not");
    }
}

/// Words of a text that name a metric of ours or of the process.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = text.split(|c: char| !is_part(c));
    let is_metric = |word: &&str| word.starts_with("atlas_") || word.starts_with("process_");
    words.filter(is_metric).map(str::to_owned).collect()
}

#[test]
fn every_metric_that_an_alert_or_a_panel_goes_by_is_there() {
    let files = Files::new();
    let (directory, cert, key) = (files.data(), files.path("cert.pem"), files.path("key.pem"));
    let (server, _) = complete_with(&directory, &["--tls-cert", &cert, "--tls-key", &key]);
    let there = scrape(&directory);
    let there: BTreeSet<String> = samples(&there)
        .into_keys()
        .map(|name| name.split('{').next().unwrap_or_default().to_owned())
        .collect();
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let shown = targets.flatten().map(|target| target["expr"].to_string());
    let shown: BTreeSet<String> = shown.flat_map(|expression| named(&expression)).collect();
    let wanted: BTreeSet<String> = shown.union(&named(ALERTS)).cloned().collect();
    assert!(wanted.len() > 30, "{wanted:?}");
    // A histogram is also spoken of as a whole.
    let is_there = |name: &String| there.contains(name) || there.contains(&format!("{name}_count"));
    let missing: Vec<_> = wanted.iter().filter(|name| !is_there(name)).collect();
    assert_eq!(missing, Vec::<&String>::new());
    // And whatever is told is shown.
    let bare = |name: &String| {
        let end = ["_bucket", "_sum", "_count"];
        let base = end.iter().find_map(|end| name.strip_suffix(end));
        base.unwrap_or(name).to_owned()
    };
    let shown: BTreeSet<String> = shown.iter().map(bare).collect();
    let unseen: BTreeSet<String> = there
        .iter()
        .map(bare)
        .filter(|name| !shown.contains(name))
        .collect();
    let aside = ["process_start_time_seconds", "process_virtual_memory_bytes"];
    assert_eq!(unseen.iter().map(String::as_str).collect::<Vec<_>>(), aside);
    assert!(server.terminate().success());
}

#[test]
fn the_line_for_machines_says_where_the_metrics_are() {
    let temporary = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(BINARY);
    command
        .args([
            "mock",
            "--json",
            "--port",
            "0",
            "--metrics-listen",
            "127.0.0.1:0",
            "--data-dir",
        ])
        .arg(temporary.path().join("data"))
        .stderr(Stdio::null());
    let mut mock = command.stdout(Stdio::piped()).spawn().expect("atlas runs");
    let mut line = String::new();
    let out = mock.stdout.take().expect("standard output");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("a line");
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let url = line["metrics"].as_str().expect("a URL");
    let address = url
        .strip_prefix("http://")
        .and_then(|url| url.strip_suffix("/metrics"));
    let address: SocketAddr = address.expect("an address").parse().expect("an address");
    let answer = get(
        TcpStream::connect(address).expect("a connection"),
        "/metrics",
        "GET",
    );
    assert!(answer.contains("\natlas_store_writable 1\n"), "{answer}");
    mock.kill().expect("killed");
    mock.wait().expect("ended");
}
