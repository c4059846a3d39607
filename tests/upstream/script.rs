//! What the upstream answers: a list of steps, and the charges that it makes.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::exchange::Hit;
use crate::process::text;

/// One answer, step by step.
pub type Answer = Vec<Step>;

#[derive(Clone, Debug)]
pub enum Step {
    /// The answer of a server that does what it is asked: see `Charges::answer`.
    Work,
    /// The work is done; so many bytes of its answer are written.
    WorkCutAt(usize),
    /// These bytes.
    Say(Vec<u8>),
    /// These bytes, so many times.
    Repeat(Vec<u8>, usize),
    /// These bytes ten times a second, until the connection ends.
    Drip(Vec<u8>),
    /// Nothing until `Upstream::release`.
    Wait,
    /// The end of the connection.
    Close,
    /// The end of the connection, unless this is its first request.
    CloseIfKept,
}

/// An answer with a length.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut bytes = head(status, headers);
    bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    vec![Step::Say(bytes)]
}

/// A status line and headers, without the empty line.
pub fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Said\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text.into_bytes()
}

/// These bytes, and the end.
pub fn cut(bytes: &str) -> Answer {
    vec![Step::Say(bytes.as_bytes().to_vec()), Step::Close]
}

/// A charge that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub id: String,
    /// The upstream's idempotency key.
    pub key: String,
    /// The `order` that the body names.
    pub order: String,
}

/// The charges of an upstream.
#[derive(Default)]
pub struct Charges {
    pub made: Vec<Charge>,
    /// Whether it makes a charge each time, whatever the key.
    pub forgetful: bool,
}

impl Charges {
    /// A POST or PATCH makes a charge, one for each idempotency key; all else shows what was asked.
    pub fn answer(&mut self, hit: &Hit) -> Vec<u8> {
        if !matches!(hit.method.as_str(), "POST" | "PATCH") {
            let body = json!({"method": hit.method, "target": hit.target}).to_string();
            let mut bytes = head(200, &[("Content-Type", "application/json")]);
            bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            let shown = if hit.method == "HEAD" { "" } else { &body };
            bytes.extend_from_slice(shown.as_bytes());
            return bytes;
        }
        let (charge, again) = self.charge(hit);
        let body = json!({"id": charge.id, "order": charge.order}).to_string();
        let mut headers = vec![
            ("Content-Type", "application/json"),
            ("X-Charge", &charge.id),
        ];
        if again {
            headers.push(("Idempotent-Replayed", "true"));
        }
        let mut bytes = head(201, &headers);
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        bytes
    }

    /// The charge, and whether it was there before.
    fn charge(&mut self, hit: &Hit) -> (Charge, bool) {
        let key = hit.find("idempotency-key").unwrap_or_default().to_owned();
        let before = self.made.iter().find(|charge| charge.key == key);
        if let Some(charge) = before
            && !self.forgetful
            && !key.is_empty()
        {
            return (charge.clone(), true);
        }
        let body: Value = serde_json::from_slice(&hit.body).unwrap_or_default();
        let charge = Charge {
            id: format!("ch_{}", self.made.len() + 1),
            key,
            order: body["order"].as_str().unwrap_or_default().to_owned(),
        };
        self.made.push(charge.clone());
        (charge, false)
    }
}

/// Fails if an order was charged twice.
#[track_caller]
pub fn assert_charged_once(charges: &[Charge]) {
    let mut orders = HashSet::new();
    for charge in charges {
        assert!(
            orders.insert(&charge.order),
            "{} is charged twice",
            charge.order
        );
    }
}

/// An order's body.
pub fn order(name: &str) -> String {
    json!({"order": name, "amount": 4990, "currency": "USD"}).to_string()
}

/// The charge's id in an answer.
#[track_caller]
pub fn charge_in(body: &[u8]) -> String {
    let read: Value = serde_json::from_slice(body).unwrap_or_default();
    let id = read["id"].as_str();
    id.unwrap_or_else(|| panic!("no charge in {}", text(body)))
        .to_owned()
}
