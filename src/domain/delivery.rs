//! The way of one event to one endpoint: what was tried, what came of it, and when it is tried next.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::id::{EndpointId, EventId};
use crate::domain::time::Timestamp;
use crate::policy;

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// An answer.
    Answered {
        /// Its status.
        status: u16,
        /// The beginning of its body.
        beginning: Vec<u8>,
    },
    /// No answer; why, as a sentence without its full stop.
    Failed(String),
}

impl Outcome {
    /// Whether the event has arrived.
    pub const fn is_success(&self) -> bool {
        match self {
            Self::Answered { status, .. } => 200 <= *status && *status < 300,
            Self::Failed(_) => false,
        }
    }
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Somebody asked for it; it is none of the schedule.
    pub by_hand: bool,
    /// What came of it.
    pub outcome: Outcome,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// Nothing was tried yet.
    Waiting,
    /// The last attempt failed, and there will be another.
    Retrying,
    /// The event has arrived.
    Delivered,
    /// It has not, and nothing is tried any more.
    Failed,
}

/// The way of one event to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Which event.
    pub event: EventId,
    /// To which endpoint.
    pub endpoint: EndpointId,
    /// What was tried, in the order of time.
    pub attempts: Vec<Attempt>,
    /// When the schedule has the next attempt.
    pub scheduled_at: Option<Timestamp>,
    /// Since when somebody wants one more attempt.
    pub again_at: Option<Timestamp>,
}

impl Delivery {
    /// One that is first tried at `due`.
    pub const fn new(event: EventId, endpoint: EndpointId, due: Timestamp) -> Self {
        Self {
            event,
            endpoint,
            attempts: Vec::new(),
            scheduled_at: Some(due),
            again_at: None,
        }
    }

    /// When it is tried next.
    pub fn due(&self) -> Option<Timestamp> {
        self.again_at.into_iter().chain(self.scheduled_at).min()
    }

    /// Where it stands.
    pub fn state(&self) -> DeliveryState {
        let has_arrived = self.attempts.iter().any(|tried| tried.outcome.is_success());
        match (has_arrived, self.due()) {
            (true, _) => DeliveryState::Delivered,
            (false, None) => DeliveryState::Failed,
            (false, Some(_)) if self.attempts.is_empty() => DeliveryState::Waiting,
            (false, Some(_)) => DeliveryState::Retrying,
        }
    }

    /// With one more attempt, at once. The schedule stays.
    #[must_use]
    pub fn again(mut self, now: Timestamp) -> Self {
        if self.due().is_none_or(|due| due > now) {
            self.again_at = Some(now);
        }
        self
    }

    /// After the attempt that was due and began at `at`.
    #[must_use]
    pub fn tried(mut self, at: Timestamp, took: Duration, outcome: Outcome) -> Self {
        let by_hand = self.again_at.is_some() && self.due() == self.again_at;
        let has_arrived = outcome.is_success();
        self.attempts.push(Attempt {
            at,
            took,
            by_hand,
            outcome,
        });
        self.again_at = None;
        if has_arrived {
            self.scheduled_at = None;
        } else if !by_hand {
            self.scheduled_at = self.next_by_schedule();
        }
        self.forget_oldest();
        self
    }

    /// Given up at `now`, for this reason.
    #[must_use]
    pub fn given_up(mut self, now: Timestamp, why: String) -> Self {
        self.attempts.push(Attempt {
            at: now,
            took: Duration::ZERO,
            by_hand: self.again_at.is_some(),
            outcome: Outcome::Failed(why),
        });
        (self.scheduled_at, self.again_at) = (None, None);
        self.forget_oldest();
        self
    }

    fn next_by_schedule(&self) -> Option<Timestamp> {
        let mut made = self.attempts.iter().filter(|tried| !tried.by_hand);
        let first = made.clone().next()?.at;
        let last = made.clone().next_back()?.at;
        let after = policy::WEBHOOK_SCHEDULE.get(made.by_ref().count())?;
        Some(first.plus(*after).max(last.plus(policy::WEBHOOK_GAP)))
    }

