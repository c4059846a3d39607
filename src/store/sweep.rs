//! Frees the space of what has expired, in small steps beside the writer. What blocks of records contain is kept in the
//! order in which they are over, so what is over is a range at the start of a table, and no index of expiries has to be
//! written.

use super::rows::Table;
use super::{Store, Unavailable};
use crate::domain::time::Timestamp;
use crate::policy;

impl Store {
    /// Removes the next few records that expired before `now`, block by block; says how many.
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
        let answers = self.trees.answers()?;
        if !answers.is_any_over(now) {
            return Ok(0);
        }
        self.log_time(now)?;
        let replays = self.trees.of(Table::Replays);
        let removed =
            answers.sweep(now, policy::SWEEP_STEP, |key| replays.remove(key).map(drop))?;
        self.figures.swept(removed);
        Ok(removed)
    }
}
