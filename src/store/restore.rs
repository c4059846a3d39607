//! A store out of a backup. It is built beside its place, opened and looked through, and only then moved there: what is
//! in the place is nothing, or all of it.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use zstd::bulk::Decompressor;

use super::backup::{Packed, Part, Reader, Summary, unpack};
use super::format::{self, FORMAT};
use super::rows::Row;
use super::tables::Tables;
use super::wal::Wal;
use super::{Options, Store, Unavailable, Verification, open, owner, rows, taken};
use crate::policy;

/// What became of a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// What the backup says of itself.
    pub backup: Summary,
    /// What a look at every row has found.
    pub found: Verification,
}

/// Makes a store in `dir`, which is empty or missing, out of a backup.
///
/// # Errors
/// One line for the operator; then `dir` is as it was.
pub fn restore(input: impl Read, dir: &Path, options: Options) -> Result<Restored, String> {
    let place = vacant(dir)?;
    let parent = match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    };
    let mut reader = Reader::open(input, FORMAT).map_err(of_backup)?;
    open::make_dir(&parent)?;
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.restoring-");
    // A restore that was killed could not remove what it had built.
    for left in taken::abandoned(&parent, &prefix, Duration::ZERO) {
        fs::remove_dir_all(&left)
            .map_err(|e| format!("{} can't be removed: {e}", left.display()))?;
    }
    let aside = tempfile::Builder::new().prefix(&prefix).tempdir_in(&parent);
    let aside = aside.map_err(|e| format!("nothing can be made in {}: {e}", parent.display()))?;
    let built = build(&mut reader, aside.path(), options);
    // Whatever came of it: a file that sled still writes would outlive its directory's removal, or keep it from moving.
    let is_free = open::let_go(&aside.path().join("store"));
    let restored = built?;
    if let Some(owner) = owner::other_owner(&place) {
        if !is_free {
            return Err(
                "the restored store was not let go of in time: restore once more".to_owned(),
            );
        }
        owner::give(aside.path(), owner)?;
    }
    fs::rename(aside.path(), &place).map_err(|e| {
        format!(
            "the restored store can't be moved to {}: {e}",
            place.display()
        )
    })?;
    // It has moved: there is nothing to remove any more.
    drop(aside.keep());
    open::sync_dir(&parent)?;
    Ok(restored)
}

fn of_backup(why: String) -> String {
    format!("the backup can't be restored: {why}")
}

/// The place itself, behind any links, if nothing is there.
fn vacant(dir: &Path) -> Result<PathBuf, String> {
    let shown = dir.display();
    if taken::is_in_use(dir) {
        return Err(format!(
            "a server uses {shown}: stop it, move that directory away, and restore then"
        ));
    }
    let fault = |e: std::io::Error| format!("{shown} can't be looked at: {e}");
    let place = match fs::canonicalize(dir) {
        Ok(place) => place,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return if fs::symlink_metadata(dir).is_ok() {
                Err(format!(
                    "{shown} leads to nothing: name what it should lead to"
                ))
            } else {
                Ok(dir.to_owned())
            };
        }
        Err(error) => return Err(fault(error)),
    };
    if let Some(first) = fs::read_dir(&place).map_err(fault)?.next() {
        let name = first.map_err(fault)?.file_name();
        return Err(format!(
            "{shown} is not empty ({} is there): move it away, or choose another --data-dir",
            name.to_string_lossy()
        ));
    }
    let disk = |path: &Path| fs::metadata(path).map(|about| about.dev());
    let parent = place.parent().unwrap_or(Path::new("/"));
    if disk(&place).map_err(fault)? != disk(parent).map_err(fault)? {
        return Err(format!(
            "{shown} is a disk of its own, and a restored store is moved to its place as a whole: choose a directory on it, as {}",
            place.join("data").display()
        ));
    }
    Ok(place)
}

/// Builds the store in `dir`, opens it as a start does, and looks at every row.
fn build(reader: &mut Reader<impl Read>, dir: &Path, options: Options) -> Result<Restored, String> {
    let taken = taken::take(dir)?;
    let backup = fill(reader, dir, options).map_err(of_backup)?;
    // Without the pepper in the backup this would be another one, and be refused.
    let (store, _) = Store::open_taken(taken, options, [0; 32])?;
    let fault = |Unavailable| "the restored store can't be used; see the log".to_owned();
    let found = store.verify(false, backup.extent.latest).map_err(fault)?;
    store.close(backup.extent.latest, &[]).map_err(fault)?;
    Ok(Restored { backup, found })
}

