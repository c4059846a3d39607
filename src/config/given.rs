//! The settings as given in one source, by flags and variables or in a TOML file: all optional, and not yet held against
//! each other.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use clap::Args;
use serde::Deserialize;

use super::discreet::discreet;
use super::upstream::{LiveGiven, TestGiven};
use super::values::{LogFormat, Origin, Proxy, PublicUrl, Span, Typed, address, limit, port};
use crate::domain::webhook::WebhookUrl;

/// The settings as given in one source: all optional.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// Only in the file; as a flag it is part of `Place`.
    #[arg(skip)]
    pub(super) data_dir: Option<PathBuf>,
    /// Address and port to serve on; port 0 takes a free one [default: 127.0.0.1:8080, mock: 127.0.0.1:54321]
    #[arg(long, env = "ATLAS_LISTEN", value_name = "ADDRESS", value_parser = address)]
    pub(super) listen: Option<SocketAddr>,
    /// Port alone, on 127.0.0.1; 0 takes a free one
    #[arg(
        long,
        env = "ATLAS_PORT",
        value_name = "PORT",
        value_parser = port
    )]
    pub(super) port: Option<u16>,
    /// Address and port where Prometheus finds /metrics, besides the admin socket [default: none]
    #[arg(long, env = "ATLAS_METRICS_LISTEN", value_name = "ADDRESS:PORT", value_parser = address)]
    pub(super) metrics_listen: Option<SocketAddr>,
    /// PEM file with the certificate to serve with, those that vouch for it after it: the server speaks TLS only, and
    /// HTTP/2 too; read anew when it changes. Instead, tls_cert in $CREDENTIALS_DIRECTORY [default: none, HTTP in clear]
    #[arg(long, env = "ATLAS_TLS_CERT", value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,
    /// PEM file with its private key, which not everybody may read. Instead, tls_key in $CREDENTIALS_DIRECTORY
    #[arg(long, env = "ATLAS_TLS_KEY", value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,
    /// Connections at once; more wait until one is closed [default: 10000, or what the limit of open files allows]
    #[arg(long, env = "ATLAS_MAX_CONNECTIONS", value_name = "N")]
    pub(super) max_connections: Option<usize>,
    /// Requests a minute of a key that has no limit of its own [default: 1000]
    #[arg(long, env = "ATLAS_PER_MINUTE", value_name = "N", value_parser = limit)]
    pub(super) per_minute: Option<u32>,
    /// Requests a UTC day of such a key [default: 100000]
    #[arg(long, env = "ATLAS_PER_DAY", value_name = "N", value_parser = limit)]
    pub(super) per_day: Option<u32>,
    /// Requests at once of such a key [default: 50]
    #[arg(long, env = "ATLAS_CONCURRENT", value_name = "N", value_parser = limit)]
    pub(super) concurrent: Option<u32>,
    /// Requests a minute of an address that shows no good key [default: 60]
    #[arg(long, env = "ATLAS_PER_ADDRESS", value_name = "N", value_parser = limit)]
    pub(super) per_address: Option<u32>,
    /// Largest request body, 1KiB to 64KiB [default: 64KiB]
    #[arg(long, env = "ATLAS_MAX_BODY", value_name = "SIZE")]
    pub(super) max_body: Option<ByteSize>,
    /// How long a body may take to arrive [default: 10s]
    #[arg(long, env = "ATLAS_BODY_TIMEOUT", value_name = "TIME")]
    pub(super) body_timeout: Option<Span>,
    /// How long a kept answer is replayed, from the first request [default: 24h]
    #[arg(long, env = "ATLAS_IDEMPOTENCY_LIFETIME", value_name = "TIME")]
    pub(super) idempotency_lifetime: Option<Span>,
    /// Origin of a web page that may call the API, as https://shop.example; repeatable, in the variable parted by commas
    /// [default: none]
    #[arg(
        long,
        env = "ATLAS_ALLOW_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub(super) allow_origin: Option<Vec<Origin>>,
    /// Where people reach the server through a proxy, as https://atlas.example: the Dashboard answers to that name,
    /// and its links begin with it [default: where it listens]
    #[arg(long, env = "ATLAS_PUBLIC_URL", value_name = "ORIGIN")]
    pub(super) public_url: Option<PublicUrl>,
    /// URL that is told of every event of every account, as http://localhost:3000/webhooks; repeatable, in the variable
    /// parted by spaces [default: none]
    #[arg(
        long,
        env = "ATLAS_WEBHOOK",
        value_name = "URL",
        value_parser = discreet::<WebhookUrl>(),
        value_delimiter = ' ',
        hide_env_values = true
    )]
    pub(super) webhook: Option<Vec<WebhookUrl>>,
    /// What those are signed with: whsec_ and 16 to 58 characters; better in the variable, which no process list shows
    /// [default: a secret of each one's own]
    #[arg(
        long,
        env = "ATLAS_WEBHOOK_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    pub(super) webhook_secret: Option<Typed>,
    /// Let the mock send webhooks to other machines than this one
    #[arg(long, env = "ATLAS_ALLOW_REMOTE_WEBHOOKS", value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    pub(super) allow_remote_webhooks: Option<bool>,
    /// Address range of a proxy whose X-Forwarded-For counts, as 10.0.0.0/8; repeatable, in the variable parted by commas
    /// [default: none]
    #[arg(
        long,
        env = "ATLAS_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub(super) trusted_proxy: Option<Vec<Proxy>>,
    /// Free disk space under which payments get 503 instead of a half-written store [default: 64MiB]
    #[arg(long, env = "ATLAS_MIN_FREE_DISK", value_name = "SIZE")]
    pub(super) min_free_disk: Option<ByteSize>,
    /// Memory for the store's pages, 1MiB or more; the process takes two to four times as much [default: 40MiB]
    #[arg(long, env = "ATLAS_STORE_CACHE", value_name = "SIZE")]
    pub(super) store_cache: Option<ByteSize>,
    /// Threads that serve, 1 to 256 [default: one a core]
    #[arg(long, env = "ATLAS_WORKERS", value_name = "N")]
    pub(super) workers: Option<usize>,
    /// How long running requests get to finish at the end [default: 10s]
    #[arg(long, env = "ATLAS_SHUTDOWN_TIMEOUT", value_name = "TIME")]
    pub(super) shutdown_timeout: Option<Span>,
    /// Go by the system's clock though the store has seen a later time; for one start, after a clock was wrong
    #[arg(long, env = "ATLAS_TRUST_CLOCK", value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    pub(super) trust_clock: Option<bool>,
    /// How the log is written: text, or json for an object a line [default: text]
    #[arg(long, env = "ATLAS_LOG_FORMAT", value_name = "text|json")]
    pub(super) log_format: Option<LogFormat>,
    #[command(flatten, next_help_heading = "Upstream of live mode")]
    pub(super) live: LiveGiven,
    #[command(flatten, next_help_heading = "Upstream of test mode")]
    pub(super) test: TestGiven,
}

