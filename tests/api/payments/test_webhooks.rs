//! `POST /test-webhooks`: an event on demand, and what it does to the session that it names.

use atlas::domain::key::Mode;
use serde_json::{Value, json};

use super::{PRICE, Sale, Shop, expect_invalid, merged, ok, seconds, text};
use crate::mock_handles::running;
use crate::world::{HOUR, NOON, eventually};

const EVENTS: &[&str] = &[
    "payment.authorized",
    "payment.captured",
    "payment.failed",
    "payment.canceled",
    "payment.requires_action",
    "payment.refunded",
    "payment.pending",
    "session.expired",
    "session.canceled",
    "refund.succeeded",
    "refund.failed",
    "refund.pending",
    "refund.updated",
    "dispute.created",
    "dispute.updated",
    "dispute.closed",
    "dispute.resolved",
    "dispute.lost",
    "bank_transfer.initiated",
    "bank_transfer.pending",
    "bank_transfer.succeeded",
    "bank_transfer.failed",
    "bank_transfer.returned",
];

/// The events that move a session, and where to.
const MOVES: &[(&str, &str)] = &[
    ("payment.captured", "succeeded"),
    ("payment.failed", "failed"),
    ("payment.canceled", "canceled"),
    ("payment.authorized", "processing"),
];

fn event(kind: &str, sale: &Sale) -> Value {
    json!({"event_type": kind, "session_id": sale.id})
}

#[test]
fn every_known_event_is_sent() {
    let shop = Shop::new();
    for kind in EVENTS {
        let event = ok(&shop.test_webhook(&json!({"event_type": kind})));
        assert_eq!(event["object"], "event", "{kind}");
        assert_eq!(event["type"], *kind);
        assert_eq!(event["livemode"], false, "{kind}");
        assert_eq!(event["deliveries"], 0, "nobody listens to {kind}");
        assert_eq!(seconds(&event["created"]), NOON, "{kind}");
        assert!(event["data"]["object"].is_object(), "{kind}");
        let id = text(&event["id"]);
        assert_eq!(id.strip_prefix("evt_").map(str::len), Some(24), "{id}");
    }
}

#[test]
fn without_a_session_the_payment_is_made_up() {
    let shop = Shop::new();
    let made_up = |more: &Value| {
        let body = merged(&json!({"event_type": "payment.captured"}), more);
        ok(&shop.test_webhook(&body))["data"]["object"].clone()
    };
    let usual = made_up(&json!({}));
    assert_eq!(
        (&usual["amount"], &usual["currency"]),
        (&json!(1_000), &json!("USD"))
    );
    let given = made_up(&json!({"amount": 7, "currency": "eur"}));
    assert_eq!(
        (&given["amount"], &given["currency"]),
        (&json!(7), &json!("EUR"))
    );
}

#[test]
fn an_event_moves_the_session_that_it_names() {
    let shop = Shop::new();
    for (kind, moved) in MOVES {
        for sale in [shop.sale(), shop.challenged(), shop.authorized()] {
            let before = shop.status(&sale);
            ok(&shop.test_webhook(&event(kind, &sale)));
            assert_eq!(shop.status(&sale), *moved, "{kind} on {before}");
        }
    }
}

#[test]
fn the_payment_goes_with_its_session() {
    let shop = Shop::new();
    let rows = [
        ("payment.captured", "succeeded", "captured"),
        ("payment.failed", "failed", "failed"),
        ("payment.canceled", "canceled", "canceled"),
        ("payment.authorized", "processing", "authorized"),
    ];
    for (kind, session, payment) in rows {
        for sale in [shop.authorized(), shop.challenged()] {
            let told = ok(&shop.test_webhook(&event(kind, &sale)))["data"]["object"].clone();
            shop.expect_states(&sale, session, Some(payment));
            assert_eq!(told["id"], sale.payment(), "{told}");
            assert_eq!(told["status"], payment, "as it is after the change");
        }
    }
}

