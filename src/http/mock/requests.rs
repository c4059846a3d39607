//! `/_mock/requests`: what the mock was sent and what it answered, with everything masked as in the Dashboard.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{List, answer};
use crate::app::App;
use crate::app::request_log::{Captured, Exchange};
use crate::domain::fault::PathPattern;
use crate::domain::id::KeyId;
use crate::domain::masking::masked;
use crate::domain::refusal::Refusal;
use crate::http::dashboard::form::Fields;
use crate::http::dashboard::pages::request::Body;
use crate::http::dashboard::requests::message;
use crate::http::gate::Visit;
use crate::policy;

/// What can be asked for.
const KNOWN: [&str; 6] = [
    "method",
    "path",
    "status",
    "key",
    "idempotency_key",
    "limit",
];

/// A request as it is told.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Request")]
pub(in crate::http) struct RequestObject {
    number: u64,
    request_id: String,
    at: String,
    method: String,
    path: String,
    query: String,
    status: Option<u16>,
    ms: f64,
    key: Option<String>,
    idempotency_key: Option<String>,
    replayed: bool,
    refused_by: Option<&'static str>,
    fault: Option<String>,
    request: MessageObject,
    response: MessageObject,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Message")]
struct MessageObject {
    headers: BTreeMap<String, String>,
    #[schemars(with = "serde_json::Value")]
    body: Content,
}

/// A body: JSON as it was sent, or text. Null where there was none, or none that is text.
#[derive(Serialize)]
#[serde(untagged)]
enum Content {
    Json(Box<RawValue>),
    Text(String),
    Nothing,
}

/// `GET /_mock/requests`
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let app = Visit::of(&request)?.app;
    let query = Fields::of_query(request.query_string());
    if let Some(name) = query.stray(&KNOWN) {
        let must = format!("means nothing here. Known are {}.", KNOWN.join(", "));
        return Err(Refusal::invalid(name.to_owned(), must));
    }
    let (wanted, limit) = (Wanted::read(&query, &app)?, limit(&query)?);
    let (found, _) = app.requests.latest(|one| wanted.picks(one), 0, limit);
    let told: Vec<_> = found.iter().rev().map(|one| object(one)).collect();
    Ok(answer(StatusCode::OK, &List::from(told)))
}

fn limit(query: &Fields) -> Result<usize, Refusal> {
    let most = policy::REQUESTS_TOLD_MAX;
    match query.text("limit") {
        "" => Ok(policy::REQUESTS_TOLD),
        text => text
            .parse()
            .ok()
            .filter(|limit| (1..=most).contains(limit))
            .ok_or_else(|| {
                Refusal::invalid("limit", format!("must be a whole number from 1 to {most}."))
            }),
    }
}

/// Which requests are asked for.
struct Wanted {
    method: Option<String>,
    path: Option<PathPattern>,
    status: Option<Status>,
    key: Option<Whose>,
    idempotency_key: Option<String>,
}

enum Status {
    /// Nothing was answered.
    Nothing,
    /// 4 for all from 400 to 499.
    Class(u16),
    One(u16),
}

enum Whose {
    Of(KeyId),
    /// A key that has never been used.
    OfNobody,
}

impl Wanted {
    fn read(query: &Fields, app: &App) -> Result<Self, Refusal> {
        let given = |name| Some(query.text(name)).filter(|text| !text.is_empty());
        let path = given("path").map(PathPattern::parse).transpose();
        let key = given("key").map(|text| app.find_key(text)).transpose()?;
        Ok(Self {
            method: given("method").map(str::to_ascii_uppercase),
            path: path.map_err(|must| Refusal::invalid("path", must))?,
            status: given("status").map(status).transpose()?,
            key: key.map(|found| found.map_or(Whose::OfNobody, |entry| Whose::Of(entry.key.id))),
            idempotency_key: given("idempotency_key").map(str::to_owned),
        })
    }

    fn picks(&self, exchange: &Exchange) -> bool {
        let is_of = |whose: &Whose| match whose {
            Whose::Of(id) => exchange
                .key
                .as_ref()
                .is_some_and(|entry| entry.key.id == *id),
            Whose::OfNobody => false,
        };
        let idempotency_key = self.idempotency_key.as_ref();
        self.method
            .as_ref()
            .is_none_or(|method| *method == exchange.method)
            && self
                .path
                .as_ref()
                .is_none_or(|path| path.fits(&exchange.path))
            && self
                .status
                .as_ref()
                .is_none_or(|status| status.is(exchange.status))
            && self.key.as_ref().is_none_or(is_of)
            && idempotency_key.is_none_or(|key| exchange.idempotency_key.as_ref() == Some(key))
    }
}

fn status(text: &str) -> Result<Status, Refusal> {
    let number = |text: &str| text.parse::<u16>().ok();
    let read = match text.strip_suffix("xx") {
        Some(class) => number(class)
            .filter(|class| (1..=5).contains(class))
            .map(Status::Class),
        None if text == "null" => Some(Status::Nothing),
        None => number(text)
            .filter(|status| (100..=599).contains(status))
            .map(Status::One),
    };
    read.ok_or_else(|| {
        Refusal::invalid("status", "must be a status, as 503, a class, as 5xx, or null for requests that were not answered.")
    })
}

impl Status {
    fn is(&self, status: Option<u16>) -> bool {
        match (self, status) {
            (Self::Nothing, None) => true,
            (Self::Class(class), Some(status)) => status / 100 == *class,
            (Self::One(one), Some(status)) => *one == status,
            (Self::Nothing, Some(_)) | (Self::Class(_) | Self::One(_), None) => false,
        }
    }
}

fn object(exchange: &Exchange) -> RequestObject {
    let shown = |text: &str| masked(text).into_owned();
    RequestObject {
        number: exchange.number,
        request_id: shown(&exchange.request_id),
        at: exchange.at.rfc3339(),
        method: exchange.method.clone(),
        path: shown(&exchange.path),
        query: shown(&exchange.query),
        status: exchange.status,
        ms: exchange.took.as_micros() as f64 / 1_000.0,
        key: exchange.key.as_ref().map(|entry| entry.key.id.to_string()),
        idempotency_key: exchange.idempotency_key.as_deref().map(shown),
        replayed: exchange.replayed,
        refused_by: exchange.refused_by.map(|scope| scope.as_str()),
        fault: exchange.fault.map(|fault| fault.to_string()),
        request: told(&exchange.request_headers, &exchange.request_body),
        response: told(&exchange.response_headers, &exchange.response_body),
    }
}

fn told(headers: &str, body: &Captured) -> MessageObject {
    let message = message(headers, body);
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in message.headers {
        let line = headers.entry(name).or_default();
        // More than one line is one list (RFC 9110, 5.3).
        let comma = if line.is_empty() { "" } else { ", " };
        line.push_str(comma);
        line.push_str(&value);
    }
    let body = match message.body {
        Body::Whole(text) => match RawValue::from_string(text.clone()) {
            Ok(json) => Content::Json(json),
            Err(_) => Content::Text(text),
        },
        Body::Cut { beginning, .. } => Content::Text(beginning),
        Body::Empty | Body::Unknown => Content::Nothing,
    };
    MessageObject { headers, body }
}
