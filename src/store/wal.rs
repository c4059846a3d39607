//! The write-ahead log: one file of fixed size, written from its start to its end and then, when everything in it has
//! reached the tables for good, from its start again. Its blocks are allocated and written beforehand, so that a sync
//! has no metadata to write.
//!
//! An entry is `length u32, checksum 16 bytes, sequence u64, time u64, rows`, big-endian; the checksum is blake3 over all
//! after it. Sequence numbers go up by one, so what an earlier round left behind the last entry is known by its number.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::rows::{self, Row};
use crate::domain::time::Timestamp;
use crate::policy;

const NAME: &str = "journal";
const HIGH_WATER_NAME: &str = "high-water";
const CHECKSUM: usize = 16;
const HEAD: usize = 4 + CHECKSUM + 8 + 8;

/// A group of commits as it was logged.
pub(super) struct Entry {
    pub(super) sequence: u64,
    /// The latest time of any commit so far.
    pub(super) latest: Timestamp,
    pub(super) rows: Vec<Row>,
}

/// The open log.
pub(super) struct Wal {
    file: File,
    /// Holds the last sequence number that was synced, written after the sync. It tells a log whose end was lost from one
    /// that a crash cut: it may lag, at a power loss, and never leads.
    high_water: File,
    acknowledged: u64,
    end: u64,
    buffer: Vec<u8>,
}

impl Wal {
    /// Makes the log of a new store, or of one whose tables hold all up to a group.
    pub(super) fn create(dir: &Path, group: u64) -> std::io::Result<()> {
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(dir.join(NAME))?;
        let zeros = vec![0; 1 << 20];
        for _ in 0..policy::JOURNAL_BYTES / zeros.len() as u64 {
            file.write_all(&zeros)?;
        }
        file.sync_all()?;
        let high_water = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(dir.join(HIGH_WATER_NAME))?;
        high_water.write_all_at(&group.to_be_bytes(), 0)?;
        high_water.sync_all()
    }

    /// Whether there is a log in this directory.
    pub(super) fn exists(dir: &Path) -> bool {
        dir.join(NAME).exists()
    }

    /// Whether anything was ever logged in this directory: either file alone is enough to say so, since the other may be
    /// what was lost.
    pub(super) fn is_used(dir: &Path) -> bool {
        let open = |name: &str| File::open(dir.join(name));
        let marked = open(HIGH_WATER_NAME)
            .and_then(|file| read_mark(&file))
            .is_ok_and(|known| known > 0);
        marked
            || open(NAME)
                .and_then(|file| read_at(&file, 0))
                .is_ok_and(|entry| entry.is_some())
    }

    /// The last group that was acknowledged, as far as is known; it lags by less than a round.
    pub(super) const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Bytes of the present round.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Opens the log and reads the entries of its present round.
    ///
    /// # Errors
    /// A sentence that says what is missing or damaged.
    pub(super) fn open(dir: &Path) -> Result<(Self, Vec<Entry>), String> {
        let open = |name: &str| {
            let file = File::options().read(true).write(true).open(dir.join(name));
            file.map_err(|e| {
                if e.kind() == ErrorKind::NotFound {
                    format!("{name} is missing")
                } else {
                    format!("{name}: {e}")
                }
            })
        };
        let (file, high_water) = (open(NAME)?, open(HIGH_WATER_NAME)?);
        let acknowledged = read_mark(&high_water).map_err(|e| format!("{HIGH_WATER_NAME}: {e}"))?;
        // A file cut short would make the next append end beyond what can be read back.
        file.set_len(policy::JOURNAL_BYTES)
            .map_err(|e| format!("{NAME}: {e}"))?;
        let mut wal = Self {
            file,
            high_water,
            acknowledged,
            end: 0,
            buffer: Vec::new(),
        };
        let mut entries: Vec<Entry> = Vec::new();
        while let Some((entry, length)) =
            read_at(&wal.file, wal.end).map_err(|e| format!("{NAME}: {e}"))?
        {
            if entries
                .last()
                .is_some_and(|before| before.sequence + 1 != entry.sequence)
            {
                break;
            }
            wal.end += length;
            entries.push(entry);
        }
        Ok((wal, entries))
    }

