//! One of a thousand clients: what it asks for is drawn, and each answer is held against what was promised.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::RECORDS_LIVE;
use crate::ledger::{Key, Ledger, Order};
use crate::wire::{Answer, Manner, Request, Wire};

/// A client rests up to this long between two requests.
const REST: Duration = Duration::from_millis(1_000);
/// Orders that a client has open at most before it brings them to their end.
const OPEN: usize = 10;
/// How long what is open at the end may take.
const LAST: Duration = Duration::from_secs(120);
/// What is repeated must be younger than this part of a record's life.
const YOUNG: u32 = 2;

/// A number below `end`.
pub fn random(end: u64) -> u64 {
    RandomState::new().hash_one(0) % end
}

/// An order that is not answered yet; it is sent again until it is.
struct Open {
    idempotency_key: String,
    amount: u32,
    /// The server may have done it from then on, and its record ends by that.
    first_sent: Instant,
}

pub struct Client<'a> {
    ledger: &'a Ledger,
    number: usize,
    wire: Option<Wire>,
    orders: u64,
    open: Vec<Open>,
}

impl<'a> Client<'a> {
    pub const fn new(ledger: &'a Ledger, number: usize) -> Self {
        Self {
            ledger,
            number,
            wire: None,
            orders: 0,
            open: Vec::new(),
        }
    }

    /// Until all is over; then what is open is brought to its end.
    pub fn live(&mut self) {
        while !self.ledger.is_over.load(Ordering::Relaxed) {
            std::thread::sleep(REST.mul_f64(random(1_000) as f64 / 1_000.0));
            self.act();
        }
        let deadline = Instant::now() + LAST;
        while let Some(open) = self.open.pop() {
            let before = self.open.len();
            self.try_to_finish(open, &self.ledger.unlimited, Manner::Quick);
            if self.open.len() > before {
                if Instant::now() > deadline {
                    break;
                }
                std::thread::sleep(REST);
            }
        }
        if let Some(open) = self.open.first() {
            let key = &open.idempotency_key;
            self.ledger.broken(format!("{key} is stuck"));
        }
    }

    fn act(&mut self) {
        let (key, drawn) = (self.any_key(), random(100));
        match drawn {
            // Only orders are refused so often that more of them would be open in the end than can be answered.
            0..31 if self.open.len() >= OPEN => self.finish(),
            0..25 => self.order(key, Manner::Quick),
            25..28 => self.order(key, Manner::SlowBody),
            28..31 => self.order(key, Manner::SlowHead),
            31..33 => self.order(key, Manner::SlowReading),
            33..43 => self.repeat(key, false),
            43..47 => self.repeat(key, true),
            47..65 => self.read(key),
            65..73 => self.pay(key),
            73..80 => self.give_up(key, drawn < 76),
            80..86 => self.ask_wrongly(key),
            86..90 => self.ask_as_a_stranger(),
            90..93 => self.order_without_a_key(key),
            _ => self.finish(),
        }
    }

    /// The first keys are asked for most, more than their limits allow.
    fn any_key(&self) -> usize {
        let keys = self.ledger.keys.len() as u64;
        let end = if random(2) == 0 { keys / 5 } else { keys };
        random(end) as usize
    }

