//! Random walks through payments, held step by step against the model.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::cards::CARDS;
use super::model::{Answer, Model};
use super::{PRICE, Sale, Shop, ok};
use crate::world::{Response, SECOND};

/// How long a session of the walk lives, in seconds.
const LIFE: u64 = 3_600;

const EVENTS: &[&str] = &[
    "payment.captured",
    "payment.failed",
    "payment.canceled",
    "payment.authorized",
    "payment.refunded",
    "dispute.created",
];

#[derive(Clone, Debug)]
enum Step {
    Update(u64),
    Cancel,
    /// With the card of this place in the table.
    Confirm(usize),
    /// To the bank: whether it is the buyer.
    Answer(bool),
    Capture(Option<u64>),
    Refund(Option<u64>),
    /// So many seconds pass.
    Wait(u64),
    Webhook(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let part = || prop_oneof![1 => Just(None), 3 => (1..PRICE).prop_map(Some)];
    prop_oneof![
        2 => (1..2 * PRICE).prop_map(Step::Update),
        1 => Just(Step::Cancel),
        5 => (0..CARDS.len()).prop_map(Step::Confirm),
        3 => prop::bool::weighted(0.8).prop_map(Step::Answer),
        5 => part().prop_map(Step::Capture),
        5 => part().prop_map(Step::Refund),
        1 => (1..LIFE / 2).prop_map(Step::Wait),
        1 => (0..EVENTS.len()).prop_map(Step::Webhook),
    ]
}

/// One session with its model.
struct Walk<'s> {
    shop: &'s Shop,
    sale: Sale,
    model: Model,
}

impl<'s> Walk<'s> {
    fn begin(shop: &'s Shop, manual: bool) -> Self {
        let method = if manual { "manual" } else { "automatic" };
        let sale = shop.sale_with(&json!({"capture_method": method, "expires": LIFE}));
        let model = Model::new(PRICE, manual, shop.world.now() + LIFE);
        Self { shop, sale, model }
    }

    /// Takes a step here and in the model. Where only the first answer is clear, the rest is left out.
    fn take(&mut self, step: &Step) {
        let (shop, sale) = (self.shop, &self.sale);
        self.model.pass(shop.world.now());
        let amount = |part: &Option<u64>| part.map_or(json!({}), |part| json!({"amount": part}));
        match step {
            Step::Update(to) => {
                let answer = shop.update(sale, &json!({"amount": to})).send();
                check_answer(&answer, self.model.update(*to), step);
            }
            Step::Cancel => {
                let answer = shop.cancel(sale, &json!({})).send();
                check_answer(&answer, self.model.cancel(), step);
            }
            Step::Confirm(place) => {
                let card = &CARDS[*place];
                let answer = shop.pay(sale, &card.test_token());
                check_answer(&answer, self.model.confirm(card.end), step);
            }
            Step::Answer(is_buyer) => {
                let waits = self.model.status == "requires_action";
                if waits {
                    let result = if *is_buyer { "authenticated" } else { "failed" };
                    shop.answer(sale, result);
                    self.model.answer(*is_buyer);
                }
            }
            Step::Capture(part) => {
                let is_whole = self.model.captured() == self.model.amount;
                if !self.model.vague {
                    let part = if is_whole { &None } else { part };
                    let answer = shop.capture(sale, &amount(part)).send();
                    check_answer(&answer, self.model.capture(*part), step);
                }
            }
            Step::Refund(part) => {
                if !self.model.vague {
                    let answer = shop.refund(sale, &amount(part)).send();
                    check_answer(&answer, self.model.refund(*part), step);
                }
            }
            Step::Wait(seconds) => {
                shop.world
                    .advance(SECOND * u32::try_from(*seconds).expect("a wait"));
                self.model.pass(shop.world.now());
            }
            Step::Webhook(place) => {
                let event = EVENTS[*place];
                let body = json!({"event_type": event, "session_id": sale.id});
                let answer = shop.test_webhook(&body);
                check_answer(&answer, self.model.webhook(event), step);
            }
        }
    }

    /// What is shown is what the model has, and the sums are in order.
    fn check(&self, step: &Step) {
        let session = self.shop.session(&self.sale);
        let model = &self.model;
        assert_eq!(session["status"], model.status, "{step:?}: {session}");
        assert_eq!(session["amount"], model.amount, "{step:?}: {session}");
        if model.vague {
            return;
        }
        let status = model.payment.as_ref().map(|paid| paid.status);
        let shown = session["latest_attempt"]["status"].as_str();
        assert_eq!(shown, status, "{step:?}: {session}");
        let Some(paid) = &model.payment else { return };
        assert!(paid.refunded <= paid.captured && paid.captured <= model.amount);
        if paid.captured == model.amount {
            let payment = ok(&self.shop.capture(&self.sale, &json!({})).send());
            check_sums(&payment, model);
        }
    }
}

fn check_sums(payment: &Value, model: &Model) {
    let Some(paid) = &model.payment else { return };
    let sums = [&payment["captured_amount"], &payment["refunded_amount"]];
    assert_eq!(
        sums.map(Value::as_u64),
        [Some(paid.captured), Some(paid.refunded)]
    );
    assert_eq!(payment["status"], paid.status);
    assert_eq!(payment["amount"], model.amount);
}

#[track_caller]
fn check_answer(answer: &Response, expected: Answer, step: &Step) {
    let code = (answer.status >= 400).then(|| answer.code());
    let given = (answer.status, code.as_deref());
    assert_eq!(given, expected, "{step:?}");
}

#[test]
fn any_walk_through_payments_is_as_the_model_says() {
    let shop = Shop::with(|settings| {
        settings.per_address = 1_000_000;
        settings.limits.per_minute = 1_000_000;
        settings.limits.per_day = 1_000_000;
    });
    let config = ProptestConfig {
        cases: 24,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let walk = (
        vec(any::<bool>(), 1..4),
        vec((any::<prop::sample::Index>(), step()), 1..40),
    );
    let checked = TestRunner::new(config).run(&walk, |(sales, steps)| {
        let begin = |manual: &bool| Walk::begin(&shop, *manual);
        let mut walks: Vec<Walk<'_>> = sales.iter().map(begin).collect();
        for (which, step) in &steps {
            let count = walks.len();
            walks[which.index(count)].take(step);
            for walk in &mut walks {
                walk.model.pass(shop.world.now());
                walk.check(step);
            }
        }
        Ok(())
    });
    if let Err(why) = checked {
        panic!("{why}");
    }
}
