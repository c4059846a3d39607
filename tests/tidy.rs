//! What a machine can keep, a machine keeps: the layers of `src/lib.rs`, and calls that have one place each.
#![expect(clippy::expect_used, reason = "a test says by panicking what is wrong")]

use std::path::{Path, PathBuf};

/// For each word, the only places that may hold it. A folder ends in `/`.
const HOMES: &[(&str, &[&str])] = &[
    ("actix_web", &["src/http/", "src/serve.rs", "src/cli/"]),
    ("sled::", &["src/store/"]),
    ("bincode", &["src/store/"]),
    ("governor", &["src/limiter/meter.rs"]),
    ("prometheus", &["src/metrics.rs"]),
    ("clap", &["src/cli/", "src/config.rs", "src/config/"]),
    (
        "env::",
        &[
            "src/config.rs",
            "src/main.rs",
            "src/store/real_sync.rs",
            "src/cli/serve.rs",
            "src/logging.rs",
            "src/cli/install/files.rs",
        ],
    ),
    (
        "sd_notify",
        &["src/cli/systemd.rs", "src/serve/listener.rs"],
    ),
    ("listenfd", &["src/serve/listener.rs"]),
    ("seccompiler", &["src/store/real_sync.rs"]),
    ("nix::", &["src/store/owner.rs"]),
    ("env_filter", &["src/logging.rs"]),
    ("env_logger", &["src/logging.rs"]),
    ("SystemTime", &["src/clock.rs"]),
    (
        "Instant",
        &[
            "src/clock.rs",
            "src/http/access_log.rs",
            "src/store/open.rs",
            "src/store/taken.rs",
            "src/limiter/meter.rs",
        ],
    ),
    ("getrandom", &["src/entropy.rs"]),
    ("hmac", &["src/domain/webhook.rs"]),
    (
        "rustls",
        &[
            "src/app/outbound.rs",
            "src/config/authorities.rs",
            "src/config/certificate.rs",
            "src/http/server/tls.rs",
        ],
    ),
    ("hyper_rustls", &["src/app/outbound.rs"]),
    (
        "hyper_util",
        &[
            "src/app/outbound.rs",
            "src/app/upstream/",
            "src/app/webhooks/post.rs",
            "src/cli/remote.rs",
            "src/http/server/h2.rs",
        ],
    ),
    ("tower_service", &["src/app/upstream/dial.rs"]),
    (
        "std::fs",
        &[
            "src/store/",
            "src/serve.rs",
            "src/config/",
            "src/cli/serve.rs",
            "src/cli/install/files.rs",
            "src/app/metrics/process.rs",
        ],
    ),
    ("std::io::stdout", &["src/cli/"]),
    (
        "TcpListener",
        &[
            "src/serve.rs",
            "src/serve/",
            "src/http/mod.rs",
            "src/http/metrics.rs",
            "src/http/server.rs",
        ],
    ),
    (
        "sleep(",
        &[
            "src/app/upstream/pool.rs",
            "src/store/open.rs",
            "src/store/taken.rs",
        ],
    ),
];

/// Layers from the top; each may name only those below it.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["serve"],
    &["http"],
    &["app"],
    &[
        "limiter",
        "simulator",
        "store",
        "clock",
        "entropy",
        "config",
        "logging",
        "metrics",
    ],
    &["domain"],
    &["policy"],
];

/// What has no place at all: calls that measured badly (`flush_async` deadlocks, `apply_batch` and transactions stop
/// readers), and ways to end in the midst of things.
const BANNED: &[&str] = &[
    "flush_async",
    "apply_batch",
    ".transaction(",
    ".unwrap()",
    ".expect(",
    "panic!(",
    "todo!(",
    "unimplemented!(",
    "dbg!(",
    "process::exit",
    "#[allow",
];

/// Lines a file may have: beyond that it has more than one purpose.
const FILE_LINES: usize = 400;

fn sources(under: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(under)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path
                    .strip_prefix(root)
                    .expect("below the root")
                    .display()
                    .to_string();
                found.push((name, std::fs::read_to_string(&path).expect("text")));
            }
        }
    }
    found
}

/// The code of a file: without comments, and without its tests.
fn code(text: &str) -> Vec<&str> {
    let body = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    body.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect()
}

fn product() -> Vec<(String, String)> {
    sources("src")
        .into_iter()
        .filter(|(name, _)| !name.ends_with("tests.rs"))
        .collect()
}

/// Fails with every finding at once.
fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn each_of_these_has_its_home() {
    let mut findings = Vec::new();
    for (name, text) in product() {
        for (word, homes) in HOMES {
            let at_home = homes
                .iter()
                .any(|home| name == *home || (home.ends_with('/') && name.starts_with(home)));
            let strays = code(&text)
                .into_iter()
                .filter(|line| !at_home && names(line, word));
            findings.extend(
                strays.map(|line| format!("{name}: {word} belongs in {homes:?}: {}", line.trim())),
            );
        }
    }
    assert_none(&findings);
}

/// Whether the line names the word itself, not a longer one that ends in it.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"'))
}

#[test]
fn layers_name_only_those_below_them() {
    let level = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let mut findings = Vec::new();
    for (name, text) in product() {
        let module = name
            .trim_start_matches("src/")
            .split(['/', '.'])
            .next()
            .unwrap_or_default();
        let Some(own) = level(module) else { continue };
        for line in code(&text) {
            for named in line.split("crate::").skip(1) {
                for named in named
                    .trim_start_matches('{')
                    .split(['{', ','])
                    .map(|part| part.trim())
                {
                    let named = named
                        .split([':', ';', '}', '(', ' '])
                        .next()
                        .unwrap_or_default();
                    let above = level(named).is_some_and(|level| level < own);
                    let beside = named != module && level(named) == Some(own) && own != 5;
                    if above || beside {
                        findings.push(format!(
                            "{name}: {module} must not know {named}: {}",
                            line.trim()
                        ));
                    }
                }
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn what_is_banned_is_nowhere() {
    let mut findings = Vec::new();
    for (name, text) in product() {
        let lines = code(&text);
        let found = BANNED
            .iter()
            .flat_map(|word| lines.iter().filter(move |line| line.contains(word)));
        findings.extend(found.map(|line| format!("{name}: {}", line.trim())));
    }
    assert_none(&findings);
}

#[test]
fn every_file_says_what_it_promises_and_has_one_purpose() {
    let mut findings = Vec::new();
    for (name, text) in product()
        .into_iter()
        .chain(sources("tests"))
        .chain(sources("benches"))
    {
        if !text.starts_with("//!") {
            findings.push(format!("{name}: begins without saying what it is"));
        }
        if text.lines().count() > FILE_LINES {
            findings.push(format!("{name}: {} lines", text.lines().count()));
        }
    }
    assert_none(&findings);
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["TO", "FIX", "XX", "HA"]
        .iter()
        .zip(["DO", "ME", "X", "CK"])
        .map(|(a, b)| format!("{a}{b}"));
    let words: Vec<String> = words.collect();
    let mut findings = Vec::new();
    for (name, text) in sources("src")
        .into_iter()
        .chain(sources("tests"))
        .chain(sources("benches"))
    {
        findings.extend(
            text.lines()
                .filter(|line| words.iter().any(|w| line.contains(w.as_str())))
                .map(|l| format!("{name}: {l}")),
        );
    }
    assert_none(&findings);
}
