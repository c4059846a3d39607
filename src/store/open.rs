//! Opening a data directory: who may, what a hard stop left behind, and the pepper.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use parking_lot::Mutex;

use super::ending::Ending;
use super::journal::{Health, Journal};
use super::tables::{CHECKPOINT, Tables};
use super::taken::{Taken, as_named, take};
use super::wal::Wal;
use super::{Options, Store, format, owner, told};
use crate::domain::secret::Pepper;
use crate::policy;

const PEPPER_FILE: &str = "pepper";
/// The name of the thread that opens the store: a panic in it is sled's word for a damaged file, and is told as that.
pub const OPENER: &str = "store-open";

/// What opening a data directory gives.
struct Opened {
    journal: Journal,
    pepper: Pepper,
}

impl Store {
    /// Opens the store in `dir`, or makes one, with `random` as its pepper. Root becomes the owner of `dir`.
    ///
    /// # Errors
    /// One line that says what is wrong and what to do.
    pub fn open(dir: &Path, options: Options, random: [u8; 32]) -> Result<(Self, Pepper), String> {
        Self::open_in(take(dir)?, options, random)
    }

    /// The same in a directory that this process has taken.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_in(
        taken: Taken,
        options: Options,
        random: [u8; 32],
    ) -> Result<(Self, Pepper), String> {
        let (reached, named) = (taken.dir.clone(), taken.named.clone());
        Self::open_taken(taken, options, random)
            .map_err(|why| as_named(&(why + &owner::hindrance(&reached)), &reached, &named))
    }

    /// The same, with what is wrong as this process sees it.
    pub(super) fn open_taken(
        taken: Taken,
        options: Options,
        random: [u8; 32],
    ) -> Result<(Self, Pepper), String> {
        let Opened { journal, pepper } = open(&taken, options, random)?;
        let (trees, latest) = (Arc::clone(&journal.tables.trees), journal.latest());
        let (tap, figures) = (Arc::clone(&journal.tap), Arc::clone(&journal.figures));
        let health = Arc::new(Health::default());
        let (sender, queue) = sync_channel(policy::QUEUE);
        let watched = Arc::clone(&health);
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || journal.run(&queue, &watched))
            .map_err(|e| format!("no thread could be started: {e}"))?;
        let writer = Mutex::new(Some((sender, writer)));
        Ok((
            Self {
                trees,
                tap,
                unlogged: Mutex::default(),
                health,
                figures,
                dir: taken.dir,
                options,
                latest,
                logged_time: AtomicU64::new(0),
                ending: Ending::begin(taken.lock),
                writer,
            },
            pepper,
        ))
    }
}

/// Opens or makes the store and the pepper in a directory that is taken.
fn open(taken: &Taken, options: Options, random: [u8; 32]) -> Result<Opened, String> {
    let dir = taken.dir.as_path();
    let store_dir = dir.join("store");
    let is_new = !store_dir.join("db").exists();
    if is_new && Wal::exists(&store_dir) {
        return Err(format!(
            "{} has lost its store: restore a backup into an empty directory",
            dir.display()
        ));
    }
    make_dir(&store_dir)?;
    let db = open_database(&store_dir, options)?;
    let found = format::check(&db, dir, is_new)?;
    let meta = db.open_tree("meta").map_err(|e| unreadable(&e))?;
    let pepper = pepper(dir, &meta, random)?;
    // Before the first checkpoint nothing was acknowledged, and a kill may have left half a journal.
    if !meta.contains_key(CHECKPOINT).map_err(|e| unreadable(&e))? {
        if Wal::is_used(&store_dir) {
            return Err(damaged(&store_dir, "its tables are gone"));
        }
        Wal::create(&store_dir, 0)
            .map_err(|e| format!("the journal can't be made in {}: {e}", store_dir.display()))?;
    }
    // Before the first checkpoint, which says that all of it is there.
    sync_dir(&store_dir)?;
    sync_dir(dir)?;
    if !taken.is_others {
        // A directory just made is an entry of its parent, and that one may be just made as well.
        sync_dir(or_here(dir.parent()))?;
        for above in dir.ancestors().skip(2) {
            // One that we may not open was made by others.
            drop(sync_dir(or_here(Some(above))));
        }
    }
    let tables = Tables::new(db, &store_dir, found)?;
    let mut journal = Journal::recover(tables, store_dir.clone(), options)?;
    if let Some(old) = found.older() {
        format::migrate(dir, &mut journal, &pepper, old, options)?;
    }
    Ok(Opened { journal, pepper })
}

