//! Reading a backup: nothing of it is believed that is not whole up to there.

use std::io::{ErrorKind, Read};

use zstd::bulk::Decompressor;

use super::frames::{CHECKSUM, Extent, FRAME_HEAD, Head, Kind, MAGIC, Summary, VERSION, checksum};
use crate::domain::time::Timestamp;
use crate::policy;

/// What a backup goes on with.
pub(in crate::store) enum Part {
    /// So many rows as they were found, packed, in no order.
    Rows(u32, Packed),
    /// So many changes of those, packed, to be done in their order.
    Changes(u32, Packed),
    /// All was there.
    End(Summary),
}

/// Rows as they are in a frame.
pub(in crate::store) struct Packed {
    length: usize,
    bytes: Vec<u8>,
}

/// Reads a backup, and believes nothing of it that is not whole up to there.
pub(in crate::store) struct Reader<R> {
    input: R,
    hash: blake3::Hasher,
    /// What it says of itself.
    pub(in crate::store) head: Head,
    /// What secrets were hashed with.
    pub(in crate::store) pepper: [u8; 32],
    bytes: u64,
    rows: u64,
    changes: u64,
}

impl<R: Read> Reader<R> {
    /// Reads the start. `newest` is the format of stores that we know.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence about it without its full stop.
    pub(in crate::store) fn open(input: R, newest: u32) -> Result<Self, String> {
        let mut reader = Self {
            input,
            hash: blake3::Hasher::new(),
            head: Head {
                store_format: 0,
                made_at: Timestamp::default(),
                atlas: String::new(),
            },
            pepper: [0; 32],
            bytes: 0,
            rows: 0,
            changes: 0,
        };
        reader.read_version()?;
        let (kind, payload) = reader.read_frame()?;
        let head = (kind == Kind::Head)
            .then(|| decode_head(&payload))
            .flatten();
        reader.head = head.ok_or_else(|| reader.damaged())?;
        let format = reader.head.store_format;
        if format > newest {
            return Err(format!(
                "it holds a store of format {format}, and this atlas ({}) knows formats up to {newest}: use atlas {} or a newer one",
                env!("CARGO_PKG_VERSION"),
                reader.head.atlas
            ));
        }
        let (kind, payload) = reader.read_frame()?;
        let pepper = (kind == Kind::Pepper).then(|| payload.try_into().ok());
        reader.pepper = pepper.flatten().ok_or_else(|| reader.damaged())?;
        Ok(reader)
    }

    fn read_version(&mut self) -> Result<(), String> {
        let mut start = [0; MAGIC.len() + 4];
        self.read(&mut start)?;
        self.hash.update(&start);
        let (magic, version) = start.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err("it is no backup of atlas".to_owned());
        }
        if version == VERSION.to_be_bytes() {
            return Ok(());
        }
        let found = version
            .iter()
            .fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
        Err(format!(
            "it is a backup of form {found}, and this atlas ({}) knows form {VERSION} only: use the atlas that made it, or a newer one",
            env!("CARGO_PKG_VERSION")
        ))
    }

    /// What comes next.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub(in crate::store) fn next(&mut self) -> Result<Part, String> {
        let (kind, payload) = self.read_frame()?;
        match kind {
            Kind::Rows | Kind::Changes => {
                let (count, packed) = decode_rows(&payload).ok_or_else(|| self.damaged())?;
                if kind == Kind::Rows {
                    self.rows += u64::from(count);
                    return Ok(Part::Rows(count, packed));
                }
                self.changes += u64::from(count);
                Ok(Part::Changes(count, packed))
            }
            Kind::End => {
                let extent = decode_extent(&payload).ok_or_else(|| self.damaged())?;
                if (extent.rows, extent.changes) != (self.rows, self.changes) {
                    return Err(self.damaged());
                }
                self.at_its_end()?;
                Ok(Part::End(Summary {
                    head: self.head.clone(),
                    extent,
                    bytes: self.bytes,
                }))
            }
            Kind::Failed if payload.is_empty() => Err(self.damaged()),
            Kind::Failed => Err(String::from_utf8_lossy(&payload).into_owned()),
            Kind::Head | Kind::Pepper => Err(self.damaged()),
        }
    }

    fn at_its_end(&mut self) -> Result<(), String> {
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => {
                Err("it goes on behind its end, so it is not the file that was written".to_owned())
            }
            Err(error) => Err(unreadable(&error)),
        }
    }

    fn read_frame(&mut self) -> Result<(Kind, Vec<u8>), String> {
        let mut head = [0; FRAME_HEAD];
        self.read(&mut head)?;
        let [code, length @ ..] = head;
        let length = u32::from_be_bytes(length) as usize;
        // A damaged length must not ask for all memory there is.
        if length > policy::BACKUP_FRAME_MAX {
            return Err(self.damaged());
        }
        let mut payload = vec![0; length];
        self.read(&mut payload)?;
        let mut written = [0; CHECKSUM];
        self.read(&mut written)?;
        self.hash.update(&head);
        self.hash.update(&payload);
        if written != checksum(&self.hash) {
            return Err(self.damaged());
        }
        self.hash.update(&written);
        let kind = Kind::ALL.into_iter().find(|kind| kind.code() == code);
        Ok((kind.ok_or_else(|| self.damaged())?, payload))
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        self.input.read_exact(bytes).map_err(|error| {
            if error.kind() == ErrorKind::UnexpectedEof {
                "it ends before its end: it was cut short".to_owned()
            } else {
                unreadable(&error)
            }
        })?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// What to say when something is wrong with the bytes up to here.
    pub(in crate::store) fn damaged(&self) -> String {
        format!("it is damaged within its first {} bytes", self.bytes)
    }
}

/// Unpacks rows into `rows`, which is used again and again.
pub(in crate::store) fn unpack(
    unpacker: &mut Decompressor<'_>,
    packed: &Packed,
    rows: &mut Vec<u8>,
) -> Option<()> {
    rows.clear();
    rows.reserve(packed.length);
    let length = unpacker.decompress_to_buffer(&packed.bytes, rows).ok()?;
    (length == packed.length).then_some(())
}

fn unreadable(error: &std::io::Error) -> String {
    format!("it can't be read: {error}")
}

fn decode_head(payload: &[u8]) -> Option<Head> {
    let (format, rest) = payload.split_first_chunk::<4>()?;
    let (made_at, atlas) = rest.split_first_chunk::<8>()?;
    Some(Head {
        store_format: u32::from_be_bytes(*format),
        made_at: Timestamp::from_millis(u64::from_be_bytes(*made_at)),
        atlas: String::from_utf8(atlas.to_vec()).ok()?,
    })
}

fn decode_rows(payload: &[u8]) -> Option<(u32, Packed)> {
    let (count, rest) = payload.split_first_chunk::<4>()?;
    let (length, bytes) = rest.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length) as usize;
    let packed = Packed {
        length,
        bytes: bytes.to_vec(),
    };
    (length <= policy::BACKUP_FRAME_MAX).then_some((u32::from_be_bytes(*count), packed))
}

fn decode_extent(payload: &[u8]) -> Option<Extent> {
    let (numbers, []) = payload.as_chunks::<8>() else {
        return None;
    };
    let [rows, changes, group, latest] = *numbers else {
        return None;
    };
    Some(Extent {
        rows: u64::from_be_bytes(rows),
        changes: u64::from_be_bytes(changes),
        group: u64::from_be_bytes(group),
        latest: Timestamp::from_millis(u64::from_be_bytes(latest)),
    })
}
