//! Reads how a client wants to pay (`confirm-payment`) and says what comes of it.

use super::cards::TestCard;
use crate::domain::fields::Fields;
use crate::domain::json::Json;
use crate::domain::new_session::{NewSession, PaymentMethod, word};
use crate::domain::payment::{AfterAction, Attempt, Processor, Verdict};
use crate::domain::refusal::Refusal;
use crate::policy;

const TOKEN_PROVIDERS: [&str; 3] = ["atlas", "basis_theory", "vgs"];

/// Reads a confirmation of a session that asks for this.
///
/// # Errors
/// [`Refusal`] that names the first wrong member.
pub fn read(body: &Json, asked: &NewSession) -> Result<Attempt, Refusal> {
    let fields = Fields::of_body(body)?;
    let method = method(&fields, asked)?;
    let attempt = match method {
        PaymentMethod::Card => by_card(token(&fields)?),
        PaymentMethod::ApplePay => by_wallet(&fields, method, "apple_pay_token")?,
        PaymentMethod::GooglePay => by_wallet(&fields, method, "google_pay_token")?,
        PaymentMethod::Paypal => by_paypal(),
        PaymentMethod::BankAccount => return Err(not_taken(asked)),
    };
    check_provider(&fields)?;
    Ok(Attempt {
        asked_processor: processor(&fields)?,
        ..attempt
    })
}

/// Paying with a test card whose expiry nobody gave.
pub fn by_card(card: &TestCard) -> Attempt {
    by_card_until(card, None)
}

/// Paying with a test card; month and year are kept as the buyer gave them.
pub fn by_card_until(card: &TestCard, expiry: Option<(u8, u16)>) -> Attempt {
    Attempt {
        method: PaymentMethod::Card,
        asked_processor: None,
        card: Some(card.kept(expiry)),
        disputed: card.is_disputed(),
        verdict: card.verdict,
    }
}

/// Paying with PayPal: the buyer approves on a page.
pub fn by_paypal() -> Attempt {
    without_card(
        PaymentMethod::Paypal,
        Verdict::Action(AfterAction::Approved),
    )
}

fn by_wallet(
    fields: &Fields<'_>,
    method: PaymentMethod,
    token: &'static str,
) -> Result<Attempt, Refusal> {
    const MUST: &str = "must be what the wallet gave: a string or an object.";
    match fields.get(token) {
        Some(Json::String(text)) if !text.is_empty() => {
            Ok(without_card(method, Verdict::Approved(None)))
        }
        Some(Json::Object(_)) => Ok(without_card(method, Verdict::Approved(None))),
        Some(_) => Err(Refusal::invalid(token, MUST)),
        None => Err(Refusal::ParameterMissing {
            param: token,
            must: MUST,
        }),
    }
}

fn without_card(method: PaymentMethod, verdict: Verdict) -> Attempt {
    Attempt {
        method,
        asked_processor: None,
        card: None,
        disputed: false,
        verdict,
    }
}

fn method(fields: &Fields<'_>, asked: &NewSession) -> Result<PaymentMethod, Refusal> {
    let method = match fields.get("payment_method_type") {
        None => Some(PaymentMethod::Card),
        Some(value) => word(value, PaymentMethod::parse),
    };
    let method = method.ok_or_else(|| not_taken(asked))?;
    check_taken(method, asked).map(|()| method)
}

/// Whether a session can be paid by this means.
///
/// # Errors
/// [`Refusal::PaymentMethodInvalid`]
pub fn check_taken(method: PaymentMethod, asked: &NewSession) -> Result<(), Refusal> {
    let is_taken = asked.payment_method_types.contains(&method);
    is_taken.then_some(()).ok_or_else(|| not_taken(asked))
}

fn not_taken(asked: &NewSession) -> Refusal {
    let takes: Vec<_> = asked
        .payment_method_types
        .iter()
        .filter(|method| **method != PaymentMethod::BankAccount)
        .map(|method| method.as_str())
        .collect();
    Refusal::PaymentMethodInvalid {
        takes: takes.join(", "),
    }
}

fn token(fields: &Fields<'_>) -> Result<&'static TestCard, Refusal> {
    const MUST: &str =
        "must be the token of a test card, as tok_visa; GET /functions/v1/test-cards lists them.";
    match fields.get("token_id") {
        None => Err(Refusal::ParameterMissing {
            param: "token_id",
            must: MUST,
        }),
        Some(value) => {
            let text = fields
                .text("token_id", policy::REFERENCE_MAX)
                .ok()
                .flatten();
            let card = text.as_deref().and_then(TestCard::by_token);
            card.filter(|_| matches!(value, Json::String(_)))
                .ok_or_else(|| Refusal::invalid("token_id", MUST))
        }
    }
}

fn check_provider(fields: &Fields<'_>) -> Result<(), Refusal> {
    match fields.get("token_provider") {
        None => Ok(()),
        Some(Json::String(text)) if TOKEN_PROVIDERS.contains(&text.as_str()) => Ok(()),
        Some(_) => Err(Refusal::TokenProviderInvalid),
    }
}

fn processor(fields: &Fields<'_>) -> Result<Option<Processor>, Refusal> {
    let Some(value) = fields.get("psp") else {
        return Ok(None);
    };
    let processor = word(value, Processor::parse);
    processor.map(Some).ok_or_else(|| {
        Refusal::invalid(
            "psp",
            format!("must be one of {}.", Processor::WORDS.join(", ")),
        )
    })
}
