//! What pages that watch are told: new requests as rows of the table, and what a key's limits stand at. By
//! server-sent events (WHATWG HTML, 9.2), a few times a second at most.
//!
//! A page says which request it has seen last, and each row tells its number, so that nothing is missed between the page
//! and its stream, nor between two streams.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderName;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::Stream;
use tokio::sync::watch;

use super::form::Fields;
use super::key::limits_now;
use super::pages::limits::limits;
use super::pages::requests::{RequestFilter, row as row_of};
use super::requests::{filter, picks, row};
use super::{Desk, in_one_direction};
use crate::app::App;
use crate::app::operators::Operator;
use crate::app::request_log::Watching;
use crate::domain::id::KeyId;
use crate::domain::refusal::Refusal;
use crate::policy;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A page that watches.
struct Watcher {
    app: Arc<App>,
    operator: Operator,
    watching: Watching,
    /// The number of the last request that was looked at.
    seen: u64,
    /// Rows to tell, oldest first.
    rows: VecDeque<String>,
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
    let filter = filter(&Fields::of_query(request.query_string()));
    stream(desk, &request, filter, None)
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
    stream(desk, &request, filter, Some(id))
}

/// The number of the request that a page has seen last: as the browser heard it in an event, or as it stood on the
/// page. A page of before a restart names one that is not there yet; it has seen nothing of what is.
fn seen(request: &HttpRequest, last: u64) -> u64 {
    let heard = request.headers().get(LAST_EVENT_ID);
    let heard = heard.and_then(|id| id.to_str().ok()?.parse().ok());
    let fields = Fields::of_query(request.query_string());
    match heard.or_else(|| fields.text("after").parse().ok()) {
        Some(seen) if seen > last => 0,
        Some(seen) => seen,
        None => last,
    }
}

fn stream(
    desk: Desk,
    request: &HttpRequest,
    filter: RequestFilter,
    key: Option<KeyId>,
) -> Result<HttpResponse, Refusal> {
    let watching = desk.app.requests.watch().ok_or(Refusal::TooManyWatchers)?;
    let mut pace = tokio::time::interval(policy::WATCH_PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let watcher = Watcher {
        watching,
        seen: seen(request, desk.app.requests.last()),
        rows: VecDeque::new(),
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
        // nginx is not to wait until there is more of it.
        .insert_header(("x-accel-buffering", "no"))
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
            let is_time = tokio::select! {
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
                () = self.watching.hurry() => false,
                _ = self.pace.tick() => true,
            };
            self.look();
            if !is_time {
                continue;
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

    /// Notes the rows that are new.
    fn look(&mut self) {
        let (app, filter) = (&self.app, &self.filter);
        let wanted = |exchange: &_| picks(app, filter, exchange);
        let (found, seen) = app.requests.after(self.seen, wanted, policy::WATCH_ROWS);
        self.seen = seen;
        let rows = found.iter().map(|exchange| {
            let html = in_one_direction(row_of(&row(app, exchange)));
            let message = message("#requests tbody", "prepend", &html);
            format!("id: {}\n{message}", exchange.number)
        });
        self.rows.extend(rows);
        let skipped = self.rows.len().saturating_sub(policy::WATCH_ROWS);
        self.rows.drain(..skipped);
    }

    fn news(&mut self) -> String {
        let mut text: String = self.rows.drain(..).collect();
        text.push_str(&self.changed_limits().unwrap_or_default());
        text
    }

    fn changed_limits(&mut self) -> Option<String> {
        let entry = self.app.key(&self.key?)?;
        let html = in_one_direction(limits(&limits_now(&entry, self.app.clock.now())));
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
