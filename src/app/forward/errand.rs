//! A request on its way up, and what becomes of its claim by what comes of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;

use super::keeping::{self, is_doubtful, is_final, leaves_open};
use super::{Coming, Forwarded, Head, Outcome, Reached};
use crate::app::once::Claim;
use crate::app::upstream::headers::goes_under_key;
use crate::app::upstream::{self, Busy, Cut, Fault, Link, Passage, Request};
use crate::app::{App, Call, Who};
use crate::clock::Stopwatch;
use crate::domain::claim::OpenClaim;
use crate::domain::idempotency::RecordId;
use crate::domain::key::Mode;
use crate::domain::refusal::{Next, Refusal};
use crate::policy;
use crate::store::Effect;

/// A request that is to go up: claimed, and ready.
pub struct Errand {
    pub(super) app: Arc<App>,
    pub(super) link: Arc<Link>,
    pub(super) call: Call,
    pub(super) claim: Claim,
    /// What is kept of a request under an idempotency key while nobody knows what came of it.
    pub(super) open: Option<Box<OpenClaim>>,
    /// It went up before, and nobody here knows what became of it.
    pub(super) is_resumed: bool,
    pub(super) request: Request,
}

impl Errand {
    /// Sends it up, and brings the answer back. One under an idempotency key goes on when its client hangs up.
    pub async fn run(mut self: Box<Self>) -> Outcome {
        let passage = match self.enter().await {
            Ok(passage) => passage,
            Err(refusal) => return Err(refusal).into(),
        };
        match self.open.take() {
            // In a box, or whoever waits for a place would have the room for it.
            None => Box::pin(self.run_plain(passage)).await,
            Some(open) => self.run_attended(open, passage).await,
        }
    }

    /// Waits for a connection's place.
    async fn enter(&self) -> Result<Passage, Refusal> {
        let entered = self.link.enter().await;
        entered.map_err(|Busy { retry_after, why }| {
            let call = &self.call;
            log::debug!(request_id = call.request_id.as_str(); "{}: nothing goes to the upstream: {why}", call.request_id);
            if let Who::Merchant(entry) = &call.who {
                self.app.metrics.not_sent(entry.key.mode);
            }
            Refusal::UpstreamUnavailable {
                retry_after,
                is_open: self.is_resumed,
            }
        })
    }

    /// The way of a request that nobody can repeat.
    async fn run_plain(self: Box<Self>, passage: Passage) -> Outcome {
        let watch = Stopwatch::start();
        let call = &self.call;
        let sent = passage
            .send(&self.request, self.link.again(&call.method), watch)
            .await;
        let reached = Some(reached(&self.app, call, &sent, watch.elapsed()));
        let does = goes_under_key(&call.method);
        let answer = match sent {
            // It was sent twice, and this says nothing of the first time.
            Ok(answer) if answer.is_of_repetition && does && !is_final(answer.status) => {
                let why = format!("it ended a connection, and then answered {}", answer.status);
                Err(Fault::OutcomeUnknown(why))
            }
            Ok(answer) => pass(answer, Bytes::new()).await,
            Err(fault) => Err(fault),
        };
        let answer = answer.map_err(|fault| refusal(call, fault, next(call, &self.link)));
        Outcome { answer, reached }
    }

    /// Goes the way of [`Errand::run_once`] in a task of its own, which does not end with the client's connection.
    async fn run_attended(self: Box<Self>, open: Box<OpenClaim>, passage: Passage) -> Outcome {
        let (next, id) = (next(&self.call, &self.link), self.call.request_id.clone());
        let (attended, attendant) = self.app.attendance.begin();
        let runtime = self.app.runtime().clone();
        let request_id = id.clone();
        let work = runtime.spawn(async move {
            let outcome = self.run_once(*open, passage).await;
            if attended.was_left() {
                log_unattended(&request_id, outcome.reached);
            }
            outcome
        });
        let outcome = work.await;
        drop(attendant);
        outcome.unwrap_or_else(|e| {
            log::error!("{id}: its way to the upstream ended: {e}");
            Err(Refusal::UpstreamOutcomeUnknown { next }).into()
        })
    }

    /// The way of a request under an idempotency key. Its claim is on disk before the first byte goes up.
    async fn run_once(self: Box<Self>, open: OpenClaim, passage: Passage) -> Outcome {
        let Self {
            app,
            link,
            call,
            claim,
            open: _,
            is_resumed,
            request,
        } = *self;
        let (record, id) = (open.record, open.id());
        if !is_resumed && let Err(refusal) = app.keep_claim(open).await {
            return Err(refusal).into();
        }
        let watch = Stopwatch::start();
        let sent = passage
            .send(&request, link.again(&call.method), watch)
            .await;
        let reached = Some(reached(&app, &call, &sent, watch.elapsed()));
        let next = next(&call, &link);
        let is_repeated = |answer: &upstream::Answer| is_resumed || answer.is_of_repetition;
        let give = async |answer| {
            let given = pass(answer, Bytes::new()).await;
            given.map_err(|fault| refusal(&call, fault, next))
        };
        let answer = match sent {
            Err(fault @ Fault::NothingSent(_)) if !is_resumed => {
                match app.drop_claim(&record).await {
                    Ok(()) => Err(refusal(&call, fault, next)),
                    Err(refusal) => Err(refusal),
                }
            }
            // What became of it when it was sent before is still not known.
            Err(Fault::NothingSent(why) | Fault::OutcomeUnknown(why)) => {
                Err(refusal(&call, Fault::OutcomeUnknown(why), next))
            }
            Ok(answer)
                if is_final(answer.status)
                    && !(is_repeated(&answer) && is_doubtful(answer.status)) =>
            {
                app.keep_answer(&call, &claim, answer, next).await
            }
            Ok(answer)
                if is_repeated(&answer) || leaves_open(answer.status, link.is_idempotent()) =>
            {
                give(answer).await
            }
            Ok(answer) => match app.drop_claim(&record).await {
                Ok(()) => give(answer).await,
                Err(refusal) => Err(refusal),
            },
        };
        if let Err(Refusal::UpstreamOutcomeUnknown { .. }) = answer {
            log::warn!(request_id = call.request_id.as_str(); "{}: it is claim {id}", call.request_id);
        }
        // Whoever comes next finds the claim, or the record; so the place is given back last.
        drop(claim);
        Outcome { answer, reached }
    }
}

