//! The latest requests: which ones to show, and one of them whole, with everything masked that nobody may see.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use super::form::Fields;
use super::keys::paging;
use super::pages::request::{Body, Difference, Message, RequestPage, request_page};
use super::pages::requests::{KeyOf, RequestFilter, RequestList, RequestRow, list as list_of};
use super::{Desk, ok};
use crate::app::request_log::{Captured, Exchange};
use crate::app::{App, KeyEntry};
use crate::domain::key::KeyName;
use crate::domain::masking::masked;
use crate::domain::refusal::Refusal;
use crate::policy;

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

/// Whether a filter picks a request. A key goes by the name it has now.
pub(super) fn picks(app: &App, filter: &RequestFilter, exchange: &Exchange) -> bool {
    let is_of = |entry: &Arc<KeyEntry>| {
        entry.key.id.to_string() == filter.key || name_of(app, entry).as_str() == filter.key
    };
    let of_key = filter.key.is_empty() || exchange.key.as_ref().is_some_and(is_of);
    let of_idempotency_key = filter.idempotency_key.is_empty()
        || exchange.idempotency_key.as_ref() == Some(&filter.idempotency_key);
    ended_so(&filter.status, exchange)
        && of_key
        && of_idempotency_key
        && exchange.path.contains(&filter.path)
}

/// Whether a request ended with this status, in this class of them (`4xx`), or as this word says.
fn ended_so(wanted: &str, exchange: &Exchange) -> bool {
    if wanted.is_empty() || wanted.eq_ignore_ascii_case(exchange.outcome().as_str()) {
        return true;
    }
    match exchange.status.map(|status| status.to_string()) {
        Some(status) => match wanted.to_ascii_lowercase().strip_suffix("xx") {
            Some(class) => status.starts_with(class),
            None => status == wanted,
        },
        None => wanted.eq_ignore_ascii_case("gone"),
    }
}

fn name_of(app: &App, entry: &Arc<KeyEntry>) -> KeyName {
    let now = app.key(&entry.key.id);
    now.as_ref().unwrap_or(entry).key.name.clone()
}

/// Path and query.
fn target(exchange: &Exchange) -> Cow<'_, str> {
    match exchange.query.as_str() {
        "" => Cow::Borrowed(&exchange.path),
        query => Cow::Owned(format!("{}?{query}", exchange.path)),
    }
}

/// A request as the list shows it.
pub(super) fn row(app: &App, exchange: &Exchange) -> RequestRow {
    RequestRow {
        number: exchange.number,
        at: exchange.at,
        method: masked(&exchange.method).into_owned(),
        path: masked(&target(exchange)).into_owned(),
        status: exchange.status,
        took: exchange.took,
        outcome: exchange.outcome(),
        refused_by: exchange.refused_by,
        key: exchange.key.as_ref().map(|entry| KeyOf {
            id: entry.key.id,
            name: name_of(app, entry),
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
    // What comes from here on, the page is told: once more rather than not at all.
    let seen = desk.app.requests.last();
    let (all, _) = desk.app.requests.latest(
        |exchange| picks(&desk.app, &filter, exchange),
        0,
        usize::MAX - 1,
    );
    let paging = paging(query.page(), all.len());
    let rows = all
        .iter()
        .skip((paging.page - 1) * policy::PAGE_ROWS)
        .take(policy::PAGE_ROWS)
        .map(|exchange| row(&desk.app, exchange))
        .collect();
    let view = RequestList {
        filter,
        rows,
        paging,
        seen,
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
        row: row(&desk.app, &exchange),
        is_brief: exchange.is_brief,
        sent: message(&exchange.request_headers, &exchange.request_body),
        answered: message(&exchange.response_headers, &exchange.response_body),
        reached: exchange
            .reached
            .map(|reached| (reached.status, reached.took)),
        fault: exchange.fault.map(|fault| fault.to_string()),
        differences: differences(&desk, &exchange)?,
        server: desk.app.base_url().into_owned(),
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
fn differences(desk: &Desk, exchange: &Exchange) -> Result<Option<Vec<Difference>>, Refusal> {
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
