//! The real binary as a process of its own, and a client that keeps a connection to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub const BINARY: &str = env!("CARGO_BIN_EXE_atlas");
pub const CREATE: &str = "/functions/v1/create-session";
/// The time in which what is waited for should have come; it only ends a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server process. Killed by drop if nobody stopped it.
pub struct Atlas {
    child: Child,
    pub address: SocketAddr,
    pub directory: PathBuf,
}

impl Atlas {
    /// `atlas serve` on this directory and a free port; returns when it listens. The log is added to `log` there.
    pub fn serve(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command
            .arg("serve")
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(directory)
            .args(arguments);
        Self::start(command, directory)
    }

    /// Starts a command that serves and waits for its line.
    pub fn start(command: Command, directory: &Path) -> Self {
        Self::try_start(command, directory).unwrap_or_else(|line| {
            panic!(
                "no ready line but {line:?}; the log says: {}",
                read_log(directory)
            )
        })
    }

    /// The same; what it said instead, when it does not serve.
    pub fn try_start(command: Command, directory: &Path) -> Result<Self, String> {
        let log = directory.with_extension("log");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log file");
        Self::start_with_log(command, directory, log)
    }

    /// The same, with a log that goes elsewhere.
    pub fn start_with_log(
        mut command: Command,
        directory: &Path,
        log: impl Into<Stdio>,
    ) -> Result<Self, String> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("atlas starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("standard output"));
        out.read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("listening on ");
        match url.and_then(|url| url.split_once("://")) {
            Some((_, address)) => {
                let address = address.parse().expect("an address");
                Ok(Self {
                    child,
                    address,
                    directory: directory.to_owned(),
                })
            }
            None => {
                child.wait().expect("ended");
                Err(line)
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What `/proc` says of its memory under this name, in KiB; None where the system does not say.
    pub fn memory(&self, name: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let told = status.lines().find_map(|line| line.strip_prefix(name))?;
        let number = told.strip_prefix(':')?.split_whitespace().next()?;
        number.parse().ok()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.kill_here();
    }

    /// The same, where it can't be given away.
    pub fn kill_here(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(self) -> ExitStatus {
        self.signal("TERM")
    }

    pub fn signal(mut self, name: &str) -> ExitStatus {
        let pid = self.pid().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .expect("kill runs")
                .success()
        );
        self.child.wait().expect("ended")
    }

    /// The secret of a new key, made by the command line against this server.
    pub fn key(&self, arguments: &[&str]) -> String {
        create_key(&self.directory, arguments)["secret"]
            .as_str()
            .expect("a secret")
            .to_owned()
    }
}

impl Drop for Atlas {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The log that every server of this directory has written.
pub fn read_log(directory: &Path) -> String {
    std::fs::read_to_string(directory.with_extension("log")).unwrap_or_default()
}

/// Runs a command to its end. One that serves when it should not have is stopped after a while.
pub fn run(arguments: &[&str], directory: &Path) -> Output {
    run_with_input(arguments, directory, "")
}

pub fn run_with_input(arguments: &[&str], directory: &Path, input: &str) -> Output {
    let mut command = Command::new("timeout");
    command
        .args(["--signal=KILL", "60", BINARY])
        .args(arguments)
        .arg("--data-dir")
        .arg(directory);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("atlas starts");
    child
        .stdin
        .take()
        .expect("standard input")
        .write_all(input.as_bytes())
        .expect("written");
    child.wait_with_output().expect("ended")
}

/// What a command prints with `--json`.
pub fn json_of(arguments: &[&str], directory: &Path) -> Value {
    let output = run(&[arguments, &["--json"]].concat(), directory);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

pub fn create_key(directory: &Path, arguments: &[&str]) -> Value {
    json_of(
        &[&["keys", "create", "--name", "Tests"], arguments].concat(),
        directory,
    )
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A connection that is kept.
pub struct Client(TcpStream);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub replayed: bool,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub fn session(&self) -> String {
        let body = self.json();
        body["id"]
            .as_str()
            .unwrap_or_else(|| panic!("no session in {body}"))
            .to_owned()
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        Some(Self(stream))
    }

    /// Makes a session; None when the connection ended before the whole answer was there.
    pub fn create(&mut self, secret: &str, idempotency_key: &str, body: &str) -> Option<Answer> {
        let idempotency = if idempotency_key.is_empty() {
            String::new()
        } else {
            format!("Idempotency-Key: {idempotency_key}\r\n")
        };
        let length = body.len();
        self.send(&format!(
            "POST {CREATE} HTTP/1.1\r\nHost: atlas\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/json\r\n\
             {idempotency}Content-Length: {length}\r\n\r\n{body}"
        ))
    }

    pub fn get(&mut self, secret: &str, path: &str) -> Option<Answer> {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: atlas\r\nAuthorization: Bearer {secret}\r\n\r\n"
        ))
    }

    pub fn send(&mut self, request: &str) -> Option<Answer> {
        self.0.write_all(request.as_bytes()).ok()?;
        let mut bytes = Vec::new();
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut parsed = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(head) = parsed.parse(&bytes).ok()? {
                let value = |name: &str| {
                    parsed
                        .headers
                        .iter()
                        .find(|h| h.name.eq_ignore_ascii_case(name))
                        .map(|h| text(h.value))
                };
                let length: usize = value("content-length")?.parse().ok()?;
                let (status, replayed) = (parsed.code?, value("idempotent-replayed").is_some());
                while bytes.len() < head + length {
                    self.read_more(&mut bytes)?;
                }
                return Some(Answer {
                    status,
                    replayed,
                    body: bytes[head..].to_vec(),
                });
            }
            self.read_more(&mut bytes)?;
        }
    }

    fn read_more(&mut self, bytes: &mut Vec<u8>) -> Option<()> {
        let mut buffer = [0; 4096];
        let read = self.0.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        Some(())
    }
}

/// Waits for what comes from elsewhere.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

/// Whether a tool of the slower checks is there. Where they must run (`ALL_CHECKS`), a missing one is a failure.
pub fn has_tool(name: &str, probe: &[&str]) -> bool {
    let there = Command::new(name)
        .args(probe)
        .output()
        .is_ok_and(|output| output.status.success());
    assert!(
        there || std::env::var_os("ALL_CHECKS").is_none(),
        "{name} is missing"
    );
    if !there {
        eprintln!("skipped: {name} is not installed");
    }
    there
}
