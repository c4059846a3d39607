//! Events: what has happened, as it is told to the merchant's servers. The envelope is written once, when it happens;
//! every attempt to deliver it sends the same bytes.

use serde::{Deserialize, Serialize};

use crate::domain::id::{EndpointId, EventId};
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::key::{Account, Mode};
use crate::domain::payment::{PaymentStatus, Refund};
use crate::domain::session::{CancellationReason, Session};
use crate::domain::time::Timestamp;
use crate::domain::words::words;

/// The version of the envelope, as the API names it.
const API_VERSION: &str = "2024-01-01";

words!(
    /// What can happen. On disk by its place in this list: a new one comes last.
    EventType {
        /// The money is reserved.
        PaymentAuthorized = "payment.authorized",
        /// The money is taken.
        PaymentCaptured = "payment.captured",
        /// The payment was declined.
        PaymentFailed = "payment.failed",
        /// The payment was given up before the money was taken.
        PaymentCanceled = "payment.canceled",
        /// The buyer has to do something.
        PaymentRequiresAction = "payment.requires_action",
        /// Money was given back.
        PaymentRefunded = "payment.refunded",
        /// The outcome is not known yet.
        PaymentPending = "payment.pending",
        /// Nobody paid in time.
        SessionExpired = "session.expired",
        /// The session was given up.
        SessionCanceled = "session.canceled",
        /// A refund has come about.
        RefundSucceeded = "refund.succeeded",
        /// A refund has not.
        RefundFailed = "refund.failed",
        /// A refund is under way.
        RefundPending = "refund.pending",
        /// A refund has changed.
        RefundUpdated = "refund.updated",
        /// The buyer disputes the payment.
        DisputeCreated = "dispute.created",
        /// A dispute has changed.
        DisputeUpdated = "dispute.updated",
        /// A dispute is over.
        DisputeClosed = "dispute.closed",
        /// A dispute ended well for the merchant.
        DisputeResolved = "dispute.resolved",
        /// A dispute ended badly for the merchant.
        DisputeLost = "dispute.lost",
        /// A bank transfer was asked for.
        BankTransferInitiated = "bank_transfer.initiated",
        /// A bank transfer is under way.
        BankTransferPending = "bank_transfer.pending",
        /// A bank transfer has arrived.
        BankTransferSucceeded = "bank_transfer.succeeded",
        /// A bank transfer has not.
        BankTransferFailed = "bank_transfer.failed",
        /// A bank transfer was sent back.
        BankTransferReturned = "bank_transfer.returned",
    }
);

impl EventType {
    /// What an endpoint is told that names nothing (published by the API).
    pub const DEFAULTS: [Self; 3] = [
        Self::PaymentCaptured,
        Self::PaymentFailed,
        Self::RefundSucceeded,
    ];

    /// Every type, in the order of the documentation.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::WORDS.iter().filter_map(|word| Self::parse(word))
    }
}

impl EventType {
    /// Whether it is about a session as a whole.
    pub const fn is_of_a_session(self) -> bool {
        matches!(self, Self::SessionExpired | Self::SessionCanceled)
    }

    /// Whether it is about money given back.
    pub const fn is_of_a_refund(self) -> bool {
        matches!(
            self,
            Self::RefundSucceeded | Self::RefundFailed | Self::RefundPending | Self::RefundUpdated
        )
    }
}

/// What has happened to a session that was `before` and is `after`: the rule of which change is told.
pub fn happened(
    before: Option<&Session>,
    after: &Session,
    refund: Option<&Refund>,
) -> Vec<EventType> {
    let mut events = Vec::new();
    let old = before.and_then(|session| session.payment.as_ref());
    if let Some(payment) = &after.payment {
        let captured = old.map_or(0, |old| old.captured);
        let becomes =
            |status| payment.status == status && old.map(|old| old.status) != Some(status);
        for (status, event) in [
            (
                PaymentStatus::RequiresAction,
                EventType::PaymentRequiresAction,
            ),
            (PaymentStatus::Authorized, EventType::PaymentAuthorized),
            (PaymentStatus::Failed, EventType::PaymentFailed),
            (PaymentStatus::Canceled, EventType::PaymentCanceled),
        ] {
            events.extend(becomes(status).then_some(event));
        }
        if payment.captured > captured {
            events.push(EventType::PaymentCaptured);
            events.extend((payment.disputed && captured == 0).then_some(EventType::DisputeCreated));
        }
        if refund.is_some() {
            events.extend([EventType::PaymentRefunded, EventType::RefundSucceeded]);
        }
    }
    let was_canceled = before.is_some_and(|session| session.cancellation.is_some());
    if let Some(canceled) = after.cancellation.filter(|_| !was_canceled) {
        events.push(match canceled.reason {
            CancellationReason::Expired => EventType::SessionExpired,
            CancellationReason::Duplicate
            | CancellationReason::Fraudulent
            | CancellationReason::RequestedByCustomer
            | CancellationReason::Abandoned => EventType::SessionCanceled,
        });
    }
    events
}

