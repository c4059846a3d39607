//! The buyer's forms, read into what they ask for. Of a form with mistakes only expiry goes back to the page: number and
//! code are read once and wiped.

use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::domain::card_number::{CardNumber, NoCardNumber};
use crate::domain::time::Timestamp;
use crate::policy;

/// What the buyer wants.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http) enum Choice {
    /// To pay with the card that they typed.
    Pay(CardEntry),
    /// To pay with one of the listed test cards.
    TestCard(CardNumber),
    /// To pay with PayPal.
    Paypal,
    /// Not to pay.
    Cancel,
}

/// A card as it was typed, all of it right. Its code was looked at and dropped.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http) struct CardEntry {
    /// Of a test card.
    pub(in crate::http) number: CardNumber,
    /// 1 to 12.
    pub(in crate::http) exp_month: u8,
    /// All four digits; with the month not yet over.
    pub(in crate::http) exp_year: u16,
}

/// What the card form shows of what was typed before, and what was wrong with it. By default, nothing yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct Entry {
    /// What is wrong, where no field of the form is at fault.
    pub(in crate::http) problem: Option<&'static str>,
    /// What is wrong with the number.
    pub(in crate::http) number: Option<&'static str>,
    /// The month of expiry.
    pub(in crate::http) exp_month: Typed,
    /// The year of expiry.
    pub(in crate::http) exp_year: Typed,
    /// What is wrong with the code.
    pub(in crate::http) cvc: Option<&'static str>,
}

/// A field that goes back to the page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct Typed {
    /// What was typed; as much of it as a month or a year can be.
    pub(in crate::http) value: String,
    /// What is wrong with it.
    pub(in crate::http) error: Option<&'static str>,
}

/// What the bank's step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Proof {
    /// The buyer is who they say.
    Authenticated,
    /// They are not, or said no.
    Failed,
}

/// Characters of a month or a year that are put back. No more, so that a number typed into the wrong field is not.
const PUT_BACK: usize = 4;
const ONLY_TEST_CARDS: &str = "Only test cards work here, such as 4242 4242 4242 4242.";

/// Reads the form of the open page, as `application/x-www-form-urlencoded`.
///
/// # Errors
/// What to show in the form: the mistakes, and what of the fields may be put back.
pub(in crate::http) fn choice(
    body: &[u8],
    is_test_card: impl Fn(&str) -> bool,
    now: Timestamp,
) -> Result<Choice, Entry> {
    let sent = Sent::read(body);
    if let Some(number) = &sent.card {
        return CardNumber::read(number)
            .ok()
            .filter(|number| is_test_card(number.expose()))
            .map(Choice::TestCard)
            .ok_or_else(|| Entry::problem(ONLY_TEST_CARDS));
    }
    match sent.verb.as_ref().map(|verb| verb.as_str()) {
        Some("paypal") => Ok(Choice::Paypal),
        Some("cancel") => Ok(Choice::Cancel),
        Some(_) => Err(Entry::problem(
            "That is none of the ways to pay on this page.",
        )),
        None => card(&sent, is_test_card, now).map(Choice::Pay),
    }
}

/// Reads the form of the bank's step; none when it says neither.
pub(in crate::http) fn proof(body: &[u8]) -> Option<Proof> {
    let (_, result) = form_urlencoded::parse(body).find(|(name, _)| name == "result")?;
    match result.as_ref() {
        "authenticated" => Some(Proof::Authenticated),
        "failed" => Some(Proof::Failed),
        _ => None,
    }
}

/// The fields as they came; the first where a name comes twice.
#[derive(Default)]
struct Sent {
    card: Option<Zeroizing<String>>,
    verb: Option<Zeroizing<String>>,
    number: Option<Zeroizing<String>>,
    exp_month: Option<Zeroizing<String>>,
    exp_year: Option<Zeroizing<String>>,
    cvc: Option<Zeroizing<String>>,
}

impl Sent {
    fn read(body: &[u8]) -> Self {
        let mut sent = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            let field = match name.as_ref() {
                "card" => &mut sent.card,
                "do" => &mut sent.verb,
                "number" => &mut sent.number,
                "exp_month" => &mut sent.exp_month,
                "exp_year" => &mut sent.exp_year,
                "cvc" => &mut sent.cvc,
                _ => continue,
            };
            field.get_or_insert_with(|| Zeroizing::new(value.into_owned()));
        }
        sent
    }
}

fn text(field: &Option<Zeroizing<String>>) -> &str {
    field.as_ref().map_or("", |text| text.trim())
}

impl Entry {
    fn problem(problem: &'static str) -> Self {
        let problem = Some(problem);
        Self {
            problem,
            ..Self::default()
        }
    }
}

