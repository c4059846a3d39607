//! A backup as a file: it takes its place when it is whole, and leaves alone what was there until then.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::domain::time::Timestamp;
use crate::policy;
use crate::store::journal::missing_space_of;
use crate::store::open::sync_dir;

const PREFIX: &str = "atlas-";
const SUFFIX: &str = ".atlas-backup";
/// What the name ends in until it is whole.
const PARTIAL: &str = ".partial";
/// Links that are followed one behind the other, as many as the kernel follows.
const LINKS_MAX: usize = 40;

/// The name of a backup among others of the same directory: those made later sort later.
pub fn name_of(made_at: Timestamp) -> String {
    let digits = |c: &char| c.is_ascii_alphanumeric();
    // 2026-11-28T03:15:00.000Z without what some file systems refuse, and without the part of the second.
    let text = made_at.rfc3339();
    let seconds = text.split('.').next().unwrap_or_default();
    let seconds: String = seconds.chars().filter(digits).collect();
    format!("{PREFIX}{seconds}Z{SUFFIX}")
}

/// Whether it is a name that [`name_of`] gives.
fn is_name(name: &str) -> bool {
    let inner = name
        .strip_prefix(PREFIX)
        .and_then(|name| name.strip_suffix(SUFFIX));
    inner.is_some_and(|inner| {
        let shape = inner.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
        shape && inner.len() == 16
    })
}

/// What [`keep_latest`] did.
#[derive(Default)]
pub struct Kept {
    /// Backups that are gone.
    pub removed: Vec<PathBuf>,
    /// Backups of a time to come.
    pub later: Vec<PathBuf>,
}

/// Of the backups that were named by [`name_of`] in `dir`, up to the one that was just made, removes all but the latest
/// `keep`, and what killed ones have left. Those named later than it are of a clock that was ahead, or is behind now:
/// nobody knows which are the latest, so they are neither counted nor removed.
///
/// # Errors
/// One line for the operator.
pub fn keep_latest(dir: &Path, keep: usize, made: &Path) -> Result<Kept, String> {
    let list = fs::read_dir(dir).map_err(|e| format!("{} can't be listed: {e}", dir.display()))?;
    let mut names: Vec<String> = list
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    for name in &names {
        if name.strip_suffix(PARTIAL).is_some_and(is_name) {
            // One that is being written stays.
            drop(remove_leftover(&dir.join(name)));
        }
    }
    names.retain(|name| is_name(name));
    names.sort_unstable();
    let made = made.file_name().unwrap_or_default();
    let later = names.split_off(names.partition_point(|name| OsStr::new(name) <= made));
    let old = names.len().saturating_sub(keep);
    let removed = names.drain(..old).map(|name| {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Ok(()) => Ok(path),
            Err(e) => Err(format!("{} can't be removed: {e}", path.display())),
        }
    });
    Ok(Kept {
        removed: removed.collect::<Result<_, _>>()?,
        later: later.into_iter().map(|name| dir.join(name)).collect(),
    })
}

/// Opens a backup to be read.
///
/// # Errors
/// One line for the operator.
pub fn open_backup(path: &Path) -> Result<File, String> {
    File::open(path).map_err(|e| format!("{} can't be read: {e}", path.display()))
}

/// A file that is being written beside its place. Dropped without [`NewFile::keep`], it is gone.
pub struct NewFile {
    file: File,
    partial: PathBuf,
    place: PathBuf,
    dir: PathBuf,
    /// Free space that has to remain, in bytes.
    floor: u64,
    /// Bytes since that was looked at.
    unchecked: usize,
    is_kept: bool,
}

impl NewFile {
    /// The same as [`NewFile::create`], for a place that somebody has named: in the data directory every name may be the
    /// store's own, which a backup would replace.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn create_outside(place: &Path, store: &Path, min_free: u64) -> Result<Self, String> {
        let place = behind_trusted_link(place)?;
        let real = |path: &Path| fs::canonicalize(path).ok();
        let is_within = match (real(dir_of(&place)), real(store)) {
            (Some(dir), Some(store)) => dir.starts_with(store),
            (None, _) | (_, None) => false,
        };
        if is_within {
            return Err(format!(
                "{} is in the data directory, whose files are the store's own, and which a backup has to outlive: name a \
                 place outside of {}",
                place.display(),
                store.display()
            ));
        }
        Self::create(&place, store, min_free)
    }

    /// Begins a file for `place`, readable by its owner only. On the disk of the store, `min_free` twice over is left, so
    /// that payments are not refused for it.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn create(place: &Path, store: &Path, min_free: u64) -> Result<Self, String> {
        let place = behind_trusted_link(place)?;
        let fault =
            |e: &dyn std::fmt::Display| format!("{} can't be written: {e}", place.display());
        if fs::metadata(&place).is_ok_and(|there| !there.is_file()) {
            return Err(fault(&"it is no file; for a pipe, say - and redirect it"));
        }
        let name = place.file_name().ok_or_else(|| fault(&"it has no name"))?;
        let mut partial = name.to_owned();
        partial.push(PARTIAL);
        let partial = place.with_file_name(partial);
        let dir = dir_of(&place).to_owned();
        remove_leftover(&partial)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&partial)
            .map_err(|e| fault(&e))?;
        file.try_lock().map_err(|e| fault(&e))?;
        if !is_at(&file, &partial) {
            return Err(being_written(&partial));
        }
        let disk = |path: &Path| fs::metadata(path).map(|about| about.dev()).ok();
        let is_beside = disk(&dir) == disk(store);
        Ok(Self {
            file,
            partial,
            place,
            dir,
            floor: if is_beside {
                min_free.saturating_mul(2)
            } else {
                0
            },
            unchecked: 0,
            is_kept: false,
        })
    }

    /// Where it will be.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Puts it in its place: on disk, whole, when this returns.
    ///
    /// # Errors
    /// One line for the operator; then the place is as it was.
    pub fn keep(mut self) -> Result<(), String> {
        let fault = |e: std::io::Error| format!("{} can't be written: {e}", self.place.display());
        self.file.sync_all().map_err(fault)?;
        fs::rename(&self.partial, &self.place).map_err(fault)?;
        self.is_kept = true;
        sync_dir(&self.dir)
    }
}

