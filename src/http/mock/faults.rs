//! `/_mock/faults`: rules by which requests fail.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde::Serialize;

use super::{List, answer, sent};
use crate::domain::fault::{NewRule, Rule};
use crate::domain::id::FaultId;
use crate::domain::refusal::Refusal;
use crate::http::gate::Visit;

/// A rule as it is told.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Fault")]
pub(in crate::http) struct FaultObject {
    id: String,
    object: &'static str,
    fault: String,
    method: Option<String>,
    path: Option<String>,
    key: Option<String>,
    times: Option<u32>,
    share: f64,
    seed: u64,
    matched: u64,
    applied: u64,
}

impl From<Rule> for FaultObject {
    fn from(rule: Rule) -> Self {
        let asked = rule.asked;
        Self {
            id: rule.id.to_string(),
            object: "fault",
            fault: asked.fault.to_string(),
            method: asked.method,
            path: asked.path.map(|path| path.as_str().to_owned()),
            key: rule.key.map(|key| key.to_string()),
            times: asked.times,
            share: asked.share.value(),
            seed: asked.seed,
            matched: rule.matched,
            applied: rule.applied,
        }
    }
}

/// `POST /_mock/faults`
pub(super) async fn add(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let asked = NewRule::parse(&sent(&request, &visit)?)?;
    let rule = visit.app.add_fault(asked, visit.now).await?;
    Ok(answer(StatusCode::CREATED, &FaultObject::from(rule)))
}

/// `GET /_mock/faults`
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let rules = Visit::of(&request)?.app.mock.faults.all();
    let rules: Vec<_> = rules.into_iter().map(FaultObject::from).collect();
    Ok(answer(StatusCode::OK, &List::from(rules)))
}

/// `DELETE /_mock/faults`
pub(super) async fn remove_all(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let deleted = Visit::of(&request)?.app.mock.faults.clear();
    let deleted = serde_json::json!({ "deleted": deleted });
    Ok(answer(StatusCode::OK, &deleted))
}

/// `DELETE /_mock/faults/{id}`
pub(super) async fn remove(
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let id = FaultId::parse(&id).ok_or(Refusal::FaultNotFound)?;
    let rule = Visit::of(&request)?.app.mock.faults.remove(&id)?;
    Ok(answer(StatusCode::OK, &FaultObject::from(rule)))
}
