//! The API's open connections, counted, so that the end of a server can wait for them and Prometheus is told.

use tokio::sync::watch;

/// Counts connections.
#[derive(Clone, Default)]
pub struct Connections(watch::Sender<usize>);

/// One of them; counted until it is dropped.
pub struct Open(watch::Sender<usize>);

impl Connections {
    /// One more.
    pub fn open(&self) -> Open {
        self.0.send_modify(|open| *open += 1);
        Open(self.0.clone())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until none is open.
    pub async fn none_open(&self) {
        // It fails when nobody counts any more, and that isn't so while `self` does.
        drop(self.0.subscribe().wait_for(|open| *open == 0).await);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open = open.saturating_sub(1));
    }
}
