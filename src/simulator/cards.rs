//! The test cards, and what comes of paying with each (published by the API).

use serde::{Deserialize, Serialize};

use crate::domain::payment::{AfterAction, Authentication, Brand, Card, DeclineCode, Verdict};
use crate::domain::time::Timestamp;
use crate::domain::words::words;
use crate::policy;

words!(
    /// What a test card is for.
    Category {
        /// Paying works.
        Success = "success",
        /// Paying is declined.
        Decline = "decline",
        /// The buyer's bank has a word to say.
        ThreeDSecure = "three_d_secure",
        /// Risk is looked at.
        Risk = "risk",
        /// The buyer disputes the payment.
        Dispute = "dispute",
    }
);

/// A card that does as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestCard {
    /// All its digits.
    pub number: &'static str,
    /// Its network.
    pub brand: Brand,
    /// What it is for.
    pub category: Category,
    /// What comes of paying with it.
    pub verdict: Verdict,
    /// A token that stands for it, besides `tok_test_` and its number.
    pub token: Option<&'static str>,
    /// For people.
    pub description: &'static str,
}

const BY_NUMBER: &str = "tok_test_";
const FAILS: Verdict = Verdict::Action(AfterAction::Declined(DeclineCode::AuthenticationFailed));

const fn card(
    number: &'static str,
    brand: Brand,
    category: Category,
    verdict: Verdict,
    token: Option<&'static str>,
    description: &'static str,
) -> TestCard {
    TestCard {
        number,
        brand,
        category,
        verdict,
        token,
        description,
    }
}

const fn good(
    number: &'static str,
    brand: Brand,
    token: Option<&'static str>,
    description: &'static str,
) -> TestCard {
    card(
        number,
        brand,
        Category::Success,
        Verdict::Approved(None),
        token,
        description,
    )
}

const fn bad(
    number: &'static str,
    code: DeclineCode,
    token: Option<&'static str>,
    description: &'static str,
) -> TestCard {
    card(
        number,
        Brand::Visa,
        Category::Decline,
        Verdict::Declined(code),
        token,
        description,
    )
}

const fn asking(
    number: &'static str,
    verdict: Verdict,
    token: Option<&'static str>,
    description: &'static str,
) -> TestCard {
    card(
        number,
        Brand::Visa,
        Category::ThreeDSecure,
        verdict,
        token,
        description,
    )
}

/// Every test card.
pub const CARDS: &[TestCard] = &[
    good(
        "4242424242424242",
        Brand::Visa,
        Some("tok_visa"),
        "succeeds",
    ),
    good(
        "4000056655665556",
        Brand::Visa,
        Some("tok_visa_debit"),
        "a debit card, succeeds",
    ),
    good(
        "5555555555554444",
        Brand::Mastercard,
        Some("tok_mastercard"),
        "succeeds",
    ),
    good(
        "5200828282828210",
        Brand::Mastercard,
        None,
        "a debit card, succeeds",
    ),
    good("378282246310005", Brand::Amex, Some("tok_amex"), "succeeds"),
    good("6011111111111117", Brand::Discover, None, "succeeds"),
    good("3056930009020004", Brand::Diners, None, "succeeds"),
    good("3566002020360505", Brand::Jcb, None, "succeeds"),
    good("6200000000000005", Brand::Unionpay, None, "succeeds"),
    bad(
        "4000000000000002",
        DeclineCode::GenericDecline,
        Some("tok_chargeDeclined"),
        "is declined",
    ),
    bad(
        "4000000000009995",
        DeclineCode::InsufficientFunds,
        Some("tok_chargeInsufficientFunds"),
        "has not enough money",
    ),
    bad(
        "4000000000009987",
        DeclineCode::LostCard,
        None,
        "was reported lost",
    ),
    bad(
        "4000000000009979",
        DeclineCode::StolenCard,
        None,
        "was reported stolen",
    ),
    bad(
        "4000000000000069",
        DeclineCode::ExpiredCard,
        None,
        "has expired",
    ),
    bad(
        "4000000000000127",
        DeclineCode::InvalidCvc,
        None,
        "has another CVC",
    ),
    bad(
        "4000000000000119",
        DeclineCode::ProcessingError,
        None,
        "meets an error on the way",
    ),
    bad(
        "4242424242424241",
        DeclineCode::InvalidNumber,
        None,
        "has a number that can't be",
    ),
    asking(
        "4000000000003220",
        Verdict::Action(AfterAction::Approved),
        Some("tok_threeDSecure2Required"),
        "asks for 3D Secure and succeeds",
    ),
    asking(
        "4000000000003063",
        FAILS,
        None,
        "asks for 3D Secure and fails",
    ),
    asking(
        "4000002500003155",
        FAILS,
        None,
        "asks for 3D Secure and fails",
    ),
    asking(
        "4000008260003178",
        Verdict::Action(AfterAction::Approved),
        None,
        "challenges the buyer and succeeds",
    ),
    asking(
        "4000000000003055",
        Verdict::Approved(Some(Authentication::Attempted)),
        None,
        "could ask for 3D Secure, succeeds without",
    ),
    asking(
        "4000002760003184",
        Verdict::Approved(Some(Authentication::Frictionless)),
        None,
        "passes 3D Secure without a step",
    ),
    card(
        "4100000000000019",
        Brand::Visa,
        Category::Risk,
        Verdict::Declined(DeclineCode::Fraudulent),
        None,
        "is blocked as too risky",
    ),
    card(
        "4000000000004954",
        Brand::Visa,
        Category::Risk,
        Verdict::Approved(None),
        None,
        "has an elevated risk, succeeds",
    ),
    card(
        "4000000000000259",
        Brand::Visa,
        Category::Dispute,
        Verdict::Approved(None),
        None,
        "succeeds and is disputed",
    ),
    card(
        "4000000000001976",
        Brand::Visa,
        Category::Dispute,
        Verdict::Approved(None),
        None,
        "succeeds and is disputed as fraud",
    ),
];

