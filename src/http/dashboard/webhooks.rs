//! Webhooks: endpoints and what was sent to them, and the forms that change that.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::form::{Fields, sent};
use super::keys::checked;
use super::pages::deliveries::{Came, DeliveryRow};
use super::pages::endpoints::{AddForm, EndpointRow};
use super::pages::event::{AttemptView, DeliveryView, EventPage, event_page};
use super::pages::fields::Field;
use super::pages::links;
use super::pages::webhooks::{WebhookPage, read_cursor, webhook_page};
use super::{Desk, html, ok, see};
use crate::app::webhooks::{EndpointAnswer, EndpointCommand, NewEndpoint};
use crate::domain::delivery::{Attempt, Delivery, Outcome};
use crate::domain::event::{Event, EventType};
use crate::domain::id::{EndpointId, EventId};
use crate::domain::key::Account;
use crate::domain::masking::masked;
use crate::domain::refusal::Refusal;
use crate::domain::webhook::WebhookUrl;

/// `GET /dashboard/webhooks`
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let mut desk = Desk::of(&request)?;
    let query = Fields::of_query(request.query_string());
    desk.frame.notice = match query.text("done") {
        "added" => {
            Some("Added. Its secret is in the list, for your server to check signatures with.")
        }
        "rolled" => Some("Rolled. Every delivery is signed with the new secret from now on."),
        "paused" => {
            Some("Paused. What happens until it is resumed is not told there, then or later.")
        }
        "resumed" => Some("Resumed. What happens from now on is sent to it."),
        "removed" => Some("Removed. Nothing is sent to it any more."),
        _ => None,
    };
    let view = view(&desk, read_cursor(query.text("before")))?;
    Ok(ok(webhook_page(&desk.frame, &view)))
}

fn view(desk: &Desk, before: Option<(EventId, EndpointId)>) -> Result<WebhookPage, Refusal> {
    let page = desk.app.deliveries(before)?;
    let endpoints = desk.app.endpoints();
    Ok(WebhookPage {
        endpoints: endpoints
            .iter()
            .map(|endpoint| EndpointRow {
                id: endpoint.id,
                url: endpoint.url.clone(),
                account: endpoint.account.clone(),
                events: endpoint.told(),
                secret: desk.app.webhook_secret(endpoint).expose().to_owned(),
                is_paused: endpoint.disabled,
            })
            .collect(),
        add: AddForm {
            url: Field::of(""),
            account: Field::of(Account::default().as_str()),
            events: Vec::new(),
        },
        problem: None,
        deliveries: page
            .rows
            .iter()
            .map(|(delivery, event)| row(desk, delivery, event))
            .collect(),
        is_later_page: before.is_some(),
        next: page.next,
        now: desk.now,
    })
}

fn row(desk: &Desk, delivery: &Delivery, event: &Event) -> DeliveryRow {
    let last = delivery.attempts.last();
    DeliveryRow {
        event: event.id,
        kind: event.kind,
        created_at: event.created_at,
        endpoint: delivery.endpoint,
        url: url_of(desk, &delivery.endpoint),
        state: delivery.state(),
        attempts: delivery.attempts.len(),
        last: last.map(|attempt| came(&attempt.outcome)),
        due: delivery.due(),
    }
}

fn url_of(desk: &Desk, id: &EndpointId) -> Option<WebhookUrl> {
    desk.app.endpoint(id).map(|endpoint| endpoint.url.clone())
}

fn came(outcome: &Outcome) -> Came {
    match outcome {
        Outcome::Answered { status, .. } => Came::Answer(*status),
        Outcome::Failed(why) => Came::Nothing(masked(why).into_owned()),
    }
}

/// `POST /dashboard/webhooks/new`
pub(super) async fn add(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let (desk, fields) = sent(&request)?;
    let (form, new) = read(&desk, &fields);
    let problem = match new {
        Some(new) => match change(&desk, EndpointCommand::Add(new)).await {
            Ok(()) => return Ok(done("added")),
            why => why.err(),
        },
        None => None,
    };
    let mut view = view(&desk, None)?;
    (view.add, view.problem) = (form, problem);
    let page = webhook_page(&desk.frame, &view);
    Ok(html(StatusCode::BAD_REQUEST, page))
}

/// The form as it was typed, and the endpoint it asks for when nothing is wrong with it.
fn read(desk: &Desk, fields: &Fields) -> (AddForm, Option<NewEndpoint>) {
    let within_reach = |text: &str| {
        let url: WebhookUrl = text.parse()?;
        let reach = desk.app.settings.webhook_reach;
        reach.check(&url).map(|()| url)
    };
    let account_or_default = |text: &str| match text {
        "" => Ok(Account::default()),
        _ => text.parse(),
    };
    let (url, place) = checked(fields, "url", within_reach);
    let (account, owner) = checked(fields, "account", account_or_default);
    let ticked = |kind: &EventType| !fields.text(kind.as_str()).is_empty();
    let events: Vec<EventType> = EventType::all().filter(ticked).collect();
    let new = place.zip(owner).map(|(url, account)| NewEndpoint {
        account,
        url,
        events: events.clone(),
    });
    let form = AddForm {
        url,
        account,
        events,
    };
    (form, new)
}

