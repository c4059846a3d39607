//! `atlas backup`.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use clap::Args;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Bytes, Incoming};

use super::remote::DoneBy;
use super::{Failure, note, remote, say, settings_of_store, to_json};
use crate::app::App;
use crate::clock::Clock;
use crate::config::{Place, Settings};
use crate::policy;
use crate::store::{Kept, NewFile, Summary, check_copy, keep_latest, name_of};

/// Where to
#[derive(Args)]
pub(super) struct Backup {
    /// File to write; in a directory, a file named by the time; - for standard output
    #[arg(value_name = "FILE|DIR|-")]
    to: PathBuf,
    /// In a directory: remove all but the latest N backups that were named by the time; what is named for a time to come is neither counted nor removed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
}

/// Writes a backup, and says what is in it.
pub(super) fn run(place: &Place, asked: &Backup, json: bool) -> Result<(), Failure> {
    let is_directory = asked.to.is_dir();
    if asked.keep.is_some() && !is_directory {
        return Err(Failure::Usage(format!(
            "--keep needs a directory that is there, and {} is none",
            asked.to.display()
        )));
    }
    let settings = settings_of_store(place)?;
    let failed = |why: String| Failure::Failed(format!("no backup was made: {why}"));
    let system = actix_web::rt::System::new();
    if asked.to == Path::new("-") {
        let out = std::io::stdout();
        if out.is_terminal() {
            let line = "a backup is nothing to read: send standard output to a file or a pipe";
            return Err(Failure::Usage(line.to_owned()));
        }
        let (summary, _) = system.block_on(back_up(&settings, out)).map_err(failed)?;
        let line = if json {
            to_json(&summary)?
        } else {
            describe(&summary)
        };
        // Standard output is the backup.
        note(&line);
        return Ok(());
    }
    let to = if is_directory {
        asked.to.join(name_of(Clock::system_now()))
    } else {
        asked.to.clone()
    };
    let file =
        NewFile::create_outside(&to, &settings.data_dir, settings.min_free_disk).map_err(failed)?;
    let to = file.place().to_owned();
    let (summary, file) = system.block_on(back_up(&settings, file)).map_err(failed)?;
    file.keep().map_err(failed)?;
    let kept = match asked.keep {
        Some(keep) => keep_latest(&asked.to, keep as usize, &to).map_err(|why| {
            Failure::Failed(format!(
                "{} is made, and older ones stay: {why}",
                to.display()
            ))
        })?,
        None => Kept::default(),
    };
    tell(&summary, &to, &kept, json)
}

/// Says what was made, what is gone for it, and what can't be placed among them.
fn tell(summary: &Summary, to: &Path, kept: &Kept, json: bool) -> Result<(), Failure> {
    if json {
        let mut told = serde_json::json!(summary);
        told["file"] = to.display().to_string().into();
        // A path may be no UTF-8, and JSON is.
        let shown = |paths: &[PathBuf]| -> serde_json::Value {
            paths.iter().map(|path| path.to_string_lossy()).collect()
        };
        told["removed"] = shown(&kept.removed);
        told["later"] = shown(&kept.later);
        return say(&to_json(&told)?);
    }
    say(&to.display().to_string())?;
    note(&describe(summary));
    for path in &kept.removed {
        note(&format!("{} is removed.", path.display()));
    }
    for path in &kept.later {
        note(&format!(
            "{} is named for a time to come, so it is neither counted nor removed: set the clock right, and remove it if its time is wrong.",
            path.display()
        ));
    }
    Ok(())
}

fn describe(summary: &Summary) -> String {
    format!(
        "{} rows of {} in {} bytes. Keep it as safe as the server: it has what secrets are hashed with.",
        summary.extent.rows,
        summary.head.made_at.spelled(),
        summary.bytes
    )
}

/// Lets the server write it that uses the data directory; with none running, opens the store.
async fn back_up<W: Write + Send + 'static>(
    settings: &Settings,
    mut out: W,
) -> Result<(Summary, W), String> {
    let server = match remote::done_by(settings).await? {
        DoneBy::Server(server) => server,
        DoneBy::Us(taken) => return Ok((App::backup_alone(taken, settings, &mut out)?, out)),
    };
    let fault = |why: &dyn std::fmt::Display| remote::no_answer(settings, why);
    let sent = remote::send(server, "/backup", Vec::new());
    let answer = remote::within(policy::BACKUP_PATIENCE, sent).await;
    let answer = answer.map_err(|e| fault(&*e))?;
    if answer.status() != StatusCode::OK {
        let line = "it is of another version than this command: start it anew";
        return Err(fault(&line));
    }
    let (pieces, copied) = sync_channel(policy::BACKUP_PIECES);
    let copier = std::thread::spawn(move || {
        let pieces = Pieces {
            pieces: copied,
            piece: Bytes::new(),
        };
        (check_copy(pieces, &mut out), out)
    });
    let handed_over = hand_over(answer.into_body(), pieces).await;
    // Also when nothing came of it: what it has written is removed then.
    let (summary, out) = copier
        .join()
        .map_err(|_| "it could not be copied".to_owned())?;
    handed_over.map_err(|why| fault(&why))?;
    Ok((summary?, out))
}

/// Gives on what comes from the server, until one side ends it.
async fn hand_over(mut body: Incoming, pieces: SyncSender<Bytes>) -> Result<(), String> {
    loop {
        let next = tokio::time::timeout(policy::BACKUP_PATIENCE, body.frame()).await;
        let frame = match next {
            Ok(None) => return Ok(()),
            Ok(Some(frame)) => frame.map_err(|e| format!("it broke off ({e})"))?,
            Err(_) => return Err("nothing came for a minute".to_owned()),
        };
        let piece = frame.into_data().unwrap_or_default();
        // Who copies has given up, and says why.
        if pieces.send(piece).is_err() {
            return Ok(());
        }
    }
}

/// What comes from the server, as one thread reads it from another.
struct Pieces {
    pieces: Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        if self.piece.is_empty() {
            self.piece = self.pieces.recv().unwrap_or_default();
        }
        let length = self.piece.len().min(bytes.len());
        bytes[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}
