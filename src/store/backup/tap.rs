//! Where a backup listens to the writer: while one does, every group that is logged is also kept in a file of its own,
//! which has no name and so is gone with whoever has it open.

use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use parking_lot::{Mutex, MutexGuard};

use crate::domain::time::Timestamp;
use crate::policy;
use crate::store::journal::missing_space;

/// What the writer and a backup share.
#[derive(Default)]
pub(in crate::store) struct Tap(Mutex<State>);

#[derive(Default)]
struct State {
    /// The last group that was logged.
    group: u64,
    latest: Timestamp,
    /// There will be no more groups.
    is_closed: bool,
    /// What a backup that listens has heard, or why it can't have heard all.
    spool: Option<Result<Spool, String>>,
}

impl Tap {
    /// Nobody listens yet. `group` is the last one so far.
    pub(in crate::store) fn new(group: u64, latest: Timestamp) -> Self {
        Self(Mutex::new(State {
            group,
            latest,
            ..State::default()
        }))
    }

    /// For the writer, to be held while it logs and applies one group: a backup begins and ends between two groups.
    pub(in crate::store) fn turn(&self) -> Turn<'_> {
        Turn(self.0.lock())
    }

    /// There will be no more groups: what is written now comes beside the log.
    pub(in crate::store) fn close(&self) {
        self.0.lock().is_closed = true;
    }

    /// Begins to listen: whatever was logged before is in the tables, whatever comes after is heard.
    ///
    /// # Errors
    /// One line that says why nobody can listen now.
    pub(super) fn listen(&self, dir: &Path, min_free: u64) -> Result<Listener<'_>, String> {
        let spool = Spool::new(dir, min_free)?;
        let mut state = self.0.lock();
        if state.spool.is_some() {
            return Err("another backup is being made: wait until it is done".to_owned());
        }
        state.check()?;
        state.spool = Some(Ok(spool));
        Ok(Listener(self))
    }
}

impl State {
    fn check(&self) -> Result<(), String> {
        if self.is_closed {
            return Err("the server stops".to_owned());
        }
        match &self.spool {
            Some(Err(why)) => Err(why.clone()),
            Some(Ok(_)) | None => Ok(()),
        }
    }
}

/// The writer's turn with one group.
pub(in crate::store) struct Turn<'a>(MutexGuard<'a, State>);

impl Turn<'_> {
    /// A group is logged: so many rows, encoded in these bytes.
    pub(in crate::store) fn logged(
        &mut self,
        group: u64,
        latest: Timestamp,
        count: usize,
        rows: &[u8],
    ) {
        (self.0.group, self.0.latest) = (group, latest);
        if let Some(Ok(spool)) = &mut self.0.spool
            && let Err(why) = spool.write(count, rows)
        {
            self.0.spool = Some(Err(why));
        }
    }
}

/// A backup that listens.
pub(super) struct Listener<'a>(&'a Tap);

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        self.0.0.lock().spool = None;
    }
}

/// What was heard, and after which group that was.
pub(super) struct Heard {
    pub(super) group: u64,
    pub(super) latest: Timestamp,
    spool: Spool,
}

impl Listener<'_> {
    /// Whether all was heard so far.
    pub(super) fn check(&self) -> Result<(), String> {
        self.0.0.lock().check()
    }

    /// Ends between two groups.
    ///
    /// # Errors
    /// One line that says why not all was heard.
    pub(super) fn end(self) -> Result<Heard, String> {
        let mut state = self.0.0.lock();
        state.check()?;
        let spool = state.spool.take();
        let (group, latest) = (state.group, state.latest);
        drop(state);
        let spool = spool.unwrap_or_else(|| Err("nobody listened".to_owned()))?;
        Ok(Heard {
            group,
            latest,
            spool,
        })
    }
}

impl Heard {
    /// Reads the groups in their order, some at a time; each is given as its count of rows and their bytes.
    pub(super) fn read(
        self,
        mut each: impl FnMut(u32, &[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut file = self.spool.file;
        file.rewind().map_err(|e| unusable(&e))?;
        let mut file = BufReader::new(file);
        let (mut left, mut rows, mut count) = (self.spool.groups, Vec::new(), 0);
        while left > 0 {
            let (mut head, at) = ([0; 8], rows.len());
            file.read_exact(&mut head).map_err(|e| unusable(&e))?;
            let [a, b, c, d, length @ ..] = head;
            rows.resize(at + u32::from_be_bytes(length) as usize, 0);
            file.read_exact(&mut rows[at..]).map_err(|e| unusable(&e))?;
            count += u32::from_be_bytes([a, b, c, d]);
            left -= 1;
            if rows.len() >= policy::BACKUP_FRAME || left == 0 {
                each(count, &rows)?;
                rows.clear();
                count = 0;
            }
        }
        Ok(())
    }
}

/// Groups that were logged, in a file without a name.
struct Spool {
    file: File,
    dir: PathBuf,
    min_free: u64,
    bytes: u64,
    groups: u64,
}

impl Spool {
    fn new(dir: &Path, min_free: u64) -> Result<Self, String> {
        Ok(Self {
            file: tempfile::tempfile_in(dir).map_err(|e| unusable(&e))?,
            dir: dir.to_owned(),
            min_free,
            bytes: 0,
            groups: 0,
        })
    }

    /// A group is its count of rows, its length, and its rows.
    fn write(&mut self, count: usize, rows: &[u8]) -> Result<(), String> {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
        let group = [&number(count), &number(rows.len()), rows].concat();
        self.bytes += group.len() as u64;
        if self.bytes > policy::BACKUP_SPOOL {
            return Err(format!(
                "more than {} MiB were written meanwhile: make it when less is going on",
                policy::BACKUP_SPOOL >> 20
            ));
        }
        // While payments are refused for want of space, hardly anything is written, and a backup is what is wanted.
        let floor = self.min_free.saturating_mul(2);
        if self.bytes > policy::BACKUP_SPOOL_FREE && missing_space(&self.dir, floor) > 0 {
            return Err("the disk of the store is nearly full: free some of it first".to_owned());
        }
        self.groups += 1;
        self.file.write_all(&group).map_err(|e| unusable(&e))
    }
}

fn unusable(error: &std::io::Error) -> String {
    format!("what is written meanwhile can't be kept aside: {error}")
}
