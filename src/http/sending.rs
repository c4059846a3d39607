//! Answers on their way out.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, ResponseError};

use super::access_log::AccessLine;
use crate::limiter::Permit;

/// A body on its way out. When the last byte is handed over, or the client is gone, the slot comes back and the line
/// is logged.
pub(super) struct Sending {
    body: BoxBody,
    _permit: Option<Arc<Permit>>,
    line: AccessLine,
}

impl Sending {
    pub(super) fn new(body: BoxBody, permit: Option<Arc<Permit>>, line: AccessLine) -> Self {
        Self {
            body,
            _permit: permit,
            line,
        }
    }
}

impl MessageBody for Sending {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_next(cx);
        if let Poll::Ready(Some(Ok(chunk))) = &polled {
            self.line.went(chunk);
        }
        polled
    }
}

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