impl App {
    async fn keep_claim(&self, open: OpenClaim) -> Result<(), Refusal> {
        if self.claims.count() >= policy::OPEN_CLAIMS {
            log::warn!(
                "{} claims are open, so nothing new is sent under idempotency keys: `atlas claims list` shows them",
                policy::OPEN_CLAIMS
            );
            let (retry_after, is_open) = (policy::RETRY_SOON, false);
            return Err(Refusal::UpstreamUnavailable {
                retry_after,
                is_open,
            });
        }
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
        next: Next,
    ) -> Result<Forwarded, Refusal> {
        let (kept, beginning) = keeping::read(&mut answer)
            .await
            .map_err(|Cut(why)| refusal(call, Fault::OutcomeUnknown(why), next))?;
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
        let given = pass(answer, beginning.into()).await;
        given.map_err(|fault| refusal(call, fault, next))
    }
}

/// An answer of whose body this much is here. Most bodies come with their head: those are taken along, and give their
/// connection back.
async fn pass(mut answer: upstream::Answer, mut beginning: Bytes) -> Result<Forwarded, Fault> {
    let length = answer.body.length();
    let is_short = length.is_some_and(|length| length <= policy::ANSWER_MAX as u64);
    let body = loop {
        let is_all = length == Some(beginning.len() as u64);
        let waits = is_all || (is_short && beginning.is_empty());
        let next = if waits {
            Some(answer.body.next().await)
        } else {
            answer.body.next().now_or_never()
        };
        match next {
            Some(None) => break Coming::Whole(beginning),
            Some(Some(Ok(piece))) if beginning.is_empty() => beginning = piece,
            Some(Some(Ok(piece))) => {
                break Coming::rest([beginning, piece].concat().into(), answer.body);
            }
            Some(Some(Err(Cut(why)))) => return Err(Fault::OutcomeUnknown(why)),
            None => break Coming::rest(beginning, answer.body),
        }
    };
    let head = Head {
        status: answer.status,
        headers: answer.headers,
        told_length: answer.told_length,
        length,
    };
    Ok(Forwarded { head, body })
}

fn reached(
    app: &App,
    call: &Call,
    sent: &Result<upstream::Answer, Fault>,
    took: Duration,
) -> Reached {
    if let Who::Merchant(entry) = &call.who {
        app.metrics.sent(entry.key.mode, sent, took);
    }
    if let Ok(upstream::Answer { status: 401, .. }) = sent {
        // The client reads that a key is wrong, and it is not the client's.
        log::warn!(
            request_id = call.request_id.as_str();
            "{}: the upstream answered 401: perhaps it does not know our Authorization",
            call.request_id
        );
    }
    Reached {
        status: sent.as_ref().ok().map(|answer| answer.status),
        took,
    }
}

/// How a client finds out what became of this request, if nobody here knows.
fn next(call: &Call, link: &Link) -> Next {
    match call.method.as_str() {
        _ if call.idempotency_key.is_some() && link.is_idempotent() => Next::RepeatUnderKey,
        _ if call.idempotency_key.is_some() => Next::Settle,
        "GET" | "HEAD" | "OPTIONS" => Next::Repeat,
        _ => Next::Look,
    }
}

fn refusal(call: &Call, fault: Fault, next: Next) -> Refusal {
    let id = &call.request_id;
    match fault {
        Fault::NothingSent(why) => {
            log::warn!(request_id = id.as_str(); "{id}: the upstream can't be reached: {why}");
            Refusal::UpstreamUnreachable
        }
        Fault::OutcomeUnknown(why) => {
            log::warn!(request_id = id.as_str(); "{id}: nobody knows what the upstream did: {why}");
            Refusal::UpstreamOutcomeUnknown { next }
        }
    }
}

/// Nobody else says how it ended: the line of the request was written when its client went.
fn log_unattended(request_id: &str, reached: Option<Reached>) {
    match reached.and_then(|reached| reached.status) {
        Some(status) => {
            log::info!(request_id; "{request_id}: the client had gone when the upstream answered {status}");
        }
        None => log::info!(request_id; "{request_id}: the client had gone, and no answer came"),
    }
}
