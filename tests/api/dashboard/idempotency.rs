//! Looking an idempotency key up.

use super::html::Html;
use super::operator::{Operator, asking};
use crate::world::{HOUR, MILLISECOND, World};

fn look_up(operator: &Operator<'_>, account: &str, mode: &str, key: &str) -> Html {
    let query = [("account", account), ("mode", mode), ("key", key)];
    operator.page(&asking("/dashboard/idempotency", &query))
}

/// What is said of a key of the account `default` in test mode.
fn record(operator: &Operator<'_>, key: &str) -> Html {
    look_up(operator, "default", "test", key).id("record")
}

/// The first number after this word.
fn number_after(text: &str, word: &str) -> u64 {
    let text = text.to_lowercase();
    let (_, rest) = text
        .split_once(word)
        .unwrap_or_else(|| panic!("{word} in {text}"));
    let digits: String = rest
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits
        .parse()
        .unwrap_or_else(|_| panic!("a number after {word} in {text}"))
}

/// The fingerprint: the one long word of hexadecimal digits.
fn fingerprint(record: &Html) -> String {
    let text = record.text();
    let is_hex = |word: &&str| {
        let word = word.trim_end_matches('…');
        word.len() >= 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let word = text.split_whitespace().find(is_hex);
    word.unwrap_or_else(|| panic!("no fingerprint in {text}"))
        .to_owned()
}

#[test]
fn the_page_asks_for_what_it_needs() {
    let world = World::new();
    let operator = Operator::of(&world);
    let page = operator.page("/dashboard/idempotency");
    assert!(page.find("record").is_none());
    for field in ["account", "mode", "key"] {
        assert!(
            page.all("form")
                .iter()
                .any(|form| form.field(field).is_some()),
            "{field}"
        );
    }
}

#[test]
fn a_kept_answer_is_shown_with_its_replays() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let order = world.order(&key).idempotent("order_1");
    let session = order.send().session();
    for replays in 0..3 {
        let record = record(&operator, "order_1");
        assert!(record.says("kept"), "{}", record.text());
        for part in ["201", &session, "requires_payment_method"] {
            assert!(record.text().contains(part), "{part} in {}", record.text());
        }
        assert_eq!(number_after(&record.text(), "replays"), replays);
        assert!(order.send().replayed());
    }
}

#[test]
fn one_request_has_one_fingerprint_and_another_another() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let send = |id: &str, body: &str| world.order_of(&key, body).idempotent(id).send();
    send("one", r#"{"amount":1,"currency":"USD"}"#);
    send("two", r#"{ "currency":"USD", "amount":1 }"#);
    send("three", r#"{"amount":2,"currency":"USD"}"#);
    let [one, two, three] = ["one", "two", "three"].map(|id| fingerprint(&record(&operator, id)));
    assert_eq!(one, two);
    assert_ne!(one, three);
}

#[test]
fn an_answer_grows_old_and_expires_after_a_day() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    world.order(&key).idempotent("order_1").send();
    let young = record(&operator, "order_1").text();
    world.advance(HOUR * 5);
    let older = record(&operator, "order_1").text();
    assert_ne!(young, older);
    assert!(
        older.contains('5') && older.contains("19"),
        "age and time left: {older}"
    );
    world.advance(HOUR * 6 + HOUR - MILLISECOND);
    let operator = Operator::of(&world);
    assert!(record(&operator, "order_1").says("kept"));
    world.advance(HOUR * 12 + MILLISECOND);
    let operator = Operator::of(&world);
    let gone = record(&operator, "order_1");
    assert!(
        gone.says("expired") || gone.says("unknown"),
        "{}",
        gone.text()
    );
}

#[test]
fn a_key_that_nobody_sent_is_unknown() {
    let world = World::new();
    let key = world.key();
    world.order(&key).idempotent("order_1").send();
    let operator = Operator::of(&world);
    for (account, mode, key) in [
        ("default", "test", "order_2"),
        ("default", "live", "order_1"),
        ("other", "test", "order_1"),
        ("default", "test", "ORDER_1"),
    ] {
        let record = look_up(&operator, account, mode, key).id("record");
        assert!(
            record.says("unknown"),
            "{account} {mode} {key}: {}",
            record.text()
        );
    }
}

#[test]
fn a_refusal_that_is_not_kept_leaves_the_key_unknown() {
    let world = World::new();
    let key = world.key();
    world.order_of(&key, "{}").idempotent("order_1").send();
    let operator = Operator::of(&world);
    assert!(record(&operator, "order_1").says("unknown"));
}

#[test]
fn looking_a_key_up_counts_as_no_replay_and_spends_nothing() {
    let world = World::new();
    let key = world.key();
    let first = world.order(&key).idempotent("order_1").send();
    let operator = Operator::of(&world);
    for _ in 0..3 {
        assert_eq!(
            number_after(&record(&operator, "order_1").text(), "replays"),
            0
        );
    }
    let second = world.order(&key).idempotent("order_1").send();
    assert_eq!(second.remaining() + 1, first.remaining());
}

#[test]
fn an_answer_is_still_shown_after_a_restart() {
    let world = World::new();
    let key = world.key();
    let session = world.order(&key).idempotent("order_1").send().session();
    let world = world.restart();
    let operator = Operator::of(&world);
    let record = record(&operator, "order_1");
    assert!(record.says("kept") && record.text().contains(&session));
}

#[test]
fn the_latest_requests_of_the_key_stand_under_it() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    world
        .order(&key)
        .idempotent("order_1")
        .header("X-Request-Id", "first")
        .send();
    world
        .order(&key)
        .idempotent("order_2")
        .header("X-Request-Id", "second")
        .send();
    operator.request_with("second");
    let page = look_up(&operator, "default", "test", "order_1");
    let rows: Vec<_> = page
        .all("tr")
        .into_iter()
        .filter(|row| row.holds("first"))
        .collect();
    assert_eq!(rows.len(), 1);
    assert!(!page.holds("second"));
}