/// Does it; why not, when not.
async fn change(desk: &Desk, command: EndpointCommand) -> Result<(), String> {
    match desk.app.manage_webhooks(command).await {
        EndpointAnswer::Failed(why) => Err(why),
        EndpointAnswer::Secret(_) | EndpointAnswer::Endpoint(_) | EndpointAnswer::Endpoints(_) => {
            Ok(())
        }
    }
}

fn done(what: &str) -> HttpResponse {
    see(&links::with_query(links::WEBHOOKS, [("done", what)]))
}

/// `POST /dashboard/webhooks/{id}/roll`
pub(super) async fn roll(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    changed(&request, &id, "rolled", |id| EndpointCommand::Roll { id }).await
}

/// `POST /dashboard/webhooks/{id}/pause`
pub(super) async fn pause(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let paused = true;
    changed(&request, &id, "paused", |id| EndpointCommand::Pause {
        id,
        paused,
    })
    .await
}

/// `POST /dashboard/webhooks/{id}/resume`
pub(super) async fn resume(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let paused = false;
    changed(&request, &id, "resumed", |id| EndpointCommand::Pause {
        id,
        paused,
    })
    .await
}

/// `POST /dashboard/webhooks/{id}/remove`
pub(super) async fn remove(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    changed(&request, &id, "removed", |id| EndpointCommand::Remove {
        id,
    })
    .await
}

async fn changed(
    request: &HttpRequest,
    id: &str,
    what: &str,
    command: impl FnOnce(EndpointId) -> EndpointCommand,
) -> Result<HttpResponse, Refusal> {
    let (desk, _) = sent(request)?;
    let id = EndpointId::parse(id).filter(|id| desk.app.endpoint(id).is_some());
    let id = id.ok_or(Refusal::EndpointNotFound)?;
    match change(&desk, command(id)).await {
        Ok(()) => Ok(done(what)),
        Err(why) => {
            let mut view = view(&desk, None)?;
            view.problem = Some(why);
            let page = webhook_page(&desk.frame, &view);
            Ok(html(StatusCode::BAD_REQUEST, page))
        }
    }
}

/// `GET /dashboard/webhooks/events/{event}`
pub(super) async fn event(
    request: HttpRequest,
    event: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let mut desk = Desk::of(&request)?;
    if Fields::of_query(request.query_string()).text("done") == "sent" {
        desk.frame.notice = Some("It is being sent. Load this page again to see what came of it.");
    }
    let view = event_view(&desk, &event)?;
    Ok(ok(event_page(&desk.frame, &view)))
}

fn event_view(desk: &Desk, id: &str) -> Result<EventPage, Refusal> {
    let id = EventId::parse(id).ok_or(Refusal::EventNotFound)?;
    let (event, deliveries) = desk.app.event(&id)?.ok_or(Refusal::EventNotFound)?;
    Ok(EventPage {
        id: event.id,
        kind: event.kind,
        account: event.account,
        mode: event.mode,
        created_at: event.created_at,
        body: masked(&String::from_utf8_lossy(&event.body)).into_owned(),
        deliveries: deliveries
            .iter()
            .map(|delivery| DeliveryView {
                endpoint: delivery.endpoint,
                url: url_of(desk, &delivery.endpoint),
                state: delivery.state(),
                due: delivery.due(),
                attempts: delivery.attempts.iter().map(attempt_view).collect(),
            })
            .collect(),
        problem: None,
        now: desk.now,
    })
}

fn attempt_view(attempt: &Attempt) -> AttemptView {
    let answer = match &attempt.outcome {
        Outcome::Answered { beginning, .. } => String::from_utf8_lossy(beginning),
        Outcome::Failed(_) => "".into(),
    };
    AttemptView {
        at: attempt.at,
        took: attempt.took,
        by_hand: attempt.by_hand,
        came: came(&attempt.outcome),
        answer: masked(&answer).into_owned(),
    }
}

/// `POST /dashboard/webhooks/events/{event}/{endpoint}/send`
pub(super) async fn send_again(
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Refusal> {
    let (desk, _) = sent(&request)?;
    let (event, endpoint) = path.into_inner();
    let mut view = event_view(&desk, &event)?;
    let endpoint = EndpointId::parse(&endpoint).ok_or(Refusal::EndpointNotFound)?;
    match desk.app.resend(&view.id, &endpoint).await {
        Ok(()) => {
            let page = links::event(view.id);
            Ok(see(&links::with_query(&page, [("done", "sent")])))
        }
        Err(why) => {
            view.problem = Some(format!("{why}, so nothing was sent."));
            let page = event_page(&desk.frame, &view);
            Ok(html(StatusCode::BAD_REQUEST, page))
        }
    }
}
