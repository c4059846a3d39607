//! What lets people into the Dashboard, as far as it outlives the process.

use super::journal::Urgency;
use super::rows::{Row, Table, Unreadable};
use super::{Store, Unavailable};
use crate::domain::time::Timestamp;

/// The row that holds the hash of the password, empty for none.
const PASSWORD: &[u8] = b"password";

impl Store {
    /// The hash of the Dashboard's password, if one is set.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn password(&self) -> Result<Option<String>, Unavailable> {
        let read = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| Unreadable);
        let hash = self.read(Table::Operator, PASSWORD, read)?;
        Ok(hash.filter(|hash| !hash.is_empty()))
    }

    /// Keeps the hash of the Dashboard's password; None for no password.
    ///
    /// # Errors
    /// [`Unavailable`] when it could not be kept.
    pub async fn keep_password(
        &self,
        hash: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let hash = hash.unwrap_or_default().as_bytes().to_vec();
        let row = Row::put(Table::Operator, PASSWORD, hash);
        self.commit(Urgency::Urgent, now, vec![row], ()).await
    }
}
