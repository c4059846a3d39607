//! Space: records come and are swept, wave after wave, and the directory stops growing. Says what a record takes at first and
//! what has to be provided for it.

use std::path::Path;
use std::time::{Duration, Instant};

use atlas::domain::idempotency::{Fingerprint, Kept, Record, RecordId, Reply};
use atlas::domain::time::Timestamp;
use atlas::policy;
use atlas::store::{Effect, Options, Store};
use futures_util::future::join_all;

use crate::Outcome;

const WAVES: u64 = 6;
const RECORDS: u64 = 200_000;
const LIFETIME: Duration = Duration::from_secs(1);
/// Commits that are waited for together; the queue takes them.
const TOGETHER: u64 = 1_000;
/// An ordinary answer.
const ANSWER: usize = 650;
/// The later half of the waves may take this much of what the first half took, in hundredths. Where no space was used
/// again, it would be 200.
const GROWTH: u64 = 150;

pub fn measure() -> Outcome<()> {
    let temporary = tempfile::tempdir()?;
    let directory = temporary.path().join("data");
    let options = Options {
        cache: policy::CACHE,
        min_free_disk: policy::MIN_FREE_DISK,
        latest: None,
    };
    let (store, _) = Store::open(&directory, options, [7; 32])?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    println!("| wave | kept in | MB then | swept in | MB then |\n| --- | --- | --- | --- | --- |");
    let empty = size(&directory)?;
    let (mut after_keeping, mut after_sweeping) = (Vec::new(), Vec::new());
    for wave in 0..WAVES {
        let now = Timestamp::from_millis(1_000_000_000_000 + wave * 100_000);
        let started = Instant::now();
        for first in (0..RECORDS).step_by(TOGETHER as usize) {
            runtime.block_on(keep(&store, wave * RECORDS + first, now))?;
        }
        let kept = started.elapsed();
        after_keeping.push(size(&directory)?);
        let started = Instant::now();
        let later = now.plus(2 * LIFETIME);
        while store.sweep(later).map_err(|_| "the sweep failed")? > 0 {}
        after_sweeping.push(size(&directory)?);
        println!(
            "| {wave} | {:.1} s | {} | {:.1} s | {} |",
            kept.as_secs_f64(),
            megabytes(&after_keeping),
            started.elapsed().as_secs_f64(),
            megabytes(&after_sweeping)
        );
    }
    let closed = store.close(Timestamp::from_millis(2_000_000_000_000), &[]);
    closed.map_err(|_| "the store can't be closed")?;
    let first = after_keeping.first().copied().unwrap_or_default() - empty;
    let peak = after_keeping.iter().chain(&after_sweeping).max().copied();
    let peak = peak.unwrap_or_default();
    println!(
        "\nA record with an answer of {ANSWER} bytes takes {} bytes at first; at most there were {} bytes for each that lived: provide {:.1} times that.",
        first / RECORDS,
        peak / RECORDS,
        peak as f64 / first as f64
    );
    let (early, late) = after_keeping.split_at(after_keeping.len() / 2);
    let largest = |half: &[u64]| half.iter().max().copied().unwrap_or_default();
    if largest(late) * 100 > largest(early) * GROWTH {
        return Err(format!("the directory still grows: {after_keeping:?} bytes").into());
    }
    Ok(())
}

async fn keep(store: &Store, first: u64, now: Timestamp) -> Outcome<()> {
    let nothing = Effect::default();
    let records: Vec<_> = (first..first + TOGETHER)
        .map(|number| record(number, now))
        .collect();
    let kept = records
        .iter()
        .map(|(id, record)| store.keep(&nothing, Some((id, record)), now, ()));
    let kept = join_all(kept).await;
    kept.into_iter()
        .collect::<Result<(), _>>()
        .map_err(|_| "a record could not be kept".into())
}

/// Text that can't be foreseen, as ids and times are.
fn record(number: u64, now: Timestamp) -> (RecordId, Record) {
    let mut body = vec![0; ANSWER];
    let mut hash = blake3::Hasher::new()
        .update(&number.to_be_bytes())
        .finalize_xof();
    hash.fill(&mut body);
    let mut id = [0; 16];
    id.copy_from_slice(&body[..16]);
    let reply = Reply {
        status: 201,
        content_type: "application/json".into(),
        headers: Vec::new(),
        body,
    };
    let fingerprint = Fingerprint::from_bytes([1; 32]);
    let record = Record::new(fingerprint, now, LIFETIME, Kept::Answer(reply), None);
    (RecordId::from_bytes(id), record)
}

fn megabytes(sizes: &[u64]) -> u64 {
    sizes.last().copied().unwrap_or_default() / 1_000_000
}

/// Bytes that the files of a directory take on the disk.
pub fn size(directory: &Path) -> Outcome<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut sum = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let about = entry.metadata()?;
        sum += if about.is_dir() {
            size(&entry.path())?
        } else {
            about.blocks() * 512
        };
    }
    Ok(sum)
}
