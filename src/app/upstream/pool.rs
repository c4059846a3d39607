//! Connections to one upstream. Each thread keeps those that it made, since a connection ends with its thread, and sends
//! on the one that it used last, so that those it has no need of grow old and are closed.

use std::borrow::Cow;
use std::sync::{Arc, Weak};
use std::thread::ThreadId;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::dial::Dialler;
use super::http1::{Failure, Head, Request, Wire};
use crate::clock::Stopwatch;

/// How often connections are looked after while one may be kept: every second, as a rule.
const LOOKS: u32 = 30;

/// Connections to one upstream.
pub(super) struct Pool {
    dialler: Dialler,
    /// How many each thread keeps.
    most: usize,
    /// How long one is kept for the next request.
    span: Duration,
    /// One for each thread; there are few.
    shelves: Mutex<Vec<Shelf>>,
}

/// What a thread keeps.
struct Shelf {
    thread: ThreadId,
    /// The oldest first.
    kept: Vec<Kept>,
    /// Something looks after old ones now and then, as long as there are any.
    is_tended: bool,
}

/// A connection between two requests.
struct Kept {
    wire: Box<Wire>,
    since: Stopwatch,
}

impl Kept {
    fn is_older_than(&self, span: Duration, now: Stopwatch) -> bool {
        self.since.until(now) >= span
    }
}

/// A connection that is used. Dropped, it is closed: it may be writing a request that nobody waits for any more, and would
/// until the other side reads it.
pub(super) struct Connection {
    wire: Box<Wire>,
    /// Since when.
    since: Stopwatch,
    /// Which thread keeps it afterwards; None of one that is for a single request.
    home: Option<ThreadId>,
}

thread_local! {
    static HERE: ThreadId = std::thread::current().id();
}

