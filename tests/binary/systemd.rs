//! Under systemd: what the service manager is told, and that the unit allows what the server needs and little else.

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Atlas, BINARY, PATIENCE, has_tool, text};
use crate::syncs::traced;

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/atlas.service")
}

fn serve(directory: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(directory);
    command
}

/// The next message to the service manager, as lines.
fn told(socket: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).expect("a message");
    text(&buffer[..length]).lines().map(str::to_owned).collect()
}

#[test]
fn the_manager_hears_that_the_server_answers_lives_and_stops() {
    let temporary = tempfile::tempdir().expect("a directory");
    let path = temporary.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let directory = temporary.path().join("data");
    let mut command = serve(&directory);
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "300000");
    let server = Atlas::start(command, &directory);
    let serving = format!("STATUS=Serving on http://{}", server.address);
    assert_eq!(told(&socket), ["READY=1", &serving]);
    for _ in 0..3 {
        assert_eq!(told(&socket), ["WATCHDOG=1", &serving]);
    }
    assert_eq!(server.terminate().code(), Some(0));
    let stopping = ["STOPPING=1", "STATUS=Stopping: running requests finish"];
    let mut last = told(&socket);
    while last != stopping {
        assert_eq!(last, ["WATCHDOG=1", &serving]);
        last = told(&socket);
    }
    socket.set_nonblocking(true).expect("set");
    assert!(socket.recv(&mut [0; 64]).is_err(), "that is the last word");
}

#[test]
fn no_watchdog_means_no_beats_and_no_manager_no_word() {
    let temporary = tempfile::tempdir().expect("a directory");
    let path = temporary.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let directory = temporary.path().join("data");
    let mut command = serve(&directory);
    command.env("NOTIFY_SOCKET", &path);
    let server = Atlas::start(command, &directory);
    assert_eq!(told(&socket)[0], "READY=1");
    assert_eq!(server.terminate().code(), Some(0));
    assert_eq!(told(&socket)[0], "STOPPING=1");
    drop(socket);
    let mut command = serve(&directory);
    command.env("NOTIFY_SOCKET", &path);
    let server = Atlas::start(command, &directory);
    assert_eq!(
        server.terminate().code(),
        Some(0),
        "nobody listens any more"
    );
}

/// The unit with the binary that is tested.
fn unit_here(directory: &Path) -> PathBuf {
    let unit = std::fs::read_to_string(unit()).expect("the unit");
    let here = unit.replace("/usr/local/bin/atlas", BINARY);
    assert_ne!(here, unit);
    let path = directory.join("atlas.service");
    std::fs::write(&path, here).expect("written");
    path
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit_and_rates_it_well() {
    if !has_tool("systemd-analyze", &["--version"]) {
        return;
    }
    let temporary = tempfile::tempdir().expect("a directory");
    let path = unit_here(temporary.path());
    let analyze = |arguments: &[&str]| {
        let run = Command::new("systemd-analyze")
            .args(arguments)
            .arg(&path)
            .output();
        let run = run.expect("systemd-analyze runs");
        let said = format!("{}{}", text(&run.stdout), text(&run.stderr));
        assert!(run.status.success(), "{arguments:?}: {said}");
        said
    };
    assert_eq!(analyze(&["verify", "--man=no"]), "");
    // In tenths: 1.5 or better.
    analyze(&["security", "--offline=true", "--threshold=15"]);
}

#[test]
fn a_first_start_after_an_upgrade_may_take_as_long_as_it_takes() {
    let unit = std::fs::read_to_string(unit()).expect("the unit");
    let limits: Vec<_> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("TimeoutStartSec="))
        .collect();
    // The manager's own would be 90 s, and end a migration that the next start begins anew.
    assert_eq!(limits, ["infinity"]);
}

/// The system calls that a unit's filters let through.
pub fn allowed_calls(unit: &Path) -> BTreeSet<String> {
    let unit = std::fs::read_to_string(unit).expect("the unit");
    let mut allowed = calls_of("@default");
    for filter in unit
        .lines()
        .filter_map(|line| line.strip_prefix("SystemCallFilter="))
    {
        let (is_denied, names) = match filter.strip_prefix('~') {
            Some(names) => (true, names),
            None => (false, filter),
        };
        for call in names.split_whitespace().flat_map(calls_of) {
            if is_denied {
                allowed.remove(&call);
            } else {
                allowed.insert(call);
            }
        }
    }
    allowed
}

/// The calls of a group, and of the groups in it; of a call, itself.
fn calls_of(name: &str) -> BTreeSet<String> {
    if !name.starts_with('@') {
        return BTreeSet::from([name.to_owned()]);
    }
    let listed = Command::new("systemd-analyze")
        .args(["syscall-filter", name])
        .output();
    let listed = text(&listed.expect("systemd-analyze runs").stdout);
    let members = listed.lines().skip(1).map(str::trim);
    members
        .filter(|member| !member.is_empty() && !member.starts_with('#'))
        .flat_map(calls_of)
        .collect()
}

/// The system calls in a trace.
pub fn calls_in(trace: &str) -> BTreeSet<&str> {
    // `123 openat(AT_FDCWD, ...) = 3`; the first is execve, which systemd makes before its filter.
    trace
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(_, call)| call.trim_start().split_once('('))
        .map(|(name, _)| name)
        .filter(|name| {
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
        .collect()
}

#[test]
fn the_unit_lets_every_system_call_through_that_the_server_makes() {
    if !has_tool("systemd-analyze", &["--version"]) {
        return;
    }
    let Some(trace) = traced("all") else { return };
    let allowed = allowed_calls(&unit());
    assert!(allowed.len() > 200, "{allowed:?}");
    let calls = calls_in(&trace);
    assert!(
        calls.contains("fdatasync") && calls.contains("seccomp"),
        "{calls:?}"
    );
    let denied: Vec<_> = calls
        .iter()
        .filter(|call| !allowed.contains(**call))
        .collect();
    assert!(denied.is_empty(), "the unit denies {denied:?}");
}
