//! What can be sent, as JSON Schema: the words and numbers are those that the checks go by.

use serde_json::{Value, json};

use crate::domain::event::EventType;
use crate::domain::new_session::{CaptureMethod, PaymentMethod};
use crate::domain::payment::Processor;
use crate::domain::session::CancellationReason;
use crate::policy;

/// A string of 1 to so many characters, or nothing.
fn text(longest: usize, what: &str) -> Value {
    json!({ "type": ["string", "null"], "minLength": 1, "maxLength": longest, "description": what })
}

fn url(what: &str) -> Value {
    json!({ "type": ["string", "null"], "format": "uri", "pattern": "^https?://", "maxLength": policy::URL_MAX, "description": what })
}

fn group(what: &str, members: &Value) -> Value {
    json!({ "type": ["object", "null"], "description": what, "properties": members })
}

fn amount(what: &str) -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": policy::AMOUNT_MAX, "description": what })
}

fn optional_amount(what: &str) -> Value {
    json!({ "type": ["integer", "null"], "minimum": 1, "maximum": policy::AMOUNT_MAX, "description": what })
}

fn currency() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z]{3}$", "description": "ISO 4217, in any case.", "examples": ["USD"] })
}

fn customer() -> Value {
    group(
        "The buyer.",
        &json!({
            "email": { "type": ["string", "null"], "format": "email", "maxLength": policy::EMAIL_MAX },
            "name": text(policy::TEXT_MAX, "Name."),
            "phone": text(policy::REFERENCE_MAX, "Telephone number."),
        }),
    )
}

fn address(what: &str) -> Value {
    group(
        what,
        &json!({
            "street": text(policy::TEXT_MAX, "Street and number."),
            "city": text(policy::TEXT_MAX, "City."),
            "state": text(policy::TEXT_MAX, "State or province."),
            "postal_code": text(policy::REFERENCE_MAX, "Postal code."),
            "country": text(policy::REFERENCE_MAX, "Country."),
            "recipient_name": text(policy::TEXT_MAX, "Who receives."),
        }),
    )
}

fn metadata(value: &Value) -> Value {
    json!({
        "type": ["object", "null"],
        "description": "Your own names and values.",
        "maxProperties": policy::METADATA_MAX,
        "propertyNames": { "minLength": 1, "maxLength": policy::METADATA_NAME_MAX },
        "additionalProperties": value,
    })
}

pub(super) fn new_session() -> Value {
    let value = json!({ "type": "string", "maxLength": policy::METADATA_VALUE_MAX });
    json!({
        "type": "object",
        "required": ["amount", "currency"],
        "properties": {
            "amount": amount("In minor units: 4990 for 49.90 USD, 500 for 500 JPY."),
            "currency": currency(),
            "capture_method": {
                "type": "string", "enum": CaptureMethod::WORDS, "default": "automatic",
                "description": "Whether the money is taken with the confirmation or by a later capture.",
            },
            "payment_method_types": {
                "type": ["array", "null"], "minItems": 1, "uniqueItems": true,
                "items": { "type": "string", "enum": PaymentMethod::WORDS }, "description": "How the buyer may pay.",
            },
            "external_id": text(policy::REFERENCE_MAX, "Your id of the order. Not an idempotency key."),
            "merchant_reference": text(policy::REFERENCE_MAX, "Your reference."),
            "customer": customer(),
            "billing_address": address("Where the bill goes."),
            "shipping_address": address("Where the goods go."),
            "browser": group("The buyer's browser.", &json!({
                "ip_address": text(policy::REFERENCE_MAX, "Its address."),
                "user_agent": text(policy::URL_MAX, "Its User-Agent."),
            })),
            "statement_descriptor": text(policy::DESCRIPTOR_MAX, "What the statement says."),
            "description": text(policy::TEXT_MAX, "What is bought."),
            "success_url": url("Where the buyer goes after paying."),
            "cancel_url": url("Where the buyer goes after giving up."),
            "callback_urls": group("Where to tell of the outcome.", &json!({
                "approved": url("When approved."), "declined": url("When declined."), "cancelled": url("When given up."),
            })),
            "expires": {
                "description": "Seconds from now, or a time with an offset; at most 30 days ahead. A day if left out.",
                "anyOf": [
                    { "type": "integer", "minimum": 1, "maximum": policy::SESSION_LIFETIME_MAX.as_secs() },
                    { "type": "string", "format": "date-time" },
                    { "type": "null" },
                ],
            },
            "metadata": metadata(&value),
        },
    })
}

