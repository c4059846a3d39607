//! Amounts by their currency's own exponent: `$49.90 USD`, `¥500 JPY`, `1.234 KWD`.

use crate::domain::money::Money;

/// Digits in groups of three: `1,204`.
pub(super) fn count(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The amount with its currency's code, and its sign in front where there is one that everybody reads. The code always
/// stands, because `$` is also the sign of other dollars.
pub(super) fn written(money: Money) -> String {
    format!("{} {}", signed(money), money.currency.code())
}

/// The same without the code, where that stands beside it.
pub(super) fn signed(money: Money) -> String {
    let sign = money.currency.symbol().map_or(String::new(), String::from);
    format!("{sign}{}", number(money))
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
    fn digits_stand_in_groups_of_three() {
        let written = [0_u64, 999, 1_000, 1_234_567].map(count);
        assert_eq!(written, ["0", "999", "1,000", "1,234,567"]);
    }

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
