//! A session and its payment told as plainly as they can be: what each call answers, and what it leaves.

use super::cards::End;

pub struct Paid {
    pub status: &'static str,
    pub captured: u64,
    pub refunded: u64,
    /// Whether an authenticated buyer gets through.
    pub pays: bool,
}

pub struct Model {
    pub amount: u64,
    pub manual: bool,
    pub ends: u64,
    pub status: &'static str,
    pub expired: bool,
    pub payment: Option<Paid>,
    /// An event moved a session that has no payment, and nothing is said of one.
    pub vague: bool,
}

/// What is answered: status, and the code of a refusal.
pub type Answer = (u16, Option<&'static str>);

const FINE: Answer = (200, None);

fn refused(code: &'static str) -> Answer {
    (400, Some(code))
}

impl Model {
    /// A session that was just made.
    pub fn new(amount: u64, manual: bool, ends: u64) -> Self {
        Self {
            amount,
            manual,
            ends,
            status: "requires_payment_method",
            expired: false,
            payment: None,
            vague: false,
        }
    }

    pub fn captured(&self) -> u64 {
        self.payment.as_ref().map_or(0, |paid| paid.captured)
    }

    fn is_over(&self) -> bool {
        matches!(self.status, "succeeded" | "failed" | "canceled")
    }

    fn end(&mut self, session: &'static str, payment: &'static str) {
        self.status = session;
        if let Some(paid) = &mut self.payment {
            paid.status = payment;
        }
    }

    pub fn pass(&mut self, now: u64) {
        let waits = matches!(self.status, "requires_payment_method" | "requires_action");
        if waits && now >= self.ends {
            self.end("canceled", "canceled");
            self.expired = true;
        }
    }

    pub fn update(&mut self, amount: u64) -> Answer {
        if self.status != "requires_payment_method" {
            return refused("session_not_updatable");
        }
        self.amount = amount;
        FINE
    }

    pub fn cancel(&mut self) -> Answer {
        let captured = self.payment.as_ref().map_or(0, |paid| paid.captured);
        if self.is_over() || captured > 0 {
            return refused("session_not_cancelable");
        }
        self.end("canceled", "canceled");
        FINE
    }

    pub fn confirm(&mut self, end: End) -> Answer {
        match self.status {
            _ if self.expired => return (401, Some("invalid_client_secret")),
            "requires_payment_method" => (),
            "requires_action" | "processing" => return (409, Some("session_already_processing")),
            _ => return (409, Some("session_already_completed")),
        }
        self.payment = Some(Paid {
            status: "requires_action",
            captured: 0,
            refunded: 0,
            pays: end == End::Asks { pays: true },
        });
        match end {
            End::Pays | End::Frictionless => self.go_through(),
            End::Asks { .. } => self.status = "requires_action",
            End::Declined(_) => {
                self.end("failed", "failed");
                return (402, Some("payment_failed"));
            }
        }
        FINE
    }

    fn go_through(&mut self) {
        if self.manual {
            self.end("processing", "authorized");
        } else {
            self.end("succeeded", "captured");
            self.capture_up_to(self.amount);
        }
    }

    fn capture_up_to(&mut self, sum: u64) {
        if let Some(paid) = &mut self.payment {
            paid.captured = sum;
        }
    }

    pub fn answer(&mut self, is_buyer: bool) {
        let pays = self.payment.as_ref().is_some_and(|paid| paid.pays);
        if is_buyer && pays {
            self.go_through();
        } else {
            self.end("failed", "failed");
        }
    }

    pub fn capture(&mut self, part: Option<u64>) -> Answer {
        let amount = self.amount;
        let Some(paid) = &mut self.payment else {
            return (404, Some("payment_not_found"));
        };
        let left = amount - paid.captured;
        match (paid.status, part.unwrap_or(left)) {
            ("captured" | "refunded", _) => return FINE,
            ("authorized", part) if part <= left => paid.captured += part,
            ("authorized", _) => return refused("parameter_invalid"),
            _ => return refused("payment_not_capturable"),
        }
        if paid.captured == amount {
            self.end("succeeded", "captured");
        }
        FINE
    }

    pub fn refund(&mut self, part: Option<u64>) -> Answer {
        let Some(paid) = &mut self.payment else {
            return (404, Some("payment_not_found"));
        };
        let left = paid.captured - paid.refunded;
        let part = part.unwrap_or(left);
        if left == 0 {
            return refused("payment_not_refundable");
        }
        if part > left {
            return refused("parameter_invalid");
        }
        paid.refunded += part;
        if paid.refunded == self.amount {
            paid.status = "refunded";
        }
        FINE
    }

    pub fn webhook(&mut self, event: &str) -> Answer {
        let (session, payment) = match event {
            "payment.captured" => ("succeeded", "captured"),
            "payment.failed" => ("failed", "failed"),
            "payment.canceled" => ("canceled", "canceled"),
            "payment.authorized" => ("processing", "authorized"),
            told => return self.told(told),
        };
        let takes_back = self.captured() > 0 && event != "payment.captured";
        if self.is_over() || takes_back {
            return refused("invalid_session_state");
        }
        self.vague = self.payment.is_none();
        self.end(session, payment);
        if event == "payment.captured" {
            self.capture_up_to(self.amount);
        }
        FINE
    }

    /// Of an event that tells of the payment as captured, or as given back.
    fn told(&self, event: &str) -> Answer {
        let is_lost = matches!(self.status, "failed" | "canceled");
        let given_back = self.payment.as_ref().map_or(0, |paid| paid.refunded);
        if is_lost || (event == "payment.refunded" && given_back == self.amount) {
            return refused("invalid_session_state");
        }
        FINE
    }
}
