//! A copy of the whole store while it serves. It is the store exactly as it was after some group of commits that was
//! acknowledged, at or after the moment the backup began.
//!
//! sled has no snapshots, and the writer must not wait. So a backup listens to the writer, reads all tables row by row as
//! they are just then, and puts behind them every group that was logged meanwhile. A row was read as it stood before,
//! between or after those groups; doing a group's changes again in their order gives what stands after the last of them,
//! since each either says what the row is, or raises it to a number that it has at least, or makes a session that nothing
//! was before.
//!
//! Only what is removed beside the log could tear: rows that belong together, as an answer and what leads to it. The
//! sweeper rests while tables are read. (A removal of one row beside the log may come back, as it may after a crash.)

mod file;
mod frames;
mod reader;
mod tap;
#[cfg(test)]
mod tests;

use std::io::{Read, Write};
use std::path::Path;

use parking_lot::{Mutex, MutexGuard};

pub use self::file::{Kept, NewFile, keep_latest, name_of, open_backup};
pub use self::frames::{Extent, Head, Summary};
use self::frames::{Kind, Writer};
pub(super) use self::reader::{Packed, Part, Reader, unpack};
pub(super) use self::tap::Tap;
use super::format::FORMAT;
use super::rows::{self, Row, Table};
use super::tables::{self, Trees};
use super::{Store, told};
use crate::domain::secret::Pepper;
use crate::domain::time::Timestamp;
use crate::policy;

/// Says whether a backup may go on, and else why not, as a line for the operator.
pub type GoOn<'a> = &'a dyn Fn() -> Result<(), String>;

/// What is backed up.
pub(super) struct Source<'a> {
    pub(super) trees: &'a Trees,
    pub(super) tap: &'a Tap,
    /// Where what is logged meanwhile is kept, and the free space that has to remain there.
    pub(super) dir: &'a Path,
    pub(super) min_free: u64,
    pub(super) pepper: &'a Pepper,
    pub(super) format: u32,
    /// Held by whoever removes rows beside the log that belong together.
    pub(super) unlogged: &'a Mutex<()>,
}

impl Store {
    /// Writes the whole store to `out`, the pepper with it: whoever reads that can try secrets. A reader is told when
    /// it could not be finished.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn backup(
        &self,
        pepper: &Pepper,
        now: Timestamp,
        go_on: GoOn<'_>,
        out: impl Write,
    ) -> Result<Summary, String> {
        let source = Source {
            trees: &self.trees,
            tap: &self.tap,
            dir: &self.dir,
            min_free: self.options.min_free_disk,
            pepper,
            format: FORMAT,
            unlogged: &self.unlogged,
        };
        let go_on = || {
            if self.health.has_failed() {
                return Err("the store has failed: see the log".to_owned());
            }
            go_on()
        };
        write(&source, now, &go_on, out)
    }

    /// The turn of whoever removes rows beside the log; None while a backup reads.
    pub(super) fn unlogged(&self) -> Option<MutexGuard<'_, ()>> {
        self.unlogged.try_lock()
    }
}

/// Writes a backup, its reason for not being finished included.
pub(super) fn write(
    source: &Source<'_>,
    made_at: Timestamp,
    go_on: GoOn<'_>,
    out: impl Write,
) -> Result<Summary, String> {
    let head = Head {
        store_format: source.format,
        made_at,
        atlas: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let begun = Writer::begin(out, head, source.pepper.for_backup());
    let mut writer = begun.map_err(|e| unwritable(&e))?;
    let copied = copy(source, go_on, &mut writer);
    match copied {
        Ok((group, latest)) => writer.end(group, latest).map_err(|e| unwritable(&e)),
        Err(why) => {
            writer.fail(&why);
            Err(why)
        }
    }
}

/// Everything but the start and the end; says which group that comes to, and the latest time by then.
fn copy(
    source: &Source<'_>,
    go_on: GoOn<'_>,
    writer: &mut Writer<impl Write>,
) -> Result<(u64, Timestamp), String> {
    go_on()?;
    let listener = source.tap.listen(source.dir, source.min_free)?;
    let resting = source.unlogged.lock();
    let (mut encoded, mut count) = (Vec::new(), 0_u32);
    // New sessions are those by now: others come as changes.
    let tables = Table::ALL.map(|table| (table, source.trees.rows(table)));
    for (table, rows_of_table) in tables {
        for row in rows_of_table {
            let (key, value) = row.map_err(|e| {
                format!(
                    "the store's {} can't all be read ({}): `atlas verify` says which rows; the last backup has them, to be \
                     restored",
                    table.name(),
                    told(&e)
                )
            })?;
            rows::encode_rows(&[Row::put(table, &key, value.to_vec())], &mut encoded);
            count += 1;
            if count.is_multiple_of(policy::FREE_EVERY) {
                tables::free();
            }
            if encoded.len() >= policy::BACKUP_FRAME {
                go_on()?;
                listener.check()?;
                write_rows(writer, Kind::Rows, count, &encoded)?;
                // Large rows fill a piece before their turn has come.
                tables::free();
                encoded.clear();
                count = 0;
            }
        }
    }
    let heard = listener.end()?;
    drop(resting);
    go_on()?;
    if count > 0 {
        write_rows(writer, Kind::Rows, count, &encoded)?;
    }
    let (group, latest) = (heard.group, heard.latest);
    heard.read(|count, rows| {
        go_on()?;
        write_rows(writer, Kind::Changes, count, rows)
    })?;
    Ok((group, latest))
}

fn write_rows(
    writer: &mut Writer<impl Write>,
    kind: Kind,
    count: u32,
    rows: &[u8],
) -> Result<(), String> {
    writer
        .rows(kind, count, rows)
        .map_err(|error| unwritable(&error))
}

fn unwritable(error: &std::io::Error) -> String {
    format!("it can't be written: {error}")
}

/// Copies a backup that somebody else writes, and believes in it only when it is whole.
///
/// # Errors
/// One line for the operator: what is wrong with it, or why it can't be written.
pub fn check_copy(input: impl Read, out: impl Write) -> Result<Summary, String> {
    let mut copier = Copier {
        input,
        out,
        failed: None,
    };
    let summary = read_through(&mut copier);
    match copier.failed {
        Some(error) => Err(unwritable(&error)),
        None => {
            let summary = summary?;
            copier.out.flush().map_err(|e| unwritable(&e))?;
            Ok(summary)
        }
    }
}

fn read_through(input: impl Read) -> Result<Summary, String> {
    // Of whatever format: it is not opened here.
    let mut reader = Reader::open(input, u32::MAX)?;
    loop {
        if let Part::End(summary) = reader.next()? {
            return Ok(summary);
        }
    }
}

/// Writes down whatever is read through it.
struct Copier<R, W> {
    input: R,
    out: W,
    failed: Option<std::io::Error>,
}

impl<R: Read, W: Write> Read for Copier<R, W> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let length = self.input.read(bytes)?;
        self.out.write_all(&bytes[..length]).map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            std::io::Error::from(kind)
        })?;
        Ok(length)
    }
}
