//! Whose turn it is: what changes a session waits until the change before it is on disk, so that each decides by what
//! the one before it left.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::domain::id::SessionId;
use crate::policy;

/// The right to change a session; dropped, it is the next one's turn.
pub(super) type Turn = OwnedMutexGuard<()>;

/// Who may change which session. Sessions share a place by chance, so that there is a bound on the places; what waits
/// for a stranger's commit waits no longer than for its own.
pub(super) struct Turns(Vec<Arc<Mutex<()>>>);

impl Turns {
    pub(super) fn new() -> Self {
        Self((0..policy::TURNS).map(|_| Arc::default()).collect())
    }

    /// Waits for the turn to change a session.
    pub(super) async fn of(&self, session: &SessionId) -> Turn {
        // The last characters are random.
        let random = session.as_bytes()[SessionId::LENGTH - 8..].iter();
        let place = random.fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(*byte))
        });
        Arc::clone(&self.0[place % self.0.len()]).lock_owned().await
    }
}
