//! The format of the store, and the way from older ones. A start that finds an older one writes a whole backup of it
//! first, then changes it, then says in the store that it has changed; killed anywhere in between, the next start does it
//! again from the beginning.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::backup::{self, NewFile, Source};
use super::journal::Journal;
use super::open::unreadable;
use super::{Options, rows};
use crate::clock::Clock;
use crate::domain::secret::Pepper;

/// Format of the store. A store of a newer one is refused.
pub(super) const FORMAT: u32 = 6;
/// The formats before: every row of them is a row of this one, but that up to format 4 each answer had a row to itself, and
/// a second one that led to it; up to format 5 each session had one, as some still have.
const OLD_FORMATS: std::ops::RangeInclusive<u32> = 1..=5;
/// The first in which answers lie in blocks.
pub(super) const FIRST_WITH_BLOCKS_OF_ANSWERS: u32 = 5;
const NOT_OURS: &str =
    "the directory holds a store, but not one of atlas: choose another --data-dir";
/// The row of `meta` that names the format.
const NAME: &str = "format";

/// What a store says of its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is ours.
    Ours,
    /// It is one of those before.
    Older(u32),
}

impl Found {
    pub(super) const fn older(self) -> Option<u32> {
        match self {
            Self::Ours => None,
            Self::Older(format) => Some(format),
        }
    }
}

/// Looks which format the store has; a new one gets ours.
pub(super) fn check(db: &sled::Db, dir: &Path, is_new: bool) -> Result<Found, String> {
    // A store of another program is not touched, not even by a tree of ours.
    let is_ours = db.tree_names().iter().any(|name| name == b"meta");
    let is_untouched = db.is_empty() && db.tree_names().len() == 1;
    if !is_new && !is_ours && !is_untouched {
        return Err(NOT_OURS.to_owned());
    }
    let meta = db.open_tree("meta").map_err(|e| unreadable(&e))?;
    match meta
        .get(NAME)
        .map_err(|e| unreadable(&e))?
        .map(|bytes| rows::decode_number(&bytes))
    {
        Some(Ok(FORMAT)) => Ok(Found::Ours),
        Some(Ok(old)) if OLD_FORMATS.contains(&old) => Ok(Found::Older(old)),
        Some(Ok(other)) => Err(newer(dir, other)),
        // A kill between making the store and naming its format leaves it empty.
        None if meta.is_empty() && db.is_empty() && db.tree_names().len() == 2 => {
            name(&meta).map(|()| Found::Ours)
        }
        Some(Err(_)) | None => Err(NOT_OURS.to_owned()),
    }
}

fn newer(dir: &Path, format: u32) -> String {
    let copy = copy_before(dir, format);
    let or = if copy.exists() {
        format!(
            "; or go back to what it was before, and lose what came since: restore {} into an empty directory",
            copy.display()
        )
    } else {
        String::new()
    };
    format!(
        "the store has format {format}, this atlas ({}) reads format {FORMAT}: use the atlas that wrote it, or a newer one{or}",
        env!("CARGO_PKG_VERSION")
    )
}

/// Where the backup lies that was made before a store got this format.
fn copy_before(dir: &Path, format: u32) -> PathBuf {
    dir.join(format!("before-format-{format}.atlas-backup"))
}

/// Names our format. On disk at the latest with the first checkpoint, which comes before the first row.
fn name(meta: &sled::Tree) -> Result<(), String> {
    meta.insert(NAME, rows::encode_number(FORMAT))
        .map(drop)
        .map_err(|e| format!("the store can't be written: {e}"))
}

/// Makes a store of an older format one of ours, with a backup of what it was.
pub(super) fn migrate(
    dir: &Path,
    journal: &mut Journal,
    pepper: &Pepper,
    old: u32,
    options: Options,
) -> Result<(), String> {
    let copy = copy_before(dir, FORMAT);
    let fault = |why: String| {
        format!(
            "the store has format {old} and is to have format {FORMAT}, and no backup of it could be made before that: {why}"
        )
    };
    // One that is there already may be of long ago: the older atlas may have been at work since.
    let mut file = NewFile::create(&copy, dir, options.min_free_disk).map_err(fault)?;
    let source = Source {
        trees: &journal.tables.trees,
        tap: &journal.tap,
        dir,
        min_free: options.min_free_disk,
        pepper,
        format: old,
        unlogged: &Mutex::default(),
    };
    let written = backup::write(&source, Clock::system_now(), &|| Ok(()), &mut file);
    written.map_err(fault)?;
    file.keep().map_err(fault)?;
    log::info!(
        "the store has format {old} and becomes format {FORMAT}; what it was is in {}, which is as secret as the store: remove it when all is well",
        copy.display()
    );
    journal.tables.become_ours(name)
}
