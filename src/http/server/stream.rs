//! A client's connection, in clear or over TLS.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::coop::has_budget_remaining;
use tokio_rustls::server::TlsStream;

use super::activity::Activity;
use super::pipeline::Pipeline;

/// A connection, and what goes on on it.
pub(super) struct Stream {
    bytes: Bytes,
    pub(super) activity: Rc<Activity>,
    /// None where the protocol tells requests apart that come together.
    pipeline: Option<Pipeline>,
}

enum Bytes {
    Clear {
        stream: TcpStream,
        /// It wakes the task that serves the connection when something comes.
        is_heard: bool,
    },
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn clear(stream: TcpStream) -> Self {
        Self {
            bytes: Bytes::Clear {
                stream,
                is_heard: false,
            },
            activity: Activity::new(),
            pipeline: Some(Pipeline::default()),
        }
    }

    /// Over TLS; `is_h2` if HTTP/2 was agreed on.
    pub(super) fn tls(stream: TlsStream<TcpStream>, is_h2: bool) -> Self {
        Self {
            bytes: Bytes::Tls(Box::new(stream)),
            activity: Activity::new(),
            pipeline: (!is_h2).then(Pipeline::default),
        }
    }
}

/// Whether something has come since a read found nothing, or the other side has closed.
fn has_come(stream: &TcpStream) -> bool {
    stream.try_io(Interest::READABLE, || Ok(())).is_ok()
}

impl AsyncRead for Bytes {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        match self.get_mut() {
            // To look whether something has come costs no lock; to ask once more to be woken does.
            Self::Clear { stream, is_heard } if *is_heard && !has_come(stream) => Poll::Pending,
            Self::Clear { stream, is_heard } => {
                let read = Pin::new(stream).poll_read(cx, buffer);
                // A task that has done so much that others have their turn is put off instead.
                *is_heard = read.is_pending() && has_budget_remaining();
                read
            }
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = self.get_mut();
        debug_assert!(this.activity.is_served_by(cx.waker()));
        if this.activity.is_deaf() {
            return Poll::Ready(Ok(()));
        }
        let bytes = Pin::new(&mut this.bytes);
        match &mut this.pipeline {
            Some(pipeline) => {
                let read = pipeline.poll_read(bytes, &this.activity, cx, buffer);
                // actix takes its leave when it hears nothing more.
                if read.is_pending() && this.activity.leaves() {
                    return Poll::Ready(Ok(()));
                }
                read
            }
            None => bytes.poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        match &mut self.bytes {
            Bytes::Clear { stream, .. } => Pin::new(stream).poll_write(cx, bytes),
            Bytes::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        match &mut self.bytes {
            Bytes::Clear { stream, .. } => Pin::new(stream).poll_write_vectored(cx, parts),
            Bytes::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.bytes {
            Bytes::Clear { stream, .. } => stream.is_write_vectored(),
            Bytes::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.bytes {
            Bytes::Clear { stream, .. } => Pin::new(stream).poll_flush(cx),
            Bytes::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.bytes {
            Bytes::Clear { stream, .. } => Pin::new(stream).poll_shutdown(cx),
            Bytes::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::net::TcpListener;
    use std::pin::pin;
    use std::time::Duration;

    use tokio::io::AsyncReadExt;
    use tokio::task::coop::consume_budget;
    use tokio::task::yield_now;

    use super::*;
    use crate::clock::{Alarm, Stopwatch};

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn what_comes_is_heard_also_after_a_read_that_was_put_off() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut client = std::net::TcpStream::connect(address).expect("a client");
        let (stream, _) = listener.accept().expect("a connection");
        stream.set_nonblocking(true).expect("not blocking");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let stream = TcpStream::from_std(stream).expect("a stream");
            let mut bytes = Stream::clear(stream).bytes;
            let mut room = [0; 8];
            // Until what else happens on a new connection has happened.
            yield_now().await;
            for has_other_work in [true, false, false] {
                let at_once = poll_fn(|cx| {
                    // Until others are to have their turn.
                    while has_other_work && pin!(consume_budget()).poll(cx).is_ready() {}
                    let read = Pin::new(&mut bytes).poll_read(cx, &mut ReadBuf::new(&mut room));
                    Poll::Ready(read.is_ready())
                });
                assert!(!at_once.await);
                yield_now().await;
            }
            for said in ["one", "two"] {
                client.write_all(said.as_bytes()).expect("said");
                let (mut alarm, mut reading) = (Alarm::default(), pin!(bytes.read(&mut room)));
                alarm.set(Stopwatch::start(), PATIENCE);
                let heard = poll_fn(|cx| match alarm.poll(cx) {
                    Poll::Ready(()) => unreachable!("{said} wakes nobody"),
                    Poll::Pending => reading.as_mut().poll(cx),
                });
                let heard = heard.await.expect("heard");
                assert_eq!(&room[..heard], said.as_bytes());
            }
        });
    }
}
