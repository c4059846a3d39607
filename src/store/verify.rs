//! A walk over every row: whether it can be read, and whether it agrees with what it points to and with what points to it.

use serde::{Deserialize, Serialize};

use super::answers::record;
use super::blocks::Flaw;
use super::rows::{self, Row, Table, Unreadable};
use super::tables::{self, tree_name};
use super::{Store, Unavailable, claims, outbox, payments, unreadable};
use crate::domain::delivery::Delivery;
use crate::domain::id::{EventId, SessionId};
use crate::domain::key::ApiKey;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::domain::webhook::Endpoint;
use crate::policy;

/// What a walk has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Rows that were looked at.
    pub rows: u64,
    /// What is wrong, by table and key.
    pub faults: Vec<Fault>,
}

/// A row that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Its table.
    pub table: String,
    /// Its key: characters of an id, or hexadecimal. Of rows that nobody can reach, the keys before and behind them, with
    /// two points between; without a key where the table begins or ends with them.
    pub key: String,
    /// What is wrong, as a sentence without its full stop.
    pub what: String,
    /// It only points to something, so nothing is lost without it.
    pub is_pointer: bool,
    /// It was removed.
    pub repaired: bool,
}

/// What is wrong with a row.
#[derive(Debug)]
enum Wrong {
    /// What it holds.
    Content(&'static str),
    /// It only points, and to nothing.
    Pointer(&'static str),
}

/// Rows of a table between which others are that can't be reached, since the file is damaged there; None where the table
/// begins or ends with those.
struct Gap {
    before: Option<sled::IVec>,
    behind: Option<sled::IVec>,
}

/// What a look at a row comes to.
type Looked = Result<Option<Wrong>, Unavailable>;

impl Store {
    /// Looks at every row. With `repair`, pointers to nothing are removed, and nothing else.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read, or a repair not be kept.
    pub fn verify(&self, repair: bool, now: Timestamp) -> Result<Verification, Unavailable> {
        let mut found = Verification::default();
        let mut suspects = Vec::new();
        for table in Table::ALL {
            let (of_table, gap) = self.walk(table, now, &mut found.rows);
            suspects.extend(of_table.into_iter().map(|key| (table, key)));
            found.faults.extend(gap.map(|gap| gap.fault(table)));
        }
        // Rows of one commit are applied one after the other. What is wrong stays so when all that came is there.
        for _ in 0..policy::VERIFY_LOOKS {
            if suspects.is_empty() {
                return Ok(found);
            }
            self.commit_and_wait(now, Vec::new())?;
            let mut still = Vec::new();
            for (table, key) in suspects {
                if self.look_again(table, &key, now).is_some() {
                    still.push((table, key));
                }
            }
            suspects = still;
        }
        let mut removals = Vec::new();
        for (table, key) in suspects {
            let Some(wrong) = self.look_again(table, &key, now) else {
                continue;
            };
            let (what, is_pointer) = match wrong {
                Wrong::Content(what) => (what, false),
                Wrong::Pointer(what) => (what, true),
            };
            let repaired = repair && is_pointer;
            removals.extend(repaired.then(|| Row::remove(table, &key)));
            found.faults.push(Fault {
                table: tree_name(table).to_owned(),
                key: written(&key),
                what: what.to_owned(),
                is_pointer,
                repaired,
            });
        }
        for removals in removals.chunks(policy::GROUP_COMMITS) {
            self.commit_and_wait(now, removals.to_vec())?;
        }
        Ok(found)
    }

    /// The keys of rows of a table's tree that look wrong. No walk goes over a place that is damaged, so rows behind it are
    /// looked at from the end.
    fn walk(&self, table: Table, now: Timestamp, rows: &mut u64) -> (Vec<sled::IVec>, Option<Gap>) {
        let mut suspects = Vec::new();
        let mut look = |row: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, value) = row.map_err(|e| unreadable(table.name(), &e)).ok()?;
            *rows += 1;
            if rows.is_multiple_of(u64::from(policy::FREE_EVERY)) {
                tables::free();
            }
            if self.wrong_with(table, &key, &value, now).is_some() {
                suspects.push(key.clone());
            }
            Some(key)
        };
        let mut stored = self.trees.stored(table);
        let (mut before, mut behind) = (None, None);
        let is_whole = loop {
            let Some(row) = stored.next() else { break true };
            let Some(key) = look(row) else { break false };
            before = Some(key);
        };
        if is_whole {
            return (suspects, None);
        }
        while let Some(key) = stored.next_back().and_then(&mut look) {
            behind = Some(key);
        }
        (suspects, Some(Gap { before, behind }))
    }