    /// Attempts by hand have no bound; the oldest of them go.
    fn forget_oldest(&mut self) {
        while self.attempts.len() > policy::WEBHOOK_ATTEMPTS {
            let oldest = self.attempts.iter().position(|tried| tried.by_hand);
            self.attempts.remove(oldest.unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_795_608_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    fn new() -> Delivery {
        let event = EventId::new(START, [b'e'; 24]);
        Delivery::new(event, EndpointId::new(START, [b'w'; 24]), START)
    }

    fn answer(status: u16) -> Outcome {
        let beginning = Vec::new();
        Outcome::Answered { status, beginning }
    }

    fn minutes(delivery: &Delivery) -> Option<u64> {
        delivery.due().map(|due| due.since(START).as_secs() / 60)
    }

    #[test]
    fn it_is_tried_five_times_and_then_no_more() {
        let mut delivery = new();
        let mut tried = Vec::new();
        assert_eq!(delivery.state(), DeliveryState::Waiting);
        while let Some(due) = delivery.due() {
            tried.push(minutes(&delivery));
            delivery = delivery.tried(due, MINUTE, answer(500));
            let goes_on = delivery.due().is_some();
            assert_eq!(delivery.state() == DeliveryState::Retrying, goes_on);
        }
        let expected = [0, 5, 30, 120, 24 * 60].map(Some);
        assert_eq!(tried, expected);
        assert_eq!(delivery.state(), DeliveryState::Failed);
    }

    #[test]
    fn any_2xx_ends_it_and_nothing_else_does() {
        for (outcome, ends) in [
            (answer(200), true),
            (answer(204), true),
            (answer(299), true),
            (answer(199), false),
            (answer(300), false),
            (answer(307), false),
            (answer(404), false),
            (Outcome::Failed("No answer".to_owned()), false),
        ] {
            let delivery = new().tried(START, MINUTE, outcome);
            assert_eq!(delivery.due().is_none(), ends);
            assert_eq!(delivery.state() == DeliveryState::Delivered, ends);
        }
    }

    #[test]
    fn what_fell_due_meanwhile_is_not_tried_all_at_once_and_not_less_often() {
        let late = START.plus(26 * 60 * MINUTE);
        let mut delivery = new().tried(START, MINUTE, answer(500));
        let mut count = 1;
        let mut now = late;
        while delivery.due().is_some() {
            delivery = delivery.tried(now, MINUTE, answer(500));
            let rest = delivery.due().map(|due| due.since(now));
            assert!(rest.is_none_or(|rest| rest == policy::WEBHOOK_GAP));
            (now, count) = (now.plus(policy::WEBHOOK_GAP), count + 1);
        }
        assert_eq!(count, 5);
    }

    #[test]
    fn an_attempt_by_hand_is_made_at_once_and_changes_no_schedule() {
        let first = new().tried(START, MINUTE, answer(500));
        let now = START.plus(4 * MINUTE);
        let again = first.again(now);
        assert_eq!(minutes(&again), Some(4));
        let failed = again.clone().tried(now, MINUTE, answer(500));
        assert_eq!(minutes(&failed), Some(5));
        assert_eq!(minutes(&again.tried(now, MINUTE, answer(200))), None);
        let second = failed.tried(START.plus(5 * MINUTE), MINUTE, answer(500));
        assert_eq!(minutes(&second), Some(30));
        let by_hand: Vec<bool> = second.attempts.iter().map(|one| one.by_hand).collect();
        assert_eq!(by_hand, [false, true, false]);
    }

    #[test]
    fn an_attempt_by_hand_after_the_end_is_one_attempt() {
        let delivered = new().tried(START, MINUTE, answer(200));
        let now = START.plus(MINUTE);
        let after = delivered.again(now).tried(now, MINUTE, answer(500));
        assert_eq!(after.due(), None);
        assert_eq!(after.state(), DeliveryState::Delivered, "it has arrived");
        let given_up = new().given_up(START, "Gone".to_owned());
        assert_eq!(given_up.state(), DeliveryState::Failed);
        let after = given_up.again(now).tried(now, MINUTE, answer(500));
        assert_eq!((after.due(), after.state()), (None, DeliveryState::Failed));
    }

    #[test]
    fn what_is_due_already_is_not_asked_for_again() {
        let delivery = new().again(START.plus(MINUTE));
        assert_eq!(delivery, new());
    }

    #[test]
    fn attempts_are_bounded_and_those_of_the_schedule_stay() {
        let mut delivery = new().tried(START, MINUTE, answer(500));
        for n in 0..100 {
            let now = START.plus(Duration::from_secs(n));
            delivery = delivery.again(now).tried(now, MINUTE, answer(500));
        }
        assert_eq!(delivery.attempts.len(), policy::WEBHOOK_ATTEMPTS);
        assert!(!delivery.attempts[0].by_hand);
        assert_eq!(minutes(&delivery), Some(5));
    }
}
