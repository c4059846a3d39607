//! Whose a data directory is. Root that takes one of another user becomes that user, the process as a whole: a file of
//! root's in there would keep the service, which runs as its owner, from ever starting again. What root restores into
//! one is given to its owner.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};

use super::open::let_go;

/// Root that is another user just now.
struct Guest {
    root: rights::Rights,
    dir: PathBuf,
    /// The way there, for as long as anything may go it: of its parents, some may be open to root alone.
    _held: File,
}

static GUEST: Mutex<Option<Guest>> = Mutex::new(None);

/// Becomes the owner of the store in `dir`, or of `dir` where there is none yet, if this is root and that is not. Gives
/// the path by which this process reaches it from then on; None when nothing had to be done.
///
/// # Errors
/// One line for the operator; then this is root as before.
pub(super) fn become_owner(dir: &Path) -> Result<Option<PathBuf>, String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let directory = i32::try_from(OFlags::DIRECTORY.bits()).unwrap_or_default();
    let held = OpenOptions::new()
        .read(true)
        .custom_flags(directory)
        .open(dir);
    // One that is missing is made, and so root's.
    let Ok(held) = held else { return Ok(None) };
    let about = held
        .metadata()
        .map_err(|e| format!("{} can't be looked at: {e}", dir.display()))?;
    let store = fs::symlink_metadata(dir.join("store"));
    let owner = store.as_ref().unwrap_or(&about);
    if owner.uid() == 0 {
        return Ok(None);
    }
    let (uid, gid) = (owner.uid(), owner.gid());
    let root = rights::become_user(uid, gid).map_err(|why| {
        format!(
            "{} belongs to user {uid}, and root can't become that user here ({why}): run this as that user",
            dir.display()
        )
    })?;
    log::info!("goes on as user {uid}, to whom {} belongs", dir.display());
    let id = |about: &Metadata| (about.dev(), about.ino());
    let is_reached = fs::metadata(dir).is_ok_and(|there| id(&there) == id(&about));
    let reached = if is_reached {
        dir.to_owned()
    } else {
        PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()))
    };
    *GUEST.lock() = Some(Guest {
        root,
        dir: reached.clone(),
        _held: held,
    });
    Ok(Some(reached))
}

/// Becomes root again, if this was root before it took a data directory. The store is closed by then; while threads of
/// sled's have it still, this stays who it is, so that they write nothing as root.
///
/// # Errors
/// One line for the operator.
pub fn be_root_again() -> Result<(), String> {
    let guest = GUEST.lock();
    let Some(guest) = guest.as_ref() else {
        return Ok(());
    };
    if !let_go(&guest.dir.join("store")) {
        return Err("the store was not let go of in time: run it once more".to_owned());
    }
    root_again(guest)
}

/// Becomes root again of a process that has become the owner of a data directory and got nothing of it.
///
/// # Errors
/// One line for the operator.
pub(super) fn step_back() -> Result<(), String> {
    let guest = GUEST.lock().take();
    guest.map_or(Ok(()), |guest| root_again(&guest))
}

fn root_again(guest: &Guest) -> Result<(), String> {
    rights::become_again(&guest.root).map_err(|why| format!("root can't be root again: {why}"))
}

/// Whose this directory is, where root has to give what it puts there to another.
pub(super) fn other_owner(dir: &Path) -> Option<(u32, u32)> {
    let about = fs::metadata(dir).ok()?;
    let is_root = rustix::process::geteuid().is_root();
    (is_root && about.uid() != 0).then(|| (about.uid(), about.gid()))
}

/// Gives a directory that this process has made, and all in it, to a user.
///
/// # Errors
/// One line for the operator.
pub(super) fn give(dir: &Path, (uid, gid): (u32, u32)) -> Result<(), String> {
    let fault = |why: &dyn std::fmt::Display| {
        format!("{} can't be given to user {uid}: {why}", dir.display())
    };
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
        .open(dir)
        .map_err(|e| fault(&e))?;
    // Who may write to its parent may have put another there.
    if !opened.metadata().is_ok_and(|about| about.uid() == 0) {
        return Err(fault(&"it is another by now"));
    }
    give_all(&opened.into(), uid, gid).map_err(|e| fault(&e))
}

