//! The test cards as they are documented, and what becomes of a payment with each.

/// What becomes of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Pays,
    Declined(&'static str),
    /// The buyer's bank asks; only if it pays, an authenticated buyer gets through.
    Asks {
        pays: bool,
    },
    /// The bank asks nobody, and says how that went.
    Frictionless,
}

pub struct Card {
    pub number: &'static str,
    pub brand: &'static str,
    pub category: &'static str,
    pub end: End,
    pub token: Option<&'static str>,
}

impl Card {
    /// The token that any test card has.
    pub fn test_token(&self) -> String {
        format!("tok_test_{}", self.number)
    }

    pub fn last4(&self) -> &str {
        &self.number[self.number.len() - 4..]
    }
}

const fn card(
    number: &'static str,
    brand: &'static str,
    category: &'static str,
    end: End,
    token: Option<&'static str>,
) -> Card {
    Card {
        number,
        brand,
        category,
        end,
        token,
    }
}

const fn paying(number: &'static str, brand: &'static str, token: Option<&'static str>) -> Card {
    card(number, brand, "success", End::Pays, token)
}

const fn declined(number: &'static str, code: &'static str, token: Option<&'static str>) -> Card {
    card(number, "visa", "decline", End::Declined(code), token)
}

const fn secure(number: &'static str, end: End, token: Option<&'static str>) -> Card {
    card(number, "visa", "three_d_secure", end, token)
}

pub const CARDS: &[Card] = &[
    paying("4242424242424242", "visa", Some("tok_visa")),
    paying("4000056655665556", "visa", Some("tok_visa_debit")),
    paying("5555555555554444", "mastercard", Some("tok_mastercard")),
    paying("5200828282828210", "mastercard", None),
    paying("378282246310005", "amex", Some("tok_amex")),
    paying("6011111111111117", "discover", None),
    paying("3056930009020004", "diners", None),
    paying("3566002020360505", "jcb", None),
    paying("6200000000000005", "unionpay", None),
    declined(
        "4000000000000002",
        "generic_decline",
        Some("tok_chargeDeclined"),
    ),
    declined(
        "4000000000009995",
        "insufficient_funds",
        Some("tok_chargeInsufficientFunds"),
    ),
    declined("4000000000009987", "lost_card", None),
    declined("4000000000009979", "stolen_card", None),
    declined("4000000000000069", "expired_card", None),
    declined("4000000000000127", "invalid_cvc", None),
    declined("4000000000000119", "processing_error", None),
    declined("4242424242424241", "invalid_number", None),
    secure(
        "4000000000003220",
        End::Asks { pays: true },
        Some("tok_threeDSecure2Required"),
    ),
    secure("4000000000003063", End::Asks { pays: false }, None),
    secure("4000002500003155", End::Asks { pays: false }, None),
    secure("4000008260003178", End::Asks { pays: true }, None),
    secure("4000000000003055", End::Frictionless, None),
    secure("4000002760003184", End::Frictionless, None),
    card(
        "4100000000000019",
        "visa",
        "risk",
        End::Declined("fraudulent"),
        None,
    ),
    card("4000000000004954", "visa", "risk", End::Pays, None),
    card("4000000000000259", "visa", "dispute", End::Pays, None),
    card("4000000000001976", "visa", "dispute", End::Pays, None),
];