/// Where to: behind a link, what it leads to is replaced, not the link. In a directory like /tmp anybody may have put one
/// there, and have it lead to any file of root's; there the kernel follows none either (`protected_symlinks`), but for
/// those of one's own and of the directory's owner.
fn behind_trusted_link(place: &Path) -> Result<PathBuf, String> {
    let mut place = place.to_owned();
    for _ in 0..LINKS_MAX {
        let is_link = fs::symlink_metadata(&place).is_ok_and(|there| there.is_symlink());
        if !is_link {
            return Ok(place);
        }
        place = behind_one(&place)?;
    }
    Err(format!(
        "{} is a link that leads in circles",
        place.display()
    ))
}

/// What one link leads to, which need not be there yet.
fn behind_one(place: &Path) -> Result<PathBuf, String> {
    let fault = |e: std::io::Error| format!("{} can't be read: {e}", place.display());
    let link = fs::symlink_metadata(place).map_err(fault)?;
    let (owner, own) = (link.uid(), rustix::process::geteuid().as_raw());
    let of_dir = fs::metadata(dir_of(place)).map(|dir| dir.uid());
    if owner != own && owner != 0 && !of_dir.is_ok_and(|of_dir| of_dir == owner) {
        return Err(format!(
            "{} is a link that user {owner} has put there: remove it, or name what it leads to",
            place.display()
        ));
    }
    let to = fs::read_link(place).map_err(fault)?;
    Ok(dir_of(place).join(to))
}

fn dir_of(place: &Path) -> &Path {
    place
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// What a backup that was killed has left; one that is being written is left alone.
fn remove_leftover(partial: &Path) -> Result<(), String> {
    match fs::symlink_metadata(partial) {
        Ok(there) if there.is_file() => (),
        Ok(_) => {
            return Err(irremovable(
                partial,
                &"it is no file of a backup; remove it",
            ));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(irremovable(partial, &error)),
    }
    // Since that look it may have become a link, or a pipe, on which nobody is to wait.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
        .open(partial);
    match file {
        Ok(file) => remove_opened(&file, partial),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(irremovable(partial, &error)),
    }
}

fn remove_opened(file: &File, partial: &Path) -> Result<(), String> {
    match file.try_lock() {
        // Since it was opened another may have removed it, and write a file of that name by now.
        Ok(()) if is_at(file, partial) => {
            fs::remove_file(partial).map_err(|error| irremovable(partial, &error))
        }
        Ok(()) | Err(TryLockError::WouldBlock) => Err(being_written(partial)),
        Err(TryLockError::Error(error)) => Err(irremovable(partial, &error)),
    }
}

fn irremovable(partial: &Path, why: &dyn std::fmt::Display) -> String {
    format!("{} can't be removed: {why}", partial.display())
}

fn being_written(partial: &Path) -> String {
    format!(
        "{} is being written by another backup: wait until it is done",
        partial.display()
    )
}

/// Whether this open file is still the one of that name.
fn is_at(file: &File, path: &Path) -> bool {
    let id = |about: fs::Metadata| (about.dev(), about.ino());
    let there = fs::symlink_metadata(path).map(id);
    let (open, there) = (file.metadata().map(id), there);
    matches!((open, there), (Ok(open), Ok(there)) if open == there)
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.unchecked >= policy::BACKUP_FRAME {
            self.unchecked = 0;
            if missing_space_of(&self.file, self.floor) > 0 {
                return Err(std::io::Error::new(
                    ErrorKind::StorageFull,
                    "the disk is nearly full, and it is the store's too: choose another, or free some of it",
                ));
            }
        }
        let written = self.file.write(bytes)?;
        self.unchecked += written;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_kept {
            // What stays is removed by the next one.
            drop(fs::remove_file(&self.partial));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leftover_is_removed_and_not_what_is_written_under_its_name_since() {
        let dir = tempfile::tempdir().expect("a directory");
        let (place, partial) = (dir.path().join("a"), dir.path().join("a.partial"));
        fs::write(&partial, b"of a killed one").expect("written");
        let leftover = File::open(&partial).expect("opened");
        let mut new = NewFile::create(&place, dir.path(), 0).expect("begun");
        new.write_all(b"new").expect("written");
        let refused = remove_opened(&leftover, &partial).expect_err("it is another");
        assert!(refused.contains("another backup"), "{refused}");
        assert_eq!(new.keep(), Ok(()));
        assert_eq!(fs::read(&place).expect("read"), b"new");
    }
}
