//! The frame of every page, and what is told of an order on all of them.

use maud::{DOCTYPE, Markup, html};

use crate::domain::money::Money;
use crate::http::money;

/// What is to be paid.
#[derive(Clone, Copy)]
pub(in crate::http) struct Order<'a> {
    /// How much.
    pub(in crate::http) money: Money,
    /// What for, in the merchant's words.
    pub(in crate::http) description: Option<&'a str>,
}

/// What it is paid with.
#[derive(Clone, Copy)]
pub(in crate::http) enum Means<'a> {
    /// A card.
    Card {
        /// As people write it: `Visa`.
        brand: &'a str,
        /// The last four digits of its number.
        last4: &'a str,
    },
    /// PayPal.
    Paypal,
    /// Another wallet.
    Wallet {
        /// As people write it: `Apple Pay`.
        name: &'a str,
    },
}

/// A page with the mark of test mode above it.
pub(super) fn test_page(title: &str, width: Width, body: &Markup) -> Markup {
    let body = html! {
        header.ribbon { p { strong { "Test mode:" } " no money moves" } }
        main.(width.class()) #main { (body) }
    };
    document(title, &body)
}

/// A page about no session.
pub(super) fn bare_page(title: &str, body: &Markup) -> Markup {
    document(title, &html! { main.narrow #main { (body) } })
}

/// How much room a page takes.
#[derive(Clone, Copy)]
pub(super) enum Width {
    /// One column.
    Narrow,
    /// Two, where there is room.
    Wide,
}

impl Width {
    const fn class(self) -> &'static str {
        match self {
            Self::Narrow => "narrow",
            Self::Wide => "wide",
        }
    }
}

fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) }
                link rel="icon" href="/pay/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/pay/assets/checkout.css";
            }
            body { (body) }
        }
    }
}

/// Characters of an amount that fit on a phone in the largest size.
const LARGE_MAX: usize = 9;

/// The amount, with its currency's code smaller beside it.
pub(super) fn amount(money: Money) -> Markup {
    let text = money::signed(money);
    let is_long = text.chars().count() > LARGE_MAX;
    html! { span.amount.long[is_long] { (text) " " small { (money.currency.code()) } } }
}

/// What is known of a payment, as names and values.
pub(super) fn facts<'a>(
    order: &Order<'a>,
    means: Option<Means<'a>>,
    more: &[(&str, Markup)],
) -> Markup {
    html! {
        dl.facts {
            div { dt { "Amount" } dd { (money::written(order.money)) } }
            @if let Some(text) = order.description { div { dt { "For" } dd { (text) } } }
            @if let Some(means) = means { div { dt { "Method" } dd { (means_in_words(means)) } } }
            @for (name, value) in more { div { dt { (name) } dd { (value) } } }
        }
    }
}

/// `Visa ending in 4242`, `PayPal`.
pub(super) fn means_in_words(means: Means<'_>) -> String {
    match means {
        Means::Card { brand, last4 } => format!("{brand} ending in {last4}"),
        Means::Paypal => "PayPal".to_owned(),
        Means::Wallet { name } => name.to_owned(),
    }
}
