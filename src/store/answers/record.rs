//! How a record looks on disk, and the key it lies under.

use bincode::{Decode, Encode};

use crate::domain::asked::Asked;
use crate::domain::idempotency::{Fingerprint, Kept, Record, Reply};
use crate::domain::time::Timestamp;
use crate::store::blocks::EntryKey;
use crate::store::rows::{CONFIG, Unreadable, VERSION, write};

/// Records of version 1 did not say what was asked.
const RECORD_VERSION: u8 = 2;
/// Records of version 3 have headers besides; those without are of version 2.
const RECORD_WITH_HEADERS: u8 = 3;
/// Records of version 4 say that a request was done, and with which status (0: not known), and have no answer.
const RECORD_WITHOUT_ANSWER: u8 = 4;

/// Written from borrowed parts, read into owned ones: bincode writes both alike.
#[derive(Encode, Decode)]
struct RecordRow<T, B> {
    fingerprint: [u8; 32],
    first_at: u64,
    status: u16,
    content_type: T,
    body: B,
}

pub(in crate::store) fn encode(record: &Record) -> Vec<u8> {
    let (version, status, reply) = match &record.kept {
        Kept::Answer(reply) if reply.headers.is_empty() => {
            (RECORD_VERSION, reply.status, Some(reply))
        }
        Kept::Answer(reply) => (RECORD_WITH_HEADERS, reply.status, Some(reply)),
        Kept::Done(status) => (RECORD_WITHOUT_ANSWER, status.unwrap_or(0), None),
    };
    let row = RecordRow {
        fingerprint: *record.fingerprint.as_bytes(),
        first_at: record.first_at.millis(),
        status,
        content_type: reply.map_or("", |reply| &*reply.content_type),
        body: reply.map_or(&[][..], |reply| reply.body.as_slice()),
    };
    let asked = record.asked.as_ref().map_or(0, |asked| asked.body.len());
    let mut out = Vec::with_capacity(row.body.len() + asked + 160);
    out.push(version);
    write(&mut out, |out| {
        bincode::encode_into_std_write(&row, out, CONFIG)
    });
    write(&mut out, |out| {
        bincode::serde::encode_into_std_write(&record.asked, out, CONFIG)
    });
    if let Some(reply) = reply.filter(|reply| !reply.headers.is_empty()) {
        write(&mut out, |out| {
            bincode::encode_into_std_write(&reply.headers, out, CONFIG)
        });
    }
    out
}

/// Reads a record that was found under this expiry.
pub(in crate::store) fn decode(bytes: &[u8], expires_at: Timestamp) -> Result<Record, Unreadable> {
    let (version, rest) = bytes.split_first().ok_or(Unreadable)?;
    let (row, read): (RecordRow<String, Vec<u8>>, usize) =
        bincode::decode_from_slice(rest, CONFIG).map_err(|_| Unreadable)?;
    let rest = &rest[read..];
    let (asked, read): (Option<Asked>, usize) = match *version {
        VERSION => (None, 0),
        RECORD_VERSION | RECORD_WITH_HEADERS | RECORD_WITHOUT_ANSWER => {
            bincode::serde::decode_from_slice(rest, CONFIG).map_err(|_| Unreadable)?
        }
        _ => return Err(Unreadable),
    };
    let rest = &rest[read..];
    let (headers, read): (Vec<(String, String)>, usize) = match *version {
        RECORD_WITH_HEADERS => bincode::decode_from_slice(rest, CONFIG).map_err(|_| Unreadable)?,
        _ => (Vec::new(), 0),
    };
    if read != rest.len() {
        return Err(Unreadable);
    }
    Ok(Record {
        fingerprint: Fingerprint::from_bytes(row.fingerprint),
        first_at: Timestamp::from_millis(row.first_at),
        expires_at,
        kept: match *version {
            RECORD_WITHOUT_ANSWER => Kept::Done((row.status != 0).then_some(row.status)),
            _ => Kept::Answer(Reply {
                status: row.status,
                content_type: row.content_type.into(),
                headers,
                body: row.body,
            }),
        },
        asked,
    })
}

/// Where a record lies: what expires first comes first.
pub(in crate::store) fn key_of(expires_at: Timestamp, id: &[u8; 16]) -> EntryKey {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&expires_at.millis().to_be_bytes());
    key[8..].copy_from_slice(id);
    key
}

/// Expiry and record id of an answer's key.
pub(in crate::store) fn decode_key(bytes: &[u8]) -> Result<(Timestamp, [u8; 16]), Unreadable> {
    let (expires_at, id) = bytes.split_first_chunk::<8>().ok_or(Unreadable)?;
    Ok((
        Timestamp::from_millis(u64::from_be_bytes(*expires_at)),
        id.try_into().map_err(|_| Unreadable)?,
    ))
}
