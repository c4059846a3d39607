//! What the buyer's forms are read into, hostile ones too.

use super::*;

/// 25 Nov 2026.
const NOW: Timestamp = Timestamp::from_millis(1_795_570_441_120);

fn is_test_card(number: &str) -> bool {
    ["4242424242424242", "4242424242424241", "378282246310005"].contains(&number)
}

fn sent(fields: &[(&str, &str)]) -> Result<Choice, Box<Entry>> {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    choice(body.as_bytes(), is_test_card, NOW)
}

fn typed(number: &str, month: &str, year: &str, cvc: &str) -> Result<Choice, Box<Entry>> {
    sent(&[
        ("number", number),
        ("exp_month", month),
        ("exp_year", year),
        ("cvc", cvc),
    ])
}

fn entry(number: &str, month: &str, year: &str, cvc: &str) -> Entry {
    *typed(number, month, year, cvc).expect_err("mistakes")
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
