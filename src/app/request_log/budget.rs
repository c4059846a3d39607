//! How many requests a second are kept whole, with headers and bodies. Of more than are kept at all, each would be
//! forgotten before anybody could look at it; and to keep it costs as much as a tenth of its way.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::time::Timestamp;

/// Bits for how many were taken.
const TAKEN: u32 = 20;

/// A number of requests for each second. Never waits, and writes nothing once it is spent.
pub(super) struct Budget {
    /// Less than 2^20.
    most: u64,
    /// The latest second that was asked for, and in its lowest bits how many were taken of it.
    taken: AtomicU64,
}

impl Budget {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            most: most as u64,
            taken: AtomicU64::new(0),
        }
    }

    /// Takes one of the second that `at` is in, or of a later one that was asked for already; false when none is left.
    pub(super) fn take(&self, at: Timestamp) -> bool {
        let second = at.millis() / 1_000;
        let more = |seen: u64| {
            let (latest, taken) = (seen >> TAKEN, seen & ((1 << TAKEN) - 1));
            if latest < second {
                return Some(second << TAKEN | 1);
            }
            (taken < self.most).then_some(seen + 1)
        };
        let order = Ordering::Relaxed;
        self.taken.fetch_update(order, order, more).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_own_and_none_comes_back() {
        let budget = Budget::new(2);
        let times = [0, 999, 999, 1_000, 1_999, 1_999, 500, 1_000, 5_000];
        let taken = times.map(|millis| budget.take(Timestamp::from_millis(millis)));
        assert_eq!(
            taken,
            [true, true, false, true, true, false, false, false, true]
        );
    }

    #[test]
    fn none_is_taken_twice_whoever_asks_at_once() {
        let budget = Budget::new(1_000);
        let at = Timestamp::from_millis(1_800_000_000_000);
        let taken: usize = std::thread::scope(|scope| {
            let ask = || (0..500).filter(|_| budget.take(at)).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            let counts = threads
                .into_iter()
                .map(|thread| thread.join().expect("taken"));
            counts.sum()
        });
        assert_eq!(taken, 1_000);
    }
}
