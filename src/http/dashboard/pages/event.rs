//! One event: its body as it is sent, and each of its deliveries with every attempt.

use std::time::Duration;

use maud::{Markup, html};

use super::deliveries::{Came, came, place, state};
use super::fields::problem;
use super::layout::{Frame, Page, Section, csrf, page};
use super::words::took;
use super::{links, parts};
use crate::domain::delivery::DeliveryState;
use crate::domain::event::EventType;
use crate::domain::id::{EndpointId, EventId};
use crate::domain::key::{Account, Mode};
use crate::domain::time::Timestamp;
use crate::domain::webhook::WebhookUrl;

/// An event with all that is known of it. Secrets are masked already.
pub(in crate::http) struct EventPage {
    /// Its id.
    pub(in crate::http) id: EventId,
    /// What it is.
    pub(in crate::http) kind: EventType,
    /// To whom it happened.
    pub(in crate::http) account: Account,
    /// Test or live.
    pub(in crate::http) mode: Mode,
    /// When.
    pub(in crate::http) created_at: Timestamp,
    /// What is sent.
    pub(in crate::http) body: String,
    /// Its deliveries.
    pub(in crate::http) deliveries: Vec<DeliveryView>,
    /// Why it was not sent again.
    pub(in crate::http) problem: Option<String>,
    /// The time of the request.
    pub(in crate::http) now: Timestamp,
}

/// Its delivery to one endpoint.
pub(in crate::http) struct DeliveryView {
    /// Which endpoint.
    pub(in crate::http) endpoint: EndpointId,
    /// Where that is; none when it was removed.
    pub(in crate::http) url: Option<WebhookUrl>,
    /// How it stands.
    pub(in crate::http) state: DeliveryState,
    /// When it is tried next.
    pub(in crate::http) due: Option<Timestamp>,
    /// What was tried, in the order of time.
    pub(in crate::http) attempts: Vec<AttemptView>,
}

/// One attempt.
pub(in crate::http) struct AttemptView {
    /// When it began.
    pub(in crate::http) at: Timestamp,
    /// How long it took.
    pub(in crate::http) took: Duration,
    /// Whether somebody asked for it.
    pub(in crate::http) by_hand: bool,
    /// What came of it.
    pub(in crate::http) came: Came,
    /// The beginning of the answer's body.
    pub(in crate::http) answer: String,
}

/// The page of an event.
pub(in crate::http) fn event_page(frame: &Frame, view: &EventPage) -> Markup {
    page(
        frame,
        &Page {
            section: Some(Section::Webhooks),
            title: view.kind.as_str(),
            purpose: html! {
                "See what was sent and what was answered, and send it again. Secrets are masked here, not in what is sent."
            },
            mode: Some(view.mode),
            actions: html! { a.button href=(links::WEBHOOKS) { "Back to the webhooks" } },
            body: html! {
                (problem(view.problem.as_deref()))
                (parts::facts(&[
                    ("Happened", parts::time_and_distance(view.created_at, view.now)),
                    ("Account", html! { (view.account.as_str()) }),
                    ("Id", html! { code { (view.id) } }),
                ]))
                @for (at, delivery) in view.deliveries.iter().enumerate() {
                    (delivered(frame, view, at, delivery))
                }
                @if view.deliveries.is_empty() { p.empty { "No endpoint wanted to know this when it happened." } }
                section { h2 { "What is sent" } (parts::code_block("body", "Body", &view.body)) }
            },
        },
    )
}

fn delivered(frame: &Frame, view: &EventPage, at: usize, delivery: &DeliveryView) -> Markup {
    let title = format!("delivery-{at}");
    html! {
        section.panel id=(delivery.endpoint) aria-labelledby=(title) {
            h2 id=(title) { (place(delivery.url.as_ref(), delivery.endpoint)) }
            p {
                (state(delivery.state))
                @if let Some(due) = delivery.due {
                    " Next attempt: " (parts::time_and_distance(due, view.now)) "."
                }
            }
            @if !delivery.attempts.is_empty() { (attempts(at, delivery)) }
            @if delivery.url.is_some() {
                form.buttons method="post" action=(links::send_again(view.id, delivery.endpoint)) {
                    (csrf(frame))
                    button { "Send again" }
                }
            }
        }
    }
}

fn attempts(at: usize, delivery: &DeliveryView) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label={ "Attempts, endpoint " (at + 1) } {
            table.attempts {
                caption.unseen { "Attempts" }
                thead { tr { @for name in ["Time", "Answer", "Took", "Body"] { th scope="col" { (name) } } } }
                tbody {
                    @for attempt in &delivery.attempts {
                        tr {
                            th scope="row" {
                                (parts::time(attempt.at)) @if attempt.by_hand { small { "Sent again by hand" } }
                            }
                            td { (came(&attempt.came)) }
                            td { (took(attempt.took)) }
                            td { @if !attempt.answer.is_empty() { code { (attempt.answer) } } }
                        }
                    }
                }
            }
        }
    }
}
