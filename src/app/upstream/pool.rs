//! Connections to one upstream. Each thread keeps those that it made, since a connection ends with its thread, and sends
//! on the one that it used last, so that those it has no need of grow old and are closed.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::Duration;

use futures_util::TryFutureExt;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::dial::{Dialler, Progress};
use crate::app::outbound::first_cause;
use crate::clock::Stopwatch;
use crate::policy;

/// Connections to one upstream.
pub(super) struct Pool {
    dialler: Dialler,
    /// How many each thread keeps.
    most: usize,
    /// How long one is kept for the next request. It is closed a quarter later at most.
    span: Duration,
    /// The oldest first.
    kept: Mutex<HashMap<ThreadId, Vec<Kept>>>,
}

/// A connection between two requests.
struct Kept {
    line: Line,
    since: Stopwatch,
}

impl Kept {
    fn is_older_than(&self, span: Duration) -> bool {
        self.since.elapsed() >= span
    }
}

/// Our end of a connection.
struct Line {
    sender: SendRequest<Full<Bytes>>,
    progress: Progress,
    /// What reads and writes on it.
    task: AbortHandle,
}

impl Drop for Line {
    /// Closes the connection. One at rest takes leave; any other may be writing a request that nobody waits for any more,
    /// and would until the other side reads it; also where that has answered before it has read all.
    fn drop(&mut self) {
        if !self.sender.is_ready() {
            self.task.abort();
        }
    }
}

/// A connection that is used. Dropped, it is closed.
pub(super) struct Connection {
    line: Line,
    /// Who keeps it afterwards; None of one that is for a single request.
    home: Option<Home>,
}

/// A thread's part of a pool.
struct Home {
    pool: Arc<Pool>,
    thread: ThreadId,
}

/// How an exchange failed.
pub(super) enum Lost {
    /// There was no connection.
    Unconnected(String),
    /// The connection ended before it took anything of the request.
    Unsent(String),
    /// A connection that was kept ended without a byte of the answer.
    Stale(String),
    /// Anything else.
    Unknown(String),
}

impl Pool {
    pub(super) fn new(dialler: Dialler, most: usize, span: Duration) -> Arc<Self> {
        Arc::new(Self {
            dialler,
            most,
            span,
            kept: Mutex::default(),
        })
    }

    /// A connection of this thread: one that was kept, or a new one that will be.
    ///
    /// # Errors
    /// [`Lost::Unconnected`]
    pub(super) async fn connection(self: &Arc<Self>) -> Result<Connection, Lost> {
        let thread = std::thread::current().id();
        let line = match self.take(thread) {
            Some(line) => line,
            // In a box, since most requests find a connection.
            None => Box::pin(self.connect(thread)).await?,
        };
        let home = Some(Home {
            pool: Arc::clone(self),
            thread,
        });
        Ok(Connection { line, home })
    }

    /// A new connection for a single request.
    ///
    /// # Errors
    /// [`Lost::Unconnected`]
    pub(super) async fn single(self: &Arc<Self>) -> Result<Connection, Lost> {
        let line = Box::pin(self.connect(std::thread::current().id())).await?;
        Ok(Connection { line, home: None })
    }

    /// The connection that was used last, of those that are open and at rest.
    fn take(&self, thread: ThreadId) -> Option<Line> {
        let mut all = self.kept.lock();
        let kept = all.get_mut(&thread)?;
        for at in (0..kept.len()).rev() {
            let sender = &kept[at].line.sender;
            if sender.is_closed() {
                kept.remove(at);
            } else if kept[at].is_older_than(self.span) {
                // Those before it are older.
                kept.drain(..=at);
                break;
            } else if sender.is_ready() {
                return Some(kept.remove(at).line);
            }
        }
        None
    }

    /// Connects. The connection lives on this thread, and while it lives looks now and then for old ones.
    async fn connect(self: &Arc<Self>, thread: ThreadId) -> Result<Line, Lost> {
        let wire = self.dialler.dial().await.map_err(Lost::Unconnected)?;
        let progress = wire.progress();
        let mut builder = http1::Builder::new();
        let builder = builder
            .max_buf_size(policy::UPSTREAM_HEAD)
            .max_headers(policy::UPSTREAM_HEADERS)
            // What a proxy has to mend (RFC 9112, 5.1 and 5.2).
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true);
        let shaken = builder.handshake(TokioIo::new(wire)).await;
        let (sender, connection) = shaken.map_err(|e| Lost::Unconnected(first_cause(&e)))?;
        let (pool, pause) = (Arc::downgrade(self), self.span / 4);
        // In a box, or the task would have room for it twice.
        let mut connection = Box::pin(connection);
        let work = tokio::spawn(async move {
            // How it ends is told to whoever waits for an answer.
            while tokio::time::timeout(pause, &mut connection).await.is_err() {
                if let Some(pool) = pool.upgrade() {
                    pool.close_old(thread);
                }
            }
        });
        let task = work.abort_handle();
        Ok(Line {
            sender,
            progress,
            task,
        })
    }

    fn put(&self, thread: ThreadId, line: Line) {
        let since = Stopwatch::start();
        let mut all = self.kept.lock();
        let kept = all.entry(thread).or_default();
        if kept.len() < self.most {
            kept.push(Kept { line, since });
        }
    }

    fn close_old(&self, thread: ThreadId) {
        if let Some(kept) = self.kept.lock().get_mut(&thread) {
            let old = kept.partition_point(|kept| kept.is_older_than(self.span));
            kept.drain(..old);
        }
    }
}

impl Connection {
    /// Sends a request and waits for the head of its answer. Dropped on the way, it closes the connection.
    ///
    /// # Errors
    /// Any [`Lost`] but that there was no connection.
    pub(super) fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Incoming>, Lost>> {
        let Line {
            sender, progress, ..
        } = &mut self.line;
        let answered = sender.try_send_request(request);
        answered.map_err(|failure| {
            let why = first_cause(failure.error());
            // Of a request that comes back nothing has gone out.
            if failure.message().is_some() || progress.is_fresh() {
                Lost::Unsent(why)
            } else if progress.is_stale() {
                Lost::Stale(why)
            } else {
                Lost::Unknown(why)
            }
        })
    }

    /// Gives it back for the next request, after the end of an answer.
    pub(super) fn give_back(self) {
        if let Some(Home { pool, thread }) = self.home {
            pool.put(thread, self.line);
        }
    }
}

#[cfg(test)]
mod tests;
