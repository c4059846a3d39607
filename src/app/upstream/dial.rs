//! Connections to an upstream: made within a time, and each tells how far its latest exchange has come.

use std::future::poll_fn;
use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_service::Service;

use crate::app::outbound::{Https, first_cause};

/// Connects to one upstream, and looks its name up and agrees on TLS, within a time.
pub(super) struct Dialler {
    https: Https,
    to: Uri,
    limit: Duration,
}

impl Dialler {
    pub(super) const fn new(https: Https, to: Uri, limit: Duration) -> Self {
        Self { https, to, limit }
    }

    /// A new connection.
    ///
    /// # Errors
    /// Why none came about, for the log.
    pub(super) async fn dial(&self) -> std::result::Result<Wire, String> {
        let mut https = self.https.clone();
        let dialling = async {
            poll_fn(|cx| https.poll_ready(cx)).await?;
            https.call(self.to.clone()).await
        };
        match tokio::time::timeout(self.limit, dialling).await {
            Ok(Ok(stream)) => Ok(Wire {
                stream: TokioIo::new(stream),
                progress: Progress::new(self.to.scheme_str() == Some("https")),
            }),
            Ok(Err(error)) => Err(first_cause(&*error)),
            Err(_) => {
                let limit = humantime::format_duration(self.limit);
                Err(format!("none came about within {limit}"))
            }
        }
    }
}

/// How far the latest exchange of a connection has come, in bytes above TLS. What is written is counted as sent, also
/// while it still lies in a buffer.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    state: Arc<AtomicU8>,
    /// A write that fails may have sent a part: TLS makes several of one.
    is_in_parts: bool,
}

/// Nothing was ever sent.
const FRESH: u8 = 0;
/// Something of the first request was sent, and nothing of an answer was heard.
const FIRST: u8 = 1;
/// Something of an answer was heard since something was sent.
const HEARD: u8 = 2;
/// Something of a later request was sent, and nothing was heard since.
const LATER: u8 = 3;

impl Progress {
    fn new(is_tls: bool) -> Self {
        Self {
            state: Arc::new(AtomicU8::new(FRESH)),
            is_in_parts: is_tls,
        }
    }

    fn sent(&self) {
        let to = match self.state.load(Ordering::Relaxed) {
            FRESH | FIRST => FIRST,
            _ => LATER,
        };
        self.state.store(to, Ordering::Release);
    }

    /// A write has failed. After an answer that was the first of the next request, of which the other side may know
    /// nothing; but that may as well have been the rest of a request that was answered before its end.
    fn broke(&self) {
        if self.is_in_parts {
            return self.sent();
        }
        let (from, to) = (HEARD, LATER);
        // Where nothing was ever sent, or something and nothing heard, that goes on.
        let _ = self
            .state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
    }

    fn heard(&self) {
        self.state.store(HEARD, Ordering::Release);
    }

    /// No byte of any request has gone into this connection.
    pub(super) fn is_fresh(&self) -> bool {
        self.state.load(Ordering::Acquire) == FRESH
    }

    /// The connection was kept from an earlier exchange, and of an answer to what was sent since not a byte has come.
    pub(super) fn is_stale(&self) -> bool {
        self.state.load(Ordering::Acquire) == LATER
    }
}

/// A connection that notes its progress.
pub(super) struct Wire {
    stream: TokioIo<<Https as Service<Uri>>::Response>,
    progress: Progress,
}

impl Wire {
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    fn note(&self, polled: Poll<Result<usize>>) -> Poll<Result<usize>> {
        match polled {
            Poll::Ready(Ok(1..)) => self.progress.sent(),
            Poll::Ready(Err(_)) => self.progress.broke(),
            Poll::Ready(Ok(0)) | Poll::Pending => (),
        }
        polled
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.progress.heard();
        }
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kept_connection_that_stays_silent_is_stale() {
        let progress = Progress::new(false);
        assert!(progress.is_fresh() && !progress.is_stale());
        progress.sent();
        progress.sent();
        assert!(!progress.is_fresh() && !progress.is_stale());
        progress.heard();
        progress.heard();
        assert!(!progress.is_fresh() && !progress.is_stale());
        progress.sent();
        progress.sent();
        assert!(!progress.is_fresh() && progress.is_stale());
        progress.heard();
        assert!(!progress.is_stale());
    }

    #[test]
    fn a_write_that_fails_is_one_of_the_next_request() {
        let progress = Progress::new(false);
        progress.broke();
        assert!(progress.is_fresh());
        progress.sent();
        progress.broke();
        assert!(!progress.is_fresh() && !progress.is_stale());
        progress.heard();
        progress.broke();
        assert!(progress.is_stale());
    }

    #[test]
    fn over_tls_a_write_that_fails_may_have_sent_a_part() {
        let progress = Progress::new(true);
        progress.broke();
        assert!(!progress.is_fresh() && !progress.is_stale());
        progress.heard();
        progress.broke();
        assert!(progress.is_stale());
    }
}
