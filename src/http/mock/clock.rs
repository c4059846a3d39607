//! `/_mock/clock`: what time it is here, and later.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;

use super::{answer, sent};
use crate::app::App;
use crate::app::mock::ClockMove;
use crate::domain::fields::Fields;
use crate::domain::json::Json;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::http::gate::Visit;

/// What time it is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Clock")]
pub(in crate::http) struct Shown {
    now: String,
    ahead_seconds: u64,
}

/// `GET /_mock/clock`
pub(super) async fn read(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    Ok(shown(&Visit::of(&request)?.app))
}

/// `POST /_mock/clock`
pub(super) async fn set(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let by = asked(&sent(&request, &visit)?)?;
    visit.app.move_clock(by).await?;
    Ok(shown(&visit.app))
}

fn shown(app: &App) -> HttpResponse {
    // To the nearest second: the system's clock and ours are read one after the other.
    let ahead = app.clock.ahead() + Duration::from_millis(500);
    answer(
        StatusCode::OK,
        &Shown {
            now: app.clock.now().rfc3339(),
            ahead_seconds: ahead.as_secs(),
        },
    )
}

fn asked(body: &Json) -> Result<ClockMove, Refusal> {
    const SPAN: &str =
        "must be a length of time, as \"24h\" or \"90s\", or a whole number of seconds.";
    const TIME: &str = "must be an RFC 3339 time with an offset, as \"2026-11-25T12:00:00Z\".";
    let fields = Fields::of_body(body)?;
    fields.only(&["advance", "set"])?;
    match (fields.get("advance"), fields.get("set")) {
        (Some(_), Some(_)) => {
            Err(fields.invalid("set", "can't stand beside advance: send one of the two."))
        }
        (Some(span), None) => span_of(span)
            .map(ClockMove::By)
            .ok_or_else(|| fields.invalid("advance", SPAN)),
        (None, Some(time)) => time_of(time)
            .map(ClockMove::To)
            .ok_or_else(|| fields.invalid("set", TIME)),
        (None, None) => Err(Refusal::ParameterMissing {
            param: "advance",
            must: "must say how far the clock goes, as \"24h\"; or send set, as \"2026-11-25T12:00:00Z\".",
        }),
    }
}

fn span_of(value: &Json) -> Option<Duration> {
    let text = match value {
        Json::Number(text) | Json::String(text) => text,
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => return None,
    };
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).ok(),
    }
}

fn time_of(value: &Json) -> Option<Timestamp> {
    match value {
        Json::String(text) => Timestamp::parse(text),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
    }
}
