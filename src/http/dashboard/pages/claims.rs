//! Requests that went to an upstream, and of which nobody here knows what became: the list, with the ways to end one.

use maud::{Markup, html};

use super::layout::{Frame, csrf};
use super::words::count;
use super::{links, parts};
use crate::domain::id::ClaimId;
use crate::domain::key::Mode;
use crate::domain::time::Timestamp;

/// A claim in the list.
pub(in crate::http) struct ClaimRow {
    /// Its id.
    pub(in crate::http) id: ClaimId,
    /// Whose it is.
    pub(in crate::http) account: String,
    /// Test or live.
    pub(in crate::http) mode: Mode,
    /// The client's key, secrets masked.
    pub(in crate::http) key: String,
    /// `POST` or `PATCH`.
    pub(in crate::http) method: String,
    /// Its path, secrets masked.
    pub(in crate::http) path: String,
    /// When it first came.
    pub(in crate::http) since: Timestamp,
    /// When its key is free at the latest.
    pub(in crate::http) until: Timestamp,
    /// It waits for the upstream right now.
    pub(in crate::http) runs: bool,
}

/// The oldest claims that are open.
pub(in crate::http) struct OpenClaims {
    /// So many of them as a page has room for.
    pub(in crate::http) rows: Vec<ClaimRow>,
    /// How many there are.
    pub(in crate::http) count: usize,
}

/// The section of the page.
pub(super) fn section(frame: &Frame, open: &OpenClaims, now: Timestamp) -> Markup {
    let rows = &open.rows;
    html! {
        section.claims aria-labelledby="claims-title" {
            h2 #claims-title { "Open claims" }
            @if rows.is_empty() {
                p.empty { "None: it is known what became of every request that went upstream." }
            } @else {
                p { "These requests went upstream, and no answer came. Look into the upstream's books before you \
                    settle one: a request that is settled as free can be charged again." }
                table.cards #claims {
                    caption.unseen { "Open claims" }
                    thead {
                        tr {
                            @for name in ["Idempotency key", "Request", "Account", "First request", "Settle"] {
                                th scope="col" { (name) }
                            }
                        }
                    }
                    tbody { @for claim in rows { (row(frame, claim, now)) } }
                }
                @if rows.len() < open.count {
                    p.hint {
                        "The oldest " (rows.len()) " of " (count(open.count as u64)) "; "
                        code { "atlas claims list" } " shows all of them."
                    }
                }
            }
        }
    }
}

fn row(frame: &Frame, claim: &ClaimRow, now: Timestamp) -> Markup {
    html! {
        tr id=(claim.id) class=(claim.mode.as_str()) {
            th scope="row" { strong { (claim.key) } code { (claim.id) } }
            td { code { (claim.method) " " (claim.path) } }
            td { (claim.account) " " (parts::badge(claim.mode)) }
            td { (parts::age(claim.since, now)) div.quiet { "Key kept until " (parts::time(claim.until)) } }
            td {
                @if claim.runs { span.quiet { "Waits for the upstream" } }
                @else {
                    (settle(frame, claim, "done", "It was done", "Whoever repeats it is told so, and it is not sent again."))
                    (settle(frame, claim, "free", "It was not done", "The idempotency key is free, and a repeat is sent as if it \
                        were the first."))
                }
            }
        }
    }
}

fn settle(frame: &Frame, claim: &ClaimRow, end: &str, name: &str, meaning: &str) -> Markup {
    html! {
        details {
            summary { (name) span.unseen { ": " (claim.key) } }
            p.hint { (meaning) }
            form method="post" action=(links::settle(claim.id, end)) {
                (csrf(frame))
                button.small.danger[end == "free"] {
                    "Settle as " (end) span.unseen { ": " (claim.key) }
                }
            }
        }
    }
}
