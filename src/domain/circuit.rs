//! A circuit breaker: an upstream that fails again and again is left alone for a while, then probed by one request at a
//! time.
//!
//! ```text
//! closed --(failures in a row)--> open --(its rest is over)--> probing --(the probe succeeds)--> closed
//!                                  ^-----(the probe fails: twice the rest)---'
//! ```
//!
//! Every pass that is given out comes back by [`Circuit::note`] or [`Circuit::give_up`], or the probe stays out for ever;
//! so whoever holds a pass gives it back by drop.

use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::policy;

/// Whether requests may go to an upstream now. The time is asked for by who has need of it: mostly nobody has.
#[derive(Debug, Default)]
pub struct Circuit {
    state: State,
    /// How often the state has changed: what is noted of an earlier one is news no more.
    turn: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Requests pass; so many failed since one succeeded.
    Closed { failures: u32 },
    /// No request passes before `until`, which lies `rest` after the latest failure.
    Open { until: Timestamp, rest: Duration },
    /// A probe is out; before it, requests were held back for `rest`.
    Probing { rest: Duration },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

/// The right to send one request. It goes back by [`Circuit::note`] or [`Circuit::give_up`].
#[derive(Debug)]
#[must_use = "it goes back by `note` or `give_up`"]
pub struct Pass {
    turn: u64,
    is_probe: bool,
}

impl Pass {
    /// One of a circuit that is calm in this turn.
    pub const fn of_calm(turn: u64) -> Self {
        let is_probe = false;
        Self { turn, is_probe }
    }

    /// The turn of the circuit that it is of.
    pub const fn turn(&self) -> u64 {
        self.turn
    }

    /// Whether others wait for what comes of this request.
    pub const fn is_probe(&self) -> bool {
        self.is_probe
    }
}

/// What the end of a request has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// No request passes for so long.
    Opened(Duration),
    /// Requests pass again.
    Closed,
}

impl Circuit {
    /// Asks whether a request may be sent.
    ///
    /// # Errors
    /// How long to wait before asking again; never nothing.
    pub fn ask(&mut self, now: impl FnOnce() -> Timestamp) -> Result<Pass, Duration> {
        if let Some(rest) = self.rest(now) {
            return Err(rest);
        }
        let is_probe = if let State::Open { rest, .. } = self.state {
            self.turn_to(State::Probing { rest });
            true
        } else {
            false
        };
        Ok(Pass {
            turn: self.turn,
            is_probe,
        })
    }

    /// Whether requests pass, as long as none fails.
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Its turn, while nothing has failed: every request gets a pass of it then, and one that succeeds changes nothing.
    pub const fn calm(&self) -> Option<u64> {
        match self.state {
            State::Closed { failures: 0 } => Some(self.turn),
            State::Closed { .. } | State::Open { .. } | State::Probing { .. } => None,
        }
    }

    /// How long no request may be sent, if none may now. Asks for nothing.
    pub fn rest(&self, now: impl FnOnce() -> Timestamp) -> Option<Duration> {
        match self.state {
            State::Open { until, .. } => Some(until.since(now())).filter(|rest| !rest.is_zero()),
            State::Probing { .. } => Some(policy::RETRY_SOON),
            State::Closed { .. } => None,
        }
    }

    /// Notes whether the request succeeded, and says what that has changed. Of a request from before the latest change
    /// nothing is learnt.
    pub fn note(
        &mut self,
        pass: Pass,
        ok: bool,
        now: impl FnOnce() -> Timestamp,
    ) -> Option<Change> {
        if pass.turn != self.turn {
            return None;
        }
        match (&mut self.state, ok) {
            (State::Closed { failures }, true) => {
                *failures = 0;
                None
            }
            (State::Closed { failures }, false) => {
                *failures += 1;
                (*failures >= policy::CIRCUIT_FAILURES)
                    .then(|| self.open(policy::CIRCUIT_REST, now()))
            }
            (State::Probing { .. }, true) => {
                self.turn_to(State::default());
                Some(Change::Closed)
            }
            (State::Probing { rest }, false) => {
                let rest = (*rest * 2).min(policy::CIRCUIT_REST_MAX);
                Some(self.open(rest, now()))
            }
            // A pass of this turn was given out, and none is while it is open.
            (State::Open { .. }, _) => None,
        }
    }

    /// Takes a pass back whose request was not sent, or of which nobody will know what came of it. If it was the probe,
    /// the next request is.
    pub fn give_up(&mut self, pass: Pass) {
        if let (State::Probing { rest }, true) = (&self.state, pass.turn == self.turn) {
            let (until, rest) = (Timestamp::default(), *rest);
            self.turn_to(State::Open { until, rest });
        }
    }

