//! How rows look on disk: a version byte, then bincode. A value of a version we don't know is a fault, never a guess.

#[cfg(test)]
mod tests;

use bincode::{Decode, Encode};

use crate::domain::id::KeyId;
use crate::domain::key::ApiKey;
use crate::domain::outcome::Outcomes;
use crate::domain::time::{Day, Timestamp};
use crate::policy;

/// Bytes that a row may claim to have: a damaged length must not ask for all memory there is.
const ROW_MAX: usize = 1 << 20;
pub(super) const CONFIG: bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    bincode::config::Limit<ROW_MAX>,
> = bincode::config::standard().with_limit::<ROW_MAX>();
pub(super) const VERSION: u8 = 1;

/// The tables, one sled tree each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum Table {
    /// Key id -> API key.
    Keys,
    /// Key id -> when it was last used.
    LastUsed,
    /// Up to format 4 record id -> when the record expires. Old journals and backups still say it, and nobody listens: the
    /// index knows.
    Replies,
    /// Expiry and record id -> the record itself. Many of them lie in one row: see [`super::answers`].
    Answers,
    /// Session id -> session: one that was made alone, or has changed since it was made.
    Sessions,
    /// Day and key id -> requests of the day accounted for.
    Days,
    /// Day and key id -> how the requests of the day ended.
    Outcomes,
    /// Expiry and record id -> how often the record was replayed; goes with the record.
    Replays,
    /// What lets people into the Dashboard.
    Operator,
    /// Session id and refund id -> refund.
    Refunds,
    /// Expiry and session id of sessions whose expiry somebody wants to be told of -> nothing.
    Expiries,
    /// Endpoint id -> webhook endpoint.
    Endpoints,
    /// Event id -> event.
    Events,
    /// Event id and endpoint id -> delivery.
    Deliveries,
    /// When it is tried next, event id and endpoint id -> nothing. What falls due first comes first.
    Outbox,
    /// Record id -> open claim.
    Claims,
    /// Session id -> session as it was made; what lies in [`Table::Sessions`] counts more. Many lie in one row: see
    /// [`super::new_sessions`]. In a backup two ids -> nothing, too: what was from the one to the other can't be read.
    NewSessions,
    /// What those rows span; no journal and no backup says it.
    NewSpans,
}

impl Table {
    pub(super) const ALL: [Self; 18] = [
        Self::Keys,
        Self::LastUsed,
        Self::Replies,
        Self::Answers,
        Self::Sessions,
        Self::Days,
        Self::Outcomes,
        Self::Replays,
        Self::Operator,
        Self::Refunds,
        Self::Expiries,
        Self::Endpoints,
        Self::Events,
        Self::Deliveries,
        Self::Outbox,
        Self::Claims,
        Self::NewSessions,
        Self::NewSpans,
    ];

    /// Tables of what came of requests, which a reset empties. Pointers come before what they point to, so that a reader
    /// meanwhile finds both or nothing.
    pub(super) const RESET: [Self; 13] = [
        Self::Claims,
        Self::Outbox,
        Self::Deliveries,
        Self::Events,
        Self::Expiries,
        Self::Refunds,
        Self::Replies,
        Self::Answers,
        Self::Replays,
        Self::NewSessions,
        Self::Sessions,
        Self::Days,
        Self::Outcomes,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::LastUsed => "last_used",
            Self::Replies => "replies",
            Self::Answers => "answers",
            Self::Sessions => "sessions",
            Self::Days => "days",
            Self::Outcomes => "outcomes",
            Self::Replays => "replays",
            Self::Operator => "operator",
            Self::Refunds => "refunds",
            Self::Expiries => "expiries",
            Self::Endpoints => "endpoints",
            Self::Events => "events",
            Self::Deliveries => "deliveries",
            Self::Outbox => "outbox",
            Self::Claims => "claims",
            Self::NewSessions => "new_sessions",
            Self::NewSpans => "new_spans",
        }
    }
}

/// One change of one row. Doing it twice is doing it once, so that a journal may be applied again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum Row {
    /// The row is this. A new session gives way to a row that it has already.
    Put {
        table: Table,
        key: Vec<u8>,
        value: Vec<u8>,
    },
    /// The number in the row is at least this.
    Raise { table: Table, key: Vec<u8>, to: u32 },
    /// There is no such row.
    Remove { table: Table, key: Vec<u8> },
    /// The table has no rows. New kinds of change come last, so that old journals read as they were written.
    Clear { table: Table },
}

impl Row {
    pub(super) fn put(table: Table, key: &[u8], value: Vec<u8>) -> Self {
        Self::Put {
            table,
            key: key.to_vec(),
            value,
        }
    }

