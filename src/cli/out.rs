//! What a command writes: its result to standard output, everything else to standard error.

use std::io::{ErrorKind, Write};
use std::path::Path;

use super::Failure;
use crate::config::Settings;
use crate::logging;

/// Writes a line of the result to standard output.
///
/// # Errors
/// It could not be written. Who has closed the other end, as `head` does, has enough of it: of that nothing is said.
pub(super) fn say(line: &str) -> Result<(), Failure> {
    write(line).map_err(|e| {
        if e.kind() == ErrorKind::BrokenPipe {
            return Failure::Unread;
        }
        Failure::Failed(format!(
            "what was asked is done, but its result could not be written to standard output: {e}"
        ))
    })
}

/// Writes a line with a secret that is shown only now. Without it there is no other way than `again`.
///
/// # Errors
/// It could not be written, and is lost, whoever was to read it.
pub(super) fn say_secret(line: &str, again: &str) -> Result<(), Failure> {
    write(line).map_err(|e| {
        Failure::Failed(format!(
            "the secret could not be written to standard output, and is lost ({e}): {again}"
        ))
    })
}

/// Writes what a server says when it is ready. Nobody listening there is no reason to stop serving.
pub(super) fn announce(line: &str) {
    drop(write(line));
}

fn write(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush())
}

/// Writes a line to standard error, for people.
pub(super) fn note(line: &str) {
    logging::say_beside(log::Level::Info, line);
}

/// Writes why a command came to nothing, before any log has begun.
pub(super) fn complain(why: &str) {
    logging::say_beside(log::Level::Error, &format!("error: {why}"));
}

/// Prints what clap has to say: help where somebody asked for it, else what is wrong. Gives the exit code.
pub(super) fn usage(error: &clap::Error) -> u8 {
    if error.use_stderr() {
        if logging::is_journal() {
            logging::say_beside(log::Level::Error, error.render().to_string().trim_end());
        } else {
            // Of a failure to say what is wrong nothing can be said either.
            drop(error.print());
        }
        return 2;
    }
    match error.print() {
        Ok(()) => 0,
        Err(e) => {
            if e.kind() != ErrorKind::BrokenPipe {
                complain(&format!(
                    "the help could not be written to standard output: {e}"
                ));
            }
            1
        }
    }
}

/// What has to follow a command that is about this store, as a shell reads it; nothing for the usual place.
pub(super) fn at(settings: &Settings) -> String {
    if settings.data_dir_is_default {
        return String::new();
    }
    format!(" --data-dir {}", quoted(&settings.data_dir))
}

/// A line that says commands between backticks: with where their store is, so that each works word for word.
pub(super) fn placed(line: &str, at: &str) -> String {
    let parts = line.split('`').enumerate().map(|(part, text)| {
        let is_command = part % 2 == 1 && text.starts_with("atlas ") && !text.contains(at);
        let at = if is_command { at } else { "" };
        format!("{text}{at}")
    });
    parts.collect::<Vec<_>>().join("`")
}

/// A path as a shell reads it.
pub(super) fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    if !path.is_empty() && path.chars().all(is_plain) {
        return path.into_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}
