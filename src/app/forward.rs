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

mod keeping;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::HeaderMap;

use self::keeping::{is_final, leaves_open};
use super::once::{Claim, Found};
use super::upstream::headers::{self, Said};
use super::upstream::{self, Body, Busy, Cut, Fault, Link, Passage};
use super::{App, Call, Who};
use crate::clock::Stopwatch;
use crate::domain::claim::OpenClaim;
use crate::domain::idempotency::{RecordId, Reply};
use crate::domain::json::Json;
use crate::domain::key::Mode;
use crate::domain::refusal::Refusal;
use crate::store::Effect;

/// What a client sent, besides what a [`Call`] says.
pub struct Sent<H> {
    /// Its headers, name and value.
    pub headers: H,
    /// Its address.
    pub client: IpAddr,
    /// Whether it came over TLS.
    pub is_tls: bool,
    /// The host that it asked for.
    pub host: Option<String>,
    /// Its body, whole.
    pub body: Bytes,
}

/// An answer on its way down.
pub enum Forwarded {
    /// From the record of an earlier request.
    Again(Reply),
    /// From the upstream.
    Fresh(Head, Coming),
}

/// The head of an answer of the upstream's.
pub struct Head {
    /// HTTP status, 200 to 999.
    pub status: u16,
    /// What of its headers the client gets.
    pub headers: HeaderMap,
    /// The length of its body in bytes as the upstream told it, also of one that does not come, as for HEAD.
    pub length: Option<u64>,
}

/// A body on its way down.
pub enum Coming {
    /// It is here.
    Whole(Bytes),
    /// Its beginning is here; the rest comes.
    Rest(Bytes, Body),
}

impl Coming {
    /// Its pieces; a [`Cut`] is the last.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Cut>> + Send {
        let (beginning, rest) = match self {
            Self::Whole(bytes) => (bytes, None),
            Self::Rest(beginning, rest) => (beginning, Some(rest)),
        };
        let beginning = (!beginning.is_empty()).then_some(Ok(beginning));
        let rest = futures_util::stream::iter(rest).flat_map(Body::into_stream);
        futures_util::stream::iter(beginning).chain(rest)
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

/// A request that may go up.
struct Errand {
    app: Arc<App>,
    link: Arc<Link>,
    call: Call,
    claim: Claim,
    request: Request<Full<Bytes>>,
    passage: Passage,
}

impl App {
    /// Sends a request of a merchant's upstream, and brings its answer back. One under an idempotency key goes on when
    /// the client hangs up; `call` has such a key for POST and PATCH only.
    pub async fn forward<'a, H>(
        self: &Arc<Self>,
        link: &Arc<Link>,
        call: Call,
        sent: Sent<H>,
    ) -> Outcome
    where
        H: Iterator<Item = (&'a str, &'a [u8])> + Clone,
    {
        let found = match self.find(&call, || canonical(&sent.body)) {
            Ok(found) => found,
            Err(refusal) => return Err(refusal).into(),
        };
        let (claim, is_resumed) = match found {
            Found::Replay(reply) => return Ok(Forwarded::Again(reply)).into(),
            Found::Resume(_) if !link.is_idempotent() => {
                return Err(Refusal::UpstreamOutcomeUnknown).into();
            }
            Found::Resume(claim) => (claim, true),
            Found::Run(claim) => (claim, false),
        };
        let open = claim.open(&call, self.settings.idempotency_lifetime);
        let errand = match self.errand(link, call, claim, sent) {
            Ok(errand) => errand,
            Err(refusal) => return Err(refusal).into(),
        };
        let Some(open) = open else {
            return errand.run().await;
        };
        let work = tokio::spawn(errand.run_once(open, is_resumed));
        work.await
            .unwrap_or_else(|_| Err(Refusal::UpstreamOutcomeUnknown).into())
    }

    fn errand<'a, H>(
        self: &Arc<Self>,
        link: &Arc<Link>,
        call: Call,
        claim: Claim,
        sent: Sent<H>,
    ) -> Result<Errand, Refusal>
    where
        H: Iterator<Item = (&'a str, &'a [u8])> + Clone,
    {
        let Who::Merchant(entry) = &call.who else {
            return Err(Refusal::KeyUnknown);
        };
        let key = call.idempotency_key.as_ref();
        let key = headers::idempotency_key(&call.method, &entry.key.account, key)?;
        let said = Said {
            idempotency_key: key.as_deref(),
            request_id: &call.request_id,
            client: sent.client,
            is_tls: sent.is_tls,
            host: sent.host.as_deref(),
        };
        let headers = headers::up(sent.headers, &said);
        let request = link.request(&call.method, &call.path, &call.query, headers, sent.body)?;
        let passage = link.enter().map_err(|Busy { retry_after, why }| {
            log::debug!("{}: nothing goes to the upstream: {why}", call.request_id);
            Refusal::UpstreamUnavailable { retry_after }
        })?;
        Ok(Errand {
            app: Arc::clone(self),
            link: Arc::clone(link),
            call,
            claim,
            request,
            passage,
        })
    }
}

