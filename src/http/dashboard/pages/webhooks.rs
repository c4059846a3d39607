//! Webhooks: the endpoints, the form that adds one, and what was sent.

use maud::{Markup, html};

use super::deliveries::{DeliveryRow, table};
use super::endpoints::{AddForm, EndpointRow, add_form, endpoints};
use super::fields::problem;
use super::layout::{Frame, Page, Section, page};
use super::links;
use crate::domain::id::{EndpointId, EventId};
use crate::domain::time::Timestamp;

/// The endpoints, and one page of the deliveries.
pub(in crate::http) struct WebhookPage {
    /// Every endpoint.
    pub(in crate::http) endpoints: Vec<EndpointRow>,
    /// The form that adds one.
    pub(in crate::http) add: AddForm,
    /// Why what was asked for was not done.
    pub(in crate::http) problem: Option<String>,
    /// The deliveries, newest first.
    pub(in crate::http) deliveries: Vec<DeliveryRow>,
    /// Whether this page begins before a delivery rather than with the newest.
    pub(in crate::http) is_later_page: bool,
    /// The last row's event and endpoint, where others come after it.
    pub(in crate::http) next: Option<(EventId, EndpointId)>,
    /// The time of the request.
    pub(in crate::http) now: Timestamp,
}

/// The page.
pub(in crate::http) fn webhook_page(frame: &Frame, view: &WebhookPage) -> Markup {
    page(
        frame,
        &Page {
            section: Some(Section::Webhooks),
            title: "Webhooks",
            purpose: html! {
                "Choose which of your servers are told what happens to payments, and see what arrived there."
            },
            mode: None,
            actions: html! { a.button.main href="#add" { "Add endpoint" } },
            body: html! {
                (problem(view.problem.as_deref()))
                section aria-labelledby="endpoints-title" {
                    h2 #endpoints-title { "Endpoints" }
                    (endpoints(frame, &view.endpoints))
                }
                section aria-labelledby="deliveries-title" {
                    h2 #deliveries-title { "Deliveries" }
                    @if view.deliveries.is_empty() {
                        p.empty { (nothing(view)) }
                    } @else {
                        (table(&view.deliveries, view.now))
                    }
                    (pager(view))
                }
                section { (add_form(frame, &view.add)) }
            },
        },
    )
}

fn nothing(view: &WebhookPage) -> &'static str {
    if view.is_later_page {
        "Nothing was sent before this."
    } else {
        "Nothing was sent yet. What happens to a payment appears here as soon as an endpoint wants to know it."
    }
}

/// A delivery as it stands in the address of the page that begins before it.
pub(in crate::http) fn cursor(event: EventId, endpoint: EndpointId) -> String {
    format!("{event}-{endpoint}")
}

/// Reads that address.
pub(in crate::http) fn read_cursor(text: &str) -> Option<(EventId, EndpointId)> {
    let (event, endpoint) = text.split_once('-')?;
    EventId::parse(event).zip(EndpointId::parse(endpoint))
}

fn pager(view: &WebhookPage) -> Markup {
    let older = view.next.map(|(event, endpoint)| {
        let before = cursor(event, endpoint);
        links::with_query(links::WEBHOOKS, [("before", before.as_str())])
    });
    html! {
        @if view.is_later_page || older.is_some() {
            nav.pager aria-label="Pages" {
                @if view.is_later_page { a href=(links::WEBHOOKS) { "Newest" } }
                @if let Some(older) = older { a href=(older) rel="next" { "Older" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_list_reads_back_as_it_stands_in_the_address() {
        let now = Timestamp::from_millis(1);
        let (event, endpoint) = (
            EventId::new(now, [b'e'; 24]),
            EndpointId::new(now, [b'w'; 24]),
        );
        assert_eq!(
            read_cursor(&cursor(event, endpoint)),
            Some((event, endpoint))
        );
        for wrong in ["", "-", "evt_-we_", &event.to_string()] {
            assert_eq!(read_cursor(wrong), None);
        }
    }
}
