//! The form of a backup: a magic number, the version of this form, then frames of `kind u8, length u32, payload, checksum
//! 16 bytes`, big-endian. The checksum is blake3 over *all* bytes before it, so nothing that stands behind a wrong byte
//! is believed; the last frame says how much there was, so a file that was cut is known as that.
//!
//! Rows are as in the journal, compressed by zstd some hundred KiB at a time: neither side ever holds more than that.

use std::io::Write;

use serde::{Deserialize, Serialize};
use zstd::bulk::Compressor;

use crate::domain::time::Timestamp;
use crate::policy;

pub(super) const MAGIC: &[u8; 8] = b"ATLASBAK";
/// Version of this form. A backup of another one is refused.
pub(super) const VERSION: u32 = 1;
pub(super) const CHECKSUM: usize = 16;
pub(super) const FRAME_HEAD: usize = 5;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Format of the store, when it was made, and the atlas that made it.
    Head,
    /// What secrets are hashed with.
    Pepper,
    /// Rows as they were found in the tables.
    Rows,
    /// Changes that were committed meanwhile, in their order.
    Changes,
    /// All is there; how much that is.
    End,
    /// It could not be finished, for this reason.
    Failed,
}

impl Kind {
    pub(super) const ALL: [Self; 6] = [
        Self::Head,
        Self::Pepper,
        Self::Rows,
        Self::Changes,
        Self::End,
        Self::Failed,
    ];

    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Head => 1,
            Self::Pepper => 2,
            Self::Rows => 3,
            Self::Changes => 4,
            Self::End => 5,
            Self::Failed => 6,
        }
    }
}

/// What a backup says of itself at its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Format of the store that it was made of.
    pub store_format: u32,
    /// When it was begun; what it holds is of then or a little later.
    pub made_at: Timestamp,
    /// Version of the atlas that made it.
    pub atlas: String,
}

/// What a backup says of itself at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Rows that were found in the tables.
    pub rows: u64,
    /// Changes of rows that were committed while they were read.
    pub changes: u64,
    /// The group of commits after which the store was just so.
    pub group: u64,
    /// The latest time of any commit by then.
    pub latest: Timestamp,
}

/// What was written or read: the start, the end, and the size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Its start.
    pub head: Head,
    /// Its end.
    pub extent: Extent,
    /// Bytes of the whole.
    pub bytes: u64,
}

/// Writes a backup.
pub(super) struct Writer<W> {
    out: W,
    head: Head,
    hash: blake3::Hasher,
    compressor: Compressor<'static>,
    frame: Vec<u8>,
    bytes: u64,
    rows: u64,
    changes: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(out: W, head: Head, pepper: &[u8; 32]) -> std::io::Result<Self> {
        let mut writer = Self {
            out,
            hash: blake3::Hasher::new(),
            compressor: Compressor::new(policy::BACKUP_COMPRESSION)?,
            frame: [MAGIC.as_slice(), &VERSION.to_be_bytes()].concat(),
            bytes: 0,
            rows: 0,
            changes: 0,
            head: head.clone(),
        };
        let format = head.store_format.to_be_bytes();
        let made_at = head.made_at.millis().to_be_bytes();
        let head = [&format, &made_at[..], head.atlas.as_bytes()].concat();
        writer.write(Kind::Head, &[&head])?;
        writer.write(Kind::Pepper, &[pepper])?;
        Ok(writer)
    }

    /// So many rows, or changes, that are encoded in these bytes.
    pub(super) fn rows(&mut self, kind: Kind, count: u32, rows: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(rows.len()).unwrap_or(u32::MAX).to_be_bytes();
        let packed = self.compressor.compress(rows)?;
        self.write(kind, &[&count.to_be_bytes(), &length, &packed])?;
        let counted = match kind {
            Kind::Changes => &mut self.changes,
            Kind::Head | Kind::Pepper | Kind::Rows | Kind::End | Kind::Failed => &mut self.rows,
        };
        *counted += u64::from(count);
        Ok(())
    }

    /// All is there.
    pub(super) fn end(mut self, group: u64, latest: Timestamp) -> std::io::Result<Summary> {
        let extent = Extent {
            rows: self.rows,
            changes: self.changes,
            group,
            latest,
        };
        let numbers = [extent.rows, extent.changes, group, latest.millis()];
        let numbers = numbers.map(u64::to_be_bytes).concat();
        self.write(Kind::End, &[&numbers])?;
        self.out.flush()?;
        Ok(Summary {
            head: self.head,
            extent,
            bytes: self.bytes,
        })
    }

    /// It can't be finished. Nobody may be listening any more, and then nobody has to be told.
    pub(super) fn fail(mut self, why: &str) {
        drop(
            self.write(Kind::Failed, &[why.as_bytes()])
                .and_then(|()| self.out.flush()),
        );
    }

    /// One frame, handed over in one piece.
    fn write(&mut self, kind: Kind, parts: &[&[u8]]) -> std::io::Result<()> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.frame.push(kind.code());
        self.frame.extend_from_slice(&length.to_be_bytes());
        parts
            .iter()
            .for_each(|part| self.frame.extend_from_slice(part));
        self.hash.update(&self.frame);
        let checksum = checksum(&self.hash);
        self.frame.extend_from_slice(&checksum);
        self.hash.update(&checksum);
        self.bytes += self.frame.len() as u64;
        let written = self.out.write_all(&self.frame);
        self.frame.clear();
        written
    }
}

pub(super) fn checksum(hash: &blake3::Hasher) -> [u8; CHECKSUM] {
    let mut short = [0; CHECKSUM];
    short.copy_from_slice(&hash.finalize().as_bytes()[..CHECKSUM]);
    short
}
