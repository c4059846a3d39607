//! `confirm-payment`, `capture-payment` and `refund-payment`.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use super::{body_or_nothing, call_of, respond};
use crate::domain::fields::Fields;
use crate::domain::json::Json;
use crate::domain::refusal::Refusal;
use crate::http::body;
use crate::http::gate::Visit;
use crate::policy;

/// `POST /functions/v1/confirm-payment/{session_id}`
pub(super) async fn confirm(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    confirm_session(&request, Some(id.into_inner())).await
}

/// `POST /functions/v1/confirm-payment`: the session stands in the body.
pub(super) async fn confirm_named(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    confirm_session(&request, None).await
}

async fn confirm_session(
    request: &HttpRequest,
    id: Option<String>,
) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(request)?;
    let call = call_of(request, &visit, visit.buyer()?)?;
    let app = Arc::clone(&visit.app);
    let body = body::json(request, visit.body)?;
    let id = named_session(&body, id)?;
    Ok(respond(app.confirm(call, &body, &id).await?))
}

/// The session that is to be paid: by the path, or by the body; where both say it, they agree.
fn named_session(body: &Json, by_path: Option<String>) -> Result<String, Refusal> {
    const MUST: &str = "must be the id of the session, as it stands in the path.";
    let by_body = Fields::of_body(body)?.text("session_id", policy::REFERENCE_MAX)?;
    match (by_path, by_body) {
        (Some(path), Some(body)) if path != body => Err(Refusal::invalid("session_id", MUST)),
        (Some(id), _) | (None, Some(id)) => Ok(id),
        (None, None) => Err(Refusal::ParameterMissing {
            param: "session_id",
            must: MUST,
        }),
    }
}

/// `POST /functions/v1/capture-payment/{payment_id}`
pub(super) async fn capture(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let call = call_of(&request, &visit, visit.merchant()?)?;
    let body = body_or_nothing(&request, &visit)?;
    Ok(respond(visit.app.capture(call, &body, &id).await?))
}

/// `POST /functions/v1/refund-payment/{payment_id}`
pub(super) async fn refund(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let call = call_of(&request, &visit, visit.merchant()?)?;
    let body = body_or_nothing(&request, &visit)?;
    Ok(respond(visit.app.refund(call, &body, &id).await?))
}
