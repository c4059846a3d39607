//! Deliveries of events to endpoints: as rows of a list, and how one stands.

use maud::{Markup, html};

use super::words::clip;
use super::{links, parts};
use crate::domain::delivery::DeliveryState;
use crate::domain::event::EventType;
use crate::domain::id::{EndpointId, EventId};
use crate::domain::time::Timestamp;
use crate::domain::webhook::WebhookUrl;

/// Characters of a URL or a reason that a row shows.
const SHOWN: usize = 60;

/// A delivery in the list.
pub(in crate::http) struct DeliveryRow {
    /// Which event.
    pub(in crate::http) event: EventId,
    /// What it is.
    pub(in crate::http) kind: EventType,
    /// When it happened.
    pub(in crate::http) created_at: Timestamp,
    /// To which endpoint.
    pub(in crate::http) endpoint: EndpointId,
    /// Where that is; none when it was removed.
    pub(in crate::http) url: Option<WebhookUrl>,
    /// How it stands.
    pub(in crate::http) state: DeliveryState,
    /// How often it was tried.
    pub(in crate::http) attempts: usize,
    /// What came of the last attempt.
    pub(in crate::http) last: Option<Came>,
    /// When it is tried next.
    pub(in crate::http) due: Option<Timestamp>,
}

/// What came of an attempt.
pub(in crate::http) enum Came {
    /// An answer of this status.
    Answer(u16),
    /// None, for this reason.
    Nothing(String),
}

/// The list.
pub(super) fn table(rows: &[DeliveryRow], now: Timestamp) -> Markup {
    html! {
        table.cards #deliveries {
            caption.unseen { "Deliveries, newest first" }
            thead {
                tr {
                    @for name in ["Event", "Endpoint", "State", "Attempts", "Last answer", "Happened"] {
                        th scope="col" { (name) }
                    }
                }
            }
            tbody { @for delivery in rows { (row(delivery, now)) } }
        }
    }
}

fn row(delivery: &DeliveryRow, now: Timestamp) -> Markup {
    html! {
        tr id={ (delivery.event) "-" (delivery.endpoint) } {
            th scope="row" {
                a href=(links::event(delivery.event)) { (delivery.kind.as_str()) }
                code { (delivery.event) }
            }
            td { (place(delivery.url.as_ref(), delivery.endpoint)) }
            td { (state(delivery.state)) }
            td { (delivery.attempts) }
            td { @if let Some(last) = &delivery.last { (came(last)) } @else { "None" } }
            td {
                (parts::age(delivery.created_at, now))
                @if let Some(due) = delivery.due { small { "next: " (parts::time(due)) } }
            }
        }
    }
}

/// Where an endpoint is, or that it is gone.
pub(super) fn place(url: Option<&WebhookUrl>, endpoint: EndpointId) -> Markup {
    html! {
        @match url {
            Some(url) => (clip(url.as_str(), SHOWN)),
            None => { span.quiet { "Removed: " code { (endpoint) } } },
        }
    }
}

/// How a delivery stands.
pub(super) fn state(state: DeliveryState) -> Markup {
    let (class, name) = match state {
        DeliveryState::Waiting => ("waiting", "Waiting"),
        DeliveryState::Retrying => ("retrying", "Trying again"),
        DeliveryState::Delivered => ("delivered", "Delivered"),
        DeliveryState::Failed => ("failed", "Failed"),
    };
    html! { span.state.(class) { (name) } }
}

/// What came of an attempt.
pub(super) fn came(came: &Came) -> Markup {
    html! {
        @match came {
            Came::Answer(status) => {
                @let class = if (200..300).contains(status) { "ok" } else { "error" };
                span.status.(class) { (status) }
            }
            Came::Nothing(why) => span.error { (clip(why, SHOWN)) },
        }
    }
}
