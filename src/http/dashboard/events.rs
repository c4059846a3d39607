//! What pages that watch are told: new requests as rows of the table, and what a key's limits stand at. By
//! server-sent events (WHATWG HTML, 9.2), a few times a second at most.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::Stream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::watch;

use super::Desk;
use super::form::Fields;
use super::key::limits_now;
use super::pages::limits::limits;
use super::pages::requests::{RequestFilter, row as row_of};
use super::requests::{filter, picks, row};
use crate::app::App;
use crate::app::operators::Operator;
use crate::app::request_log::Exchange;
use crate::domain::id::KeyId;
use crate::domain::refusal::Refusal;
use crate::policy;

/// A page that watches.
struct Watcher {
    app: Arc<App>,
    operator: Operator,
    new: Receiver<Arc<Exchange>>,
    stopping: watch::Receiver<bool>,
    pace: tokio::time::Interval,
    filter: RequestFilter,
    /// The key whose limits are told too.
    key: Option<KeyId>,
    last_limits: String,
    silent: Duration,
}

/// `GET /dashboard/events/requests`
pub(super) async fn requests(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let desk = Desk::of(&request)?;
    stream(
        desk,
        filter(&Fields::of_query(request.query_string())),
        None,
    )
}

/// `GET /dashboard/events/keys/{id}`
pub(super) async fn key(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let desk = Desk::of(&request)?;
    let id = KeyId::parse(&id).ok_or(Refusal::KeyNotFound)?;
    desk.app.key(&id).ok_or(Refusal::KeyNotFound)?;
    let filter = RequestFilter {
        key: id.to_string(),
        ..RequestFilter::default()
    };
    stream(desk, filter, Some(id))
}

fn stream(desk: Desk, filter: RequestFilter, key: Option<KeyId>) -> Result<HttpResponse, Refusal> {
    if desk.app.requests.watchers() >= policy::WATCHERS {
        return Err(Refusal::TooManyWatchers);
    }
    let mut pace = tokio::time::interval(policy::WATCH_PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let watcher = Watcher {
        new: desk.app.requests.watch(),
        stopping: desk.app.stopping.subscribe(),
        operator: desk.operator,
        app: desk.app,
        pace,
        filter,
        key,
        last_limits: String::new(),
        silent: Duration::ZERO,
    };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .streaming(told(watcher)))
}

fn told(watcher: Watcher) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    // Something at once, so that the page knows that it is connected.
    let begin = Bytes::from_static(b": connected\n\n");
    let state = (Some(begin), watcher);
    futures_util::stream::unfold(state, |(begin, mut watcher)| async move {
        if let Some(begin) = begin {
            return Some((Ok(begin), (None, watcher)));
        }
        let next = watcher.next().await?;
        Some((Ok(next), (None, watcher)))
    })
}

impl Watcher {
    /// The next thing to tell; None when the server stops or the person is logged out.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            tokio::select! {
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
                _ = self.pace.tick() => (),
            }
            if !self
                .app
                .operators
                .is_still_in(&self.operator, self.app.clock.now())
            {
                return None;
            }
            let text = self.news();
            if !text.is_empty() {
                self.silent = Duration::ZERO;
                return Some(Bytes::from(text));
            }
            self.silent += policy::WATCH_PACE;
            if self.silent >= policy::WATCH_PING {
                self.silent = Duration::ZERO;
                return Some(Bytes::from_static(b": still here\n\n"));
            }
        }
    }

    fn news(&mut self) -> String {
        let mut rows: Vec<Arc<Exchange>> = Vec::new();
        loop {
            match self.new.try_recv() {
                Ok(exchange) if picks(&self.filter, &exchange) => rows.push(exchange),
                Ok(_) | Err(TryRecvError::Lagged(_)) => (),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let skipped = rows.len().saturating_sub(policy::WATCH_ROWS);
        let rows = rows[skipped..].iter().map(|exchange| {
            let html = row_of(&row(exchange)).into_string();
            message("#requests tbody", "prepend", &html)
        });
        let mut text: String = rows.collect();
        text.push_str(&self.changed_limits().unwrap_or_default());
        text
    }

    fn changed_limits(&mut self) -> Option<String> {
        let entry = self.app.key(&self.key?)?;
        let html = limits(&limits_now(&entry, self.app.clock.now())).into_string();
        if html == self.last_limits {
            return None;
        }
        let text = message("#limits", "replace", &html);
        self.last_limits = html;
        Some(text)
    }
}

fn message(target: &str, how: &str, html: &str) -> String {
    let json = serde_json::json!({ "target": target, "how": how, "html": html });
    format!("data: {json}\n\n")
}
