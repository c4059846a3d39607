//! Requests that go on after their clients have gone. When the server stops, it waits for those too.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::app::App;

/// How many run that nobody waits for.
pub(in crate::app) struct Attendance(watch::Sender<usize>);

impl Default for Attendance {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The client waits.
    Attended,
    /// The client has gone.
    Left,
    /// The work is over.
    Ended,
}

type Shared = (Arc<Mutex<Stage>>, watch::Sender<usize>);

/// The work's end of it.
pub(super) struct Attended(Shared);

/// The client's end of it.
pub(super) struct Attendant(Shared);

impl Attendance {
    /// Begins a work that somebody waits for. Each end is given back by drop.
    pub(super) fn begin(&self) -> (Attended, Attendant) {
        let shared = (Arc::new(Mutex::new(Stage::Attended)), self.0.clone());
        (Attended(shared.clone()), Attendant(shared))
    }
}

impl Attended {
    /// Whether the client has gone.
    pub(super) fn was_left(&self) -> bool {
        *self.0.0.lock() == Stage::Left
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        let (stage, left) = &self.0;
        let mut stage = stage.lock();
        if *stage == Stage::Attended {
            *stage = Stage::Left;
            left.send_modify(|left| *left += 1);
        }
    }
}

impl Drop for Attended {
    fn drop(&mut self) {
        let (stage, left) = &self.0;
        let mut stage = stage.lock();
        if *stage == Stage::Left {
            left.send_modify(|left| *left -= 1);
        }
        *stage = Stage::Ended;
    }
}

impl App {
    /// Waits for what goes on after its client has gone, and at most so long. What runs longer is cut, and its claim says
    /// so.
    pub async fn unattended_ended(&self, most: Duration) {
        let mut left = self.attendance.0.subscribe();
        let over = left.wait_for(|left| *left == 0);
        drop(tokio::time::timeout(most, over).await);
    }
}
