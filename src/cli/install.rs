//! `atlas install` and `atlas uninstall`: the binary, its units and its settings, in place for systemd. What an operator
//! has written is never replaced, and what is kept for merchants never removed.

mod files;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use super::{Failure, say, to_json};
use crate::config::Place;

/// Where the binary goes; the units name it.
const BINARY: &str = "usr/local/bin/atlas";
/// Where an administrator's units are (`systemd.unit(5)`).
const UNITS_DIR: &str = "etc/systemd/system";
const CONFIG: (&str, &str) = (
    "etc/atlas/atlas.toml",
    include_str!("../../systemd/atlas.toml"),
);
/// Every unit that comes with Atlas.
const UNITS: [(&str, &str); 4] = [
    ("atlas.service", include_str!("../../systemd/atlas.service")),
    ("atlas.socket", include_str!("../../systemd/atlas.socket")),
    (
        "atlas-backup.service",
        include_str!("../../systemd/atlas-backup.service"),
    ),
    (
        "atlas-backup.timer",
        include_str!("../../systemd/atlas-backup.timer"),
    ),
];
/// Those that the system starts by itself.
const ENABLED: [&str; 3] = ["atlas.socket", "atlas.service", "atlas-backup.timer"];
/// There where the package is installed, whose files are dpkg's business.
const OF_PACKAGE: &str = "usr/lib/systemd/system/atlas.service";
/// There while systemd runs the system (`sd_booted(3)`).
const BOOTED: &str = "/run/systemd/system";

