//! The log: env_logger, to standard error, with `RUST_LOG` as usual. Whatever a line says, a secret in it is masked
//! before it is written, also in lines of the libraries below us.

use std::io::Write;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::domain::masking::masked;
use crate::policy;

/// The running log. Dropping it writes the last lines.
pub struct Log {
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
pub fn start() -> Log {
    let lines = Arc::new(Lines::default());
    let environment = env_logger::Env::default().default_filter_or("info,actix_server=warn");
    let started = env_logger::Builder::from_env(environment)
        .format(|line, record| {
            let (time, level) = (line.timestamp_millis(), record.level());
            let text = record.args().to_string();
            let text = masked(&text);
            if record.target().starts_with("atlas") {
                writeln!(line, "{time} {level:<5} {text}")
            } else {
                writeln!(line, "{time} {level:<5} [{}] {text}", record.target())
            }
        })
        .target(env_logger::Target::Pipe(Box::new(Inlet(Arc::clone(
            &lines,
        )))))
        .try_init();
    // A second start in one process keeps the first log.
    drop(started);
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
    Log { lines, has_writer }
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