pub(super) fn unreadable(error: &sled::Error) -> String {
    format!("the store can't be read: {}", told(error))
}

pub(super) fn make_dir(dir: &Path) -> Result<(), String> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| format!("the directory {} can't be made: {e}", dir.display()))
}

/// A relative path ends where the process stands.
fn or_here(dir: Option<&Path>) -> &Path {
    dir.filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

pub(super) fn sync_dir(dir: &Path) -> Result<(), String> {
    File::open(dir)
        .and_then(|handle| handle.sync_all())
        .map_err(|e| format!("{} can't be synced: {e}", dir.display()))
}

pub(super) fn open_database(dir: &Path, options: Options) -> Result<sled::Db, String> {
    remove_unfinished_snapshots(dir)?;
    let mut opened = open_once(dir, options);
    // A store closed a moment ago in this process may still be held by a thread of sled's.
    let started = Instant::now();
    while matches!(opened, Err(OpenError::Locked)) && started.elapsed() < policy::LOCK_PATIENCE {
        std::thread::sleep(policy::LOCK_RETRY);
        opened = open_once(dir, options);
    }
    if let Err(OpenError::Damaged(why)) = &opened
        && set_snapshots_aside(dir)? > 0
    {
        log::error!("the store did not open ({why}); its snapshots are set aside, trying without");
        opened = open_once(dir, options);
    }
    if matches!(opened, Err(OpenError::Damaged(_))) {
        opened = open_without_conf(dir, options).map_or(opened, Ok);
    }
    let db = opened.map_err(|error| error.line(dir))?;
    // sled never syncs this one.
    File::open(dir.join("conf"))
        .and_then(|conf| conf.sync_all())
        .map_err(|e| format!("{}/conf: {e}", dir.display()))?;
    Ok(db)
}

/// sled's `conf` only repeats what we ask for; one that a crash left half written must not be the end of the store. None
/// when the store does not open without it either; then it is put back.
fn open_without_conf(dir: &Path, options: Options) -> Option<sled::Db> {
    let (conf, aside) = (dir.join("conf"), dir.join("conf.bad"));
    fs::rename(&conf, &aside).ok()?;
    match open_once(dir, options) {
        Ok(db) => {
            log::error!(
                "the store did not open by its conf, which is made anew; the old one is {}",
                aside.display()
            );
            Some(db)
        }
        Err(_) => {
            drop(fs::rename(&aside, &conf));
            None
        }
    }
}

enum OpenError {
    Locked,
    Damaged(String),
    Other(String),
}

impl OpenError {
    fn line(&self, dir: &Path) -> String {
        match self {
            Self::Locked => format!("another process uses {}: stop it", dir.display()),
            Self::Damaged(why) => damaged(dir, why),
            Self::Other(why) => format!("the store in {} can't be opened: {why}", dir.display()),
        }
    }
}

/// What to say of a store that has lost something.
pub(super) fn damaged(dir: &Path, why: &str) -> String {
    format!(
        "the store in {} is damaged ({why}): restore a backup into an empty directory",
        dir.display()
    )
}

/// sled panics on some damage where it should return an error; a thread of its own turns that into one.
fn open_once(dir: &Path, options: Options) -> Result<sled::Db, OpenError> {
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(options.cache)
        .segment_size(policy::SEGMENT)
        .flush_every_ms(Some(500));
    let opener = std::thread::Builder::new()
        .name(OPENER.to_owned())
        .spawn(move || config.open());
    let opener =
        opener.map_err(|e| OpenError::Other(format!("no thread could be started: {e}")))?;
    match opener.join() {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(sled::Error::Io(error))) if error.to_string().contains("could not acquire lock") => {
            Err(OpenError::Locked)
        }
        Ok(Err(sled::Error::Io(error))) => Err(OpenError::Other(error.to_string())),
        Ok(Err(sled::Error::Corruption { at, .. })) => {
            log::debug!("sled has found bad bytes at {at:?}");
            Err(OpenError::Damaged("its file has bad bytes".to_owned()))
        }
        Ok(Err(error)) => Err(OpenError::Other(error.to_string())),
        Err(_) => Err(OpenError::Damaged(
            "its log can't be read to the end".to_owned(),
        )),
    }
}

