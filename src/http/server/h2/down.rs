//! The body of an answer on its way down, over HTTP/2. hyper takes what there is and keeps it until its client does, so
//! an answer goes on until its bytes are written, not until they are handed over.

use std::cell::RefCell;
use std::error::Error;
use std::io::IoSlice;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::web::Bytes;
use hyper::body::{Body, Buf, Frame, SizeHint};

use crate::http::server::activity::{Answer, Running};

/// The body of an answer on its way.
pub(super) struct Down {
    /// Bytes that are still to come, where that is known.
    left: Option<u64>,
    /// None after its end.
    flow: Option<Rc<Flow>>,
}

impl Down {
    /// An answer that has none; its length may be told all the same.
    pub(super) const fn empty(length: Option<u64>) -> Self {
        Self {
            left: length,
            flow: None,
        }
    }

    pub(super) fn new(
        body: BoxBody,
        length: Option<u64>,
        answer: Rc<Answer>,
        running: Running,
    ) -> Self {
        let flow = Flow {
            body: RefCell::new(Some(body)),
            answer,
            _running: running,
        };
        Self {
            left: length,
            flow: Some(Rc::new(flow)),
        }
    }
}

/// What is given back when the last piece has gone: each has it too.
struct Flow {
    /// None once its last piece is being written: who has an answer may ask at once for the place that it took.
    body: RefCell<Option<BoxBody>>,
    answer: Rc<Answer>,
    _running: Running,
}

/// Bytes of an answer, until they are written.
pub(super) struct Piece {
    bytes: Bytes,
    is_last: bool,
    flow: Rc<Flow>,
}

impl Piece {
    fn new(bytes: Bytes, is_last: bool, flow: &Rc<Flow>) -> Self {
        flow.answer.offers();
        Self {
            bytes,
            is_last,
            flow: Rc::clone(flow),
        }
    }

    /// Bytes are looked at when they are written.
    fn is_written(&self) {
        if self.is_last {
            drop(self.flow.body.take());
        }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.is_written();
        self.bytes.chunk()
    }

    fn chunks_vectored<'a>(&'a self, parts: &mut [IoSlice<'a>]) -> usize {
        self.is_written();
        self.bytes.chunks_vectored(parts)
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.flow.answer.moves();
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.flow.answer.is_taken();
    }
}

impl Body for Down {
    type Data = Piece;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Self::Error>>> {
        let this = &mut *self;
        let Some(flow) = &this.flow else {
            return Poll::Ready(None);
        };
        let polled = match &mut *flow.body.borrow_mut() {
            Some(body) => ready!(Pin::new(body).poll_next(cx)),
            None => None,
        };
        match polled {
            Some(Ok(bytes)) => {
                let left = this
                    .left
                    .map(|left| left.saturating_sub(bytes.len() as u64));
                this.left = left;
                let is_last = left == Some(0);
                let piece = Piece::new(bytes, is_last, flow);
                if is_last {
                    this.flow = None;
                }
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Some(Err(e)) => {
                this.flow = None;
                Poll::Ready(Some(Err(e.to_string().into())))
            }
            None => {
                this.flow = None;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.flow.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.flow, self.left) {
            (None, _) => SizeHint::with_exact(0),
            (Some(_), Some(left)) => SizeHint::with_exact(left),
            (Some(_), None) => SizeHint::default(),
        }
    }
}
