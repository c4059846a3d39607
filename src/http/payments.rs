//! `create-session` and `sessions/{id}` (contract, section 5).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::body;
use super::gate::Visit;
use super::headers::REPLAYED;
use crate::app::{Answer, Call};
use crate::domain::idempotency::Reply;
use crate::domain::key::Mode;
use crate::domain::payment::Session;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

/// `POST /functions/v1/create-session`
pub(super) async fn create_session(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let (app, now) = (Arc::clone(&visit.app), visit.now);
    let (caller, body) = visit.caller()?;
    let idempotency_key = body::idempotency_key(request.headers())?;
    let body = body::json(&request, body)?;
    let call = Call {
        entry: caller.entry,
        permit: caller.permit,
        now,
        method: request.method().to_string(),
        path: request.path().to_owned(),
        query: request.query_string().to_owned(),
        idempotency_key,
    };
    let answer = app
        .create_session(call, &body, |session| reply(201, session))
        .await?;
    Ok(respond(answer))
}

/// `GET /functions/v1/sessions/{id}`
pub(super) async fn session(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let app = Arc::clone(&visit.app);
    let (caller, _) = visit.caller()?;
    let session = app.session(&caller.entry, &id)?;
    Ok(respond(Answer {
        reply: reply(200, &session),
        replayed: false,
    }))
}

fn respond(answer: Answer) -> HttpResponse {
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
    headers.insert(CONTENT_TYPE, content_type);
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// A session as the API shows it. The first members are always there; the rest only when given.
#[derive(Serialize)]
struct SessionObject<'a> {
    id: String,
    object: &'static str,
    client_secret: &'a str,
    status: &'static str,
    amount: u32,
    currency: &'static str,
    capture_method: &'static str,
    payment_method_types: Vec<&'static str>,
    external_id: Option<&'a str>,
    fallback_url: Option<&'a str>,
    created_at: String,
    expires_at: String,
    livemode: bool,
    metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merchant_reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<BTreeMap<&'static str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    billing_address: Option<BTreeMap<&'static str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shipping_address: Option<BTreeMap<&'static str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    browser: Option<BTreeMap<&'static str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement_descriptor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    success_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_urls: Option<BTreeMap<&'static str, &'a str>>,
}

fn reply(status: u16, session: &Session) -> Reply {
    let asked = &session.asked;
    let object = SessionObject {
        id: session.id.to_string(),
        object: "payment_session",
        client_secret: session.client_secret.expose(),
        status: session.status.as_str(),
        amount: asked.money.amount,
        currency: asked.money.currency.code(),
        capture_method: asked.capture_method.as_str(),
        payment_method_types: asked
            .payment_method_types
            .iter()
            .map(|method| method.as_str())
            .collect(),
        external_id: asked.external_id.as_deref(),
        fallback_url: None,
        created_at: session.created_at.rfc3339(),
        expires_at: Timestamp::rfc3339(asked.expires_at),
        livemode: session.mode == Mode::Live,
        metadata: &asked.metadata,
        merchant_reference: asked.merchant_reference.as_deref(),
        customer: asked.customer.as_ref().map(|customer| customer.given()),
        billing_address: asked
            .billing_address
            .as_ref()
            .map(|address| address.given()),
        shipping_address: asked
            .shipping_address
            .as_ref()
            .map(|address| address.given()),
        browser: asked.browser.as_ref().map(|browser| browser.given()),
        statement_descriptor: asked.statement_descriptor.as_deref(),
        description: asked.description.as_deref(),
        success_url: asked.success_url.as_deref(),
        cancel_url: asked.cancel_url.as_deref(),
        callback_urls: asked.callback_urls.as_ref().map(|urls| urls.given()),
    };
    // Strings, numbers and maps of strings always serialise.
    let body = serde_json::to_vec(&object).unwrap_or_default();
    Reply {
        status,
        content_type: Cow::Borrowed("application/json"),
        body,
    }
}
