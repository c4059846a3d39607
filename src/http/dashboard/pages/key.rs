//! One key: what it is, what its limits stand at, what it did, and the forms that change it.

use maud::{Markup, html};

use super::chart::{days, hour};
use super::fields::problem;
use super::key_forms::{RevokeForm, RollForm, UpdateForm, revoke_form, roll_form, update_form};
use super::layout::{Frame, Page, Section, page};
use super::limits::{LimitsNow, limits};
use super::requests::{RequestRow, table};
use super::{links, parts};
use crate::domain::id::KeyId;
use crate::domain::key::{Account, KeyName, KeyState, Mode};
use crate::domain::outcome::Outcomes;
use crate::domain::time::{Day, Timestamp};

/// A key with all that is known of it.
pub(in crate::http) struct KeyPage {
    /// What it is.
    pub(in crate::http) facts: KeyFacts,
    /// What its limits stand at.
    pub(in crate::http) limits: LimitsNow,
    /// Its requests of the last 30 days, oldest first.
    pub(in crate::http) days: Vec<(Day, Outcomes)>,
    /// Its requests of the last 60 minutes, by the minute's start, oldest first.
    pub(in crate::http) hour: Vec<(Timestamp, Outcomes)>,
    /// Its latest requests, newest first.
    pub(in crate::http) latest: Vec<RequestRow>,
    /// The number of the latest request of all when these were listed.
    pub(in crate::http) seen: u64,
    /// Why what was asked for was not done, where no form is left to say it.
    pub(in crate::http) problem: Option<&'static str>,
    /// What can be done with it; none for a revoked key.
    pub(in crate::http) forms: Option<KeyForms>,
    /// The time of the request.
    pub(in crate::http) now: Timestamp,
}

/// What a key is.
pub(in crate::http) struct KeyFacts {
    /// Its id.
    pub(in crate::http) id: KeyId,
    /// Its name.
    pub(in crate::http) name: KeyName,
    /// Whose it is.
    pub(in crate::http) account: Account,
    /// Test or live.
    pub(in crate::http) mode: Mode,
    /// Prefix and last four characters of its secret.
    pub(in crate::http) mask: String,
    /// What it is good for.
    pub(in crate::http) state: KeyState,
    /// When it was made.
    pub(in crate::http) created_at: Timestamp,
    /// When it was last used.
    pub(in crate::http) last_used_at: Option<Timestamp>,
    /// When it ends or ended by itself.
    pub(in crate::http) expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub(in crate::http) revoked_at: Option<Timestamp>,
    /// The ends of those older secrets that still work.
    pub(in crate::http) retiring: Vec<Timestamp>,
}

/// The forms on a key's page.
pub(in crate::http) struct KeyForms {
    /// Change it.
    pub(in crate::http) update: UpdateForm,
    /// Give it a new secret.
    pub(in crate::http) roll: RollForm,
    /// End it.
    pub(in crate::http) revoke: RevokeForm,
}

/// The page of a key.
pub(in crate::http) fn key_page(frame: &Frame, view: &KeyPage) -> Markup {
    page(
        frame,
        &Page {
            section: Some(Section::Keys),
            title: view.facts.name.as_str(),
            purpose: html! { "See what this key is used for, change it, replace its secret or end it." },
            mode: Some(view.facts.mode),
            actions: html! {},
            body: html! {
                (problem(view.problem))
                (facts(&view.facts, view.now))
                div data-live=(links::key_events(view.facts.id, view.seen)) {
                    section aria-labelledby="limits-title" {
                        h2 #limits-title { "Limits" } (parts::live_mark())
                        div #limits { (limits(&view.limits)) }
                    }
                    div.charts { (days(&view.days)) (hour(&view.hour)) }
                    (latest(view))
                }
                (forms(frame, view.forms.as_ref()))
            },
        },
    )
}

fn facts(facts: &KeyFacts, now: Timestamp) -> Markup {
    let mut list = vec![
        ("Secret", html! { code { (facts.mask) } }),
        ("State", parts::state(facts.state)),
        ("Account", html! { (facts.account.as_str()) }),
        ("Id", html! { code { (facts.id) } }),
        ("Created", parts::time_and_distance(facts.created_at, now)),
        (
            "Last used",
            html! { @match facts.last_used_at { Some(at) => (parts::time_and_distance(at, now)), None => "Never" } },
        ),
        (
            "Expires",
            html! { @match facts.expires_at { Some(at) => (parts::time_and_distance(at, now)), None => "Never" } },
        ),
    ];
    list.extend(
        facts
            .revoked_at
            .map(|at| ("Revoked", parts::time_and_distance(at, now))),
    );
    list.extend(
        facts
            .retiring
            .iter()
            .map(|end| ("An older secret ends", parts::time_and_distance(*end, now))),
    );
    parts::facts(&list)
}

fn latest(view: &KeyPage) -> Markup {
    let id = view.facts.id.to_string();
    let all = links::with_query(links::REQUESTS, [("key", id.as_str())]);
    html! {
        section.latest aria-labelledby="latest-title" {
            h2 #latest-title { "Latest requests" } a href=(all) { "All requests of this key" }
            p.wait { "No request yet. The next one appears here as it arrives." }
            (table(&view.latest, true))
        }
    }
}

fn forms(frame: &Frame, forms: Option<&KeyForms>) -> Markup {
    html! {
        @if let Some(forms) = forms {
            div.forms {
                (update_form(frame, &forms.update))
                div { (roll_form(frame, &forms.roll)) (revoke_form(frame, &forms.revoke)) }
            }
        } @else {
            p.empty {
                "This key was revoked and can't come back. "
                a href=(links::NEW_KEY) { "Create a new key" } " to take its place."
            }
        }
    }
}
