//! A door for whoever has a row's bytes and no store: what they say, written anew. Damaged bytes are refused here as they
//! are where they lie.

use super::answers::record;
use super::rows::{self, Table, Unreadable};
use super::{answers, blocks, claims, new_sessions, outbox, payments};
use crate::domain::id::EventId;
use crate::domain::webhook::Endpoint;

/// The names, beside those of [`tables`], of rows that are no table's: of a journal's entry, and of the trees that answers
/// and new sessions lie in.
pub const OTHERS: [&str; 5] = [
    JOURNAL,
    answers::BLOCKS,
    answers::CONTENTS,
    new_sessions::BLOCKS,
    new_sessions::SPANS,
];
const JOURNAL: &str = "journal";

/// The names of the tables.
pub fn tables() -> impl Iterator<Item = &'static str> {
    Table::ALL.into_iter().map(Table::name)
}

/// What a row of this table says, written as it is written today; None where it can't be read. Of rows that are pointers
/// it is the key that says something.
pub fn rewritten(table: &str, key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    match table {
        JOURNAL => {
            let mut out = Vec::new();
            rows::encode_rows(&rows::decode_rows(value).ok()?, &mut out);
            Some(out)
        }
        answers::BLOCKS | new_sessions::BLOCKS => blocks::rewritten(value),
        answers::CONTENTS => answers::contents::rewritten(value),
        new_sessions::SPANS => new_sessions::rewritten(value),
        _ => {
            let table = Table::ALL.into_iter().find(|known| known.name() == table)?;
            written(table, key, value).ok()
        }
    }
}

fn written(table: Table, key: &[u8], value: &[u8]) -> Result<Vec<u8>, Unreadable> {
    Ok(match table {
        Table::Keys => rows::encode_key(&rows::decode_key(value)?),
        Table::LastUsed | Table::Replies => rows::encode_time(rows::decode_time(value)?),
        Table::Answers => {
            let (expires_at, _) = record::decode_key(key)?;
            record::encode(&record::decode(value, expires_at)?)
        }
        Table::Sessions | Table::NewSessions => {
            payments::encode_session(&payments::decode_session(value)?)
        }
        Table::Days | Table::Replays => rows::encode_number(rows::decode_number(value)?),
        Table::Outcomes => rows::encode_outcomes(rows::decode_outcomes(value)?),
        Table::Operator => {
            let text = std::str::from_utf8(value).map_err(|_| Unreadable)?;
            text.as_bytes().to_vec()
        }
        Table::Refunds => payments::encode_refund(&payments::decode_refund(value)?),
        Table::Expiries => {
            let (session, at) = payments::decode_expiry_key(key)?;
            payments::expiry_key(at, &session)
        }
        Table::Endpoints => rows::versioned(&rows::unversioned::<Endpoint>(value)?),
        Table::Events => {
            let id = EventId::from_bytes(key).ok_or(Unreadable)?;
            outbox::encode_event(&outbox::decode_event(id, value)?)
        }
        Table::Deliveries => outbox::encode_delivery(&outbox::decode_delivery(key, value)?),
        Table::Outbox => {
            let due = outbox::decode_outbox_key(key)?;
            outbox::outbox_key(due.at, &due.event, &due.endpoint)
        }
        Table::Claims => claims::encode(&claims::decode(key, value)?),
        Table::NewSpans => new_sessions::rewritten(value).ok_or(Unreadable)?,
    })
}
