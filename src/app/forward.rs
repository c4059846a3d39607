//! Forwarding: the way of a request to the upstream of its mode and of the answer back. Under an idempotency key of the
//! client's it is done exactly once (contract, section 3):
//!
//! ```text
//! claim on disk -> request goes up -> answer on disk -> answer goes down
//!               `- nothing was sent: the claim is gone, the key is free
//!                                 `- nobody knows: the claim stays, and a repeat goes up under the same upstream key
//! ```
//!
//! So whatever happens between two of these steps, what is on disk says which of them came last.

mod attendance;
mod errand;
mod keeping;

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

pub(super) use self::attendance::Attendance;
pub use self::errand::Errand;
use super::once::Found;
use super::upstream::fields::Fields;
use super::upstream::headers::{self, Said};
use super::upstream::{Body, Cut, Link};
use super::{App, Call, Who};
use crate::domain::idempotency::Reply;
use crate::domain::json::Json;
use crate::domain::refusal::{Next, Refusal};

/// What a client sent, besides what a [`Call`] says.
pub struct Sent<'a, H> {
    /// Its headers, name and value.
    pub headers: H,
    /// Its address.
    pub client: IpAddr,
    /// Whether it came over TLS.
    pub is_tls: bool,
    /// The host that it asked for.
    pub host: Option<&'a str>,
    /// Its body, whole.
    pub body: Bytes,
}

/// An answer of the upstream's on its way down.
pub struct Forwarded {
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: Coming,
}

/// The head of an answer of the upstream's.
pub struct Head {
    /// HTTP status, 200 to 999.
    pub status: u16,
    /// What of its headers the client gets.
    pub headers: Fields,
    /// What `Content-Length` says: of an answer to HEAD, or of 304, the length of a body that does not come.
    pub told_length: Option<u64>,
    /// The length of the body that comes, in bytes, where that is known.
    pub length: Option<u64>,
}

/// A body on its way down.
pub enum Coming {
    /// It is here.
    Whole(Bytes),
    /// It comes; a [`Cut`] is its last piece.
    Pieces(Pin<Box<dyn Stream<Item = Result<Bytes, Cut>> + Send>>),
}

impl Coming {
    /// A body whose beginning is here.
    fn rest(beginning: Bytes, rest: Body) -> Self {
        let beginning = (!beginning.is_empty()).then_some(Ok(beginning));
        let rest = rest.into_stream();
        Self::Pieces(Box::pin(futures_util::stream::iter(beginning).chain(rest)))
    }
}

/// What the upstream did, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// What it answered; None where no answer came.
    pub status: Option<u16>,
    /// How long that took, from sending to the head of the answer.
    pub took: Duration,
}

/// What becomes of a request that is forwarded.
pub struct Outcome {
    /// What the client gets.
    pub answer: Result<Forwarded, Refusal>,
    /// None where nothing was sent.
    pub reached: Option<Reached>,
}

impl From<Result<Forwarded, Refusal>> for Outcome {
    fn from(answer: Result<Forwarded, Refusal>) -> Self {
        Self {
            answer,
            reached: None,
        }
    }
}

/// What is to be done for a request that is to go up.
pub enum Course {
    /// Nothing: it was done before, and this was its answer.
    Replay(Reply),
    /// It goes up.
    Errand(Box<Errand>),
}

impl App {
    /// Claims a request that is to go to the upstream of its merchant's mode, and makes it ready. `call` has an
    /// idempotency key for POST and PATCH only.
    ///
    /// # Errors
    /// Any refusal of idempotency, or of a method or a path that does not go up.
    pub fn errand<'a>(
        self: &Arc<Self>,
        link: Arc<Link>,
        call: Call,
        sent: Sent<'_, impl Iterator<Item = (&'a str, &'a [u8])> + Clone>,
    ) -> Result<Course, Refusal> {
        let (claim, is_resumed) = match self.find(&call, || Json::comparable(&sent.body))? {
            Found::Replay(reply) => return Ok(Course::Replay(reply)),
            Found::Run(claim) => (claim, false),
            // The upstream that it went to, and no other, knows what became of it.
            Found::Resume(claim, open)
                if link.is_idempotent() && open.upstream == link.url().as_str() =>
            {
                (claim, true)
            }
            Found::Resume(_, open) => {
                if open.upstream != link.url().as_str() {
                    log::warn!(
                        request_id = call.request_id.as_str();
                        "{}: its claim {} is of another upstream, {}, so nothing is sent: `atlas settle` ends the claim",
                        call.request_id,
                        open.id(),
                        open.upstream
                    );
                }
                let next = Next::Settle;
                return Err(Refusal::UpstreamOutcomeUnknown { next });
            }
        };
        let Who::Merchant(entry) = &call.who else {
            return Err(Refusal::KeyUnknown);
        };
        let aim = link.aim(&call.method, &call.path, &call.query)?;
        let key = call.idempotency_key.as_ref();
        let key = headers::idempotency_key(&call.method, &entry.key.account, key)?;
        let said = Said {
            idempotency_key: key.as_deref(),
            request_id: &call.request_id,
            client: sent.client,
            is_tls: sent.is_tls,
            host: sent.host,
        };
        let request = link.request(&aim, &headers::up(sent.headers, &said), sent.body);
        let lifetime = self.settings.idempotency_lifetime;
        Ok(Course::Errand(Box::new(Errand {
            app: Arc::clone(self),
            open: claim
                .open(&call, lifetime, link.url().as_str())
                .map(Box::new),
            link,
            call,
            claim,
            is_resumed,
            request,
        })))
    }
}
