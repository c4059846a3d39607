//! TLS, and both versions of HTTP over it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::process::{Atlas, BINARY, has_tool, json_of, text};

const ORDER: &str = r#"{"amount":4990,"currency":"USD"}"#;
/// What every answer carries.
const ALWAYS: [&str; 5] = [
    "x-request-id: ",
    "x-ratelimit-limit: ",
    "x-ratelimit-remaining: ",
    "x-ratelimit-reset: ",
    "x-ratelimit-scope: ",
];

pub fn certificates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls")
}

/// A certificate for localhost and its key, in a directory of their own.
pub struct Files(pub tempfile::TempDir);

impl Files {
    pub fn new() -> Self {
        let files = Self(tempfile::tempdir().expect("a directory"));
        files.put("cert.pem", &certificates().join("localhost.pem"));
        files.put("key.pem", &certificates().join("localhost.key.pem"));
        files
    }

    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Puts a file in the place of another, as certbot does.
    pub fn put(&self, name: &str, from: &Path) {
        let new = self.0.path().join("new");
        std::fs::copy(from, &new).expect("copied");
        chmod("600", &new);
        std::fs::rename(new, self.0.path().join(name)).expect("renamed");
    }

    pub fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    pub fn serve(&self, verb: &str) -> Atlas {
        let mut command = Command::new(BINARY);
        command
            .args([verb, "--port", "0", "--data-dir"])
            .arg(self.data())
            .args([
                "--tls-cert",
                &self.path("cert.pem"),
                "--tls-key",
                &self.path("key.pem"),
            ]);
        Atlas::start(command, &self.data())
    }
}

pub fn chmod(mode: &str, path: &Path) {
    let changed = Command::new("chmod").arg(mode).arg(path).status();
    assert!(changed.expect("chmod runs").success());
}

/// Asks as localhost over TLS; curl trusts `authority`.
fn ask_by(authority: &Path, atlas: &Atlas, path: &str, arguments: &[&str]) -> Output {
    let port = atlas.address.port();
    Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--include",
            "--max-time",
            "60",
            "--cacert",
        ])
        .arg(authority)
        .args(arguments)
        .arg(format!("https://localhost:{port}{path}"))
        .output()
        .expect("curl runs")
}

