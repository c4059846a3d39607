//! Fills the objects.

use serde::Serialize;

use super::{
    AttemptObject, AuthenticationObject, CardObject, NextAction, PaymentObject, Redirect,
    RefundObject, RoutingObject, SessionConfig, SessionObject, Switch, WalletObject,
};
use crate::app::App;
use crate::domain::event::EventType;
use crate::domain::idempotency::Reply;
use crate::domain::key::Mode;
use crate::domain::new_session::PaymentMethod;
use crate::domain::payment::{Authentication, Card, Payment, PaymentStatus, Refund};
use crate::domain::session::{CancellationReason, Session};
use crate::domain::time::Timestamp;
use crate::policy;

impl Reply {
    /// An answer in JSON. Our objects hold strings, numbers and maps of strings, which always serialise.
    pub fn json(status: u16, object: &impl Serialize) -> Self {
        let mut body = Vec::with_capacity(policy::USUAL_ANSWER);
        if serde_json::to_writer(&mut body, object).is_err() {
            body.clear();
        }
        Self {
            status,
            content_type: "application/json".into(),
            headers: Vec::new(),
            body,
        }
    }
}

impl App {
    /// A session as clients see it.
    pub fn session_object<'a>(&self, session: &'a Session) -> SessionObject<'a> {
        let asked = &session.asked;
        let customer = asked.customer.as_ref();
        SessionObject {
            id: session.id.to_string(),
            object: "payment_session",
            client_secret: session.client_secret.expose(),
            status: session.status.as_str(),
            amount: asked.money.amount,
            currency: asked.money.currency.code(),
            capture_method: asked.capture_method.as_str(),
            payment_method_types: words(&asked.payment_method_types),
            external_id: asked.external_id.as_deref(),
            fallback_url: self.page_url(session),
            created_at: session.created_at.rfc3339(),
            updated_at: session.updated_at.rfc3339(),
            expires_at: Timestamp::rfc3339(asked.expires_at),
            canceled_at: session.cancellation.map(|canceled| canceled.at.rfc3339()),
            cancellation_reason: session
                .cancellation
                .map(|canceled| CancellationReason::as_str(canceled.reason)),
            livemode: session.mode == Mode::Live,
            customer_email: customer.and_then(|customer| customer.email.as_deref()),
            customer_name: customer.and_then(|customer| customer.name.as_deref()),
            latest_attempt: session.payment.as_ref().map(|payment| AttemptObject {
                id: session.payment_id().to_string(),
                psp: payment.processor.as_str(),
                status: payment.status.as_str(),
                psp_transaction_id: transaction(session),
                captured_amount: payment.captured,
                refunded_amount: payment.refunded,
            }),
            next_action: session
                .payment
                .as_ref()
                .and_then(|payment| self.next_action(session, payment)),
            metadata: &asked.metadata,
            merchant_reference: asked.merchant_reference.as_deref(),
            customer: customer.map(|customer| customer.given()),
            billing_address: asked
                .billing_address
                .as_ref()
                .map(|address| address.given()),
            shipping_address: asked
                .shipping_address
                .as_ref()
                .map(|address| address.given()),
            browser: asked.browser.as_ref().map(|browser| browser.given()),
            statement_descriptor: asked.statement_descriptor.as_deref(),
            description: asked.description.as_deref(),
            success_url: asked.success_url.as_deref(),
            cancel_url: asked.cancel_url.as_deref(),
            callback_urls: asked.callback_urls.as_ref().map(|urls| urls.given()),
        }
    }

    fn next_action(&self, session: &Session, payment: &Payment) -> Option<NextAction> {
        (payment.status == PaymentStatus::RequiresAction)
            .then(|| self.page_url(session))
            .flatten()
            .map(|page| NextAction {
                kind: "redirect_to_url",
                redirect_to_url: Redirect {
                    url: format!("{page}/3ds"),
                    return_url: session.asked.success_url.clone(),
                },
            })
    }

    /// The payment of a session as clients see it.
    pub fn payment_object<'a>(&self, session: &Session, payment: &'a Payment) -> PaymentObject<'a> {
        let psp = payment.processor.as_str();
        PaymentObject {
            id: session.payment_id().to_string(),
            object: "payment_intent",
            session_id: session.id.to_string(),
            amount: payment.amount,
            currency: session.asked.money.currency.code(),
            status: payment.status.as_str(),
            payment_method_type: payment.method.as_str(),
            psp,
            psp_transaction_id: transaction(session),
            captured_amount: payment.captured,
            refunded_amount: payment.refunded,
            card: payment.card.as_ref().map(card_object),
            wallet: matches!(
                payment.method,
                PaymentMethod::ApplePay | PaymentMethod::GooglePay
            )
            .then(|| WalletObject {
                kind: payment.method.as_str(),
                card_network: "visa",
            }),
            bank_account: None,
            routing: RoutingObject {
                attempts: 1,
                selected_psp: psp,
                selection_reason: if payment.processor_was_asked {
                    "requested"
                } else {
                    "default"
                },
                is_retry: false,
            },
            next_action: self.next_action(session, payment),
            three_d_secure: payment.authentication.map(authentication_object),
            failure_code: payment.failure.map(|code| code.as_str()),
            created_at: payment.created_at.rfc3339(),
            livemode: session.mode == Mode::Live,
        }
    }

    /// What a page of the shop needs to know of a session.
    pub fn session_config<'a>(&self, session: &'a Session) -> SessionConfig<'a> {
        let asked = &session.asked;
        let takes = |method| Switch {
            enabled: asked.payment_method_types.contains(&method),
        };
        SessionConfig {
            session_id: session.id.to_string(),
            client_secret: session.client_secret.expose(),
            amount: asked.money.amount,
            currency: asked.money.currency.code(),
            capture_provider: "atlas",
            environment: session.mode.as_str(),
            payment_methods: words(&asked.payment_method_types),
            fallback_url: self.page_url(session),
            tokenize_url: None,
            apple_pay: takes(PaymentMethod::ApplePay),
            google_pay: takes(PaymentMethod::GooglePay),
            bank_account: takes(PaymentMethod::BankAccount),
        }
    }
}

