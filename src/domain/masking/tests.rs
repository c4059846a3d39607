//! What is masked, what is not, and that no text takes for ever.

use super::*;

fn assert_masked(cases: &[(&str, &str)]) {
    for (text, shown) in cases {
        assert_eq!(masked(text), *shown, "of {text}");
    }
}

fn assert_untouched(texts: &[&str]) {
    for text in texts {
        assert_eq!(masked(text), *text);
    }
}

#[test]
fn what_is_one_secret_is_shown_as_it_is_within_a_text() {
    let minted = "YSva4c62vvT7j4e2CHr6FZuUe0x8PD36TMJF";
    let texts = ["sk_test_", "sk_live_", "cs_"].map(|start| format!("{start}{minted}"));
    let others = [
        "sk_test_4242424242424242",
        "sk_live_x",
        "whsec_abc",
        "/pay/0abc",
    ];
    for text in texts.iter().map(String::as_str).chain(others) {
        let parts = masked_secret(text).map(|parts| parts.concat());
        assert_eq!(parts.as_deref(), Some(&*masked(text)));
    }
    for text in [
        "",
        "sk_test_",
        "x sk_test_abc",
        "sk_test_abc x",
        "sk_test_abc\u{e9}",
        "4242424242424242",
    ] {
        assert_eq!(masked_secret(text), None, "{text}");
    }
}

#[test]
fn secrets_are_masked_wherever_they_stand() {
    assert_masked(&[
        ("nothing here", "nothing here"),
        (
            "key sk_test_0123456789abcdefWXYZ, twice sk_live_0123456789abcdefWXYZ",
            "key sk_test_...WXYZ, twice sk_live_...WXYZ",
        ),
        (
            "GET /functions/v1/sk_test_short",
            "GET /functions/v1/sk_test_...",
        ),
        ("Basic c2tfdGVzdF9hYmNkZWZnaDo=", "Basic c2tf..."),
        ("secret cs_abcdef done", "secret cs_... done"),
        ("%22cs_abcdef%22", "%22cs_...%22"),
        ("whsec_MfKQ9r8GKYqrTwjU end", "whsec_... end"),
        ("a prefix sk_test_ alone", "a prefix sk_test_ alone"),
        ("ü cs_ü", "ü cs_ü"),
        (
            "POST /pay/0VbyrzPGyXsU49b03SH1Ak7ZvLulvlM4GO9VzLXxRUhnTC11 303",
            "POST /pay/0... 303",
        ),
        (
            "GET /pay/assets/checkout.css",
            "GET /pay/assets/checkout.css",
        ),
    ]);
}

