//! The circuit breaker of a link, as all threads share it. While nothing fails, nobody takes its lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::domain::circuit::{Change, Circuit, Pass};

/// No turn: the circuit is not calm.
const NONE: u64 = u64::MAX;

/// A circuit breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    circuit: Mutex<Circuit>,
    /// The circuit's turn while it is calm; written under the lock. A circuit begins calm in turn 0.
    calm: AtomicU64,
}

impl Breaker {
    /// Asks whether a request may be sent. The pass goes back by [`Breaker::note`] or [`Breaker::give_up`].
    ///
    /// # Errors
    /// How long to wait before asking again; never nothing.
    pub(super) fn ask(&self, clock: &Clock) -> Result<Pass, Duration> {
        match self.calm.load(Ordering::Acquire) {
            NONE => self.change(|circuit| circuit.ask(|| clock.now())),
            turn => Ok(Pass::of_calm(turn)),
        }
    }

    /// Notes whether the request succeeded, and says what that has changed.
    pub(super) fn note(&self, pass: Pass, ok: bool, clock: &Clock) -> Option<Change> {
        if ok && pass.turn() == self.calm.load(Ordering::Acquire) {
            return None;
        }
        self.change(|circuit| circuit.note(pass, ok, || clock.now()))
    }

    /// Takes a pass back of whose request nobody will know what came of it. Only the probe's is waited for.
    pub(super) fn give_up(&self, pass: Pass) {
        if pass.is_probe() {
            self.change(|circuit| circuit.give_up(pass));
        }
    }

    /// How long no request may be sent, if none may now. Asks for nothing.
    pub(super) fn rest(&self, clock: &Clock) -> Option<Duration> {
        self.circuit.lock().rest(|| clock.now())
    }

    /// Whether requests pass, as long as none fails.
    pub(super) fn is_closed(&self) -> bool {
        self.circuit.lock().is_closed()
    }

    fn change<T>(&self, work: impl FnOnce(&mut Circuit) -> T) -> T {
        let mut circuit = self.circuit.lock();
        let done = work(&mut circuit);
        let calm = circuit.calm().unwrap_or(NONE);
        self.calm.store(calm, Ordering::Release);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;
    use crate::policy;

    fn ends(breaker: &Breaker, clock: &Clock, outcomes: impl IntoIterator<Item = bool>) {
        for ok in outcomes {
            let pass = breaker.ask(clock).expect("a pass");
            breaker.note(pass, ok, clock);
        }
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_counts() {
        let (breaker, clock) = (
            Breaker::default(),
            Clock::hand(Timestamp::from_millis(1_000)),
        );
        let failures = || std::iter::repeat_n(false, policy::CIRCUIT_FAILURES as usize - 1);
        ends(&breaker, &clock, failures().chain([true]).chain(failures()));
        assert!(breaker.is_closed());
        ends(&breaker, &clock, [false]);
        assert!(!breaker.is_closed());
        assert_eq!(breaker.ask(&clock).err(), breaker.rest(&clock));
    }

    #[test]
    fn a_probe_closes_it_and_one_that_is_given_up_makes_room_for_another() {
        let (breaker, clock) = (
            Breaker::default(),
            Clock::hand(Timestamp::from_millis(1_000)),
        );
        let early = breaker.ask(&clock).expect("a pass");
        let failures = std::iter::repeat_n(false, policy::CIRCUIT_FAILURES as usize);
        ends(&breaker, &clock, failures);
        clock.advance(policy::CIRCUIT_REST);
        let probe = breaker.ask(&clock).expect("a probe");
        assert!(breaker.ask(&clock).is_err(), "the others wait for it");
        breaker.give_up(probe);
        let probe = breaker.ask(&clock).expect("another probe");
        breaker.note(early, true, &clock);
        assert!(!breaker.is_closed(), "what comes late is no news");
        assert_eq!(breaker.note(probe, true, &clock), Some(Change::Closed));
        ends(&breaker, &clock, [true, true]);
        assert!(breaker.is_closed());
    }
}
