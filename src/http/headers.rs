//! Headers that every answer carries: the request id, the limits, and for allowed origins CORS.

use std::cell::RefCell;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use actix_web::web::Bytes;

use crate::config::Origin;
use crate::domain::limit::{Allowance, Limits};
use crate::domain::time::{Timestamp, seconds_up};
use crate::limiter::Standing;
use crate::policy;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const SCOPE: HeaderName = HeaderName::from_static("x-ratelimit-scope");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(super) const X_IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("x-idempotency-key");
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Every header of the contract that a browser would hide from a page.
const EXPOSED: &str = "X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-RateLimit-Scope, \
                       RateLimit-Policy, RateLimit, Retry-After, Idempotency-Key, Idempotent-Replayed, WWW-Authenticate, Allow";
const ALLOWED_HEADERS: &str = "Authorization, Content-Type, Idempotency-Key, X-Idempotency-Key, X-Request-Id, X-Client-Info, Apikey, \
                               X-Atlas-Publishable-Key, X-Atlas-Mock";
/// Every method that some path takes.
pub(super) const ALLOWED_METHODS: &str = "GET, HEAD, POST, PATCH, OPTIONS";
/// Every method that an upstream may take.
pub(super) const UPSTREAM_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Bytes that the values of the limit headers take, but that of the policy.
const USUAL_VALUES: usize = 96;

/// The numbers an answer tells.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    /// Of a key; `refused` is the limit that turned the request away, if one did.
    Key {
        standing: Standing,
        refused: Option<Allowance>,
    },
    /// Of an address.
    Address(Allowance),
}

/// Writes the limit headers. The policy that was told last is kept, since most keys have the same limits.
#[derive(Debug)]
pub(super) struct LimitHeaders {
    latest: RefCell<(Limits, HeaderValue)>,
}

impl LimitHeaders {
    pub(super) fn new(defaults: Limits) -> Self {
        Self {
            latest: RefCell::new((defaults, key_policy(defaults))),
        }
    }

    fn policy_of(&self, limits: Limits) -> HeaderValue {
        let mut latest = self.latest.borrow_mut();
        if latest.0 != limits {
            *latest = (limits, key_policy(limits));
        }
        latest.1.clone()
    }

    /// Puts them on an answer, which has none of them yet.
    pub(super) fn write(&self, told: &Told, now: Timestamp, headers: &mut HeaderMap) {
        let both;
        let (spoken, policy, allowances) = match told {
            Told::Key { standing, refused } => {
                let limits = Limits {
                    per_minute: standing.minute.limit,
                    per_day: standing.day.limit,
                    concurrent: standing.concurrent,
                };
                let spoken = refused.unwrap_or_else(|| standing.nearest());
                both = [standing.minute, standing.day];
                (spoken, self.policy_of(limits), &both[..])
            }
            Told::Address(allowance) => {
                let policy = address_policy(allowance);
                (*allowance, policy, std::slice::from_ref(allowance))
            }
        };
        // A request that took long may outlive its window.
        let reset = spoken.resets_at.max(now).unix_seconds_up();
        // All values lie in one piece of memory.
        let (mut text, mut number) = (Vec::with_capacity(USUAL_VALUES), itoa::Buffer::new());
        let numbers = [spoken.limit.into(), spoken.remaining.into(), reset];
        let lengths = numbers.map(|told: u64| {
            let told = number.format(told);
            text.extend_from_slice(told.as_bytes());
            told.len()
        });
        push_rates(&mut text, allowances, now);
        let mut text = Bytes::from(text);
        for (name, length) in [LIMIT, REMAINING, RESET].into_iter().zip(lengths) {
            headers.append(name, value(text.split_to(length)));
        }
        headers.append(SCOPE, HeaderValue::from_static(spoken.scope.as_str()));
        headers.append(POLICY, policy);
        headers.append(RATE_LIMIT, value(text));
    }
}

/// The policy of a key, in the form of the IETF draft "RateLimit header fields for HTTP".
fn key_policy(limits: Limits) -> HeaderValue {
    let mut number = itoa::Buffer::new();
    let mut text = String::with_capacity(128);
    text.push_str("\"minute\";q=");
    text.push_str(number.format(limits.per_minute));
    text.push_str(";w=60, \"day\";q=");
    text.push_str(number.format(limits.per_day));
    text.push_str(";w=86400, \"concurrency\";q=");
    text.push_str(number.format(limits.concurrent));
    text.push_str(";qu=\"concurrent-requests\"");
    value(text)
}

fn address_policy(allowance: &Allowance) -> HeaderValue {
    let window = policy::MINUTE.as_secs();
    value(format!("\"address\";q={};w={window}", allowance.limit))
}

/// Says what is left of each, and in how many seconds the whole is back.
fn push_rates(text: &mut Vec<u8>, allowances: &[Allowance], now: Timestamp) {
    let (mut number, mut before) = (itoa::Buffer::new(), "\"");
    for allowance in allowances {
        let mut say = |word: &str| text.extend_from_slice(word.as_bytes());
        say(before);
        say(allowance.scope.as_str());
        say("\";r=");
        say(number.format(allowance.remaining));
        say(";t=");
        say(number.format(seconds_up(allowance.resets_at.since(now))));
        before = ", \"";
    }
}

fn value(text: impl Into<Bytes>) -> HeaderValue {
    // Digits, quotes and names of ours are valid; an empty value is the worst that could come.
    HeaderValue::from_maybe_shared(text.into()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The origin of the page that asks, if it is an allowed one.
pub(super) fn allowed_origin(headers: &HeaderMap, allowed: &[Origin]) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    allowed
        .iter()
        .any(|allowed| allowed.as_str().as_bytes() == origin.as_bytes())
        .then(|| origin.clone())
}

/// Lets the page of an allowed origin read the answer.
pub(super) fn write_cors(origin: HeaderValue, headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(EXPOSED),
    );
    headers.append(VARY, HeaderValue::from_static("Origin"));
}

/// Whether a browser asks for leave to send something else.
pub(super) fn is_preflight(request: &HttpRequest) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(ORIGIN)
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Answers a preflight.
pub(super) fn write_preflight(methods: &'static str, headers: &mut HeaderMap) {
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static(methods),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(ALLOWED_HEADERS),
    );
    headers.insert(
        ACCESS_CONTROL_MAX_AGE,
        policy::PREFLIGHT_AGE.as_secs().into(),
    );
}