impl Typed {
    fn new(value: &str, error: Option<&'static str>) -> Self {
        let value = value.chars().filter(|c| !c.is_control()).take(PUT_BACK);
        Self {
            value: value.collect(),
            error,
        }
    }
}

/// The card that was typed, or every mistake at once.
fn card(
    sent: &Sent,
    is_test_card: impl Fn(&str) -> bool,
    now: Timestamp,
) -> Result<CardEntry, Entry> {
    let number = number(text(&sent.number), is_test_card);
    let code_digits = number.as_ref().ok().map(CardNumber::code_digits);
    let cvc = code(text(&sent.cvc), code_digits);
    let (month_typed, year_typed) = (text(&sent.exp_month), text(&sent.exp_year));
    let mut exp_month = month(month_typed);
    let mut exp_year = year(year_typed, now);
    let (this_year, this_month) = now.year_and_month();
    match (exp_month, exp_year) {
        (_, Ok(year)) if year < this_year => exp_year = Err("This card has expired."),
        (Ok(month), Ok(year)) if year == this_year && month < this_month => {
            exp_month = Err("This card has expired.");
        }
        _ => {}
    }
    match (number, exp_month, exp_year, cvc) {
        (Ok(number), Ok(exp_month), Ok(exp_year), Ok(())) => Ok(CardEntry {
            number,
            exp_month,
            exp_year,
        }),
        (number, exp_month, exp_year, cvc) => Err(Entry {
            problem: None,
            number: number.err(),
            exp_month: Typed::new(month_typed, exp_month.err()),
            exp_year: Typed::new(year_typed, exp_year.err()),
            cvc: cvc.err(),
        }),
    }
}

fn number(text: &str, is_test_card: impl Fn(&str) -> bool) -> Result<CardNumber, &'static str> {
    let number = CardNumber::read(text).map_err(|why| match why {
        NoCardNumber::Empty => "Enter the number of the card.",
        NoCardNumber::NotDigits => "Enter digits only. Spaces and hyphens are fine.",
        NoCardNumber::Length => "A card number has 13 to 19 digits.",
    })?;
    if is_test_card(number.expose()) {
        Ok(number)
    } else if number.is_plausible() {
        Err(ONLY_TEST_CARDS)
    } else {
        Err("A digit of this number is wrong or missing.")
    }
}

/// A month from 1 to 12, in one or two digits.
fn month(text: &str) -> Result<u8, &'static str> {
    let must = "Enter the month as two digits, 01 to 12.";
    let month = digits(text).filter(|_| text.len() <= 2);
    month
        .and_then(|month| u8::try_from(month).ok())
        .filter(|month| (1..=12).contains(month))
        .ok_or(must)
}

/// A year in four digits, or the last two of one of this century.
fn year(text: &str, now: Timestamp) -> Result<u16, &'static str> {
    let must = "Enter the year as it stands on the card, as 29 or 2029.";
    let (this_year, _) = now.year_and_month();
    let year = match (text.len(), digits(text)) {
        (2, Some(year)) => this_year - this_year % 100 + year,
        (4, Some(year)) => year,
        _ => return Err(must),
    };
    if year > this_year.saturating_add(policy::CARD_YEARS_MAX) {
        Err("No card is valid for so long. Look at the year again.")
    } else {
        Ok(year)
    }
}

/// A number of ASCII digits alone, without a sign.
fn digits(text: &str) -> Option<u16> {
    let is_clean = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_clean)
}