/// How to put it in place
#[derive(Args)]
pub(super) struct Install {
    /// Say each step, and take none
    #[arg(long)]
    dry_run: bool,
    /// Below which directory, for an image or a container; systemd is left alone then
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// One thing to do.
enum Step {
    /// Puts this program there, also while it runs.
    Binary(PathBuf),
    /// Writes a file, whatever was there.
    Write(PathBuf, &'static str),
    /// Writes a file where there is none.
    WriteOnce(PathBuf, &'static str),
    Remove(PathBuf),
    Systemctl(Vec<&'static str>),
}

impl Step {
    fn say(&self) -> String {
        match self {
            Self::Binary(path) => format!("put this program at {}", path.display()),
            Self::Write(path, _) if files::is_mask(path) => {
                format!("write {} in place of its mask", path.display())
            }
            Self::Write(path, _) => format!("write {}", path.display()),
            Self::WriteOnce(path, _) if path.exists() => {
                format!("leave {} as it is", path.display())
            }
            Self::WriteOnce(path, _) => format!("write {}", path.display()),
            Self::Remove(path) => format!("remove {}", path.display()),
            Self::Systemctl(arguments) => format!("systemctl {}", arguments.join(" ")),
        }
    }

    fn take(&self) -> Result<(), String> {
        match self {
            Self::Binary(path) => files::put_program(path),
            Self::Write(path, text) => files::put(path, text.as_bytes(), files::READABLE),
            Self::WriteOnce(path, _) if path.exists() => Ok(()),
            Self::WriteOnce(path, text) => files::put(path, text.as_bytes(), files::READABLE),
            Self::Remove(path) => files::remove(path),
            Self::Systemctl(arguments) => systemctl(arguments),
        }
    }
}

/// Puts everything in place, and has systemd run it.
pub(super) fn install(place: &Place, asked: &Install, json: bool) -> Result<(), Failure> {
    is_of_units(place)?;
    let root = &asked.root;
    is_no_package(root)?;
    let enabled = enabled(root)?;
    let mut steps = vec![
        Step::Binary(root.join(BINARY)),
        Step::WriteOnce(root.join(CONFIG.0), CONFIG.1),
    ];
    steps.extend(UNITS.map(|(name, text)| Step::Write(root.join(UNITS_DIR).join(name), text)));
    let is_first = !files::is_own(&root.join(UNITS_DIR).join(UNITS[0].0));
    if is_managed(root) {
        steps.push(Step::Systemctl(vec!["daemon-reload"]));
        // Later, what is enabled and what runs is as the operator has it.
        let start = if is_first {
            [&["enable", "--now"], &enabled[..]].concat()
        } else {
            vec!["try-restart", "atlas.service"]
        };
        steps.push(Step::Systemctl(start));
    }
    take(&steps, asked, json)?;
    if json || asked.dry_run {
        return Ok(());
    }
    say(&match (is_managed(root), is_first) {
        (true, true) => "It serves. Make a key: atlas keys create --name \"Shop server\" --data-dir /var/lib/atlas".to_owned(),
        (true, false) => "The new one is in place; if it ran before, it runs now.".to_owned(),
        (false, true) => format!(
            "systemd does not run here. Where it does: systemctl daemon-reload && systemctl enable --now {}",
            enabled.join(" ")
        ),
        (false, false) => "systemd does not run here. Where it does: systemctl daemon-reload && systemctl try-restart atlas.service".to_owned(),
    })
}

/// Where store and settings are is said by the units, and by nothing else.
fn is_of_units(place: &Place) -> Result<(), Failure> {
    let given = [
        ("data-dir", place.data_dir.is_some()),
        ("config", place.config.is_some()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((flag, _)) => Err(Failure::Usage(format!(
            "--{flag} does not go with this command: the units say /var/lib/atlas and /etc/atlas/atlas.toml, and \
             `systemctl edit atlas.service` can say otherwise"
        ))),
    }
}

/// A package's units stand behind ours, so that neither would be what it seems.
fn is_no_package(root: &Path) -> Result<(), Failure> {
    let unit = root.join(OF_PACKAGE);
    if unit.exists() {
        return Err(Failure::Failed(format!(
            "Atlas is here as a package, to which {} belongs: upgrade or remove it by apt",
            unit.display()
        )));
    }
    Ok(())
}

/// What is enabled the first time: without the socket where the settings say another place to listen, which they did
/// for a reason.
fn enabled(root: &Path) -> Result<Vec<&'static str>, Failure> {
    let path = root.join(CONFIG.0);
    let settings: toml::Table = match files::text(&path) {
        Some(text) => toml::from_str(&text).map_err(|e| {
            let why = e.message().replace('\n', "; ");
            Failure::Failed(format!(
                "{} can't be read: {why}; mend that first",
                path.display()
            ))
        })?,
        None => toml::Table::new(),
    };
    let listens = ["listen", "port"]
        .iter()
        .any(|name| settings.contains_key(*name));
    let enabled = ENABLED.into_iter();
    Ok(enabled
        .filter(|name| !(listens && *name == "atlas.socket"))
        .collect())
}

/// Stops it and takes it away; settings, store and backups stay.
pub(super) fn uninstall(place: &Place, asked: &Install, json: bool) -> Result<(), Failure> {
    is_of_units(place)?;
    let root = &asked.root;
    is_no_package(root)?;
    let mut steps = Vec::new();
    let installed = |name: &&str| files::is_own(&root.join(UNITS_DIR).join(name));
    if is_managed(root) {
        let enabled: Vec<_> = ENABLED.into_iter().filter(installed).collect();
        if !enabled.is_empty() {
            steps.push(Step::Systemctl(
                [&["disable", "--now"], &enabled[..]].concat(),
            ));
        }
    }
    let units = UNITS.map(|(name, _)| root.join(UNITS_DIR).join(name));
    let files = units.into_iter().chain([root.join(BINARY)]);
    steps.extend(files.filter(|path| files::is_own(path)).map(Step::Remove));
    if is_managed(root) {
        steps.push(Step::Systemctl(vec!["daemon-reload"]));
    }
    take(&steps, asked, json)?;
    if json {
        return Ok(());
    }
    let kept = ["etc/atlas", "var/lib/atlas", "var/lib/atlas-backup"];
    let kept = kept.map(|path| root.join(path).display().to_string());
    say(&format!(
        "Kept: {} (settings), {} (the store: keys, payments, records) and {} (backups).",
        kept[0], kept[1], kept[2]
    ))
}

/// Takes the steps in their order, and says each before.
fn take(steps: &[Step], asked: &Install, json: bool) -> Result<(), Failure> {
    if asked.root == Path::new("/") && !asked.dry_run && !rustix::process::geteuid().is_root() {
        let advice = "only root may do that: run it with sudo, or look at its steps with --dry-run";
        return Err(Failure::Failed(advice.to_owned()));
    }
    let said: Vec<String> = steps.iter().map(Step::say).collect();
    // A step that can't be told of is taken all the same.
    let mut told = Ok(());
    for (at, (step, line)) in steps.iter().zip(&said).enumerate() {
        if !json {
            told = told.and(say(line));
        }
        if !asked.dry_run {
            step.take()
                .map_err(|why| Failure::Failed(how_on(&why, step, said.get(at..))))?;
        }
    }
    if json {
        let line = serde_json::json!({ "steps": said, "taken": !asked.dry_run });
        told = say(&to_json(&line)?);
    }
    told
}

/// How to go on where a step failed. What systemd is told is left to the operator then: by its files, Atlas is installed
/// already, and the same command would not enable it.
fn how_on(why: &str, step: &Step, left: Option<&[String]>) -> String {
    let on = match step {
        Step::Systemctl(_) => format!("then: {}", left.unwrap_or_default().join(" && ")),
        Step::Binary(_) | Step::Write(..) | Step::WriteOnce(..) | Step::Remove(_) => {
            "and run the same command".to_owned()
        }
    };
    format!("{why}; the steps before it are done, and can be taken again: mend that, {on}")
}

/// Whether systemd runs the system that this is for.
fn is_managed(root: &Path) -> bool {
    root == Path::new("/") && Path::new(BOOTED).exists()
}

fn systemctl(arguments: &[&str]) -> Result<(), String> {
    let line = arguments.join(" ");
    let run = Command::new("systemctl").args(arguments).status();
    match run {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!(
            "`systemctl {line}` ended with {status} (`journalctl -u atlas` may say why)"
        )),
        Err(e) => Err(format!("`systemctl {line}` can't be run: {e}")),
    }
}
