//! The one place that reads the time. A clock here never steps back: it follows the system's clock forward (also over
//! a suspend), goes on evenly when that is set back, and starts no earlier than the store's latest commit.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::task::coop::unconstrained;
use tokio::time::Sleep;
use tokio::time::error::Elapsed;

use crate::domain::time::Timestamp;

/// A clock, cheap to clone; clones agree.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    /// The system's: `ahead` is what to add to the monotonic time to get milliseconds since the epoch; it only grows.
    System { origin: Instant, ahead: AtomicU64 },
    /// A hand that is moved from outside.
    Hand { start: Timestamp, millis: AtomicU64 },
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Arc::new(Kind::System {
            origin: Instant::now(),
            ahead: AtomicU64::new(0),
        }))
    }

    /// A clock that stands at `start` until it is moved.
    pub fn hand(start: Timestamp) -> Self {
        Self(Arc::new(Kind::Hand {
            start,
            millis: AtomicU64::new(start.millis()),
        }))
    }

    /// Now. To be read once a request, so that all its decisions agree.
    pub fn now(&self) -> Timestamp {
        self.at(Stopwatch::start())
    }

    /// The same, where something begins to be measured now.
    pub fn at(&self, now: Stopwatch) -> Timestamp {
        let millis = match &*self.0 {
            Kind::System { origin, ahead } => {
                let elapsed = whole_millis(now.0.duration_since(*origin));
                let shown = Self::system_now().millis().saturating_sub(elapsed);
                let known = ahead.load(Ordering::Relaxed);
                // Mostly it is known, and to look costs less than to write.
                if shown > known {
                    elapsed + ahead.fetch_max(shown, Ordering::Relaxed).max(shown)
                } else {
                    elapsed + known
                }
            }
            Kind::Hand { millis, .. } => millis.load(Ordering::Relaxed),
        };
        Timestamp::from_millis(millis)
    }

    /// What the system's clock shows, whatever this one does: for what others compare with a clock of theirs.
    pub fn system_now() -> Timestamp {
        let shown = SystemTime::now().duration_since(UNIX_EPOCH);
        Timestamp::from_millis(shown.map_or(0, whole_millis))
    }

    /// Never shows less than `floor` again. Returns how far the clock was behind it.
    pub fn raise(&self, floor: Timestamp) -> Duration {
        let behind = floor.since(self.now());
        self.advance(behind);
        behind
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let by = whole_millis(by);
        match &*self.0 {
            Kind::System { ahead, .. } => ahead.fetch_add(by, Ordering::Relaxed),
            Kind::Hand { millis, .. } => millis.fetch_add(by, Ordering::Relaxed),
        };
    }

    /// How far it is ahead of the system's clock; a hand, of where it stood at first.
    pub fn ahead(&self) -> Duration {
        let now = self.now();
        let shown = match &*self.0 {
            Kind::System { .. } => Self::system_now(),
            Kind::Hand { start, .. } => *start,
        };
        now.since(shown)
    }
}

/// Measures how long something takes; no clock that is moved changes that.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins to measure.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time gone by since then.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// Time between then and when another one was started.
    pub fn until(self, later: Self) -> Duration {
        later.0.saturating_duration_since(self.0)
    }
}

/// A timer that is set again and again, mostly to a later time: that is only noted, and looked at when the earlier one
/// has come. A new timer would have to be entered among the others and taken out again.
#[derive(Debug, Default)]
pub struct Alarm(Option<Armed>);

#[derive(Debug)]
struct Armed {
    due: tokio::time::Instant,
    /// Wakes then, or earlier.
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    /// Sets it to go off so long after `since`.
    pub fn set(&mut self, since: Stopwatch, after: Duration) {
        let due = (since.0 + after).into();
        match &mut self.0 {
            Some(armed) => {
                armed.due = due;
                if due < armed.sleep.deadline() {
                    armed.sleep.as_mut().reset(due);
                }
            }
            None => {
                let sleep = Box::pin(tokio::time::sleep_until(due));
                self.0 = Some(Armed { due, sleep });
            }
        }
    }

