//! What a client may ask for in a payment session, every member checked (contract, section 5).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::fields::Fields;
use crate::domain::json::Json;
use crate::domain::money::{Currency, Money};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::words::words;
use crate::policy;

words!(
    /// When the money is taken.
    CaptureMethod {
        /// With the confirmation.
        Automatic = "automatic",
        /// By a later capture.
        Manual = "manual",
    }
);
words!(
    /// How a buyer may pay.
    PaymentMethod {
        /// A card.
        Card = "card",
        /// Apple Pay.
        ApplePay = "apple_pay",
        /// Google Pay.
        GooglePay = "google_pay",
        /// A bank account.
        BankAccount = "bank_account",
        /// PayPal.
        Paypal = "paypal",
    }
);

/// A group of optional strings, each with its greatest length.
macro_rules! texts {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $longest:expr),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name { $($(#[$fdoc])* pub $field: Option<String>),+ }

        impl $name {
            fn read(fields: &Fields<'_>) -> Result<Self, Refusal> {
                Ok(Self { $($field: fields.text(stringify!($field), $longest)?),+ })
            }

            /// The members that were given.
            pub fn given(&self) -> BTreeMap<&'static str, &str> {
                [$((stringify!($field), self.$field.as_deref())),+]
                    .into_iter()
                    .filter_map(|(name, text)| Some((name, text?)))
                    .collect()
            }
        }
    };
}

texts!(
    /// The buyer.
    Customer {
        /// E-mail address.
        email: policy::EMAIL_MAX,
        /// Name.
        name: policy::TEXT_MAX,
        /// Telephone number, in any form.
        phone: policy::REFERENCE_MAX,
    }
);
texts!(
    /// A postal address.
    Address {
        /// Street and number.
        street: policy::TEXT_MAX,
        /// City.
        city: policy::TEXT_MAX,
        /// State or province.
        state: policy::TEXT_MAX,
        /// Postal code.
        postal_code: policy::REFERENCE_MAX,
        /// Country.
        country: policy::REFERENCE_MAX,
        /// Who receives.
        recipient_name: policy::TEXT_MAX,
    }
);
texts!(
    /// The buyer's browser.
    Browser {
        /// Its address.
        ip_address: policy::REFERENCE_MAX,
        /// Its `User-Agent`.
        user_agent: policy::URL_MAX,
    }
);

/// Where to tell of the outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackUrls {
    /// When the payment was approved.
    pub approved: Option<String>,
    /// When it was declined.
    pub declined: Option<String>,
    /// When the buyer gave up.
    pub cancelled: Option<String>,
}

impl CallbackUrls {
    fn read(fields: &Fields<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            approved: fields.url("approved")?,
            declined: fields.url("declined")?,
            cancelled: fields.url("cancelled")?,
        })
    }

    /// The members that were given.
    pub fn given(&self) -> BTreeMap<&'static str, &str> {
        [
            ("approved", &self.approved),
            ("declined", &self.declined),
            ("cancelled", &self.cancelled),
        ]
        .into_iter()
        .filter_map(|(name, url)| Some((name, url.as_deref()?)))
        .collect()
    }
}

/// A session as a client asks for it, every member checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSession {
    /// How much.
    pub money: Money,
    /// When the money is taken.
    pub capture_method: CaptureMethod,
    /// How the buyer may pay; at least one, none twice.
    pub payment_method_types: Vec<PaymentMethod>,
    /// The merchant's id of the order. Not an idempotency key: two sessions may share it.
    pub external_id: Option<String>,
    /// The merchant's reference.
    pub merchant_reference: Option<String>,
    /// The buyer.
    pub customer: Option<Customer>,
    /// Where the bill goes.
    pub billing_address: Option<Address>,
    /// Where the goods go.
    pub shipping_address: Option<Address>,
    /// The buyer's browser.
    pub browser: Option<Browser>,
    /// What the statement says.
    pub statement_descriptor: Option<String>,
    /// What is bought.
    pub description: Option<String>,
    /// Where the buyer goes after paying.
    pub success_url: Option<String>,
    /// Where the buyer goes after giving up.
    pub cancel_url: Option<String>,
    /// Where to tell of the outcome.
    pub callback_urls: Option<CallbackUrls>,
    /// The merchant's own names and values.
    pub metadata: BTreeMap<String, String>,
    /// It can be paid below this time.
    pub expires_at: Timestamp,
}

