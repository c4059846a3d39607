//! The one table from refusals to HTTP (contract, section 1). The message speaks to the caller and says what to do next.

use std::borrow::Cow;

use crate::domain::limit::Scope;
use crate::domain::refusal::{Next, RateLimited, Refusal};
use crate::domain::time::seconds_up;

const REQUEST: &str = "invalid_request_error";
const AUTHENTICATION: &str = "authentication_error";
const CARD: &str = "card_error";
const IDEMPOTENCY: &str = "idempotency_error";
const RATE_LIMIT: &str = "rate_limit_error";
const API: &str = "api_error";
/// Every kind of error.
pub(super) const KINDS: [&str; 6] = [REQUEST, AUTHENTICATION, CARD, IDEMPOTENCY, RATE_LIMIT, API];

/// Status, type, code and message of a refusal.
pub(in crate::http) fn describe(
    refusal: &Refusal,
) -> (u16, &'static str, &'static str, Cow<'static, str>) {
    match refusal {
        Refusal::InvalidJson { why } => (
            400,
            REQUEST,
            "invalid_json",
            format!("{why} Send one JSON object in UTF-8.").into(),
        ),
        Refusal::ParameterMissing { param, must } => (
            400,
            REQUEST,
            "parameter_missing",
            format!("{param} is missing: it {must}").into(),
        ),
        Refusal::ParameterInvalid { param, must } => (
            400,
            REQUEST,
            "parameter_invalid",
            format!("{param} {must}").into(),
        ),
        Refusal::IdempotencyKeyInvalid { why } => {
            let message = format!(
                "The Idempotency-Key header can't be used. {why} Send one of 1 to 255 visible ASCII characters, as order_12345."
            );
            (400, REQUEST, "idempotency_key_invalid", message.into())
        }
        Refusal::AuthorizationTwice => {
            let message = "The request has two Authorization headers. Send one, as Authorization: Bearer sk_test_...";
            (400, REQUEST, "authorization_invalid", message.into())
        }
        Refusal::KeyUnknown => {
            let message = "No valid API key. Send it as Authorization: Bearer sk_test_... or sk_live_.... `atlas keys create` makes one; `atlas mock` takes any sk_test_ and letters, digits or _.";
            (401, AUTHENTICATION, "invalid_api_key", message.into())
        }
        Refusal::KeyRevoked => (
            401,
            AUTHENTICATION,
            "api_key_revoked",
            "This API key was revoked. Use another, or make one with `atlas keys create`.".into(),
        ),
        Refusal::KeyExpired => {
            let message = "This API key or secret has expired. Use the one it was rolled to, or make one with `atlas keys create`.";
            (401, AUTHENTICATION, "api_key_expired", message.into())
        }
        Refusal::PaymentFailed { decline_code } => {
            let message = format!(
                "The payment was declined ({decline_code}). Ask the buyer for another way to pay."
            );
            (402, CARD, "payment_failed", message.into())
        }
        Refusal::TestModeOnly => (
            403,
            REQUEST,
            "test_mode_only",
            "Only test mode has this. Use a key that begins with sk_test_.".into(),
        ),
        Refusal::OriginNotAllowed => {
            let message = "Pages of this origin may not call the API: a secret key belongs on a server. Call it from there, or start atlas with --allow-origin.";
            (403, REQUEST, "origin_not_allowed", message.into())
        }
        Refusal::SessionNotFound => {
            let message = "There is no such session for this API key. Check the id, and that it was made with the same account and mode.";
            (404, REQUEST, "session_not_found", message.into())
        }
        Refusal::PaymentNotFound => {
            let message = "There is no such payment for this API key. Check the id, and that its session was made with the same account and mode.";
            (404, REQUEST, "payment_not_found", message.into())
        }
        Refusal::ClientSecretMissing => {
            let message = "This is asked with the session's client secret. Send it as Authorization: Bearer cs_...; create-session answers with it.";
            (401, AUTHENTICATION, "missing_client_secret", message.into())
        }
        Refusal::ClientSecretInvalid => {
            let message = "This client secret is not of this session, or the session's time is over. Make a new session and use its client_secret.";
            (401, AUTHENTICATION, "invalid_client_secret", message.into())
        }
        Refusal::SessionNotUpdatable => {
            let message = "The session can't be changed any more: somebody has paid or tried to, or it has ended. Make a new one.";
            (400, REQUEST, "session_not_updatable", message.into())
        }
        Refusal::SessionNotCancelable => {
            let message = "The session can't be canceled any more: it has ended, or money was taken. To give money back, refund the payment.";
            (400, REQUEST, "session_not_cancelable", message.into())
        }
        Refusal::SessionCompleted => {
            let message = "The session has ended, so it can't be paid. Make a new one.";
            (409, REQUEST, "session_already_completed", message.into())
        }
        Refusal::SessionProcessing => {
            let message = "Somebody is paying this session already. Read it to see how that ends.";
            (409, REQUEST, "session_already_processing", message.into())
        }
        Refusal::SessionStateInvalid => {
            let message =
                "The session's state does not allow this. Read the session to see its status.";
            (400, REQUEST, "invalid_session_state", message.into())
        }
        Refusal::PaymentNotCapturable => {
            let message = "Nothing is held that could be captured: the payment must be authorized. Read its session to see how it stands.";
            (400, REQUEST, "payment_not_capturable", message.into())
        }
        Refusal::PaymentNotRefundable => {
            let message =
                "There is nothing to refund: nothing was captured, or all of it was refunded.";
            (400, REQUEST, "payment_not_refundable", message.into())
        }
        Refusal::PaymentMethodInvalid { takes } => (
            400,
            REQUEST,
            "invalid_payment_method",
            format!("The session can't be paid by this means. It takes: {takes}.").into(),
        ),
        Refusal::AmountChanged => {
            let message = "The amount has changed since this page was loaded, so nothing was paid. Look at it again.";
            (409, REQUEST, "amount_changed", message.into())
        }
        Refusal::TokenProviderInvalid => {
            let message = "token_provider must be one of atlas, basis_theory, vgs.";
            (400, REQUEST, "invalid_token_provider", message.into())
        }
        Refusal::LogInRequired => {
            let message =
                "Nobody is logged in. `atlas dashboard` prints a link that opens the Dashboard.";
            (401, AUTHENTICATION, "login_required", message.into())
        }
        Refusal::LinkSpent => {
            let message = "This link was used before, or its five minutes are over. `atlas dashboard` prints a new one.";
            (401, AUTHENTICATION, "login_link_invalid", message.into())
        }
        Refusal::PasswordWrong => {
            let message = "That is not the password. Try again, or open a link that `atlas dashboard` prints.";
            (401, AUTHENTICATION, "password_wrong", message.into())
        }
        Refusal::HostUnknown => {
            let message = "This name is not known as this server's. Ask for it by its address or as localhost, or start atlas with --public-url.";
            (421, REQUEST, "host_not_allowed", message.into())
        }
        Refusal::OriginForeign => {
            let message = "This form does not come from a page of this Dashboard, so nothing was done. Open the Dashboard and send it from there.";
            (403, REQUEST, "origin_not_allowed", message.into())
        }
        Refusal::FormTokenWrong => {
            let message = "This form is not of this log-in, so nothing was done. Load the page again and send it from there.";
            (403, REQUEST, "csrf_token_invalid", message.into())
        }
        Refusal::NotAForm => {
            let message =
                "This page takes forms. Send Content-Type: application/x-www-form-urlencoded.";
            (415, REQUEST, "unsupported_media_type", message.into())
        }
        Refusal::FieldInvalid { field, must } => (
            400,
            REQUEST,
            "parameter_invalid",
            format!("{field} {must}.").into(),
        ),
        Refusal::KeyNotFound => {
            let message = "There is no such API key. The list of keys shows those there are.";
            (404, REQUEST, "key_not_found", message.into())
        }
        Refusal::RequestNotFound => {
            let message = "This request is not kept any more, or never was: only the latest ones are, and none outlives a restart.";
            (404, REQUEST, "request_not_found", message.into())
        }
        Refusal::EndpointNotFound => {
            let message =
                "There is no such webhook endpoint. The list of endpoints shows those there are.";
            (404, REQUEST, "endpoint_not_found", message.into())
        }
        Refusal::EventNotFound => {
            let message =
                "This event is not kept any more, or never was: events are kept for 30 days.";
            (404, REQUEST, "event_not_found", message.into())
        }
        Refusal::FaultNotFound => {
            let message = "There is no such rule. GET /_mock/faults lists those there are; a reset removes all of them.";
            (404, REQUEST, "fault_not_found", message.into())
        }
        Refusal::SimulatedFault { status } => {
            let kind = if *status < 500 { REQUEST } else { API };
            let message = "This failure was asked for, and nothing was done. Leave out X-Atlas-Mock, or remove the rule: GET /_mock/faults lists them.";
            (*status, kind, "simulated_fault", message.into())
        }
        Refusal::PageForeign => {
            let message = "A page of another origin asks for this, so nothing was done. Ask from a program, as curl or a test, without Origin.";
            (403, REQUEST, "origin_not_allowed", message.into())
        }
        Refusal::TooManyWatchers => {
            let message = "Too many pages of the Dashboard are watching. Close some; this one works, without live updates.";
            (503, API, "too_many_watchers", message.into())
        }
        Refusal::RouteNotFound => (
            404,
            REQUEST,
            "route_not_found",
            "Nothing is served at this path. Check it; /docs lists every path there is.".into(),
        ),
        Refusal::MethodNotAllowed { allow } => (
            405,
            REQUEST,
            "method_not_allowed",
            format!("This path does not take this method. Use one of: {allow}.").into(),
        ),
        Refusal::TooSlow { limit } => {
            let message = format!(
                "The body did not arrive within {} s. Send the request again.",
                seconds_up(*limit)
            );
            (408, REQUEST, "request_timeout", message.into())
        }
        Refusal::IdempotencyKeyInUse => {
            let message = "The first request with this Idempotency-Key still runs. Send this one again in a second to get its answer.";
            (409, IDEMPOTENCY, "idempotency_key_in_use", message.into())
        }
        Refusal::IdempotencyKeyReused => {
            let message = "This Idempotency-Key was used for another request: method, path, query or body differ. Use a new key for a new request.";
            (409, IDEMPOTENCY, "idempotency_key_reused", message.into())
        }
        Refusal::TooLarge { limit } => (
            413,
            REQUEST,
            "request_too_large",
            format!("The body is larger than {limit} bytes. Send a smaller one.").into(),
        ),
        Refusal::UnsupportedMediaType => {
            let message = "The body must be plain JSON. Send Content-Type: application/json and no Content-Encoding.";
            (415, REQUEST, "unsupported_media_type", message.into())
        }
        Refusal::RateLimited(limited) => (
            429,
            RATE_LIMIT,
            "rate_limit_exceeded",
            limited_message(limited).into(),
        ),
        Refusal::Internal => {
            let message = "Something went wrong here. Send the request again; with an Idempotency-Key that is safe. If it stays, tell us the request_id.";
            (500, API, "internal_error", message.into())
        }
        Refusal::StorageUnavailable => {
            let message = "The request could not be kept. Send it again later; with the same Idempotency-Key that is safe.";
            (503, API, "storage_unavailable", message.into())
        }
        Refusal::ClaimNotFound => {
            let message =
                "There is no such open claim. The page on idempotency lists those there are.";
            (404, REQUEST, "claim_not_found", message.into())
        }
        Refusal::AnswerNotKept { status } => (
            409,
            IDEMPOTENCY,
            "answer_not_kept",
            not_kept_message(*status).into(),
        ),
        Refusal::UpstreamUnreachable => {
            let message = "The server that charges can't be reached, so nothing was sent to it. Send the request again later.";
            (502, API, "upstream_unreachable", message.into())
        }
        Refusal::UpstreamOutcomeUnknown { next } => (
            504,
            API,
            "upstream_outcome_unknown",
            format!(
                "The request went to the server that charges, and its answer did not come. {}",
                advice(*next)
            )
            .into(),
        ),
        Refusal::UpstreamUnavailable { is_open: false, .. } => {
            let message = "The server that charges is down or busy, so nothing was sent to it. Send the request again when Retry-After is over.";
            (503, API, "upstream_unavailable", message.into())
        }
        Refusal::UpstreamUnavailable { is_open: true, .. } => {
            let message = "The server that charges is down or busy, so this repetition was not sent. What became of the first request is still not known: send it again with the same Idempotency-Key when Retry-After is over.";
            (503, API, "upstream_unavailable", message.into())
        }
        Refusal::ConnectionCloses => {
            let message = "This connection is being closed, so nothing was done. Send the request again on another one.";
            (503, API, "connection_closing", message.into())
        }
        Refusal::LiveModeUnavailable => {
            let message = "This server has no way to charge in live mode, so nothing was done. Use a key that begins with sk_test_, or start atlas with --live-upstream.";
            (503, API, "live_mode_unavailable", message.into())
        }
    }
}

