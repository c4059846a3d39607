//! Records that are in a store before its server starts: of any age, and with any body.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use atlas::domain::idempotency::{Fingerprint, IdempotencyKey, Kept, Record, RecordId, Reply};
use atlas::domain::key::{Account, Mode};
use atlas::domain::time::Timestamp;
use atlas::store::{Effect, Options, Store};
use futures_util::future::join_all;

/// A record lives so long.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("after 1970").as_millis();
    Timestamp::from_millis(u64::try_from(now).expect("a time"))
}

/// Puts records with these idempotency keys and bodies into the store, made at this time.
pub fn plant(directory: &Path, at: Timestamp, records: impl Iterator<Item = (String, Vec<u8>)>) {
    let options = Options {
        cache: 8 << 20,
        min_free_disk: 0,
        latest: None,
    };
    let (store, _) = Store::open(directory, options, [7; 32]).expect("opens");
    let records: Vec<_> = records
        .map(|(key, body)| {
            let reply = Reply {
                status: 201,
                content_type: "application/json".into(),
                headers: Vec::new(),
                body,
            };
            let fingerprint = Fingerprint::from_bytes([1; 32]);
            let record = Record::new(fingerprint, at, DAY, Kept::Answer(reply), None);
            let key = IdempotencyKey::parse(key.as_bytes()).expect("a key");
            (RecordId::of(&Account::default(), Mode::Test, &key), record)
        })
        .collect();
    let nothing = Effect::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    // More than so many may not wait at once.
    for records in records.chunks(atlas::policy::QUEUE) {
        let kept = records
            .iter()
            .map(|(id, record)| store.keep(&nothing, Some((id, record)), at, ()));
        let kept = runtime.block_on(join_all(kept));
        assert!(kept.iter().all(Result::is_ok));
    }
    store.close(at, &[]).expect("closed");
}
