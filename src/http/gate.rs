//! The way of every request, from its first byte to its last header: name it, see who it is, let it in or not, run it,
//! dress the answer. Whatever has passed the HTTP parser leaves through here, so every answer has its request id and its
//! limits: the 404s and the panics too.

mod dressing;
mod entry;
mod faults;
mod host;
mod visit;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderValue;
use actix_web::http::{ConnectionType, Method};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};
use futures_util::FutureExt;
use tokio::sync::watch;

use self::dressing::{Dressing, Face};
pub(super) use self::entry::ByDoor;
use self::entry::Entry;
use self::visit::Caller;
pub(super) use self::visit::{Asker, Visit};
use super::access_log::{AccessLine, Note};
use super::body::GoesOn;
use super::dashboard::door;
use super::forward::Returned;
use super::headers::{LimitHeaders, REPLAYED, allowed_origin};
use super::request_id::RequestIds;
use super::sending::{Extent, Held, Ready, Sending};
use super::server::Activity;
use super::{DOCUMENT, LocalApp, body, dashboard, docs, forward, is_monitoring, mock};
use crate::app::upstream::Link;
use crate::app::{self, App};
use crate::clock::Stopwatch;
use crate::domain::limit::Scope;
use crate::domain::refusal::Refusal;

/// What the gate of a thread needs for every request.
pub(super) struct Gate {
    app: LocalApp,
    request_ids: Arc<RequestIds>,
    limit_headers: LimitHeaders,
    stopping: watch::Receiver<bool>,
}

impl Gate {
    /// The gate of this thread. The gates of a server share what makes ids.
    pub(super) fn new(app: Arc<App>, request_ids: Arc<RequestIds>) -> Self {
        let mut stopping = app.stopping.subscribe();
        if *stopping.borrow() {
            stopping.mark_changed();
        }
        Self {
            request_ids,
            limit_headers: LimitHeaders::new(app.settings.limits),
            stopping,
            app: Rc::new(app),
        }
    }

    /// Whether the server is about to stop. Nothing else is ever told, and to look whether something was takes no lock.
    fn is_stopping(&self) -> bool {
        self.stopping.has_changed().unwrap_or(true)
    }

    /// The whole way of a request.
    async fn go(
        self: Rc<Self>,
        mut request: ServiceRequest,
        next: Next<impl MessageBody + 'static>,
    ) -> Result<ServiceResponse<BoxBody>, Error> {
        let started = Stopwatch::start();
        let now = self.app.clock.at(started);
        let running = connection_of(&request).map(|activity| activity.begins());
        let (is_last, version) = (is_last(&request), request.version());
        let request_id = self.request_ids.of(request.headers(), now);
        let face = Face::of(routed_path(&request), request.headers());
        let counted = self.counted_as(face, routed_path(&request));
        let target = (face == Face::Page).then(|| target_of(&request));
        let came = (started, now);
        let mut line = AccessLine::new(&self.app, &request, &request_id, came, counted);
        let origin = allowed_origin(request.headers(), &self.app.settings.allow_origin);
        let idempotency_key = body::idempotency_key(request.method(), request.headers());
        let usable_key = idempotency_key.as_ref().ok().and_then(Option::as_ref);
        let echo = usable_key.and_then(|key| HeaderValue::from_str(key.as_str()).ok());

        let (mut entry, has_waited) = match entry::check(&mut request) {
            Ok(()) => body::waited_for(pin!(self.enter(&request, now))).await,
            Err(refusal) => (self.enter_nowhere(&request, refusal, now), false),
        };
        line.is_from(entry.key.take(), usable_key, request.headers());
        let permit = entry
            .caller
            .as_ref()
            .ok()
            .map(|caller| Arc::clone(&caller.permit));
        let operator = entry.by_door.as_ref().and_then(|door| door.operator);
        let is_woken = has_waited || self.app.settings.mock || running.is_none();
        let goes_on = GoesOn::of(is_woken);
        let body = self.body(&mut request, entry.is_heard, goes_on).await;
        body.iter().for_each(|body| line.came(body));
        if let Some(refusal) = body::too_large(request.method(), &body) {
            entry.turned_away.get_or_insert(refusal);
        }
        let begins = match entry.fault {
            Some(fault) => {
                line.is_hit_by(fault);
                let sent = (usable_key, body.as_ref().ok());
                let _place = self.place_of(&request, &entry, sent);
                self.hold_up(fault, now).await
            }
            None => now,
        };
        let (request, response) = match entry.turned_away.take() {
            Some(refusal) => {
                let named = (&request_id, begins);
                let answer = match entry.fault {
                    Some(_) => {
                        let sent = (usable_key, body.as_ref().ok());
                        Box::pin(self.declined(&request, &entry, sent, named)).await
                    }
                    None => None,
                };
                let (request, _payload) = request.into_parts();
                let response = answer.unwrap_or(Err(refusal));
                (
                    Some(request),
                    response.unwrap_or_else(HttpResponse::from_error),
                )
            }
            None => {
                let link = self.link_of(&entry, &request);
                let visit = Visit {
                    app: Rc::clone(&self.app),
                    now: begins,
                    request_id: request_id.clone(),
                    caller: entry.caller,
                    buyer: entry.buyer,
                    by_door: entry.by_door,
                    idempotency_key,
                    body,
                };
                match link {
                    Some(link) => {
                        let Returned { answer, reached } =
                            send_up(request, visit, link, &request_id).await;
                        reached
                            .into_iter()
                            .for_each(|reached| line.went_up(reached));
                        (None, answer.unwrap_or_else(HttpResponse::from_error))
                    }
                    None => run(request, visit, next, &request_id).await,
                }
            }
        };

        let frame = operator.as_ref().map(dashboard::frame_of);
        let dressing = Dressing {
            told: &entry.told,
            request_id,
            now: now.plus(line.elapsed()),
            is_last,
            version,
            face,
            frame,
            asked: (line.method(), target.as_deref()),
        };
        let response = self.dress(response, dressing, origin, echo);
        if let Some(running) = &running
            && response.head().connection_type() == ConnectionType::Close
        {
            running.ends();
        }
        let response = send(
            response,
            (permit, running),
            line,
            faults::extent(entry.fault),
        );
        match request {
            Some(request) => Ok(ServiceResponse::new(request, response)),
            // It went up, or actix lost it on the way (a panic, or its own error). actix takes an error as well.
            None => Err(Error::from(Ready::new(response))),
        }
    }

