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
        if activity.has_ended() && self.turns.framing.is_between() {
            return self.pass_over(from, cx, buffer);
        }
        if self.turns.must_wait(activity) {
            return self.keep(from, activity, cx, buffer);
        }
        if !self.kept.is_empty() {
            let room = self.kept.len().min(buffer.remaining());
            let taken = self.turns.pass(&self.kept[..room]);
            buffer.put_slice(&self.kept.split_to(taken));
            if self.kept.is_empty() {
                // Its room goes with it: most connections never need it again.
                self.kept = BytesMut::new();
            }
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

    /// Reads what comes behind the last answer, for whoever is still sending, and does nothing with it. actix closes when
    /// that answer is written; as long as the client takes nothing of it, it would go on with what comes.
    fn pass_over(
        &mut self,
        mut from: Pin<&mut (impl AsyncRead + ?Sized)>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        self.kept = BytesMut::new();
        let (before, mut passed) = (buffer.filled().len(), 0);
        while !self.is_at_end {
            ready!(from.as_mut().poll_read(cx, buffer))?;
            let read = buffer.filled().len() - before;
            buffer.set_filled(before);
            self.is_at_end = read == 0;
            passed += read;
            if passed >= policy::PIPELINED {
                // Others have their turn.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Keeps what comes while a request is answered, as far as there is room, and hears when the client hangs up.
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

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    const FIRST: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    const SECOND: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    /// A client that has sent this, and neither sends more nor hangs up.
    struct Client(Vec<u8>);

    impl AsyncRead for Client {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<Result<()>> {
            let length = self.0.len().min(buffer.remaining());
            if length == 0 {
                return Poll::Pending;
            }
            buffer.put_slice(&self.0.drain(..length).collect::<Vec<_>>());
            Poll::Ready(Ok(()))
        }
    }

    /// What comes next; None where it has to be waited for.
    fn read(pipeline: &mut Pipeline, client: &mut Client, activity: &Activity) -> Option<Vec<u8>> {
        let mut room = [0; 1024];
        let mut buffer = ReadBuf::new(&mut room);
        let mut context = Context::from_waker(Waker::noop());
        match pipeline.poll_read(Pin::new(client), activity, &mut context, &mut buffer) {
            Poll::Ready(read) => read.map(|()| buffer.filled().to_vec()).ok(),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_request_comes_when_the_one_before_it_is_answered() {
        let (mut pipeline, activity) = (Pipeline::default(), Activity::new());
        let mut client = Client([FIRST, SECOND].concat());
        let mut next = || read(&mut pipeline, &mut client, &activity);
        assert_eq!(next().as_deref(), Some(FIRST));
        assert_eq!(next(), None, "actix reads as long as there is something");
        let running = activity.begins();
        assert_eq!(next(), None);
        drop(running);
        assert_eq!(next().as_deref(), Some(SECOND));
    }

    #[test]
    fn none_comes_behind_the_last_answer_however_long_that_takes_to_be_written() {
        let (mut pipeline, activity) = (Pipeline::default(), Activity::new());
        let mut client = Client([FIRST, SECOND].concat());
        assert_eq!(
            read(&mut pipeline, &mut client, &activity).as_deref(),
            Some(FIRST)
        );
        let running = activity.begins();
        assert_eq!(read(&mut pipeline, &mut client, &activity), None);
        activity.ends();
        drop(running);
        client.0.extend_from_slice(SECOND);
        for _ in 0..3 {
            assert_eq!(read(&mut pipeline, &mut client, &activity), None);
        }
        assert_eq!((client.0.len(), activity.begun()), (0, 1));
    }
}