    fn key(&self, key: usize) -> &'a Key {
        let ledger = self.ledger;
        &ledger.keys[key]
    }

    /// Asks on the connection there is, or a new one, and counts the answer.
    fn ask(&mut self, request: &Request, manner: Manner, key: Option<&Key>) -> Option<Answer> {
        let kills = self.ledger.kills.load(Ordering::SeqCst);
        let wire = self
            .wire
            .take()
            .or_else(|| Wire::connect(self.ledger.address));
        let Some(mut wire) = wire else {
            self.cut(kills, "no connection");
            return None;
        };
        let answer = wire.try_to_ask(request, manner);
        if let Some(key) = key {
            self.ledger.count(key, answer.as_ref().ok());
        }
        match &answer {
            Ok(answer) => {
                self.wire = (!answer.is_last).then_some(wire);
                self.ledger.tell(answer.status.to_string());
                if answer.status >= 500 {
                    self.ledger
                        .broken(format!("{}: {}", answer.status, answer.text()));
                }
            }
            Err(why) => self.cut(kills, why),
        }
        answer.ok()
    }

    /// Only a kill may cut a client off.
    fn cut(&self, kills: u64, what: &str) {
        self.ledger.tell(what.to_owned());
        if kills == 0 && self.ledger.kills.load(Ordering::SeqCst) == 0 {
            self.ledger.broken(what.to_owned());
        }
    }

    fn expect(&self, answer: Option<&Answer>, statuses: &[u16], what: &str) -> bool {
        let Some(answer) = answer.filter(|answer| answer.status != 429) else {
            return false;
        };
        let expected = statuses.contains(&answer.status);
        if !expected {
            let (status, text) = (answer.status, answer.text());
            self.ledger.broken(format!("{what}: {status} {text}"));
        }
        expected
    }

    fn new_order(&mut self) -> Open {
        self.orders += 1;
        Open {
            idempotency_key: format!("order-{}-{}", self.number, self.orders),
            amount: 100 + random(10_000) as u32,
            first_sent: Instant::now(),
        }
    }

    fn order(&mut self, key: usize, manner: Manner) {
        let open = self.new_order();
        self.try_to_finish(open, self.key(key), manner);
    }

    /// Sends an open order, and keeps it open when it is not answered for good.
    fn try_to_finish(&mut self, open: Open, key: &Key, manner: Manner) {
        let answer = self.ask(
            &create(&key.secret, &open.idempotency_key, open.amount),
            manner,
            Some(key),
        );
        let is_busy = answer.as_ref().is_some_and(|answer| answer.status == 409);
        if is_busy || !self.expect(answer.as_ref(), &[201], &open.idempotency_key) {
            self.open.push(open);
            return;
        }
        let Some(answer) = answer else { return };
        let made = answer.json();
        let member = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
        self.ledger.orders.lock().push(Order {
            session: member("id"),
            client_secret: member("client_secret"),
            idempotency_key: open.idempotency_key,
            amount: open.amount,
            answer: *blake3::hash(&answer.body).as_bytes(),
            first_sent: open.first_sent,
            at: Instant::now(),
            changed: false,
        });
    }

    fn finish(&mut self) {
        if let Some(open) = self.open.pop() {
            // A key whose day is over would keep it for ever; all are of one account.
            let key = self.key(self.any_key());
            self.try_to_finish(open, key, Manner::Quick);
        }
    }

    fn repeat(&mut self, key: usize, with_another_amount: bool) {
        let Some(order) = self
            .ledger
            .order_within(RECORDS_LIVE / YOUNG, random(u64::MAX))
            .filter(|order| order.first_sent.elapsed() < RECORDS_LIVE / YOUNG)
        else {
            return;
        };
        let (key, amount) = (self.key(key), order.amount + u32::from(with_another_amount));
        let request = create(&key.secret, &order.idempotency_key, amount);
        let answer = self.ask(&request, Manner::Quick, Some(key));
        let status = if with_another_amount { 409 } else { 201 };
        if self.expect(answer.as_ref(), &[status], "a repetition")
            && !with_another_amount
            && let Some(again) = answer
            && !(again.replayed && *blake3::hash(&again.body).as_bytes() == order.answer)
        {
            self.ledger
                .broken(format!("{} was forgotten", order.idempotency_key));
        }
    }

    fn read(&mut self, key: usize) {
        let Some(order) = self.ledger.order_within(Duration::MAX, random(u64::MAX)) else {
            return;
        };
        let key = self.key(key);
        let path = format!("sessions/{}", order.session);
        let answer = self.ask(
            &Request::new("GET", &path, &key.secret, "", ""),
            Manner::Quick,
            Some(key),
        );
        self.expect(answer.as_ref(), &[200], &path);
    }

    /// The buyer pays, and gets half of it back. A buyer's requests are counted by session.
    fn pay(&mut self, key: usize) {
        let Some(order) = self.ledger.take_unpaid(random(u64::MAX)) else {
            return;
        };
        let path = format!("confirm-payment/{}", order.session);
        let body = r#"{"token_id":"tok_visa"}"#;
        let confirm = Request::new("POST", &path, &order.client_secret, "", body);
        let answer = self.ask(&confirm, Manner::Quick, None);
        if !self.expect(answer.as_ref(), &[200], &path) {
            return;
        }
        let key = self.key(key);
        let path = format!(
            "refund-payment/{}",
            order.session.replacen("sess_", "pay_", 1)
        );
        let body = json!({ "amount": order.amount / 2 }).to_string();
        let name = format!("refund-{}", order.session);
        let refund = Request::new("POST", &path, &key.secret, &name, &body);
        let answer = self.ask(&refund, Manner::Quick, Some(key));
        self.expect(answer.as_ref(), &[200, 201], &path);
    }

    /// Hangs up in the midst, by a reset. What it ordered must not be stuck.
    fn give_up(&mut self, key: usize, in_body: bool) {
        let open = self.new_order();
        let Some(wire) = self
            .wire
            .take()
            .or_else(|| Wire::connect(self.ledger.address))
        else {
            return;
        };
        let key = self.key(key);
        wire.break_off(
            &create(&key.secret, &open.idempotency_key, open.amount),
            in_body,
        );
        self.ledger.count(key, None);
        self.ledger.tell("given up".to_owned());
        self.open.push(open);
    }

    fn ask_wrongly(&mut self, key: usize) {
        let key = self.key(key);
        let bodies = [
            r#"{"amount":-5,"currency":"USD"}"#,
            r#"{"amount":100"#,
            "",
            r#"{"amount":1,"amount":2,"currency":"USD"}"#,
            r#"{"amount":100,"currency":"EURO"}"#,
        ];
        let body = bodies[random(bodies.len() as u64) as usize];
        // One for all would be in use by another client now and then.
        let name = format!("wrong-{}", self.number);
        let request = Request::new("POST", "create-session", &key.secret, &name, body);
        let answer = self.ask(&request, Manner::Quick, Some(key));
        self.expect(answer.as_ref(), &[400], body);
    }

    fn ask_as_a_stranger(&mut self) {
        let secrets = ["", "sk_test_nobody", "sk_live_0123456789abcdefABCDEF"];
        let secret = secrets[random(secrets.len() as u64) as usize];
        let answer = self.ask(&create(secret, "stranger", 100), Manner::Quick, None);
        self.expect(answer.as_ref(), &[401], "a stranger");
    }

    fn order_without_a_key(&mut self, key: usize) {
        let key = self.key(key);
        let answer = self.ask(&create(&key.secret, "", 100), Manner::Quick, Some(key));
        self.expect(answer.as_ref(), &[201], "an order without a key");
    }
}

pub fn create(secret: &str, idempotency_key: &str, amount: u32) -> Request {
    let order = if idempotency_key.is_empty() {
        "without"
    } else {
        idempotency_key
    };
    let body = format!(
        r#"{{"amount":{amount},"currency":"EUR","external_id":"{order}","description":"An order of a soak"}}"#
    );
    Request::new("POST", "create-session", secret, idempotency_key, &body)
}