impl Errand {
    /// The way of a request that nobody can repeat.
    async fn run(self) -> Outcome {
        let again = self.link.again(&self.call.method);
        let watch = Stopwatch::start();
        let sent = self.passage.send(self.request, again).await;
        let reached = reached(&sent, watch);
        let answer = match sent {
            Ok(answer) => pass(answer, Bytes::new()).await,
            Err(fault) => Err(refusal(&self.call, fault)),
        };
        let reached = Some(reached);
        Outcome { answer, reached }
    }

    /// The way of a request under an idempotency key. Its claim is on disk before the first byte goes up.
    async fn run_once(self, open: OpenClaim, is_resumed: bool) -> Outcome {
        let Self {
            app,
            link,
            call,
            claim,
            request,
            passage,
        } = self;
        let record = open.record;
        if !is_resumed && let Err(refusal) = app.keep_claim(open).await {
            return Err(refusal).into();
        }
        let again = link.again(&call.method);
        let watch = Stopwatch::start();
        let sent = passage.send(request, again).await;
        let reached = reached(&sent, watch);
        let answer = match sent {
            // What became of it when it was sent before is still not known.
            Err(Fault::NothingSent(why)) if is_resumed => {
                Err(refusal(&call, Fault::OutcomeUnknown(why)))
            }
            Err(fault @ Fault::NothingSent(_)) => match app.drop_claim(&record).await {
                Ok(()) => Err(refusal(&call, fault)),
                Err(refusal) => Err(refusal),
            },
            Err(fault @ Fault::OutcomeUnknown(_)) => Err(refusal(&call, fault)),
            Ok(answer) if is_final(answer.status) => app.keep_answer(&call, &claim, answer).await,
            Ok(answer) if leaves_open(answer.status, link.is_idempotent()) => {
                pass(answer, Bytes::new()).await
            }
            Ok(answer) => match app.drop_claim(&record).await {
                Ok(()) => pass(answer, Bytes::new()).await,
                Err(refusal) => Err(refusal),
            },
        };
        // Whoever comes next finds the claim, or the record; so the place is given back last.
        drop(claim);
        let reached = Some(reached);
        Outcome { answer, reached }
    }
}

impl App {
    async fn keep_claim(&self, open: OpenClaim) -> Result<(), Refusal> {
        self.store.keep_claim(&open, self.clock.now()).await?;
        self.claims.put(open);
        Ok(())
    }

    async fn drop_claim(&self, record: &RecordId) -> Result<(), Refusal> {
        self.store.drop_claim(record, self.clock.now()).await?;
        self.claims.remove(record);
        Ok(())
    }

    /// Keeps an answer that is final, and says that its claim is not open any more. Of one that is too large or encoded
    /// only that it was given is kept.
    async fn keep_answer(
        &self,
        call: &Call,
        claim: &Claim,
        mut answer: upstream::Answer,
    ) -> Result<Forwarded, Refusal> {
        let (kept, beginning) = keeping::read(&mut answer)
            .await
            .map_err(|Cut(why)| refusal(call, Fault::OutcomeUnknown(why)))?;
        let is_test = matches!(&call.who, Who::Merchant(entry) if entry.key.mode == Mode::Test);
        let lifetime = self.settings.idempotency_lifetime;
        let record = claim.record(call, lifetime, is_test, || kept);
        let done = record.as_ref().map(|(id, _)| *id);
        let effect = Effect {
            claim_done: done,
            ..Effect::default()
        };
        let record = record.as_ref().map(|(id, record)| (id, record));
        let now = self.clock.now();
        self.store.keep(&effect, record, now, ()).await?;
        done.iter().for_each(|record| self.claims.remove(record));
        pass(answer, beginning.into()).await
    }
}

/// JSON in canonical form, anything else as it is.
fn canonical(body: &[u8]) -> Vec<u8> {
    Json::parse(body).map_or_else(|_| body.to_vec(), |json| json.canonical())
}

/// An answer of whose body this much is here.
async fn pass(mut answer: upstream::Answer, beginning: Bytes) -> Result<Forwarded, Refusal> {
    // A body that is over is at its end only for who asks it: then its connection is free, and the upstream is well.
    let is_over = answer.body.length() == Some(beginning.len() as u64);
    let body = if is_over && answer.body.next().await.is_none() {
        Coming::Whole(beginning)
    } else {
        Coming::Rest(beginning, answer.body)
    };
    let head = Head {
        status: answer.status,
        headers: answer.headers,
        length: answer.length,
    };
    Ok(Forwarded::Fresh(head, body))
}

fn reached(sent: &Result<upstream::Answer, Fault>, watch: Stopwatch) -> Reached {
    Reached {
        status: sent.as_ref().ok().map(|answer| answer.status),
        took: watch.elapsed(),
    }
}

fn refusal(call: &Call, fault: Fault) -> Refusal {
    match fault {
        Fault::NothingSent(why) => {
            log::warn!("{}: the upstream can't be reached: {why}", call.request_id);
            Refusal::UpstreamUnreachable
        }
        Fault::OutcomeUnknown(why) => {
            let id = &call.request_id;
            log::warn!("{id}: nobody knows what the upstream did: {why}");
            Refusal::UpstreamOutcomeUnknown
        }
    }
}
