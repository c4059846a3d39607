//! `GET /test-cards`: the table of test cards, whole or by category.

use serde_json::Value;

use super::cards::{CARDS, Card, End};
use super::{Shop, expect_invalid, ok};

#[track_caller]
fn listed(shop: &Shop, query: &str) -> Vec<Value> {
    let list = ok(&shop.get(&format!("/test-cards{query}")).send());
    assert_eq!(list["object"], "list");
    list["data"].as_array().expect("data").clone()
}

fn numbers(rows: &[Value]) -> Vec<&str> {
    let mut numbers: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["number"].as_str())
        .collect();
    numbers.sort_unstable();
    numbers
}

fn of_category(category: Option<&str>) -> Vec<&'static str> {
    let cards = CARDS
        .iter()
        .filter(|card| category.is_none_or(|category| card.category == category));
    let mut numbers: Vec<&str> = cards.map(|card| card.number).collect();
    numbers.sort_unstable();
    numbers
}

#[track_caller]
fn expect_row(row: &Value, card: &Card) {
    let number = card.number;
    assert_eq!(row["brand"], card.brand, "{number}");
    assert_eq!(row["category"], card.category, "{number}");
    assert_eq!(
        row.get("token").and_then(Value::as_str),
        card.token,
        "{number}"
    );
    for name in ["outcome", "description"] {
        let text = row[name].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{name} of {number}");
    }
    let code = row.get("decline_code").and_then(Value::as_str);
    match card.end {
        End::Declined(reason) => assert_eq!(code, Some(reason), "{number}"),
        End::Pays | End::Frictionless | End::Asks { pays: true } => {
            assert_eq!(code, None, "{number}");
        }
        End::Asks { pays: false } => {
            assert!(
                matches!(code, None | Some("authentication_failed")),
                "{number}"
            );
        }
    }
}

#[test]
fn every_card_of_the_table_is_listed_once() {
    let shop = Shop::new();
    let rows = listed(&shop, "");
    assert_eq!(numbers(&rows), of_category(None));
    for card in CARDS {
        let row = rows.iter().find(|row| row["number"] == card.number);
        expect_row(row.expect("a row"), card);
    }
}

#[test]
fn a_category_lists_its_own() {
    let shop = Shop::new();
    for category in ["success", "decline", "three_d_secure", "risk", "dispute"] {
        let rows = listed(&shop, &format!("?category={category}"));
        assert_eq!(numbers(&rows), of_category(Some(category)), "{category}");
    }
}

#[test]
fn a_category_that_there_is_not_is_refused_by_name() {
    let shop = Shop::new();
    for category in ["none", "Success", "success,decline", "%00", "%ff"] {
        let answer = shop.get(&format!("/test-cards?category={category}")).send();
        expect_invalid(&answer, "category");
    }
}

#[test]
fn other_parameters_are_ignored() {
    let shop = Shop::new();
    let rows = listed(&shop, "?page=2&category=risk&x");
    assert_eq!(numbers(&rows), of_category(Some("risk")));
}