fn ask(atlas: &Atlas, path: &str, arguments: &[&str]) -> String {
    let output = ask_by(
        &certificates().join("authority.pem"),
        atlas,
        path,
        arguments,
    );
    assert!(output.status.success(), "{path}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn has_curl() -> bool {
    has_tool("curl", &["--http2", "--version"])
}

#[test]
fn every_answer_has_its_headers_over_both_versions() {
    if !has_curl() {
        return;
    }
    let files = Files::new();
    let atlas = files.serve("mock");
    let create = "/functions/v1/create-session";
    let json = ["-u", "sk_test_a:", "-H", "Content-Type: application/json"];
    let large = format!("@{}", files.path("large"));
    std::fs::write(files.path("large"), vec![b' '; 70_000]).expect("written");
    for (version, name) in [("--http1.1", "HTTP/1.1"), ("--http2", "HTTP/2")] {
        let with = |more: &[&str]| ask(&atlas, create, &[&json[..], more, &[version]].concat());
        for (status, answer) in [
            ("200", ask(&atlas, "/healthz", &[version])),
            ("200", ask(&atlas, "/openapi.json", &[version, "--head"])),
            ("204", ask(&atlas, create, &[version, "-X", "OPTIONS"])),
            ("201", with(&["-d", ORDER])),
            ("400", with(&["-d", "{"])),
            ("401", ask(&atlas, create, &[version, "-d", ORDER])),
            ("404", ask(&atlas, "/nowhere", &[version])),
            ("405", ask(&atlas, create, &[version, "-X", "PUT"])),
            ("413", with(&["--data-binary", &large])),
            (
                "415",
                with(&["-H", "Content-Type: text/plain", "-d", ORDER]),
            ),
            (
                "429",
                with(&["-H", "X-Atlas-Mock: rate-limit=minute", "-d", ORDER]),
            ),
            (
                "421",
                ask(
                    &atlas,
                    "/dashboard/",
                    &[version, "-H", "Host: evil.example"],
                ),
            ),
        ] {
            let (head, _) = answer.rsplit_once("\r\n\r\n").expect("a head");
            let head = head.to_lowercase();
            let start = format!("{name} {status}").to_lowercase();
            assert!(head.contains(&start), "{version} {status}: {answer}");
            for header in ALWAYS {
                assert!(
                    head.contains(header),
                    "{version} {status} {header}: {answer}"
                );
            }
            let is_bare = version == "--http1.1" || !head.contains("\nconnection:");
            assert!(is_bare, "{answer}");
        }
    }
}

#[test]
fn a_request_is_done_once_whichever_version_repeats_it() {
    if !has_curl() {
        return;
    }
    let files = Files::new();
    let atlas = files.serve("serve");
    let secret = json_of(&["keys", "create", "--name", "x"], &files.data())["secret"].clone();
    let basic = format!("{}:", secret.as_str().expect("a secret"));
    let order = |version| {
        let arguments = [
            "-u",
            &basic,
            "-H",
            "Content-Type: application/json",
            "-H",
            "Idempotency-Key: a",
            "-d",
            ORDER,
        ];
        ask(
            &atlas,
            "/functions/v1/create-session",
            &[&arguments[..], &[version]].concat(),
        )
    };
    let (first, second, third) = (order("--http2"), order("--http1.1"), order("--http2"));
    let body = |answer: &str| answer.rsplit("\r\n\r\n").next().map(str::to_owned);
    assert!(
        first.starts_with("HTTP/2 201") && !first.contains("idempotent-replayed"),
        "{first}"
    );
    for again in [&second, &third] {
        assert!(again.contains("idempotent-replayed: true"), "{again}");
        assert_eq!(body(again), body(&first));
    }
    assert!(
        first.contains(&format!(
            "\"fallback_url\":\"https://{}/pay/",
            atlas.address
        )),
        "{first}"
    );
}

#[test]
fn faults_end_a_stream_of_http_2_as_they_end_a_connection() {
    if !has_curl() {
        return;
    }
    let files = Files::new();
    let atlas = files.serve("mock");
    let send = |fault: &str, key: &str| {
        let (fault, key) = (
            format!("X-Atlas-Mock: {fault}"),
            format!("Idempotency-Key: {key}"),
        );
        let json = [
            "-u",
            "sk_test_a:",
            "-H",
            "Content-Type: application/json",
            "-d",
            ORDER,
        ];
        let arguments = [&json[..], &["--http2", "-H", &fault, "-H", &key]].concat();
        ask_by(
            &certificates().join("authority.pem"),
            &atlas,
            "/functions/v1/create-session",
            &arguments,
        )
    };
    for (fault, is_done) in [("drop-before", false), ("drop-after-commit", true)] {
        let cut = send(fault, fault);
        assert_eq!(
            (cut.status.code(), text(&cut.stdout).as_str()),
            (Some(92), ""),
            "not a byte"
        );
        let again = text(&send("delay=0s", fault).stdout);
        assert!(again.starts_with("HTTP/2 201"), "{again}");
        assert_eq!(
            again.contains("idempotent-replayed: true"),
            is_done,
            "{again}"
        );
    }
    let half = send("truncate-body", "half");
    let said = text(&half.stdout);
    assert_eq!(half.status.code(), Some(92), "{said}");
    assert!(
        said.contains("\"object\":\"payment_session\"") && !said.ends_with('}'),
        "{said}"
    );
    let again = text(&send("delay=0s", "half").stdout);
    assert!(
        again.contains("idempotent-replayed: true") && again.ends_with('}'),
        "{again}"
    );
}

#[test]
fn tls_is_1_2_or_1_3_and_http_in_clear_is_told_so() {
    if !has_curl() {
        return;
    }
    let files = Files::new();
    let atlas = files.serve("serve");
    for (version, most) in [("--tlsv1.2", "1.2"), ("--tlsv1.3", "1.3")] {
        let answer = ask(&atlas, "/healthz", &[version, "--tls-max", most]);
        assert!(answer.starts_with("HTTP/2 200"), "{answer}");
    }
    let authority = certificates().join("authority.pem");
    let old = ask_by(
        &authority,
        &atlas,
        "/healthz",
        &["--tlsv1.0", "--tls-max", "1.1"],
    );
    assert_eq!(old.status.code(), Some(35), "{}", text(&old.stdout));

    let clear = Command::new("curl")
        .args(["--silent", "--show-error", "--include", "--max-time", "60"])
        .arg(format!("http://{}/healthz", atlas.address))
        .output()
        .expect("curl runs");
    let said = text(&clear.stdout);
    assert!(clear.status.success(), "{}", text(&clear.stderr));
    assert!(
        said.starts_with("HTTP/1.1 400") && said.contains("begin with https://"),
        "{said}"
    );
}

#[test]
fn the_dashboard_is_reached_by_https_and_its_cookie_stays_there() {
    if !has_curl() {
        return;
    }
    let files = Files::new();
    let atlas = files.serve("serve");
    let link = json_of(&["dashboard"], &files.data())["url"].clone();
    let link = link.as_str().expect("a link");
    let path = link
        .strip_prefix(&format!("https://{}", atlas.address))
        .expect(link);
    let entered = ask(&atlas, path, &["--http2"]);
    let cookie = entered
        .lines()
        .find(|line| line.starts_with("set-cookie: "));
    let cookie = cookie.unwrap_or_else(|| panic!("no cookie: {entered}"));
    assert!(
        cookie.contains("__Secure-atlas_session_") && cookie.contains("; Secure"),
        "{cookie}"
    );
    // Over HTTP/2 a browser may send each cookie in a line of its own.
    let shown = format!(
        "Cookie: {}",
        cookie["set-cookie: ".len()..]
            .split(';')
            .next()
            .expect("a cookie")
    );
    let keys = ask(
        &atlas,
        "/dashboard/keys",
        &["--http2", "-H", "Cookie: a=b", "-H", &shown],
    );
    assert!(keys.starts_with("HTTP/2 200"), "{keys}");
}
