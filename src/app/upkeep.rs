//! What has to be done from time to time: expired records and old events removed, last-used times written, idle addresses forgotten.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use super::App;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::policy;

/// The running upkeep. Dropping it stops it and waits for the step it is in.
pub struct Upkeep {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl App {
    /// Starts the upkeep.
    ///
    /// # Errors
    /// When no thread could be started.
    pub fn start_upkeep(self: &Arc<Self>) -> Result<Upkeep, String> {
        let (stop, stopped) = channel();
        let app = Arc::downgrade(self);
        let thread = std::thread::Builder::new()
            .name("upkeep".to_owned())
            .spawn(move || run(&app, &stopped))
            .map_err(|e| format!("no thread could be started: {e}"))?;
        Ok(Upkeep {
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Does at once what has fallen due by `now` and would be done in its time: expired records are removed, sessions
    /// whose time is over are ended, and what is to be told is on its way. Waits for all but the last.
    ///
    /// # Errors
    /// [`Refusal::Internal`] when it panicked, [`Refusal::StorageUnavailable`]; the log has said why.
    pub async fn catch_up(self: &Arc<Self>, now: Timestamp) -> Result<(), Refusal> {
        let app = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || {
            let _vital = app.store.vital();
            while app.sweep(now) || app.forget_events(now) {}
            app.watch_if_asked(now);
            app.tidy(now);
        });
        work.await.map_err(|_| Refusal::Internal)?;
        let mut next = Ok(Some(now));
        while matches!(next, Ok(Some(at)) if at <= now) {
            next = self.expire_due(now).await;
        }
        self.wake_deliveries();
        Ok(next.map(drop)?)
    }

    /// Removes some of the records that have expired; says whether there may be more.
    fn sweep(&self, now: Timestamp) -> bool {
        let removed = self.store.sweep(self.over_before(now));
        removed.is_ok_and(|removed| removed >= policy::SWEEP_STEP)
    }

    /// Removes some of the events that nobody looks back on; says whether there may be more.
    fn forget_events(&self, now: Timestamp) -> bool {
        let oldest = self.over_before(now).minus(policy::EVENTS_KEPT);
        let removed = self.store.forget_events(oldest, now);
        removed.is_ok_and(|removed| removed == policy::SWEEP_STEP)
    }

    /// What expired before this time is over for every request that has come.
    fn over_before(&self, now: Timestamp) -> Timestamp {
        now.minus(self.settings.body_timeout + policy::SWEEP_MARGIN)
    }

    /// Writes down what was counted and forgets what is over.
    fn tidy(self: &Arc<Self>, now: Timestamp) {
        self.note_used(now);
        self.note_counts(now);
        // A fault is in the log, and the counts of long ago do no harm.
        let _ = self.store.forget_days(now);
        self.forget_claims(self.over_before(now), now);
        self.addresses.clean(now);
        self.buyers.clean(now);
        self.operators.clean(now);
    }

    /// Writes when keys were last used, where that changed.
    pub(super) fn note_used(&self, now: Timestamp) {
        let used = self.directory.newly_used();
        if !used.is_empty() {
            self.store.note_used(&used, now);
        }
    }
}

fn run(app: &Weak<App>, stopped: &Receiver<()>) {
    let mut noted_at = Timestamp::default();
    let (mut busy, mut more_events) = (false, false);
    loop {
        let rest = if busy {
            std::time::Duration::ZERO
        } else {
            policy::SWEEP_REST
        };
        if stopped.recv_timeout(rest) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        let Some(app) = app.upgrade() else { return };
        let _vital = app.store.vital();
        let now = app.clock.now();
        busy = app.sweep(now);
        app.watch_if_asked(now);
        let is_time = now.since(noted_at) >= policy::LAST_USED_PACE;
        if is_time || more_events {
            more_events = app.forget_events(now);
            busy |= more_events;
        }
        if is_time {
            noted_at = now;
            app.tidy(now);
        }
    }
}