/// Builds the store, up to the last row of the backup.
fn fill(reader: &mut Reader<impl Read>, dir: &Path, options: Options) -> Result<Summary, String> {
    let store_dir = dir.join("store");
    open::make_dir(&store_dir)?;
    let db = open::open_database(&store_dir, options)?;
    let found = format::check(&db, dir, true)?;
    let meta = db.open_tree("meta").map_err(|e| open::unreadable(&e))?;
    open::put_pepper(dir, &meta, reader.pepper)?;
    let tables = Tables::new(db, &store_dir, found)?;
    let mut next = put_rows(reader, &tables)?;
    let mut unpacker = Unpacker::new()?;
    loop {
        next = match next {
            // Behind the first change rows are in their order, too.
            Part::Rows(count, packed) | Part::Changes(count, packed) => {
                let rows = unpacker.rows(count, &packed);
                let rows = rows.ok_or_else(|| reader.damaged())?;
                tables.trees.fill(&rows).map_err(unwritable)?;
                reader.next()?
            }
            Part::End(backup) => {
                let extent = backup.extent;
                Wal::create(&store_dir, extent.group)
                    .map_err(|e| format!("the journal can't be made: {e}"))?;
                tables
                    .checkpoint(extent.group, extent.latest)
                    .map_err(unwritable)?;
                return Ok(backup);
            }
        }
    }
}

fn unwritable(error: sled::Error) -> String {
    format!("the store can't be written: {error}")
}

/// Puts the rows into their tables, on several threads, since most of it is work of sled's. Gives what comes behind them.
fn put_rows(reader: &mut Reader<impl Read>, tables: &Tables) -> Result<Part, String> {
    std::thread::scope(|scope| {
        let (sender, queue) = sync_channel::<Vec<Row>>(policy::RESTORE_QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let threads: Vec<_> = (0..policy::RESTORE_THREADS)
            .map(|_| {
                let queue = Arc::clone(&queue);
                // One after the other: of two records of one idempotency key the later counts.
                let next = move || {
                    let queue = queue.lock();
                    let rows = queue.recv().ok()?;
                    Some(tables.trees.lay(rows.iter()).map(|laid| (rows, laid)))
                };
                scope.spawn(move || {
                    std::iter::from_fn(next).try_for_each(|laid| {
                        let (rows, mut laid) = laid?;
                        tables.trees.fill_laid(&rows, &mut laid)
                    })
                })
            })
            .collect();
        // Theirs alone: when all of them have failed, nothing can be sent any more.
        drop(queue);
        let read = read_rows(reader, &sender);
        drop(sender);
        for thread in threads {
            let put = thread.join();
            put.map_err(|_| "the rows can't be put into their tables".to_owned())?
                .map_err(unwritable)?;
        }
        read
    })
}

/// Reads rows up to the first part that is none.
fn read_rows(
    reader: &mut Reader<impl Read>,
    sender: &SyncSender<Vec<Row>>,
) -> Result<Part, String> {
    let mut unpacker = Unpacker::new()?;
    loop {
        match reader.next()? {
            Part::Rows(count, packed) => {
                let rows = unpacker.rows(count, &packed);
                let rows = rows.ok_or_else(|| reader.damaged())?;
                sender
                    .send(rows)
                    .map_err(|_| "the store can't be written".to_owned())?;
            }
            other @ (Part::Changes(..) | Part::End(_)) => return Ok(other),
        }
    }
}

struct Unpacker {
    zstd: Decompressor<'static>,
    unpacked: Vec<u8>,
}

impl Unpacker {
    fn new() -> Result<Self, String> {
        Ok(Self {
            zstd: Decompressor::new().map_err(|e| e.to_string())?,
            unpacked: Vec::new(),
        })
    }

    /// None when they are not so many, or can't be read.
    fn rows(&mut self, count: u32, packed: &Packed) -> Option<Vec<Row>> {
        unpack(&mut self.zstd, packed, &mut self.unpacked)?;
        let rows = rows::decode_rows(&self.unpacked).ok()?;
        (rows.len() == count as usize).then_some(rows)
    }
}
