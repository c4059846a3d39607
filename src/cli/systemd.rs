//! What the service manager is told (`sd_notify(3)`): that the server answers, how it is, that it still lives, that it
//! stops. Where nobody manages it, nothing is said.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::JoinHandle;

use crate::app::App;

/// Says that the server answers, and goes on saying that it lives, until it is told to stop.
pub(super) struct Manager(Option<JoinHandle<()>>);

impl Manager {
    /// The server answers.
    pub(super) fn ready(app: &Arc<App>, url: &str) -> Self {
        let serving = format!("Serving on {url}");
        tell(&[NotifyState::Ready, NotifyState::Status(&serving)]);
        let watchdog = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero());
        Self(watchdog.map(|limit| tokio::spawn(live(Arc::clone(app), serving, limit / 3))))
    }

    /// The server stops.
    pub(super) fn stopping(self) {
        let status = "Stopping: running requests finish";
        tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

/// Tells that the thread lives that starts, stops and delivers, and whether payments can be kept.
async fn live(app: Arc<App>, serving: String, pace: Duration) {
    let mut beats = tokio::time::interval(pace);
    loop {
        beats.tick().await;
        let status = match app.ready() {
            Ok(()) => serving.as_str(),
            Err(_) => "Payments get 503, since they can't be kept: the log says why",
        };
        tell(&[NotifyState::Watchdog, NotifyState::Status(status)]);
    }
}

/// A manager that does not listen is no reason to stop serving.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(state) {
        log::warn!("the service manager can't be told: {e}");
    }
}
