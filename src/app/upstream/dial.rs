//! Connections to an upstream, in the clear or over TLS, made within a time.

use std::future::poll_fn;
use std::io::{ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use hyper::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::coop::unconstrained;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use crate::app::outbound::{Https, MaybeHttps, first_cause};

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
    pub(super) async fn dial(&self) -> std::result::Result<Stream, String> {
        let mut https = self.https.clone();
        let dialling = async {
            poll_fn(|cx| https.poll_ready(cx)).await?;
            https.call(self.to.clone()).await
        };
        match tokio::time::timeout(self.limit, dialling).await {
            Ok(Ok(MaybeHttps::Http(stream))) => Ok(Stream::Clear(stream.into_inner())),
            Ok(Ok(MaybeHttps::Https(stream))) => Ok(Stream::Tls(Box::new(stream.into_inner()))),
            Ok(Err(error)) => Err(first_cause(&*error)),
            Err(_) => {
                let limit = humantime::format_duration(self.limit);
                Err(format!("none came about within {limit}"))
            }
        }
    }
}

/// What goes to and fro on a connection.
pub(super) enum Stream {
    /// As it is.
    Clear(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TokioIo<TokioIo<TcpStream>>>>),
}

impl Stream {
    pub(super) const fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Whether nothing has come, and the other side has not closed it either. What has come is lost.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        match self {
            // Asks nobody to be woken.
            Self::Clear(stream) => {
                let read = stream.try_read(&mut byte);
                read.is_err_and(|e| e.kind() == ErrorKind::WouldBlock)
            }
            Self::Tls(stream) => {
                let mut room = ReadBuf::new(&mut byte);
                let read = poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut room));
                // Also for who has done so much that others would have their turn first.
                unconstrained(read).now_or_never().is_none()
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
