//! Every key, to find one: filtered, sorted and paged; and before there is any, a page that teaches what a key is.

use maud::{Markup, html};

use super::fields::{Input, select};
use super::key_forms::{CreateForm, create_form};
use super::layout::{Frame, Page, Section, page};
use super::listing::{Paging, filter_buttons, pager, total};
use super::{links, parts};
use crate::domain::id::KeyId;
use crate::domain::key::{Account, KeyName, KeyState, Mode};
use crate::domain::time::Timestamp;

/// The keys of one page of the list.
pub(in crate::http) struct KeyList {
    /// What was asked for.
    pub(in crate::http) filter: KeyFilter,
    /// In which order.
    pub(in crate::http) sort: KeySort,
    /// The keys, in that order.
    pub(in crate::http) rows: Vec<KeyRow>,
    /// Where this page stands.
    pub(in crate::http) paging: Paging,
    /// The time of the request.
    pub(in crate::http) now: Timestamp,
}

/// Which keys to list.
#[derive(Default)]
pub(in crate::http) struct KeyFilter {
    /// Of this mode.
    pub(in crate::http) mode: Option<Mode>,
    /// Of this account, as typed.
    pub(in crate::http) account: String,
    /// In this state.
    pub(in crate::http) state: Option<KeyState>,
    /// With this in name, masked secret or id.
    pub(in crate::http) text: String,
}

/// The order of the list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum KeySort {
    /// Newest first.
    Created,
    /// By name, from A.
    Name,
    /// Used last, first.
    Used,
    /// Most requests today, first.
    Today,
}

impl KeySort {
    /// As it stands in the address.
    pub(in crate::http) const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Name => "name",
            Self::Used => "used",
            Self::Today => "today",
        }
    }

    /// Reads it from the address.
    pub(in crate::http) fn parse(text: &str) -> Option<Self> {
        [Self::Created, Self::Name, Self::Used, Self::Today]
            .into_iter()
            .find(|sort| sort.as_str() == text)
    }
}

/// A key in the list.
pub(in crate::http) struct KeyRow {
    /// Its id.
    pub(in crate::http) id: KeyId,
    /// Its name.
    pub(in crate::http) name: KeyName,
    /// Prefix and last four characters of its secret.
    pub(in crate::http) mask: String,
    /// Test or live.
    pub(in crate::http) mode: Mode,
    /// Whose it is.
    pub(in crate::http) account: Account,
    /// What it is good for.
    pub(in crate::http) state: KeyState,
    /// When it was made.
    pub(in crate::http) created_at: Timestamp,
    /// When it was last used.
    pub(in crate::http) last_used_at: Option<Timestamp>,
    /// Requests admitted today.
    pub(in crate::http) today: u32,
    /// Requests it may make in a day.
    pub(in crate::http) per_day: u32,
}

const PURPOSE: &str =
    "Each key lets one of your servers call the API. Find, create and manage them here.";

/// The list of keys.
pub(in crate::http) fn list(frame: &Frame, view: &KeyList) -> Markup {
    let query = query(view);
    page(
        frame,
        &Page {
            section: Some(Section::Keys),
            title: "API keys",
            purpose: html! { (PURPOSE) },
            mode: None,
            actions: html! { a.button.main href=(links::NEW_KEY) { "Create key" } },
            body: html! {
                (filter(view, &query))
                p.total { (total(view.paging, "key")) }
                @if view.rows.is_empty() {
                    p.empty { "No key fits this filter. Clear it to see them all, or create the key you miss." }
                } @else {
                    (table(view, &query))
                }
                (pager(view.paging, links::KEYS, &query))
            },
        },
    )
}

/// The page before there is any key.
pub(in crate::http) fn first_run(frame: &Frame, form: &CreateForm) -> Markup {
    page(
        frame,
        &Page {
            section: Some(Section::Keys),
            title: "Create your first key",
            purpose: html! { (PURPOSE) },
            mode: None,
            actions: html! {},
            body: html! {
                div #first-run {
                    ol.steps {
                        li { strong { "Create a key." } " Its secret is how your server proves who it is, in \
                            the " code { "Authorization" } " header of every request." }
                        li { strong { "Keep the secret." } " It is shown once, on the next page. Put it where \
                            your server finds its other secrets, never in a web page or an app." }
                        li { strong { "Send a request." } " The next page has one ready to paste, and shows it \
                            as it arrives." }
                    }
                    (create_form(frame, form))
                }
            },
        },
    )
}

