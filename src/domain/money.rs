//! Amounts and their currencies.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An ISO 4217 currency that amounts can be given in (those without a minor unit, as gold, and
/// withdrawn ones can't).
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Reads an alphabetic code in any case.
    pub fn parse(code: &str) -> Option<Self> {
        let known = iso_currency::Currency::from_code(&code.to_ascii_uppercase())?;
        // The crate takes VES for replaced by VED; ISO 4217 lists both.
        let in_use = known.is_superseded().is_none() || known == iso_currency::Currency::VES;
        (in_use && known.exponent().is_some()).then_some(Self(known))
    }

    /// The code in upper case.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Digits after the point: 2 for USD, 0 for JPY, 3 for KWD.
    pub fn exponent(self) -> u16 {
        self.0.exponent().unwrap_or(0)
    }

    /// Its sign, where that is a single one that Unicode knows as a currency's: `$` for USD, none for KWD.
    pub fn symbol(self) -> Option<char> {
        let sign = self.0.symbol().to_string();
        let mut chars = sign.chars();
        let only = chars.next().filter(|_| chars.next().is_none());
        only.filter(|c| matches!(c, '$' | '£' | '¥' | '฿' | '\u{20a0}'..='\u{20cf}'))
    }
}

impl TryFrom<String> for Currency {
    type Error = &'static str;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        Self::parse(&code).ok_or("not a currency")
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount in the currency's minor unit, as the API gives it: 4990 USD is $49.90, 500 JPY is ¥500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// 1 to 2,147,483,647 minor units.
    pub amount: u32,
    /// In which currency.
    pub currency: Currency,
}
