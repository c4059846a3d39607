//! Looking at every row of the store, while it serves or alone.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::App;
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::secret::Pepper;
use crate::store::{Options, Store, Taken, Unavailable, Verification};
use crate::{entropy, policy};

/// What is asked about the store as a whole, by the command line.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct VerifyCommand {
    /// Remove pointers to nothing.
    pub repair: bool,
}

/// What becomes of a [`VerifyCommand`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyAnswer {
    /// What the walk has found.
    Verified(Verification),
    /// It could not be done, as a sentence without its full stop.
    Failed(String),
}

impl From<Result<Verification, Unavailable>> for VerifyAnswer {
    fn from(verified: Result<Verification, Unavailable>) -> Self {
        match verified {
            Ok(found) => Self::Verified(found),
            Err(Unavailable) => Self::Failed("the store can't be read; see the log".to_owned()),
        }
    }
}

impl App {
    /// Looks at every row while the store serves.
    pub async fn verify(self: &Arc<Self>, command: VerifyCommand) -> VerifyAnswer {
        let (app, now) = (Arc::clone(self), self.clock.now());
        let work = tokio::task::spawn_blocking(move || app.store.verify(command.repair, now));
        work.await.unwrap_or(Err(Unavailable)).into()
    }

    /// Looks at every row of a store that nobody else has, also of one that does not serve any more.
    ///
    /// # Errors
    /// One line that says why it can't be opened, or closed.
    pub fn verify_alone(
        taken: Taken,
        settings: &Settings,
        command: VerifyCommand,
    ) -> Result<VerifyAnswer, String> {
        let (store, _) = open_alone(taken, settings)?;
        let now = store.latest().max(Clock::system().now());
        let verified = store.verify(command.repair, now);
        store
            .close(now, &[])
            .map_err(|Unavailable| "the store was not closed cleanly; see the log".to_owned())?;
        Ok(verified.into())
    }
}

/// Opens a store without serving it.
pub(super) fn open_alone(taken: Taken, settings: &Settings) -> Result<(Store, Pepper), String> {
    let random =
        entropy::bytes().map_err(|_| "the operating system gives no randomness".to_owned())?;
    Store::open_in(taken, options_of(settings), random)
}

pub(super) fn options_of(settings: &Settings) -> Options {
    Options {
        cache: settings.store_cache.min(policy::CACHE_ALONE),
        min_free_disk: settings.min_free_disk,
        latest: None,
    }
}
