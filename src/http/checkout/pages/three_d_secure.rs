//! The step away from the shop: the buyer's bank, or PayPal, asks whether it is them. In test mode the buyer says how it
//! ends.

use maud::{Markup, html};

use super::frame::{Means, Order, Width, facts, test_page};

/// A payment that waits for the buyer's word.
pub(in crate::http) struct Step<'a> {
    /// What is to be paid.
    pub(in crate::http) order: Order<'a>,
    /// Whose word is asked for: the bank of a card, or PayPal.
    pub(in crate::http) means: Means<'a>,
    /// Whether an answer came that was neither yes nor no.
    pub(in crate::http) is_unclear: bool,
}

struct Words {
    title: &'static str,
    lead: &'static str,
    yes: &'static str,
    no: &'static str,
}

const BANK: Words = Words {
    title: "Your bank wants to know that it is you",
    lead: "A real bank would send a code to your phone now. In test mode you choose how the check ends.",
    yes: "Confirm that it is me",
    no: "Fail the check",
};
const PAYPAL: Words = Words {
    title: "Approve the payment with PayPal",
    lead: "PayPal would ask you to log in now. In test mode you choose how it ends.",
    yes: "Approve",
    no: "Don't approve",
};

/// The page of the step.
pub(in crate::http) fn three_d_secure_page(view: &Step<'_>) -> Markup {
    let words = match view.means {
        Means::Card { .. } | Means::Wallet { .. } => BANK,
        Means::Paypal => PAYPAL,
    };
    let body = html! {
        h1 { (words.title) }
        p { (words.lead) }
        @if view.is_unclear { p.notice role="alert" { "Choose one of the two answers." } }
        (facts(&view.order, Some(view.means), &[]))
        form.answers method="post" {
            button.main name="result" value="authenticated" { (words.yes) }
            button name="result" value="failed" { (words.no) }
        }
    };
    test_page(words.title, Width::Narrow, &body)
}
