//! The log: env_logger, to standard error, with `RUST_LOG` as usual. Whatever a line says, a secret in it is masked
//! before it is written, also in lines of the libraries below us.

mod layout;
mod quiet;
mod stamp;

use std::io::Write;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use self::layout::Layout;
use self::quiet::Quiet;
use crate::clock::Clock;
use crate::config::LogFormat;
use crate::policy;

/// What is logged when nobody says otherwise.
const USUAL: &str = "info,actix_server=warn";

/// The running log. Dropping it writes the last lines.
pub struct Log {
    layout: Layout,
    lines: Arc<Lines>,
    has_writer: bool,
}

/// Lines on their way: one system call writes all that have come since the last one.
#[derive(Default)]
struct Lines {
    waiting: Mutex<Waiting>,
    came: Condvar,
    went: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    ended: bool,
    /// The last line is out.
    written: bool,
}

/// Starts the log. Without `RUST_LOG` it tells what an operator wants to know: `info`.
pub fn start(format: LogFormat) -> Log {
    let to_journal = is_journal();
    let layout = Layout { format, to_journal };
    let lines = Arc::new(Lines::default());
    let asked = std::env::var("RUST_LOG").ok();
    let (filter, why) = asked.as_deref().map_or((USUAL.to_owned(), None), usable);
    let logger = env_logger::Builder::new()
        .parse_filters(&filter)
        .format(move |line, record| {
            let now = Clock::system_now();
            stamp::of(now, |time| layout.write(line, time, record))
        })
        .target(env_logger::Target::Pipe(Box::new(Inlet(Arc::clone(
            &lines,
        )))))
        .build();
    let most = logger.filter();
    // A second start in one process keeps the first log.
    if log::set_boxed_logger(Box::new(Quiet(logger))).is_ok() {
        log::set_max_level(most);
    }
    if let Some(why) = why {
        log::warn!("RUST_LOG: {why}; what of it can be read counts");
    }
    std::panic::set_hook(Box::new(|panic| {
        let opens_store = std::thread::current().name() == Some(crate::store::OPENER);
        let level = if opens_store {
            log::Level::Debug
        } else {
            log::Level::Error
        };
        log::log!(level, "{}", panic.to_string().replace('\n', " "));
    }));
    let outlet = Arc::clone(&lines);
    let writer = std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || outlet.write_all_that_comes());
    // Without a thread nothing is waited for, and the lines are written at the end: late, but whole.
    let has_writer = writer.is_ok();
    lines.waiting.lock().ended = !has_writer;
    Log {
        layout,
        lines,
        has_writer,
    }
}

/// What of a filter can be read, and what is wrong with the rest: env_logger would say that past the log.
fn usable(filter: &str) -> (String, Option<String>) {
    let read = |part: &str| env_filter::Builder::new().try_parse(part).map(drop);
    let Err(why) = read(filter) else {
        return (filter.to_owned(), None);
    };
    let (levels, pattern) = filter.split_once('/').unwrap_or((filter, ""));
    let levels = levels.split(',').filter(|level| read(level).is_ok());
    let mut usable = levels.collect::<Vec<_>>().join(",");
    if usable.is_empty() {
        usable = USUAL.to_owned();
    }
    let pattern = format!("/{pattern}");
    if read(&pattern).is_ok() {
        usable += &pattern;
    }
    (usable, Some(why.to_string()))
}

/// Says something on standard error where no log is running, or beside it.
pub fn say_beside(level: log::Level, text: &str) {
    let layout = Layout {
        format: LogFormat::Text,
        to_journal: is_journal(),
    };
    let mut lines = Vec::new();
    // Writing to memory does not fail, and nobody may be listening any more.
    drop(layout.write_beside(&mut lines, level, text));
    drop(std::io::stderr().write_all(&lines));
}

/// Whether standard error goes to the journal: the service manager names the file that does (`systemd.exec(5)`).
pub fn is_journal() -> bool {
    let Ok(journal) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let stream = rustix::fs::fstat(std::io::stderr());
    stream.is_ok_and(|file| format!("{}:{}", file.st_dev, file.st_ino) == journal)
}

impl Log {
    /// Ends the log, and says why the process ends.
    pub fn end(self, why: &str) {
        let mut line = Vec::new();
        let time = Clock::system_now().rfc3339();
        // Writing to memory does not fail, and nobody may be listening any more.
        drop(self.layout.write_last_word(&mut line, &time, why));
        // Its last lines come before the last word.
        drop(self);
        drop(std::io::stderr().write_all(&line));
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let mut waiting = self.lines.waiting.lock();
        waiting.ended = true;
        self.lines.came.notify_one();
        // Whoever does not read the log must not keep the process from ending.
        let is_pending = |waiting: &mut Waiting| !waiting.written;
        if self.has_writer {
            self.lines
                .went
                .wait_while_for(&mut waiting, is_pending, policy::LOG_PATIENCE);
            return;
        }
        drop(waiting);
        self.lines.write_all_that_comes();
    }
}

impl Lines {
    fn write_all_that_comes(&self) {
        let mut bytes = Vec::new();
        loop {
            let mut waiting = self.waiting.lock();
            while waiting.bytes.is_empty() && !waiting.ended {
                self.came.wait(&mut waiting);
            }
            if waiting.bytes.is_empty() {
                waiting.written = true;
                self.went.notify_all();
                return;
            }
            // A moment for more to come.
            if !waiting.ended {
                self.came.wait_for(&mut waiting, policy::LOG_DELAY);
            }
            std::mem::swap(&mut bytes, &mut waiting.bytes);
            drop(waiting);
            self.went.notify_all();
            // Nobody may be listening any more; there is no other place to say so.
            drop(std::io::stderr().write_all(&bytes));
            bytes.clear();
        }
    }
}

/// Where env_logger writes to.
struct Inlet(Arc<Lines>);

impl Write for Inlet {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let lines = &self.0;
        let mut waiting = lines.waiting.lock();
        while waiting.bytes.len() > policy::LOG_BYTES && !waiting.ended {
            lines.went.wait(&mut waiting);
        }
        let is_first = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        drop(waiting);
        if is_first {
            lines.came.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
