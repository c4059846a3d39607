//! One request at a time: what a client sends behind a request is kept until that has been answered. actix would read
//! on, and then answer the first by what the last one says: its version, whether it is a HEAD, whether the connection
//! stays. And behind an answer that closes the connection nothing more is done (RFC 9112, 9.6).

use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

use super::activity::Activity;
use super::framing::Framing;
use crate::policy;

/// What comes in on a connection, request by request.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    turns: Turns,
    /// What has come behind the request that is being answered.
    kept: BytesMut,
    /// Behind that, nothing comes any more.
    is_at_end: bool,
}

/// Whose turn it is.
#[derive(Debug, Default)]
struct Turns {
    framing: Framing,
    /// Requests that were let through, the last one perhaps not to its end.
    passed: u64,
    /// More was asked for before the last of them had begun to run.
    is_asked: bool,
}

impl Turns {
    /// Whether what comes next has to wait until the last request is answered. actix begins to run each in the step in
    /// which it reads it; if it comes back for more before that, it only reads until its client hangs up.
    fn must_wait(&mut self, activity: &Activity) -> bool {
        if !self.framing.is_between() || self.passed <= activity.ended() {
            return false;
        }
        let runs = self.passed <= activity.begun();
        if !runs && std::mem::replace(&mut self.is_asked, true) {
            self.framing.give_up();
            return false;
        }
        true
    }

    /// Lets through what belongs to one request. How many of these bytes that is.
    fn pass(&mut self, bytes: &[u8]) -> usize {
        if self.framing.is_between() && !bytes.is_empty() {
            self.passed += 1;
            self.is_asked = false;
        }
        self.framing.advance(bytes)
    }
}

impl Pipeline {
    /// Reads what belongs to the request whose turn it is.
    pub(super) fn poll_read(
        &mut self,
        mut from: Pin<&mut (impl AsyncRead + ?Sized)>,
        activity: &Activity,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        if self.turns.must_wait(activity) {
            return self.keep(from, activity, cx, buffer);
        }
        if !self.kept.is_empty() {
            let room = self.kept.len().min(buffer.remaining());
            let taken = self.turns.pass(&self.kept[..room]);
            buffer.put_slice(&self.kept.split_to(taken));
            return Poll::Ready(Ok(()));
        }
        if self.is_at_end {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(from.as_mut().poll_read(cx, buffer))?;
        let taken = self.turns.pass(&buffer.filled()[before..]);
        self.kept
            .extend_from_slice(&buffer.filled()[before + taken..]);
        buffer.set_filled(before + taken);
        Poll::Ready(Ok(()))
    }

    /// Keeps what comes while a request is answered, and hears when the client hangs up.
    fn keep(
        &mut self,
        mut from: Pin<&mut (impl AsyncRead + ?Sized)>,
        activity: &Activity,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        while !self.is_at_end && self.kept.len() < policy::PIPELINED {
            match from.as_mut().poll_read(cx, buffer) {
                Poll::Ready(read) => read?,
                Poll::Pending => break,
            }
            self.is_at_end = buffer.filled().len() == before;
            self.kept.extend_from_slice(&buffer.filled()[before..]);
            buffer.set_filled(before);
        }
        if self.is_at_end && self.kept.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if !self.kept.is_empty() {
            activity.wakes(cx.waker());
        }
        Poll::Pending
    }
}
