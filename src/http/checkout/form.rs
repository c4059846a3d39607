//! The buyer's forms, read into what they ask for. Of a form with mistakes only expiry goes back to the page: number and
//! code are read once and wiped.

use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::domain::card_number::{CardNumber, NoCardNumber};
use crate::domain::money::{Currency, Money};
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
) -> Result<Choice, Box<Entry>> {
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

/// The sum that the page showed when the form was made; None where the form does not say it.
pub(in crate::http) fn agreed(body: &[u8]) -> Option<Money> {
    let field = |wanted: &str| {
        let mut fields = form_urlencoded::parse(body);
        fields
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value)
    };
    Some(Money {
        amount: field("amount")?.parse().ok()?,
        currency: Currency::parse(&field("currency")?)?,
    })
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
    /// What to show when the sum is another one than the page showed.
    pub(in crate::http) fn of_changed_amount() -> Self {
        *Self::problem("The amount has changed. Look at it again before you pay.")
    }

    fn problem(problem: &'static str) -> Box<Self> {
        let problem = Some(problem);
        Box::new(Self {
            problem,
            ..Self::default()
        })
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
) -> Result<CardEntry, Box<Entry>> {
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
        (number, exp_month, exp_year, cvc) => Err(Box::new(Entry {
            problem: None,
            number: number.err(),
            exp_month: Typed::new(month_typed, exp_month.err()),
            exp_year: Typed::new(year_typed, exp_year.err()),
            cvc: cvc.err(),
        })),
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
mod tests;
