//! The secret of a key, shown once, with requests that are ready to paste; and the first of them as it arrives.

use maud::{Markup, html};

use super::curl::{Call, command};
use super::layout::{Frame, Page, Section, page};
use super::requests::table;
use super::{links, parts};
use crate::domain::id::KeyId;
use crate::domain::key::{KeyName, Mode};
use crate::domain::time::Timestamp;

/// A secret that was just made.
pub(in crate::http) struct NewSecret<'a> {
    /// Of which key.
    pub(in crate::http) id: KeyId,
    /// Its name.
    pub(in crate::http) name: &'a KeyName,
    /// Test or live.
    pub(in crate::http) mode: Mode,
    /// The secret in clear.
    pub(in crate::http) secret: &'a str,
    /// How it came about.
    pub(in crate::http) origin: Origin,
    /// The number of the latest request before it.
    pub(in crate::http) seen: u64,
    /// Whether requests of its mode are served here: those of live mode go upstream, and nowhere without one.
    pub(in crate::http) is_served: bool,
    /// Scheme and host of this server, as `http://127.0.0.1:8080`.
    pub(in crate::http) server: &'a str,
}

/// How a secret came about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Origin {
    /// With its key.
    Created,
    /// By rolling; the secret before it works until then.
    Rolled {
        /// The end of the old secret.
        old_works_until: Timestamp,
    },
}

const PATH: &str = "/functions/v1/create-session";

/// The page that shows a secret, once.
pub(in crate::http) fn secret_page(frame: &Frame, view: &NewSecret<'_>) -> Markup {
    let title = match view.origin {
        Origin::Created => "Your new key",
        Origin::Rolled { .. } => "Your new secret",
    };
    page(
        frame,
        &Page {
            section: Some(Section::Keys),
            title,
            purpose: html! { "For " strong { (view.name.as_str()) } ". Copy the secret now: this is the only \
            time it is shown." },
            mode: Some(view.mode),
            actions: html! { a.button href=(links::key(view.id)) { "Go to the key" } },
            body: html! {
                section.panel.secret aria-labelledby="secret-title" {
                    h2 #secret-title { "Secret" }
                    div { code #secret { (view.secret) } (parts::copy_button("secret", "secret")) }
                    p.hint { (advice(view.origin)) }
                }
                (waiting(view))
                (snippets(view))
            },
        },
    )
}

fn advice(origin: Origin) -> Markup {
    match origin {
        Origin::Created => html! {
            "Keep it on your server, where its other secrets are. If it is lost or seen by others, roll the key."
        },
        Origin::Rolled { old_works_until } => html! {
            "Put it on your servers in place of the old one, which works until " (parts::time(old_works_until)) "."
        },
    }
}

/// A region that turns into the next requests as they arrive.
fn waiting(view: &NewSecret<'_>) -> Markup {
    let id = view.id;
    let (title, which) = match view.origin {
        Origin::Created => ("First request", "your first"),
        Origin::Rolled { .. } => ("Next request", "the next"),
    };
    html! {
        section.waiting data-live=(links::key_events(id, view.seen)) aria-labelledby="waiting-title" {
            h2 #waiting-title { (title) } (parts::live_mark())
            div aria-live="polite" {
                p.wait {
                    "Waiting for " (which) " request. Paste the curl command into a terminal, and it appears here."
                }
                (table(&[], true))
            }
            noscript {
                p {
                    "Scripts are off, so this page can't wait. See "
                    a href=(links::key(id)) { "the key's page" } " after your request."
                }
            }
        }
    }
}

fn snippets(view: &NewSecret<'_>) -> Markup {
    html! {
        section aria-labelledby="snippets-title" {
            h2 #snippets-title { "Send a request" }
            p { (promise(view)) " Send it twice: the second answer is a replay of the first, because both \
                carry the same idempotency key." }
            (parts::code_block("curl", "curl", &curl(view)))
            (parts::code_block("javascript", "JavaScript", &javascript(view)))
            (parts::code_block("python", "Python", &python(view)))
        }
    }
}

const fn promise(view: &NewSecret<'_>) -> &'static str {
    match view.mode {
        Mode::Test => {
            "Each of these creates the same payment session of $49.90. Nothing is charged."
        }
        Mode::Live if !view.is_served => {
            "This server has no upstream for live requests, so each of these gets 503 live_mode_unavailable. Once it is \
             started with one (live.upstream), each creates the same live payment session of $49.90."
        }
        Mode::Live => "Each of these creates the same live payment session of $49.90. It is real.",
    }
}

/// An idempotency key of this key's own.
fn idempotency_key(id: KeyId) -> String {
    format!("first-{id}")
}

fn curl(view: &NewSecret<'_>) -> String {
    command(&Call {
        method: "POST",
        server: view.server,
        target: PATH,
        authorization: Some(&format!("Bearer {}", view.secret)),
        headers: &[
            ("Content-Type", "application/json"),
            ("Idempotency-Key", &idempotency_key(view.id)),
        ],
        body: Some(r#"{"amount": 4990, "currency": "USD"}"#),
    })
}

fn javascript(view: &NewSecret<'_>) -> String {
    let NewSecret {
        server, secret, id, ..
    } = view;
    format!(
        r#"const answer = await fetch("{server}{PATH}", {{
  method: "POST",
  headers: {{
    "Authorization": "Bearer {secret}",
    "Content-Type": "application/json",
    "Idempotency-Key": "{key}",
  }},
  body: JSON.stringify({{ amount: 4990, currency: "USD" }}),
}});
console.log(answer.status, await answer.json());"#,
        key = idempotency_key(*id)
    )
}

fn python(view: &NewSecret<'_>) -> String {
    let NewSecret {
        server, secret, id, ..
    } = view;
    format!(
        r#"import requests

answer = requests.post(
    "{server}{PATH}",
    headers={{
        "Authorization": "Bearer {secret}",
        "Idempotency-Key": "{key}",
    }},
    json={{"amount": 4990, "currency": "USD"}},
)
print(answer.status_code, answer.json())"#,
        key = idempotency_key(*id)
    )
}
