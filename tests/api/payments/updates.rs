//! `PATCH /sessions/{id}`: what may be changed, how it is merged, and until when.

use serde_json::{Value, json};

use super::{Sale, Shop, expect_invalid, ok, seconds};
use crate::world::{NOON, SECOND};

fn names(count: usize, prefix: &str) -> Value {
    let names = (0..count).map(|n| (format!("{prefix}_{n}"), json!("value")));
    Value::Object(names.collect())
}

/// Fails unless the change is made, answered and kept.
#[track_caller]
fn expect_changed(shop: &Shop, sale: &Sale, change: &Value, expected: &Value) {
    let answer = ok(&shop.update(sale, change).send());
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&answer[name], value, "{name} after {change}");
    }
    assert_eq!(answer, shop.session(sale), "{change}");
}

#[test]
fn every_member_that_may_change_does() {
    let shop = Shop::new();
    let sale = shop.sale();
    let change = json!({
        "amount": 2_147_483_647,
        "currency": "EUR",
        "description": "Three chairs ☕",
        "statement_descriptor": "CHAIRS",
        "billing_address": {"street": "Weg 1", "city": "Köln"},
        "shipping_address": {"country": "DE"},
        "metadata": {"order": "8"},
    });
    expect_changed(&shop, &sale, &change, &change);
}

#[test]
fn the_currency_is_taken_in_any_case_and_kept_in_upper_case() {
    let shop = Shop::new();
    let sale = shop.sale();
    expect_changed(
        &shop,
        &sale,
        &json!({"currency": "jpy"}),
        &json!({"currency": "JPY"}),
    );
}

#[test]
fn a_customer_is_merged_and_an_address_replaced() {
    let shop = Shop::new();
    let sale = shop.sale_with(&json!({
        "customer": {"email": "a@shop.example", "phone": "+49 30 1234"},
        "billing_address": {"street": "Weg 1", "city": "Köln"},
    }));
    let change = json!({"customer": {"name": "Zoë"}, "billing_address": {"city": "Bonn"}});
    let expected = json!({"customer_email": "a@shop.example", "customer_name": "Zoë"});
    expect_changed(&shop, &sale, &change, &expected);
    let address = &shop.session(&sale)["billing_address"];
    assert_eq!(address["city"], "Bonn");
    assert!(address["street"].is_null(), "{address}");
}

#[test]
fn metadata_is_merged_by_name_and_a_null_removes_a_name() {
    let shop = Shop::new();
    let sale = shop.sale_with(&json!({"metadata": {"a": "1", "b": "2"}}));
    let change = json!({"metadata": {"a": null, "b": "3", "c": "4", "never": null}});
    let expected = json!({"metadata": {"b": "3", "c": "4"}});
    expect_changed(&shop, &sale, &change, &expected);
}

#[test]
fn metadata_has_at_most_50_members_afterwards() {
    let shop = Shop::new();
    let sale = shop.sale_with(&json!({"metadata": names(49, "old")}));
    expect_invalid(
        &shop
            .update(&sale, &json!({"metadata": names(2, "new")}))
            .send(),
        "metadata",
    );
    let mut swap = names(2, "new");
    swap["old_0"] = Value::Null;
    ok(&shop.update(&sale, &json!({"metadata": swap})).send());
    let kept = shop.session(&sale)["metadata"].clone();
    assert_eq!(kept.as_object().map(|members| members.len()), Some(50));
}

#[test]
fn null_leaves_a_member_as_it_is() {
    let shop = Shop::new();
    let given = json!({
        "description": "Two chairs",
        "statement_descriptor": "CHAIRS",
        "customer": {"email": "a@shop.example"},
        "billing_address": {"city": "Köln"},
        "metadata": {"a": "1"},
    });
    let sale = shop.sale_with(&given);
    let before = shop.session(&sale);
    for name in [
        "amount",
        "currency",
        "description",
        "statement_descriptor",
        "customer",
        "billing_address",
        "shipping_address",
        "metadata",
    ] {
        let answer = ok(&shop.update(&sale, &json!({name: null})).send());
        assert_eq!(answer[name], before[name], "{name}");
        assert_eq!(answer["customer_email"], "a@shop.example", "{name}");
    }
}

