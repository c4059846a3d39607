//! A copy of the whole store, while it serves or alone, and a store out of a copy.

use std::io::{Error, ErrorKind, Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::App;
use super::verify::{open_alone, options_of};
use crate::clock::{Clock, Stopwatch};
use crate::config::Settings;
use crate::policy;
use crate::store::{self, Restored, Summary, Taken, Unavailable};

impl App {
    /// Begins a backup, and gives it piece by piece; the last one says whether it is whole. Who stops reading ends it.
    pub fn backup(self: &Arc<Self>) -> Receiver<Bytes> {
        let (pieces, reader) = channel(policy::BACKUP_PIECES);
        let (app, runtime) = (Arc::clone(self), Handle::current());
        // It ends by itself, also when nobody reads.
        drop(tokio::task::spawn_blocking(move || {
            app.write_backup(Pieces { pieces, runtime });
        }));
        reader
    }

    fn write_backup(&self, out: Pieces) {
        let watch = Stopwatch::start();
        let go_on = || {
            if *self.stopping.borrow() {
                return Err("the server stops".to_owned());
            }
            if watch.elapsed() > policy::BACKUP_MOST {
                let most = policy::BACKUP_MOST.as_secs() / 60;
                return Err(format!("it is not done after {most} minutes"));
            }
            Ok(())
        };
        let written = self
            .store
            .backup(&self.pepper, self.clock.now(), &go_on, out);
        match written {
            Ok(summary) => log::info!(
                "a backup was made: {} rows and {} changes meanwhile, {} bytes, in {:.1} s",
                summary.extent.rows,
                summary.extent.changes,
                summary.bytes,
                watch.elapsed().as_secs_f64()
            ),
            Err(why) => log::warn!("no backup was made: {why}"),
        }
    }

    /// Backs up a store that nobody else has. Root is root again at the end: the file may be where only root may put it.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn backup_alone(
        taken: Taken,
        settings: &Settings,
        out: impl Write,
    ) -> Result<Summary, String> {
        let copied = Self::copy_alone(taken, settings, out);
        let again = store::be_root_again();
        let summary = copied?;
        again.map(|()| summary)
    }

    fn copy_alone(taken: Taken, settings: &Settings, out: impl Write) -> Result<Summary, String> {
        let (store, pepper) = open_alone(taken, settings)?;
        let now = store.latest().max(Clock::system().now());
        let written = store.backup(&pepper, now, &|| Ok(()), out);
        let closed = store.close(store.latest(), &[]);
        let summary = written?;
        closed.map_err(|Unavailable| "the store was not closed cleanly; see the log".to_owned())?;
        Ok(summary)
    }

    /// Makes a store out of a backup, where there is none.
    ///
    /// # Errors
    /// One line for the operator; then the place is as it was.
    pub fn restore(settings: &Settings, input: impl Read) -> Result<Restored, String> {
        store::restore(input, &settings.data_dir, options_of(settings))
    }
}

/// Whoever reads a backup piece by piece, seen from who writes it.
struct Pieces {
    pieces: Sender<Bytes>,
    runtime: Handle,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let sending = self.pieces.send(Bytes::copy_from_slice(bytes));
        let sent = self
            .runtime
            .block_on(async { tokio::time::timeout(policy::BACKUP_PATIENCE, sending).await });
        match sent {
            Ok(Ok(())) => Ok(bytes.len()),
            Ok(Err(_)) => Err(Error::new(
                ErrorKind::BrokenPipe,
                "nobody reads it any more",
            )),
            Err(_) => Err(Error::new(
                ErrorKind::TimedOut,
                "nobody has read on for a minute",
            )),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
