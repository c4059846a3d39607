//! One payment session, with everything it has.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::layout::{Frame, Page, Section, page};
use super::sessions::status_name;
use super::{money, parts};
use crate::domain::masking::masked;
use crate::domain::money::Money;
use crate::domain::new_session::{NewSession, PaymentMethod};
use crate::domain::payment::{Payment, Refund};
use crate::domain::session::Session;
use crate::domain::time::Timestamp;

/// A session at a point in time.
pub(in crate::http) struct SessionPage<'a> {
    /// The session, as it stands.
    pub(in crate::http) session: &'a Session,
    /// What of its payment was given back.
    pub(in crate::http) refunds: &'a [Refund],
    /// The time of the request.
    pub(in crate::http) now: Timestamp,
}

/// The page of a session.
pub(in crate::http) fn session_page(frame: &Frame, view: &SessionPage<'_>) -> Markup {
    let session = view.session;
    let asked = &session.asked;
    page(
        frame,
        &Page {
            section: Some(Section::Sessions),
            title: &money::written(asked.money),
            purpose: html! { "See everything this payment session has, as your server asked for it." },
            mode: Some(session.mode),
            actions: html! {},
            body: html! {
                (parts::facts(&own_facts(session, view.now)))
                @if let Some(payment) = &session.payment { (paid(session, payment, view.refunds)) }
                div.sides {
                    (asked_for(asked))
                    (group("Buyer", asked.customer.as_ref().map(|group| group.given())))
                    (group("Billing address", asked.billing_address.as_ref().map(|group| group.given())))
                    (group("Shipping address", asked.shipping_address.as_ref().map(|group| group.given())))
                    (group("Browser", asked.browser.as_ref().map(|group| group.given())))
                    (group("Callback URLs", asked.callback_urls.as_ref().map(|group| group.given())))
                }
                (metadata(&asked.metadata))
            },
        },
    )
}

fn own_facts(session: &Session, now: Timestamp) -> Vec<(&'static str, Markup)> {
    vec![
        (
            "Status",
            html! { (status_name(session.status)) " " code { (session.status.as_str()) } },
        ),
        ("Amount", html! { (money::written(session.asked.money)) }),
        ("Account", html! { (session.account.as_str()) }),
        ("Created", parts::time_and_distance(session.created_at, now)),
        (
            "Can be paid until",
            parts::time_and_distance(session.asked.expires_at, now),
        ),
        (
            "Canceled",
            html! {
                @match session.cancellation {
                    Some(canceled) => {
                        (parts::time_and_distance(canceled.at, now)) " " code { (canceled.reason.as_str()) }
                    }
                    None => { "no" }
                }
            },
        ),
        ("Id", html! { code { (session.id) } }),
        ("Client secret", html! { code { "cs_..." } }),
    ]
}

/// What came of it.
fn paid(session: &Session, payment: &Payment, refunds: &[Refund]) -> Markup {
    let sum = |amount| {
        let currency = session.asked.money.currency;
        money::written(Money { amount, currency })
    };
    let card = payment.card.as_ref().map(|card| {
        let (brand, last4) = (card.brand.as_str(), card.last4.as_str());
        format!(
            "{brand} ...{last4}, until {}/{}",
            card.exp_month, card.exp_year
        )
    });
    let facts = [
        ("Status", html! { code { (payment.status.as_str()) } }),
        (
            "Paid by",
            html! { (card.unwrap_or_else(|| payment.method.as_str().to_owned())) },
        ),
        ("Captured", html! { (sum(payment.captured)) }),
        ("Refunded", html! { (sum(payment.refunded)) }),
        ("Processor", html! { (payment.processor.as_str()) }),
        (
            "Decline",
            html! { @if let Some(code) = payment.failure { code { (code.as_str()) } } @else { "none" } },
        ),
        ("Id", html! { code { (session.payment_id()) } }),
    ];
    html! {
        section {
            h2 { "Payment" }
            (parts::facts(&facts))
            @if !refunds.is_empty() { (refund_table(refunds, &sum)) }
        }
    }
}

fn refund_table(refunds: &[Refund], sum: &dyn Fn(u32) -> String) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Refunds" {
            table {
                thead { tr { th scope="col" { "Refund" } th scope="col" { "Amount" } th scope="col" { "When" } th scope="col" { "Reason" } } }
                tbody {
                    @for refund in refunds {
                        tr {
                            td { code { (refund.id) } }
                            td { (sum(refund.amount)) }
                            td { (refund.created_at.spelled()) }
                            td { (masked(refund.reason.as_deref().unwrap_or_default())) }
                        }
                    }
                }
            }
        }
    }
}

fn asked_for(asked: &NewSession) -> Markup {
    let methods: Vec<&str> = asked
        .payment_method_types
        .iter()
        .map(|method| PaymentMethod::as_str(*method))
        .collect();
    let methods = methods.join(", ");
    let given = [
        ("capture_method", Some(asked.capture_method.as_str())),
        ("payment_method_types", Some(methods.as_str())),
        ("external_id", asked.external_id.as_deref()),
        ("merchant_reference", asked.merchant_reference.as_deref()),
        ("description", asked.description.as_deref()),
        (
            "statement_descriptor",
            asked.statement_descriptor.as_deref(),
        ),
        ("success_url", asked.success_url.as_deref()),
        ("cancel_url", asked.cancel_url.as_deref()),
    ];
    let given = given
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    group("Asked for", Some(given.collect()))
}

/// The members of a part of the session, under a heading.
fn group(title: &str, given: Option<BTreeMap<&str, &str>>) -> Markup {
    html! {
        @if let Some(given) = given.filter(|given| !given.is_empty()) {
            section { h2 { (title) } (parts::pairs(title, ["Field", "Value"], given)) }
        }
    }
}

fn metadata(metadata: &BTreeMap<String, String>) -> Markup {
    let pairs = metadata.iter().map(|(name, value)| (name.as_str(), value));
    html! {
        section {
            h2 { "Metadata" }
            @if metadata.is_empty() {
                p.quiet { "None. Send metadata to find your own names and values here." }
            } @else {
                (parts::pairs("Metadata", ["Name", "Value"], pairs))
            }
        }
    }
}
