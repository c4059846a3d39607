//! The fields of create-session: what is taken and what is refused (contract, section 5).

use serde_json::{Value, json};

use crate::world::World;

/// Fails unless each of the values is taken and shown.
#[track_caller]
fn expect_shown(name: &str, values: &[Value]) {
    let world = World::new();
    let key = world.key();
    for value in values {
        let made = world.order_with(&key, name, value);
        assert_eq!(
            (made.status, &made.json()[name]),
            (201, value),
            "{name}: {value}"
        );
        let read = world.look_up(&key, &made.session()).send();
        assert_eq!(&read.json()[name], value, "{name}: {value}, read back");
    }
}

/// Fails unless each of the values is refused by the name of the member.
#[track_caller]
fn expect_refused(name: &str, values: &[Value]) {
    let world = World::new();
    let key = world.key();
    for value in values {
        let answer = world.order_with(&key, name, value);
        let code = answer.code();
        assert_eq!(
            (answer.status, code.as_str()),
            (400, "parameter_invalid"),
            "{name}: {value}"
        );
        let param = answer.param().expect("a param");
        assert!(param.starts_with(name), "{name}: {value}: {param}");
    }
}

#[test]
fn an_amount_is_1_to_2147483647_minor_units() {
    expect_shown(
        "amount",
        &[json!(1), json!(49), json!(4_990), json!(2_147_483_647)],
    );
}

