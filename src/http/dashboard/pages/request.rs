//! One request: headers and bodies as they went over the wire, secrets masked, and how to send it again.

use std::time::Duration;

use maud::{Markup, html};

use super::curl::{Call, command};
use super::layout::{Frame, Page, Section, page};
use super::parts;
use super::requests::{RequestRow, outcome};
use super::words::{count, took};

/// A request with all that is remembered of it. Secrets are masked already.
pub(in crate::http) struct RequestPage {
    /// What the list shows of it.
    pub(in crate::http) row: RequestRow,
    /// Headers and bodies were left out.
    pub(in crate::http) is_brief: bool,
    /// What was sent.
    pub(in crate::http) sent: Message,
    /// What was answered.
    pub(in crate::http) answered: Message,
    /// What the upstream did: what it answered, if it did, and in which time.
    pub(in crate::http) reached: Option<(Option<u16>, Duration)>,
    /// What went wrong because the mock was asked for it.
    pub(in crate::http) fault: Option<String>,
    /// For a key that was used for another request, in test mode: what differs from the first one.
    pub(in crate::http) differences: Option<Vec<Difference>>,
    /// Scheme and host of this server, as `http://127.0.0.1:8080`.
    pub(in crate::http) server: String,
}

/// Headers and body.
pub(in crate::http) struct Message {
    /// Names and values, in the order of the wire.
    pub(in crate::http) headers: Vec<(String, String)>,
    /// The body.
    pub(in crate::http) body: Body,
}

/// What is remembered of a body.
pub(in crate::http) enum Body {
    /// There was none.
    Empty,
    /// All of it.
    Whole(String),
    /// Its beginning.
    Cut {
        /// What is left of it.
        beginning: String,
        /// Bytes it had.
        bytes: usize,
    },
    /// Nothing, because it isn't text or was never read.
    Unknown,
}

/// A member of a body in which two requests differ.
pub(in crate::http) struct Difference {
    /// Its path, as `customer.email`.
    pub(in crate::http) member: String,
    /// Its value in the first request; none where it was absent.
    pub(in crate::http) first: Option<String>,
    /// Its value in this one.
    pub(in crate::http) this: Option<String>,
}

/// Headers that curl makes itself, or that belong to one connection.
const NOT_COPIED: [&str; 13] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-request-id",
];

/// The page of a request.
pub(in crate::http) fn request_page(frame: &Frame, view: &RequestPage) -> Markup {
    let row = &view.row;
    page(
        frame,
        &Page {
            section: Some(Section::Requests),
            title: &format!("{} {}", row.method, row.path),
            purpose: html! { "See what was sent and answered, and send it again. Secrets are masked." },
            mode: row.key.as_ref().map(|key| key.mode),
            actions: html! {},
            body: html! {
                (facts(view))
                @if let Some(differences) = &view.differences { (differing(differences)) }
                @if view.is_brief {
                    p #brief { "Headers and bodies of this request are not kept: too many came within its second, or it ended \
                        before it was known whose it is." }
                } @else {
                    (exchanged(view))
                }
            },
        },
    )
}

fn exchanged(view: &RequestPage) -> Markup {
    html! {
        div.sides {
            (message("sent", "Sent", &view.sent))
            (message("answered", "Answered", &view.answered))
        }
        section aria-labelledby="again-title" {
            h2 #again-title { "Send it again" }
            p { "Put the key's secret into the variable ATLAS_KEY first; it is not kept here. What was \
                masked above is masked here too." }
            (parts::code_block("curl", "curl", &curl(view)))
        }
    }
}

fn facts(view: &RequestPage) -> Markup {
    let (row, fault) = (&view.row, view.fault.as_deref());
    let mut list = vec![
        ("Answer", outcome(row)),
        ("Time", parts::time(row.at)),
        ("Took", html! { (took(row.took)) }),
        ("Request id", html! { code { (row.request_id) } }),
    ];
    list.extend(
        row.key
            .as_ref()
            .map(|key| ("Key", parts::key_link(key.id, key.name.as_str()))),
    );
    list.extend(
        row.idempotency_key
            .as_deref()
            .map(|key| ("Idempotency key", html! { (key) })),
    );
    list.extend(view.reached.map(|(status, time)| {
        let time = took(time);
        let said = match status {
            Some(status) => format!("{status} in {time}"),
            None => format!("No answer in {time}"),
        };
        ("Upstream", html! { (said) })
    }));
    list.extend(fault.map(|fault| ("Fault asked for", html! { code { (fault) } })));
    parts::facts(&list)
}

fn differing(differences: &[Difference]) -> Markup {
    let value = |value: &Option<String>| {
        html! { td { @match value { Some(text) => code { (text) }, None => span.quiet { "Absent" } } } }
    };
    html! {
        section.panel #differences aria-labelledby="differences-title" {
            h2 #differences-title { "What differs" }
            p { "This idempotency key was used before for another request. Send the same request again to get \
                its answer, or this one under a new key." }
            div.scroll tabindex="0" role="region" aria-label="Members that differ" {
                table.pairs {
                    caption.unseen { "Members that differ" }
                    thead {
                        tr { @for head in ["Member", "First request", "This request"] { th scope="col" { (head) } } }
                    }
                    tbody {
                        @for difference in differences {
                            tr {
                                th scope="row" { (difference.member) }
                                (value(&difference.first))
                                (value(&difference.this))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn message(id: &str, title: &str, message: &Message) -> Markup {
    let headers = message
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    html! {
        section aria-labelledby={ (id) "-title" } {
            h2 id={ (id) "-title" } { (title) }
            (parts::pairs(&format!("{title}: headers"), ["Header", "Value"], headers))
            (body(id, &message.body))
        }
    }
}

fn body(id: &str, body: &Body) -> Markup {
    let id = format!("{id}-body");
    match body {
        Body::Empty => html! { p.quiet { "No body." } },
        Body::Unknown => {
            html! { p.quiet { "The body is not kept: it was not read, or is not text." } }
        }
        Body::Whole(text) => parts::code_block(&id, "Body", text),
        Body::Cut { beginning, bytes } => html! {
            (parts::code_block(&id, "Body", beginning))
            p.quiet { "Cut here. The body had " (count(*bytes as u64)) " bytes." }
        },
    }
}

fn curl(view: &RequestPage) -> String {
    let copied = |name: &str| !NOT_COPIED.contains(&name.to_ascii_lowercase().as_str());
    let headers = view.sent.headers.iter().filter(|(name, _)| copied(name));
    let headers: Vec<(&str, &str)> = headers
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    command(&Call {
        method: &view.row.method,
        server: &view.server,
        target: &view.row.path,
        authorization: Some("Bearer $ATLAS_KEY"),
        headers: &headers,
        body: match &view.sent.body {
            Body::Whole(text)
            | Body::Cut {
                beginning: text, ..
            } => Some(text),
            Body::Empty | Body::Unknown => None,
        },
    })
}
