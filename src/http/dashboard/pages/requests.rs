//! The latest requests, live: who asked for what, and what came of it.

use std::time::Duration;

use maud::{Markup, html};

use super::fields::Input;
use super::layout::{Frame, Page, Section, page};
use super::listing::{Paging, filter_buttons, pager, total};
use super::words::{clip, count, took};
use super::{links, parts};
use crate::domain::id::KeyId;
use crate::domain::key::{KeyName, Mode};
use crate::domain::limit::Scope;
use crate::domain::outcome::Outcome;
use crate::domain::time::Timestamp;

/// Rows of the table that a page of the list, and the list of latest ones elsewhere, keeps as others arrive.
const MOST: usize = 50;
const MOST_LATEST: usize = 20;
/// Characters of a text of a client's that a row shows; the request's page has the whole.
const SHOWN: usize = 48;

/// The requests of one page of the list.
pub(in crate::http) struct RequestList {
    /// What was asked for.
    pub(in crate::http) filter: RequestFilter,
    /// The requests, newest first.
    pub(in crate::http) rows: Vec<RequestRow>,
    /// Where this page stands.
    pub(in crate::http) paging: Paging,
    /// The number of the latest request of all when these were listed.
    pub(in crate::http) seen: u64,
    /// How many requests are remembered at most.
    pub(in crate::http) kept: usize,
}

/// Which requests to list, each as typed.
#[derive(Default)]
pub(in crate::http) struct RequestFilter {
    /// Of this key.
    pub(in crate::http) key: String,
    /// `200`, `4xx`, `refused`, ...
    pub(in crate::http) status: String,
    /// With this path.
    pub(in crate::http) path: String,
    /// With this idempotency key.
    pub(in crate::http) idempotency_key: String,
}

impl RequestFilter {
    fn query(&self) -> [(&'static str, &str); 4] {
        [
            ("key", &self.key),
            ("status", &self.status),
            ("path", &self.path),
            ("idempotency_key", &self.idempotency_key),
        ]
    }
}

/// A request in the list.
pub(in crate::http) struct RequestRow {
    /// Counts up from the start of the server.
    pub(in crate::http) number: u64,
    /// When it came.
    pub(in crate::http) at: Timestamp,
    /// HTTP method.
    pub(in crate::http) method: String,
    /// Path, with the query if there is one.
    pub(in crate::http) path: String,
    /// HTTP status; none when the client was gone before the answer.
    pub(in crate::http) status: Option<u16>,
    /// How long it took.
    pub(in crate::http) took: Duration,
    /// How it ended.
    pub(in crate::http) outcome: Outcome,
    /// Which limit refused it.
    pub(in crate::http) refused_by: Option<Scope>,
    /// Whose key it came with; none for a stranger.
    pub(in crate::http) key: Option<KeyOf>,
    /// Its idempotency key.
    pub(in crate::http) idempotency_key: Option<String>,
    /// Its id.
    pub(in crate::http) request_id: String,
}

/// The key of a request.
pub(in crate::http) struct KeyOf {
    /// Its id.
    pub(in crate::http) id: KeyId,
    /// Its name.
    pub(in crate::http) name: KeyName,
    /// Test or live.
    pub(in crate::http) mode: Mode,
}

/// The list of requests.
pub(in crate::http) fn list(frame: &Frame, view: &RequestList) -> Markup {
    let query = view.filter.query();
    // Only the first page has room for what arrives.
    let seen = view.seen.to_string();
    let events = query.into_iter().chain([("after", seen.as_str())]);
    let is_first = view.paging.page == 1;
    let events = is_first.then(|| links::with_query(links::REQUEST_EVENTS, events));
    page(
        frame,
        &Page {
            section: Some(Section::Requests),
            title: "Requests",
            purpose: html! {
                "Watch what your servers send and what they get. The last " (count(view.kept as u64))
                " requests are kept."
            },
            mode: None,
            actions: html! {},
            body: html! {
                (filter(&view.filter))
                section.latest data-live=[events] aria-label="Requests" {
                    p.total { (total(view.paging, "request")) } (parts::live_mark())
                    p.wait { (nothing(&query)) }
                    (table(&view.rows, false))
                }
                (pager(view.paging, links::REQUESTS, &query))
            },
        },
    )
}

fn nothing(query: &[(&str, &str)]) -> &'static str {
    if query.iter().all(|(_, value)| value.is_empty()) {
        "No request yet. Send one with any of your keys, and it appears here."
    } else {
        "No request fits this filter so far. The next one that does appears here; clear the filter to see the others."
    }
}

fn filter(filter: &RequestFilter) -> Markup {
    const FORM: &str = "filter";
    html! {
        form.filter #filter role="search" action=(links::REQUESTS) {
            (Input::new(FORM, "key", "Key", &filter.key).placeholder("key_..."))
            (Input::new(FORM, "status", "Status", &filter.status).placeholder("200, 4xx or refused"))
            (Input::new(FORM, "path", "Path", &filter.path).placeholder("/functions/v1/..."))
            (Input::new(FORM, "idempotency_key", "Idempotency key", &filter.idempotency_key))
            (filter_buttons(links::REQUESTS, &filter.query()))
        }
    }
}

/// The table of requests: all of a page, or the latest `of_one_key`, without its name in each row.
pub(super) fn table(rows: &[RequestRow], of_one_key: bool) -> Markup {
    let most = if of_one_key { MOST_LATEST } else { MOST };
    html! {
        table.cards.of-one-key[of_one_key] #requests {
            caption.unseen { "Requests, newest first" }
            thead {
                tr {
                    @for name in ["Time", "Request", "Status", "Took", "Key", "Idempotency key"] {
                        th scope="col" { (name) }
                    }
                }
            }
            tbody data-most=(most) { @for request in rows { (row(request)) } }
        }
    }
}

/// A row of the table; live updates send it as it is.
pub(in crate::http) fn row(request: &RequestRow) -> Markup {
    let mode = request.key.as_ref().map_or("", |key| key.mode.as_str());
    html! {
        tr.(mode) id={ "r" (request.number) } {
            td { (parts::time(request.at)) }
            th scope="row" {
                a href=(links::request(request.number)) { b { (clip(&request.method, SHOWN)) } " " (clip(&request.path, SHOWN)) }
                small { (clip(&request.request_id, SHOWN)) }
            }
            td { (outcome(request)) }
            td { (took(request.took)) }
            td {
                @match &request.key {
                    Some(key) => {
                        (parts::key_link(key.id, &clip(key.name.as_str(), SHOWN))) " " (parts::badge(key.mode))
                    }
                    None => span.quiet { "None" }
                }
            }
            td { @if let Some(key) = &request.idempotency_key { (clip(key, SHOWN)) } }
        }
    }
}

/// The status, and what it means where it doesn't say so itself.
pub(super) fn outcome(request: &RequestRow) -> Markup {
    let word = request.outcome.as_str();
    html! {
        span.status.(word) { @match request.status { Some(status) => (status), None => "gone" } }
        @if request.outcome != Outcome::Ok {
            " " small { (word) @if let Some(scope) = request.refused_by { ": " (scope.as_str()) } }
        }
    }
}