/// A refund as clients see it.
pub fn refund_object<'a>(session: &Session, refund: &'a Refund) -> RefundObject<'a> {
    RefundObject {
        id: refund.id.to_string(),
        object: "refund",
        payment_id: refund.payment.to_string(),
        amount: refund.amount,
        currency: session.asked.money.currency.code(),
        status: "succeeded",
        reason: refund.reason.as_deref(),
        created_at: refund.created_at.rfc3339(),
    }
}

impl RefundObject<'_> {
    /// The same as an event of this kind tells of it.
    pub fn as_told_by(mut self, kind: EventType) -> Self {
        if kind == EventType::RefundFailed {
            self.status = "failed";
        } else if kind == EventType::RefundPending {
            self.status = "pending";
        }
        self
    }
}

fn words(methods: &[PaymentMethod]) -> Vec<&'static str> {
    methods.iter().map(|method| method.as_str()).collect()
}

/// What a processor would call the payment.
fn transaction(session: &Session) -> String {
    format!("txn_{}", String::from_utf8_lossy(session.id.as_bytes()))
}

fn card_object(card: &Card) -> CardObject<'_> {
    CardObject {
        brand: card.brand.as_str(),
        last4: &card.last4,
        exp_month: card.exp_month,
        exp_year: card.exp_year,
    }
}

/// The electronic commerce indicator says who bears the risk: 05 the issuer, 06 the issuer without a step, 07 the shop.
fn authentication_object(authentication: Authentication) -> AuthenticationObject {
    AuthenticationObject {
        version: "2.2.0",
        authentication_status: authentication.as_str(),
        eci: match authentication {
            Authentication::Authenticated | Authentication::Frictionless => "05",
            Authentication::Attempted => "06",
            Authentication::Failed => "07",
        },
    }
}
