//! The Debian package: installed, upgraded, removed and purged by dpkg, in a Debian of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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

/// A bare Debian like this one, made once and kept below `target`.
fn debian() -> PathBuf {
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

/// A Debian of a test's own, with a systemctl that notes what it is asked.
struct Debian {
    root: PathBuf,
    temporary: tempfile::TempDir,
}

/// What stands in for systemd: every unit is enabled and runs, and `/fails` makes what changes something fail.
const SYSTEMCTL: &str = r#"#!/bin/sh
case "$*" in
*is-enabled*) echo enabled ;;
*is-active*) ;;
*) echo "$*" >>/systemctl.log; [ ! -e /fails ] ;;
esac
"#;

impl Debian {
    /// None where the tools are missing.
    fn new() -> Option<Self> {
        let cargo_deb = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/cargo-deb");
        let has_tools = has_tool(cargo_deb.to_str().expect("UTF-8"), &["--version"])
            && has_tool("debootstrap", &["--version"])
            && has_tool("dpkg", &["--version"])
            && rustix::process::geteuid().is_root();
        if !has_tools {
            return None;
        }
        let temporary = tempfile::tempdir().expect("a directory");
        let root = temporary.path().join("root");
        run(Command::new("cp").arg("-a").arg(debian()).arg(&root));
        let systemctl = root.join("usr/bin/systemctl");
        std::fs::write(&systemctl, SYSTEMCTL).expect("written");
        run(Command::new("chmod").arg("755").arg(&systemctl));
        std::fs::create_dir_all(root.join("run/systemd/system")).expect("made");
        Some(Self { root, temporary })
    }

    fn package(&self, version: &str) -> String {
        package(version, self.temporary.path())
    }

    fn try_inside(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("chroot");
        let inside = command.arg(&self.root).args(arguments);
        inside.output().expect("it runs")
    }

    fn inside(&self, arguments: &[&str]) -> String {
        run(Command::new("chroot").arg(&self.root).args(arguments))
    }

    /// How it fails, in its own words.
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.try_inside(arguments);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}: {said}");
        said
    }

    fn has(&self, path: &str) -> bool {
        std::fs::symlink_metadata(self.root.join(path)).is_ok()
    }

    /// What systemd was told since the last time, but for words on how.
    fn told(&self) -> Vec<String> {
        let log = self.root.join("systemctl.log");
        let told = std::fs::read_to_string(&log).unwrap_or_default();
        drop(std::fs::remove_file(log));
        let bare = |line: &str| line.replace("--system ", "").replace("--quiet ", "");
        told.lines().map(bare).collect()
    }
}

#[test]
fn dpkg_installs_upgrades_removes_and_purges_it_and_the_store_outlives_that() {
    let Some(debian) = Debian::new() else { return };
    let enabled = "etc/systemd/system/sockets.target.wants/atlas.socket";

    let old = debian.package("0.0.9-1");
    let said = debian.inside(&["dpkg", "--install", &old]);
    assert!(said.contains("Make a key: atlas keys create"), "{said}");
    assert!(debian.inside(&["atlas", "--version"]).starts_with("atlas "));
    for name in UNITS {
        let unit = debian.root.join("usr/lib/systemd/system").join(name);
        let unit = std::fs::read_to_string(unit).expect("a unit");
        assert!(!unit.contains("/usr/local/"), "{unit}");
        let is_service = name.ends_with(".service");
        assert_eq!(unit.contains("ExecStart=/usr/bin/atlas "), is_service);
    }
    assert!(debian.has(enabled));
    let check = ["atlas", "check-config", "--config", "/etc/atlas/atlas.toml"];
    assert!(debian.inside(&check).contains("per_minute = 1000"));

    // What the operator wrote and what merchants have are there after an upgrade.
    let config = debian.root.join("etc/atlas/atlas.toml");
    std::fs::write(config, "per_minute = 7\n").expect("written");
    let store = "var/lib/private/atlas";
    std::fs::create_dir_all(debian.root.join(store)).expect("made");
    let keys = |arguments: &[&str]| {
        let place = ["--data-dir", "/var/lib/private/atlas"];
        debian.inside(&[&["atlas", "keys"], arguments, &place].concat())
    };
    keys(&["create", "--name", "Shop"]);
    let new = debian.package("0.1.0-1");
    let said = debian.inside(&["dpkg", "--install", &new]);
    assert!(!said.contains("Make a key"), "{said}");
    assert!(debian.inside(&check).contains("per_minute = 7"));
    assert!(keys(&["list"]).contains("Shop"));
    assert!(debian.has(enabled));

    debian.inside(&["dpkg", "--remove", "atlas"]);
    assert!(!debian.has("usr/bin/atlas"));
    assert!(!debian.has("usr/lib/systemd/system/atlas.service"));
    assert!(debian.has("etc/atlas/atlas.toml") && debian.has(store));
    let said = debian.inside(&["dpkg", "--purge", "atlas"]);
    assert!(said.contains("/var/lib/private/atlas is kept"), "{said}");
    assert!(!debian.has("etc/atlas/atlas.toml") && !debian.has(enabled));
    assert!(debian.has("var/lib/private/atlas/pepper"));
}

