//! Amounts by their currency's own exponent: `$49.90 USD`, `¥500 JPY`, `1.234 KWD`.

use super::words::count;
use crate::domain::money::Money;

/// The amount with its currency's code, and its sign in front where there is one that everybody reads. The code always
/// stands, because `$` is also the sign of other dollars.
pub(super) fn written(money: Money) -> String {
    let sign = money.currency.symbol().map_or(String::new(), String::from);
    format!("{sign}{} {}", number(money), money.currency.code())
}

/// The amount in major units, with as many digits after the point as the currency has.
fn number(money: Money) -> String {
    let places = usize::from(money.currency.exponent());
    let unit = 10_u64.saturating_pow(u32::from(money.currency.exponent()));
    let (whole, rest) = (
        u64::from(money.amount) / unit,
        u64::from(money.amount) % unit,
    );
    if places == 0 {
        count(whole)
    } else {
        format!("{}.{rest:0places$}", count(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Currency;

    #[test]
    fn an_amount_is_written_as_its_currency_counts() {
        for (amount, code, expected) in [
            (4_990, "USD", "$49.90 USD"),
            (500, "JPY", "¥500 JPY"),
            (1_234, "KWD", "1.234 KWD"),
            (5, "EUR", "€0.05 EUR"),
            (2_147_483_647, "INR", "₹21,474,836.47 INR"),
            (1_000_000, "AED", "10,000.00 AED"),
        ] {
            let currency = Currency::parse(code).expect("a currency");
            assert_eq!(written(Money { amount, currency }), expected);
        }
    }
}
