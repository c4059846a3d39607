//! Refusals as answers: the one error shape, and the headers that some have. What each is stands in `table`; what only
//! the operator may know is logged where it happens, under the same request id.

mod table;

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::{HttpResponse, ResponseError};
use schemars::JsonSchema;
use serde::Serialize;

pub(super) use self::table::describe;
use self::table::{KINDS, retry_after};
use crate::domain::refusal::Refusal;
use crate::domain::time::seconds_up;
use crate::policy;

/// The error object of an answer.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
struct Problem<'a> {
    /// What kind of error.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = KINDS))]
    kind: &'static str,
    /// Which error, for programs.
    code: &'static str,
    /// What is wrong and what to do next, for people.
    message: Cow<'static, str>,
    /// As in `X-Request-Id`.
    request_id: &'a str,
    /// The member or header that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decline_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

/// Every error, whatever was asked.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(super) struct ErrorBody<'a> {
    error: Problem<'a>,
}

/// The answer that a refusal becomes.
pub(super) fn respond(refusal: &Refusal, request_id: &str) -> HttpResponse {
    let mut response = HttpResponse::new(refusal.status_code());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    write_headers(refusal, headers);
    response.set_body(actix_web::body::BoxBody::new(body(refusal, request_id)))
}

/// The body of the answer that a refusal becomes.
pub(super) fn body(refusal: &Refusal, request_id: &str) -> Vec<u8> {
    let (_, kind, code, message) = describe(refusal);
    let mut problem = Problem {
        kind,
        code,
        message,
        request_id,
        param: param(refusal),
        decline_code: None,
        limit: None,
        retry_after: None,
    };
    if let Refusal::PaymentFailed { decline_code } = refusal {
        problem.decline_code = Some(decline_code);
    }
    if let Refusal::RateLimited(limited) = refusal {
        problem.limit = Some(limited.allowance.scope.as_str());
        problem.retry_after = Some(retry_after(limited));
    }
    // Strings and numbers always serialise; an empty body would still carry the right status.
    serde_json::to_vec(&ErrorBody { error: problem }).unwrap_or_default()
}

/// The member or header that is at fault.
fn param(refusal: &Refusal) -> Option<&str> {
    if let Refusal::ParameterMissing { param, .. } = refusal {
        Some(param)
    } else if let Refusal::ParameterInvalid { param, .. } = refusal {
        Some(param)
    } else if let Refusal::FieldInvalid { field, .. } = refusal {
        Some(field)
    } else if let Refusal::PaymentMethodInvalid { .. } = refusal {
        Some("payment_method_type")
    } else {
        (*refusal == Refusal::TokenProviderInvalid).then_some("token_provider")
    }
}

/// What a refusal says in headers of its own.
fn write_headers(refusal: &Refusal, headers: &mut HeaderMap) {
    if refusal.is_of_a_credential() {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Refusal::MethodNotAllowed { allow } = refusal {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    if matches!(
        refusal,
        Refusal::IdempotencyKeyInUse | Refusal::ConnectionCloses
    ) {
        headers.insert(RETRY_AFTER, policy::RETRY_SOON.as_secs().into());
    }
    if let Refusal::RateLimited(limited) = refusal {
        headers.insert(RETRY_AFTER, retry_after(limited).into());
    }
    if let Refusal::UpstreamUnavailable { retry_after, .. } = refusal {
        headers.insert(RETRY_AFTER, seconds_up(*retry_after).max(1).into());
    }
}

/// Handlers say `Err(refusal)`; the gate, which knows the request id, writes the answer.
impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(describe(self).0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        respond(self, "")
    }
}
