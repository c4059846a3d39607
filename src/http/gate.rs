//! The way of every request, from its first byte to its last header: name it, see who it is, let it in or not, run it,
//! dress the answer. Whatever has passed the HTTP parser leaves through here, so every answer has its request id and its
//! limits: the 404s and the panics too.

use std::any::Any;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};
use futures_util::FutureExt;

use super::access_log::{AccessLine, Note};
use super::headers::{IDEMPOTENCY_KEY, LimitHeaders, REPLAYED, Told, allowed_origin, write_cors};
use super::refusal::respond;
use super::request_id::{RequestIds, X_REQUEST_ID};
use super::sending::{Ready, Sending};
use super::who::{Credentials, address};
use super::{body, is_unlimited};
use crate::app::{App, KeyEntry, Unidentified};
use crate::domain::limit::Scope;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::limiter::Permit;

/// What the gate needs for every request.
pub(super) struct Gate {
    app: Arc<App>,
    request_ids: RequestIds,
    limit_headers: LimitHeaders,
}

/// What a handler gets to know of the request it serves.
pub(super) struct Visit {
    pub(super) app: Arc<App>,
    pub(super) now: Timestamp,
    caller: Result<Caller, Refusal>,
    body: Result<Bytes, Refusal>,
}

/// A key that was let in.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) entry: Arc<KeyEntry>,
    pub(super) permit: Arc<Permit>,
}

impl Visit {
    /// The visit of a request that came through the gate; a handler takes it once.
    pub(super) fn of(request: &HttpRequest) -> Result<Self, Refusal> {
        request.extensions_mut().remove().ok_or(Refusal::Internal)
    }

    /// The key and what it sent, or why there is none.
    pub(super) fn caller(self) -> Result<(Caller, Result<Bytes, Refusal>), Refusal> {
        Ok((self.caller?, self.body))
    }
}

/// Who came, and whether it goes on.
struct Entry {
    told: Told,
    caller: Result<Caller, Refusal>,
    /// For the log, also of a key that was turned away.
    key: Option<Arc<KeyEntry>>,
    /// Set when the request goes no further than the gate.
    turned_away: Option<Refusal>,
}

impl Gate {
    pub(super) fn new(app: Arc<App>) -> Self {
        let limit_headers = LimitHeaders::new(app.settings.limits);
        Self {
            app,
            request_ids: RequestIds::new(),
            limit_headers,
        }
    }

    /// The whole way of a request.
    pub(super) async fn pass(
        self: Arc<Self>,
        mut request: ServiceRequest,
        next: Next<impl MessageBody + 'static>,
    ) -> Result<ServiceResponse<BoxBody>, Error> {
        let now = self.app.clock.now();
        let request_id = self.request_ids.of(request.headers(), now);
        let mut line = AccessLine::new(
            request_id.clone(),
            request.method().as_str(),
            request.path(),
        );
        let origin = allowed_origin(request.headers(), &self.app.settings.allow_origin);
        let echo = idempotency_echo(&request);

        let entry = self.enter(&request, now).await;
        line.key = entry.key;
        let permit = entry
            .caller
            .as_ref()
            .ok()
            .map(|caller| Arc::clone(&caller.permit));
        let body = self.body(&mut request, entry.caller.is_ok()).await;
        let (request, response) = match entry.turned_away {
            Some(refusal) => {
                let (request, _payload) = request.into_parts();
                (Some(request), HttpResponse::from_error(refusal))
            }
            None => {
                let app = Arc::clone(&self.app);
                request.extensions_mut().insert(Visit {
                    app,
                    now,
                    caller: entry.caller,
                    body,
                });
                run(request, next, &request_id).await
            }
        };

        let response = self.dress(
            response,
            &entry.told,
            &request_id,
            now.plus(line.elapsed()),
            origin,
            echo,
        );
        line.status = Some(response.status().as_u16());
        line.note = note(&response);
        let response = response.map_body(|_, body| BoxBody::new(Sending::new(body, permit, line)));
        match request {
            Some(request) => Ok(ServiceResponse::new(request, response)),
            // actix lost the request on the way (a panic, or its own error); it takes an error as well.
            None => Err(Error::from(Ready::new(response))),
        }
    }

    /// Reads the body of a known client, before anything else waits for it; of anybody else, nothing is waited for.
    async fn body(&self, request: &mut ServiceRequest, is_known: bool) -> Result<Bytes, Refusal> {
        let payload = request.take_payload();
        if request.head().upgrade() && request.method() != Method::GET {
            let why = "The request asks for another protocol (Upgrade), so its body can't be read."
                .to_owned();
            return Err(Refusal::InvalidJson { why });
        }
        if is_known {
            body::read(payload, request.headers(), &self.app.settings).await
        } else {
            body::discard(payload, self.app.settings.max_body);
            Ok(Bytes::new())
        }
    }

