//! `/_mock/limits`: what is left of a key's limits.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;

use super::{answer, sent};
use crate::domain::fields::Fields;
use crate::domain::limit::{Allowance, Limits};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::http::gate::Visit;
use crate::limiter::{KeyLimiter, Remains};
use crate::policy;

/// A limit that gets whole again by itself.
#[derive(Serialize, JsonSchema)]
struct Left {
    limit: u32,
    remaining: u32,
    /// Unix seconds.
    reset: u64,
}

/// A limit that gets whole again as requests end.
#[derive(Serialize, JsonSchema)]
struct Free {
    limit: u32,
    remaining: u32,
}

/// What is left of a key's limits.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Limits")]
pub(in crate::http) struct LimitsObject {
    key: String,
    minute: Left,
    day: Left,
    concurrency: Free,
}

/// `POST /_mock/limits`
pub(super) async fn set(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let body = sent(&request, &visit)?;
    let fields = Fields::of_body(&body)?;
    fields.only(&["key", "minute", "day", "concurrency"])?;
    let key = fields
        .text("key", policy::TEXT_MAX)?
        .ok_or(Refusal::ParameterMissing {
            param: "key",
            must: "must be a test key's secret, as sk_test_xxx, or its id, as key_...",
        })?;
    let (app, now) = (&visit.app, visit.now);
    // What is wrong is said before a key is made.
    let limits = match app.find_key(&key)? {
        Some(entry) => app.settings.limits.with(entry.key.limits),
        None => app.settings.limits,
    };
    let remains = remains(&fields, limits)?;
    let entry = app.test_key(&key, now).await?;
    app.set_remaining(&entry, remains, now);
    let object = object(entry.key.id.to_string(), &entry.limiter, now);
    Ok(answer(StatusCode::OK, &object))
}

/// What is to remain, each at most its limit.
fn remains(fields: &Fields<'_>, limits: Limits) -> Result<Remains, Refusal> {
    let read = |name, limit: u32| -> Result<_, Refusal> {
        let number = fields.whole(name, 0..=u64::from(limit))?;
        Ok(number.and_then(|number| u32::try_from(number).ok()))
    };
    Ok(Remains {
        minute: read("minute", limits.per_minute)?,
        day: read("day", limits.per_day)?,
        concurrent: read("concurrency", limits.concurrent)?,
    })
}

fn object(key: String, limiter: &KeyLimiter, now: Timestamp) -> LimitsObject {
    let standing = limiter.standing(now);
    let left = |allowance: Allowance| Left {
        limit: allowance.limit,
        remaining: allowance.remaining,
        reset: allowance.resets_at.unix_seconds_up(),
    };
    LimitsObject {
        key,
        minute: left(standing.minute),
        day: left(standing.day),
        concurrency: Free {
            limit: standing.concurrent,
            remaining: limiter.free_slots(),
        },
    }
}
