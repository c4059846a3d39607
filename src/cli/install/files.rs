//! Files in their place: whole or not at all, and also while what they replace runs.

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Everybody may read it.
pub(super) const READABLE: u32 = 0o644;
/// Everybody may run it, or look into it.
const RUNNABLE: u32 = 0o755;

/// Puts the program that runs now at `path`.
pub(super) fn put_program(path: &Path) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|e| format!("this program can't be found: {e}"))?;
    if fs::canonicalize(path).is_ok_and(|there| there == own) {
        return Ok(());
    }
    let bytes = fs::read(&own).map_err(|e| format!("{} can't be read: {e}", own.display()))?;
    put(path, &bytes, RUNNABLE)
}

/// Whether it is a unit's mask: a package that was removed leaves them, and they are its own to take away.
pub(super) fn is_mask(path: &Path) -> bool {
    fs::read_link(path).is_ok_and(|to| to == Path::new("/dev/null"))
}

/// Whether something is there, if only a link that leads nowhere, that is no mask.
pub(super) fn is_own(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok() && !is_mask(path)
}

/// What is written there, if anything is.
pub(super) fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Writes it beside its place, and then moves it there: a program that runs can't be written to, but replaced.
pub(super) fn put(path: &Path, bytes: &[u8], mode: u32) -> Result<(), String> {
    let fault = |e: std::io::Error| format!("{} can't be written: {e}", path.display());
    let dir = path.parent().unwrap_or(Path::new("/"));
    make_dir(dir).map_err(fault)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.new"));
    let written = write(&beside, bytes, mode).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What is left would be replaced by the next attempt.
        drop(fs::remove_file(&beside));
    }
    written.map_err(fault)?;
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(fault)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

/// Makes the directories that are missing, for everybody to look into.
fn make_dir(dir: &Path) -> std::io::Result<()> {
    // A relative path ends where the process stands.
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        make_dir(parent)?;
    }
    fs::create_dir(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(RUNNABLE))
}

pub(super) fn remove(path: &Path) -> Result<(), String> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => {
            Err(format!("{} can't be removed: {e}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
