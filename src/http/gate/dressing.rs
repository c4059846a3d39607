//! The last thing that happens to an answer: the right error body, and the headers that every answer carries.

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{
    ACCEPT, CACHE_CONTROL, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{ConnectionType, Version};
use actix_web::{Error, HttpResponse};

use super::Gate;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::http::checkout;
use crate::http::dashboard::pages::layout::Frame;
use crate::http::dashboard::{self, door};
use crate::http::headers::{IDEMPOTENCY_KEY, Told, write_cors};
use crate::http::refusal::respond;
use crate::http::request_id::X_REQUEST_ID;

/// Whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    /// A client of the API.
    Api,
    /// A program that asks the Dashboard.
    Json,
    /// A person with a browser.
    Page,
    /// A buyer with a browser.
    Buyer,
}

impl Face {
    pub(super) fn of(path: &str, headers: &HeaderMap) -> Self {
        let wants_page = || {
            let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
            accept.is_some_and(|accept| accept.contains("text/html"))
        };
        if checkout::name_in(path).is_some() {
            return Self::Buyer;
        }
        match door::leads_in(path) {
            false => Self::Api,
            true if wants_page() => Self::Page,
            true => Self::Json,
        }
    }
}

/// What every answer is dressed by.
pub(super) struct Dressing<'a> {
    pub(super) told: &'a Told,
    pub(super) request_id: HeaderValue,
    pub(super) now: Timestamp,
    /// The connection ends with it.
    pub(super) is_last: bool,
    pub(super) version: Version,
    pub(super) face: Face,
    pub(super) frame: Option<Frame>,
    /// Method, and for a page path and query.
    pub(super) asked: (&'a str, Option<&'a str>),
}

impl Gate {
    /// Puts the right error body and the headers of every answer on.
    pub(super) fn dress(
        &self,
        response: HttpResponse,
        dressing: Dressing<'_>,
        origin: Option<HeaderValue>,
        echo: Option<HeaderValue>,
    ) -> HttpResponse {
        let request_id = &dressing.request_id;
        let refusal = response
            .error()
            .map(|error| match error.as_error::<Refusal>() {
                Some(refusal) => refusal.clone(),
                None => refusal_of_actix(error),
            });
        let named = request_id.to_str().unwrap_or_default();
        let mut response = match &refusal {
            Some(refusal) if dressing.face == Face::Page => {
                let frame = dressing.frame.as_ref();
                dashboard::show(
                    refusal,
                    respond(refusal, named),
                    named,
                    frame,
                    dressing.asked,
                )
            }
            Some(refusal) if dressing.face == Face::Buyer => {
                checkout::show(refusal, respond(refusal, named), named)
            }
            Some(refusal) => respond(refusal, named),
            None => response,
        };
        if let Some(Refusal::RateLimited(limited)) = &refusal {
            response.extensions_mut().insert(limited.allowance.scope);
        }
        // Guesses at the password have a bucket of their own.
        let of_refusal = match (&refusal, dressing.told) {
            (Some(Refusal::RateLimited(limited)), Told::Address(_)) => {
                Some(Told::Address(limited.allowance))
            }
            _ => None,
        };
        let told = of_refusal.as_ref().unwrap_or(dressing.told);
        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, dressing.request_id);
        self.limit_headers.write(told, dressing.now, headers);
        match dressing.face {
            Face::Api => (),
            Face::Buyer => checkout::write_headers(headers),
            Face::Json | Face::Page => dashboard::write_headers(headers),
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if !headers.contains_key(CACHE_CONTROL) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        // Who may call the API may not read the Dashboard.
        if let Some(origin) = origin.filter(|_| dressing.face == Face::Api) {
            write_cors(origin, headers);
        }
        if let Some(echo) = echo {
            headers.insert(IDEMPOTENCY_KEY, echo);
        }
        // Who speaks HTTP/1.0 knows no chunks: a body without a length ends with its connection (RFC 9112, 6.1).
        let ends_with_connection =
            dressing.version < Version::HTTP_11 && response.body().size() == BodySize::Stream;
        let head = response.head_mut();
        head.no_chunking(ends_with_connection);
        if dressing.is_last || ends_with_connection || self.is_stopping() {
            head.set_connection_type(ConnectionType::Close);
        }
        response
    }
}

/// An error that actix made itself, in our words.
fn refusal_of_actix(error: &Error) -> Refusal {
    let status = error.as_response_error().status_code();
    log::warn!("actix answered {status}: {error}");
    if status.is_client_error() {
        Refusal::InvalidJson {
            why: "The request could not be read.".to_owned(),
        }
    } else {
        Refusal::Internal
    }
}
