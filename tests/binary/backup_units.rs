//! The units that back up every night: what systemd says of them, and that the filter lets through what a backup does.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::process::{Atlas, BINARY, has_tool, text};
use crate::systemd::{allowed_calls, calls_in};

fn unit(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("systemd")
        .join(name)
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units_and_rates_them_well() {
    if !has_tool("systemd-analyze", &["--version"]) {
        return;
    }
    let temporary = tempfile::tempdir().expect("a directory");
    for name in ["atlas-backup.service", "atlas-backup.timer"] {
        let unit = std::fs::read_to_string(unit(name)).expect("the unit");
        let here = unit.replace("/usr/local/bin/atlas", BINARY);
        std::fs::write(temporary.path().join(name), here).expect("written");
    }
    let analyze = |arguments: &[&str], names: &[&str]| {
        let run = Command::new("systemd-analyze")
            .args(arguments)
            .args(names.iter().map(|name| temporary.path().join(name)))
            .output();
        let run = run.expect("systemd-analyze runs");
        let said = format!("{}{}", text(&run.stdout), text(&run.stderr));
        assert!(run.status.success(), "{arguments:?}: {said}");
        said
    };
    let both = ["atlas-backup.service", "atlas-backup.timer"];
    assert_eq!(analyze(&["verify", "--man=no"], &both), "");
    // In tenths: 1.0 or better.
    analyze(
        &["security", "--offline=true", "--threshold=10"],
        &both[..1],
    );
}

/// Runs what the unit runs, with the places of a test, and with these settings of the service.
fn run_command(directory: &Path, to: &Path, settings: &str) -> Output {
    let config = directory.with_extension("toml");
    std::fs::write(&config, settings).expect("written");
    let unit = std::fs::read_to_string(unit("atlas-backup.service")).expect("the unit");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let mut words = line.expect("a command").split(' ');
    assert_eq!(words.next(), Some("/usr/local/bin/atlas"));
    Command::new(BINARY)
        .args(words.map(|word| match word {
            "/etc/atlas/atlas.toml" => config.as_os_str(),
            "/var/lib/atlas" => directory.as_os_str(),
            "/var/lib/atlas-backup" => to.as_os_str(),
            other => other.as_ref(),
        }))
        .output()
        .expect("atlas runs")
}

#[test]
fn the_command_of_the_unit_is_one_that_works() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (directory, to) = (temporary.path().join("data"), temporary.path().join("to"));
    std::fs::create_dir(&to).expect("made");
    let _server = Atlas::serve(&directory, &[]);
    // The credential of live mode is the service's alone, and no matter here.
    let live = "[live]\nupstream = \"https://psp.example\"\nauthorization_file = \"/nowhere\"\n";
    let output = run_command(&directory, &to, live);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_dir(&to).expect("a list").count(), 1);
}

#[test]
fn the_settings_of_the_service_count_for_its_backups() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (directory, to) = (temporary.path().join("data"), temporary.path().join("to"));
    std::fs::create_dir(&to).expect("made");
    let _server = Atlas::serve(&directory, &[]);
    let output = run_command(&directory, &to, "min_free_disk = \"much\"\n");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("min_free_disk"), "{said}");
}

#[test]
fn the_unit_lets_every_system_call_through_that_a_backup_makes() {
    if !has_tool("systemd-analyze", &["--version"]) || !has_tool("strace", &["-V"]) {
        return;
    }
    let temporary = tempfile::tempdir().expect("a directory");
    let (directory, to) = (temporary.path().join("data"), temporary.path().join("to"));
    std::fs::create_dir(&to).expect("made");
    let allowed = allowed_calls(&unit("atlas-backup.service"));
    let trace_of = |name: &str| {
        let trace = temporary.path().join(name);
        let run = Command::new("strace")
            .args(["-f", "-q", "-s", "8", "-o"])
            .arg(&trace)
            .arg(BINARY)
            .args(["backup", "--keep", "1", "--data-dir"])
            .args([&directory, &to])
            .output()
            .expect("strace runs");
        assert!(run.status.success(), "{}", text(&run.stderr));
        std::fs::read_to_string(&trace).expect("a trace")
    };
    let server = Atlas::serve(&directory, &[]);
    let serving = trace_of("serving");
    assert_eq!(server.terminate().code(), Some(0));
    let alone = trace_of("alone");
    for (trace, has) in [(&serving, "connect"), (&alone, "seccomp")] {
        let calls = calls_in(trace);
        assert!(calls.contains(has) && calls.contains("fsync"), "{calls:?}");
        let denied: Vec<_> = calls
            .iter()
            .filter(|call| !allowed.contains(**call))
            .collect();
        assert!(denied.is_empty(), "the unit denies {denied:?}");
    }
}
