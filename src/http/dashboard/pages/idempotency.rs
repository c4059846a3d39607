//! What is remembered under an idempotency key, and how long it will be.

use maud::{Markup, html};

use super::claims::{self, OpenClaims};
use super::fields::{Field, Input, problem, select};
use super::layout::{Frame, Page, Section, page};
use super::requests::{RequestRow, table};
use super::words::{count, span};
use super::{links, parts};
use crate::domain::key::Mode;
use crate::domain::time::Timestamp;

/// An idempotency key to look up, and what was found.
pub(in crate::http) struct Lookup {
    /// Whose it is, as typed.
    pub(in crate::http) account: Field,
    /// Test or live.
    pub(in crate::http) mode: Mode,
    /// The key, as typed; may be empty.
    pub(in crate::http) key: Field,
    /// What was found; none where no key was asked for.
    pub(in crate::http) found: Option<Found>,
    /// Claims that are open; none where nothing goes upstream.
    pub(in crate::http) claims: Option<OpenClaims>,
    /// Why a claim was not settled.
    pub(in crate::http) problem: Option<String>,
    /// The time of the request.
    pub(in crate::http) now: Timestamp,
}

/// What was found under a key.
pub(in crate::http) struct Found {
    /// The record.
    pub(in crate::http) record: RecordState,
    /// Requests that carried the key, newest first.
    pub(in crate::http) latest: Vec<RequestRow>,
}

/// What became of the first request under a key.
pub(in crate::http) enum RecordState {
    /// Its answer is kept.
    Kept(Kept),
    /// It still runs.
    Running,
    /// It went upstream, and nobody knows what became of it.
    Open,
    /// Its answer's time is over; it is still there.
    Expired(Kept),
    /// There is none.
    Unknown,
}

/// A record that is kept.
pub(in crate::http) struct Kept {
    /// When the first request came.
    pub(in crate::http) first_at: Timestamp,
    /// The record answers below this time.
    pub(in crate::http) expires_at: Timestamp,
    /// What makes the request the same, in hexadecimal.
    pub(in crate::http) fingerprint: String,
    /// The status that it was answered with, where that is known.
    pub(in crate::http) status: Option<u16>,
    /// The answer; none where only that it was done is known.
    pub(in crate::http) answer: Option<StoredAnswer>,
    /// How often it was answered again.
    pub(in crate::http) replays: u64,
}

/// An answer that is given again.
pub(in crate::http) struct StoredAnswer {
    /// Its content type; empty where it has none.
    pub(in crate::http) content_type: String,
    /// Its body, secrets masked.
    pub(in crate::http) body: String,
}

/// The form, and what was found.
pub(in crate::http) fn lookup(frame: &Frame, view: &Lookup) -> Markup {
    page(
        frame,
        &Page {
            section: Some(Section::Idempotency),
            title: "Idempotency",
            purpose: html! { "Look up an idempotency key: whether its first request ran, what it was answered, \
            and until when a retry gets the same." },
            mode: None,
            actions: html! {},
            body: html! {
                (problem(view.problem.as_deref()))
                (form(view))
                @if let Some(found) = &view.found {
                    (record(&found.record, view.now))
                    section.latest aria-labelledby="latest-title" {
                        h2 #latest-title { "Latest requests with this key" }
                        p.wait { "None among the requests that are kept." }
                        (table(&found.latest, false))
                    }
                }
                @if let Some(claims) = &view.claims { (claims::section(frame, claims, view.now)) }
            },
        },
    )
}

fn form(view: &Lookup) -> Markup {
    const FORM: &str = "lookup";
    let modes = [("test", "Test"), ("live", "Live")];
    html! {
        form.filter #lookup role="search" action=(links::IDEMPOTENCY) {
            (Input::of(FORM, "key", "Idempotency key", &view.key).required())
            (Input::of(FORM, "account", "Account", &view.account))
            (select(FORM, "mode", "Mode", view.mode.as_str(), &modes))
            div.buttons { button.main { "Look up" } }
        }
    }
}

fn record(record: &RecordState, now: Timestamp) -> Markup {
    let (name, meaning, kept) = match record {
        RecordState::Kept(kept) if kept.answer.is_none() => (
            "Done",
            "The request was done, and its answer is not here to be given again: a repeat is told so with 409.",
            Some(kept),
        ),
        RecordState::Kept(kept) => (
            "Kept",
            "The same request gets this answer again; another one under this key is refused with 409.",
            Some(kept),
        ),
        RecordState::Running => (
            "Running",
            "The first request has not finished. A retry gets 409 and may be sent again in a second.",
            None,
        ),
        RecordState::Open => (
            "Open",
            "The request went upstream, and no answer came: it may have been done. It stands among the open claims \
                below.",
            None,
        ),
        RecordState::Expired(kept) => (
            "Expired",
            "The time of this answer is over. The next request under this key runs anew.",
            Some(kept),
        ),
        RecordState::Unknown => (
            "Unknown",
            "Nothing is kept under this key: it was never used here, its time is over, or its request was \
                refused. The next request under it runs.",
            None,
        ),
    };
    html! {
        section.panel #record aria-labelledby="record-title" {
            h2 #record-title { "Record" }
            p { span.state.(name.to_lowercase()) { (name) } " " (meaning) }
            @if let Some(kept) = kept { (details(kept, now)) }
        }
    }
}

fn details(kept: &Kept, now: Timestamp) -> Markup {
    let left = if kept.expires_at > now {
        format!("{}, until ", span(kept.expires_at.since(now)))
    } else {
        "None since ".to_owned()
    };
    html! {
        (parts::facts(&[
            ("First request", parts::time_and_distance(kept.first_at, now)),
            ("Time left", html! { (left) (parts::time(kept.expires_at)) }),
            ("Replays served", html! { (count(kept.replays)) }),
            ("Stored status", html! {
                @match kept.status { Some(status) => (status), None => "Not known" }
            }),
            ("Content type", html! { (kept.answer.as_ref().map_or("", |answer| &answer.content_type)) }),
            ("Fingerprint", html! { code { (kept.fingerprint) } }),
        ]))
        @if let Some(answer) = &kept.answer {
            (parts::code_block("stored", "Stored answer", &answer.body))
        }
    }
}