impl NewSession {
    /// Reads and checks a body. Unknown members are ignored, as the service does.
    ///
    /// # Errors
    /// [`Refusal`] that names the first wrong member.
    pub fn parse(body: &Json, now: Timestamp) -> Result<Self, Refusal> {
        let fields = Fields::of_body(body)?;
        Ok(Self {
            money: Money {
                amount: amount(&fields)?,
                currency: currency(&fields)?,
            },
            capture_method: capture_method(&fields)?,
            payment_method_types: payment_method_types(&fields)?,
            external_id: fields.text("external_id", policy::REFERENCE_MAX)?,
            merchant_reference: fields.text("merchant_reference", policy::REFERENCE_MAX)?,
            customer: customer(&fields)?,
            billing_address: address(&fields, "billing_address")?,
            shipping_address: address(&fields, "shipping_address")?,
            browser: fields
                .object("browser")?
                .map(|f| Browser::read(&f))
                .transpose()?,
            statement_descriptor: fields.text("statement_descriptor", policy::DESCRIPTOR_MAX)?,
            description: fields.text("description", policy::TEXT_MAX)?,
            success_url: fields.url("success_url")?,
            cancel_url: fields.url("cancel_url")?,
            callback_urls: fields
                .object("callback_urls")?
                .map(|f| CallbackUrls::read(&f))
                .transpose()?,
            metadata: fields.metadata("metadata")?,
            expires_at: expires_at(&fields, now)?,
        })
    }
}

/// The member `amount`.
///
/// # Errors
/// [`Refusal::ParameterInvalid`]
pub fn amount(fields: &Fields<'_>) -> Result<u32, Refusal> {
    match fields.get("amount").and_then(integer) {
        Some(amount @ 1..=policy::AMOUNT_MAX) => Ok(amount),
        _ => Err(fields.invalid(
            "amount",
            format!(
                "must be an integer in minor units from 1 to {}, as 4990 for 49.90 USD.",
                policy::AMOUNT_MAX
            ),
        )),
    }
}

/// An integer as it was written: no fraction, no exponent, no string.
pub fn integer(value: &Json) -> Option<u32> {
    match value {
        Json::Number(text) => text.parse().ok(),
        Json::Null | Json::Bool(_) | Json::String(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

pub(super) fn currency(fields: &Fields<'_>) -> Result<Currency, Refusal> {
    const MUST: &str = "must be an ISO 4217 code, as USD.";
    let missing = || Refusal::ParameterMissing {
        param: "currency",
        must: MUST,
    };
    match fields.get("currency") {
        None => Err(missing()),
        Some(Json::String(code)) if code.is_empty() => Err(missing()),
        Some(Json::String(code)) => {
            Currency::parse(code).ok_or_else(|| fields.invalid("currency", MUST))
        }
        Some(_) => Err(fields.invalid("currency", MUST)),
    }
}

/// A word of a closed list.
pub fn word<T>(value: &Json, parse: fn(&str) -> Option<T>) -> Option<T> {
    match value {
        Json::String(text) => parse(text),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

pub(super) fn address(fields: &Fields<'_>, name: &'static str) -> Result<Option<Address>, Refusal> {
    fields
        .object(name)?
        .map(|members| Address::read(&members))
        .transpose()
}

fn capture_method(fields: &Fields<'_>) -> Result<CaptureMethod, Refusal> {
    let Some(value) = fields.get("capture_method") else {
        return Ok(CaptureMethod::Automatic);
    };
    word(value, CaptureMethod::parse).ok_or_else(|| {
        fields.invalid(
            "capture_method",
            format!("must be one of {}.", CaptureMethod::WORDS.join(", ")),
        )
    })
}

fn payment_method_types(fields: &Fields<'_>) -> Result<Vec<PaymentMethod>, Refusal> {
    let Some(value) = fields.get("payment_method_types") else {
        return Ok(vec![PaymentMethod::Card]);
    };
    let read = || {
        let Json::Array(items) = value else {
            return None;
        };
        let methods: Option<Vec<PaymentMethod>> = items
            .iter()
            .map(|item| word(item, PaymentMethod::parse))
            .collect();
        methods.filter(|list| {
            !list.is_empty()
                && list
                    .iter()
                    .enumerate()
                    .all(|(at, m)| !list[..at].contains(m))
        })
    };
    read().ok_or_else(|| {
        let words = PaymentMethod::WORDS.join(", ");
        fields.invalid(
            "payment_method_types",
            format!("must be an array of one or more of {words}, none twice."),
        )
    })
}

pub(super) fn customer(fields: &Fields<'_>) -> Result<Option<Customer>, Refusal> {
    let Some(members) = fields.object("customer")? else {
        return Ok(None);
    };
    let customer = Customer::read(&members)?;
    let has_form = |email: &str| {
        email
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
            && !email.chars().any(|c| c.is_whitespace() || c.is_control())
    };
    if customer.email.as_deref().is_none_or(has_form) {
        Ok(Some(customer))
    } else {
        Err(members.invalid("email", "must be an e-mail address, as ada@example.com."))
    }
}

fn expires_at(fields: &Fields<'_>, now: Timestamp) -> Result<Timestamp, Refusal> {
    let latest = now.plus(policy::SESSION_LIFETIME_MAX);
    let asked = match fields.get("expires") {
        None => return Ok(now.plus(policy::SESSION_LIFETIME)),
        Some(Json::String(text)) => Timestamp::parse(text),
        Some(value) => {
            integer(value).map(|seconds| now.plus(Duration::from_secs(u64::from(seconds))))
        }
    };
    asked.filter(|at| *at > now && *at <= latest).ok_or_else(|| {
        fields.invalid("expires", "must be seconds from now or an ISO 8601 time with an offset, at most 30 days ahead.")
    })
}
