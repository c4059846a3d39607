//! Numbers of cards: read from what people type, never shown beyond their last four digits, wiped after use.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::domain::masking::{CARD_DIGITS, passes_luhn};

/// The number of a card. Can't be printed or serialised by accident, and is wiped when dropped; the only way to all of
/// it is [`CardNumber::expose`].
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct CardNumber(String);

/// Why a text is no card number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCardNumber {
    /// There is nothing in it.
    Empty,
    /// Something in it is neither a digit nor a gap.
    NotDigits,
    /// Fewer or more digits than any card has.
    Length,
}

impl CardNumber {
    /// Reads 13 to 19 digits, spaces and hyphens between them left out. Whether the check digit is right is another
    /// question: some test cards are made to be wrong.
    ///
    /// # Errors
    /// Says what is wrong with the text, without any of it.
    pub fn read(text: &str) -> Result<Self, NoCardNumber> {
        // Sized at once: a growing string would leave copies of the number behind.
        let mut number = Self(String::with_capacity(*CARD_DIGITS.end()));
        let mut has_too_many = false;
        for c in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            if !c.is_ascii_digit() {
                return Err(NoCardNumber::NotDigits);
            }
            if number.0.len() < *CARD_DIGITS.end() {
                number.0.push(c);
            } else {
                has_too_many = true;
            }
        }
        match number.0.len() {
            0 => Err(NoCardNumber::Empty),
            count if has_too_many || !CARD_DIGITS.contains(&count) => Err(NoCardNumber::Length),
            _ => Ok(number),
        }
    }

    /// Whether its check digit is right.
    pub fn is_plausible(&self) -> bool {
        passes_luhn(self.0.bytes().map(|byte| byte - b'0'))
    }

    /// Digits of the code beside it: 4 for American Express, 3 for every other.
    pub fn code_digits(&self) -> usize {
        if self.0.starts_with("34") || self.0.starts_with("37") {
            4
        } else {
            3
        }
    }

    /// All its digits, to find the card by.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What may be shown of it: the last four digits.
    pub fn last4(&self) -> &str {
        &self.0[self.0.len() - 4..]
    }
}

impl fmt::Debug for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "...{}", self.last4())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_left_out() {
        for text in [
            "4242424242424242",
            " 4242 4242-4242\u{a0}4242\t",
            "4-2-4-2-4242 4242 4242",
        ] {
            let number = CardNumber::read(text).expect("a number");
            assert_eq!(number.expose(), "4242424242424242");
        }
    }

    #[test]
    fn what_is_no_number_says_why() {
        let long = "4".repeat(100_000);
        for (text, expected) in [
            ("", NoCardNumber::Empty),
            (" - ", NoCardNumber::Empty),
            ("424242424242", NoCardNumber::Length),
            ("42424242424242424242", NoCardNumber::Length),
            (&long, NoCardNumber::Length),
            ("4242 4242 4242 424x", NoCardNumber::NotDigits),
            ("4242424242424242\0", NoCardNumber::NotDigits),
            ("٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", NoCardNumber::NotDigits),
            ("４２４２４２４２４２４２４２４２", NoCardNumber::NotDigits),
            ("+4242424242424242", NoCardNumber::NotDigits),
        ] {
            assert_eq!(CardNumber::read(text), Err(expected));
        }
    }

    #[test]
    fn the_check_digit_is_looked_at_apart() {
        let is_plausible = |text| CardNumber::read(text).is_ok_and(|number| number.is_plausible());
        assert!(is_plausible("378282246310005"));
        assert!(!is_plausible("4242424242424241"));
    }

    #[test]
    fn no_more_than_four_digits_are_ever_printed() {
        let number = CardNumber::read("3782 822463 10005").expect("a number");
        assert_eq!(format!("{number:?}"), "...0005");
        assert_eq!(number.code_digits(), 4);
    }
}
