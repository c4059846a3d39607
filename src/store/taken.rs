//! Having a data directory: one process at a time has it, by the lock on a file in it, and root that takes one of another
//! user becomes that user.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::open::make_dir;
use super::owner;
use crate::policy;

/// A data directory that this process has, for as long as this lives.
#[derive(Debug)]
pub struct Taken {
    /// As its operator calls it.
    pub(super) named: PathBuf,
    /// As this process reaches it.
    pub(super) dir: PathBuf,
    /// It was there, and is another user's than the one who started this.
    pub(super) is_others: bool,
    pub(super) lock: File,
}

/// Makes the directory if it is missing, and takes it for this process, which becomes its owner if it was root. Waits a
/// little for another process to let go of it, as at a restart.
///
/// # Errors
/// One line that says what is wrong and what to do.
pub fn take(dir: &Path) -> Result<Taken, String> {
    take_within(dir, policy::LOCK_PATIENCE)?.ok_or_else(|| in_use(dir))
}

/// The same without waiting; None when another process has it. Without the directory this process is who it was.
///
/// # Errors
/// As [`take`].
pub fn take_if_free(dir: &Path) -> Result<Option<Taken>, String> {
    if is_in_use(dir) {
        return Ok(None);
    }
    let taken = take_within(dir, Duration::ZERO);
    if !matches!(taken, Ok(Some(_))) {
        let again = owner::step_back();
        return taken.and_then(|none| again.map(|()| none));
    }
    taken
}

fn take_within(named: &Path, patience: Duration) -> Result<Option<Taken>, String> {
    let reached = owner::become_owner(named).map_err(|why| why + &owner::hindrance(named))?;
    let is_others = reached.is_some();
    let dir = reached.unwrap_or_else(|| named.to_owned());
    let lock = make_dir(&dir).and_then(|()| lock(&dir, patience));
    match lock {
        Ok(Some(lock)) => Ok(Some(Taken {
            named: named.to_owned(),
            dir,
            is_others,
            lock,
        })),
        Ok(None) => Ok(None),
        Err(why) => Err(as_named(&(why + &owner::hindrance(&dir)), &dir, named)),
    }
}

/// A line for the operator, with the directory as they call it.
pub(super) fn as_named(line: &str, reached: &Path, named: &Path) -> String {
    line.replace(&*reached.to_string_lossy(), &named.to_string_lossy())
}

/// What to say of a directory that another process keeps.
pub fn in_use(dir: &Path) -> String {
    format!(
        "another process uses {}: stop it, or choose another --data-dir",
        dir.display()
    )
}

/// Takes the directory for this process, waiting so long for another to let go of it; None when it does not.
fn lock(dir: &Path, patience: Duration) -> Result<Option<File>, String> {
    let path = dir.join("lock");
    let fault = |e: &dyn std::fmt::Display| format!("{} can't be locked: {e}", path.display());
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|e| fault(&e))?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if started.elapsed() < patience => {
                std::thread::sleep(policy::LOCK_RETRY);
            }
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(fault(&error)),
        }
    }
}

/// Data directories below `parent` whose names begin so, which no process has, and which were not touched for so long.
pub fn abandoned(parent: &Path, prefix: &str, for_so_long: Duration) -> Vec<PathBuf> {
    let Ok(list) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let is_old = |path: &Path| {
        let touched = path
            .join("lock")
            .metadata()
            .and_then(|lock| lock.modified());
        touched.is_ok_and(|touched| touched.elapsed().is_ok_and(|age| age > for_so_long))
    };
    let is_free = |path: &Path| path.join("lock").exists() && !is_in_use(path);
    list.filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .filter(|path| is_old(path) && is_free(path))
        .collect()
}

/// Whether a process has this data directory.
pub fn is_in_use(dir: &Path) -> bool {
    let lock = File::open(dir.join("lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}