/// How an exchange failed.
pub(super) enum Lost {
    /// There was no connection.
    Unconnected(String),
    /// The connection ended before it took anything of the request.
    Unsent(Cow<'static, str>),
    /// A connection that was kept ended without a byte of the answer.
    Stale(Cow<'static, str>),
    /// Anything else.
    Unknown(Cow<'static, str>),
}

impl Pool {
    pub(super) fn new(dialler: Dialler, most: usize, span: Duration) -> Arc<Self> {
        Arc::new(Self {
            dialler,
            most,
            span,
            shelves: Mutex::default(),
        })
    }

    /// A connection of this thread: one that was kept, or a new one that will be.
    ///
    /// # Errors
    /// [`Lost::Unconnected`]
    pub(super) async fn connection(&self, now: Stopwatch) -> Result<Connection, Lost> {
        let thread = HERE.with(|here| *here);
        let (wire, since) = match self.take(thread, now) {
            Some(wire) => (wire, now),
            // In a box, since most requests find a connection.
            None => (Box::pin(self.connect()).await?, Stopwatch::start()),
        };
        let home = Some(thread);
        Ok(Connection { wire, since, home })
    }

    /// A new connection for a single request.
    ///
    /// # Errors
    /// [`Lost::Unconnected`]
    pub(super) async fn single(&self) -> Result<Connection, Lost> {
        let wire = Box::pin(self.connect()).await?;
        Ok(Connection {
            wire,
            since: Stopwatch::start(),
            home: None,
        })
    }

    /// The connection that was used last, of those that are at rest.
    fn take(&self, thread: ThreadId, now: Stopwatch) -> Option<Box<Wire>> {
        loop {
            let mut latest = self.with_shelf(thread, |shelf| shelf.kept.pop())?;
            if latest.is_older_than(self.span, now) {
                latest.wire.leave();
                // Those before it are older.
                self.close_old(thread);
                return None;
            }
            if latest.wire.is_at_rest() {
                return Some(latest.wire);
            }
        }
    }

    async fn connect(&self) -> Result<Box<Wire>, Lost> {
        let stream = self.dialler.dial().await.map_err(Lost::Unconnected)?;
        Ok(Box::new(Wire::new(stream)))
    }

    /// Keeps a connection at rest.
    fn put(self: &Arc<Self>, thread: ThreadId, wire: Box<Wire>) {
        let since = Stopwatch::start();
        let (left, was_tended) = self.with_shelf(thread, |shelf| {
            if shelf.kept.len() >= self.most {
                return (Some(wire), true);
            }
            shelf.kept.push(Kept { wire, since });
            (None, std::mem::replace(&mut shelf.is_tended, true))
        });
        if !was_tended {
            tokio::spawn(tend(Arc::downgrade(self), thread, self.span / LOOKS));
        }
        left.into_iter().for_each(|wire| wire.leave());
    }

    /// Closes what is old, and what the other side has closed. Nobody else has to do with what this thread keeps, so no
    /// lock is held meanwhile.
    fn close_old(&self, thread: ThreadId) {
        let mut kept = self.with_shelf(thread, |shelf| std::mem::take(&mut shelf.kept));
        let now = Stopwatch::start();
        let old = kept.partition_point(|kept| kept.is_older_than(self.span, now));
        kept.drain(..old).for_each(|kept| kept.wire.leave());
        kept.retain_mut(|kept| kept.wire.is_at_rest());
        self.with_shelf(thread, |shelf| shelf.kept = kept);
    }

    /// Whether a thread has connections that somebody has to look after; if not, nobody does.
    fn is_to_be_tended(&self, thread: ThreadId) -> bool {
        self.with_shelf(thread, |shelf| {
            shelf.is_tended = !shelf.kept.is_empty();
            shelf.is_tended
        })
    }

    fn with_shelf<T>(&self, thread: ThreadId, work: impl FnOnce(&mut Shelf) -> T) -> T {
        let mut shelves = self.shelves.lock();
        let at = shelves.iter().position(|shelf| shelf.thread == thread);
        let at = at.unwrap_or(shelves.len());
        if at == shelves.len() {
            shelves.push(Shelf {
                thread,
                kept: Vec::new(),
                is_tended: false,
            });
        }
        work(&mut shelves[at])
    }
}

/// Looks after the connections of a thread, on it, as long as there are any at rest.
async fn tend(pool: Weak<Pool>, thread: ThreadId, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let Some(pool) = pool.upgrade() else { return };
        pool.close_old(thread);
        if !pool.is_to_be_tended(thread) {
            return;
        }
    }
}

impl Connection {
    /// Sends the request that it was taken for, and waits so long for the head of its answer. Dropped on the way, it closes
    /// the connection.
    ///
    /// # Errors
    /// Any [`Lost`] but that there was no connection.
    pub(super) async fn send(&mut self, request: &Request, limit: Duration) -> Result<Head, Lost> {
        let wire = &mut self.wire;
        wire.send(request, self.since, limit)
            .await
            .map_err(|failure| {
                let why = match failure {
                    Failure::Broken(why) => why,
                    Failure::Late => {
                        let limit = humantime::format_duration(limit);
                        return Lost::Unknown(format!("no answer within {limit}").into());
                    }
                };
                if wire.is_unsent() {
                    Lost::Unsent(why)
                } else if wire.is_stale() {
                    Lost::Stale(why)
                } else {
                    Lost::Unknown(why)
                }
            })
    }

    /// The next piece of the answer's body; None at its end.
    pub(super) async fn piece(&mut self) -> Option<Result<Bytes, Cow<'static, str>>> {
        self.wire.piece().await
    }

    /// Gives it back to its pool for the next request, after the end of an answer.
    pub(super) fn give_back(mut self, pool: &Arc<Pool>) {
        if !self.wire.is_at_rest() {
            return;
        }
        match self.home {
            Some(thread) => pool.put(thread, self.wire),
            None => self.wire.leave(),
        }
    }
}

#[cfg(test)]
mod tests;
