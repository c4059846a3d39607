//! What a server asks of its files, and when it answers: read from what strace writes down, data included.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disk::{Disk, Moment};
use crate::process::{Atlas, BINARY};

/// Every call that changes or syncs files, and those that answers go out by. One that is not read below is refused.
const CALLS: &str = "trace=?open,openat,?creat,write,pwrite64,writev,pwritev,sendto,ftruncate,fallocate,lseek,?rename,\
    ?renameat,renameat2,?unlink,unlinkat,?mkdir,mkdirat,?rmdir,?link,linkat,symlinkat,fsync,fdatasync";

/// Starts `atlas serve` on this directory under strace, which writes to `trace`. What is started is atlas itself; its log
/// goes beside `logs`.
pub fn serve(directory: &Path, logs: &Path, trace: &Path, arguments: &[&str]) -> Atlas {
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-q", "-y", "-s", "10000000", "-e", CALLS, "-o"]);
    command.arg(trace).arg(BINARY);
    start(command, directory, logs, arguments)
}

/// The same without strace.
pub fn untraced(directory: &Path, logs: &Path, arguments: &[&str]) -> Atlas {
    start(Command::new(BINARY), directory, logs, arguments)
}

fn start(mut command: Command, directory: &Path, logs: &Path, arguments: &[&str]) -> Atlas {
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(directory)
        .args(arguments);
    let mut server = Atlas::start(command, logs);
    directory.clone_into(&mut server.directory);
    server
}

/// strace writes as fast as the disk takes it.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

/// Waits until the end of this process is written down, too.
pub fn wait_for_end(trace: &Path, pid: u32) {
    let pid = pid.to_string();
    // strace writes short ids with blanks behind them.
    let tells = |line: &str| {
        line.strip_prefix(&pid)
            .is_some_and(|rest| rest.starts_with(' ') && rest.trim_start().starts_with("+++ "))
    };
    let mut file = std::fs::File::open(trace).expect("a trace");
    let begun = std::time::Instant::now();
    loop {
        assert!(
            begun.elapsed() < PATIENCE,
            "strace does not say that {pid} has ended"
        );
        let length = file.metadata().expect("a length").len();
        let mut end = Vec::new();
        file.seek(SeekFrom::Start(length.saturating_sub(4_096)))
            .and_then(|_| file.read_to_end(&mut end))
            .expect("read");
        let end = String::from_utf8_lossy(&end);
        if end.lines().any(tells) {
            return;
        }
        std::thread::yield_now();
    }
}

/// What has happened.
pub enum Event {
    Folder(PathBuf),
    Opened {
        path: PathBuf,
        empties: bool,
    },
    Written {
        path: PathBuf,
        at: u64,
        bytes: Vec<u8>,
    },
    Cut(PathBuf, u64),
    Renamed(PathBuf, PathBuf),
    Removed(PathBuf),
    Synced {
        path: PathBuf,
        begun: Moment,
    },
    /// Bytes that go to a client: what they say must be true from here on.
    Answered(Vec<u8>),
}

impl Event {
    pub fn apply(&self, disk: &mut Disk, now: Moment) {
        match self {
            Self::Folder(path) => disk.make_folder(path, now),
            Self::Opened { path, empties } => disk.open(path, *empties, now),
            Self::Written { path, at, bytes } => disk.write(path, *at, bytes, now),
            Self::Cut(path, length) => disk.cut(path, *length, now),
            Self::Renamed(from, to) => disk.rename(from, to, now),
            Self::Removed(path) => disk.remove(path, now),
            Self::Synced { path, begun } => disk.sync(path, *begun),
            Self::Answered(_) => (),
        }
    }
}

/// What happened below `root`, in its order; moments count from `first` on.
pub fn read(trace: &Path, root: &Path, first: Moment) -> Vec<Event> {
    let mut reader = Reader {
        root: root.to_owned(),
        events: Vec::new(),
        first,
        begun: HashMap::new(),
        offsets: HashMap::new(),
    };
    let file = BufReader::with_capacity(1 << 20, std::fs::File::open(trace).expect("a trace"));
    for line in file.lines() {
        reader.line(&line.expect("strace writes ASCII"));
    }
    reader.events
}

struct Reader {
    root: PathBuf,
    events: Vec<Event>,
    first: Moment,
    /// By thread: the first half of its call, and when that began.
    begun: HashMap<String, (String, Moment)>,
    /// How far a descriptor was written.
    offsets: HashMap<String, u64>,
}

impl Reader {
    /// strace splits a call during which another thread spoke into two lines.
    fn line(&mut self, line: &str) {
        let now = self.first + self.events.len();
        let Some((thread, call)) = line.split_once(' ') else {
            return;
        };
        let call = call.trim_start();
        if let Some(start) = call.strip_suffix(" <unfinished ...>") {
            self.answer(start);
            self.begun
                .insert(thread.to_owned(), (start.to_owned(), now));
        } else if let Some(rest) = call.strip_prefix("<... ") {
            let (_, rest) = rest.split_once(" resumed>").expect("a second half");
            if let Some((start, begun)) = self.begun.remove(thread) {
                self.call(&(start + rest), begun);
            }
        } else {
            self.answer(call);
            self.call(call, now);
        }
    }

