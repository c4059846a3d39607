//! Beginning anew, and where the time stands: what the mock asks of the store.

use super::journal::Urgency;
use super::rows::{Row, Table};
use super::{Store, Unavailable};
use crate::domain::time::Timestamp;

impl Store {
    /// Removes whatever came of requests: all of it or, when it could not be kept, nothing. Keys and what lets people
    /// into the Dashboard stay.
    ///
    /// # Errors
    /// [`Unavailable`] when it could not be kept.
    pub async fn reset(&self, now: Timestamp) -> Result<(), Unavailable> {
        let rows = Table::RESET.map(|table| Row::Clear { table }).to_vec();
        self.commit(Urgency::Urgent, now, rows, ()).await
    }

    /// Remembers that it is `now`, so that a later start goes on from there.
    ///
    /// # Errors
    /// [`Unavailable`] when it could not be kept.
    pub async fn note_time(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.commit(Urgency::Urgent, now, Vec::new(), ()).await
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::id::KeyId;
    use crate::domain::time::Day;
    use crate::store::Options;
    use crate::store::rows::{decode_rows, encode_rows};

    fn open(dir: &Path) -> Store {
        let options = Options {
            cache: 8 << 20,
            min_free_disk: 0,
            latest: None,
        };
        let opened = Store::open(dir, options, [7; 32]);
        opened.map(|(store, _)| store).expect("the store opens")
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(future)
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn key() -> KeyId {
        KeyId::new(at(0), [b'k'; 20])
    }

    /// Accounts for so many requests of the first day.
    fn count(store: &Store, count: u32) {
        let (done, kept) = std::sync::mpsc::channel();
        let tell = move |ok| done.send(ok).expect("the test waits");
        store.lease(Day::from_number(0), &key(), count, at(0), tell);
        assert!(kept.recv().expect("an answer"));
    }

    fn counted(store: &Store) -> Option<u32> {
        let counts = store.day_counts(Day::from_number(0)).expect("read");
        counts.get(&key()).copied()
    }

    /// The journal alone knows of it all: a store that is dropped makes no checkpoint.
    #[test]
    fn a_journal_with_a_reset_in_it_gives_what_came_after_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(dir.path());
        count(&store, 500);
        block_on(store.keep_password(Some("hash"), at(1))).expect("kept");
        block_on(store.reset(at(2))).expect("reset");
        assert_eq!(counted(&store), None);
        drop(store);
        let store = open(dir.path());
        assert_eq!(counted(&store), None, "also after a crash");
        assert_eq!(store.latest(), at(2));
        count(&store, 8);
        drop(store);
        let store = open(dir.path());
        assert_eq!(counted(&store), Some(8));
        let password = store.password().expect("read");
        assert_eq!(password.as_deref(), Some("hash"), "that stays");
    }

    #[test]
    fn a_time_that_was_noted_is_known_after_a_crash() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(dir.path());
        block_on(store.note_time(at(90_000))).expect("noted");
        drop(store);
        assert_eq!(open(dir.path()).latest(), at(90_000));
    }

    #[test]
    fn a_closed_store_can_t_be_reset_and_says_so() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(dir.path());
        store.close(at(0), &[]).expect("closed");
        assert_eq!(block_on(store.reset(at(1))), Err(Unavailable));
    }

    /// Written by the store before it could be reset.
    #[test]
    fn an_old_journal_reads_as_it_was_written() {
        let old = [0, 2, 1, b'k', 2, b'v', b'w', 1, 5, 1, b'd', 9];
        let rows = vec![
            Row::put(Table::Replies, b"k", b"vw".to_vec()),
            Row::Raise {
                table: Table::Days,
                key: b"d".to_vec(),
                to: 9,
            },
        ];
        assert_eq!(decode_rows(&old), Ok(rows.clone()));
        let mut now = Vec::new();
        encode_rows(&rows, &mut now);
        assert_eq!(now, old);
    }
}
