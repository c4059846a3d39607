//! `atlas install` and `atlas uninstall`, below a directory of the test's own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::process::{BINARY, text};

const UNITS: [&str; 4] = [
    "atlas-backup.service",
    "atlas-backup.timer",
    "atlas.service",
    "atlas.socket",
];

fn atlas(program: &Path, arguments: &[&str]) -> Output {
    let run = Command::new(program).args(arguments).output();
    run.expect("atlas runs")
}

fn ok(arguments: &[&str]) -> String {
    let output = atlas(Path::new(BINARY), arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Files below a directory, by name.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let list = if path.is_dir() {
                &mut folders
            } else {
                &mut found
            };
            list.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn everything_is_put_in_place_and_taken_away_but_settings_and_stores() {
    let temporary = tempfile::tempdir().expect("a directory");
    let root = temporary.path();
    let root_text = root.to_str().expect("UTF-8");
    let dry = ok(&["install", "--dry-run", "--root", root_text]);
    assert_eq!(files(root), Vec::<PathBuf>::new(), "{dry}");
    let said = ok(&["install", "--root", root_text]);
    assert!(said.starts_with(&dry), "{said}");
    assert!(said.contains("systemctl enable --now atlas.socket atlas.service atlas-backup.timer"));

    let (program, config) = (
        root.join("usr/local/bin/atlas"),
        root.join("etc/atlas/atlas.toml"),
    );
    let units = UNITS.map(|name| root.join("etc/systemd/system").join(name));
    let mut expected = units.to_vec();
    expected.extend([program.clone(), config.clone()]);
    expected.sort();
    assert_eq!(files(root), expected);
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&program), 0o755);
    assert!(
        units
            .iter()
            .chain([&config])
            .all(|path| mode(path) == 0o644)
    );
    assert_eq!(mode(&root.join("etc/systemd")), 0o755);
    assert_eq!(
        std::fs::read(&program).expect("read"),
        std::fs::read(BINARY).expect("read")
    );

    // What the operator has written stays, and what is ours is made new.
    std::fs::write(&config, "per_minute = 7\n").expect("written");
    std::fs::write(&units[2], "old").expect("written");
    let again = ok(&["install", "--root", root_text]);
    assert!(again.contains(&format!("leave {} as it is", config.display())));
    assert_eq!(
        std::fs::read_to_string(&config).expect("read"),
        "per_minute = 7\n"
    );
    assert!(
        std::fs::read_to_string(&units[2])
            .expect("read")
            .contains("Type=notify")
    );
    // A program in place puts itself nowhere else.
    let own = atlas(&program, &["install", "--root", root_text]);
    assert!(own.status.success(), "{}", text(&own.stderr));

    let store = root.join("var/lib/atlas/pepper");
    std::fs::create_dir_all(store.parent().expect("a parent")).expect("made");
    std::fs::write(&store, "secret").expect("written");
    let dry = ok(&["uninstall", "--dry-run", "--root", root_text]);
    assert_eq!(files(root).len(), 7, "{dry}");
    let said = ok(&["uninstall", "--root", root_text]);
    assert!(
        said.contains("Kept: ") && said.contains("/var/lib/atlas (the store"),
        "{said}"
    );
    assert_eq!(files(root), [config, store]);
    ok(&["uninstall", "--root", root_text]);
}

#[test]
fn units_that_a_removed_package_has_masked_are_no_installation() {
    let temporary = tempfile::tempdir().expect("a directory");
    let root = temporary.path();
    let root_text = root.to_str().expect("UTF-8");
    let dir = root.join("etc/systemd/system");
    std::fs::create_dir_all(&dir).expect("made");
    let masked = ["atlas.service", "atlas.socket", "atlas-backup.timer"].map(|name| dir.join(name));
    let mask = |path: &PathBuf| std::os::unix::fs::symlink("/dev/null", path).expect("masked");
    masked.iter().for_each(mask);
    // They are the package's, which remembers them.
    ok(&["uninstall", "--root", root_text]);
    let is_mask =
        |path: &PathBuf| std::fs::read_link(path).is_ok_and(|to| to == Path::new("/dev/null"));
    assert!(masked.iter().all(is_mask));
    let said = ok(&["install", "--root", root_text]);
    let line = format!("write {} in place of its mask", masked[0].display());
    assert!(said.contains(&line), "{said}");
    assert!(
        said.contains("systemctl enable --now atlas.socket"),
        "{said}"
    );
    assert!(!masked.iter().any(is_mask));
    let again = ok(&["install", "--root", root_text]);
    assert!(
        again.contains("systemctl daemon-reload && systemctl try-restart atlas.service"),
        "{again}"
    );
    assert!(!again.contains("mask"), "{again}");
    // A link that leads nowhere is there as well.
    std::fs::remove_file(&masked[0]).expect("removed");
    std::os::unix::fs::symlink("gone.service", &masked[0]).expect("linked");
    ok(&["uninstall", "--root", root_text]);
    assert!(!masked.iter().any(|path| path.is_symlink() || path.exists()));
}

#[test]
fn a_program_that_runs_is_replaced() {
    let temporary = tempfile::tempdir().expect("a directory");
    let program = temporary.path().join("usr/local/bin/atlas");
    std::fs::create_dir_all(program.parent().expect("a parent")).expect("made");
    // By another process: what this one has open to write, its children have open too, and can't be run meanwhile.
    let copied = Command::new("cp").arg("/bin/sleep").arg(&program).status();
    assert!(copied.expect("cp runs").success());
    let mut old = Command::new(&program).arg("60").spawn().expect("it runs");
    let root = temporary.path().to_str().expect("UTF-8");
    ok(&["install", "--root", root]);
    let version = atlas(&program, &["--version"]);
    assert!(text(&version.stdout).starts_with("atlas "));
    assert!(old.try_wait().expect("asked").is_none(), "it goes on");
    old.kill().expect("killed");
    old.wait().expect("ended");
}

#[test]
fn a_step_that_fails_is_named_and_machines_are_told_the_steps() {
    let temporary = tempfile::tempdir().expect("a directory");
    let root = temporary.path().to_str().expect("UTF-8");
    let told = ok(&["install", "--dry-run", "--json", "--root", root]);
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["taken"], false);
    assert_eq!(told["steps"].as_array().map(Vec::len), Some(6));
    std::fs::write(temporary.path().join("etc"), "in the way").expect("written");
    let output = atlas(Path::new(BINARY), &["install", "--root", root]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains("etc/atlas/atlas.toml can't be written"),
        "{said}"
    );
    assert!(said.contains("run the same command"), "{said}");
}

#[test]
fn the_settings_that_are_put_in_place_are_the_defaults() {
    let temporary = tempfile::tempdir().expect("a directory");
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/atlas.toml");
    let lines = std::fs::read_to_string(&config).expect("read");
    // Without the signs that make them comments, but for those that have no default.
    let set: String = lines
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.contains(" = ") || line.starts_with('['))
        .fold(String::new(), |all, line| all + line + "\n");
    let file = temporary.path().join("atlas.toml");
    std::fs::write(&file, set).expect("written");
    let shown = |arguments: &[&str]| ok(&[&["check-config"], arguments].concat());
    let (bare, given) = (
        shown(&[]),
        shown(&["--config", file.to_str().expect("UTF-8")]),
    );
    for name in ["listen", "per_minute", "per_day", "concurrent"] {
        let line = |text: &str| {
            let start = format!("{name} = ");
            let found = text.lines().find(|line| line.starts_with(&start));
            found.expect("a line").to_owned()
        };
        assert_eq!(line(&bare), line(&given));
    }
}
