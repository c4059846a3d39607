//! Payments from the session to the refund, as a merchant, a buyer and a stranger meet them. `Shop` and `Sale` are what
//! the tests speak with; `buyer` has the page that a buyer sees, `cards` the table of test cards.

mod access;
mod buyer;
mod cancels;
mod captures;
mod cards;
mod challenges;
mod configs;
mod confirms;
mod declines;
mod expiry;
mod health;
mod methods;
mod model;
mod order;
mod page;
mod page_ends;
mod page_safety;
mod parallel;
mod quotas;
mod reading;
mod refunds;
mod repeats;
mod restarts;
mod secrets;
mod sessions;
mod test_cards;
mod test_webhooks;
mod updates;
mod walks;
mod whose_keys;
mod wrong_confirms;

use atlas::config::Settings;
use serde_json::{Value, json};

use self::buyer::Page;
use self::reading::{expect_invalid, merged, ok, path_of, seconds, text};
use crate::world::{Key, Request, Response, World};

const BASE: &str = "/functions/v1";

/// What a sale costs, in cents, unless the test says otherwise.
const PRICE: u64 = 1_000;

/// A merchant with a server.
struct Shop {
    world: World,
    key: Key,
}

/// A session of the merchant's, and what its answer gave.
#[derive(Clone, Debug)]
struct Sale {
    id: String,
    secret: String,
    made: Value,
}

impl Sale {
    /// The id of its payment, which there is once it was confirmed.
    fn payment(&self) -> String {
        format!("pay_{}", &self.id["sess_".len()..])
    }

    fn path(&self) -> String {
        format!("{BASE}/sessions/{}", self.id)
    }

    /// A client secret of this session that nobody gave out.
    fn forged_secret(&self) -> String {
        format!("cs_{}{}", &self.id["sess_".len()..], "A1b2".repeat(6))
    }

    /// Where the buyer's page of this session is.
    #[track_caller]
    fn page(&self) -> String {
        let url = self.made["fallback_url"].as_str().expect("a fallback_url");
        path_of(url)
    }
}

impl Shop {
    fn new() -> Self {
        Self::with(|_| ())
    }

    /// A merchant whose server has other settings.
    fn with(configure: impl Fn(&mut Settings) + 'static) -> Self {
        let world = World::with(configure);
        let key = world.key();
        Self { world, key }
    }

    /// A merchant whose server works on several requests at once.
    fn busy() -> Self {
        Self::with(|settings| settings.workers = 4)
    }

    fn restart(self) -> Self {
        Self {
            world: self.world.restart(),
            key: self.key,
        }
    }

    fn sale(&self) -> Sale {
        self.sale_with(&json!({}))
    }

    /// A session whose payment waits to be captured.
    fn manual_sale(&self) -> Sale {
        self.sale_with(&json!({"capture_method": "manual"}))
    }

    /// A session of the usual price with these members as well.
    fn sale_with(&self, members: &Value) -> Sale {
        self.sale_of(&self.key, members)
    }

    /// The same by another merchant's key.
    #[track_caller]
    fn sale_of(&self, key: &Key, members: &Value) -> Sale {
        let order = merged(&json!({"amount": PRICE, "currency": "USD"}), members);
        let answer = self.world.order_of(key, &order.to_string()).send();
        Sale {
            id: answer.session(),
            secret: answer.text("client_secret"),
            made: answer.json(),
        }
    }

    /// A session that was paid.
    #[track_caller]
    fn paid(&self) -> Sale {
        let sale = self.sale();
        ok(&self.pay(&sale, "tok_visa"));
        sale
    }

    /// A session whose payment is authorized and waits to be captured.
    #[track_caller]
    fn authorized(&self) -> Sale {
        let sale = self.manual_sale();
        ok(&self.pay(&sale, "tok_visa"));
        sale
    }

    /// A session whose payment was declined.
    #[track_caller]
    fn declined(&self) -> Sale {
        let sale = self.sale();
        self.pay(&sale, "tok_chargeDeclined")
            .expect(402, "payment_failed");
        sale
    }

    /// A session whose payment waits for the buyer's bank.
    #[track_caller]
    fn challenged(&self) -> Sale {
        let sale = self.sale();
        ok(&self.pay(&sale, "tok_threeDSecure2Required"));
        sale
    }

    #[track_caller]
    fn canceled(&self) -> Sale {
        let sale = self.sale();
        ok(&self.cancel(&sale, &json!({})).send());
        sale
    }

    /// `GET` with the merchant's key.
    fn get(&self, path: &str) -> Request {
        self.world.get(&format!("{BASE}{path}")).key(&self.key)
    }

    /// `POST` with the merchant's key.
    fn post(&self, path: &str, body: &Value) -> Request {
        let request = self.world.post(&format!("{BASE}{path}"));
        request.key(&self.key).json(&body.to_string())
    }

    /// The session as it reads now.
    #[track_caller]
    fn session(&self, sale: &Sale) -> Value {
        ok(&self.world.look_up(&self.key, &sale.id).send())
    }

    #[track_caller]
    fn status(&self, sale: &Sale) -> String {
        text(&self.session(sale)["status"])
    }

    /// Fails unless these are the states of the session and of its payment.
    #[track_caller]
    fn expect_states(&self, sale: &Sale, session: &str, payment: Option<&str>) {
        let shown = self.session(sale);
        let attempt = &shown["latest_attempt"]["status"];
        assert_eq!(
            (shown["status"].as_str(), attempt.as_str()),
            (Some(session), payment),
            "{shown}"
        );
    }

    fn update(&self, sale: &Sale, body: &Value) -> Request {
        let request = self.world.request("PATCH", &sale.path());
        request.key(&self.key).json(&body.to_string())
    }

    fn cancel(&self, sale: &Sale, body: &Value) -> Request {
        self.post(&format!("/sessions/{}/cancel", sale.id), body)
    }

    /// What a buyer's program sends, with the client secret.
    fn confirm(&self, sale: &Sale, body: &Value) -> Request {
        let path = format!("{BASE}/confirm-payment/{}", sale.id);
        let request = self.world.post(&path).bearer(&sale.secret);
        request.json(&body.to_string())
    }

    fn pay(&self, sale: &Sale, token: &str) -> Response {
        self.confirm(sale, &json!({"token_id": token})).send()
    }

    fn capture(&self, sale: &Sale, body: &Value) -> Request {
        self.post(&format!("/capture-payment/{}", sale.payment()), body)
    }

    fn refund(&self, sale: &Sale, body: &Value) -> Request {
        self.post(&format!("/refund-payment/{}", sale.payment()), body)
    }

    /// The whole of a payment that has nothing left to capture.
    #[track_caller]
    fn payment(&self, sale: &Sale) -> Value {
        ok(&self.capture(sale, &json!({})).send())
    }

    /// Where the buyer's bank asks.
    #[track_caller]
    fn challenge(&self, sale: &Sale) -> String {
        let action = &self.session(sale)["next_action"];
        assert_eq!(action["type"], "redirect_to_url", "{action}");
        path_of(&text(&action["redirect_to_url"]["url"]))
    }

    /// The buyer answers the bank with `authenticated` or `failed`.
    #[track_caller]
    fn answer(&self, sale: &Sale, result: &str) -> Response {
        let page = Page::open(&self.world, &self.challenge(sale));
        page.send(&self.world, &[("result", result)])
    }

    fn test_webhook(&self, body: &Value) -> Response {
        self.post("/test-webhooks", body).send()
    }
}
