//! How many idempotency records there are, without walking through them again and again: those that were there at the
//! start are counted once, in the background, and from then on each that comes or goes is.

use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;

use crate::store::Unavailable;
use crate::store::rows::{Row, Table};

/// The count, and how far it has come.
#[derive(Default)]
pub(in crate::store) struct Records {
    total: AtomicI64,
    /// None once every record is counted.
    walk: Mutex<Option<Walk>>,
}

struct Walk {
    /// The last row that was there at the start; new ones come behind it.
    end: Vec<u8>,
    /// Everything before this key is counted.
    from: Vec<u8>,
}

impl Records {
    /// To be told the last row of the table, before anything is written.
    pub(in crate::store) fn begin(&self, last: Option<Vec<u8>>) {
        let from = Vec::new();
        *self.walk.lock() = last.map(|end| Walk { end, from });
    }

    /// The records there are; None until all are counted.
    pub(super) fn total(&self) -> Option<i64> {
        let is_known = self.walk.lock().is_none();
        is_known.then(|| self.total.load(Ordering::Relaxed).max(0))
    }

    /// Takes in rows that were applied.
    pub(in crate::store) fn applied<'a>(&self, rows: impl Iterator<Item = &'a Row>) {
        for row in rows {
            match row {
                Row::Put {
                    table: Table::Answers,
                    key,
                    ..
                } => self.change(key, 1),
                Row::Remove {
                    table: Table::Answers,
                    key,
                } => self.change(key, -1),
                Row::Clear {
                    table: Table::Answers,
                } => {
                    *self.walk.lock() = None;
                    self.total.store(0, Ordering::Relaxed);
                }
                Row::Put { .. } | Row::Remove { .. } | Row::Raise { .. } | Row::Clear { .. } => (),
            }
        }
    }

    /// A record has gone.
    pub(in crate::store) fn removed(&self, key: &[u8]) {
        self.change(key, -1);
    }

    /// What the walk has still to come to, it will find as it is.
    fn change(&self, key: &[u8], by: i64) {
        let walk = self.walk.lock();
        let is_counted = walk
            .as_ref()
            .is_none_or(|walk| key < walk.from.as_slice() || key > walk.end.as_slice());
        if is_counted {
            self.total.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Counts on by `step`, which is given the first and the last key, and gives the count and the last key that it has
    /// counted, or none where it came to the end. Says whether there are more.
    pub(super) fn count<K: AsRef<[u8]>>(
        &self,
        step: impl Fn(&[u8], &[u8]) -> Result<(usize, Option<K>), Unavailable>,
    ) -> Result<bool, Unavailable> {
        let Some((from, end)) = self
            .walk
            .lock()
            .as_ref()
            .map(|walk| (walk.from.clone(), walk.end.clone()))
        else {
            return Ok(false);
        };
        // Nobody is kept waiting meanwhile: behind the end nothing of it changes, and before it only by the sweeper,
        // which has the same thread.
        let (count, last) = step(&from, &end)?;
        let mut walk = self.walk.lock();
        let Some(going) = walk.as_mut() else {
            return Ok(false);
        };
        self.total
            .fetch_add(i64::try_from(count).unwrap_or(i64::MAX), Ordering::Relaxed);
        match last {
            // The least key behind it.
            Some(last) => {
                going.from = [last.as_ref(), &[0]].concat();
                Ok(true)
            }
            None => {
                *walk = None;
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn put(key: u8) -> Row {
        Row::put(Table::Answers, &[key], Vec::new())
    }

    /// Counts on by two rows of those that there are.
    fn count(records: &Records, there: &BTreeSet<u8>) -> bool {
        let step = |from: &[u8], end: &[u8]| {
            let rows = there.iter().map(|key| [*key]);
            let rows = rows.filter(|key| from <= key.as_slice() && key.as_slice() <= end);
            let rows: Vec<_> = rows.take(2).collect();
            Ok((rows.len(), rows.last().copied().filter(|_| rows.len() == 2)))
        };
        records.count(step).expect("counted")
    }

    #[test]
    fn what_comes_and_goes_while_the_old_ones_are_counted_is_counted_once() {
        let records = Records::default();
        let mut there: BTreeSet<u8> = (10..=16).collect();
        records.begin(Some(vec![16]));
        assert!(count(&records, &there));
        // 10 is counted already and 15 is still to come.
        for gone in [10, 15] {
            there.remove(&gone);
            records.removed(&[gone]);
        }
        there.insert(17);
        records.applied([put(17)].iter());
        assert_eq!(records.total(), None, "nobody knows yet");
        assert!(count(&records, &there));
        there.insert(18);
        records.applied([put(18)].iter());
        while count(&records, &there) {}
        assert_eq!(records.total(), Some(7));
        assert_eq!(there.len(), 7);
        records.removed(&[11]);
        assert_eq!(records.total(), Some(6), "and from then on");
        let clear = Row::Clear {
            table: Table::Answers,
        };
        records.applied([clear, put(20)].iter());
        assert_eq!(records.total(), Some(1));
    }

    #[test]
    fn of_an_empty_table_all_is_known_at_once() {
        let records = Records::default();
        records.begin(None);
        assert_eq!(records.total(), Some(0));
    }
}
