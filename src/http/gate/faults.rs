//! Faults at work: which one a request asks for or is hit by, and what the gate makes of it. Only in the mock, and only
//! for test keys.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderValue;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpResponse};
use futures_util::FutureExt;
use futures_util::future::Either;

use super::entry::Entry;
use super::{Gate, routed_path};
use crate::app::{Alone, App, Call, KeyEntry, Who};
use crate::domain::fault::{End, Fault};
use crate::domain::id::FaultId;
use crate::domain::idempotency::{Fingerprint, IdempotencyKey};
use crate::domain::json::Json;
use crate::domain::key::Mode;
use crate::domain::limit::Scope;
use crate::domain::refusal::{RateLimited, Refusal};
use crate::domain::time::Timestamp;
use crate::http::payments::{kept_refusal, respond};
use crate::http::sending::Extent;

const X_ATLAS_MOCK: &str = "x-atlas-mock";

/// What is to go wrong with a request. Nothing, as a rule.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) fault: Option<Fault>,
    /// The rule that says so.
    rule: Option<FaultId>,
    /// This refuses it instead of its being admitted.
    pub(super) limited: Option<RateLimited>,
    /// It is admitted, and this refuses it instead of its being run.
    pub(super) refused: Option<Refusal>,
}

impl Plan {
    /// A real limit has refused the request, so nothing comes of it.
    pub(super) fn come_to_nothing(self, app: &App) -> Self {
        if let Some(rule) = &self.rule {
            app.mock.faults.came_to_nothing(rule);
        }
        Self::default()
    }
}

impl Gate {
    /// Lets a request pass. One that a fault may hold up goes on when its client is gone meanwhile, as whatever has begun
    /// does.
    pub(in crate::http) fn pass(
        self: Rc<Self>,
        request: ServiceRequest,
        next: Next<impl MessageBody + 'static>,
    ) -> impl Future<Output = Result<ServiceResponse<BoxBody>, Error>> {
        let asks = || request.headers().contains_key(X_ATLAS_MOCK);
        if self.app.settings.mock && (asks() || self.app.mock.faults.any()) {
            let passing = actix_web::rt::spawn(self.go(request, next));
            let passed = |passed| Result::unwrap_or_else(passed, |_| Err(Refusal::Internal.into()));
            return Either::Left(passing.map(passed));
        }
        Either::Right(self.go(request, next))
    }

    /// What goes wrong with a request of this key, or of a buyer, who has none: what its header asks for, else what a
    /// rule says.
    pub(super) fn plan(
        &self,
        request: &ServiceRequest,
        entry: Option<&KeyEntry>,
        now: Timestamp,
    ) -> Plan {
        let is_live = entry.is_some_and(|entry| entry.key.mode != Mode::Test);
        if is_live || !self.app.settings.mock {
            return Plan::default();
        }
        let spent = |scope| match entry {
            Some(entry) => entry.limiter.as_if_spent(scope, now),
            None => self.app.buyers.as_if_spent(now),
        };
        let (rule, fault) = match asked_for(request) {
            Some(Ok(fault)) => (None, fault),
            Some(Err(refusal)) => {
                return Plan {
                    refused: Some(refusal),
                    ..Plan::default()
                };
            }
            None => {
                let (method, path) = (request.method().as_str(), routed_path(request));
                let key = entry.map(|entry| &entry.key.id);
                match self.app.mock.faults.pick(method, path, key) {
                    Some((rule, fault)) => (Some(rule), fault),
                    None => return Plan::default(),
                }
            }
        };
        let limited = match fault.end {
            Some(End::RateLimit(scope)) => Some(spent(scope)),
            Some(End::Status(429)) => Some(spent(Scope::Minute)),
            Some(End::Status(_) | End::DropBefore | End::DropAfterCommit) | None => None,
        };
        Plan {
            rule,
            limited,
            refused: refusal_of(&fault),
            fault: Some(fault),
        }
    }

