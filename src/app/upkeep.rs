//! What has to be done from time to time: expired records and old events removed, last-used times written, idle addresses forgotten.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use super::App;
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
    let mut busy = false;
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
        let margin = app.settings.body_timeout + policy::SWEEP_MARGIN;
        let over = now.minus(margin);
        let steps = [
            app.store.sweep(over),
            app.store
                .forget_events(over.minus(policy::EVENTS_KEPT), now),
        ];
        busy = steps.contains(&Ok(policy::SWEEP_STEP));
        if app.webhooks.unwatched.swap(false, Ordering::AcqRel) && app.watch_expiries(now).is_err()
        {
            app.webhooks.unwatched.store(true, Ordering::Release);
        }
        if now.since(noted_at) >= policy::LAST_USED_PACE {
            noted_at = now;
            app.note_used(now);
            app.note_counts(now);
            // A fault is in the log, and the counts of long ago do no harm.
            let _ = app.store.forget_days(now);
            app.addresses.clean(now);
            app.buyers.clean(now);
            app.operators.clean(now);
        }
    }
}
