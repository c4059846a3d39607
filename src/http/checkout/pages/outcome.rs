//! What became of a session that is no longer open.

use maud::{Markup, html};

use super::frame::{Means, Order, Width, facts, test_page};
use crate::domain::time::Timestamp;

/// A session that is over for its buyer.
pub(in crate::http) struct OutcomePage<'a> {
    /// What was to be paid.
    pub(in crate::http) order: Order<'a>,
    /// What it was tried with, if anything.
    pub(in crate::http) means: Option<Means<'a>>,
    /// What became of it.
    pub(in crate::http) outcome: Outcome<'a>,
    /// Where the shop waits: its success or cancel URL.
    pub(in crate::http) way_back: Option<&'a str>,
}

/// What became of a session.
#[derive(Clone, Copy)]
pub(in crate::http) enum Outcome<'a> {
    /// The money was taken.
    Paid,
    /// The money is held, and taken later.
    Authorized,
    /// The payment failed.
    Declined {
        /// The API's word for the reason.
        decline_code: &'a str,
    },
    /// The buyer or the shop called it off.
    Cancelled,
    /// Nobody paid in time.
    Expired {
        /// When the time was up.
        at: Timestamp,
    },
}

/// Title, class and drawing of an outcome.
struct Look {
    title: &'static str,
    class: &'static str,
    drawing: &'static str,
}

/// The page of a session that is over.
pub(in crate::http) fn outcome_page(view: &OutcomePage<'_>) -> Markup {
    let look = look(view.outcome);
    let body = html! {
        (sign(&look))
        h1 { (look.title) }
        p { (sentence(view)) }
        (facts(&view.order, view.means, &details(view.outcome)))
        @match view.way_back {
            Some(url) => a.button.main href=(url) { "Back to the shop" },
            None => p.quiet { "You can close this page." },
        }
    };
    test_page(look.title, Width::Narrow, &body)
}

const CHECK: &str = "M9.5 16.5l4.5 4.5 8.5-9.5";
const CLOCK: &str = "M16 9v7.5l5 3";
const CROSS: &str = "M11 11l10 10M21 11L11 21";
const DASH: &str = "M10 16h12";

const fn look(outcome: Outcome<'_>) -> Look {
    let (title, class, drawing) = match outcome {
        Outcome::Paid => ("Paid", "good", CHECK),
        Outcome::Authorized => ("Payment authorized", "good", CLOCK),
        Outcome::Declined { .. } => ("Payment declined", "bad", CROSS),
        Outcome::Cancelled => ("Payment cancelled", "even", DASH),
        Outcome::Expired { .. } => ("This page has expired", "even", CLOCK),
    };
    Look {
        title,
        class,
        drawing,
    }
}

fn sign(look: &Look) -> Markup {
    html! {
        svg.sign.(look.class) viewBox="0 0 32 32" width="48" height="48" aria-hidden="true" {
            circle cx="16" cy="16" r="15" {}
            path d=(look.drawing) {}
        }
    }
}

fn details(outcome: Outcome<'_>) -> Vec<(&'static str, Markup)> {
    match outcome {
        Outcome::Declined { decline_code } => {
            vec![("Decline code", html! { code { (decline_code) } })]
        }
        Outcome::Paid | Outcome::Authorized | Outcome::Cancelled | Outcome::Expired { .. } => {
            Vec::new()
        }
    }
}

fn sentence(view: &OutcomePage<'_>) -> Markup {
    match view.outcome {
        Outcome::Paid => html! { "Thank you. The shop has been told." },
        Outcome::Authorized => html! {
            "Thank you. The amount is held for the shop, which takes it later, for example when it ships."
        },
        Outcome::Declined { decline_code } => html! {
            (because(decline_code, view.means)) " Nothing was charged."
        },
        Outcome::Cancelled => html! { "Nothing was charged." },
        Outcome::Expired { at } => html! {
            "The time to pay was up on " time datetime=(at.rfc3339()) { (at.spelled()) }
            ". Nothing was charged. Ask the shop for a new page."
        },
    }
}

/// The reason of a decline, for the buyer. Every code of the API's list has its own sentence.
fn because(decline_code: &str, means: Option<Means<'_>>) -> &'static str {
    match decline_code {
        "insufficient_funds" => "There is not enough money on the card's account.",
        "lost_card" => "The bank has this card listed as lost.",
        "stolen_card" => "The bank has this card listed as stolen.",
        "pickup_card" => "The bank no longer allows this card to be used.",
        "expired_card" => "The card has expired.",
        "invalid_number" => "There is no card with this number.",
        "invalid_cvc" => "The security code is not that of the card.",
        "invalid_expiry_month" => "The expiry date is not that of the card.",
        "processing_error" => "The payment could not be processed. It may work another time.",
        "fraudulent" => "The payment was stopped because it looked like fraud.",
        "card_velocity_exceeded" => "The card was used too often in a short time.",
        "amount_too_large" => "The amount is more than can be paid with this card.",
        "amount_too_small" => "The amount is less than can be paid with this card.",
        "do_not_honor" => "The bank said no and gave no reason. It may tell you if you call.",
        "authentication_failed" => match means {
            Some(Means::Paypal) => "The payment was not approved with PayPal.",
            Some(Means::Card { .. } | Means::Wallet { .. }) | None => {
                "The bank could not make sure that it was you."
            }
        },
        _ => "The bank declined the card and gave no reason.",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_decline_of_the_test_cards_has_a_sentence_of_its_own() {
        let codes = [
            "generic_decline",
            "insufficient_funds",
            "lost_card",
            "stolen_card",
            "expired_card",
            "invalid_cvc",
            "processing_error",
            "invalid_number",
            "authentication_failed",
            "fraudulent",
        ];
        let sentences: BTreeSet<_> = codes.iter().map(|code| because(code, None)).collect();
        assert_eq!(sentences.len(), codes.len());
        let by_paypal = because("authentication_failed", Some(Means::Paypal));
        assert!(by_paypal.contains("PayPal"));
    }

    #[test]
    fn a_code_of_tomorrow_is_a_plain_decline() {
        assert_eq!(
            because("moon_phase", None),
            because("generic_decline", None)
        );
    }
}