    /// Prepares an entry; says whether it fits behind the last one.
    pub(super) fn prepare<'a>(
        &mut self,
        sequence: u64,
        latest: Timestamp,
        rows: impl Iterator<Item = &'a [Row]>,
    ) -> bool {
        self.buffer.clear();
        self.buffer.resize(4 + CHECKSUM, 0);
        self.buffer.extend_from_slice(&sequence.to_be_bytes());
        self.buffer
            .extend_from_slice(&latest.millis().to_be_bytes());
        rows.for_each(|rows| rows::encode_rows(rows, &mut self.buffer));
        let length = u32::try_from(self.buffer.len()).unwrap_or(u32::MAX);
        self.buffer[..4].copy_from_slice(&length.to_be_bytes());
        let checksum = checksum(&self.buffer);
        self.buffer[4..4 + CHECKSUM].copy_from_slice(&checksum);
        self.end + u64::from(length) <= policy::JOURNAL_BYTES
    }

    /// The rows of the prepared entry, as they are logged.
    pub(super) fn rows(&self) -> &[u8] {
        self.buffer.get(HEAD..).unwrap_or_default()
    }

    /// Writes the prepared entry and syncs it.
    pub(super) fn append(&mut self, sequence: u64) -> std::io::Result<()> {
        if self.end + self.buffer.len() as u64 > policy::JOURNAL_BYTES {
            return Err(std::io::Error::new(
                ErrorKind::FileTooLarge,
                "a group is larger than the journal",
            ));
        }
        self.file.write_all_at(&self.buffer, self.end)?;
        self.file.sync_data()?;
        self.end += self.buffer.len() as u64;
        self.high_water.write_all_at(&sequence.to_be_bytes(), 0)
    }

    /// Begins a new round: everything logged so far has reached the tables for good.
    pub(super) fn rewind(&mut self) -> std::io::Result<()> {
        self.end = 0;
        self.high_water.sync_data()
    }
}

fn read_mark(high_water: &File) -> std::io::Result<u64> {
    let mut known = [0; 8];
    high_water.read_exact_at(&mut known, 0)?;
    Ok(u64::from_be_bytes(known))
}

/// The entry at this offset and its length, if there is a whole one.
fn read_at(file: &File, at: u64) -> std::io::Result<Option<(Entry, u64)>> {
    let mut head = [0; HEAD];
    if at + HEAD as u64 > policy::JOURNAL_BYTES {
        return Ok(None);
    }
    file.read_exact_at(&mut head, at)?;
    let length = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
    if length < HEAD as u64 || at + length > policy::JOURNAL_BYTES {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(HEAD)];
    file.read_exact_at(&mut bytes, at)?;
    Ok(decode(&bytes).map(|entry| (entry, length)))
}

fn checksum(entry: &[u8]) -> [u8; CHECKSUM] {
    let mut short = [0; CHECKSUM];
    short.copy_from_slice(&blake3::hash(&entry[4 + CHECKSUM..]).as_bytes()[..CHECKSUM]);
    short
}

