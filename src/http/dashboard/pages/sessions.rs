//! Payment sessions, newest first.

use maud::{Markup, html};

use super::fields::{Input, select};
use super::layout::{Frame, Page, Section, page};
use super::listing::filter_buttons;
use super::words::{clip, count};
use super::{links, money, parts};
use crate::domain::id::SessionId;
use crate::domain::key::{Account, Mode};
use crate::domain::money::Money;
use crate::domain::session::SessionStatus;
use crate::domain::time::Timestamp;
use crate::policy;

/// Characters of a text of a client's that a row shows.
const SHOWN: usize = 48;

/// The sessions of one page of the list.
pub(in crate::http) struct SessionList {
    /// Of this mode only.
    pub(in crate::http) mode: Option<Mode>,
    /// Of this account only, as typed.
    pub(in crate::http) account: String,
    /// The sessions, newest first.
    pub(in crate::http) rows: Vec<SessionRow>,
    /// Whether this page begins before a session rather than with the newest.
    pub(in crate::http) is_later_page: bool,
    /// The last row's id, where others come after it.
    pub(in crate::http) next: Option<SessionId>,
    /// The time of the request.
    pub(in crate::http) now: Timestamp,
}

/// A session in the list.
pub(in crate::http) struct SessionRow {
    /// Its id.
    pub(in crate::http) id: SessionId,
    /// Test or live.
    pub(in crate::http) mode: Mode,
    /// Whose it is.
    pub(in crate::http) account: Account,
    /// How much.
    pub(in crate::http) money: Money,
    /// Where it stands.
    pub(in crate::http) status: SessionStatus,
    /// The merchant's id of the order.
    pub(in crate::http) external_id: Option<String>,
    /// When it was made.
    pub(in crate::http) created_at: Timestamp,
}

/// The list of sessions.
pub(in crate::http) fn list(frame: &Frame, view: &SessionList) -> Markup {
    let query = [
        ("mode", view.mode.map_or("", Mode::as_str)),
        ("account", view.account.as_str()),
    ];
    page(
        frame,
        &Page {
            section: Some(Section::Sessions),
            title: "Sessions",
            purpose: html! { "Find a payment session that one of your servers created, and see where it stands." },
            mode: None,
            actions: html! {},
            body: html! {
                (filter(view, &query))
                @if view.rows.is_empty() {
                    p.empty { (nothing(view)) }
                } @else {
                    (table(view))
                }
                (pager(view, &query))
            },
        },
    )
}

fn nothing(view: &SessionList) -> String {
    let looked_at = count(policy::PAGE_SCAN as u64);
    match (view.next.is_some(), view.is_later_page) {
        (true, false) => format!("None among the latest {looked_at}; go on with Older."),
        (true, true) => format!("None among the next {looked_at}; go on with Older."),
        (false, false) if view.mode.is_none() && view.account.is_empty() => {
            "No session yet. Your server makes one with POST /functions/v1/create-session; the page of a new \
                key has it ready to paste."
                .to_owned()
        }
        (false, _) => "No session fits. Clear the filter to see them all.".to_owned(),
    }
}

fn filter(view: &SessionList, query: &[(&str, &str)]) -> Markup {
    const FORM: &str = "filter";
    let modes = [("", "Any"), ("test", "Test"), ("live", "Live")];
    html! {
        form.filter #filter role="search" action=(links::SESSIONS) {
            (Input::new(FORM, "account", "Account", &view.account).placeholder("Any"))
            (select(FORM, "mode", "Mode", view.mode.map_or("", Mode::as_str), &modes))
            (filter_buttons(links::SESSIONS, query))
        }
    }
}

fn table(view: &SessionList) -> Markup {
    html! {
        table.cards #sessions {
            caption.unseen { "Payment sessions, newest first" }
            thead {
                tr {
                    @for name in ["Session", "Amount", "Mode", "Status", "Account", "Order", "Created"] {
                        th scope="col" { (name) }
                    }
                }
            }
            tbody { @for session in &view.rows { (row(session, view.now)) } }
        }
    }
}

fn row(session: &SessionRow, now: Timestamp) -> Markup {
    html! {
        tr.(session.mode.as_str()) id=(session.id) {
            th scope="row" { a href=(links::session(session.id)) { code { (session.id) } } }
            td.amount { (money::written(session.money)) }
            td { (parts::badge(session.mode)) }
            td { (status_name(session.status)) }
            td { (session.account.as_str()) }
            td { @if let Some(id) = &session.external_id { (clip(id, SHOWN)) } }
            td { (parts::age(session.created_at, now)) }
        }
    }
}

/// Where a session stands, in words.
pub(super) const fn status_name(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::RequiresPaymentMethod => "Waiting for the buyer",
        SessionStatus::RequiresAction => "Waiting for the buyer's bank",
        SessionStatus::Processing => "Held, not captured",
        SessionStatus::Succeeded => "Paid",
        SessionStatus::Failed => "Declined",
        SessionStatus::Canceled => "Canceled",
    }
}

fn pager(view: &SessionList, query: &[(&str, &str)]) -> Markup {
    let newest = links::with_query(links::SESSIONS, query.iter().copied());
    let older = view.next.map(|id| {
        let (id, query) = (id.to_string(), query.iter().copied());
        links::with_query(links::SESSIONS, query.chain([("before", id.as_str())]))
    });
    html! {
        @if view.is_later_page || older.is_some() {
            nav.pager aria-label="Pages" {
                @if view.is_later_page { a href=(newest) { "Newest" } }
                @if let Some(older) = older { a href=(older) rel="next" { "Older" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(next: Option<SessionId>, is_later_page: bool) -> String {
        let view = SessionList {
            mode: Some(Mode::Live),
            account: String::new(),
            rows: Vec::new(),
            is_later_page,
            next,
            now: Timestamp::default(),
        };
        let frame = Frame {
            csrf: String::new(),
            notice: None,
        };
        list(&frame, &view).into_string()
    }

    #[test]
    fn a_search_that_is_not_over_says_so_and_where_it_goes_on() {
        let next = Some(SessionId::new(Timestamp::default(), [b'a'; 24]));
        for (is_later_page, words) in [
            (false, "None among the latest 5,000; go on with Older."),
            (true, "None among the next 5,000; go on with Older."),
        ] {
            let page = said(next, is_later_page);
            assert!(
                page.contains(words) && page.contains(">Older</a>"),
                "{page}"
            );
            let page = said(None, is_later_page);
            assert!(
                page.contains("No session fits.") && !page.contains(">Older</a>"),
                "{page}"
            );
        }
    }
}