    /// An answer may be with its client as soon as the call has begun.
    fn answer(&mut self, call: &str) {
        if call.starts_with("sendto(") && call.contains("\"HTTP/1.1 2") {
            self.events
                .push(Event::Answered(strings(call).swap_remove(0)));
        }
        assert!(
            !call.contains("iov_base=\"HTTP/1.1 2"),
            "an answer goes out in another way"
        );
    }

    fn call(&mut self, call: &str, begun: Moment) {
        let Some((name, rest)) = call.split_once('(') else {
            return;
        };
        let Some((arguments, result)) = ended(rest) else {
            return;
        };
        let outcome = result.split([' ', '<']).next().unwrap_or_default();
        let Ok(outcome) = outcome.parse::<u64>() else {
            return;
        };
        let place = |path: Vec<u8>| PathBuf::from(String::from_utf8(path).expect("a path"));
        let of_descriptor = named(arguments);
        let is_ours = |path: &Path| path.starts_with(&self.root);
        let event = match name {
            "openat" | "open" => {
                self.offsets.insert(outcome.to_string(), 0);
                let path = named(result).expect("strace -y names it");
                let writes = ["O_WRONLY", "O_RDWR"]
                    .iter()
                    .any(|how| arguments.contains(how));
                let empties = arguments.contains("O_TRUNC");
                (writes && is_ours(&path)).then_some(Event::Opened { path, empties })
            }
            "mkdir" | "mkdirat" | "unlink" | "unlinkat" => {
                let path = place(strings(arguments).swap_remove(0));
                let event = if name.starts_with("mkdir") {
                    Event::Folder
                } else {
                    Event::Removed
                };
                is_ours(&path).then(|| event(path))
            }
            "rename" | "renameat" | "renameat2" => {
                let mut names = strings(arguments).into_iter().map(place);
                let (from, to) = (names.next().expect("from"), names.next().expect("to"));
                is_ours(&from).then_some(Event::Renamed(from, to))
            }
            "sendto" => None,
            _ => match of_descriptor.filter(|path| is_ours(path)) {
                Some(path) => self.change(name, arguments, outcome, (path, begun)),
                None => None,
            },
        };
        self.events.extend(event);
    }

    /// A call that names a descriptor of a file of ours.
    fn change(
        &mut self,
        name: &str,
        arguments: &str,
        outcome: u64,
        (path, begun): (PathBuf, Moment),
    ) -> Option<Event> {
        let last = arguments.rsplit(", ").next().unwrap_or_default();
        let number = || last.parse::<u64>().expect("a number");
        let descriptor = || arguments.split('<').next().unwrap_or_default().to_owned();
        let written = |at| {
            let mut bytes = strings(arguments).swap_remove(0);
            bytes.truncate(usize::try_from(outcome).expect("a length"));
            Some(Event::Written {
                path: path.clone(),
                at,
                bytes,
            })
        };
        match name {
            "pwrite64" => written(number()),
            "lseek" => {
                self.offsets.insert(descriptor(), outcome);
                None
            }
            "write" => {
                let offset = self.offsets.entry(descriptor()).or_default();
                let event = written(*offset);
                *offset += outcome;
                event
            }
            "ftruncate" => Some(Event::Cut(path, number())),
            "fsync" | "fdatasync" => Some(Event::Synced { path, begun }),
            other => panic!(
                "{other} is called on {}, and is not read here",
                path.display()
            ),
        }
    }
}

/// What went in, and what came back: strace aligns it, as `)        = 0`.
fn ended(rest: &str) -> Option<(&str, &str)> {
    let (before, result) = rest.rsplit_once(" = ")?;
    Some((before.trim_end().strip_suffix(')')?, result))
}

/// The path behind a descriptor, as `3</path>`.
fn named(text: &str) -> Option<PathBuf> {
    let (_, rest) = text.split_once('<')?;
    let (path, after) = rest.split_once('>')?;
    (!after.starts_with("(deleted)")).then(|| PathBuf::from(path))
}

/// The texts in quotes, without their escapes.
fn strings(text: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut bytes = text.bytes().peekable();
    while bytes.any(|byte| byte == b'"') {
        let mut string = Vec::new();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => break,
                b'\\' => string.push(match bytes.next().expect("an escape") {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'v' => 0x0b,
                    b'f' => 0x0c,
                    digit @ b'0'..=b'7' => {
                        let mut value = digit - b'0';
                        for _ in 0..2 {
                            let Some(next @ b'0'..=b'7') = bytes.peek().copied() else {
                                break;
                            };
                            value = value * 8 + (next - b'0');
                            bytes.next();
                        }
                        value
                    }
                    other => other,
                }),
                other => string.push(other),
            }
        }
        found.push(string);
    }
    found
}