fn snapshots(dir: &Path) -> Result<Vec<std::path::PathBuf>, String> {
    let list = fs::read_dir(dir).map_err(|e| format!("{} can't be listed: {e}", dir.display()))?;
    let is_snapshot = |path: &std::path::PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with("snap."))
    };
    Ok(list
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(is_snapshot)
        .collect())
}

/// A kill while sled writes a snapshot leaves `snap.*.generating`, which keeps it from ever opening again.
fn remove_unfinished_snapshots(dir: &Path) -> Result<(), String> {
    for path in snapshots(dir)?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "generating"))
    {
        fs::remove_file(&path).map_err(|e| format!("{} can't be removed: {e}", path.display()))?;
        log::warn!("an unfinished snapshot was removed: {}", path.display());
    }
    Ok(())
}

/// Snapshots only speed up a start; an empty or torn one must not be the end of the store.
fn set_snapshots_aside(dir: &Path) -> Result<usize, String> {
    let snapshots = snapshots(dir)?;
    for path in &snapshots {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().replacen("snap.", "bad-snapshot.", 1));
        let aside = path.with_file_name(name.unwrap_or_default());
        fs::rename(path, &aside)
            .map_err(|e| format!("{} can't be set aside: {e}", path.display()))?;
    }
    Ok(snapshots.len())
}

/// Reads the pepper, or makes it for a store that has none yet. It lies beside the store, so that the store's files
/// alone can't be used to try secrets.
fn pepper(dir: &Path, meta: &sled::Tree, random: [u8; 32]) -> Result<Pepper, String> {
    let path = dir.join(PEPPER_FILE);
    let known = meta.get("pepper").map_err(|e| unreadable(&e))?;
    let pepper = match File::open(&path) {
        Ok(file) => {
            read_pepper(file).ok_or_else(|| format!("{} is not a pepper file", path.display()))?
        }
        Err(e) if e.kind() == ErrorKind::NotFound && known.is_none() => {
            write_pepper(&path, random)?
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return Err(format!(
                "{} is missing: without it no key works; put it back from a backup",
                path.display()
            ));
        }
        Err(e) => return Err(format!("{} can't be read: {e}", path.display())),
    };
    match known {
        Some(fingerprint) if fingerprint != pepper.fingerprint() => Err(format!(
            "{} is not the pepper that this store's keys were hashed with; put the right one back",
            path.display()
        )),
        Some(_) => Ok(pepper),
        None => {
            meta.insert("pepper", &pepper.fingerprint())
                .map_err(|e| format!("the store can't be written: {e}"))?;
            Ok(pepper)
        }
    }
}

fn read_pepper(mut file: File) -> Option<Pepper> {
    let mut bytes = [0; 32];
    file.read_exact(&mut bytes).ok()?;
    (file.read(&mut [0]).ok()? == 0).then(|| Pepper::new(bytes))
}

/// Writes the pepper of a store that is restored, and says to the store that it is its own.
pub(super) fn put_pepper(dir: &Path, meta: &sled::Tree, bytes: [u8; 32]) -> Result<(), String> {
    pepper(dir, meta, bytes).map(drop)
}

/// Waits until sled has let go of a store that was closed in this process: it still has threads of its own then. Says
/// whether it has.
pub(super) fn let_go(store_dir: &Path) -> bool {
    let started = Instant::now();
    let is_held = || {
        let db = File::open(store_dir.join("db"));
        db.is_ok_and(|db| matches!(db.try_lock(), Err(TryLockError::WouldBlock)))
    };
    while is_held() {
        if started.elapsed() > policy::LOCK_PATIENCE {
            return false;
        }
        std::thread::sleep(policy::LOCK_RETRY);
    }
    true
}

/// Written aside, synced and renamed, so that a kill leaves a whole pepper or none.
fn write_pepper(path: &Path, random: [u8; 32]) -> Result<Pepper, String> {
    let fault = |e: std::io::Error| format!("{} can't be written: {e}", path.display());
    let aside = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)
        .map_err(fault)?;
    file.write_all(&random)
        .and_then(|()| file.sync_all())
        .map_err(fault)?;
    fs::rename(&aside, path).map_err(fault)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))?;
    Ok(Pepper::new(random))
}
