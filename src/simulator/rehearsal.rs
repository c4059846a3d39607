//! Reads what event a test wants to be told (`test-webhooks`).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::event::EventType;
use crate::domain::fields::Fields;
use crate::domain::json::Json;
use crate::domain::new_session::{self, word};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::policy;

/// An event that is asked for, every member checked.
pub struct Rehearsal {
    /// Which event.
    pub kind: EventType,
    /// About which session; a made-up one when nothing is said.
    pub session_id: Option<String>,
    /// How much later it is sent.
    pub delay: Duration,
    order: BTreeMap<String, Json>,
}

impl Rehearsal {
    /// Reads a body.
    ///
    /// # Errors
    /// [`Refusal`] that names the first wrong member.
    pub fn read(body: &Json, now: Timestamp) -> Result<Self, Refusal> {
        let fields = Fields::of_body(body)?;
        let kind = kind(&fields)?;
        fields.text("transaction_id", policy::REFERENCE_MAX)?;
        let mut order = BTreeMap::from([
            ("amount".to_owned(), Json::Number("1000".to_owned())),
            ("currency".to_owned(), Json::String("USD".to_owned())),
        ]);
        for name in ["amount", "currency", "metadata"] {
            if let Some(value) = fields.get(name) {
                order.insert(name.to_owned(), value.clone());
            }
        }
        let rehearsal = Self {
            kind,
            session_id: fields.text("session_id", policy::REFERENCE_MAX)?,
            delay: delay(&fields)?,
            order,
        };
        new_session::NewSession::parse(&rehearsal.order(), now).map(|_| rehearsal)
    }

    /// What a made-up session asks for.
    pub fn order(&self) -> Json {
        Json::Object(self.order.clone())
    }
}

fn kind(fields: &Fields<'_>) -> Result<EventType, Refusal> {
    const MUST: &str = "must be the type of an event, as payment.captured; /docs lists them all.";
    match fields.get("event_type") {
        None => Err(Refusal::ParameterMissing {
            param: "event_type",
            must: MUST,
        }),
        Some(value) => {
            word(value, EventType::parse).ok_or_else(|| Refusal::invalid("event_type", MUST))
        }
    }
}

fn delay(fields: &Fields<'_>) -> Result<Duration, Refusal> {
    let Some(value) = fields.get("delay_seconds") else {
        return Ok(Duration::ZERO);
    };
    let longest = policy::REHEARSAL_DELAY_MAX.as_secs();
    new_session::integer(value)
        .map(u64::from)
        .filter(|seconds| *seconds <= longest)
        .map(Duration::from_secs)
        .ok_or_else(|| {
            Refusal::invalid(
                "delay_seconds",
                format!("must be an integer from 0 to {longest}."),
            )
        })
}
