//! Frees the space of what has expired, in small steps beside the writer.
//!
//! Expired replies are found by walking the table in small steps instead of by an index of expiries: an index would
//! cost every payment a row more, the walk costs a thousandth of a core at a million records.

use super::rows::{self, Table};
use super::{Store, Unavailable, unreadable};
use crate::domain::time::{Day, Timestamp};
use crate::policy;

/// Where the sweeper goes on.
#[derive(Clone, Debug, Default)]
pub struct SweepCursor(Vec<u8>);

/// What one step of the sweeper did.
#[derive(Debug, PartialEq, Eq)]
pub struct Swept {
    /// Rows removed.
    pub removed: usize,
    /// The table's end was reached; the cursor is at its start again.
    pub round_done: bool,
}

impl Store {
    /// Looks at the next few records and removes those that have expired.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read or written.
    pub fn sweep(&self, cursor: &mut SweepCursor, now: Timestamp) -> Result<Swept, Unavailable> {
        // Short of space is no reason to stop: this is what frees some.
        if self.health.has_failed() {
            return Err(Unavailable);
        }
        let fault = |e: sled::Error| unreadable("replies", &e);
        let replies = self.trees.of(Table::Replies);
        let mut removed = 0;
        let mut last = None;
        for row in replies
            .range(cursor.0.as_slice()..)
            .take(policy::SWEEP_STEP)
        {
            let (key, value) = row.map_err(fault)?;
            if rows::record_expiry(&value).is_ok_and(|end| now >= end) {
                // Only what was read: the key may have been taken anew meanwhile.
                let swap = replies
                    .compare_and_swap(&key, Some(&value), None::<&[u8]>)
                    .map_err(fault)?;
                removed += usize::from(swap.is_ok());
            }
            last = Some(key);
        }
        let round_done = last.is_none();
        cursor.0 = last.map_or_else(Vec::new, |key| [&key, &[0][..]].concat());
        if round_done {
            self.forget_days(now.day()).map_err(fault)?;
        }
        Ok(Swept {
            removed,
            round_done,
        })
    }

    fn forget_days(&self, today: Day) -> sled::Result<()> {
        let days = self.trees.of(Table::Days);
        let oldest = today
            .number()
            .saturating_sub(policy::DAYS_KEPT)
            .to_be_bytes();
        days.range(..oldest.as_slice())
            .keys()
            .try_for_each(|key| days.remove(key?).map(drop))
    }
}