#[test]
fn an_escape_hides_no_secret() {
    assert_masked(&[
        (
            r#"{"k":"sk\u005ftest_0123456789abcdefWXYZ"}"#,
            r#"{"k":"sk\u005ftest_...WXYZ"}"#,
        ),
        (
            r#"{"k":"sk_live\u005F0123456789abcdefWXYZ"}"#,
            r#"{"k":"sk_live\u005F...WXYZ"}"#,
        ),
        (
            "key=sk%5Ftest%5F0123456789abcdefWXYZ&a=1",
            "key=sk%5Ftest%5F...WXYZ&a=1",
        ),
        ("%73k_test_012345%36789abcdefWXY%5A", "%73k_test_...WXY%5A"),
        (r#""\u0063s_secret""#, r#""\u0063s_...""#),
        (r"\\u0063s_ is no escape", r"\\u0063s_ is no escape"),
    ]);
}

#[test]
fn card_like_numbers_keep_their_last_four_digits() {
    assert_masked(&[
        (
            r#"{"number":"4242424242424242"}"#,
            r#"{"number":"...4242"}"#,
        ),
        ("4242 4242 4242 4242 and on", "...4242 and on"),
        ("3782-822463-10005.", "...0005."),
        ("4000 0000 0000 00 02", "...00 02"),
        ("5555555555554440", "...4440"),
        ("0004242424242424242", "...4242"),
    ]);
}

#[test]
fn a_card_is_found_among_other_digits() {
    assert_masked(&[
        ("4242424242424242 12 2028 123", "...4242..."),
        ("4242424242424242 5555555555554444", "...4242..."),
        ("42424242424242421228123", "...4242..."),
        ("4242424242424242123", "...4242..."),
        ("4242 4242 4242 4242 12 28", "...4242..."),
        ("12 4242 4242 4242 4242", "...4242"),
        ("99942424242424242420000", "...4242..."),
        ("0012 378282246310005 7", "...0005..."),
        ("5555555555554440 12 2028 123", "...4440..."),
    ]);
}

#[test]
fn whatever_parts_the_digits_of_a_card_hides_it_not() {
    for gap in [
        " ",
        "-",
        "+",
        "%20",
        ".",
        "  ",
        " - ",
        "\t",
        "\u{2013}",
        "\u{2010}",
        "\u{2212}",
        "\u{a0}",
        "\u{2009}",
        "\u{202f}",
        "\u{3000}",
        "\\u2013",
        "\\u00a0",
        "%C2%A0",
        "%E2%80%93",
    ] {
        let card = ["4242", "4242", "4242", "4242"].join(gap);
        assert_eq!(masked(&card), "...4242", "{gap:?}");
        let card = ["3782", "822463", "10005"].join(gap);
        assert_eq!(masked(&format!("x {card}.")), "x ...0005.", "{gap:?}");
    }
}

#[test]
fn an_escape_hides_no_card() {
    assert_masked(&[
        (r#""\u0034242424242424242""#, r#""...4242""#),
        ("number=%34242424242424242&a=1", "number=...4242&a=1"),
        ("n=4242424242424%32%34%32", "n=...4%32%34%32"),
    ]);
}

#[test]
fn ordinary_numbers_are_shown() {
    assert_untouched(&[
        "paid 4990 on 1795608000001",
        "424242424242",
        "4242424242",
        "2026-11-25T12:00:00.000Z",
        "2026-11-25 12:00:00.000 and 25.11.2026",
        "20261125120000 and 20261125120000123",
        "order 4242424242 4990 USD",
        "ORD-2026-11-25-000017",
        "+49 151 12345678",
        "+4915112345678",
        "phone=%2B491511234567890&a=1",
        "+1-202-555-0143",
        "DE89 3704 0044 0532 0130 00",
        "52.520008 13.404954",
        "0.1234567890123",
        "203.0.113.195 198.51.100.17",
        "550e8400-e29b-41d4-a716-446655440000",
        "Chrome/120.0.6099.109 Safari/537.36",
        "4006381333931",
        "00000000000000000000",
        r#"{"amount":2147483647,"at":1795608000000,"until":1795608000123}"#,
    ]);
}

proptest::proptest! {
    #[test]
    fn an_order_of_up_to_twelve_digits_is_shown(id in "[1-9][0-9]{0,11}") {
        let text = format!(r#"{{"order":{id},"external_id":"{id}"}}"#);
        proptest::prop_assert_eq!(masked(&text), text.clone());
    }

    #[test]
    fn a_time_is_shown_to_the_millisecond_microsecond_and_nanosecond(millis in 1_000_000_000_000_u64..2_000_000_000_000) {
        let text = format!(r#"{{"at":{millis},"micros":{millis}000,"nanos":"{millis}123456"}}"#);
        proptest::prop_assert_eq!(masked(&text), text.clone());
    }

    #[test]
    fn an_amount_is_shown(amount in 0_u64..=2_147_483_647, other in 0_u64..=99) {
        let text = format!(r#"{{"amount":{amount},"text":"{amount}.{other:02} of {amount}"}}"#);
        proptest::prop_assert_eq!(masked(&text), text.clone());
    }
}

#[test]
fn verification_codes_are_not_shown_at_all() {
    assert_masked(&[
        (r#"{"cvc":"123","a":1}"#, r#"{"cvc":"...","a":1}"#),
        (r#"{"cvv" : 1234}"#, r#"{"cvv" : "..."}"#),
        (r#"{"cvcs":"123"}"#, r#"{"cvcs":"123"}"#),
        (r#"{"cvc":""}"#, r#"{"cvc":""}"#),
        (
            r#"{"cvc":null,"cvc_check":"pass"}"#,
            r#"{"cvc":null,"cvc_check":"pass"}"#,
        ),
        (r#"{"cvc":["123"],"a":1}"#, r#"{"cvc":"...","a":1}"#),
        (r#"{"cvc":[123, "]4"],"a":1}"#, r#"{"cvc":"...","a":1}"#),
        (r#"{"cvc":{"v":"123"},"a":1}"#, r#"{"cvc":"...","a":1}"#),
        (r#"{"cvc":"12\"3","a":1}"#, r#"{"cvc":"...","a":1}"#),
        (r#"{"cvc":"1 2 3""#, r#"{"cvc":"...""#),
        (
            r#"{"p":"{\"cvc\":\"123\",\"a\":1}"}"#,
            r#"{"p":"{\"cvc\":\"...\",\"a\":1}"}"#,
        ),
        (r#"{"p":"{\"cvc\":123}"}"#, r#"{"p":"{\"cvc\":\"...\"}"}"#),
        (r#"{"c\u0076c":"123"}"#, r#"{"c\u0076c":"..."}"#),
        ("cvc=123&a=1", "cvc=...&a=1"),
        ("a=1&card[cvc]=1234", "a=1&card[cvc]=..."),
        ("card%5Bcvc%5D=123&a=1", "card%5Bcvc%5D=...&a=1"),
        ("/pay?cvc=123&a=1", "/pay?cvc=...&a=1"),
        ("cvc=%31%32%33", "cvc=..."),
        ("%7B%22cvc%22%3A%22123%22%7D", "%7B%22cvc%22%3A%22...%22%7D"),
        ("cvc: 123, a: 1", "cvc: ..., a: 1"),
        ("{'cvc': '123'}", "{'cvc': '...'}"),
    ]);
    for name in [
        "CVC",
        "cvc2",
        "CVV2",
        "cardCvc",
        "card_cvc",
        "card-cvv",
        "cvv_code",
        "cvvCode",
        "securityCode",
        "security_code",
        "Security-Code",
        "card_security_code",
    ] {
        assert_eq!(
            masked(&format!(r#"{{"{name}":"987"}}"#)),
            format!(r#"{{"{name}":"..."}}"#)
        );
        assert_eq!(
            masked(&format!("x=1&{name}=987&y=2")),
            format!("x=1&{name}=...&y=2")
        );
    }
}

#[test]
fn passwords_are_not_shown_at_all() {
    assert_masked(&[
        ("password=correct+horse&a=1", "password=...&a=1"),
        ("password=a%26b%22c&a=1", "password=...&a=1"),
        (
            "new_password=x&password_confirmation=x",
            "new_password=...&password_confirmation=...",
        ),
        (
            r#"{"password":"a \"b\\","c":1}"#,
            r#"{"password":"...","c":1}"#,
        ),
        (r#"{"Password":12345}"#, r#"{"Password":"..."}"#),
        (
            r#"{"oldPasswd":"x","password2":"y"}"#,
            r#"{"oldPasswd":"...","password2":"..."}"#,
        ),
        (r#"{"password":"a\u0022b"}"#, r#"{"password":"..."}"#),
    ]);
}

#[test]
fn masked_json_is_still_json() {
    for (text, shown) in [
        (
            r#"{"number":4242424242424242,"a":1}"#,
            r#"{"number":"...4242","a":1}"#,
        ),
        (
            "[ 4242424242424242 , -378282246310005 ]",
            r#"[ "...4242" , "...0005" ]"#,
        ),
        (r#"{"n":42424242424242420000}"#, r#"{"n":"...4242..."}"#),
        (r#"{"n":4242424242424242.5e3}"#, r#"{"n":"...4242..."}"#),
        (r#"{"n":7E4242424242424242}"#, r#"{"n":"...4242"}"#),
        (
            r#"{"n":4242424242424242E4000000000000002}"#,
            r#"{"n":"...4242..."}"#,
        ),
        (
            r#"{"note":"a, 4242424242424242, b","n":[4242424242424242]}"#,
            r#"{"note":"a, ...4242, b","n":["...4242"]}"#,
        ),
        (r#"{"cvc":123}"#, r#"{"cvc":"..."}"#),
    ] {
        assert_eq!(masked(text), shown);
        assert!(
            crate::domain::json::Json::parse(shown.as_bytes()).is_ok(),
            "{shown}"
        );
    }
    assert_masked(&[("paid: 4242424242424242, thanks", "paid: ...4242, thanks")]);
}

#[test]
fn what_stands_across_the_cut_is_masked_like_the_whole() {
    for text in [
        "number 4242424242424242 and more",
        "number 4242 4242 4242 4242 and more",
        "number \\u0034\\u0032\\u0034\\u0032424242424242 and more",
        r#"{"password":"a very long password"} and more"#,
        "a sk_live_0123456789abcdefghijklmnop and more",
    ] {
        let whole = masked(text).into_owned();
        for most in 0..=text.len() + 1 {
            let beginning = masked_beginning(text, most).into_owned();
            let kept = beginning.trim_end_matches(['.', '"', '\\']);
            assert!(whole.starts_with(kept), "{most}: {beginning}");
        }
    }
    assert_eq!(masked_beginning("aé", 2), "a");
}

proptest::proptest! {
    #[test]
    fn any_text_can_be_masked_and_masking_twice_changes_nothing(text in ".{0,200}") {
        let once = masked(&text).into_owned();
        proptest::prop_assert_eq!(masked(&once).into_owned(), once);
    }

    #[test]
    fn so_can_one_made_of_what_is_looked_for(text in PLAIN_PIECES) {
        let once = masked(&text).into_owned();
        proptest::prop_assert_eq!(masked(&once).into_owned(), once);
    }

    #[test]
    fn a_glance_misses_nothing_that_a_search_finds(text in "(sk_test_|sk_live_|cs_|whsec_|/pay/0|c2tf|[0-9]{1,9}|[a-z]| |-|\\.|\t|\\+|\n|_|/){0,12}") {
        let found = !find(&text, text.len()).is_empty();
        proptest::prop_assert!(may_hide(text.as_bytes()) || !found, "{}", text);
    }

    #[test]
    fn nor_where_there_is_more_to_be_read(text in PIECES) {
        let found = !find(&text, text.len()).is_empty();
        proptest::prop_assert!(may_hide(text.as_bytes()) || !found, "{}", text);
    }

    #[test]
    fn a_card_is_hidden_whatever_stands_around_it(before in PIECES, after in PIECES) {
        let text = format!("{before} x4242424242424242x {after}");
        let shown = masked(&text).into_owned();
        proptest::prop_assert!(!shown.contains("x4242424242424242x"), "{}", shown);
    }
}

/// Texts of the pieces that masking goes by, without escapes and with them.
const PLAIN_PIECES: &str = r#"(sk_test_|cs_|4242|5555555555554444|[0-9]|cvc|cvc=|"cvc":|password=|"password":|:|=|"|'|\\|\"|\.|\.\.\.| |-|\+|&|\{|\}|\[|\]|,|\n|[a-f]|é|–){0,30}"#;
const PIECES: &str = r#"(sk_test_|cs_|4242|5555555555554444|[0-9]|%3[0-9]|%2[026D]|%22|\\u003[0-9]|\\u0022|cvc|cvc=|"cvc":|password=|"password":|:|=|"|'|\\|\.|\.\.\.| |-|\+|&|\{|\}|\[|\]|,|\n|[a-f]|é|–){0,30}"#;

#[test]
fn a_glance_is_enough_for_what_has_nothing_in_it() {
    for line in [
        "req_mii5q2lk_00000001 GET /functions/v1/sessions/sess_0VbyrzPGyXsU49b03SH1Ak7Z 200 0.123ms key_0VbyrzPGyXsU49b03SH1",
        "listening on port 8080",
        r#"{"amount": 4990, "currency": "USD", "customer": {"name": "A"}}"#,
        "2026-11-28T04:24:35.695Z INFO ms=0.2 ip=127.0.0.1",
    ] {
        assert!(!may_hide(line.as_bytes()), "{line}");
    }
}

#[test]
fn a_glance_sees_a_card_in_whatever_way_its_digits_are_parted() {
    for separator in [" ", "-", "+", ".", "\t", "\u{a0}", "–", " - "] {
        let text = ["a", "4242", "4242", "4242", "4242", "b"].join(separator);
        assert!(!find(&text, text.len()).is_empty(), "{text} has a card");
        assert!(may_hide(text.as_bytes()), "{text}");
    }
}

#[test]
fn a_glance_sees_a_card_wherever_it_stands() {
    let least = "4".repeat(*CARD_DIGITS.start());
    for before in 0..40 {
        for after in 0..3 {
            for other in ["", "12", "1-2.3 4"] {
                let (before, after) = ("x".repeat(before), "x".repeat(after));
                let text = format!("{before}{other}x{least}{after}");
                assert!(may_hide(text.as_bytes()), "{text}");
            }
        }
    }
}

#[test]
fn no_long_text_takes_for_ever() {
    let long = |piece: &str| piece.repeat(64 * 1024 / piece.len());
    for piece in [
        "4",
        "42",
        "4 ",
        "4242424242424242 ",
        "4242424242424242,",
        "\"cvc\":",
        "\"cvc\":[",
        "cvc=",
        "=",
        ":",
        " :",
        "\"",
        "\\",
        "\\\"",
        "%34",
        "\\u0034",
        "sk_test_",
        "%",
        "1",
        "password=",
        "{\"",
        "-",
        "4.",
        "4242424242424242\",",
    ] {
        masked(&long(piece));
        masked(&format!("[{}", long(piece)));
    }
}
