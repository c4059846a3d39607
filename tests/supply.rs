//! What Atlas is made of: crates of one registry under licences that `deny.toml` lists, and no `unsafe` of its own. The
//! parts of the program are written down as CycloneDX, in `sbom.json` of the folder that cargo gives to tests.
#![expect(clippy::expect_used, reason = "a test says by panicking what is wrong")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use spdx::{Expression, ParseMode};

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn file(name: &str) -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = std::fs::read_to_string(path).expect("a file");
    text.parse().expect("TOML")
}

/// What cargo knows of the crates that are built here.
fn metadata() -> Value {
    let architecture = std::env::consts::ARCH;
    let platform = format!("{architecture}-unknown-linux-gnu");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .args(["--filter-platform", &platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// The names of `deny.toml`'s list.
fn listed(table: &str, list: &str) -> Vec<toml::Value> {
    let deny = file("deny.toml");
    let list = deny[table][list].as_array().expect("a list");
    assert!(!list.is_empty());
    list.clone()
}

/// Every package of a lock file.
fn locked(lock: &str) -> Vec<toml::Value> {
    let lock = file(lock);
    let packages = lock["package"].as_array().expect("packages");
    assert!(packages.len() > 100);
    packages.clone()
}

#[test]
fn every_crate_has_a_licence_that_is_allowed_and_every_allowed_one_is_needed() {
    let allowed = listed("licenses", "allow");
    let allowed: Vec<String> = allowed
        .iter()
        .map(|name| name.as_str().expect("a name").to_owned())
        .collect();
    let (mut needed, mut findings) = (BTreeSet::new(), Vec::new());
    let metadata = metadata();
    let foreign = list(&metadata, "packages").iter();
    for package in foreign.filter(|package| !package["source"].is_null()) {
        let licence = text(package, "license");
        let read = Expression::parse_mode(licence, ParseMode::LAX);
        let is_allowed = read.is_ok_and(|read| {
            read.evaluate(|one| {
                let name = one.to_string();
                let is_allowed = allowed.contains(&name);
                needed.extend(is_allowed.then_some(name));
                is_allowed
            })
        });
        if !is_allowed {
            findings.push(format!("{}: {licence:?}", text(package, "name")));
        }
    }
    assert!(findings.is_empty(), "{findings:#?}");
    let allowed: BTreeSet<_> = allowed.into_iter().collect();
    assert_eq!(allowed, needed);
}

#[test]
fn every_crate_comes_from_the_registry_and_is_known_by_its_checksum() {
    for lock in ["Cargo.lock", "tests/fuzz/Cargo.lock"] {
        let mut ours = Vec::new();
        for package in locked(lock) {
            let name = package["name"].as_str().expect("a name").to_owned();
            match package.get("source").and_then(toml::Value::as_str) {
                Some(source) => {
                    assert_eq!(source, REGISTRY, "{name}");
                    assert!(package.get("checksum").is_some(), "{name}");
                }
                None => ours.push(name),
            }
        }
        let is_ours = |name: &String| ["atlas", "atlas-laws"].contains(&name.as_str());
        assert!(ours.iter().all(is_ours), "{lock}: {ours:?}");
    }
}

#[test]
fn what_is_banned_is_not_there_and_what_is_forgiven_is() {
    let names: BTreeMap<String, String> = locked("Cargo.lock")
        .iter()
        .map(|package| {
            let part = |name: &str| package[name].as_str().expect("a text").to_owned();
            (part("name"), part("version"))
        })
        .collect();
    for banned in listed("bans", "deny") {
        let banned = banned["crate"].as_str().expect("a crate");
        match banned.split_once("@>=") {
            Some((name, from)) => {
                let major = |version: &str| version.split('.').next()?.parse::<u32>().ok();
                let found = names.get(name).and_then(|version| major(version));
                assert!(found < major(from), "{banned}: {found:?}");
            }
            None => assert!(!names.contains_key(banned), "{banned}"),
        }
    }
    for forgiven in listed("advisories", "ignore") {
        let reason = forgiven["reason"].as_str().expect("a reason");
        let (name, _) = reason.split_once(": ").expect("a crate and why");
        assert!(
            names.contains_key(name),
            "{name} is gone, and its advisory with it"
        );
    }
}

#[test]
fn nothing_of_ours_is_unsafe() {
    let manifest = file("Cargo.toml");
    let lint = manifest["lints"]["rust"]["unsafe_code"].as_str();
    // What is forbidden can't be allowed again further down.
    assert_eq!(lint, Some("forbid"));
}

/// The ids of the crates that the program is built from.
fn parts(metadata: &Value) -> BTreeSet<String> {
    let nodes = list(&metadata["resolve"], "nodes");
    let node = |id: &str| nodes.iter().find(|node| text(node, "id") == id);
    let mut waiting = vec![text(&metadata["resolve"], "root").to_owned()];
    let mut found = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        let node = node(&id).expect("a crate");
        for dependency in list(node, "deps") {
            let kinds = list(dependency, "dep_kinds");
            let is_part = kinds.iter().any(|kind| kind["kind"].is_null());
            let id = text(dependency, "pkg").to_owned();
            if is_part && found.insert(id.clone()) {
                waiting.push(id);
            }
        }
    }
    found
}

#[test]
fn the_parts_of_the_program_are_written_down() {
    let metadata = metadata();
    let parts = parts(&metadata);
    let packages = list(&metadata, "packages").iter();
    let component = |package: &Value| {
        let (name, version) = (text(package, "name"), text(package, "version"));
        let licence = text(package, "license").replace('/', " OR ");
        json!({ "type": "library", "name": name, "version": version,
            "purl": format!("pkg:cargo/{name}@{version}"),
            "licenses": [{ "expression": licence }],
            "hashes": [{ "alg": "SHA-256", "content": checksum(name, version) }] })
    };
    let components: Vec<Value> = packages
        .filter(|package| parts.contains(text(package, "id")))
        .map(component)
        .collect();
    let has = |name: &str| components.iter().any(|one| one["name"] == name);
    assert!(has("actix-web") && has("sled") && has("ring"));
    assert!(
        !has("proptest") && !has("atlas"),
        "those are not in the program"
    );
    let sbom = json!({ "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": { "component": { "type": "application", "name": "atlas", "version": env!("CARGO_PKG_VERSION") } },
        "components": components });
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sbom.json");
    let written = serde_json::to_string_pretty(&sbom).expect("JSON");
    std::fs::write(place, written).expect("written");
}

/// The checksum by which cargo knows it.
fn checksum(name: &str, version: &str) -> String {
    let packages = locked("Cargo.lock");
    let is_it = |package: &&toml::Value| {
        package["name"].as_str() == Some(name) && package["version"].as_str() == Some(version)
    };
    let package = packages.iter().find(is_it).expect("a locked crate");
    package["checksum"].as_str().expect("a checksum").to_owned()
}