    fn open(&mut self, rest: Duration, now: Timestamp) -> Change {
        let until = now.plus(rest);
        self.turn_to(State::Open { until, rest });
        Change::Opened(rest)
    }

    fn turn_to(&mut self, state: State) {
        self.state = state;
        self.turn += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> impl FnOnce() -> Timestamp {
        move || Timestamp::from_millis(1_000_000 + millis)
    }

    /// A circuit that opened at `at(0)`.
    fn opened() -> Circuit {
        let mut circuit = Circuit::default();
        for _ in 0..policy::CIRCUIT_FAILURES {
            let pass = circuit.ask(at(0)).expect("a pass");
            circuit.note(pass, false, at(0));
        }
        circuit
    }

    fn waits(circuit: &mut Circuit, now: impl FnOnce() -> Timestamp) -> Option<u64> {
        let wait = circuit.ask(now).err()?;
        u64::try_from(wait.as_millis()).ok()
    }

    #[test]
    fn it_opens_at_five_failures_in_a_row_and_not_before() {
        let mut circuit = Circuit::default();
        for outcome in [
            false, false, false, false, true, false, false, false, false, false,
        ] {
            let pass = circuit.ask(at(0)).expect("a pass");
            assert!(!pass.is_probe());
            circuit.note(pass, outcome, at(0));
        }
        assert_eq!(waits(&mut circuit, at(0)), Some(1_000));
        assert_eq!(waits(&mut circuit, at(999)), Some(1));
    }

    #[test]
    fn after_its_rest_one_probe_passes_and_the_others_wait_for_it() {
        let mut circuit = opened();
        let probe = circuit.ask(at(1_000)).expect("a probe");
        assert!(probe.is_probe());
        assert_eq!(waits(&mut circuit, at(1_000)), Some(1_000));
        assert_eq!(waits(&mut circuit, at(900_000)), Some(1_000));
        circuit.note(probe, true, at(900_000));
        assert!(!circuit.ask(at(900_000)).expect("a pass").is_probe());
    }

    #[test]
    fn each_failed_probe_doubles_the_rest_up_to_thirty_seconds_and_a_success_forgets_it() {
        let mut circuit = opened();
        let mut now = 1_000;
        for rest in [2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let probe = circuit.ask(at(now)).expect("a probe");
            circuit.note(probe, false, at(now));
            assert_eq!(waits(&mut circuit, at(now)), Some(rest));
            now += rest;
        }
        let probe = circuit.ask(at(now)).expect("a probe");
        circuit.note(probe, true, at(now));
        for _ in 0..policy::CIRCUIT_FAILURES {
            let pass = circuit.ask(at(now)).expect("a pass");
            circuit.note(pass, false, at(now));
        }
        assert_eq!(waits(&mut circuit, at(now)), Some(1_000));
    }

    #[test]
    fn a_probe_that_is_given_up_makes_room_for_another_and_doubles_nothing() {
        let mut circuit = opened();
        let probe = circuit.ask(at(1_000)).expect("a probe");
        circuit.give_up(probe);
        let probe = circuit.ask(at(1_000)).expect("another probe");
        assert!(probe.is_probe());
        circuit.note(probe, false, at(1_000));
        assert_eq!(waits(&mut circuit, at(1_000)), Some(2_000));
    }

    #[test]
    fn a_pass_that_is_given_up_is_neither_a_failure_nor_a_success() {
        let mut circuit = Circuit::default();
        for _ in 1..policy::CIRCUIT_FAILURES {
            let pass = circuit.ask(at(0)).expect("a pass");
            circuit.note(pass, false, at(0));
            let pass = circuit.ask(at(0)).expect("a pass");
            circuit.give_up(pass);
        }
        let pass = circuit.ask(at(0)).expect("still closed");
        circuit.note(pass, false, at(0));
        assert_eq!(waits(&mut circuit, at(0)), Some(1_000));
    }

    #[test]
    fn what_comes_late_changes_nothing() {
        let mut circuit = Circuit::default();
        let mut late: Vec<Pass> = (0..4)
            .map(|_| circuit.ask(at(0)).expect("a pass"))
            .collect();
        for _ in 0..policy::CIRCUIT_FAILURES {
            let pass = circuit.ask(at(0)).expect("a pass");
            circuit.note(pass, false, at(0));
        }
        circuit.note(late.remove(0), true, at(1));
        circuit.note(late.remove(0), false, at(1));
        circuit.give_up(late.remove(0));
        assert_eq!(waits(&mut circuit, at(1)), Some(999));
        let probe = circuit.ask(at(1_000)).expect("a probe");
        circuit.note(late.remove(0), true, at(1_000));
        assert_eq!(waits(&mut circuit, at(1_000)), Some(1_000));
        circuit.note(probe, true, at(1_000));
        assert!(circuit.ask(at(1_000)).is_ok());
    }
}