    /// The upstream that a request goes to that was let in.
    fn link_of(&self, entry: &Entry, request: &ServiceRequest) -> Option<Arc<Link>> {
        let caller = entry.caller.as_ref().ok()?;
        forward::link_of(&self.app, &caller.entry, routed_path(request)).cloned()
    }

    /// Where a request is counted; those of monitors are not.
    fn counted_as(&self, face: Face, path: &str) -> Option<app::Face> {
        Some(match face {
            Face::Buyer => app::Face::Checkout,
            Face::Json | Face::Page if door::is_watch(path) => app::Face::Watch,
            Face::Json | Face::Page => app::Face::Dashboard,
            Face::Api if is_monitoring(path) => return None,
            Face::Api if path == DOCUMENT || docs::leads_in(path) => app::Face::Docs,
            Face::Api if self.app.settings.mock && mock::leads_in(path) => app::Face::Mock,
            Face::Api => app::Face::Api,
        })
    }

    /// Reads the body of a known client, before anything else waits for it; of anybody else, nothing is waited for.
    async fn body(
        &self,
        request: &mut ServiceRequest,
        is_known: bool,
        goes_on: GoesOn,
    ) -> Result<Bytes, Refusal> {
        let payload = request.take_payload();
        let body = if is_known {
            body::read(payload, request.headers(), &self.app.settings, goes_on).await
        } else {
            if !matches!(payload, Payload::None) {
                body::step_back(goes_on).await;
            }
            body::discard(payload, self.app.settings.max_body);
            Ok(Bytes::new())
        };
        if let Some(activity) = connection_of(request)
            && request.method() == Method::CONNECT
        {
            activity.hear_no_more();
        }
        body
    }
}

/// What goes on on the connection of a request over HTTP/1.1.
fn connection_of(request: &ServiceRequest) -> Option<&Rc<Activity>> {
    request.conn_data::<Rc<Activity>>()
}

/// Whether a request is the last one of its connection. Another protocol is never agreed on; actix takes who asks for one
/// for the last, and so does whoever believes us to speak it from then on.
fn is_last(request: &ServiceRequest) -> bool {
    let keeps = request.head().connection_type() == ConnectionType::KeepAlive;
    connection_of(request).is_some() && (!keeps || request.method() == Method::CONNECT)
}

/// The path as actix routes by it: percent escapes are read, but those of `/`, `%` and `+`. Whatever is decided by the
/// path is decided by this one, so that no other spelling of it leads round the decision.
fn routed_path(request: &ServiceRequest) -> &str {
    request.match_info().as_str()
}

/// Path and query as they came.
fn target_of(request: &ServiceRequest) -> String {
    let target = request.uri().path_and_query();
    target.map_or_else(String::new, |target| target.as_str().to_owned())
}

/// Runs the handler.
async fn run(
    request: ServiceRequest,
    visit: Visit,
    next: Next<impl MessageBody + 'static>,
    request_id: &HeaderValue,
) -> (Option<HttpRequest>, HttpResponse) {
    request.extensions_mut().insert(visit);
    match unwound(next.call(request), request_id).await {
        Ok(Ok(answered)) => {
            let (request, response) = answered.into_parts();
            (Some(request), response.map_into_boxed_body())
        }
        Ok(Err(error)) => (None, HttpResponse::from_error(error)),
        Err(refusal) => (None, HttpResponse::from_error(refusal)),
    }
}

/// Sends the request to the upstream of its mode instead.
async fn send_up(
    request: ServiceRequest,
    visit: Visit,
    link: Arc<Link>,
    request_id: &HeaderValue,
) -> Returned {
    let (request, _payload) = request.into_parts();
    // In a box, or every other request would carry the room for it.
    let work = Box::pin(forward::forward(request, visit, link));
    let returned = unwound(work, request_id).await;
    returned.unwrap_or_else(|refusal| Err(refusal).into())
}

/// Does the work. A panic is an answer like any other; its slot and its claim come back as it unwinds.
async fn unwound<T>(work: impl Future<Output = T>, request_id: &HeaderValue) -> Result<T, Refusal> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.map_err(|panic| {
        let request_id = request_id.to_str().unwrap_or_default();
        let why = panic_message(&*panic);
        log::error!(request_id; "{request_id}: a handler panicked: {why}");
        Refusal::Internal
    })
}

/// Sends so much of an answer on its way, and remembers it as far as anybody gets to see it.
fn send(
    mut response: HttpResponse,
    held: Held,
    mut line: AccessLine,
    extent: Extent,
) -> HttpResponse {
    if extent == Extent::Nothing {
        // HTTP/2 sends the head before it asks for a body.
        response.extensions_mut().insert(extent);
    } else {
        let (status, note) = (response.status().as_u16(), note(&response));
        line.answered(status, response.headers(), note);
    }
    response.map_body(|_, body| BoxBody::new(Sending::new(body, held, line, extent)))
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("?")
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