#[test]
fn what_an_event_captured_is_captured() {
    let shop = Shop::new();
    let sale = shop.authorized();
    ok(&shop.test_webhook(&event("payment.captured", &sale)));
    assert_eq!(shop.payment(&sale)["captured_amount"], PRICE);
    assert_eq!(ok(&shop.refund(&sale, &json!({})).send())["amount"], PRICE);
}

#[test]
fn a_session_that_is_over_stays_as_it_is() {
    let shop = Shop::new();
    for sale in [shop.paid(), shop.declined(), shop.canceled()] {
        let before = shop.session(&sale);
        for (kind, _) in MOVES {
            let answer = shop.test_webhook(&event(kind, &sale));
            answer.expect(400, "invalid_session_state");
        }
        assert_eq!(shop.session(&sale), before);
    }
}

#[test]
fn what_was_captured_in_part_is_not_taken_back_by_an_event() {
    let shop = Shop::new();
    let sale = shop.authorized();
    ok(&shop.capture(&sale, &json!({"amount": 1})).send());
    for kind in ["payment.failed", "payment.canceled", "payment.authorized"] {
        let answer = shop.test_webhook(&event(kind, &sale));
        answer.expect(400, "invalid_session_state");
        shop.expect_states(&sale, "processing", Some("authorized"));
    }
    ok(&shop.test_webhook(&event("payment.captured", &sale)));
    assert_eq!(shop.payment(&sale)["captured_amount"], PRICE);
    shop.expect_states(&sale, "succeeded", Some("captured"));
}

#[test]
fn who_was_slow_to_send_moves_the_session_when_its_turn_comes() {
    let shop = Shop::new();
    let sale = shop.sale();
    let slow = shop
        .post("/test-webhooks", &event("payment.captured", &sale))
        .begin(3);
    eventually("the request has come", || {
        running(&shop.world, &shop.key) == 1
    });
    shop.world.advance(HOUR);
    let told = ok(&slow.finish());
    assert_eq!(seconds(&told["created"]), NOON + 3_600);
    assert_eq!(shop.status(&sale), "succeeded");
}

/// What an event may be about that tells of a session and does not move it: what it shows, and whether of a session that
/// is paid as well. Each could be of one that is open.
const TELLS: &[(&str, &str, &str, bool)] = &[
    (
        "payment.requires_action",
        "payment_intent",
        "requires_action",
        false,
    ),
    ("payment.refunded", "payment_intent", "refunded", true),
    ("payment.pending", "payment_intent", "authorized", false),
    ("session.expired", "payment_session", "canceled", false),
    ("session.canceled", "payment_session", "canceled", false),
    ("refund.succeeded", "refund", "succeeded", true),
    ("refund.failed", "refund", "failed", true),
    ("refund.pending", "refund", "pending", true),
    ("refund.updated", "refund", "succeeded", true),
    ("dispute.created", "payment_intent", "captured", true),
    (
        "bank_transfer.succeeded",
        "payment_intent",
        "captured",
        true,
    ),
];

#[test]
fn other_events_tell_of_a_session_as_it_would_be_and_move_nothing() {
    let shop = Shop::new();
    for (kind, object, status, is_of_paid) in TELLS {
        let tell = |sale: &Sale| shop.test_webhook(&event(kind, sale));
        for sale in [shop.sale(), shop.challenged(), shop.paid()] {
            let before = shop.session(&sale);
            let told = tell(&sale);
            if before["status"] == "succeeded" && !is_of_paid {
                told.expect(400, "invalid_session_state");
            } else {
                let told = ok(&told)["data"]["object"].clone();
                assert_eq!(
                    (&told["object"], &told["status"]),
                    (&json!(object), &json!(status)),
                    "{kind}"
                );
                let names = ["id", "session_id", "payment_id"].map(|name| told[name].clone());
                let own = [json!(sale.id), json!(sale.payment())];
                assert!(
                    names.iter().any(|name| own.contains(name)),
                    "{kind}: {told}"
                );
            }
            assert_eq!(shop.session(&sale), before, "{kind}");
        }
        for sale in [shop.declined(), shop.canceled()] {
            tell(&sale).expect(400, "invalid_session_state");
        }
        let made_up =
            ok(&shop.test_webhook(&json!({"event_type": kind})))["data"]["object"].clone();
        assert_eq!(
            (&made_up["object"], &made_up["status"]),
            (&json!(object), &json!(status)),
            "{kind}"
        );
    }
}