/// Looks at a code of so many digits; at 3 or 4 where the number does not tell.
fn code(text: &str, wanted: Option<usize>) -> Result<(), &'static str> {
    let is_clean = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_right = is_clean && wanted.map_or((3..=4).contains(&text.len()), |n| n == text.len());
    match (is_right, wanted) {
        (true, _) => Ok(()),
        (false, Some(4)) => Err("Enter the 4 digits on the front of the card."),
        (false, _) => Err("Enter the 3 digits on the back of the card."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 25 Nov 2026.
    const NOW: Timestamp = Timestamp::from_millis(1_795_570_441_120);

    fn is_test_card(number: &str) -> bool {
        ["4242424242424242", "4242424242424241", "378282246310005"].contains(&number)
    }

    fn sent(fields: &[(&str, &str)]) -> Result<Choice, Entry> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        choice(body.as_bytes(), is_test_card, NOW)
    }

    fn typed(number: &str, month: &str, year: &str, cvc: &str) -> Result<Choice, Entry> {
        sent(&[
            ("number", number),
            ("exp_month", month),
            ("exp_year", year),
            ("cvc", cvc),
        ])
    }

    fn entry(number: &str, month: &str, year: &str, cvc: &str) -> Entry {
        typed(number, month, year, cvc).expect_err("mistakes")
    }

    #[test]
    fn a_card_is_read_as_people_type_it() {
        for (number, month, year, cvc, expected) in [
            ("4242 4242 4242 4242", "12", "2034", "123", (12, 2034)),
            ("4242-4242-4242-4242 ", " 1", "34", " 123 ", (1, 2034)),
            ("4242424242424242", "11", "26", "000", (11, 2026)),
            ("3782 822463 10005", "07", "2076", "1234", (7, 2076)),
            ("4242424242424241", "07", "30", "123", (7, 2030)),
        ] {
            let Ok(Choice::Pay(card)) = typed(number, month, year, cvc) else {
                unreachable!("{number} is a card");
            };
            assert_eq!((card.exp_month, card.exp_year), expected);
            assert!(is_test_card(card.number.expose()));
        }
    }

    #[test]
    fn a_button_says_what_the_buyer_wants() {
        assert_eq!(sent(&[("do", "cancel")]), Ok(Choice::Cancel));
        assert_eq!(sent(&[("do", "paypal")]), Ok(Choice::Paypal));
        let Ok(Choice::TestCard(number)) = sent(&[("card", "4242424242424241")]) else {
            unreachable!("it is one of them");
        };
        assert_eq!(number.last4(), "4241");
        for fields in [
            [("do", "steal")],
            [("card", "4000000000000002")],
            [("card", "")],
        ] {
            let entry = sent(&fields).expect_err("nothing of ours");
            assert!(entry.problem.is_some(), "{fields:?}");
        }
    }

    #[test]
    fn only_test_cards_work() {
        let real = entry("5105105105105100", "12", "34", "123").number;
        assert!(real.is_some_and(|why| why.starts_with("Only test cards work here")));
        let slip = entry("4242424242424243", "12", "34", "123").number;
        assert!(slip.is_some_and(|why| why.contains("wrong or missing")));
    }

    #[test]
    fn a_card_is_good_until_its_month_is_over() {
        let month_before = entry("4242424242424242", "10", "2026", "123");
        assert_eq!(month_before.exp_month.error, Some("This card has expired."));
        assert_eq!(month_before.exp_year.error, None);
        let year_before = entry("4242424242424242", "12", "25", "123");
        assert_eq!(year_before.exp_year.error, Some("This card has expired."));
        let never = entry("4242424242424242", "12", "2077", "123");
        assert!(never.exp_year.error.is_some());
    }

    #[test]
    fn the_code_has_as_many_digits_as_the_card_wants() {
        assert!(entry("4242424242424242", "12", "34", "1234").cvc.is_some());
        let amex = entry("378282246310005", "12", "34", "123").cvc;
        assert!(amex.is_some_and(|why| why.contains('4')));
        assert_eq!(entry("", "12", "34", "1234").cvc, None);
    }

    #[test]
    fn every_field_left_empty_is_a_mistake() {
        let entry = sent(&[]).expect_err("nothing was typed");
        assert!(entry.number.is_some() && entry.cvc.is_some());
        assert!(entry.exp_month.error.is_some() && entry.exp_year.error.is_some());
    }

    #[test]
    fn hostile_fields_are_mistakes_and_come_back_short() {
        let long = "9".repeat(60_000);
        for wrong in [
            "\0", "1\0", "-1", "+1", "١٢", "１２", "0", "13", "00", "1.0", &long, "\u{202e}",
        ] {
            let entry = entry(wrong, wrong, wrong, wrong);
            assert!(entry.number.is_some() && entry.cvc.is_some(), "{wrong:?}");
            assert!(entry.exp_month.error.is_some(), "{wrong:?}");
            for value in [&entry.exp_month.value, &entry.exp_year.value] {
                assert!(value.chars().count() <= PUT_BACK && !value.contains('\0'));
            }
        }
        assert!(choice(b"%ff%00=%&&&=;number", is_test_card, NOW).is_err());
    }

    #[test]
    fn nothing_of_number_and_code_is_ever_printed() {
        let right = format!("{:?}", typed("4242424242424242", "12", "34", "917"));
        let wrong = format!("{:?}", typed("4242424242424242", "12", "24", "917"));
        for printed in [right, wrong] {
            assert!(
                !printed.contains("42424") && !printed.contains("917"),
                "{printed}"
            );
        }
    }

    #[test]
    fn the_banks_step_is_answered_by_one_of_two_words() {
        assert_eq!(proof(b"result=authenticated"), Some(Proof::Authenticated));
        assert_eq!(proof(b"result=failed"), Some(Proof::Failed));
        assert_eq!(proof(b"result=perhaps"), None);
        assert_eq!(proof(b""), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_answered(body in proptest::collection::vec(0_u8..=255, 0..300)) {
            let _ = (choice(&body, is_test_card, NOW), proof(&body));
        }
    }
}
