//! What the disk itself gives to many who want their write on it before they go on: threads append blocks to one file
//! and share `fdatasync`. Whoever finds no sync running starts one for all that was written so far; the others wait.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::stats::Sample;

const BLOCK: [u8; 4096] = [0x5a; 4096];

/// Lets `threads` append for `time`.
pub fn measure(dir: &Path, threads: usize, time: Duration) -> Outcome<Sample> {
    let path = dir.join("appends");
    let log = Log::create(&path)?;
    let stop = AtomicBool::new(false);
    let started = Instant::now();
    let latencies = std::thread::scope(|scope| {
        let append = || append_until(&stop, &log);
        let writers: Vec<_> = (0..threads).map(|_| scope.spawn(append)).collect();
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let mut latencies = Vec::new();
        for writer in writers {
            let written = writer.join().map_err(|_| "a writer panicked")?;
            latencies.extend(written?);
        }
        Ok::<_, Box<dyn std::error::Error>>(latencies)
    })?;
    let took = started.elapsed();
    std::fs::remove_file(path)?;
    Sample::of(latencies, took, Duration::ZERO)
}

fn append_until(stop: &AtomicBool, log: &Log) -> std::io::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        log.append(&BLOCK)?;
        latencies.push(started.elapsed());
    }
    Ok(latencies)
}

struct Log {
    file: File,
    state: Mutex<State>,
    synced: Condvar,
}

#[derive(Default)]
struct State {
    /// Blocks written.
    written: u64,
    /// Blocks that are on disk.
    durable: u64,
    /// Somebody syncs.
    syncing: bool,
    /// A sync failed; nothing written is known to be on disk.
    failed: bool,
}

impl Log {
    fn create(path: &Path) -> std::io::Result<Self> {
        Ok(Self {
            file: File::create(path)?,
            state: Mutex::default(),
            synced: Condvar::new(),
        })
    }

    /// Returns once the block is on disk.
    fn append(&self, block: &[u8]) -> std::io::Result<()> {
        let mut state = self.lock();
        (&self.file).write_all(block)?;
        state.written += 1;
        let mine = state.written;
        while state.durable < mine && !state.failed {
            if state.syncing {
                state = self
                    .synced
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            } else {
                state = self.sync(state)?;
            }
        }
        if state.durable < mine {
            return Err(std::io::Error::other("the disk failed"));
        }
        Ok(())
    }

    /// Syncs for everybody, while others go on writing.
    fn sync<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> std::io::Result<MutexGuard<'a, State>> {
        state.syncing = true;
        let covered = state.written;
        drop(state);
        let outcome = self.file.sync_data();
        let mut state = self.lock();
        state.syncing = false;
        match outcome {
            Ok(()) => state.durable = covered,
            Err(_) => state.failed = true,
        }
        self.synced.notify_all();
        outcome.map(|()| state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