#[test]
fn a_refund_that_is_told_of_is_of_what_is_left() {
    let shop = Shop::new();
    let sale = shop.paid();
    let told = |kind: &str| ok(&shop.test_webhook(&event(kind, &sale)))["data"]["object"].clone();
    assert_eq!(told("payment.refunded")["refunded_amount"], PRICE);
    ok(&shop.refund(&sale, &json!({"amount": 300})).send());
    assert_eq!(told("refund.succeeded")["amount"], PRICE - 300);
    assert_eq!(told("refund.succeeded")["payment_id"], sale.payment());
    ok(&shop.refund(&sale, &json!({})).send());
    let over = shop.test_webhook(&event("refund.succeeded", &sale));
    over.expect(400, "invalid_session_state");
}

#[test]
fn an_event_has_a_type_that_is_known() {
    let shop = Shop::new();
    let missing = shop.test_webhook(&json!({}));
    missing.expect(400, "parameter_missing");
    assert_eq!(missing.param().as_deref(), Some("event_type"));
    let wrong = [
        "",
        "payment",
        "payment.",
        "Payment.captured",
        "payment.captured ",
        "x.y",
    ];
    let wrong = wrong.map(|kind| json!(kind));
    for kind in wrong.iter().chain(&[json!(1), json!(["payment.captured"])]) {
        expect_invalid(
            &shop.test_webhook(&json!({"event_type": kind})),
            "event_type",
        );
    }
}

#[test]
fn a_member_that_can_not_be_is_refused_by_name() {
    let shop = Shop::new();
    let sale = shop.sale();
    let wrong = [
        ("delay_seconds", json!(-1)),
        ("delay_seconds", json!(86_401)),
        ("delay_seconds", json!(1.5)),
        ("delay_seconds", json!("1")),
        ("amount", json!(0)),
        ("amount", json!("7")),
        ("amount", json!(2_147_483_648_u64)),
        ("currency", json!("ZZZ")),
        ("currency", json!(840)),
        ("metadata", json!({"a": 1})),
        ("metadata", json!([])),
        ("transaction_id", json!(1)),
        ("session_id", json!(1)),
    ];
    for (name, value) in wrong {
        let body = merged(&event("payment.captured", &sale), &json!({name: value}));
        expect_invalid(&shop.test_webhook(&body), name);
        assert_eq!(shop.status(&sale), "requires_payment_method", "{body}");
    }
}

#[test]
fn what_can_be_is_taken() {
    let shop = Shop::new();
    for more in [
        json!({"delay_seconds": 0}),
        json!({"delay_seconds": 86_400}),
        json!({"metadata": {"order": "7"}}),
        json!({"transaction_id": "txn_7"}),
        json!({"no_such_member": [1]}),
    ] {
        let body = merged(&json!({"event_type": "payment.captured"}), &more);
        assert_eq!(shop.test_webhook(&body).status, 200, "{more}");
    }
}

#[test]
fn a_session_of_nobody_or_of_another_merchant_is_not_found() {
    let shop = Shop::new();
    let other = shop.world.key_of("other", Mode::Test);
    let foreign = shop.sale_of(&other, &json!({}));
    for id in [foreign.id.as_str(), "x", "sess_AAAAAAAAAAAAAAAAAAAAAAAA"] {
        let body = json!({"event_type": "payment.captured", "session_id": id});
        shop.test_webhook(&body).expect(404, "session_not_found");
    }
    let read = shop.world.look_up(&other, &foreign.id).send();
    assert_eq!(ok(&read)["status"], "requires_payment_method");
}
