//! Files with a secret in them: one that everybody on the machine may use is none.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Opens a file with a secret in it.
///
/// # Errors
/// Why it can't be used, as what follows its name.
pub(super) fn open(path: &Path) -> Result<File, String> {
    let unreadable = |e: std::io::Error| format!("can't be read: {e}");
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.mode();
    if mode & 0o007 != 0 {
        return Err(format!(
            "everybody on this machine may use it; `chmod o= {}` keeps it secret",
            path.display()
        ));
    }
    Ok(file)
}
