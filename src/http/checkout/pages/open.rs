//! The open page: what is to be paid, and every way to pay it.

use maud::{Markup, html};

use super::frame::{Order, Width, amount, test_page};
use crate::domain::money::Money;
use crate::domain::time::Timestamp;
use crate::http::checkout::form::Entry;
use crate::http::money;

/// A session that waits for its buyer.
pub(in crate::http) struct OpenPage<'a> {
    /// What is to be paid.
    pub(in crate::http) order: Order<'a>,
    /// The test cards by what they are for; none where the session takes no card.
    pub(in crate::http) cards: Option<&'a [CardGroup<'a>]>,
    /// Whether the session takes PayPal.
    pub(in crate::http) has_paypal: bool,
    /// Until when it can be paid.
    pub(in crate::http) expires_at: Timestamp,
    /// The card form as it was sent before, with what was wrong; by default nothing yet.
    pub(in crate::http) entry: Entry,
}

/// Test cards that are for the same.
pub(in crate::http) struct CardGroup<'a> {
    /// What they are for: `Declined`.
    pub(in crate::http) title: &'a str,
    /// The cards.
    pub(in crate::http) cards: Vec<TestCard<'a>>,
}

/// A card that pays by a click.
pub(in crate::http) struct TestCard<'a> {
    /// All its digits. It is published, so nobody's.
    pub(in crate::http) number: &'a str,
    /// As people write it: `Visa`, `Visa debit`.
    pub(in crate::http) brand: &'a str,
    /// What happens, as the end of a sentence about it: `succeeds`, `insufficient funds`.
    pub(in crate::http) outcome: &'a str,
}

/// The page of a session that can be paid.
pub(in crate::http) fn open_page(view: &OpenPage<'_>) -> Markup {
    let amount_in_words = money::written(view.order.money);
    let title = if is_wrong(&view.entry) {
        format!("Error: pay {amount_in_words}")
    } else {
        format!("Pay {amount_in_words}")
    };
    let body = html! {
        div.pay {
            h1 { span.quiet { "To pay" } " " (amount(view.order.money)) }
            @if let Some(text) = view.order.description { p.description { (text) } }
            @if let Some(problem) = view.entry.problem { p.notice role="alert" { (problem) } }
            @if view.cards.is_some() { (card_form(&view.entry, view.order.money, &amount_in_words)) }
            (other_ways(view))
            p.quiet { "You can pay here until " time datetime=(view.expires_at.rfc3339()) {
                (view.expires_at.spelled())
            } "." }
        }
        @if let Some(groups) = view.cards { (test_cards(groups, view.order.money)) }
    };
    test_page(&title, Width::Wide, &body)
}

fn is_wrong(entry: &Entry) -> bool {
    entry.problem.is_some() || has_wrong_field(entry)
}

fn has_wrong_field(entry: &Entry) -> bool {
    let errors = [
        entry.number,
        entry.exp_month.error,
        entry.exp_year.error,
        entry.cvc,
    ];
    errors.iter().any(Option::is_some)
}

fn other_ways(view: &OpenPage<'_>) -> Markup {
    let has_card = view.cards.is_some();
    html! {
        @if !has_card && !view.has_paypal {
            p.notice { "None of the ways to pay that the shop takes works on this page." }
        }
        form method="post" {
            (agreed(view.order.money))
            @if view.has_paypal {
                @if has_card { p.or { "or" } }
                button.paypal name="do" value="paypal" { "Pay with PayPal" }
            }
            button.plain name="do" value="cancel" { "Cancel" }
        }
    }
}

/// A field of the card form.
struct Field<'a> {
    name: &'static str,
    label: &'static str,
    hint: Option<&'static str>,
    autocomplete: &'static str,
    longest: u8,
    value: &'a str,
    error: Option<&'static str>,
}

/// The fields, the number first, which has a row of its own. Number and code are never put back.
fn fields(entry: &Entry) -> [Field<'_>; 4] {
    let field = |name, label, autocomplete, longest| Field {
        name,
        label,
        hint: None,
        autocomplete,
        longest,
        value: "",
        error: None,
    };
    [
        Field {
            error: entry.number,
            ..field("number", "Card number", "cc-number", 40)
        },
        Field {
            hint: Some("MM"),
            value: &entry.exp_month.value,
            error: entry.exp_month.error,
            ..field("exp_month", "Month", "cc-exp-month", 2)
        },
        Field {
            hint: Some("YYYY"),
            value: &entry.exp_year.value,
            error: entry.exp_year.error,
            ..field("exp_year", "Year", "cc-exp-year", 4)
        },
        Field {
            error: entry.cvc,
            ..field("cvc", "Security code", "cc-csc", 4)
        },
    ]
}

/// What the buyer agrees to pay by sending the form: this sum, and no other that it may have become.
fn agreed(money: Money) -> Markup {
    html! {
        input type="hidden" name="amount" value=(money.amount);
        input type="hidden" name="currency" value=(money.currency.code());
    }
}

fn card_form(entry: &Entry, money: Money, amount: &str) -> Markup {
    let fields = fields(entry);
    let wrong = fields.iter().position(|field| field.error.is_some());
    let (number, row) = (&fields[0], &fields[1..]);
    html! {
        form.card method="post" novalidate aria-labelledby="card-title" {
            (agreed(money))
            h2 #card-title { "Card" }
            @if wrong.is_some() { p.notice role="alert" { "The card could not be read. Look at the marked fields." } }
            div.field { (input(number, wrong == Some(0))) }
            @if let Some(error) = number.error { (error_of(number.name, error)) }
            div.row {
                @for (at, field) in row.iter().enumerate() {
                    div.field { (input(field, wrong == Some(at + 1))) }
                }
            }
            @for field in row { @if let Some(error) = field.error { (error_of(field.name, error)) } }
            button.main { "Pay " (amount) }
        }
    }
}

fn input(field: &Field<'_>, is_first_wrong: bool) -> Markup {
    let Field {
        name,
        label,
        hint,
        autocomplete,
        longest,
        value,
        error,
    } = field;
    html! {
        label for=(name) { (label) @if let Some(hint) = hint { " " span.quiet { (hint) } } }
        input type="text" id=(name) name=(name) value=(value) inputmode="numeric"
            autocomplete=(autocomplete) maxlength=(longest) required
            autofocus[is_first_wrong]
            aria-invalid=[error.map(|_| "true")]
            aria-describedby=[error.map(|_| format!("{name}-error"))];
    }
}

fn error_of(name: &str, error: &str) -> Markup {
    html! { p.error id={ (name) "-error" } { (error) } }
}

fn test_cards(groups: &[CardGroup<'_>], money: Money) -> Markup {
    html! {
        form.tests method="post" {
            (agreed(money))
            fieldset {
                legend { h2 { "Test cards" } }
                p.quiet { "Each pays at once, without the form, and ends as its label says." }
                @for group in groups {
                    h3 { (group.title) }
                    ul { @for card in &group.cards { li { (test_card(card)) } } }
                }
            }
        }
    }
}

fn test_card(card: &TestCard<'_>) -> Markup {
    let start = card.number.len().saturating_sub(4);
    let last4 = card.number.get(start..).unwrap_or_default();
    html! {
        button name="card" value=(card.number) { b { (card.brand) " " (last4) } ": " (card.outcome) }
    }
}