    fn look_again(&self, table: Table, key: &[u8], now: Timestamp) -> Option<Wrong> {
        let value = self.trees.of(table).get(key);
        match value.map_err(|e| unreadable(table.name(), &e)) {
            Ok(Some(value)) => self.wrong_with(table, key, &value, now),
            Ok(None) => None,
            Err(Unavailable) => Some(Wrong::Content("it can't be read")),
        }
    }

    /// What is wrong with a row, which also is that what it belongs to can't be reached.
    fn wrong_with(&self, table: Table, key: &[u8], value: &[u8], now: Timestamp) -> Option<Wrong> {
        let looked = self.look(table, key, value, now);
        let unreachable = Wrong::Content("what it belongs to can't be read");
        looked.unwrap_or(Some(unreachable))
    }

    fn look(&self, table: Table, key: &[u8], value: &[u8], now: Timestamp) -> Looked {
        let unreadable = Some(Wrong::Content("it can't be read"));
        let looked =
            match table {
                Table::Keys => rows::decode_key(value).map(|read| Ok(named_by(&read, key))),
                Table::LastUsed => rows::decode_time(value).map(|_| self.of_a_key(key)),
                Table::Replies => Ok(self
                    .trees
                    .answers()
                    .and_then(|answers| of_answers(answers.check_contents(key, value)))),
                Table::Answers => Ok(self
                    .trees
                    .answers()
                    .and_then(|answers| of_answers(answers.check_block(key, value, now)))),
                Table::Sessions => {
                    payments::decode_session(value).map(|read| self.session_agrees(key, &read))
                }
                Table::Days => rows::decode_day_key(key)
                    .and_then(|(_, id)| Ok((id, rows::decode_number(value)?)))
                    .map(|(id, _)| self.of_a_key(id.as_bytes())),
                Table::Outcomes => rows::decode_day_key(key)
                    .and_then(|(_, id)| Ok((id, rows::decode_outcomes(value)?)))
                    .map(|(id, _)| self.of_a_key(id.as_bytes())),
                // They may be noted when their record is gone already.
                Table::Replays => record::decode_key(key)
                    .and_then(|_| rows::decode_number(value))
                    .map(|_| Ok(None)),
                Table::Operator => std::str::from_utf8(value)
                    .map_err(|_| Unreadable)
                    .map(|_| Ok(None)),
                Table::Refunds => payments::decode_refund(value).map(|refund| {
                    let session = SessionId::from(refund.payment);
                    let there = self.has_session(&session);
                    Ok((!there).then_some(Wrong::Content("its session is missing")))
                }),
                Table::Expiries => payments::decode_expiry_key(key).map(|(session, _)| {
                    let there = self.has_session(&session);
                    Ok((!there).then_some(Wrong::Pointer("it points to no session")))
                }),
                Table::Endpoints => rows::unversioned::<Endpoint>(value).map(|endpoint| {
                    let named = endpoint.id.as_bytes() == key;
                    Ok((!named).then_some(Wrong::Content("it has another id than its row")))
                }),
                Table::Events => EventId::from_bytes(key)
                    .ok_or(Unreadable)
                    .and_then(|id| outbox::decode_event(id, value))
                    .map(|_| Ok(None)),
                Table::Deliveries => self.delivery_row(key, value),
                Table::Outbox => outbox::decode_outbox_key(key).map(|due| {
                    // Of one that can't be read, its own row says so.
                    let delivery = self.delivery(&due.event, &due.endpoint);
                    let is_at = |delivery: Delivery| delivery.due() == Some(due.at);
                    let is_due = delivery.map_or(true, |delivery| delivery.is_some_and(is_at));
                    Ok((!is_due)
                        .then_some(Wrong::Pointer("it points to no delivery that is due then")))
                }),
                Table::Claims => self.claim(key, value),
                Table::NewSessions => Ok(self.block_of_sessions(key, value)),
                Table::NewSpans => Ok(self.trees.new_sessions().and_then(|sessions| {
                    of_sessions(sessions.check_span(key, value)).map(Result::err)
                })),
            };
        looked.unwrap_or(Ok(unreadable))
    }

    fn block_of_sessions(&self, key: &[u8], block: &[u8]) -> Looked {
        let checked = self.trees.new_sessions()?.check_block(key, block);
        let sessions = match of_sessions(checked)? {
            Ok(sessions) => sessions,
            Err(wrong) => return Ok(Some(wrong)),
        };
        for (key, value) in sessions {
            let Ok(session) = payments::decode_session(value) else {
                return Ok(Some(Wrong::Content("a session in it can't be read")));
            };
            // What has changed since counts, and is looked at where it lies.
            if self.has(Table::Sessions, &key)? {
                continue;
            }
            let wrong = self.session_agrees(&key, &session)?;
            if wrong.is_some() {
                return Ok(wrong);
            }
        }
        Ok(None)
    }

