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

/// Below which table a line stands, as flags have it, the line, and whether it is an example.
type Line = (String, String, bool);

/// The settings of the file that is put in place, without the signs that make them comments.
fn lines_of_the_file() -> Vec<Line> {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/atlas.toml");
    let text = std::fs::read_to_string(&config).expect("read");
    let mut mode = String::new();
    let mut lines = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# ")) {
        if let Some(table) = line.strip_prefix('[') {
            mode = format!("{}_", table.trim_end_matches(']'));
        } else if line.contains(" = ") {
            lines.push((
                mode.clone(),
                line.to_owned(),
                line.contains("  # for example"),
            ));
        }
    }
    lines
}

#[test]
fn the_settings_that_are_put_in_place_are_all_there_are() {
    let help = ok(&["serve", "--help"]);
    let variables = help.split("[env: ATLAS_").skip(1);
    let mut known: Vec<String> = variables
        .map(|rest| {
            rest.split(['=', ']'])
                .next()
                .unwrap_or_default()
                .to_lowercase()
        })
        // The first is said by the unit, the second is the file itself.
        .filter(|name| !matches!(name.as_str(), "data_dir" | "config"))
        .collect();
    known.sort();
    let mut told: Vec<String> = lines_of_the_file()
        .into_iter()
        .map(|(mode, line, _)| {
            let name = line.split(" = ").next().unwrap_or_default();
            format!("{mode}{name}")
        })
        .collect();
    told.sort();
    assert_eq!(told, known);
}

#[test]
fn of_the_settings_that_are_put_in_place_those_that_are_no_examples_are_the_defaults() {
    let temporary = tempfile::tempdir().expect("a directory");
    let file = temporary.path().join("atlas.toml");
    let file_text = file.to_str().expect("UTF-8");
    let url = "http://127.0.0.1:1";
    let shown = |arguments: &[&str]| {
        let upstreams = [
            "check-config",
            "--live-upstream",
            url,
            "--test-upstream",
            url,
        ];
        ok(&[&upstreams[..], arguments].concat())
    };
    let as_file = |is_taken: &dyn Fn(&Line) -> bool| {
        let mut text = String::new();
        let mut at = String::new();
        for line in lines_of_the_file().into_iter().filter(is_taken) {
            if line.0 != at {
                at.clone_from(&line.0);
                text += &format!("[{}]\n", at.trim_end_matches('_'));
            }
            text += &format!("{}\n", line.1);
        }
        std::fs::write(&file, &text).expect("written");
        text.lines().count()
    };
    assert!(as_file(&|line| !line.2) > 20);
    assert_eq!(shown(&["--config", file_text]), shown(&[]));
    // Examples are read as well: all that name no file, and do not say the same in another way.
    let reads = |(_, line, _): &Line| !line.contains("/etc/") && !line.starts_with("port = ");
    as_file(&reads);
    assert_ne!(shown(&["--config", file_text]), shown(&[]));
}

#[test]
fn what_only_the_units_can_say_is_refused() {
    let temporary = tempfile::tempdir().expect("a directory");
    let root = temporary.path().join("missing/root");
    let root_text = root.to_str().expect("UTF-8");
    for verb in ["install", "uninstall"] {
        for flag in ["--data-dir", "--config"] {
            let asked = [verb, "--root", root_text, flag, "/srv/store"];
            let output = atlas(Path::new(BINARY), &asked);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{asked:?}: {said}");
            assert!(
                said.contains(flag) && said.contains("/var/lib/atlas"),
                "{said}"
            );
        }
    }
    assert!(!root.exists());
}

#[test]
fn a_root_that_is_missing_is_made_also_where_its_path_is_relative() {
    let temporary = tempfile::tempdir().expect("a directory");
    let output = Command::new(BINARY)
        .args(["install", "--root", "missing/root"])
        .current_dir(temporary.path())
        .output()
        .expect("atlas runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let unit = "missing/root/etc/systemd/system/atlas.service";
    assert!(temporary.path().join(unit).exists());
}