#[test]
fn an_upgrade_restarts_the_server_alone_and_what_was_removed_starts_again() {
    let Some(debian) = Debian::new() else { return };
    let (old, new) = (debian.package("0.0.9-1"), debian.package("0.1.0-1"));
    let starts = |server: &str| {
        let lines = [
            "daemon-reload",
            "start atlas.socket",
            "start atlas-backup.timer",
        ];
        let mut lines: Vec<String> = lines.map(str::to_owned).into();
        lines.push(format!("{server} atlas.service"));
        lines
    };
    debian.inside(&["dpkg", "--install", &old]);
    assert_eq!(debian.told(), starts("start"));
    debian.inside(&["dpkg", "--install", &new]);
    let told = debian.told();
    assert!(told.ends_with(&starts("restart")), "{told:?}");
    assert!(!told.iter().any(|line| line.contains("stop")), "{told:?}");
    debian.inside(&["dpkg", "--remove", "atlas"]);
    let stop = "stop atlas-backup.timer atlas.socket atlas.service";
    assert_eq!(debian.told(), [stop, "daemon-reload"]);
    debian.inside(&["dpkg", "--install", &new]);
    assert_eq!(debian.told(), starts("restart"));
}

#[test]
fn where_systemd_runs_install_starts_then_restarts_and_goes_not_beside_the_package() {
    let Some(debian) = Debian::new() else { return };
    std::fs::copy(BINARY, debian.root.join("new")).expect("copied");
    let (install, uninstall) = (["/new", "install"], ["/new", "uninstall"]);
    let first = "enable --now atlas.socket atlas.service atlas-backup.timer";

    std::fs::write(debian.root.join("fails"), "").expect("written");
    let said = debian.fails(&install);
    let on = format!("mend that, then: systemctl daemon-reload && systemctl {first}");
    assert!(said.contains(&on), "{said}");
    std::fs::remove_file(debian.root.join("fails")).expect("removed");
    debian.inside(&uninstall);
    debian.told();

    debian.inside(&install);
    assert_eq!(debian.told(), ["daemon-reload", first]);
    debian.inside(&install);
    assert_eq!(
        debian.told(),
        ["daemon-reload", "try-restart atlas.service"]
    );
    let package = debian.package("0.1.0-1");
    let said = debian.fails(&["dpkg", "--install", &package]);
    assert!(said.contains("run `atlas uninstall` first"), "{said}");
    assert!(!debian.has("usr/bin/atlas"));
    debian.told();
    debian.inside(&uninstall);
    let last = "disable --now atlas.socket atlas.service atlas-backup.timer";
    assert_eq!(debian.told(), [last, "daemon-reload"]);

    // Where the settings say where to listen, no socket of systemd's goes before them.
    let config = debian.root.join("etc/atlas/atlas.toml");
    std::fs::write(config, "port = 9000\n").expect("written");
    debian.inside(&install);
    let without = "enable --now atlas.service atlas-backup.timer";
    assert_eq!(debian.told(), ["daemon-reload", without]);
    debian.inside(&uninstall);
    debian.inside(&["dpkg", "--force-confold", "--install", &package]);
    for refused in [install, uninstall] {
        let said = debian.fails(&refused);
        assert!(said.contains("Atlas is here as a package"), "{said}");
    }
}
