//! What is counted for people to look at: when keys were last used, how requests of a day ended, replays of a record.
//! Written without waiting and once a minute or so; a crash may cost the last minute of it, a clean stop none.

use std::collections::HashMap;

use super::answers::record;
use super::journal::Urgency;
use super::rows::{self, Row, Table, Unreadable};
use super::{Store, Unavailable, unreadable};
use crate::domain::id::KeyId;
use crate::domain::idempotency::RecordId;
use crate::domain::outcome::Outcomes;
use crate::domain::time::{Day, Timestamp};
use crate::policy;

impl Store {
    /// When keys were last used.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn last_used(&self) -> Result<HashMap<KeyId, Timestamp>, Unavailable> {
        let read = |key: &[u8], value: &[u8]| {
            Ok((
                KeyId::from_bytes(key).ok_or(Unreadable)?,
                rows::decode_time(value)?,
            ))
        };
        Ok(self.read_all(Table::LastUsed, read)?.into_iter().collect())
    }

    /// How the requests of a day ended, by key.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn outcomes_of_day(&self, day: Day) -> Result<HashMap<KeyId, Outcomes>, Unavailable> {
        self.read_day(Table::Outcomes, day, rows::decode_outcomes)
    }

    /// How a key's requests of a day ended.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn outcomes(&self, key: &KeyId, day: Day) -> Result<Outcomes, Unavailable> {
        let row = rows::day_key(day, key);
        Ok(self
            .read(Table::Outcomes, &row, rows::decode_outcomes)?
            .unwrap_or_default())
    }

    /// How often a record has been replayed.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn replays(&self, id: &RecordId, expires_at: Timestamp) -> Result<u32, Unavailable> {
        let row = record::key_of(expires_at, id.as_bytes());
        Ok(self
            .read(Table::Replays, &row, rows::decode_number)?
            .unwrap_or(0))
    }

    /// Notes when keys were last used.
    pub fn note_used(&self, used: &[(KeyId, Timestamp)], now: Timestamp) {
        let row = |(key, at): &(KeyId, Timestamp)| {
            Row::put(Table::LastUsed, key.as_bytes(), rows::encode_time(*at))
        };
        self.note(used, row, now);
    }

    /// Notes how requests of a day have ended so far.
    pub fn note_outcomes(&self, counted: &[(Day, KeyId, Outcomes)], now: Timestamp) {
        let row = |(day, key, outcomes): &(Day, KeyId, Outcomes)| {
            Row::put(
                Table::Outcomes,
                &rows::day_key(*day, key),
                rows::encode_outcomes(*outcomes),
            )
        };
        self.note(counted, row, now);
    }

    /// Notes how often records have been replayed, by record and its expiry. A lower number than the one kept changes
    /// nothing.
    pub fn note_replays(&self, replays: &[(RecordId, Timestamp, u32)], now: Timestamp) {
        let row = |(id, expires_at, count): &(RecordId, Timestamp, u32)| Row::Raise {
            table: Table::Replays,
            key: record::key_of(*expires_at, id.as_bytes()).to_vec(),
            to: *count,
        };
        self.note(replays, row, now);
    }

    fn note<T>(&self, noted: &[T], row: impl Fn(&T) -> Row, now: Timestamp) {
        for part in noted.chunks(policy::GROUP_COMMITS) {
            let rows = part.iter().map(&row).collect();
            self.submit(Urgency::Urgent, now, rows, Box::new(|_| ()));
        }
    }

    /// Removes the counts of days that nobody will look back on.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read or written.
    pub fn forget_days(&self, now: Timestamp) -> Result<(), Unavailable> {
        let oldest = now.day().before(policy::DAYS_KEPT).number().to_be_bytes();
        for table in [Table::Days, Table::Outcomes] {
            let tree = self.trees.of(table);
            if tree.range(..oldest.as_slice()).next().is_none() {
                continue;
            }
            self.log_time(now)?;
            let forget = |key: sled::Result<sled::IVec>| tree.remove(key?).map(drop);
            tree.range(..oldest.as_slice())
                .keys()
                .try_for_each(forget)
                .map_err(|e| unreadable(table.name(), &e))?;
        }
        Ok(())
    }
}
