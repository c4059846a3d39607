//! Reads how a client wants to pay (`confirm-payment`) and says what comes of it.

use super::cards::TestCard;
use crate::domain::fields::Fields;
use crate::domain::json::Json;
use crate::domain::new_session::{NewSession, PaymentMethod, word};
use crate::domain::payment::{AfterAction, Attempt, Processor, Verdict};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

const TOKEN: &str =
    "must be the token of a test card, as tok_visa; GET /functions/v1/test-cards lists them.";
const WALLET: &str = "must be what the wallet gave: a string or an object.";
const TOKEN_PROVIDERS: [&str; 3] = ["atlas", "basis_theory", "vgs"];

/// Reads a confirmation of a session that asks for this, now.
///
/// # Errors
/// [`Refusal`] that names the first wrong member.
pub fn read(body: &Json, asked: &NewSession, now: Timestamp) -> Result<Attempt, Refusal> {
    let fields = Fields::of_body(body)?;
    let method = method(&fields, asked)?;
    let token = match method {
        PaymentMethod::Card => Some(needed(&fields, "token_id", TOKEN)?),
        PaymentMethod::ApplePay => Some(needed(&fields, "apple_pay_token", WALLET)?),
        PaymentMethod::GooglePay => Some(needed(&fields, "google_pay_token", WALLET)?),
        PaymentMethod::Paypal => None,
        PaymentMethod::BankAccount => return Err(not_taken(asked)),
    };
    check_provider(&fields)?;
    let asked_processor = processor(&fields)?;
    let attempt = match (method, token) {
        (PaymentMethod::Card, Some(token)) => by_card(test_card(token)?, now),
        (_, Some(token)) => by_wallet(method, token)?,
        (_, None) => by_paypal(),
    };
    Ok(Attempt {
        asked_processor,
        ..attempt
    })
}

/// Paying with a test card whose expiry nobody gave.
pub fn by_card(card: &TestCard, now: Timestamp) -> Attempt {
    by_card_until(card, None, now)
}

/// Paying with a test card; month and year are kept as the buyer gave them.
pub fn by_card_until(card: &TestCard, expiry: Option<(u8, u16)>, now: Timestamp) -> Attempt {
    Attempt {
        method: PaymentMethod::Card,
        asked_processor: None,
        card: Some(card.kept(expiry, now)),
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

/// A member that can't be left out.
fn needed<'a>(
    fields: &Fields<'a>,
    param: &'static str,
    must: &'static str,
) -> Result<&'a Json, Refusal> {
    let missing = Refusal::ParameterMissing { param, must };
    fields.get(param).ok_or(missing)
}

fn by_wallet(method: PaymentMethod, token: &Json) -> Result<Attempt, Refusal> {
    let is_token = match token {
        Json::String(text) => !text.is_empty(),
        Json::Object(_) => true,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) => false,
    };
    let param = if method == PaymentMethod::ApplePay {
        "apple_pay_token"
    } else {
        "google_pay_token"
    };
    let attempt = is_token.then(|| without_card(method, Verdict::Approved(None)));
    attempt.ok_or_else(|| Refusal::invalid(param, WALLET))
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

fn test_card(token: &Json) -> Result<&'static TestCard, Refusal> {
    let card = word(token, TestCard::by_token);
    card.ok_or_else(|| Refusal::invalid("token_id", TOKEN))
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
