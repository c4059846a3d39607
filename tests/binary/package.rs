//! The Debian package: installed, upgraded, removed and purged by dpkg, in a Debian of its own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::process::{BINARY, has_tool, text};

const UNITS: [&str; 4] = [
    "atlas-backup.service",
    "atlas-backup.timer",
    "atlas.service",
    "atlas.socket",
];

fn run(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it runs");
    let said = text(&stdout) + &text(&stderr);
    assert!(status.success(), "{command:?}: {said}");
    said
}

/// Where Debian's packages come from here: what apt is told on this machine.
fn mirror(codename: &str) -> String {
    let asked = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(CODENAME) $(ORIGIN) $(REPO_URI)",
        ])
        .arg("Created-By: Packages")
        .output()
        .expect("apt-get runs");
    let start = format!("{codename} Debian ");
    let asked = text(&asked.stdout);
    let found = asked.lines().find_map(|line| line.strip_prefix(&start));
    found
        .expect("a mirror of Debian in apt's sources")
        .to_owned()
}

/// A bare Debian like this one, made once and kept below `target`. Who comes while it is made waits for it.
fn debian() -> &'static Path {
    static DEBIAN: OnceLock<PathBuf> = OnceLock::new();
    DEBIAN.get_or_init(made)
}

fn made() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debian");
    if place.is_dir() {
        return place;
    }
    let release = std::fs::read_to_string("/etc/os-release").expect("read");
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .expect("a Debian");
    let unfinished = place.with_extension("unfinished");
    drop(std::fs::remove_dir_all(&unfinished));
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args([
        "--variant=minbase",
        "--include=init-system-helpers,ca-certificates",
    ]);
    debootstrap
        .arg(codename)
        .arg(&unfinished)
        .arg(mirror(codename));
    run(&mut debootstrap);
    std::fs::rename(&unfinished, &place).expect("kept");
    place
}

/// The package with this version, made of the program that the tests have: no other has to be built for it.
fn package(version: &str, place: &Path) -> String {
    let target = place.join("target");
    let release = target.join("release");
    std::fs::create_dir_all(&release).expect("made");
    std::fs::copy(BINARY, release.join("atlas")).expect("copied");
    let name = format!("atlas_{version}.deb");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/debian/package");
    let mut build = Command::new(script);
    build
        .env("CARGO_TARGET_DIR", &target)
        .args([
            "--no-build",
            "--no-strip",
            "--fast",
            "--deb-version",
            version,
        ])
        .arg("--output")
        .arg(place.join("root").join(&name));
    run(&mut build);
    format!("/{name}")
}

/// A systemd that keeps in mind what runs, and writes down what it did.
const SYSTEMCTL: &str = r#"#!/bin/sh
verb= units= runs=/run/stub
for argument in "$@"; do
  case $argument in
    -*) ;;
    *) if [ -z "$verb" ]; then verb=$argument; else units="$units $argument"; fi ;;
  esac