    pub(super) const fn table(&self) -> Table {
        match self {
            Self::Put { table, .. }
            | Self::Raise { table, .. }
            | Self::Remove { table, .. }
            | Self::Clear { table } => *table,
        }
    }

    pub(super) fn remove(table: Table, key: &[u8]) -> Self {
        let key = key.to_vec();
        Self::Remove { table, key }
    }
}

/// A value on disk that can't be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Encodes rows for the journal. Encoding plain data into memory can't fail; see [`write`].
pub(super) fn encode_rows(rows: &[Row], out: &mut Vec<u8>) {
    for row in rows {
        write(out, |out| bincode::encode_into_std_write(row, out, CONFIG));
    }
}

/// Decodes all the rows of a journal entry.
pub(super) fn decode_rows(mut bytes: &[u8]) -> Result<Vec<Row>, Unreadable> {
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let (row, read) = bincode::decode_from_slice(bytes, CONFIG).map_err(|_| Unreadable)?;
        bytes = &bytes[read..];
        rows.push(row);
    }
    Ok(rows)
}

/// Our types hold nothing that bincode refuses (no unsized sequence, no writer that fails); a refusal would be a bug
/// of ours, and half a row must not reach the disk.
pub(super) fn write(
    out: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<usize, bincode::error::EncodeError>,
) {
    if let Err(error) = encode(out) {
        unreachable!("a row could not be encoded: {error}");
    }
}

pub(super) fn versioned(value: &impl serde::Serialize) -> Vec<u8> {
    versioned_as(VERSION, value)
}

pub(super) fn versioned_as(version: u8, value: &impl serde::Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(policy::USUAL_ROW);
    out.push(version);
    write(&mut out, |out| {
        bincode::serde::encode_into_std_write(value, out, CONFIG)
    });
    out
}

pub(super) fn unversioned<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    unversioned_as(VERSION, bytes)
}

pub(super) fn unversioned_as<T: serde::de::DeserializeOwned>(
    version: u8,
    bytes: &[u8],
) -> Result<T, Unreadable> {
    match head_as(version, bytes)? {
        (value, []) => Ok(value),
        _ => Err(Unreadable),
    }
}

/// The value that bytes begin with, and what comes after it.
pub(super) fn unversioned_head<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
) -> Result<(T, &[u8]), Unreadable> {
    head_as(VERSION, bytes)
}

fn head_as<T: serde::de::DeserializeOwned>(
    version: u8,
    bytes: &[u8],
) -> Result<(T, &[u8]), Unreadable> {
    match bytes.split_first() {
        Some((found, rest)) if *found == version => bincode::serde::decode_from_slice(rest, CONFIG)
            .map(|(value, read)| (value, &rest[read..]))
            .map_err(|_| Unreadable),
        _ => Err(Unreadable),
    }
}

pub(super) fn encode_key(key: &ApiKey) -> Vec<u8> {
    versioned(key)
}

pub(super) fn decode_key(bytes: &[u8]) -> Result<ApiKey, Unreadable> {
    unversioned(bytes)
}

pub(super) fn encode_outcomes(outcomes: Outcomes) -> Vec<u8> {
    versioned(&outcomes)
}

pub(super) fn decode_outcomes(bytes: &[u8]) -> Result<Outcomes, Unreadable> {
    unversioned(bytes)
}

/// Days sort before keys, so that a day is one range.
pub(super) fn day_key(day: Day, key: &KeyId) -> Vec<u8> {
    let mut out = day.number().to_be_bytes().to_vec();
    out.extend_from_slice(key.as_bytes());
    out
}

pub(super) fn decode_day_key(bytes: &[u8]) -> Result<(Day, KeyId), Unreadable> {
    let (day, key) = bytes.split_first_chunk::<4>().ok_or(Unreadable)?;
    Ok((
        Day::from_number(u32::from_be_bytes(*day)),
        KeyId::from_bytes(key).ok_or(Unreadable)?,
    ))
}

pub(super) fn encode_number(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

pub(super) fn decode_number(bytes: &[u8]) -> Result<u32, Unreadable> {
    bytes
        .try_into()
        .map(u32::from_be_bytes)
        .map_err(|_| Unreadable)
}

pub(super) fn encode_time(time: Timestamp) -> Vec<u8> {
    time.millis().to_be_bytes().to_vec()
}

pub(super) fn decode_time(bytes: &[u8]) -> Result<Timestamp, Unreadable> {
    bytes
        .try_into()
        .map(|bytes| Timestamp::from_millis(u64::from_be_bytes(bytes)))
        .map_err(|_| Unreadable)
}
