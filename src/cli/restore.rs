//! `atlas restore`.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, note, say, settings_of, to_json, verify};
use crate::app::App;
use crate::config::Place;
use crate::store::open_backup;

/// Where from
#[derive(Args)]
pub(super) struct Restore {
    /// File that `atlas backup` wrote; - for standard input
    #[arg(value_name = "FILE|-")]
    from: PathBuf,
}

/// Makes a store out of a backup, and says what came of it.
pub(super) fn run(place: &Place, asked: &Restore, json: bool) -> Result<(), Failure> {
    let settings = settings_of(place)?;
    let input: Box<dyn Read> = if asked.from == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(open_backup(&asked.from).map_err(Failure::Failed)?)
    };
    let restored = App::restore(&settings, BufReader::new(input)).map_err(Failure::Failed)?;
    if json {
        say(&to_json(&restored)?)?;
    }
    let backup = &restored.backup;
    note(&format!(
        "{} holds the store of {}: {} rows, made by atlas {}.",
        settings.data_dir.display(),
        backup.head.made_at.spelled(),
        backup.extent.rows,
        backup.head.atlas
    ));
    let faults = &restored.found.faults;
    if faults.is_empty() {
        return Ok(());
    }
    if !json {
        faults
            .iter()
            .try_for_each(|fault| say(&verify::describe(fault)))?;
    }
    Err(Failure::Failed(format!(
        "the store is restored as it was, and of its rows {} were wrong when it was backed up already: `atlas verify` names them",
        faults.len()
    )))
}
