//! A client's connection, in clear or over TLS.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
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
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn clear(stream: TcpStream) -> Self {
        Self {
            bytes: Bytes::Clear(stream),
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

impl AsyncRead for Bytes {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buffer),
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
            Bytes::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Bytes::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        match &mut self.bytes {
            Bytes::Clear(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Bytes::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.bytes {
            Bytes::Clear(stream) => stream.is_write_vectored(),
            Bytes::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.bytes {
            Bytes::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Bytes::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.bytes {
            Bytes::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Bytes::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