#[test]
fn another_amount_is_refused_by_name() {
    let world = World::new();
    let key = world.key();
    let amounts = [
        "-1",
        "0",
        "-0",
        "49.90",
        "4990.0",
        "4.99e3",
        "499e1",
        "2147483648",
        "4294967297",
        "18446744073709551617",
        "99999999999999999999999999",
        "\"4990\"",
        "\"\"",
        "true",
        "[1]",
        "{}",
        "null",
    ];
    for amount in amounts {
        let body = format!(r#"{{"amount":{amount},"currency":"USD"}}"#);
        let answer = world.order_of(&key, &body).send();
        assert_eq!(
            (answer.status, answer.param().as_deref()),
            (400, Some("amount")),
            "{amount}"
        );
        let code = answer.code();
        assert!(
            code == "parameter_invalid" || (amount == "null" && code == "parameter_missing"),
            "{amount}: {code}"
        );
    }
}

#[test]
fn amount_and_currency_are_required() {
    let world = World::new();
    let key = world.key();
    for body in [r#"{"amount":4990}"#, r#"{"amount":4990,"currency":""}"#] {
        let answer = world.order_of(&key, body).send();
        answer.expect(400, "parameter_missing");
        assert_eq!(answer.param().as_deref(), Some("currency"), "{body}");
    }
    for body in [r#"{"currency":"USD"}"#, "{}"] {
        let answer = world.order_of(&key, body).send();
        assert_eq!(
            (answer.status, answer.param().as_deref()),
            (400, Some("amount")),
            "{body}"
        );
    }
}

#[test]
fn a_currency_is_taken_in_any_case_and_kept_in_upper_case() {
    let world = World::new();
    let key = world.key();
    let spellings = ["USD", "usd", "Usd", "eur", "JPY", "gbp", "BHD", "CLF"];
    for currency in spellings {
        let made = world.order_with(&key, "currency", &json!(currency));
        assert_eq!(made.status, 201, "{currency}");
        assert_eq!(made.text("currency"), currency.to_uppercase());
    }
}

#[test]
fn a_currency_that_is_none_is_refused() {
    let values = [
        "US", "USDD", "ABC", "ZZZ", "US1", "U D", " USD", "USD ", "840", "$", "ŨSD", "uſd",
    ];
    expect_refused("currency", &values.map(|value| json!(value)));
    expect_refused(
        "currency",
        &[json!(840), json!(true), json!(["USD"]), json!({})],
    );
}

#[test]
fn an_empty_currency_is_refused() {
    let world = World::new();
    let answer = world.order_with(&world.key(), "currency", &json!(""));
    assert_eq!(
        (answer.status, answer.param().as_deref()),
        (400, Some("currency"))
    );
}

#[test]
fn texts_are_kept_as_given() {
    for name in [
        "external_id",
        "merchant_reference",
        "statement_descriptor",
        "description",
    ] {
        expect_shown(
            name,
            &[json!("a"), json!("Bestellung № 7 ☕"), json!("a\"b\\c")],
        );
        expect_refused(name, &[json!(1), json!(true), json!([]), json!({})]);
    }
}

#[test]
fn payment_method_types_are_those_of_the_documentation() {
    let all = json!(["card", "apple_pay", "google_pay", "bank_account", "paypal"]);
    expect_shown(
        "payment_method_types",
        &[all, json!(["paypal"]), json!(["card"])],
    );
    let wrong = [
        json!("card"),
        json!(["cash"]),
        json!(["card", "cash"]),
        json!(["Card"]),
        json!([""]),
        json!([1]),
        json!({"card": true}),
    ];
    expect_refused("payment_method_types", &wrong);
}

#[test]
fn a_capture_method_is_automatic_or_manual() {
    expect_shown("capture_method", &[json!("automatic"), json!("manual")]);
    let wrong = [
        json!("later"),
        json!("Manual"),
        json!(""),
        json!(1),
        json!(true),
        json!([]),
    ];
    expect_refused("capture_method", &wrong);
}

#[test]
fn a_customer_has_email_name_and_phone() {
    let customers = [
        json!({"email": "a@shop.example", "name": "Zoë", "phone": "+49 30 1234"}),
        json!({"email": "a.b+c@mail.shop.example"}),
        json!({"name": "A"}),
    ];
    expect_shown("customer", &customers);
    let wrong = [
        json!("a@shop.example"),
        json!([]),
        json!(1),
        json!({"email": "nobody"}),
        json!({"email": "@shop.example"}),
        json!({"email": "a@"}),
        json!({"email": 1}),
        json!({"name": 1}),
        json!({"phone": 49}),
    ];
    expect_refused("customer", &wrong);
}

#[test]
fn addresses_have_texts() {
    for name in ["billing_address", "shipping_address"] {
        let whole = json!({
            "street": "Weg 1",
            "city": "Köln",
            "state": "NW",
            "postal_code": "50667",
            "country": "DE",
            "recipient_name": "A",
        });
        expect_shown(name, &[whole, json!({"city": "Köln"})]);
        let wrong = [
            json!("Weg 1"),
            json!([]),
            json!({"street": 1}),
            json!({"city": []}),
        ];
        expect_refused(name, &wrong);
    }
}

#[test]
fn a_browser_has_an_address_and_a_user_agent() {
    let world = World::new();
    let key = world.key();
    let browser = json!({"ip_address": "203.0.113.7", "user_agent": "Mozilla/5.0"});
    assert_eq!(world.order_with(&key, "browser", &browser).status, 201);
    let wrong = [
        json!("Mozilla"),
        json!([]),
        json!({"user_agent": 1}),
        json!({"ip_address": 1}),
    ];
    expect_refused("browser", &wrong);
}

#[test]
fn urls_are_absolute_http_or_https() {
    for name in ["success_url", "cancel_url"] {
        let urls = [
            "https://shop.example/done",
            "http://localhost:3000/done?order=1#top",
            "https://shop.example",
        ];
        expect_shown(name, &urls.map(|url| json!(url)));
        let wrong = [
            "",
            "/done",
            "done",
            "shop.example/done",
            "//shop.example/done",
            "ftp://shop.example/done",
            "javascript:alert(1)",
            "data:text/html,x",
            "mailto:a@shop.example",
            "https://",
            "http:///shop",
        ];
        expect_refused(name, &wrong.map(|url| json!(url)));
        expect_refused(name, &[json!(1), json!([]), json!({})]);
    }
}

#[test]
fn callback_urls_are_urls_too() {
    let world = World::new();
    let key = world.key();
    let urls = json!({
        "approved": "https://shop.example/a",
        "declined": "https://shop.example/d",
        "cancelled": "https://shop.example/c",
    });
    assert_eq!(world.order_with(&key, "callback_urls", &urls).status, 201);
    let wrong = [
        json!("https://shop.example"),
        json!([]),
        json!({"approved": "/a"}),
        json!({"declined": "javascript:alert(1)"}),
        json!({"cancelled": 1}),
    ];
    expect_refused("callback_urls", &wrong);
}

#[test]
fn an_expiry_is_seconds_from_now_or_a_time() {
    let world = World::new();
    let key = world.key();
    let expiries = [
        json!(3_600),
        json!("2026-11-26T00:00:00Z"),
        json!("2026-11-25T14:00:00+01:00"),
    ];
    for expires in expiries {
        let answer = world.order_with(&key, "expires", &expires);
        assert_eq!(answer.status, 201, "{expires}");
    }
    let wrong = [
        json!(-1),
        json!(1.5),
        json!("soon"),
        json!(""),
        json!(true),
        json!([]),
    ];
    expect_refused("expires", &wrong);
}

#[test]
fn metadata_has_at_most_50_members() {
    let members = |count: usize| -> Value {
        let names = (0..count).map(|n| (format!("name_{n}"), json!("value")));
        Value::Object(names.collect())
    };
    expect_shown("metadata", &[json!({}), json!({"a": ""}), members(50)]);
    expect_refused("metadata", &[members(51)]);
}

#[test]
fn metadata_has_names_to_40_and_values_to_500_characters() {
    let names = ["n".repeat(40), "é".repeat(40)];
    let values = ["v".repeat(500), "é".repeat(500)];
    expect_shown("metadata", &names.map(|name| json!({name: "value"})));
    expect_shown("metadata", &values.map(|value| json!({"name": value})));
    let (name, value) = ("n".repeat(41), "v".repeat(501));
    expect_refused(
        "metadata",
        &[json!({name: "value"}), json!({"name": value})],
    );
}

#[test]
fn metadata_is_an_object_of_strings() {
    let wrong = [
        json!("a"),
        json!([]),
        json!(1),
        json!({"a": 1}),
        json!({"a": true}),
        json!({"a": null}),
        json!({"a": []}),
        json!({"a": {"b": "c"}}),
    ];
    expect_refused("metadata", &wrong);
}

#[test]
fn unknown_members_are_ignored() {
    let world = World::new();
    let key = world.key();
    for value in [
        json!(1),
        json!("x"),
        json!(null),
        json!({"a": [1, 2]}),
        json!(1e300),
    ] {
        let answer = world.order_with(&key, "no_such_member", &value);
        assert_eq!(answer.status, 201, "{value}");
        assert_eq!(answer.json().get("no_such_member"), None, "{value}");
    }
}
