//! Answers on their way out.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, ResponseError};

use super::access_log::AccessLine;
use super::server::Running;
use crate::limiter::Permit;

/// How much of an answer goes out before its connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it; the connection stays.
    Whole,
    /// Its head and the first half of its body.
    Half,
    /// Not a byte.
    Nothing,
}

/// A body on its way out. When the last byte is handed over, or the client is gone, the slot comes back and the line
/// is logged.
pub(super) struct Sending {
    body: BoxBody,
    _held: Held,
    line: AccessLine,
    /// None for an answer that goes out whole.
    cut: Option<Cut>,
}

/// What comes back when an answer has gone: a place among those of its key, and that its connection has something to do.
pub(super) type Held = (Option<Arc<Permit>>, Option<Running>);

/// An answer that ends early.
struct Cut {
    /// Bytes of the body that still go out.
    left: u64,
    /// Nothing is waiting to be written any more, or may be thrown away.
    is_flushed: bool,
}

impl Sending {
    pub(super) fn new(body: BoxBody, held: Held, line: AccessLine, extent: Extent) -> Self {
        let half = match body.size() {
            BodySize::Sized(bytes) => bytes / 2,
            BodySize::None | BodySize::Stream => 0,
        };
        let cut = match extent {
            Extent::Whole => None,
            Extent::Half => Some(Cut {
                left: half,
                is_flushed: false,
            }),
            Extent::Nothing => Some(Cut {
                left: 0,
                is_flushed: true,
            }),
        };
        Self {
            body,
            _held: held,
            line,
            cut,
        }
    }
}

impl MessageBody for Sending {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        let size = self.body.size();
        match &self.cut {
            None => size,
            Some(cut) => cut.announced(size),
        }
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = &mut *self;
        let polled = match &mut this.cut {
            None => Pin::new(&mut this.body).poll_next(cx),
            Some(cut) => cut.poll_next(&mut this.body, cx),
        };
        if let Poll::Ready(Some(Ok(chunk))) = &polled {
            this.line.went(chunk);
        }
        polled
    }
}

impl Cut {
    /// A body that has nothing to send is never asked for it, and so could not say that this is the end.
    const fn announced(&self, size: BodySize) -> BodySize {
        match size {
            BodySize::None | BodySize::Sized(0) if self.is_flushed => BodySize::Sized(1),
            BodySize::None | BodySize::Sized(_) | BodySize::Stream => size,
        }
    }

    /// At an error actix closes the connection and throws away what it has not written. So it gets one turn to write
    /// before that, unless nothing is to be written.
    fn poll_next(
        &mut self,
        body: &mut BoxBody,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, <BoxBody as MessageBody>::Error>>> {
        if self.left > 0 {
            let polled = Pin::new(body).poll_next(cx);
            return polled.map_ok(|mut chunk| {
                let most = usize::try_from(self.left).unwrap_or(usize::MAX);
                chunk.truncate(most);
                self.left -= chunk.len() as u64;
                chunk
            });
        }
        if !std::mem::replace(&mut self.is_flushed, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(CutShort.into())))
    }
}

/// Tells actix to close the connection; it writes that into the log.
#[derive(Debug)]
struct CutShort;

impl std::fmt::Display for CutShort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is cut, as the mock was asked to")
    }
}

impl std::error::Error for CutShort {}

/// An answer that is ready, in the clothes of an error.
pub(super) struct Ready(RefCell<Option<HttpResponse>>);

impl Ready {
    pub(super) const fn new(response: HttpResponse) -> Self {
        Self(RefCell::new(Some(response)))
    }
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an answer that is ready")
    }
}

impl std::fmt::Display for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

impl ResponseError for Ready {
    fn error_response(&self) -> HttpResponse {
        self.0
            .take()
            .unwrap_or_else(|| HttpResponse::InternalServerError().finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polled(cut: &mut Cut, body: &mut BoxBody) -> Option<Result<Bytes, String>> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match cut.poll_next(body, &mut context) {
            Poll::Ready(next) => next.map(|next| next.map_err(|e| e.to_string())),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_body_ends_at_its_cut_after_what_was_sent_is_written() {
        let mut body = BoxBody::new("abcdef");
        let mut cut = Cut {
            left: 3,
            is_flushed: false,
        };
        let part = polled(&mut cut, &mut body);
        assert_eq!(part, Some(Ok(Bytes::from_static(b"abc"))));
        assert_eq!(polled(&mut cut, &mut body), None, "now it is written");
        assert!(matches!(polled(&mut cut, &mut body), Some(Err(_))));
    }

    #[test]
    fn an_answer_that_is_not_to_be_sent_is_asked_for_though_it_is_empty() {
        let nothing = Cut {
            left: 0,
            is_flushed: true,
        };
        for size in [BodySize::None, BodySize::Sized(0), BodySize::Sized(1)] {
            assert_eq!(nothing.announced(size), BodySize::Sized(1));
        }
        let half = Cut {
            left: 0,
            is_flushed: false,
        };
        assert_eq!(half.announced(BodySize::None), BodySize::None);
    }
}
