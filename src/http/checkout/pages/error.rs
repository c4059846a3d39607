//! Addresses with nothing behind them, and requests that did not work.

use maud::{Markup, html};

use super::frame::bare_page;

/// A request that was turned away.
pub(in crate::http) struct Refused<'a> {
    /// HTTP status.
    pub(in crate::http) status: u16,
    /// What was wrong and what to do next.
    pub(in crate::http) message: &'a str,
    /// Under which id the log has it.
    pub(in crate::http) request_id: &'a str,
}

/// The page of an address that leads to no session.
pub(in crate::http) fn missing_page() -> Markup {
    let title = "There is nothing to pay here";
    let body = html! {
        h1 { (title) }
        p { "The address is not that of a payment. Look whether all of it was copied, or ask the shop for a new one." }
    };
    bare_page(title, &body)
}

/// The page of a request that was turned away.
pub(in crate::http) fn refused_page(view: &Refused<'_>) -> Markup {
    let title = title(view.status);
    let body = html! {
        h1 { (title) }
        p { (view.message) }
        @if view.status == 429 || view.status >= 500 {
            p { "Wait a moment, then load this page again: it shows whether anything was paid." }
        }
        p.quiet { "Status " (view.status) " · Request id " code { (view.request_id) } }
    };
    bare_page(title, &body)
}

const fn title(status: u16) -> &'static str {
    match status {
        429 => "Too many tries",
        500..=599 => "Something went wrong here",
        _ => "That did not work",
    }
}
