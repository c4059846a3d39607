//! The API: sessions, their payments, and what helps to test a shop (contract, section 5). Each handler reads who asks and
//! what for, and hands it to a verb of the app.

mod sessions;
pub(super) mod testing;
mod transactions;

use std::borrow::Cow;

use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, Route, web};

use super::gate::{Asker, Visit};
use super::headers::REPLAYED;
use super::{body, by, path, readable, reading, refusal};
use crate::app::{Answer, Call};
use crate::domain::idempotency::Reply;
use crate::domain::json::Json;
use crate::domain::refusal::Refusal;

/// What our own answers are.
const JSON: &str = "application/json";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let sent = |name, route: fn() -> Route| {
        path(name, "POST, OPTIONS").route(by(&[Method::POST], route()))
    };
    config
        .service(sent("/functions/v1/create-session", || {
            web::to(sessions::create)
        }))
        .service(
            path("/functions/v1/sessions/{id}", "GET, HEAD, PATCH, OPTIONS")
                .route(reading(web::to(sessions::read)))
                .route(by(&[Method::PATCH], web::to(sessions::update))),
        )
        .service(sent("/functions/v1/sessions/{id}/cancel", || {
            web::to(sessions::cancel)
        }))
        .service(readable("/functions/v1/get-session-config/{id}", || {
            web::to(sessions::config)
        }))
        .service(sent("/functions/v1/confirm-payment", || {
            web::to(transactions::confirm_named)
        }))
        .service(sent("/functions/v1/confirm-payment/{id}", || {
            web::to(transactions::confirm)
        }))
        .service(sent("/functions/v1/capture-payment/{id}", || {
            web::to(transactions::capture)
        }))
        .service(sent("/functions/v1/refund-payment/{id}", || {
            web::to(transactions::refund)
        }))
        .service(sent("/functions/v1/test-webhooks", || {
            web::to(testing::webhooks)
        }))
        .service(readable("/functions/v1/test-cards", || {
            web::to(testing::cards)
        }));
}

/// What a request asks for, once it is known who asks.
pub(super) fn call_of(request: &HttpRequest, visit: &Visit, asker: Asker) -> Result<Call, Refusal> {
    Ok(Call {
        who: asker.who,
        permit: asker.permit,
        request_id: visit.request_id(),
        refused: kept_refusal,
        now: visit.now,
        method: request.method().as_str().to_owned(),
        path: request.path().to_owned(),
        query: request.query_string().to_owned(),
        idempotency_key: visit.idempotency_key.clone()?,
    })
}

/// The body of a request that may have none.
fn body_or_nothing(request: &HttpRequest, visit: &Visit) -> Result<Json, Refusal> {
    let sent = visit.body.as_ref().map_err(Clone::clone)?;
    if sent.is_empty() {
        return Ok(Json::Object(std::collections::BTreeMap::new()));
    }
    body::json(request, visit.body.clone())
}

/// A refusal as an answer that is kept: a decline.
pub(in crate::http) fn kept_refusal(refused: &Refusal, request_id: &str) -> Reply {
    Reply {
        status: refusal::describe(refused).0,
        content_type: Cow::Borrowed(JSON),
        headers: Vec::new(),
        body: refusal::body(refused, request_id),
    }
}

pub(in crate::http) fn respond(answer: Answer) -> HttpResponse {
    let Answer { reply, replayed } = answer;
    let mut response = HttpResponse::with_body(
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        actix_web::body::BoxBody::new(reply.body),
    );
    let headers = response.headers_mut();
    let content_type = match reply.content_type {
        Cow::Borrowed(text) => HeaderValue::from_static(text),
        Cow::Owned(text) => HeaderValue::try_from(text)
            .unwrap_or(HeaderValue::from_static("application/octet-stream")),
    };
    // An upstream may answer without one.
    if !content_type.is_empty() {
        headers.insert(CONTENT_TYPE, content_type);
    }
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

fn fresh(reply: Reply) -> HttpResponse {
    respond(Answer {
        reply,
        replayed: false,
    })
}