impl Given {
    /// What is given here, else there.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(other.data_dir),
            // The two say the same thing, so one here outweighs the other there.
            listen: self.listen.or(other.listen.filter(|_| self.port.is_none())),
            port: self.port.or(other.port.filter(|_| self.listen.is_none())),
            metrics_listen: self.metrics_listen.or(other.metrics_listen),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            max_connections: self.max_connections.or(other.max_connections),
            per_minute: self.per_minute.or(other.per_minute),
            per_day: self.per_day.or(other.per_day),
            concurrent: self.concurrent.or(other.concurrent),
            per_address: self.per_address.or(other.per_address),
            max_body: self.max_body.or(other.max_body),
            body_timeout: self.body_timeout.or(other.body_timeout),
            idempotency_lifetime: self.idempotency_lifetime.or(other.idempotency_lifetime),
            allow_origin: self.allow_origin.or(other.allow_origin),
            public_url: self.public_url.or(other.public_url),
            webhook: self.webhook.or(other.webhook),
            webhook_secret: self.webhook_secret.or(other.webhook_secret),
            allow_remote_webhooks: self.allow_remote_webhooks.or(other.allow_remote_webhooks),
            trusted_proxy: self.trusted_proxy.or(other.trusted_proxy),
            min_free_disk: self.min_free_disk.or(other.min_free_disk),
            store_cache: self.store_cache.or(other.store_cache),
            workers: self.workers.or(other.workers),
            shutdown_timeout: self.shutdown_timeout.or(other.shutdown_timeout),
            trust_clock: self.trust_clock.or(other.trust_clock),
            log_format: self.log_format.or(other.log_format),
            live: self.live.or(other.live),
            test: self.test.or(other.test),
        }
    }
}

/// Reads the settings of a TOML file.
///
/// # Errors
/// One line that names the file, and the line and the setting that are wrong.
impl Given {
    /// `port` and `listen` say the same thing: where one of them is a flag, the other's variable does not count.
    pub fn heed(&mut self, is_flag: impl Fn(&str) -> bool) {
        match (is_flag("port"), is_flag("listen")) {
            (true, false) => self.listen = None,
            (false, true) => self.port = None,
            (true, true) | (false, false) => (),
        }
    }
}

pub(super) fn read_file(path: &Path) -> Result<Given, String> {
    let place = format!("--config {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| format!("{place}: can't be read: {e}"))?;
    toml::from_str(&text).map_err(|e| {
        let start = e.span().map_or(0, |span| span.start.min(text.len()));
        let number = text[..start].matches('\n').count() + 1;
        // The name that the line sets; never its value, which may be none of the log's business.
        let line = text.lines().nth(number - 1).unwrap_or_default();
        let name = line.split('=').next().unwrap_or_default().trim();
        let is_table = |line: &&str| line.starts_with('[');
        let table = text[..start].lines().rev().map(str::trim).find(is_table);
        let name = match table {
            Some(table) if !is_table(&name) => format!("{table} {name}"),
            _ => name.to_owned(),
        };
        format!(
            "{place}, line {number} ({name}): {}",
            in_words(&e.message().trim().replace('\n', "; "))
        )
    })
}

/// What the parser wants, as people say it who do not read Rust.
fn in_words(message: &str) -> String {
    let words = [
        ("expected u16", "must be a whole number from 0 to 65535"),
        ("expected u32", "must be a whole number, 1 or more"),
        ("expected usize", "must be a whole number, 1 or more"),
        ("expected a string", "must be a text in quotes, as \"...\""),
        (
            "expected a sequence",
            "must be a list of texts, as [\"...\"]",
        ),
        ("expected a boolean", "must be true or false"),
    ];
    let told = words.iter().find_map(|(ours, theirs)| {
        let (what, _) = message.split_once(&format!(", {ours}"))?;
        Some(format!("{what}; it {theirs}"))
    });
    told.unwrap_or_else(|| message.to_owned())
}
