//! What clients were told, and whether a store that lost its power still holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use atlas::domain::id::SessionId;
use atlas::domain::idempotency::{IdempotencyKey, Kept, Record, RecordId};
use atlas::domain::key::{Account, Mode};
use atlas::domain::time::Timestamp;
use atlas::store::{Options, Store};
use serde::Deserialize;
use serde_json::Value;

use crate::planted::now;

/// Nothing of what is tested hangs on them.
const OPTIONS: Options = Options {
    cache: 8 << 20,
    min_free_disk: 0,
    latest: None,
};

/// What was answered so far.
#[derive(Clone, Default)]
pub struct Promises {
    /// By idempotency key; how its answer begins.
    pub orders: BTreeMap<String, Vec<u8>>,
    /// Ids of API keys.
    keys: BTreeSet<String>,
}

impl Promises {
    /// An answer goes out, or its beginning.
    pub fn add(&mut self, answer: &[u8]) {
        let head = answer.windows(4).position(|end| end == b"\r\n\r\n");
        let (head, body) = answer.split_at(head.expect("a whole head") + 4);
        let head = String::from_utf8_lossy(head);
        let key = head
            .lines()
            .find_map(|line| line.strip_prefix("idempotency-key: "));
        if let Some(key) = key {
            self.orders.insert(key.to_owned(), body.to_owned());
        } else if let Ok(told) = serde_json::from_slice::<Value>(body)
            && let Some(id) = told["secret"]["id"].as_str()
        {
            self.keys.insert(id.to_owned());
        }
    }

    pub fn len(&self) -> usize {
        self.orders.len() + self.keys.len()
    }

    /// Opens the store as a start does, and says what is missing there or only half there; else how many records the
    /// next sweep has removed.
    pub fn check(&self, directory: &Path) -> Result<usize, String> {
        let (store, _) = Store::open(directory, OPTIONS, [7; 32])?;
        self.check_open(&store)?;
        let mut swept = 0;
        loop {
            let removed = store.sweep(now()).map_err(|_| "it can't be swept")?;
            swept += removed;
            if removed == 0 {
                break;
            }
        }
        if swept > 0 {
            self.check_open(&store)
                .map_err(|why| format!("after a sweep of {swept}: {why}"))?;
        }
        store
            .close(Timestamp::default(), &[])
            .map_err(|_| "it can't be closed")?;
        Ok(swept)
    }

    fn check_open(&self, store: &Store) -> Result<(), String> {
        let told = |what: &str| format!("{what} can't be read");
        let keys = store.keys().map_err(|_| told("keys"))?;
        for id in &self.keys {
            if !keys.iter().any(|key| key.id.to_string() == *id) {
                return Err(format!("the API key {id} was shown and is gone"));
            }
        }
        for (key, answer) in &self.orders {
            let record = record(store, key)?.ok_or(format!("{key} was answered and is gone"))?;
            let body = body(record)?;
            if !body.starts_with(answer) {
                return Err(format!("{key} has another answer"));
            }
            let id = SessionId::parse(&made(&body)?).ok_or(format!("{key} has no id"))?;
            let session = store.session(&id);
            if session.map_err(|_| told("sessions"))?.is_none() {
                return Err(format!("{key} was answered and its session is gone"));
            }
        }
        let mut sessions = 0;
        for session in store.sessions(None) {
            let session = session.map_err(|_| told("sessions"))?;
            let key = session.asked.external_id.unwrap_or_default();
            let record = record(store, &key)?.ok_or(format!("{key} has no record"))?;
            if made(&body(record)?)? != session.id.to_string() {
                return Err(format!("{key} has two sessions"));
            }
            sessions += 1;
        }
        // As `atlas verify` does: what is over may be half removed.
        let found = store.verify(false, now());
        let found = found.map_err(|_| told("rows"))?;
        if !found.faults.is_empty() {
            let (faults, some) = (
                found.faults.len(),
                &found.faults[..found.faults.len().min(5)],
            );
            return Err(format!(
                "{sessions} sessions, and {faults} faults: {some:?}"
            ));
        }
        Ok(())
    }
}
fn record(store: &Store, key: &str) -> Result<Option<Record>, String> {
    let key = IdempotencyKey::parse(key.as_bytes()).map_err(|_| format!("{key:?} is no key"))?;
    let id = RecordId::of(&Account::default(), Mode::Test, &key);
    store
        .record(&id)
        .map_err(|_| format!("the record of {} can't be read", key.as_str()))
}

/// The id of the session in an answer.
fn made(body: &[u8]) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Made {
        id: String,
    }
    let made: Made = serde_json::from_slice(body).map_err(|e| format!("an answer: {e}"))?;
    Ok(made.id)
}

fn body(record: Record) -> Result<Vec<u8>, String> {
    match record.kept {
        Kept::Answer(reply) => Ok(reply.body),
        Kept::Done(_) => Err("an answer is not kept".to_owned()),
    }
}