/// What of the address a link within the list keeps.
fn query(view: &KeyList) -> [(&'static str, &str); 5] {
    let filter = &view.filter;
    let sort = match view.sort {
        KeySort::Created => "",
        sort @ (KeySort::Name | KeySort::Used | KeySort::Today) => sort.as_str(),
    };
    [
        ("mode", filter.mode.map_or("", Mode::as_str)),
        ("account", &filter.account),
        ("state", filter.state.map_or("", KeyState::as_str)),
        ("text", &filter.text),
        ("sort", sort),
    ]
}

fn filter(view: &KeyList, query: &[(&str, &str)]) -> Markup {
    const FORM: &str = "filter";
    let modes = [("", "Any"), ("test", "Test"), ("live", "Live")];
    let states = [
        ("", "Any"),
        ("active", "Active"),
        ("expired", "Expired"),
        ("revoked", "Revoked"),
    ];
    let orders = [
        ("created", "Newest"),
        ("name", "Name"),
        ("used", "Last used"),
        ("today", "Busiest today"),
    ];
    html! {
        form.filter #filter role="search" action=(links::KEYS) {
            (Input::new(FORM, "text", "Search", &view.filter.text).placeholder("Name, id, last four"))
            (Input::new(FORM, "account", "Account", &view.filter.account).placeholder("Any"))
            (select(FORM, "mode", "Mode", view.filter.mode.map_or("", Mode::as_str), &modes))
            (select(FORM, "state", "State", view.filter.state.map_or("", KeyState::as_str), &states))
            (select(FORM, "sort", "Sort by", view.sort.as_str(), &orders))
            (filter_buttons(links::KEYS, query))
        }
    }
}

fn table(view: &KeyList, query: &[(&str, &str)]) -> Markup {
    let sorted_by = |sort: KeySort, name: &str, direction: &str| {
        let others = query.iter().copied().filter(|(name, _)| *name != "sort");
        let href = links::with_query(links::KEYS, others.chain([("sort", sort.as_str())]));
        let aria_sort = (view.sort == sort).then_some(direction);
        html! { th scope="col" aria-sort=[aria_sort] { a href=(href) { (name) } } }
    };
    html! {
        table.cards #keys {
            caption.unseen { "API keys" }
            thead {
                tr {
                    (sorted_by(KeySort::Name, "Key", "ascending"))
                    th scope="col" { "Mode" }
                    th scope="col" { "Account" }
                    th scope="col" { "State" }
                    (sorted_by(KeySort::Created, "Created", "descending"))
                    (sorted_by(KeySort::Used, "Last used", "descending"))
                    (sorted_by(KeySort::Today, "Today", "descending"))
                }
            }
            tbody { @for key in &view.rows { (row(key, view.now)) } }
        }
    }
}

fn row(key: &KeyRow, now: Timestamp) -> Markup {
    html! {
        tr.(key.mode.as_str()) id=(key.id) {
            th scope="row" { (parts::key_link(key.id, key.name.as_str())) code { (key.mask) } }
            td { (parts::badge(key.mode)) }
            td { (key.account.as_str()) }
            td { (parts::state(key.state)) }
            td { (parts::date(key.created_at)) }
            td { @match key.last_used_at { Some(at) => (parts::age(at, now)), None => "Never" } }
            td { (parts::used(key.today, key.per_day, "Requests today")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_reads_back_as_it_stands_in_the_address() {
        for sort in [
            KeySort::Created,
            KeySort::Name,
            KeySort::Used,
            KeySort::Today,
        ] {
            assert!(KeySort::parse(sort.as_str()) == Some(sort));
        }
        assert!(KeySort::parse("size").is_none());
    }
}
