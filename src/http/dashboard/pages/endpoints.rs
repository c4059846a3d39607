//! Webhook endpoints: the list with what can be done to each, and the form that adds one.

use maud::{Markup, html};

use super::fields::{Field, Input};
use super::layout::{Frame, csrf};
use super::links;
use super::parts;
use crate::domain::event::EventType;
use crate::domain::id::EndpointId;
use crate::domain::key::Account;
use crate::domain::webhook::WebhookUrl;

/// An endpoint in the list.
pub(in crate::http) struct EndpointRow {
    /// Its id.
    pub(in crate::http) id: EndpointId,
    /// Where it is.
    pub(in crate::http) url: WebhookUrl,
    /// Whose events it is told; none for everybody's, as those given at the start are.
    pub(in crate::http) account: Option<Account>,
    /// Which events.
    pub(in crate::http) events: Vec<EventType>,
    /// What its deliveries are signed with.
    pub(in crate::http) secret: String,
    /// Whether nothing is sent.
    pub(in crate::http) is_paused: bool,
}

/// An endpoint to be added, as it was typed so far.
pub(in crate::http) struct AddForm {
    /// Where it is to be.
    pub(in crate::http) url: Field,
    /// Whose events it is to be told.
    pub(in crate::http) account: Field,
    /// The events that were ticked.
    pub(in crate::http) events: Vec<EventType>,
}

/// Every endpoint.
pub(super) fn endpoints(frame: &Frame, rows: &[EndpointRow]) -> Markup {
    html! {
        @if rows.is_empty() {
            p.empty { "No endpoint yet. Add the address of a server that is to be told, or start atlas with --webhook." }
        } @else {
            table.cards #endpoints {
                caption.unseen { "Webhook endpoints" }
                thead {
                    tr {
                        @for name in ["Endpoint", "Account", "Events", "Secret", "Change"] {
                            th scope="col" { (name) }
                        }
                    }
                }
                tbody { @for endpoint in rows { (row(frame, endpoint)) } }
            }
        }
    }
}

fn row(frame: &Frame, endpoint: &EndpointRow) -> Markup {
    let secret = format!("secret-{}", endpoint.id);
    html! {
        tr id=(endpoint.id) {
            th scope="row" {
                strong { (endpoint.url.as_str()) } code { (endpoint.id) }
                @if endpoint.is_paused { span.state.paused { "Paused" } }
            }
            td {
                @match &endpoint.account { Some(account) => (account.as_str()), None => "Every account" }
            }
            td { (events(&endpoint.events)) }
            td {
                details {
                    summary { "Show" (of(endpoint)) }
                    code id=(secret) { (endpoint.secret) } " " (parts::copy_button(&secret, "secret"))
                }
            }
            td {
                @if endpoint.account.is_some() { (changes(frame, endpoint)) }
                @else { span.quiet { "Given at the start" } }
            }
        }
    }
}

/// Which endpoint a button is about, for those who can't see where it stands.
fn of(endpoint: &EndpointRow) -> Markup {
    html! { span.unseen { " of " (endpoint.url.as_str()) } }
}

fn events(events: &[EventType]) -> Markup {
    html! {
        @if events.len() == EventType::WORDS.len() { "All" }
        @else {
            @for (at, kind) in events.iter().enumerate() {
                @let more = at + 1 < events.len();
                // A name is in one line, where there is room for it.
                span { (kind.as_str()) @if more { "," } } @if more { " " }
            }
        }
    }
}

fn changes(frame: &Frame, endpoint: &EndpointRow) -> Markup {
    let button = |verb: &str, name: &str| {
        html! {
            form method="post" action=(links::endpoint_verb(endpoint.id, verb)) {
                (csrf(frame))
                button.small.danger[verb == "remove"] { (name) (of(endpoint)) }
            }
        }
    };
    html! {
        @if endpoint.is_paused { (button("resume", "Resume")) } @else { (button("pause", "Pause")) }
        details {
            summary { "Roll secret" (of(endpoint)) }
            p.hint { "The new secret signs from now on, and the old one no more." }
            (button("roll", "Roll now"))
        }
        details {
            summary { "Remove" (of(endpoint)) }
            p.hint { "What has not arrived there is given up." }
            (button("remove", "Remove now"))
        }
    }
}

/// The form that adds an endpoint.
pub(super) fn add_form(frame: &Frame, form: &AddForm) -> Markup {
    let url = Input::of("add", "url", "URL", &form.url);
    let account = Input::of("add", "account", "Account", &form.account);
    let defaults: Vec<&str> = EventType::DEFAULTS
        .iter()
        .map(|kind| kind.as_str())
        .collect();
    let hint = format!("With none ticked: {}.", defaults.join(", "));
    html! {
        form.panel #add method="post" action=(links::NEW_WEBHOOK) {
            h2 { "Add an endpoint" }
            (csrf(frame))
            (url.required().hint("Each event is sent there by POST, signed, and counts as arrived by any 2xx.")
                .placeholder("http://localhost:3000/webhooks"))
            (account.hint("The merchant whose events it is told, as the list of keys shows it.").placeholder("default"))
            fieldset.ticks {
                legend { "Events" }
                p.hint { (hint) }
                @for kind in EventType::all() {
                    label {
                        input type="checkbox" name=(kind.as_str()) value="on" checked[form.events.contains(&kind)];
                        " " (kind.as_str())
                    }
                }
            }
            div.buttons { button.main { "Add endpoint" } }
        }
    }
}