impl TestCard {
    /// The card with this number, written without spaces.
    pub fn by_number(number: &str) -> Option<&'static Self> {
        CARDS.iter().find(|card| card.number == number)
    }

    /// The card that a token stands for.
    pub fn by_token(token: &str) -> Option<&'static Self> {
        match token.strip_prefix(BY_NUMBER) {
            Some(number) => Self::by_number(number),
            None => CARDS.iter().find(|card| card.token == Some(token)),
        }
    }

    /// What may be kept of it, with the expiry that the buyer gave; of a token it lies some years ahead.
    pub fn kept(&self, expiry: Option<(u8, u16)>, now: Timestamp) -> Card {
        let ahead = || (12, now.year_and_month().0 + policy::TEST_CARD_YEARS);
        let (exp_month, exp_year) = expiry.unwrap_or_else(ahead);
        let last4 = self.number[self.number.len() - 4..].to_owned();
        Card {
            brand: self.brand,
            last4,
            exp_month,
            exp_year,
        }
    }

    /// What comes of paying with it, in a word.
    pub fn outcome(&self) -> &'static str {
        match self.verdict {
            Verdict::Approved(_) => "succeeds",
            Verdict::Declined(_) => "declined",
            Verdict::Action(AfterAction::Approved) => "succeeds_after_action",
            Verdict::Action(AfterAction::Declined(_)) => "declined_after_action",
        }
    }

    /// Whether the buyer disputes a payment with it.
    pub fn is_disputed(&self) -> bool {
        self.category == Category::Dispute
    }

    /// Why paying with it fails, if it does.
    pub fn decline_code(&self) -> Option<DeclineCode> {
        match self.verdict {
            Verdict::Declined(code) | Verdict::Action(AfterAction::Declined(code)) => Some(code),
            Verdict::Approved(_) | Verdict::Action(AfterAction::Approved) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_tokens_name_one_card_each() {
        for card in CARDS {
            let by_number = TestCard::by_token(&format!("tok_test_{}", card.number));
            assert_eq!(by_number, Some(card));
            assert!(
                card.number.bytes().all(|byte| byte.is_ascii_digit()),
                "{}",
                card.number
            );
            if let Some(token) = card.token {
                assert_eq!(TestCard::by_token(token), Some(card), "{token}");
            }
        }
        for none in [
            "",
            "tok_",
            "tok_test_",
            "tok_test_4111111111111111",
            "4242424242424242",
            "tok_VISA",
        ] {
            assert_eq!(TestCard::by_token(none), None, "{none}");
        }
    }

    #[test]
    fn of_a_number_the_last_four_digits_are_kept() {
        let kept = TestCard::by_number("378282246310005")
            .expect("a card")
            .kept(Some((3, 2030)), Timestamp::default());
        assert_eq!(
            (kept.last4.as_str(), kept.exp_month, kept.exp_year),
            ("0005", 3, 2030)
        );
    }
}
