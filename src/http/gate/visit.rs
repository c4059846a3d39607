//! What a handler gets to know of a request that the gate let through.

use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpRequest};

use super::ByDoor;
use crate::app::{KeyEntry, Who};
use crate::domain::id::SessionId;
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::http::LocalApp;
use crate::limiter::Permit;

/// What a handler gets to know of the request it serves.
pub(in crate::http) struct Visit {
    pub(in crate::http) app: LocalApp,
    pub(in crate::http) now: Timestamp,
    pub(super) request_id: HeaderValue,
    pub(super) caller: Result<Caller, Refusal>,
    /// The session whose client secret was shown.
    pub(super) buyer: Result<SessionId, Refusal>,
    /// Of a request that came in by the Dashboard's door.
    pub(in crate::http) by_door: Option<Box<ByDoor>>,
    pub(in crate::http) idempotency_key: Result<Option<IdempotencyKey>, Refusal>,
    pub(in crate::http) body: Result<Bytes, Refusal>,
}

/// A key that was let in.
#[derive(Clone)]
pub(in crate::http) struct Caller {
    pub(in crate::http) entry: Arc<KeyEntry>,
    pub(in crate::http) permit: Arc<Permit>,
}

impl Visit {
    /// The visit of a request that came through the gate; a handler takes it once.
    pub(in crate::http) fn of(request: &HttpRequest) -> Result<Self, Refusal> {
        request.extensions_mut().remove().ok_or(Refusal::Internal)
    }

    /// The request's id, as an answer or an event repeats it.
    pub(in crate::http) fn request_id(&self) -> String {
        self.request_id.to_str().unwrap_or_default().to_owned()
    }

    /// Whoever shows an API key.
    pub(in crate::http) fn merchant(&self) -> Result<Asker, Refusal> {
        self.caller.clone().map(Asker::from)
    }

    /// The same, for whoever asks once.
    pub(in crate::http) fn take_merchant(&mut self) -> Result<Asker, Refusal> {
        let caller = std::mem::replace(&mut self.caller, Err(Refusal::Internal));
        caller.map(Asker::from)
    }

    /// Whoever shows a client secret.
    pub(in crate::http) fn buyer(&self) -> Result<Asker, Refusal> {
        let session = self.buyer.clone()?;
        Ok(Asker {
            who: Who::Buyer(session),
            permit: None,
        })
    }

    /// Whoever shows one of the two.
    pub(in crate::http) fn anyone(&self) -> Result<Asker, Refusal> {
        match self.buyer {
            Ok(_) | Err(Refusal::ClientSecretInvalid) => self.buyer(),
            Err(_) => self.merchant(),
        }
    }
}

/// Who asks for something of the API.
pub(in crate::http) struct Asker {
    pub(in crate::http) who: Who,
    /// A merchant's place among the running.
    pub(in crate::http) permit: Option<Arc<Permit>>,
}

impl From<Caller> for Asker {
    fn from(Caller { entry, permit }: Caller) -> Self {
        let (who, permit) = (Who::Merchant(entry), Some(permit));
        Self { who, permit }
    }
}
