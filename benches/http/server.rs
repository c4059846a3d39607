//! A server as a child process: started, looked at through `/proc`, stopped. It never outlives its handle.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Outcome;

/// A server must be ready or gone within this time; a million records take about a second.
const PATIENCE: Duration = Duration::from_secs(60);
const LISTENING: &str = "listening on http://";

/// A running server.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From exec to the line that says where it listens.
    pub started_in: Duration,
    log: PathBuf,
    _stdout: Option<BufReader<ChildStdout>>,
}

impl Server {
    /// Starts a server and waits until it says where it listens.
    pub fn spawn(mut command: Command, log: &Path) -> Outcome<Self> {
        let log_file = appended(log)?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file);
        let started = Instant::now();
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        match first_line(stdout) {
            Ok((line, stdout)) => Ok(Self {
                child,
                started_in: started.elapsed(),
                address: line
                    .trim()
                    .strip_prefix(LISTENING)
                    .ok_or_else(|| format!("the server said {line:?}"))?
                    .parse()?,
                log: log.to_owned(),
                _stdout: Some(stdout),
            }),
            Err(why) => {
                drop(child.kill().and_then(|()| child.wait()));
                Err(format!("{why}; its log ends with:\n{}", tail(log)).into())
            }
        }
    }

    /// Starts a server that says nothing, and waits until somebody listens where it will.
    pub fn spawn_at(mut command: Command, log: &Path, address: SocketAddr) -> Outcome<Self> {
        let log_file = appended(log)?;
        command
            .stdin(Stdio::null())
            .stdout(log_file.try_clone()?)
            .stderr(log_file);
        let started = Instant::now();
        let mut server = Self {
            child: command.spawn()?,
            address,
            started_in: Duration::ZERO,
            log: log.to_owned(),
            _stdout: None,
        };
        while TcpStream::connect(address).is_err() {
            if server.child.try_wait()?.is_some() || started.elapsed() > PATIENCE {
                return Err(server.complaint("the server does not listen"))?;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        server.started_in = started.elapsed();
        Ok(server)
    }

    /// Starts Atlas on a data directory, with limits that no load reaches.
    pub fn atlas(dir: &Path) -> Outcome<Self> {
        Self::spawn(serve(dir), &dir.with_extension("log"))
    }

    /// Its number among the processes.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processor time it has used, in user and system mode.
    pub fn cpu(&self) -> Outcome<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        // Fields count from behind the name, which may hold anything: 14 and 15 of the line are 12 and 13 here.
        let (_, fields) = stat.rsplit_once(')').ok_or("an odd /proc/PID/stat")?;
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<u64>)
            .sum::<Result<_, _>>()?;
        let a_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_secs_f64(ticks as f64 / a_second as f64))
    }

    /// Bytes of memory it has now.
    pub fn resident(&self) -> Outcome<u64> {
        self.memory("VmRSS:")
    }

    /// The most bytes of memory that it ever had.
    pub fn peak(&self) -> Outcome<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, what: &str) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(what))
            .ok_or_else(|| self.complaint("the server is gone"))?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    }

    /// Stops it as systemd does. Returns how long that took.
    pub fn stop(mut self) -> Outcome<Duration> {
        let pid = Pid::from_child(&self.child);
        let started = Instant::now();
        kill_process(pid, Signal::TERM)?;
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return if status.success() {
                    Ok(started.elapsed())
                } else {
                    Err(self.complaint(&format!("the server ended with {status}")))?
                };
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err(self.complaint("the server does not stop"))?
    }

    /// What went wrong, with the end of the server's log.
    pub fn complaint(&self, why: &str) -> String {
        format!("{why}; the server's log ends with:\n{}", tail(&self.log))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Errors mean that it is gone already.
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}

/// The command that serves from a data directory, with limits that no load reaches.
pub fn serve(dir: &Path) -> Command {
    let mut command = atlas_command(dir, &["serve", "--listen", "127.0.0.1:0"]);
    command
        .args(["--per-minute", "1000000000", "--per-day", "1000000000"])
        .args(["--concurrent", "100000", "--min-free-disk", "1MiB"]);
    command
}

/// The same command on one core.
pub fn pinned(command: &Command, core: usize) -> Command {
    let mut pinned = Command::new("taskset");
    pinned
        .args(["-c", &core.to_string()])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => pinned.env(name, value),
            None => pinned.env_remove(name),
        };
    }
    pinned
}

/// Makes an API key of a mode and returns its secret.
pub fn make_key(dir: &Path, mode: &str) -> Outcome<String> {
    let made = [
        "keys", "create", "--name", "bench", "--json", "--mode", mode,
    ];
    let made = atlas_command(dir, &made).output()?;
    if !made.status.success() {
        return Err(format!("no key: {}", String::from_utf8_lossy(&made.stderr)).into());
    }
    let made: serde_json::Value = serde_json::from_slice(&made.stdout)?;
    let secret = made["secret"].as_str().ok_or("a key without a secret")?;
    Ok(secret.to_owned())
}

/// The program that is measured.
pub fn program() -> PathBuf {
    let named = std::env::var_os("ATLAS_SERVER").map(PathBuf::from);
    named.unwrap_or_else(|| env!("CARGO_BIN_EXE_atlas").into())
}

/// The command with the settings of nobody's shell.
pub fn atlas_command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).arg("--data-dir").arg(dir);
    std::env::vars_os()
        .filter(|(name, _)| name == "RUST_LOG" || name.to_string_lossy().starts_with("ATLAS_"))
        .for_each(|(name, _)| {
            command.env_remove(name);
        });
    command
}

fn first_line(stdout: ChildStdout) -> Outcome<(String, BufReader<ChildStdout>)> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        let read = stdout.read_line(&mut line).map(|_| (line, stdout));
        drop(sender.send(read));
    });
    let (line, stdout) = receiver
        .recv_timeout(PATIENCE)
        .map_err(|_| "the server does not say where it listens")??;
    if line.is_empty() {
        return Err("the server ended before it listened".into());
    }
    Ok((line, stdout))
}

fn appended(log: &Path) -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
