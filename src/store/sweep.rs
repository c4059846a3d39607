//! Frees the space of what has expired, in small steps beside the writer. Records are kept in the order in which they
//! expire, so what is over is a range at the start of their table, and no index of expiries has to be written.

use super::rows::{self, Table, Unreadable};
use super::{Store, Unavailable, unreadable};
use crate::domain::time::Timestamp;
use crate::policy;

impl Store {
    /// Removes the next few records that expired before `now`; says how many.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read or written.
    pub fn sweep(&self, now: Timestamp) -> Result<usize, Unavailable> {
        // Short of space is no reason to stop: this is what frees some.
        if self.health.has_failed() {
            return Err(Unavailable);
        }
        // A backup that reads would find half of what belongs together. It takes a minute, and this has time.
        let Some(_turn) = self.unlogged() else {
            return Ok(0);
        };
        let fault = |e: sled::Error| unreadable("answers", &e);
        let (replies, answers) = (self.trees.of(Table::Replies), self.trees.of(Table::Answers));
        let replays = self.trees.of(Table::Replays);
        let end = rows::answer_key(now, &[0; 16]);
        if answers.range(..end.as_slice()).next().is_none() {
            return Ok(0);
        }
        self.log_time(now)?;
        let mut removed = 0;
        for key in answers
            .range(..end.as_slice())
            .keys()
            .take(policy::SWEEP_STEP)
        {
            let key = key.map_err(fault)?;
            let (expires_at, id) =
                rows::decode_answer_key(&key).map_err(|e: Unreadable| unreadable("answers", &e))?;
            // Only what points here: the idempotency key may have been taken anew since.
            let pointer = rows::encode_time(expires_at);
            let swap = replies
                .compare_and_swap(id, Some(pointer), None::<&[u8]>)
                .map_err(fault)?;
            drop(swap);
            replays.remove(&key).map_err(fault)?;
            answers.remove(&key).map_err(fault)?;
            self.figures.records.removed(&key);
            removed += 1;
        }
        self.figures.swept(removed);
        Ok(removed)
    }
}