done
mkdir -p "$runs"
for unit in $units; do
  case $verb in
    preset)
      wants=/etc/systemd/system/$(sed -n 's/^WantedBy=//p' "/usr/lib/systemd/system/$unit").wants
      mkdir -p "$wants" && ln -sf "/usr/lib/systemd/system/$unit" "$wants/" ;;
    is-enabled) set -- /etc/systemd/system/*.wants/"$unit"; [ -L "$1" ] && echo enabled; exit ;;
    is-active) [ -e "$runs/$unit" ]; exit ;;
    start) [ -e "$runs/$unit" ] || echo "start $unit" >>/did; : >"$runs/$unit" ;;
    stop) [ ! -e "$runs/$unit" ] || echo "stop $unit" >>/did; rm -f "$runs/$unit" ;;
    restart) echo "restart $unit" >>/did; : >"$runs/$unit" ;;
    try-restart) [ ! -e "$runs/$unit" ] || echo "restart $unit" >>/did ;;
    *) echo "systemctl $verb is not known here" >&2; exit 1 ;;
  esac
done
"#;

/// What cargo-deb, debootstrap and dpkg need is there.
fn has_tools() -> bool {
    let cargo_deb = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/cargo-deb");
    has_tool(cargo_deb.to_str().expect("UTF-8"), &["--version"])
        && has_tool("debootstrap", &["--version"])
        && has_tool("dpkg", &["--version"])
        && rustix::process::geteuid().is_root()
}

#[test]
fn an_upgrade_restarts_what_runs_and_starts_nothing_that_was_stopped() {
    if !has_tools() {
        return;
    }
    let temporary = tempfile::tempdir().expect("a directory");
    let root = temporary.path().join("root");
    run(Command::new("cp").arg("-a").arg(debian()).arg(&root));
    std::fs::create_dir_all(root.join("run/systemd/system")).expect("made");
    let systemctl = root.join("usr/bin/systemctl");
    std::fs::write(&systemctl, SYSTEMCTL).expect("written");
    std::fs::set_permissions(&systemctl, Permissions::from_mode(0o755)).expect("changed");
    let inside = |arguments: &[&str]| run(Command::new("chroot").arg(&root).args(arguments));
    // These arguments do this to units, and nothing else.
    let does = |arguments: &[&str], expected: &[&str]| {
        drop(std::fs::remove_file(root.join("did")));
        let said = inside(arguments);
        let did = std::fs::read_to_string(root.join("did")).unwrap_or_default();
        assert_eq!(did.lines().collect::<Vec<_>>(), expected, "{said}");
    };
    let (old, new) = (
        package("0.0.9-1", temporary.path()),
        package("0.1.0-1", temporary.path()),
    );
    let (old, new) = (["dpkg", "--install", &old], ["dpkg", "--install", &new]);
    let all = [
        "start atlas.socket",
        "start atlas-backup.timer",
        "start atlas.service",
    ];
    does(&old, &all);
    does(&new, &["restart atlas.service"]);

    inside(&["systemctl", "stop", "atlas.service"]);
    // The next connection starts the new one.
    does(&old, &[]);
    inside(&["systemctl", "stop", "atlas.socket", "atlas-backup.timer"]);
    does(&new, &[]);
    inside(&["systemctl", "start", "atlas.service"]);
    does(&old, &["restart atlas.service"]);

    // As of a version that had no backups.
    inside(&[
        "env",
        "DPKG_MAINTSCRIPT_PACKAGE=atlas",
        "deb-systemd-helper",
        "purge",
        "atlas-backup.timer",
    ]);
    does(&new, &["restart atlas.service", "start atlas-backup.timer"]);
    let stopped = ["stop atlas-backup.timer", "stop atlas.service"];
    does(&["dpkg", "--remove", "atlas"], &stopped);
    // A removal had stopped them.
    does(&old, &all);
    inside(&["dpkg", "--remove", "atlas"]);
    inside(&["dpkg", "--purge", "atlas"]);
    does(&new, &all);
}

#[test]
fn dpkg_installs_upgrades_removes_and_purges_it_and_the_store_outlives_that() {
    if !has_tools() {
        return;
    }
    let temporary = tempfile::tempdir().expect("a directory");
    let root = temporary.path().join("root");
    run(Command::new("cp").arg("-a").arg(debian()).arg(&root));
    let inside = |arguments: &[&str]| run(Command::new("chroot").arg(&root).args(arguments));
    let there = |path: &str| root.join(path).exists();
    let wants = "etc/systemd/system/sockets.target.wants/atlas.socket";
    let is_enabled = || std::fs::symlink_metadata(root.join(wants)).is_ok();

    let old = package("0.0.9-1", temporary.path());
    let said = inside(&["dpkg", "--install", &old]);
    assert!(said.contains("Make a key: atlas keys create"), "{said}");
    assert!(inside(&["atlas", "--version"]).starts_with("atlas "));
    for name in UNITS {
        let unit = root.join("usr/lib/systemd/system").join(name);
        let unit = std::fs::read_to_string(unit).expect("a unit");
        assert!(!unit.contains("/usr/local/"), "{unit}");
        let is_service = name.ends_with(".service");
        assert_eq!(unit.contains("ExecStart=/usr/bin/atlas "), is_service);
    }
    assert!(is_enabled());
    let check = ["atlas", "check-config", "--config", "/etc/atlas/atlas.toml"];
    assert!(inside(&check).contains("per_minute = 1000"));

    // What the operator wrote and what merchants have are there after an upgrade.
    std::fs::write(root.join("etc/atlas/atlas.toml"), "per_minute = 7\n").expect("written");
    let store = "var/lib/private/atlas";
    std::fs::create_dir_all(root.join(store)).expect("made");
    let key = [
        "atlas",
        "keys",
        "create",
        "--name",
        "Shop",
        "--data-dir",
        "/var/lib/private/atlas",
    ];
    inside(&key);
    let new = package("0.1.0-1", temporary.path());
    let said = inside(&["dpkg", "--install", &new]);
    assert!(!said.contains("Make a key"), "{said}");
    assert!(inside(&check).contains("per_minute = 7"));
    let list = [
        "atlas",
        "keys",
        "list",
        "--data-dir",
        "/var/lib/private/atlas",
    ];
    assert!(inside(&list).contains("Shop"));
    assert!(is_enabled());

    inside(&["dpkg", "--remove", "atlas"]);
    assert!(!there("usr/bin/atlas") && !there("usr/lib/systemd/system/atlas.service"));
    assert!(there("etc/atlas/atlas.toml") && there(store));
    let said = inside(&["dpkg", "--purge", "atlas"]);
    assert!(said.contains("/var/lib/private/atlas is kept"), "{said}");
    assert!(!there("etc/atlas/atlas.toml") && !is_enabled());
    assert!(there("var/lib/private/atlas/pepper"));
}

/// A folder with a program of this name that does nothing.
fn with_stub(name: &str, place: &Path) -> PathBuf {
    let tools = place.join("tools");
    std::fs::create_dir(&tools).expect("made");
    std::fs::write(tools.join(name), "#!/bin/sh\n").expect("written");
    std::fs::set_permissions(tools.join(name), Permissions::from_mode(0o755)).expect("set");
    tools
}

#[test]
fn a_program_by_profile_is_not_begun_without_the_tool_for_it() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (tools, target) = (
        with_stub("cargo-deb", temporary.path()),
        temporary.path().join("target"),
    );
    let path = std::env::var("PATH").expect("a path");
    for script in ["systemd/build", "systemd/debian/package"] {
        let made = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
            .env("LLVM_PROFDATA", "/missing/llvm-profdata")
            .env("CARGO_TARGET_DIR", &target)
            .env("PATH", format!("{path}:{}", tools.display()))
            .output()
            .expect("it runs");
        let said = text(&made.stderr);
        assert_eq!(made.status.code(), Some(1), "{said}");
        assert!(said.contains("rustup component add llvm-tools"), "{said}");
        assert!(!target.exists(), "{script}");
    }
}

#[test]
fn a_package_is_not_begun_without_the_tool_for_it() {
    let temporary = tempfile::tempdir().expect("a directory");
    let script = temporary.path().join("systemd/debian/package");
    std::fs::create_dir_all(script.parent().expect("a folder")).expect("made");
    std::fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/debian/package"),
        &script,
    )
    .expect("copied");
    let made = Command::new(&script)
        .env("PATH", "/usr/bin:/bin")
        .output()
        .expect("it runs");
    let said = text(&made.stderr);
    assert_eq!(made.status.code(), Some(1), "{said}");
    assert!(said.contains("cargo install cargo-deb"), "{said}");
    assert!(!temporary.path().join("target").exists());
}
