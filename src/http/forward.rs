//! Requests that go to the upstream of their key's mode, and its answers. Which do is said here.

use std::sync::Arc;

use actix_web::body::{BodyStream, BoxBody, SizedStream};
use actix_web::http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{Stream, TryStreamExt, stream};

use super::gate::Visit;
use super::payments::{call_of, respond};
use super::{SERVICE_HEALTH, who};
use crate::app::forward::{Coming, Course, Forwarded, Outcome, Reached, Sent};
use crate::app::upstream::{Cut, Link};
use crate::app::{Answer, App, KeyEntry};
use crate::domain::refusal::Refusal;

/// Where what an upstream has begins.
const BASE: &str = "/functions/v1/";

/// Whether a request to this path goes up, if its key has an upstream.
pub(super) fn leads_up(path: &str) -> bool {
    path.starts_with(BASE) && path != SERVICE_HEALTH
}

/// The upstream that a request of this key goes to by its path, as it is routed.
pub(super) fn link_of<'a>(app: &'a App, entry: &KeyEntry, path: &str) -> Option<&'a Arc<Link>> {
    let link = app.upstreams.of(entry.key.mode)?;
    leads_up(path).then_some(link)
}

/// What became of a request that was to go up.
pub(super) struct Returned {
    /// The answer of the upstream, or ours where there is none.
    pub(super) answer: Result<HttpResponse, Refusal>,
    /// None where nothing was sent.
    pub(super) reached: Option<Reached>,
}

impl From<Result<HttpResponse, Refusal>> for Returned {
    fn from(answer: Result<HttpResponse, Refusal>) -> Self {
        Self {
            answer,
            reached: None,
        }
    }
}

/// Sends a request up. It is let go of before that: of a thousand that wait for their answers, only what goes up is held.
#[expect(
    clippy::manual_async_fn,
    reason = "an `async fn` has room for its arguments twice"
)]
pub(super) fn forward(
    request: HttpRequest,
    visit: Visit,
    link: Arc<Link>,
) -> impl Future<Output = Returned> {
    async move {
        let is_of_head = *request.method() == Method::HEAD;
        let request_id = visit.request_id();
        let course = course(&request, visit, link);
        drop(request);
        let errand = match course {
            Ok(Course::Errand(errand)) => errand,
            Ok(Course::Replay(reply)) => {
                let replayed = true;
                return Ok(respond(Answer { reply, replayed })).into();
            }
            Err(refusal) => return Err(refusal).into(),
        };
        let Outcome { answer, reached } = errand.run().await;
        Returned {
            answer: answer.map(|answer| fresh(answer, is_of_head, request_id)),
            reached,
        }
    }
}

fn course(request: &HttpRequest, mut visit: Visit, link: Arc<Link>) -> Result<Course, Refusal> {
    let merchant = visit.take_merchant()?;
    let call = call_of(request, &visit, merchant)?;
    let (app, headers) = (visit.app, request.headers());
    let trusted = &app.settings.trusted_proxy;
    let peer = request.peer_addr().map(|peer| peer.ip());
    let lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let sent = Sent {
        headers: lines.iter().copied(),
        client: who::address(peer, headers, trusted),
        is_tls: who::is_tls(peer, headers, trusted, app.settings.tls.is_some()),
        host: headers.get(HOST).and_then(|host| host.to_str().ok()),
        body: visit.body?,
    };
    app.errand(link, call, sent)
}

fn in_pieces(
    length: Option<u64>,
    pieces: impl Stream<Item = Result<Bytes, Cut>> + 'static,
) -> BoxBody {
    match length {
        Some(length) => BoxBody::new(SizedStream::new(length, pieces)),
        None => BoxBody::new(BodyStream::new(pieces)),
    }
}

/// An answer of the upstream's as it goes down.
fn fresh(answer: Forwarded, is_of_head: bool, request_id: String) -> HttpResponse {
    let Forwarded { head, body } = answer;
    let status = StatusCode::from_u16(head.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let length = if is_of_head {
        head.told_length
    } else {
        head.length
    };
    let body = match body {
        Coming::Whole(bytes) if !is_of_head => BoxBody::new(bytes),
        // Its length is told, and it does not come.
        Coming::Whole(_) => in_pieces(length, stream::empty()),
        Coming::Pieces(pieces) => {
            let told = move |Cut(why): &Cut| {
                log::warn!(request_id; "{request_id}: the upstream's answer broke off: {why}");
            };
            in_pieces(length, pieces.inspect_err(told))
        }
    };
    let mut response = HttpResponse::with_body(status, body);
    let headers = response.headers_mut();
    for (name, value) in head.headers.iter() {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(value);
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    // It tells of a body that does not come; elsewhere actix says it by the body.
    if let (StatusCode::NOT_MODIFIED, Some(length)) = (status, head.told_length) {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    response
}
