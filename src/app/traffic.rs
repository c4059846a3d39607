//! How a key's requests ended, minute by minute for an hour and in all for today. In memory; upkeep writes the day's
//! counts down.

use parking_lot::Mutex;

use crate::domain::outcome::{Outcome, Outcomes};
use crate::domain::time::{Day, Timestamp};

/// Minutes that are looked back on.
pub const MINUTES: usize = 60;
const MINUTE_MS: u64 = 60_000;

/// The counts of one key.
#[derive(Debug, Default)]
pub struct Traffic(Mutex<Option<Box<Counts>>>);

#[derive(Debug)]
struct Counts {
    /// By minute since the epoch, modulo an hour.
    minutes: [Outcomes; MINUTES],
    latest_minute: u64,
    today: (Day, Outcomes),
    /// Counts of a day that ended before they were written down.
    ended: Option<(Day, Outcomes)>,
    is_written: bool,
}

impl Traffic {
    /// Goes on from what was counted of a day before.
    pub fn restored(day: Day, outcomes: Outcomes, now: Timestamp) -> Self {
        if outcomes == Outcomes::default() {
            return Self::default();
        }
        let mut counts = Counts::new(now);
        counts.today = (day, outcomes);
        Self(Mutex::new(Some(Box::new(counts))))
    }

    /// Forgets what was counted.
    pub fn reset(&self) {
        *self.0.lock() = None;
    }

    /// Counts a request.
    pub fn count(&self, outcome: Outcome, now: Timestamp) {
        let mut counts = self.0.lock();
        let counts = counts.get_or_insert_with(|| Box::new(Counts::new(now)));
        counts.move_to(now);
        counts.minutes[slot(now.millis() / MINUTE_MS)].count(outcome);
        counts.today.1.count(outcome);
        counts.is_written = false;
    }

    /// The last hour, minute by minute, the running one last; each with its start.
    pub fn last_hour(&self, now: Timestamp) -> Vec<(Timestamp, Outcomes)> {
        let mut counts = self.0.lock();
        if let Some(counts) = counts.as_mut() {
            counts.move_to(now);
        }
        let this = now.millis() / MINUTE_MS;
        let of = |minute: u64| {
            counts
                .as_ref()
                .map_or_else(Outcomes::default, |counts| counts.minutes[slot(minute)])
        };
        ((this + 1).saturating_sub(MINUTES as u64)..=this)
            .map(|minute| (Timestamp::from_millis(minute * MINUTE_MS), of(minute)))
            .collect()
    }

    /// What was counted of this day so far.
    pub fn of_day(&self, day: Day) -> Outcomes {
        let counts = self.0.lock();
        match counts.as_ref().map(|counts| counts.today) {
            Some((counted, outcomes)) if counted == day => outcomes,
            _ => Outcomes::default(),
        }
    }

    /// What has to be written down since this was last asked.
    pub fn unwritten(&self) -> Vec<(Day, Outcomes)> {
        let mut counts = self.0.lock();
        let Some(counts) = counts.as_mut() else {
            return Vec::new();
        };
        let ended = counts.ended.take();
        let today = (!std::mem::replace(&mut counts.is_written, true)).then_some(counts.today);
        ended.into_iter().chain(today).collect()
    }
}

fn slot(minute: u64) -> usize {
    (minute % MINUTES as u64) as usize
}

impl Counts {
    fn new(now: Timestamp) -> Self {
        Self {
            minutes: [Outcomes::default(); MINUTES],
            latest_minute: now.millis() / MINUTE_MS,
            today: (now.day(), Outcomes::default()),
            ended: None,
            is_written: true,
        }
    }

    /// Empties the minutes that have gone by, and begins a new day when there is one.
    fn move_to(&mut self, now: Timestamp) {
        let minute = now.millis() / MINUTE_MS;
        let gone = minute
            .saturating_sub(self.latest_minute)
            .min(MINUTES as u64);
        for back in 0..gone {
            self.minutes[slot(minute - back)] = Outcomes::default();
        }
        self.latest_minute = self.latest_minute.max(minute);
        if now.day() > self.today.0 {
            let ended = std::mem::replace(&mut self.today, (now.day(), Outcomes::default()));
            if !self.is_written {
                self.ended = Some(ended);
            }
            self.is_written = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_795_608_000_000;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(NOON + seconds * 1_000)
    }

    fn totals(traffic: &Traffic, now: Timestamp) -> Vec<u64> {
        traffic
            .last_hour(now)
            .iter()
            .map(|(_, outcomes)| outcomes.total())
            .collect()
    }

    #[test]
    fn a_minute_is_seen_for_an_hour_and_then_gone() {
        let traffic = Traffic::default();
        traffic.count(Outcome::Ok, at(0));
        traffic.count(Outcome::Refused, at(59));
        traffic.count(Outcome::Ok, at(60));
        assert_eq!(totals(&traffic, at(60))[58..], [2, 1]);
        assert_eq!(totals(&traffic, at(59 * 60))[..2], [2, 1]);
        assert_eq!(totals(&traffic, at(60 * 60))[..2], [1, 0]);
        assert_eq!(totals(&traffic, at(10 * 3_600)), [0; MINUTES]);
    }

    #[test]
    fn a_day_that_ended_is_still_written_down() {
        let traffic = Traffic::default();
        traffic.count(Outcome::Ok, at(0));
        let today = at(0).day();
        assert_eq!(traffic.of_day(today).total(), 1);
        traffic.count(Outcome::Error, at(86_400));
        let days: Vec<_> = traffic
            .unwritten()
            .iter()
            .map(|(day, outcomes)| (day.number() - today.number(), outcomes.total()))
            .collect();
        assert_eq!(days, [(0, 1), (1, 1)]);
        assert!(traffic.unwritten().is_empty());
        assert_eq!(traffic.of_day(today).total(), 0);
    }
}
