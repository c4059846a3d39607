//! Reads what a known client sends: bounded in size, time and kind.

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use actix_web::{HttpMessage, HttpRequest, web};

use super::headers::{IDEMPOTENCY_KEY, X_IDEMPOTENCY_KEY};
use crate::config::Settings;
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::json::Json;
use crate::domain::refusal::Refusal;

/// The idempotency key, if the client sent one. `X-Idempotency-Key` counts in the absence of the documented header.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Refusal> {
    let name = if headers.contains_key(IDEMPOTENCY_KEY) {
        IDEMPOTENCY_KEY
    } else {
        X_IDEMPOTENCY_KEY
    };
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => IdempotencyKey::parse(value.as_bytes()).map(Some),
        (Some(_), Some(_)) => Err(Refusal::IdempotencyKeyInvalid {
            why: "It stands there twice.",
        }),
    }
}

/// Reads the body as JSON.
pub(super) async fn json(
    request: &HttpRequest,
    payload: web::Payload,
    settings: &Settings,
) -> Result<Json, Refusal> {
    if !is_json(request) {
        return Err(Refusal::UnsupportedMediaType);
    }
    let limit = settings.max_body;
    let declared = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(Refusal::TooLarge { limit });
    }
    let read = tokio::time::timeout(settings.body_timeout, payload.to_bytes_limited(limit)).await;
    match read {
        Err(_) => Err(Refusal::TooSlow {
            limit: settings.body_timeout,
        }),
        Ok(Err(_)) => Err(Refusal::TooLarge { limit }),
        Ok(Ok(Err(_))) => Err(Refusal::InvalidJson {
            why: "The body could not be read to its end.".to_owned(),
        }),
        Ok(Ok(Ok(bytes))) => Json::parse(&bytes).map_err(|why| Refusal::InvalidJson { why }),
    }
}

/// `application/json` or `application/*+json`, with any parameters, and not compressed.
fn is_json(request: &HttpRequest) -> bool {
    let plain = request
        .headers()
        .get(CONTENT_ENCODING)
        .is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let kind = request.mime_type().ok().flatten();
    plain
        && kind.is_some_and(|kind| {
            kind.type_() == "application"
                && (kind.subtype() == "json" || kind.suffix().is_some_and(|end| end == "json"))
        })
}
