//! Lists that go on over several pages.

use maud::{Markup, html};

use super::links;
use super::words::counted;

/// Where in a list a page stands.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Paging {
    /// This page, from 1.
    pub(in crate::http) page: usize,
    /// The last page, at least 1.
    pub(in crate::http) last: usize,
    /// How many there are on all pages.
    pub(in crate::http) total: usize,
}

/// How many there are: `1,204 keys`.
pub(super) fn total(paging: Paging, noun: &str) -> String {
    counted(paging.total as u64, noun)
}

/// Links to the pages before and after this one, the filter kept.
pub(super) fn pager(paging: Paging, path: &str, filter: &[(&str, &str)]) -> Markup {
    let to = |page: usize| {
        let page = page.to_string();
        let fields = filter.iter().copied().chain([("page", page.as_str())]);
        links::with_query(path, fields)
    };
    html! {
        @if paging.last > 1 {
            nav.pager aria-label="Pages" {
                @if paging.page > 1 { a href=(to(paging.page - 1)) rel="prev" { "Previous" } }
                span { "Page " (paging.page) " of " (paging.last) }
                @if paging.page < paging.last { a href=(to(paging.page + 1)) rel="next" { "Next" } }
            }
        }
    }
}

/// The buttons under a filter; the second only where there is something to clear.
pub(super) fn filter_buttons(path: &str, filter: &[(&str, &str)]) -> Markup {
    html! {
        div.buttons {
            button { "Filter" }
            @if filter.iter().any(|(_, value)| !value.is_empty()) { a.button href=(path) { "Clear" } }
        }
    }
}