#[test]
fn an_empty_change_and_unknown_members_change_nothing() {
    let shop = Shop::new();
    let sale = shop.sale();
    let before = shop.session(&sale);
    let changes = [
        json!({}),
        json!({"no_such_member": [1]}),
        json!({"id": "sess_mine", "client_secret": "cs_mine", "status": "succeeded", "livemode": true}),
        json!({"capture_method": "manual", "success_url": "https://evil.example", "external_id": "x"}),
    ];
    for change in changes {
        let mut answer = ok(&shop.update(&sale, &change).send());
        answer["updated_at"] = before["updated_at"].clone();
        assert_eq!(answer, before, "{change}");
    }
}

#[test]
fn a_change_that_can_not_be_is_refused_by_name_and_nothing_is_changed() {
    let shop = Shop::new();
    let sale = shop.sale();
    let before = shop.session(&sale);
    let wrong = [
        ("amount", json!(0)),
        ("amount", json!(-1)),
        ("amount", json!(1.5)),
        ("amount", json!("1000")),
        ("amount", json!(2_147_483_648_u64)),
        ("amount", json!(true)),
        ("currency", json!("ZZZ")),
        ("currency", json!("US")),
        ("currency", json!(840)),
        ("description", json!(1)),
        ("statement_descriptor", json!([])),
        ("customer", json!("a@shop.example")),
        ("customer", json!({"email": "nobody"})),
        ("billing_address", json!({"city": 1})),
        ("shipping_address", json!([])),
        ("metadata", json!({"a": 1})),
        ("metadata", json!({"n".repeat(41): "value"})),
        ("metadata", json!({"a": "v".repeat(501)})),
        ("metadata", json!([])),
    ];
    for (name, value) in wrong {
        let good = if name == "description" {
            "currency"
        } else {
            "description"
        };
        let change = json!({name: value, good: "EUR"});
        expect_invalid(&shop.update(&sale, &change).send(), name);
        assert_eq!(shop.session(&sale), before, "{change}");
    }
}

#[test]
fn a_session_says_when_it_was_changed() {
    let shop = Shop::new();
    let sale = shop.sale();
    shop.world.advance(SECOND * 60);
    let changed = ok(&shop.update(&sale, &json!({"amount": 2})).send());
    assert_eq!(seconds(&changed["updated_at"]), NOON + 60);
    assert_eq!(seconds(&changed["created_at"]), NOON);
}

#[test]
fn the_buyer_pays_what_the_session_costs_now() {
    let shop = Shop::new();
    let sale = shop.sale();
    ok(&shop
        .update(&sale, &json!({"amount": 7, "currency": "EUR"}))
        .send());
    let payment = ok(&shop.pay(&sale, "tok_visa"));
    assert_eq!(
        (&payment["amount"], &payment["currency"]),
        (&json!(7), &json!("EUR"))
    );
    assert_eq!(payment["captured_amount"], 7);
}

#[test]
fn the_holder_of_the_client_secret_may_change_it_too() {
    let shop = Shop::new();
    let sale = shop.sale();
    let request = shop.world.request("PATCH", &sale.path());
    let answer = request
        .bearer(&sale.secret)
        .json(r#"{"description":"Mine"}"#)
        .send();
    assert_eq!(ok(&answer)["description"], "Mine");
    assert_eq!(shop.session(&sale)["description"], "Mine");
}

#[test]
fn only_a_session_that_nobody_has_paid_for_may_change() {
    let shop = Shop::new();
    let sales = [
        shop.paid(),
        shop.authorized(),
        shop.challenged(),
        shop.declined(),
        shop.canceled(),
    ];
    for sale in sales {
        let before = shop.session(&sale);
        let answer = shop.update(&sale, &json!({"amount": 1})).send();
        answer.expect(400, "session_not_updatable");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        assert_eq!(shop.session(&sale), before);
    }
}
