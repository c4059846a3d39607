//! Answers and what leads to them, looked for in the order of their keys. Each of the two tables is sorted by what is
//! random in the other: row by row, every look would bring another page of the other table in from the disk.

use super::{Looked, Wrong};
use crate::domain::time::Timestamp;
use crate::store::rows::{self, Table};
use crate::store::{Store, Unavailable};

/// Key of an answer: its expiry, then the id of its record, which is the key of what leads to it.
type Pair = [u8; 24];

/// The pair that a row is one half of, if the row itself is as it should be.
pub(super) fn pair_of(table: Table, key: &[u8], value: &[u8]) -> Option<Pair> {
    if table == Table::Replies {
        let expires_at = rows::decode_time(value).ok()?;
        return Some(rows::answer_key(expires_at, key.try_into().ok()?));
    }
    if table == Table::Answers {
        let (expires_at, _) = rows::decode_answer_key(key).ok()?;
        let record = rows::decode_record(value, expires_at).ok()?;
        return (record.first_at <= expires_at).then_some(key.try_into().ok()?);
    }
    None
}

/// The key of a pair's half: of the row that it came from, or of the one that it is looked for under.
fn half(of: Table, pair: &Pair) -> &[u8] {
    if of == Table::Replies {
        &pair[8..]
    } else {
        pair
    }
}

const fn other(table: Table) -> Table {
    if matches!(table, Table::Replies) {
        Table::Answers
    } else {
        Table::Replies
    }
}

impl Store {
    /// Looks for the other halves of pairs from this table, adds the keys of rows that have none, and forgets the pairs.
    pub(super) fn look_at_pairs(
        &self,
        table: Table,
        pairs: &mut Vec<Pair>,
        now: Timestamp,
        suspects: &mut Vec<sled::IVec>,
    ) -> Result<(), Unavailable> {
        let other = other(table);
        pairs.sort_unstable_by(|one, two| half(other, one).cmp(half(other, two)));
        for pair in pairs.drain(..) {
            if self.wrong_with_pair(table, &pair, now)?.is_some() {
                suspects.push(half(table, &pair).into());
            }
        }
        Ok(())
    }

    /// What is wrong with a row of this table whose pair this is: only the other half can be.
    pub(super) fn wrong_with_pair(&self, table: Table, pair: &Pair, now: Timestamp) -> Looked {
        if table == Table::Replies {
            let there = self.has(Table::Answers, pair)?;
            return Ok((!there).then_some(Wrong::Content("its answer is missing")));
        }
        let Ok((expires_at, id)) = rows::decode_answer_key(pair) else {
            return Ok(None);
        };
        // Under the same idempotency key there may be a later one.
        let pointed = self.read(Table::Replies, &id, rows::decode_time)?;
        let is_led_to = pointed.is_some_and(|at| at >= expires_at);
        // The sweeper removes what leads there first, and a kill may come between: the next sweep ends it.
        let is_over = expires_at < now;
        Ok((!is_led_to && !is_over).then_some(Wrong::Content("no idempotency key leads to it")))
    }
}
