//! Whether whoever had a store has closed it. While somebody has it, its lock file holds a mark, which goes when the store is
//! closed. Who is killed leaves it, and so does a server whose store failed, and with which its counts are gone.

use std::fs::File;
use std::io::{Read, Write};

const MARK: &[u8] = b"open\n";

/// The lock of a store that is open.
pub(super) struct Ending {
    lock: File,
    was_left_open: bool,
}

impl Ending {
    /// The store is open. What can't be read or written here keeps none from opening: the mark tells, and decides nothing.
    pub(super) fn begin(mut lock: File) -> Self {
        let was_left_open = lock.read(&mut [0]).is_ok_and(|length| length > 0);
        if was_left_open {
            log::warn!(
                "who had this store before was killed, or its store failed: what was acknowledged is here"
            );
        } else {
            drop(lock.write_all(MARK));
        }
        Self {
            lock,
            was_left_open,
        }
    }

    /// The store is closed, and all of it on disk.
    pub(super) fn closed(&self) {
        drop(self.lock.set_len(0));
    }

    /// Whether it was not closed before.
    pub(super) const fn was_left_open(&self) -> bool {
        self.was_left_open
    }
}