/// By open directories: no path is walked, and so none that could lead elsewhere.
fn give_all(dir: &OwnedFd, uid: u32, gid: u32) -> std::io::Result<()> {
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let about = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(about.st_mode).is_dir() {
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let inner = rustix::fs::openat(dir, name, flags, Mode::empty())?;
            give_all(&inner, uid, gid)?;
        } else {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
    }
    std::os::unix::fs::fchown(dir, Some(uid), Some(gid))
}

/// What keeps this user from a data directory, to be said behind why it can't be opened: the first file that belongs to
/// another and can't be read. Nothing where there is none.
pub(super) fn hindrance(dir: &Path) -> String {
    let own = rustix::process::geteuid().as_raw();
    let folders = [
        dir.to_owned(),
        dir.join("store"),
        dir.join("store").join("blobs"),
    ];
    let files = folders.iter().flat_map(|folder| {
        let list = fs::read_dir(folder).into_iter().flatten();
        let inner = list.filter_map(Result::ok).map(|entry| entry.path());
        std::iter::once(folder.clone()).chain(inner)
    });
    let foreign = files.filter_map(|path| {
        let about = fs::symlink_metadata(&path).ok()?;
        let is_kept = about.is_file() || about.is_dir();
        let is_closed = || {
            let opened = File::open(&path);
            opened.is_err_and(|e| e.kind() == ErrorKind::PermissionDenied)
        };
        (is_kept && about.uid() != own && is_closed()).then_some((path, about.uid()))
    });
    let Some((path, owner)) = foreign.into_iter().next() else {
        return String::new();
    };
    let is_ours = fs::metadata(dir).is_ok_and(|about| about.uid() == own);
    let advice = if is_ours {
        // Through a link as well, as /var/lib/atlas is one.
        let dir = dir.display();
        format!("as root, `chown -R --reference={dir}/. {dir}/.`")
    } else {
        format!("run this as user {owner}, or as root")
    };
    format!(
        "; {} belongs to user {owner}, and this runs as user {own}: {advice}",
        path.display()
    )
}

/// The calls of the C library, which change every thread of the process (`nptl(7)`).
#[cfg(target_os = "linux")]
mod rights {
    use nix::unistd::{Gid, Uid, getegid, geteuid, getgroups, setegid, seteuid, setgroups};

    pub(super) struct Rights {
        uid: Uid,
        gid: Gid,
        groups: Vec<Gid>,
    }

    pub(super) fn become_user(uid: u32, gid: u32) -> Result<Rights, nix::Error> {
        let before = Rights {
            uid: geteuid(),
            gid: getegid(),
            groups: getgroups()?,
        };
        let become_it = || {
            setgroups(&[])?;
            setegid(Gid::from_raw(gid))?;
            seteuid(Uid::from_raw(uid))
        };
        if let Err(error) = become_it() {
            become_again(&before)?;
            return Err(error);
        }
        Ok(before)
    }

    pub(super) fn become_again(before: &Rights) -> Result<(), nix::Error> {
        if geteuid() == before.uid && getegid() == before.gid && getgroups()? == before.groups {
            return Ok(());
        }
        seteuid(before.uid)?;
        setegid(before.gid)?;
        setgroups(&before.groups)
    }
}

/// Elsewhere the C library is not asked: whoever may take the directory takes it.
#[cfg(not(target_os = "linux"))]
mod rights {
    pub(super) struct Rights;

    pub(super) fn become_user(_: u32, _: u32) -> Result<Rights, &'static str> {
        Err("it is no Linux")
    }

    pub(super) fn become_again(_: &Rights) -> Result<(), &'static str> {
        Ok(())
    }
}
