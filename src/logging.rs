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
    let environment = env_logger::Env::default().default_filter_or("info,actix_server=warn");
    let logger = env_logger::Builder::from_env(environment)
        .format(move |line, record| {
            let time = stamp::of(Clock::system_now());
            layout.write(line, &time, record)
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

/// Whether standard error goes to the journal: the service manager names the file that does (`systemd.exec(5)`).
fn is_journal() -> bool {
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