    /// Ready when it goes off; one that is not set never does. It does so also for who has so much to do that others would
    /// have their turn first.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(Armed { due, sleep }) = &mut self.0 else {
            return Poll::Pending;
        };
        loop {
            ready!(pin!(unconstrained(sleep.as_mut())).poll(cx));
            if sleep.deadline() >= *due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(*due);
        }
    }
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Waits for a work, and no longer than `most`. Only one that is not done at once costs a timer.
///
/// # Errors
/// When it was not done in time.
pub async fn within<T>(most: Duration, work: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut work = std::pin::pin!(work);
    let at_once = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    match at_once {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => tokio::time::timeout(most, work).await,
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[test]
    fn the_system_clock_shows_the_system_s_time() {
        let clock = Clock::system();
        let before = Clock::system_now().millis();
        let now = clock.now().millis();
        let after = Clock::system_now().millis();
        assert!(
            (before..=after).contains(&now),
            "{before} <= {now} <= {after}"
        );
    }

    #[test]
    fn a_clock_behind_the_store_goes_on_from_the_store_s_time() {
        for clock in [Clock::system(), Clock::hand(Timestamp::from_millis(1_000))] {
            let floor = clock.now().plus(Duration::from_secs(3_600));
            assert!(clock.raise(floor) > Duration::ZERO);
            let now = clock.now();
            assert!(now >= floor);
            assert_eq!(clock.raise(Timestamp::from_millis(5)), Duration::ZERO);
            assert!(clock.now() >= now);
        }
    }

    fn run(work: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.expect("a runtime").block_on(work);
    }

    #[test]
    fn an_alarm_goes_off_at_the_time_that_it_was_set_to_last_and_again() {
        run(async {
            let (hour, soon) = (Duration::from_secs(3_600), Duration::from_millis(1));
            let mut alarm = Alarm::default();
            for after in [hour, 2 * hour, soon, soon] {
                alarm.set(Stopwatch::start(), after);
                let at_once = alarm.poll(&mut Context::from_waker(Waker::noop()));
                if after == soon {
                    poll_fn(|cx| alarm.poll(cx)).await;
                } else {
                    assert!(at_once.is_pending());
                }
            }
        });
    }

    #[test]
    fn an_alarm_that_was_put_off_does_not_go_off_before_that() {
        run(async {
            let (mut off, mut soon) = (Alarm::default(), Alarm::default());
            let now = Stopwatch::start();
            off.set(now, Duration::from_millis(1));
            off.set(now, Duration::from_secs(3_600));
            soon.set(now, Duration::from_millis(20));
            let early = poll_fn(|cx| match off.poll(cx) {
                Poll::Ready(()) => Poll::Ready(true),
                Poll::Pending => soon.poll(cx).map(|()| false),
            });
            assert!(!early.await);
            off.set(now, Duration::from_millis(21));
            poll_fn(|cx| off.poll(cx)).await;
        });
    }

    #[test]
    fn an_alarm_that_was_put_off_goes_off_by_itself_whoever_looked_at_it_before() {
        run(async {
            let (mut alarm, mut other) = (Alarm::default(), Alarm::default());
            let now = Stopwatch::start();
            alarm.set(now, Duration::from_millis(1));
            let _ = alarm.poll(&mut Context::from_waker(Waker::noop()));
            // Its earlier time goes by, and nobody looks.
            other.set(now, Duration::from_millis(5));
            poll_fn(|cx| other.poll(cx)).await;
            for after in [10, 20] {
                alarm.set(Stopwatch::start(), Duration::from_millis(after));
                let _ = poll_fn(|cx| Poll::Ready(alarm.poll(cx))).await;
            }
            poll_fn(|cx| alarm.poll(cx)).await;
        });
    }

    #[test]
    fn an_alarm_goes_off_for_who_has_too_much_to_do() {
        run(async {
            let (mut early, mut late) = (Alarm::default(), Alarm::default());
            let now = Stopwatch::start();
            early.set(now, Duration::from_millis(1));
            late.set(now, Duration::from_millis(20));
            poll_fn(|cx| {
                let _ = early.poll(cx);
                late.poll(cx)
            })
            .await;
            let busy = poll_fn(|cx| {
                // Until others are to have their turn.
                while pin!(tokio::task::consume_budget()).poll(cx).is_ready() {}
                Poll::Ready(early.poll(cx))
            });
            assert!(busy.await.is_ready());
        });
    }

    #[test]
    fn a_clock_that_is_moved_tells_how_far_it_is_ahead() {
        let day = Duration::from_secs(86_400);
        let hand = Clock::hand(Timestamp::from_millis(1_000));
        assert_eq!(hand.ahead(), Duration::ZERO);
        hand.advance(day);
        assert_eq!(hand.ahead(), day);
        let system = Clock::system();
        system.now();
        assert!(system.ahead() < Duration::from_secs(1));
        system.advance(day);
        let ahead = system.ahead();
        assert!(ahead.abs_diff(day) < Duration::from_secs(1), "{ahead:?}");
    }
}
