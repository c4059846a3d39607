//! What a client may change of a session that nobody has paid (`PATCH sessions/{id}`): members that are there and not
//! `null`; metadata and the customer are merged name by name.

use std::collections::BTreeMap;

use crate::domain::fields::Fields;
use crate::domain::json::Json;
use crate::domain::money::Currency;
use crate::domain::new_session::{self, Address, Customer, NewSession};
use crate::domain::refusal::Refusal;
use crate::policy;

/// A change, every member checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionChange {
    amount: Option<u32>,
    currency: Option<Currency>,
    description: Option<String>,
    statement_descriptor: Option<String>,
    customer: Option<Customer>,
    billing_address: Option<Address>,
    shipping_address: Option<Address>,
    /// None takes the name out.
    metadata: BTreeMap<String, Option<String>>,
}

impl SessionChange {
    /// Reads and checks a body. Unknown members are ignored, as in a new session.
    ///
    /// # Errors
    /// [`Refusal`] that names the first wrong member.
    pub fn parse(body: &Json) -> Result<Self, Refusal> {
        let fields = Fields::of_body(body)?;
        let given = |name| fields.get(name).is_some();
        Ok(Self {
            amount: given("amount")
                .then(|| new_session::amount(&fields))
                .transpose()?,
            currency: given("currency")
                .then(|| new_session::currency(&fields))
                .transpose()?,
            description: fields.text("description", policy::TEXT_MAX)?,
            statement_descriptor: fields.text("statement_descriptor", policy::DESCRIPTOR_MAX)?,
            customer: new_session::customer(&fields)?,
            billing_address: new_session::address(&fields, "billing_address")?,
            shipping_address: new_session::address(&fields, "shipping_address")?,
            metadata: fields.metadata_change("metadata")?,
        })
    }

    /// What was asked for, with this change.
    ///
    /// # Errors
    /// [`Refusal::ParameterInvalid`] when there is too much metadata then.
    pub fn applied_to(self, asked: NewSession) -> Result<NewSession, Refusal> {
        let mut metadata = asked.metadata;
        for (name, value) in self.metadata {
            match value {
                Some(value) => drop(metadata.insert(name, value)),
                None => drop(metadata.remove(&name)),
            }
        }
        if metadata.len() > policy::METADATA_MAX {
            let must = format!("must leave at most {} members.", policy::METADATA_MAX);
            return Err(Refusal::invalid("metadata", must));
        }
        let mut money = asked.money;
        money.amount = self.amount.unwrap_or(money.amount);
        money.currency = self.currency.unwrap_or(money.currency);
        let customer = match (asked.customer, self.customer) {
            (Some(old), Some(new)) => Some(Customer {
                email: new.email.or(old.email),
                name: new.name.or(old.name),
                phone: new.phone.or(old.phone),
            }),
            (old, new) => new.or(old),
        };
        Ok(NewSession {
            money,
            customer,
            metadata,
            description: self.description.or(asked.description),
            statement_descriptor: self.statement_descriptor.or(asked.statement_descriptor),
            billing_address: self.billing_address.or(asked.billing_address),
            shipping_address: self.shipping_address.or(asked.shipping_address),
            ..asked
        })
    }
}
