//! `create-session`, `sessions/{id}` and what a page of the shop asks for.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use super::{JSON, body_or_nothing, call_of, fresh, respond};
use crate::app::App;
use crate::domain::idempotency::Reply;
use crate::domain::refusal::Refusal;
use crate::http::body;
use crate::http::gate::Visit;

/// `POST /functions/v1/create-session`
pub(super) async fn create(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let call = call_of(&request, &visit, visit.merchant()?)?;
    let app = Arc::clone(&visit.app);
    let body = body::json(&request, visit.body)?;
    Ok(respond(app.create_session(call, &body).await?))
}

/// `GET /functions/v1/sessions/{id}`
pub(super) async fn read(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let asker = visit.anyone()?;
    let body = visit.app.session_shown(&asker.who, &id, visit.now)?;
    Ok(HttpResponse::Ok().content_type(JSON).body(body))
}

/// `PATCH /functions/v1/sessions/{id}`
pub(super) async fn update(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let call = call_of(&request, &visit, visit.anyone()?)?;
    let app = Arc::clone(&visit.app);
    let body = body::json(&request, visit.body)?;
    Ok(respond(app.update_session(call, &body, &id).await?))
}

/// `POST /functions/v1/sessions/{id}/cancel`
pub(super) async fn cancel(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let call = call_of(&request, &visit, visit.anyone()?)?;
    let body = body_or_nothing(&request, &visit)?;
    Ok(respond(visit.app.cancel_session(call, &body, &id).await?))
}

/// `GET /functions/v1/get-session-config/{id}`
pub(super) async fn config(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let asker = visit.buyer()?;
    let session = visit.app.session(&asker.who, &id, visit.now)?;
    App::check_open(&session)?;
    Ok(fresh(Reply::json(200, &visit.app.session_config(&session))))
}
