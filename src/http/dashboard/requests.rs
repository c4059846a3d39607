//! The latest requests: which ones to show, and one of them whole, with everything masked that nobody may see.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use super::form::Fields;
use super::keys::paging;
use super::pages::request::{Body, Difference, Message, RequestPage, request_page};
use super::pages::requests::{
    KeyOf, Outcome, RequestFilter, RequestList, RequestRow, list as list_of,
};
use super::{Desk, ok};
use crate::app::request_log::{Captured, Exchange};
use crate::domain::masking::masked;
use crate::domain::outcome;
use crate::domain::refusal::Refusal;
use crate::policy;

/// The status that nginx logs for a client that went away before the answer.
const CLIENT_GONE: u16 = 499;

/// The filter of a query.
pub(super) fn filter(query: &Fields) -> RequestFilter {
    let text = |name| query.text(name).to_owned();
    RequestFilter {
        key: text("key"),
        status: text("status"),
        path: text("path"),
        idempotency_key: text("idempotency_key"),
    }
}

/// Whether a filter picks a request.
pub(super) fn picks(filter: &RequestFilter, exchange: &Exchange) -> bool {
    let status = exchange.status.unwrap_or(CLIENT_GONE).to_string();
    let of_status = match filter.status.strip_suffix("xx") {
        Some(class) => status.starts_with(class),
        None => filter.status.is_empty() || filter.status == status,
    };
    let of_key = filter.key.is_empty()
        || exchange.key.as_ref().is_some_and(|entry| {
            let key = &entry.key;
            key.id.to_string() == filter.key || key.name.as_str() == filter.key
        });
    let of_idempotency_key = filter.idempotency_key.is_empty()
        || exchange.idempotency_key.as_ref() == Some(&filter.idempotency_key);
    of_status && of_key && of_idempotency_key && exchange.path.contains(&filter.path)
}

/// Path and query.
fn target(exchange: &Exchange) -> Cow<'_, str> {
    match exchange.query.as_str() {
        "" => Cow::Borrowed(&exchange.path),
        query => Cow::Owned(format!("{}?{query}", exchange.path)),
    }
}

/// A request as the list shows it.
pub(super) fn row(exchange: &Exchange) -> RequestRow {
    let outcome = match (exchange.refused_by, exchange.outcome()) {
        (Some(scope), _) => Outcome::Refused(scope),
        (None, outcome::Outcome::Ok) => Outcome::Ok,
        (None, outcome::Outcome::Replayed) => Outcome::Replayed,
        (None, outcome::Outcome::Refused | outcome::Outcome::Error) => Outcome::Error,
    };
    RequestRow {
        number: exchange.number,
        at: exchange.at,
        method: masked(&exchange.method).into_owned(),
        path: masked(&target(exchange)).into_owned(),
        status: exchange.status.unwrap_or(CLIENT_GONE),
        took: exchange.took,
        outcome,
        key: exchange.key.as_ref().map(|entry| KeyOf {
            id: entry.key.id,
            name: entry.key.name.clone(),
            mode: entry.key.mode,
        }),
        idempotency_key: exchange
            .idempotency_key
            .as_ref()
            .map(|key| masked(key).into_owned()),
        request_id: masked(&exchange.request_id).into_owned(),
    }
}

/// `GET /dashboard/requests`
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let desk = Desk::of(&request)?;
    let query = Fields::of_query(request.query_string());
    let filter = filter(&query);
    let (all, _) = desk
        .app
        .requests
        .latest(|exchange| picks(&filter, exchange), 0, usize::MAX - 1);
    let paging = paging(query.page(), all.len());
    let rows = all
        .iter()
        .skip((paging.page - 1) * policy::PAGE_ROWS)
        .take(policy::PAGE_ROWS)
        .map(|exchange| row(exchange))
        .collect();
    let view = RequestList {
        filter,
        rows,
        paging,
        kept: policy::REQUEST_LOG,
    };
    Ok(ok(list_of(&desk.frame, &view)))
}

/// `GET /dashboard/requests/{number}`
pub(super) async fn one(
    request: HttpRequest,
    number: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let desk = Desk::of(&request)?;
    let number = number.parse().map_err(|_| Refusal::RequestNotFound)?;
    let exchange = desk
        .app
        .requests
        .find(number)
        .ok_or(Refusal::RequestNotFound)?;
    let view = RequestPage {
        row: row(&exchange),
        sent: message(&exchange.request_headers, &exchange.request_body),
        answered: message(&exchange.response_headers, &exchange.response_body),
        fault: exchange.fault.map(|fault| fault.to_string()),
        differences: differences(&desk, &exchange)?,
        server: desk.app.base_url(),
    };
    Ok(ok(request_page(&desk.frame, &view)))
}

pub(in crate::http) fn message(headers: &str, body: &Captured) -> Message {
    let headers = headers.lines().filter_map(|line| line.split_once(": "));
    let shown = body.shown().into_owned();
    let body = match (body.length, shown.is_empty()) {
        (0, _) => Body::Empty,
        (_, true) => Body::Unknown,
        _ if body.is_cut => Body::Cut {
            beginning: shown,
            bytes: body.length,
        },
        _ => Body::Whole(shown),
    };
    Message {
        headers: headers
            .map(|(name, value)| (name.to_owned(), masked(value).into_owned()))
            .collect(),
        body,
    }
}

/// For a key that was used for another request: where this one differs from the first.
fn differences(desk: &Desk, exchange: &Arc<Exchange>) -> Result<Option<Vec<Difference>>, Refusal> {
    const REUSED: &[u8] = b"\"idempotency_key_reused\"";
    let answer = &exchange.response_body.bytes;
    let is_reused =
        exchange.status == Some(409) && answer.windows(REUSED.len()).any(|part| part == REUSED);
    if !is_reused {
        return Ok(None);
    }
    let found = desk.app.differences(exchange)?;
    Ok(found.map(|found| {
        found
            .into_iter()
            .map(|one| Difference {
                member: one.member,
                first: one.first,
                this: one.second,
            })
            .collect()
    }))
}