fn decode(bytes: &[u8]) -> Option<Entry> {
    let (_length, rest) = bytes.split_first_chunk::<4>()?;
    let (written, rest) = rest.split_first_chunk::<CHECKSUM>()?;
    let (sequence, rest) = rest.split_first_chunk::<8>()?;
    let (latest, rows) = rest.split_first_chunk::<8>()?;
    if *written != checksum(bytes) {
        return None;
    }
    Some(Entry {
        sequence: u64::from_be_bytes(*sequence),
        latest: rows::decode_time(latest).ok()?,
        rows: rows::decode_rows(rows).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rows::Table;

    fn rows(name: &str) -> Vec<Row> {
        vec![Row::put(Table::Keys, name.as_bytes(), vec![7; 1_000])]
    }

    fn append(wal: &mut Wal, sequence: u64) -> bool {
        let rows = rows(&sequence.to_string());
        let fits = wal.prepare(
            sequence,
            Timestamp::from_millis(sequence),
            std::iter::once(rows.as_slice()),
        );
        if fits {
            wal.append(sequence).expect("appended");
        }
        fits
    }

    fn sequences(dir: &Path) -> Vec<u64> {
        Wal::open(dir)
            .map(|(_, entries)| entries.iter().map(|entry| entry.sequence).collect())
            .expect("opens")
    }

    #[test]
    fn entries_are_read_back_in_order() {
        let dir = tempfile::tempdir().expect("a directory");
        Wal::create(dir.path(), 0).expect("made");
        let (mut wal, entries) = Wal::open(dir.path()).expect("opens");
        assert!(entries.is_empty());
        (1..=5).for_each(|sequence| assert!(append(&mut wal, sequence)));
        let (_, entries) = Wal::open(dir.path()).expect("opens");
        assert_eq!(entries[4].rows, rows("5"));
        assert_eq!(sequences(dir.path()), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_new_round_hides_the_one_before() {
        let dir = tempfile::tempdir().expect("a directory");
        Wal::create(dir.path(), 0).expect("made");
        let (mut wal, _) = Wal::open(dir.path()).expect("opens");
        let full = (1..)
            .find(|sequence| !append(&mut wal, *sequence))
            .expect("full at last");
        wal.rewind().expect("rewound");
        assert!(append(&mut wal, full) && append(&mut wal, full + 1));
        assert_eq!(sequences(dir.path()), [full, full + 1]);
    }

    #[test]
    fn a_torn_entry_ends_the_log_and_an_acknowledged_one_is_missed() {
        let dir = tempfile::tempdir().expect("a directory");
        Wal::create(dir.path(), 0).expect("made");
        let (mut wal, _) = Wal::open(dir.path()).expect("opens");
        assert!(append(&mut wal, 1));
        let torn_at = wal.end + 500;
        let rows = rows("2");
        assert!(wal.prepare(2, Timestamp::default(), std::iter::once(rows.as_slice())));
        let half = wal.buffer.len() / 2;
        wal.file
            .write_all_at(&wal.buffer[..half], wal.end)
            .expect("torn");
        assert_eq!(
            sequences(dir.path()),
            [1],
            "what was never acknowledged is absent"
        );
        assert!(append(&mut wal, 2));
        wal.file
            .write_all_at(&[0xff], torn_at)
            .expect("a flipped byte");
        assert_eq!(sequences(dir.path()), [1]);
        let (wal, _) = Wal::open(dir.path()).expect("opens");
        assert_eq!(wal.acknowledged(), 2, "that something is gone is known");
    }

    #[test]
    fn a_log_that_was_used_is_known_by_either_of_its_files() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(!Wal::is_used(dir.path()), "there is none");
        Wal::create(dir.path(), 0).expect("made");
        assert!(!Wal::is_used(dir.path()), "it is new");
        let (mut wal, _) = Wal::open(dir.path()).expect("opens");
        assert!(append(&mut wal, 1));
        let (journal, mark) = (dir.path().join(NAME), dir.path().join(HIGH_WATER_NAME));
        let known = std::fs::read(&mark).expect("read");
        for lost in [&b""[..], b"\0\0\0", &[0; 8]] {
            std::fs::write(&mark, lost).expect("damaged");
            assert!(
                Wal::is_used(dir.path()),
                "by its entry, the mark being {lost:?}"
            );
        }
        std::fs::remove_file(&mark).expect("removed");
        assert!(Wal::is_used(dir.path()), "by its entry alone");
        std::fs::write(&mark, known).expect("back");
        std::fs::write(&journal, [0; 64]).expect("damaged");
        assert!(Wal::is_used(dir.path()), "by its mark");
        std::fs::remove_file(&journal).expect("removed");
        assert!(Wal::is_used(dir.path()), "by its mark alone");
    }
}