/// The request that an event came about by, as the envelope names it.
#[derive(Clone, Copy, Debug)]
pub struct Cause<'a> {
    /// Its request id.
    pub request_id: &'a str,
    /// Its idempotency key.
    pub idempotency_key: Option<&'a IdempotencyKey>,
}

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// What it is.
    pub kind: EventType,
    /// To whom.
    pub account: Account,
    /// Test or live.
    pub mode: Mode,
    /// When.
    pub created_at: Timestamp,
    /// The envelope, as it is sent.
    pub body: Vec<u8>,
}

/// An event and where it goes; kept with what brought it about, in one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The event.
    pub event: Event,
    /// The endpoints it is for.
    pub to: Vec<EndpointId>,
    /// When it is sent first.
    pub due: Timestamp,
}

#[derive(Serialize)]
struct Envelope<'a, T: ?Sized> {
    id: EventId,
    object: &'static str,
    #[serde(rename = "type")]
    kind: EventType,
    api_version: &'static str,
    created: &'a str,
    created_at: &'a str,
    livemode: bool,
    data: Data<'a, T>,
    request: Option<Request<'a>>,
}

#[derive(Serialize)]
struct Data<'a, T: ?Sized> {
    object: &'a T,
}

#[derive(Serialize)]
struct Request<'a> {
    id: &'a str,
    idempotency_key: Option<&'a str>,
}

impl Event {
    /// An event about `object`, with its envelope.
    ///
    /// # Errors
    /// When `object` refuses to be written as JSON.
    pub fn new<T: Serialize + ?Sized>(
        id: EventId,
        kind: EventType,
        owner: (Account, Mode),
        now: Timestamp,
        object: &T,
        cause: Option<Cause<'_>>,
    ) -> Result<Self, serde_json::Error> {
        let (account, mode) = owner;
        let created = now.rfc3339();
        let body = serde_json::to_vec(&Envelope {
            id,
            object: "event",
            kind,
            api_version: API_VERSION,
            created: &created,
            created_at: &created,
            livemode: mode == Mode::Live,
            data: Data { object },
            request: cause.map(|cause| Request {
                id: cause.request_id,
                idempotency_key: cause.idempotency_key.map(IdempotencyKey::as_str),
            }),
        })?;
        Ok(Self {
            id,
            kind,
            account,
            mode,
            created_at: now,
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json, value::RawValue};

    use super::*;

    fn body(object: &impl Serialize, cause: Option<Cause<'_>>) -> Vec<u8> {
        let now = Timestamp::from_millis(1_795_570_441_120);
        let id = EventId::new(now, [b'x'; 24]);
        let owner = (Account::default(), Mode::Test);
        Event::new(id, EventType::PaymentCaptured, owner, now, object, cause)
            .expect("an event")
            .body
    }

    #[test]
    fn the_envelope_has_the_members_of_the_api() {
        let key = IdempotencyKey::parse(b"order_1").expect("a key");
        let cause = Cause {
            request_id: "req_1",
            idempotency_key: Some(&key),
        };
        let body: Value =
            serde_json::from_slice(&body(&json!({"amount": 4990}), Some(cause))).expect("JSON");
        let id = EventId::parse(body["id"].as_str().expect("an id"));
        assert!(id.is_some(), "{body}");
        let expected = json!({
            "id": id, "object": "event", "type": "payment.captured", "api_version": "2024-01-01",
            "created": "2026-11-25T01:34:01.120Z", "created_at": "2026-11-25T01:34:01.120Z",
            "livemode": false, "data": {"object": {"amount": 4990}},
            "request": {"id": "req_1", "idempotency_key": "order_1"},
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn an_event_of_no_request_says_null_and_an_object_stays_as_it_was_written() {
        let object = RawValue::from_string(r#"{ "amount": 4990.0 }"#.to_owned()).expect("JSON");
        let text = String::from_utf8(body(&object, None)).expect("UTF-8");
        assert!(
            text.contains(r#""data":{"object":{ "amount": 4990.0 }},"request":null}"#),
            "{text}"
        );
    }

    #[test]
    fn every_type_is_read_as_it_is_written() {
        assert_eq!(EventType::all().count(), EventType::WORDS.len());
        assert!(EventType::all().all(|kind| EventType::parse(kind.as_str()) == Some(kind)));
    }
}
