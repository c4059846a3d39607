//! The deliverer: one task that sends what is in the outbox when it falls due, a few at once. Whatever ends it, what has
//! not arrived is still in the outbox, and the next start goes on from there.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};

use super::post::Post;
use super::{App, Claim};
use crate::clock::Stopwatch;
use crate::domain::delivery::{Delivery, Outcome};
use crate::domain::time::Timestamp;
use crate::policy;
use crate::store::{Due, Unavailable};

/// The running deliverer. It ends when the server stops.
pub struct Deliverer(JoinHandle<()>);

impl Deliverer {
    /// Waits for its end, after [`App::stopping`] was told: deliveries under way get the shutdown time, then are cut.
    pub async fn ended(self) {
        if let Err(error) = self.0.await {
            log::error!("the deliverer of webhooks ended early: {error}");
        }
    }
}

type Flights = JoinSet<Result<(), Unavailable>>;

impl App {
    /// Starts to deliver. To be called within the runtime of the server.
    pub fn start_deliveries(self: &Arc<Self>) -> Deliverer {
        Deliverer(tokio::spawn(run(Arc::clone(self))))
    }
}

async fn run(app: Arc<App>) {
    let mut stopping = app.stopping.subscribe();
    let post = Arc::new(Post::default());
    let mut flights = Flights::new();
    while !*stopping.borrow() {
        let mut fault = false;
        let rest = tell_due(&app, &post, &mut flights).await;
        let rest = rest.unwrap_or_else(|Unavailable| {
            fault = true;
            policy::OUTBOX_REST
        });
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => break,
            Some(ended) = flights.join_next() => fault |= !matches!(ended, Ok(Ok(()))),
            _ = tokio::time::timeout(rest, app.webhooks.wake.notified()) => (),
        }
        // What could not be noted is still due: it must not be sent over and over.
        let stop = stopping.wait_for(|stopping| *stopping);
        if fault
            && tokio::time::timeout(policy::OUTBOX_FAULT_REST, stop)
                .await
                .is_ok()
        {
            break;
        }
    }
    let all = async { while flights.join_next().await.is_some() {} };
    let grace = app.settings.shutdown_timeout;
    if tokio::time::timeout(grace, all).await.is_err() {
        log::info!("webhooks without an answer are cut; they are sent again after the next start");
        flights.shutdown().await;
    }
}

/// Begins what is due, and ends sessions whose time is over; says how long until more falls due. A fault of the one
/// keeps nobody from the other.
async fn tell_due(
    app: &Arc<App>,
    post: &Arc<Post>,
    flights: &mut Flights,
) -> Result<Duration, Unavailable> {
    let begun = begin_due(app, post, flights);
    let next = app.expire_due(app.clock.now()).await?;
    let until_next = next.map(|at| at.since(app.clock.now()));
    begun.map(|rest| until_next.map_or(rest, |until| until.min(rest)))
}

/// Begins what is due, as far as there is room, to each endpoint its own; says how long until more falls due. Whatever
/// makes room looks again.
fn begin_due(
    app: &Arc<App>,
    post: &Arc<Post>,
    flights: &mut Flights,
) -> Result<Duration, Unavailable> {
    let now = app.clock.now();
    let (mut rest, mut last) = (policy::OUTBOX_REST, None);
    while let Some(endpoint) = app.store.next_in_outbox(last.as_ref())? {
        last = Some(endpoint);
        if app.is_paused(&endpoint) {
            continue;
        }
        for due in app.store.outbox_of(&endpoint).take(policy::OUTBOX_SCAN) {
            let due = due?;
            if due.at > now {
                rest = rest.min(due.at.since(now));
                break;
            }
            if flights.len() >= policy::DELIVERIES {
                return Ok(rest);
            }
            let way = (due.event, due.endpoint);
            if let Some(claim) = app.webhooks.claim(way, policy::DELIVERIES_TO_ONE) {
                flights.spawn(attempt(Arc::clone(app), Arc::clone(post), due, claim));
            }
        }
    }
    Ok(rest)
}

/// One attempt, and the note of what came of it.
async fn attempt(
    app: Arc<App>,
    post: Arc<Post>,
    due: Due,
    claim: Claim,
) -> Result<(), Unavailable> {
    let now = app.clock.now();
    let delivery = app.store.delivery(&due.event, &due.endpoint)?;
    let event = app.store.event(&due.event)?;
    let delivery = delivery.filter(|delivery| delivery.due() == Some(due.at));
    let Some((event, delivery)) = event.zip(delivery) else {
        // It was tried or forgotten since the outbox was read.
        return app.store.drop_due(&due, now).await;
    };
    let endpoint = match app.sendable(&due.endpoint) {
        Ok(endpoint) => endpoint,
        Err(why) => {
            app.metrics.given_up();
            return note(&app, due, delivery.given_up(now, why), claim).await;
        }
    };
    let took = Stopwatch::start();
    let secret = app.webhook_secret(&endpoint);
    let limit = app.settings.webhook_timeout;
    let outcome = post.send(&endpoint, &secret, &event, limit).await;
    let took = took.elapsed();
    app.metrics.attempt(&outcome, took);
    let tried = delivery.tried(now, took, outcome);
    tell(&tried);
    note(&app, due, tried, claim).await
}

async fn note(app: &App, due: Due, delivery: Delivery, claim: Claim) -> Result<(), Unavailable> {
    // A mock that was emptied meanwhile stays empty.
    if app.store.delivery(&due.event, &due.endpoint)?.is_none() {
        return Ok(());
    }
    let now = app.clock.now();
    app.store
        .keep_delivery(Some(due.at), &delivery, now, claim)
        .await
}

fn tell(delivery: &Delivery) {
    let (event, endpoint) = (delivery.event, delivery.endpoint);
    let what = match delivery.attempts.last().map(|attempt| &attempt.outcome) {
        Some(outcome) if outcome.is_success() => {
            log::debug!("webhook {event} to {endpoint} has arrived");
            return;
        }
        Some(Outcome::Answered { status, .. }) => format!("answered with {status}"),
        Some(Outcome::Failed(why)) => why.clone(),
        None => return,
    };
    let next = delivery.due().map(Timestamp::rfc3339);
    let next = next.map_or("none".to_owned(), |at| format!("at {at}"));
    log::warn!("webhook {event} to {endpoint} has not arrived: {what}; next attempt: {next}");
}
