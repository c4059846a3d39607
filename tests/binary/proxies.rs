//! Behind nginx and Caddy, by the configurations that the README shows: who asks is who asked the proxy, links lead
//! through it, and the Dashboard's events come as they happen.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use crate::port::Port;
use crate::process::{Atlas, eventually, has_tool, json_of, text};
use crate::tls::{Files, certificates};

const NGINX: &str = include_str!("../proxies/atlas.conf");
const CADDY: &str = include_str!("../proxies/Caddyfile");
/// Of two people who don't know each other.
const CLIENTS: [&str; 2] = ["127.0.0.2", "127.0.0.3"];

/// A proxy, ended by drop.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn replaced(config: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(config.to_owned(), |config, (from, to)| {
        assert!(config.contains(from), "{from}");
        config.replace(from, to)
    })
}

/// Starts a proxy and waits until it listens.
fn start(command: &mut Command, port: u16) -> Proxy {
    let child = command.stdout(Stdio::null()).stderr(Stdio::null());
    let proxy = Proxy(child.spawn().expect("the proxy starts"));
    eventually("it listens", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    proxy
}

fn nginx(files: &Files, atlas: &Atlas, port: u16) -> Proxy {
    let site = replaced(
        NGINX,
        &[
            ("127.0.0.1:8080", &atlas.address.to_string()),
            ("listen 443", &format!("listen 127.0.0.1:{port}")),
            (
                "/etc/letsencrypt/live/atlas.example/fullchain.pem",
                &files.path("cert.pem"),
            ),
            (
                "/etc/letsencrypt/live/atlas.example/privkey.pem",
                &files.path("key.pem"),
            ),
            ("atlas.example", "localhost"),
        ],
    );
    let config = format!(
        "daemon off; master_process off; pid nginx.pid; error_log error.log; events {{}}
         http {{
           access_log off;
           client_body_temp_path bodies; proxy_temp_path answers; fastcgi_temp_path fastcgi;
           uwsgi_temp_path uwsgi; scgi_temp_path scgi;
           {site}
         }}"
    );
    std::fs::write(files.path("nginx.conf"), config).expect("written");
    let mut command = Command::new("nginx");
    command
        .args(["-e", "error.log", "-c", "nginx.conf", "-p"])
        .arg(files.0.path());
    start(&mut command, port)
}

fn caddy(files: &Files, atlas: &Atlas, port: u16) -> Proxy {
    let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
    let site = replaced(
        CADDY,
        &[
            ("127.0.0.1:8080", &atlas.address.to_string()),
            (
                "atlas.example {",
                &format!("localhost:{port} {{\n tls {cert} {key}"),
            ),
        ],
    );
    // It would listen on port 80 too, and keep certificates in the home directory.
    let config = format!("{{\n admin off\n auto_https disable_redirects\n}}\n{site}");
    std::fs::write(files.path("Caddyfile"), config).expect("written");
    let mut command = Command::new("caddy");
    command
        .args([
            "run",
            "--adapter",
            "caddyfile",
            "--config",
            &files.path("Caddyfile"),
        ])
        .env("XDG_DATA_HOME", files.0.path())
        .env("XDG_CONFIG_HOME", files.0.path());
    start(&mut command, port)
}

fn curl(port: u16, path: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("curl");
    command
        .args([
            "--silent",
            "--show-error",
            "--include",
            "--max-time",
            "60",
            "--cacert",
        ])
        .arg(certificates().join("authority.pem"))
        .args(arguments)
        .arg(format!("https://localhost:{port}{path}"));
    command
}

fn ask(port: u16, path: &str, arguments: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = curl(port, path, arguments).output().expect("curl runs");
    assert!(status.success(), "{path}: {}", text(&stderr));
    text(&stdout)
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// A stranger's try at a key, from this address; `more` is added.
fn guess(port: u16, from: &str, more: &[&str]) -> String {
    let arguments = [&["-4", "--interface", from, "-u", "sk_test_no:"], more].concat();
    status(&ask(port, "/functions/v1/sessions/sess_a", &arguments)).to_owned()
}

/// What is promised of a server behind this proxy.
fn check(proxied: impl Fn(&Files, &Atlas, u16) -> Proxy) {
    let files = Files::new();
    let held = Port::reserve();
    let port = held.address.port();
    let url = format!("https://localhost:{port}");
    let settings = [
        "--trusted-proxy",
        "127.0.0.1",
        "--public-url",
        &url,
        "--per-address",
        "1",
    ];
    let atlas = Atlas::serve(&files.data(), &settings);
    let _proxy = proxied(&files, &atlas, port);

    counts_by_client(&atlas, port);
    let secret = json_of(&["keys", "create", "--name", "x"], &files.data())["secret"].clone();
    let basic = format!("{}:", secret.as_str().expect("a secret"));
    refuses_in_its_own_words(&files, port, &basic);
    leads_through(&files, port, &basic, &url);
}

/// Each client has its own minute, and nobody speaks for another.
fn counts_by_client(atlas: &Atlas, port: u16) {
    let [one, two] = CLIENTS;
    let forged = |n: u8| format!("X-Forwarded-For: 9.9.9.{n}");
    let statuses = [1, 2].map(|n| guess(port, one, &["-H", &forged(n)]));
    assert_eq!(statuses, ["401", "429"]);
    let past_the_proxy = |n: u8| {
        let mut command = Command::new("curl");
        let forged = format!("X-Forwarded-For: {two}, 9.9.9.{n}");
        command
            .args([
                "--silent",
                "--include",
                "--interface",
                "127.0.0.9",
                "-u",
                "sk_test_no:",
                "-H",
                &forged,
            ])
            .arg(format!(
                "http://{}/functions/v1/sessions/sess_a",
                atlas.address
            ));
        status(&text(&command.output().expect("curl runs").stdout)).to_owned()
    };
    let statuses = [1, 2].map(past_the_proxy);
    assert_eq!(statuses, ["401", "429"]);
    assert_eq!(guess(port, two, &[]), "401", "its one is not spent");
}

/// What is too large for us is not what is too large for the proxy.
fn refuses_in_its_own_words(files: &Files, port: u16, basic: &str) {
    let large = files.path("large");
    std::fs::write(&large, vec![b' '; 70_000]).expect("written");
    let body = format!("@{large}");
    let json = [
        "-u",
        basic,
        "-H",
        "Content-Type: application/json",
        "--data-binary",
        &body,
    ];
    let answer = ask(port, "/functions/v1/create-session", &json);
    assert_eq!(status(&answer), "413", "{answer}");
    assert!(
        answer.contains("request_too_large") && answer.contains("x-request-id: "),
        "{answer}"
    );
}

/// Links lead to the proxy, and what happens is seen through it at once.
fn leads_through(files: &Files, port: u16, basic: &str, url: &str) {
    let order = [
        "-u",
        basic,
        "-H",
        "Content-Type: application/json",
        "-d",
        r#"{"amount":1,"currency":"USD"}"#,
    ];
    let made = ask(port, "/functions/v1/create-session", &order);
    let page = made
        .split("\"fallback_url\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let page = page.unwrap_or_else(|| panic!("{made}"));
    let path = page.strip_prefix(url).unwrap_or_else(|| panic!("{page}"));
    assert_eq!(status(&ask(port, path, &[])), "200");

    let link = json_of(&["dashboard"], &files.data())["url"].clone();
    let path = link
        .as_str()
        .and_then(|link| link.strip_prefix(url))
        .expect("a link of the proxy's");
    let entered = ask(port, path, &[]);
    let cookie = entered
        .lines()
        .find(|line| line.starts_with("set-cookie: "));
    let cookie = cookie.unwrap_or_else(|| panic!("{entered}"));
    assert!(cookie.contains("; Secure"), "{cookie}");
    let cookie = cookie["set-cookie: ".len()..]
        .split(';')
        .next()
        .expect("a pair");
    let shown = format!("Cookie: {cookie}");

    let arguments = [
        "--no-buffer",
        "-H",
        &shown,
        "-H",
        "Accept: text/event-stream",
    ];
    let mut stream = curl(port, "/dashboard/events/requests", &arguments);
    let mut stream = stream.stdout(Stdio::piped()).spawn().expect("curl runs");
    let mut lines = BufReader::new(stream.stdout.take().expect("its output")).lines();
    let mut read_until = |word: &str| {
        let found = lines
            .by_ref()
            .map(|line| line.expect("text"))
            .find(|line| line.contains(word));
        assert!(found.is_some(), "the stream ends before {word}");
    };
    read_until("text/event-stream");
    ask(
        port,
        "/functions/v1/create-session",
        &[&order[..], &["-H", "X-Request-Id: seen-at-once"]].concat(),
    );
    read_until("seen-at-once");
    drop(stream.kill());
    drop(stream.wait());
}

#[test]
fn behind_nginx() {
    if has_tool("nginx", &["-v"]) && has_tool("curl", &["--version"]) {
        check(nginx);
    }
}

#[test]
fn behind_caddy() {
    if has_tool("caddy", &["version"]) && has_tool("curl", &["--version"]) {
        check(caddy);
    }
}

/// Where the README shows one of them, it shows what is tested here.
#[test]
fn the_readme_shows_what_is_tested() {
    let readme = include_str!("../../README.md");
    let blocks = readme.split("\n```").skip(1).step_by(2);
    for config in [NGINX, CADDY] {
        let first = config.lines().next().expect("a line");
        let shown = blocks.clone().find(|block| block.contains(first));
        let shown = shown.and_then(|block| block.split_once('\n'));
        assert!(
            shown.is_some_and(|(_, text)| format!("{text}\n") == config),
            "{first}"
        );
    }
}
