//! Reads what a known client sends: bounded in size, time and kind.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::Method;
use actix_web::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING,
};
use actix_web::web::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};

use super::headers::{IDEMPOTENCY_KEY, X_IDEMPOTENCY_KEY};
use crate::clock::within;
use crate::config::Settings;
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::json::Json;
use crate::domain::refusal::Refusal;

/// The idempotency key, if the client sent one with a method that has any use for it. `X-Idempotency-Key` counts in the
/// absence of the documented header.
pub(super) fn idempotency_key(
    method: &Method,
    headers: &HeaderMap,
) -> Result<Option<IdempotencyKey>, Refusal> {
    if !matches!(*method, Method::POST | Method::PATCH) {
        return Ok(None);
    }
    let mut values = headers.get_all(IDEMPOTENCY_KEY);
    let mut first = values.next();
    if first.is_none() {
        values = headers.get_all(X_IDEMPOTENCY_KEY);
        first = values.next();
    }
    match (first, values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => IdempotencyKey::parse(value.as_bytes()).map(Some),
        (Some(_), Some(_)) => Err(Refusal::IdempotencyKeyInvalid {
            why: "It stands there twice.",
        }),
    }
}

/// Reads a body to its end, up to the limits. To be called once, before anything is decided by what is in it. Of who asks
/// for a WebSocket or a tunnel actix gives all that comes: a body ends where its length says.
pub(super) async fn read(
    payload: Payload,
    headers: &HeaderMap,
    settings: &Settings,
    goes_on: GoesOn,
) -> Result<Bytes, Refusal> {
    if matches!(payload, Payload::None) {
        return Ok(Bytes::new());
    }
    let limit = settings.max_body;
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(Refusal::TooLarge { limit });
    }
    let is_measured =
        matches!(payload, Payload::H1 { .. }) && !headers.contains_key(TRANSFER_ENCODING);
    let body = Coming {
        payload,
        left: if is_measured {
            declared.unwrap_or(0)
        } else {
            u64::MAX
        },
    };
    let late = |_| Refusal::TooSlow {
        limit: settings.body_timeout,
    };
    let mut collecting = pin!(collect(body, limit));
    let at_once = collecting
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    if let Poll::Ready(read) = at_once {
        return read;
    }
    step_back(goes_on).await;
    within(settings.body_timeout, collecting)
        .await
        .map_err(late)?
}

/// Whether a handler that waits once goes on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GoesOn {
    /// In the same step: actix hands over what has come with a head of HTTP/1.1 when the handler has waited for the first
    /// time, and then goes on with it.
    ByItself,
    /// When it is woken: it has waited before, runs in a task of its own, as some do in the mock, or answers HTTP/2.
    WhenWoken,
}

impl GoesOn {
    pub(super) const fn of(is_woken: bool) -> Self {
        if is_woken {
            Self::WhenWoken
        } else {
            Self::ByItself
        }
    }
}

/// What comes of a work, and whether it had to be waited for. The work lies with who asks, or there would be room for it
/// twice.
pub(super) async fn waited_for<T>(mut work: Pin<&mut impl Future<Output = T>>) -> (T, bool) {
    let mut has_waited = false;
    let done = poll_fn(|cx| {
        let polled = work.as_mut().poll(cx);
        has_waited |= polled.is_pending();
        polled
    });
    let done = done.await;
    (done, has_waited)
}

/// Waits once, so that actix reads on. A handler that goes on by itself is not woken: that would be a step more, with
/// nothing to do.
pub(super) async fn step_back(goes_on: GoesOn) {
    let mut has_waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        if goes_on == GoesOn::WhenWoken {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}

/// A body on its way, and how much of it may still come.
struct Coming {
    payload: Payload,
    left: u64,
}

impl Coming {
    async fn next(&mut self) -> Option<Result<Bytes, PayloadError>> {
        if self.left == 0 {
            return None;
        }
        let next = self.payload.next().await;
        next.map(|next| {
            next.map(|mut piece| {
                piece.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= piece.len() as u64;
                piece
            })
        })
    }
}

async fn collect(mut body: Coming, limit: usize) -> Result<Bytes, Refusal> {
    let broken = |_: PayloadError| Refusal::InvalidJson {
        why: "The body could not be read to its end.".to_owned(),
    };
    let Some(first) = body.next().await else {
        return Ok(Bytes::new());
    };
    let first = first.map_err(broken)?;
    if first.len() > limit {
        return Err(Refusal::TooLarge { limit });
    }
    let mut next = body.next().await;
    if next.is_none() {
        return Ok(first);
    }
    let mut whole = BytesMut::from(first);
    while let Some(chunk) = next {
        whole.extend_from_slice(&chunk.map_err(broken)?);
        if whole.len() > limit {
            return Err(Refusal::TooLarge { limit });
        }
        next = body.next().await;
    }
    Ok(whole.freeze())
}

/// The refusal of a request that only reads for its body, which nobody else looks at.
pub(super) fn too_large(method: &Method, body: &Result<Bytes, Refusal>) -> Option<Refusal> {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let refusal = body.as_ref().err().filter(|_| is_read)?;
    matches!(refusal, Refusal::TooLarge { .. }).then(|| refusal.clone())
}

/// Throws away what has arrived of a body that nobody will read, without waiting for more: where that is all of it, the
/// connection can go on.
pub(super) fn discard(mut payload: Payload, limit: usize) {
    let mut context = Context::from_waker(Waker::noop());
    let mut discarded = 0;
    while let Poll::Ready(Some(Ok(chunk))) = Pin::new(&mut payload).poll_next(&mut context) {
        discarded += chunk.len();
        if discarded > limit {
            return;
        }
    }
}

/// The body as JSON.
pub(super) fn json(request: &HttpRequest, body: Result<Bytes, Refusal>) -> Result<Json, Refusal> {
    if !is_json(request) {
        return Err(Refusal::UnsupportedMediaType);
    }
    Json::parse(&body?).map_err(|why| Refusal::InvalidJson { why })
}

/// The body of a form, as `application/x-www-form-urlencoded` whatever its parameters.
pub(super) fn form(headers: &HeaderMap, body: &Result<Bytes, Refusal>) -> Result<Bytes, Refusal> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    if kind.is_none_or(|kind| !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
        return Err(Refusal::NotAForm);
    }
    body.clone()
}

/// `application/json` or `application/*+json`, said once, with any parameters, and not compressed.
fn is_json(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let plain = headers
        .get(CONTENT_ENCODING)
        .is_none_or(|name| name.as_bytes().eq_ignore_ascii_case(b"identity"));
    let mut kinds = headers.get_all(CONTENT_TYPE);
    let kind = kinds.next().and_then(|kind| kind.to_str().ok());
    plain && kinds.next().is_none() && kind.is_some_and(is_json_type)
}

/// White space may stand before parameters too (RFC 9110 5.6.6).
fn is_json_type(text: &str) -> bool {
    let name = text.split(';').next().unwrap_or_default();
    let name = name.trim_matches([' ', '\t']).to_ascii_lowercase();
    // Of what names are made of (RFC 6838 4.2).
    let is_name = |text: &str| {
        let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !text.is_empty() && text.bytes().all(is_of_names)
    };
    let Some(subtype) = name.strip_prefix("application/") else {
        return false;
    };
    subtype == "json" || subtype.strip_suffix("+json").is_some_and(is_name)
}
