//! The objects of the API as clients see them: in answers, and in the events that webhooks tell.

mod show;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

pub use self::show::refund_object;

use crate::domain::new_session::{CaptureMethod, PaymentMethod};
use crate::domain::payment::{Authentication, Brand, PaymentStatus, Processor};
use crate::domain::session::SessionStatus;
use crate::policy;

/// A session. Most members are always there, `null` where there is nothing to say; the last ones only when given.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Session")]
pub struct SessionObject<'a> {
    #[schemars(extend("pattern" = "^sess_[0-9A-Za-z]{24}$"))]
    id: String,
    #[schemars(extend("const" = "payment_session"))]
    object: &'static str,
    /// For the buyer's browser.
    #[schemars(extend("pattern" = "^cs_[0-9A-Za-z]{48}$"))]
    client_secret: &'a str,
    /// Where it stands.
    #[schemars(extend("enum" = SessionStatus::WORDS))]
    status: &'static str,
    /// In minor units: 4990 USD is $49.90.
    #[schemars(range(min = 1, max = policy::AMOUNT_MAX))]
    amount: u32,
    /// ISO 4217.
    #[schemars(extend("pattern" = "^[A-Z]{3}$"))]
    currency: &'static str,
    #[schemars(extend("enum" = CaptureMethod::WORDS))]
    capture_method: &'static str,
    /// How the buyer may pay.
    #[schemars(extend("items" = serde_json::json!({ "type": "string", "enum": PaymentMethod::WORDS })))]
    payment_method_types: Vec<&'static str>,
    external_id: Option<&'a str>,
    /// A page on which the buyer can pay; in test mode.
    #[schemars(extend("format" = "uri"))]
    fallback_url: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    created_at: String,
    #[schemars(extend("format" = "date-time"))]
    updated_at: String,
    #[schemars(extend("format" = "date-time"))]
    expires_at: String,
    #[schemars(extend("format" = "date-time"))]
    canceled_at: Option<String>,
    cancellation_reason: Option<&'static str>,
    /// Whether money moves.
    livemode: bool,
    customer_email: Option<&'a str>,
    customer_name: Option<&'a str>,
    latest_attempt: Option<AttemptObject>,
    next_action: Option<NextAction>,
    metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merchant_reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<BTreeMap<&'static str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    billing_address: Option<BTreeMap<&'static str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shipping_address: Option<BTreeMap<&'static str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    browser: Option<BTreeMap<&'static str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement_descriptor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    success_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_urls: Option<BTreeMap<&'static str, &'a str>>,
}

/// What came of the latest try to pay.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Attempt")]
pub struct AttemptObject {
    #[schemars(extend("pattern" = "^pay_[0-9A-Za-z]{24}$"))]
    id: String,
    psp: &'static str,
    #[schemars(extend("enum" = PaymentStatus::WORDS))]
    status: &'static str,
    psp_transaction_id: String,
    /// How much was taken, in minor units.
    captured_amount: u32,
    /// How much of that was given back, in minor units.
    refunded_amount: u32,
}

/// What the buyer has to do.
#[derive(Serialize, JsonSchema)]
pub struct NextAction {
    #[serde(rename = "type")]
    kind: &'static str,
    redirect_to_url: Redirect,
}

/// Where the buyer has to go, and where they come back to.
#[derive(Serialize, JsonSchema)]
pub struct Redirect {
    #[schemars(extend("format" = "uri"))]
    url: String,
    return_url: Option<String>,
}

/// A payment.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Payment")]
pub struct PaymentObject<'a> {
    #[schemars(extend("pattern" = "^pay_[0-9A-Za-z]{24}$"))]
    id: String,
    #[schemars(extend("const" = "payment_intent"))]
    object: &'static str,
    #[schemars(extend("pattern" = "^sess_[0-9A-Za-z]{24}$"))]
    session_id: String,
    amount: u32,
    currency: &'static str,
    /// Where it stands.
    #[schemars(extend("enum" = PaymentStatus::WORDS))]
    status: &'static str,
    #[schemars(extend("enum" = PaymentMethod::WORDS))]
    payment_method_type: &'static str,
    /// Which processor.
    #[schemars(extend("enum" = Processor::WORDS))]
    psp: &'static str,
    psp_transaction_id: String,
    /// How much was taken, in minor units.
    captured_amount: u32,
    /// How much of that was given back, in minor units.
    refunded_amount: u32,
    card: Option<CardObject<'a>>,
    wallet: Option<WalletObject>,
    bank_account: Option<()>,
    routing: RoutingObject,
    next_action: Option<NextAction>,
    three_d_secure: Option<AuthenticationObject>,
    /// Why it was declined.
    failure_code: Option<&'static str>,
    #[schemars(extend("format" = "date-time"))]
    created_at: String,
    livemode: bool,
}

/// What is kept of a card.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Card")]
pub struct CardObject<'a> {
    #[schemars(extend("enum" = Brand::WORDS))]
    brand: &'static str,
    #[schemars(extend("pattern" = "^[0-9]{4}$"))]
    last4: &'a str,
    exp_month: u8,
    exp_year: u16,
}

/// A wallet on a telephone.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Wallet")]
pub struct WalletObject {
    #[serde(rename = "type")]
    kind: &'static str,
    card_network: &'static str,
}

/// Which processor was taken, and why.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Routing")]
pub struct RoutingObject {
    attempts: u32,
    selected_psp: &'static str,
    selection_reason: &'static str,
    is_retry: bool,
}

/// How the buyer was known.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ThreeDSecure")]
pub struct AuthenticationObject {
    version: &'static str,
    #[schemars(extend("enum" = Authentication::WORDS))]
    authentication_status: &'static str,
    eci: &'static str,
}

/// Money given back.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Refund")]
pub struct RefundObject<'a> {
    #[schemars(extend("pattern" = "^re_[0-9A-Za-z]{24}$"))]
    id: String,
    #[schemars(extend("const" = "refund"))]
    object: &'static str,
    #[schemars(extend("pattern" = "^pay_[0-9A-Za-z]{24}$"))]
    payment_id: String,
    amount: u32,
    currency: &'static str,
    /// `succeeded`, but in the events of a test that say otherwise.
    #[schemars(extend("enum" = ["succeeded", "pending", "failed"]))]
    status: &'static str,
    reason: Option<&'a str>,
    #[schemars(extend("format" = "date-time"))]
    created_at: String,
}

/// What a page of the shop needs to show the means of payment.
#[derive(Serialize, JsonSchema)]
pub struct SessionConfig<'a> {
    session_id: String,
    client_secret: &'a str,
    amount: u32,
    currency: &'static str,
    capture_provider: &'static str,
    environment: &'static str,
    payment_methods: Vec<&'static str>,
    fallback_url: Option<String>,
    tokenize_url: Option<String>,
    apple_pay: Switch,
    google_pay: Switch,
    bank_account: Switch,
}

/// Whether the session takes a means of payment.
#[derive(Serialize, JsonSchema)]
pub struct Switch {
    enabled: bool,
}