    /// The place of a request under an idempotency key: while it is held up, whoever comes to the same one is told that
    /// it runs, or that it is another one. What an empty body stands for is known to the operation only.
    pub(super) fn place_of(
        &self,
        request: &ServiceRequest,
        entry: &Entry,
        (key, body): (Option<&IdempotencyKey>, Option<&Bytes>),
    ) -> Option<Alone> {
        let (method, path) = (request.method().as_str(), request.path());
        let sent = body.filter(|sent| !sent.is_empty());
        let fingerprint = sent.map(|sent| {
            Fingerprint::of(
                method,
                path,
                request.query_string(),
                &Json::comparable(sent),
            )
        });
        let place = self.app.alone_at(who(entry)?.record(key?), fingerprint);
        place.ok()
    }

    /// The answer to a request that is declined because the mock was asked for that: kept under its idempotency key, as
    /// a real one is. None of any other request.
    pub(super) async fn declined(
        &self,
        request: &ServiceRequest,
        entry: &Entry,
        (key, body): (Option<&IdempotencyKey>, Option<&Bytes>),
        (request_id, now): (&HeaderValue, Timestamp),
    ) -> Option<Result<HttpResponse, Refusal>> {
        let refusal = entry
            .fault
            .filter(|fault| fault.end == Some(End::Status(402)))
            .and_then(|fault| refusal_of(&fault))?;
        let (key, who, sent) = (key?.clone(), who(entry)?, body?);
        let permit = entry.caller.as_ref().ok();
        let call = Call {
            who,
            permit: permit.map(|caller| Arc::clone(&caller.permit)),
            request_id: request_id.to_str().unwrap_or_default().to_owned(),
            refused: kept_refusal,
            now,
            method: request.method().as_str().to_owned(),
            path: request.path().to_owned(),
            query: request.query_string().to_owned(),
            idempotency_key: Some(key),
        };
        Some(
            self.app
                .decline(call, Json::comparable(sent), &refusal)
                .await
                .map(respond),
        )
    }

    /// Waits as long as a fault says, before anything is done. The time at which it then begins is the one that counts:
    /// what lived when the request came may have been removed since.
    pub(super) async fn hold_up(&self, fault: Fault, came: Timestamp) -> Timestamp {
        let Some(delay) = fault.delay else {
            return came;
        };
        // In a box, so that it takes no room in the way of every request.
        Box::pin(self.app.hold_up(delay, came)).await;
        self.app.clock.now()
    }
}

/// Who asks, of those who may have an idempotency key.
fn who(entry: &Entry) -> Option<Who> {
    match (&entry.caller, &entry.buyer) {
        (Ok(caller), _) => Some(Who::Merchant(Arc::clone(&caller.entry))),
        (Err(_), Ok(session)) => Some(Who::Buyer(*session)),
        (Err(_), Err(_)) => None,
    }
}

/// What the header asks for, if it is there.
fn asked_for(request: &ServiceRequest) -> Option<Result<Fault, Refusal>> {
    let mut lines = request.headers().get_all(X_ATLAS_MOCK).peekable();
    lines.peek()?;
    // More than one line is one list (RFC 9110, 5.3).
    let lines: Vec<_> = lines
        .map(|line| String::from_utf8_lossy(line.as_bytes()))
        .collect();
    let fault = Fault::parse(&lines.join(","));
    Some(fault.map_err(|must| Refusal::invalid("X-Atlas-Mock", must)))
}

/// What refuses a request that is not to be run.
fn refusal_of(fault: &Fault) -> Option<Refusal> {
    match fault.end? {
        End::Status(status) => Some(match status {
            401 => Refusal::KeyUnknown,
            402 => Refusal::PaymentFailed {
                decline_code: "generic_decline",
            },
            404 => Refusal::SessionNotFound,
            409 => Refusal::IdempotencyKeyInUse,
            500 => Refusal::Internal,
            503 => Refusal::StorageUnavailable,
            status => Refusal::SimulatedFault { status },
        }),
        // Nobody gets to see this one: the connection is cut first.
        End::DropBefore => Some(Refusal::SimulatedFault { status: 503 }),
        End::DropAfterCommit | End::RateLimit(_) => None,
    }
}

/// How much of the answer goes out.
pub(super) const fn extent(fault: Option<Fault>) -> Extent {
    match fault {
        Some(fault) if fault.cuts() => Extent::Nothing,
        Some(fault) if fault.truncates => Extent::Half,
        Some(_) | None => Extent::Whole,
    }
}
