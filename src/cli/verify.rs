//! `atlas verify`.

use clap::Args;

use super::{Failure, note, remote, say, settings_of_store, to_json};
use crate::app::verify::{VerifyAnswer, VerifyCommand};
use crate::config::Place;
use crate::store::{Fault, Verification};

/// How to look
#[derive(Args)]
pub(super) struct Verify {
    /// Remove pointers to nothing, and nothing else
    #[arg(long)]
    repair: bool,
}

/// Looks at every row of the store and prints what is wrong.
pub(super) fn run(place: &Place, asked: &Verify, json: bool) -> Result<(), Failure> {
    let settings = settings_of_store(place)?;
    let command = VerifyCommand {
        repair: asked.repair,
    };
    let answer = actix_web::rt::System::new()
        .block_on(remote::verify(settings, command))
        .map_err(Failure::Failed)?;
    let found = match answer {
        VerifyAnswer::Verified(found) => found,
        VerifyAnswer::Failed(line) => return Err(Failure::Failed(line)),
    };
    if json {
        say(&to_json(&found)?)?;
    } else {
        let mut faults = found.faults.iter();
        faults.try_for_each(|fault| say(&describe(fault)))?;
    }
    let left = found.faults.iter().filter(|fault| !fault.repaired).count();
    if left == 0 {
        note(&format!("{} rows, nothing is wrong with them.", found.rows));
        return Ok(());
    }
    Err(Failure::Failed(summary(&found, left)))
}

pub(super) fn describe(fault: &Fault) -> String {
    let Fault {
        table,
        key,
        what,
        is_pointer,
        repaired,
    } = fault;
    let after = match (is_pointer, repaired) {
        (_, true) => "; removed",
        (true, false) => "; --repair removes it, and nothing is lost by that",
        (false, false) => "",
    };
    format!("{table} {key}: {what}{after}")
}

fn summary(found: &Verification, left: usize) -> String {
    let faults = if left == 1 { "fault" } else { "faults" };
    format!(
        "{} rows were read, and {left} {faults} found: keep the data directory as it is, and restore a copy if one of them matters",
        found.rows
    )
}