pub(super) fn session_change() -> Value {
    let value = json!({ "type": ["string", "null"], "maxLength": policy::METADATA_VALUE_MAX });
    json!({
        "type": "object",
        "properties": {
            "amount": optional_amount("In minor units."),
            "currency": { "type": ["string", "null"], "pattern": "^[A-Za-z]{3}$", "description": "ISO 4217, in any case." },
            "description": text(policy::TEXT_MAX, "What is bought."),
            "statement_descriptor": text(policy::DESCRIPTOR_MAX, "What the statement says."),
            "customer": customer(),
            "billing_address": address("Where the bill goes."),
            "shipping_address": address("Where the goods go."),
            "metadata": metadata(&value),
        },
    })
}

pub(super) fn cancellation() -> Value {
    let expired = CancellationReason::Expired.as_str();
    let words: Vec<_> = CancellationReason::WORDS
        .iter()
        .filter(|word| **word != expired)
        .collect();
    json!({
        "type": "object",
        "properties": {
            "cancellation_reason": { "type": "string", "enum": words, "default": "requested_by_customer", "description": "Why." },
        },
    })
}

pub(super) fn confirmation() -> Value {
    confirmation_with(&json!([]))
}

pub(super) fn named_confirmation() -> Value {
    confirmation_with(&json!(["session_id"]))
}

fn confirmation_with(required: &Value) -> Value {
    let wallet = |what: &str| json!({ "type": ["string", "object", "null"], "description": what });
    json!({
        "type": "object",
        "required": required,
        "properties": {
            "session_id": { "type": "string", "description": "The session, where the path does not say it." },
            "payment_method_type": { "type": "string", "enum": PaymentMethod::WORDS, "default": "card", "description": "One that the session takes." },
            "token_id": { "type": "string", "description": "The card: a token of GET /functions/v1/test-cards, or tok_test_ and a test card's number.", "examples": ["tok_visa"] },
            "token_provider": { "type": "string", "enum": ["atlas", "basis_theory", "vgs"], "default": "atlas", "description": "Who made the token." },
            "psp": { "type": "string", "enum": Processor::WORDS, "description": "Which processor to take." },
            "apple_pay_token": wallet("What Apple Pay gave."),
            "google_pay_token": wallet("What Google Pay gave."),
        },
    })
}

pub(super) fn capture() -> Value {
    json!({ "type": "object", "properties": { "amount": optional_amount("How much; all that is left if not said.") } })
}

pub(super) fn refund() -> Value {
    json!({
        "type": "object",
        "properties": {
            "amount": optional_amount("How much; all that is left if not said."),
            "reason": text(policy::TEXT_MAX, "Why."),
        },
    })
}

pub(super) fn rehearsal() -> Value {
    let value = json!({ "type": "string", "maxLength": policy::METADATA_VALUE_MAX });
    json!({
        "type": "object",
        "required": ["event_type"],
        "properties": {
            "event_type": { "type": "string", "enum": EventType::WORDS, "description": "Which event." },
            "session_id": text(policy::REFERENCE_MAX, "About which session; a made-up payment if not said."),
            "transaction_id": text(policy::REFERENCE_MAX, "Ignored: the payment's own is told."),
            "amount": optional_amount("Of the made-up payment; 1000 if not said."),
            "currency": { "type": ["string", "null"], "pattern": "^[A-Za-z]{3}$", "description": "Of the made-up payment; USD if not said." },
            "metadata": metadata(&value),
            "delay_seconds": { "type": ["integer", "null"], "minimum": 0, "maximum": policy::REHEARSAL_DELAY_MAX.as_secs(), "description": "How much later it is sent." },
        },
    })
}

pub(super) fn event() -> Value {
    json!({
        "type": "object",
        "required": ["id", "object", "type", "api_version", "created", "created_at", "livemode", "data", "request", "deliveries"],
        "properties": {
            "id": { "type": "string", "pattern": "^evt_[0-9A-Za-z]{24}$" },
            "object": { "const": "event" },
            "type": { "type": "string", "enum": EventType::WORDS },
            "api_version": { "type": "string" },
            "created": { "type": "string", "format": "date-time" },
            "created_at": { "type": "string", "format": "date-time", "description": "The same as created." },
            "livemode": { "type": "boolean" },
            "data": { "type": "object", "required": ["object"], "properties": { "object": { "type": "object" } } },
            "request": { "type": ["object", "null"] },
            "deliveries": { "type": "integer", "minimum": 0 },
        },
    })
}

pub(super) fn health() -> Value {
    json!({
        "type": "object", "required": ["status", "version"],
        "properties": { "status": { "const": "healthy" }, "version": { "type": "string" } },
    })
}

pub(super) fn status(word: &str) -> Value {
    json!({ "type": "object", "required": ["status"], "properties": { "status": { "const": word } } })
}