    fn has_session(&self, id: &SessionId) -> bool {
        // Of one that can't be read, its own row says so.
        self.session_row(id).map_or(true, |row| row.is_some())
    }

    fn has(&self, table: Table, key: &[u8]) -> Result<bool, Unavailable> {
        let found = self.trees.of(table).contains_key(key);
        found.map_err(|e| unreadable(table.name(), &e))
    }

    fn of_a_key(&self, id: &[u8]) -> Looked {
        let there = self.has(Table::Keys, id)?;
        Ok((!there).then_some(Wrong::Pointer("it is of no API key")))
    }

    fn session_agrees(&self, key: &[u8], session: &Session) -> Looked {
        if session.id.as_bytes() != key {
            return Ok(Some(Wrong::Content("it has another id than its row")));
        }
        // Of one that can't be read, its own row says so.
        let Ok(refunds) = self.refunds(&session.id) else {
            return Ok(None);
        };
        let given_back: u64 = refunds.iter().map(|refund| u64::from(refund.amount)).sum();
        let Some(payment) = &session.payment else {
            let what = "it has refunds and no payment";
            return Ok((given_back > 0).then_some(Wrong::Content(what)));
        };
        let what = if payment.captured > payment.amount {
            "more was captured than was asked"
        } else if payment.refunded > payment.captured {
            "more was refunded than was captured"
        } else if u64::from(payment.refunded) != given_back {
            "its refunds don't add up to what was refunded"
        } else {
            return Ok(None);
        };
        Ok(Some(Wrong::Content(what)))
    }

    fn delivery_row(&self, key: &[u8], value: &[u8]) -> Result<Looked, Unreadable> {
        let delivery = outbox::decode_delivery(key, value)?;
        let look = || {
            if !self.has(Table::Events, delivery.event.as_bytes())? {
                return Ok(Some(Wrong::Content("its event is missing")));
            }
            let Some(at) = delivery.due() else {
                return Ok(None);
            };
            let row = outbox::outbox_key(at, &delivery.event, &delivery.endpoint);
            let there = self.has(Table::Outbox, &row)?;
            Ok((!there).then_some(Wrong::Content("it is due, and not in the outbox")))
        };
        Ok(look())
    }

    fn claim(&self, key: &[u8], value: &[u8]) -> Result<Looked, Unreadable> {
        let claim = claims::decode(key, value)?;
        let record = self.record(&claim.record).unwrap_or_default();
        let is_answered = record.is_some_and(|record| record.first_at >= claim.first_at);
        let what = "it is open, and answered";
        Ok(Ok(is_answered.then_some(Wrong::Content(what))))
    }
}

impl Gap {
    fn fault(self, table: Table) -> Fault {
        let end = |key: Option<sled::IVec>| key.map_or_else(String::new, |key| written(&key));
        Fault {
            table: tree_name(table).to_owned(),
            key: format!("{}..{}", end(self.before), end(self.behind)),
            what: "the rows between these can't be read, since the store's file is damaged there"
                .to_owned(),
            is_pointer: false,
            repaired: false,
        }
    }
}

/// What a look at a row of the answers' comes to.
fn of_answers(checked: sled::Result<Result<(), Flaw>>) -> Looked {
    let checked = checked.map_err(|e| unreadable("answers", &e))?;
    Ok(checked.err().map(|flaw| {
        Wrong::Content(match flaw {
            Flaw::Unreadable => "it can't be read",
            Flaw::Late => "an answer in it came after its time was over",
            Flaw::Unreachable => "no idempotency key leads to an answer in it",
            Flaw::Missing => "the answers that it tells of are missing",
        })
    }))
}

/// What a look at a row of the new sessions' comes to, or what was found there.
fn of_sessions<T>(checked: sled::Result<Result<T, Flaw>>) -> Result<Result<T, Wrong>, Unavailable> {
    let checked = checked.map_err(|e| unreadable("new sessions", &e))?;
    Ok(checked.map_err(|flaw| {
        Wrong::Content(match flaw {
            Flaw::Unreadable | Flaw::Late => "it can't be read",
            Flaw::Unreachable => "no id leads to the sessions in it",
            Flaw::Missing => "the sessions that it tells of are missing",
        })
    }))
}

/// As text where it is some, as ids are; else in hexadecimal.
fn written(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(text) if key.iter().all(u8::is_ascii_alphanumeric) => text.to_owned(),
        _ => key.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

fn named_by(read: &ApiKey, key: &[u8]) -> Option<Wrong> {
    let is_named = read.id.as_bytes() == key;
    (!is_named).then_some(Wrong::Content("it has another id than its row"))
}