fn not_kept_message(status: Option<u16>) -> String {
    match status {
        Some(status) if status / 100 == 4 => format!(
            "The request with this Idempotency-Key was refused with status {status}, and the answer was too large or encoded to be kept. Mend the request and send it under a new key."
        ),
        Some(status) => format!(
            "The request with this Idempotency-Key was done and answered with status {status}, and the answer was too large or encoded to be kept. Don't send it again; read what it made instead."
        ),
        None => "The request with this Idempotency-Key was done, as the operator of this server found out; its answer is not known. Don't send it again; read what it made instead.".to_owned(),
    }
}

/// What to do where nobody knows what became of a request.
const fn advice(next: Next) -> &'static str {
    match next {
        Next::Repeat => "It changes nothing, so send it again.",
        Next::RepeatUnderKey => {
            "It may have been done. Send it again with the same Idempotency-Key to find out."
        }
        Next::Settle => {
            "It may have been done, and can't be sent again without perhaps being done twice. The operator of this server has to find out; until then this Idempotency-Key gets this answer."
        }
        Next::Look => {
            "It may have been done. Read what there is before you send it again; with an Idempotency-Key that would be safe."
        }
    }
}

fn limited_message(limited: &RateLimited) -> String {
    let (limit, wait) = (limited.allowance.limit, retry_after(limited));
    let rule = match limited.allowance.scope {
        Scope::Minute => format!("this API key may make {limit} requests a minute"),
        Scope::Day => format!("this API key may make {limit} requests a day (UTC)"),
        Scope::Concurrency => format!("this API key may have {limit} requests running at once"),
        Scope::Address => {
            format!(
                "without an API key, an address or a client secret may make {limit} requests a minute"
            )
        }
    };
    format!("Too many requests: {rule}. Wait {wait} s, then send it again, and slow down.")
}

/// Whole seconds, rounded up, at least one.
pub(super) fn retry_after(limited: &RateLimited) -> u64 {
    seconds_up(limited.retry_after).max(1)
}
