//! The laws of the fuzz targets, tried on the seeds and on drawn changes of them: also where there is no fuzzer.
#![expect(clippy::expect_used, reason = "a test says by panicking what is wrong")]

mod laws;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use self::laws::LAWS;

/// Changed seeds that a law is tried on.
const CASES: u32 = 2_000;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz")
        .join(name)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().expect("a name");
        stem.to_string_lossy().into_owned()
    };
    entries.map(name).collect()
}

fn seeds(law: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder("seeds").join(law)).expect("a folder");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        std::fs::read(entry.expect("an entry").path()).expect("a seed")
    };
    entries.map(read).collect()
}

/// A change as a fuzzer makes them.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    /// Its beginning, and then another seed from there on.
    Cross(Index, Index),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let place = any::<Index>;
    let change = prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (place(), vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (place(), 1_usize..9).prop_map(|(at, length)| Change::Remove(at, length)),
        (place(), 1_usize..40).prop_map(|(at, length)| Change::Repeat(at, length)),
        (place(), place()).prop_map(|(at, other)| Change::Cross(at, other)),
    ];
    vec(change, 0..6)
}

fn changed(seed: &[u8], changes: &[Change], seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for change in changes {
        let place = |at: &Index| at.index(bytes.len() + 1);
        let part = |from: usize, length: usize| from..(from + length).min(bytes.len());
        match change {
            Change::Set(at, byte) => {
                let at = place(at);
                bytes.splice(part(at, 1), [*byte]);
            }
            Change::Insert(at, more) => {
                let at = place(at);
                bytes.splice(at..at, more.iter().copied());
            }
            Change::Remove(at, length) => {
                let part = part(place(at), *length);
                bytes.drain(part);
            }
            Change::Repeat(at, length) => {
                let at = place(at);
                let part = bytes[part(at, *length)].to_vec();
                bytes.splice(at..at, part);
            }
            Change::Cross(at, other) => {
                let (at, other) = (place(at), &seeds[other.index(seeds.len())]);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[at.min(other.len())..]);
            }
        }
    }
    bytes
}

/// Tries a law on every seed, and on changes of them.
fn try_law((name, holds): laws::Law) {
    let seeds = seeds(name);
    seeds.iter().for_each(|seed| holds(seed));
    let mut config = Config::with_cases(CASES);
    config.failure_persistence = None;
    let strategy = (any::<Index>(), changes());
    let tried = TestRunner::new(config).run(&strategy, |(seed, changes)| {
        let seed = &seeds[seed.index(seeds.len())];
        holds(&changed(seed, &changes, &seeds));
        Ok(())
    });
    assert!(
        tried.is_ok(),
        "{name}: {}",
        tried.err().map_or_else(String::new, |e| e.to_string())
    );
}

#[test]
fn every_law_holds_for_its_seeds_and_for_what_comes_of_them() {
    let tried: Vec<_> = LAWS
        .map(|law| std::thread::spawn(move || try_law(law)))
        .into_iter()
        .map(std::thread::JoinHandle::join)
        .collect();
    assert!(
        tried.iter().all(Result::is_ok),
        "a law is broken; see above"
    );
}

#[test]
fn every_law_has_a_target_and_seeds() {
    let laws: BTreeSet<_> = LAWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder("targets")), laws);
    assert_eq!(names(&folder("seeds")), laws);
    let manifest = std::fs::read_to_string(folder("Cargo.toml")).expect("a manifest");
    for name in laws {
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name} is not in the manifest"
        );
        assert!(seeds(&name).len() >= 4, "{name} has no seeds");
    }
}