    /// Who is it, and may it come in?
    async fn enter(&self, request: &ServiceRequest, now: Timestamp) -> Entry {
        let app = &self.app;
        let peer = request.peer_addr().map(|peer| peer.ip());
        let from = || address(peer, request.headers(), &app.settings.trusted_proxy);
        if is_unlimited(request.method(), request.path()) {
            let told = Told::Address(app.addresses.standing(from(), now));
            return Entry {
                told,
                caller: Err(Refusal::KeyUnknown),
                key: None,
                turned_away: None,
            };
        }
        let credentials = Credentials::read(request.headers());
        let entry = match app.identify(credentials.presented(), now).await {
            Ok(entry) => entry,
            Err(why) => return self.enter_stranger(from(), why, now),
        };
        let key = Some(Arc::clone(&entry));
        match app.admit(&entry, now).await {
            Ok(permit) => {
                let told = Told::Key {
                    standing: permit.standing,
                    refused: None,
                };
                Entry {
                    told,
                    caller: Ok(Caller {
                        entry,
                        permit: Arc::new(permit),
                    }),
                    key,
                    turned_away: None,
                }
            }
            Err(refusal) => {
                let refused = if let Refusal::RateLimited(limited) = &refusal {
                    Some(limited.allowance)
                } else {
                    None
                };
                let told = Told::Key {
                    standing: entry.limiter.standing(now),
                    refused,
                };
                Entry {
                    told,
                    caller: Err(refusal.clone()),
                    key,
                    turned_away: Some(refusal),
                }
            }
        }
    }

    /// Strangers may see 404s and 401s until their address has had enough.
    fn enter_stranger(&self, from: IpAddr, why: Unidentified, now: Timestamp) -> Entry {
        let Unidentified { refusal, key } = why;
        match self.app.admit_stranger(from, now) {
            Ok(allowance) => {
                // What is wrong with the request itself is said before any path is looked at.
                let turned_away = (refusal == Refusal::AuthorizationTwice).then(|| refusal.clone());
                Entry {
                    told: Told::Address(allowance),
                    caller: Err(refusal),
                    key,
                    turned_away,
                }
            }
            Err(limited) => {
                let (told, refusal) = (
                    Told::Address(limited.allowance),
                    Refusal::RateLimited(limited),
                );
                Entry {
                    told,
                    caller: Err(refusal.clone()),
                    key,
                    turned_away: Some(refusal),
                }
            }
        }
    }

    /// Puts the right error body and the headers of every answer on.
    fn dress(
        &self,
        response: HttpResponse,
        told: &Told,
        request_id: &HeaderValue,
        now: Timestamp,
        origin: Option<HeaderValue>,
        echo: Option<HeaderValue>,
    ) -> HttpResponse {
        let refusal = response
            .error()
            .map(|error| match error.as_error::<Refusal>() {
                Some(refusal) => refusal.clone(),
                None => refusal_of_actix(error),
            });
        let mut response = match &refusal {
            Some(refusal) => respond(refusal, request_id.to_str().unwrap_or_default()),
            None => response,
        };
        if let Some(Refusal::RateLimited(limited)) = &refusal {
            response.extensions_mut().insert(limited.allowance.scope);
        }
        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, request_id.clone());
        self.limit_headers.write(told, now, headers);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if !headers.contains_key(CACHE_CONTROL) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if let Some(origin) = origin {
            write_cors(origin, headers);
        }
        if let Some(echo) = echo {
            headers.insert(IDEMPOTENCY_KEY, echo);
        }
        response
    }
}

/// Runs the handler. A panic is an answer like any other; its slot and its claim come back as it unwinds.
async fn run(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    request_id: &HeaderValue,
) -> (Option<HttpRequest>, HttpResponse) {
    match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(Ok(answered)) => {
            let (request, response) = answered.into_parts();
            (Some(request), response.map_into_boxed_body())
        }
        Ok(Err(error)) => (None, HttpResponse::from_error(error)),
        Err(panic) => {
            log::error!(
                "{}: a handler panicked: {}",
                request_id.to_str().unwrap_or_default(),
                panic_message(&*panic)
            );
            (None, HttpResponse::from_error(Refusal::Internal))
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("?")
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

fn idempotency_echo(request: &ServiceRequest) -> Option<HeaderValue> {
    if !matches!(*request.method(), Method::POST | Method::PATCH) {
        return None;
    }
    let key = body::idempotency_key(request.headers()).ok().flatten()?;
    HeaderValue::from_str(key.as_str()).ok()
}

fn note(response: &HttpResponse) -> Note {
    if response.headers().contains_key(REPLAYED) {
        Note::Replayed
    } else {
        response
            .extensions()
            .get::<Scope>()
            .map_or(Note::Nothing, |scope| Note::RefusedBy(*scope))
    }
}

/// Whether a browser asks for leave to send something else.
pub(super) fn is_preflight(request: &HttpRequest) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(ORIGIN)
        && request
            .headers()
            .contains_key(actix_web::http::header::ACCESS_CONTROL_REQUEST_METHOD)
}
