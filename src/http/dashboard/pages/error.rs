//! What went wrong, and the way on.

use maud::{Markup, html};

use super::layout::{Frame, Page, card, page};
use super::links;

/// A request to the Dashboard that did not work.
pub(in crate::http) struct ErrorPage {
    /// HTTP status.
    pub(in crate::http) status: u16,
    /// What was wrong and what to do next.
    pub(in crate::http) message: String,
    /// Under which id the log has it.
    pub(in crate::http) request_id: String,
}

/// The page of an error, within the frame for those who are logged in.
pub(in crate::http) fn error_page(frame: Option<&Frame>, view: &ErrorPage) -> Markup {
    let title = title(view.status);
    let Some(frame) = frame else {
        return card(
            title,
            &html! { p { (view.message) } (foot(view, links::LOGIN, "Go to the log-in")) },
        );
    };
    page(
        frame,
        &Page {
            section: None,
            title,
            purpose: html! { (view.message) },
            mode: None,
            actions: html! {},
            body: foot(view, links::KEYS, "Go to your keys"),
        },
    )
}

fn foot(view: &ErrorPage, href: &str, way_on: &str) -> Markup {
    html! {
        p { a.button.main href=(href) { (way_on) } }
        p.quiet { "Status " (view.status) " · Request id " code { (view.request_id) } }
    }
}

const fn title(status: u16) -> &'static str {
    match status {
        400 => "That was not understood",
        401 => "Log in first",
        403 => "Not allowed",
        404 => "Not found",
        405 | 415 => "That can't be sent here",
        421 => "Wrong address",
        429 => "Too many tries",
        500..=599 => "Something went wrong here",
        _ => "That did not work",
    }
}
