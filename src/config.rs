//! Every setting, in one place: its flag, its `ATLAS_...` variable, its name in the TOML file, its default and its
//! bounds. Flags win over variables, variables over the file, the file over defaults.

mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use ipnet::IpNet;
use serde::Deserialize;

pub use self::values::{Origin, Proxy, PublicUrl, Span, Typed, address, limit, port};
use crate::domain::limit::Limits;
use crate::domain::webhook::{Reach, WebhookSecret, WebhookUrl};
use crate::policy;

/// The settings as they are in force.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to serve; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The data directory.
    pub data_dir: PathBuf,
    /// Limits of a key that has none of its own.
    pub limits: Limits,
    /// Requests a minute of an address without a good key.
    pub per_address: u32,
    /// Largest body, in bytes.
    pub max_body: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long an idempotency record answers.
    pub idempotency_lifetime: Duration,
    /// Origins of pages that may call the API.
    pub allow_origin: Vec<Origin>,
    /// Where people reach the server, when that is not where it listens.
    pub public_url: Option<PublicUrl>,
    /// Proxies whose `X-Forwarded-For` counts.
    pub trusted_proxy: Vec<IpNet>,
    /// Free disk space, in bytes, under which payments are refused.
    pub min_free_disk: u64,
    /// Page cache of the store, in bytes.
    pub store_cache: u64,
    /// Threads that serve.
    pub workers: usize,
    /// How long running requests get at the end.
    pub shutdown_timeout: Duration,
    /// The store has seen a later time than the clock shows, and the clock is right.
    pub trust_clock: bool,
    /// Where every event of every account is told, besides the endpoints that accounts have.
    pub webhook: Vec<WebhookUrl>,
    /// What those are signed with; None for a secret of each one's own.
    pub webhook_secret: Option<WebhookSecret>,
    /// How far webhooks may go.
    pub webhook_reach: Reach,
    /// Time of an attempt to deliver an event. No setting of the operator's: the API publishes it.
    pub webhook_timeout: Duration,
    /// For development: any well-formed test key is taken.
    pub mock: bool,
    /// Nobody said where to keep the store.
    pub data_dir_is_default: bool,
}

/// Where the data directory and the configuration file are; every command takes these.
#[derive(Args, Clone, Debug, Default)]
pub struct Place {
    /// Directory of the store, made if missing
    #[arg(long, env = "ATLAS_DATA_DIR", value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// TOML file with settings, by the names of the flags with _ for -, as per_minute = 500
    #[arg(long, env = "ATLAS_CONFIG", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

/// The settings as given in one source: all optional.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// Only in the file; as a flag it is part of `Place`.
    #[arg(skip)]
    data_dir: Option<PathBuf>,
    /// Address and port to serve on; port 0 takes a free one [default: 127.0.0.1:8080, mock: 127.0.0.1:54321]
    #[arg(long, env = "ATLAS_LISTEN", value_name = "ADDRESS", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Port alone, on 127.0.0.1; 0 takes a free one
    #[arg(
        long,
        env = "ATLAS_PORT",
        value_name = "PORT", value_parser = port,
        conflicts_with = "listen"
    )]
    port: Option<u16>,
    /// Requests a minute of a key that has no limit of its own [default: 1000]
    #[arg(long, env = "ATLAS_PER_MINUTE", value_name = "N", value_parser = limit)]
    per_minute: Option<u32>,
    /// Requests a UTC day of such a key [default: 100000]
    #[arg(long, env = "ATLAS_PER_DAY", value_name = "N", value_parser = limit)]
    per_day: Option<u32>,
    /// Requests at once of such a key [default: 50]
    #[arg(long, env = "ATLAS_CONCURRENT", value_name = "N", value_parser = limit)]
    concurrent: Option<u32>,
    /// Requests a minute of an address that shows no good key [default: 60]
    #[arg(long, env = "ATLAS_PER_ADDRESS", value_name = "N", value_parser = limit)]
    per_address: Option<u32>,
    /// Largest request body, 1KiB to 64KiB [default: 64KiB]
    #[arg(long, env = "ATLAS_MAX_BODY", value_name = "SIZE")]
    max_body: Option<ByteSize>,
    /// How long a body may take to arrive [default: 10s]
    #[arg(long, env = "ATLAS_BODY_TIMEOUT", value_name = "TIME")]
    body_timeout: Option<Span>,
    /// How long a kept answer is replayed, from the first request [default: 24h]
    #[arg(long, env = "ATLAS_IDEMPOTENCY_LIFETIME", value_name = "TIME")]
    idempotency_lifetime: Option<Span>,
    /// Origin of a web page that may call the API, as https://shop.example; repeatable [default: none]
    #[arg(
        long,
        env = "ATLAS_ALLOW_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    allow_origin: Option<Vec<Origin>>,
    /// Where people reach the server through a proxy, as https://atlas.example: the Dashboard answers to that name,
    /// and its links begin with it [default: where it listens]
    #[arg(long, env = "ATLAS_PUBLIC_URL", value_name = "ORIGIN")]
    public_url: Option<PublicUrl>,
    /// URL that is told of every event of every account, as http://localhost:3000/webhooks; repeatable, in the variable
    /// parted by spaces [default: none]
    #[arg(
        long,
        env = "ATLAS_WEBHOOK",
        value_name = "URL",
        value_delimiter = ' ',
        hide_env_values = true
    )]
    webhook: Option<Vec<WebhookUrl>>,
    /// What those are signed with: whsec_ and 16 to 58 characters; better in the variable, which no process list shows
    /// [default: a secret of each one's own]
    #[arg(
        long,
        env = "ATLAS_WEBHOOK_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    webhook_secret: Option<Typed>,
    /// Let the mock send webhooks to other machines than this one
    #[arg(long, env = "ATLAS_ALLOW_REMOTE_WEBHOOKS", value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    allow_remote_webhooks: Option<bool>,
    /// Address range of a proxy whose X-Forwarded-For counts, as 10.0.0.0/8; repeatable [default: none]
    #[arg(
        long,
        env = "ATLAS_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    trusted_proxy: Option<Vec<Proxy>>,
    /// Free disk space under which payments get 503 instead of a half-written store [default: 64MiB]
    #[arg(long, env = "ATLAS_MIN_FREE_DISK", value_name = "SIZE")]
    min_free_disk: Option<ByteSize>,
    /// Memory for the store's pages, 1MiB or more; the process takes two to four times as much [default: 48MiB]
    #[arg(long, env = "ATLAS_STORE_CACHE", value_name = "SIZE")]
    store_cache: Option<ByteSize>,
    /// Threads that serve, 1 to 256 [default: one a core]
    #[arg(long, env = "ATLAS_WORKERS", value_name = "N")]
    workers: Option<usize>,
    /// How long running requests get to finish at the end [default: 10s]
    #[arg(long, env = "ATLAS_SHUTDOWN_TIMEOUT", value_name = "TIME")]
    shutdown_timeout: Option<Span>,
    /// Go by the system's clock though the store has seen a later time; for one start, after a clock was wrong
    #[arg(long, env = "ATLAS_TRUST_CLOCK", value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    trust_clock: Option<bool>,
}

/// What a command needs to know before its settings can be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Serving for real, or managing what is served.
    Serve,
    /// A mock for development.
    Mock,
}

impl Settings {
    /// Puts the settings together and checks them.
    ///
    /// # Errors
    /// One line that names the setting, its value and what is allowed.
    pub fn resolve(place: &Place, flags: Given, purpose: Purpose) -> Result<Self, String> {
        let file = place
            .config
            .as_deref()
            .map(read_file)
            .transpose()?
            .unwrap_or_default();
        let Given {
            data_dir,
            listen,
            port,
            per_minute,
            per_day,
            concurrent,
            per_address,
            max_body,
            body_timeout,
            idempotency_lifetime,
            allow_origin,
            public_url,
            webhook,
            webhook_secret,
            allow_remote_webhooks,
            trusted_proxy,
            min_free_disk,
            store_cache,
            workers,
            shutdown_timeout,
            trust_clock,
        } = flags.or(file);
        let data_dir = place.data_dir.clone().or(data_dir);
        let mock = purpose == Purpose::Mock;
        let listen = listen_on(listen, port, if mock { 54_321 } else { 8_080 })?;
        let webhook_reach = match (mock, allow_remote_webhooks.unwrap_or(false)) {
            (true, false) => Reach::Loopback,
            (true, true) => Reach::Anywhere,
            (false, _) => Reach::Encrypted,
        };
        let limit = |name, given: Option<u32>, default| {
            in_range(name, given.unwrap_or(default), 1, policy::LIMIT_MAX)
        };
        let span = |given: Option<Span>, default| given.map_or(default, |span| span.0);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            listen,
            data_dir_is_default: data_dir.is_none(),
            data_dir: data_dir.unwrap_or_else(|| PathBuf::from("data")),
            limits: Limits {
                per_minute: limit("per_minute", per_minute, policy::PER_MINUTE)?,
                per_day: limit("per_day", per_day, policy::PER_DAY)?,
                concurrent: limit("concurrent", concurrent, policy::CONCURRENT)?,
            },
            per_address: limit("per_address", per_address, policy::PER_ADDRESS)?,
            max_body: body_size(max_body)?,
            body_timeout: bounded(
                "body_timeout",
                span(body_timeout, policy::BODY_TIMEOUT),
                policy::WAIT_MAX,
            )?,
            idempotency_lifetime: bounded(
                "idempotency_lifetime",
                span(idempotency_lifetime, policy::IDEMPOTENCY_LIFETIME),
                policy::IDEMPOTENCY_LIFETIME_MAX,
            )?,
            allow_origin: allow_origin.unwrap_or_default(),
            public_url,
            trusted_proxy: trusted_proxy
                .unwrap_or_default()
                .into_iter()
                .map(|proxy| proxy.0)
                .collect(),
            min_free_disk: min_free_disk.map_or(policy::MIN_FREE_DISK, |size| size.as_u64()),
            store_cache: in_range(
                "store_cache",
                store_cache.map_or(policy::CACHE, |size| size.as_u64()),
                1 << 20,
                1 << 40,
            )?,
            workers: in_range("workers", workers.unwrap_or(cores), 1, 256)?,
            shutdown_timeout: bounded(
                "shutdown_timeout",
                span(shutdown_timeout, policy::SHUTDOWN_TIMEOUT),
                policy::WAIT_MAX,
            )?,
            trust_clock: trust_clock.unwrap_or(false),
            webhook: webhooks(webhook.unwrap_or_default(), webhook_reach)?,
            webhook_secret: webhook_secret
                .map(|typed| WebhookSecret::parse(typed.expose()))
                .transpose()
                .map_err(|must| format!("webhook_secret: {must}"))?,
            webhook_reach,
            webhook_timeout: policy::WEBHOOK_TIMEOUT,
            mock,
        })
    }
}

impl Given {
    fn or(self, other: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(other.data_dir),
            // The two say the same thing, so one here outweighs the other there.
            listen: self.listen.or(other.listen.filter(|_| self.port.is_none())),
            port: self.port.or(other.port.filter(|_| self.listen.is_none())),
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
        }
    }
}

fn read_file(path: &Path) -> Result<Given, String> {
    let place = format!("--config {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| format!("{place}: can't be read: {e}"))?;
    toml::from_str(&text).map_err(|e| {
        let start = e.span().map_or(0, |span| span.start.min(text.len()));
        let number = text[..start].matches('\n').count() + 1;
        // The name that the line sets; never its value, which may be none of the log's business.
        let line = text.lines().nth(number - 1).unwrap_or_default();
        let name = line.split('=').next().unwrap_or_default().trim();
        format!(
            "{place}, line {number} ({name}): {}",
            e.message().trim().replace('\n', "; ")
        )
    })
}

fn in_range<T: PartialOrd + std::fmt::Display>(
    name: &str,
    value: T,
    least: T,
    most: T,
) -> Result<T, String> {
    if least <= value && value <= most {
        Ok(value)
    } else {
        Err(format!("{name} = {value}: must be from {least} to {most}"))
    }
}

/// Address and port, or the port alone.
fn listen_on(
    listen: Option<SocketAddr>,
    port: Option<u16>,
    default: u16,
) -> Result<SocketAddr, String> {
    match (listen, port) {
        (Some(_), Some(port)) => Err(format!(
            "port = {port}: listen is set too, and has a port; set one of the two"
        )),
        (Some(listen), None) => Ok(listen),
        (None, port) => Ok(SocketAddr::from(([127, 0, 0, 1], port.unwrap_or(default)))),
    }
}

fn body_size(given: Option<ByteSize>) -> Result<usize, String> {
    let size = given.map_or(policy::BODY_MAX as u64, |size| size.as_u64());
    match usize::try_from(size) {
        Ok(size) if (policy::BODY_MAX_FLOOR..=policy::BODY_MAX).contains(&size) => Ok(size),
        _ => Err(format!("max_body = {size}: must be from 1KiB to 64KiB")),
    }
}

/// Each once, and all within reach.
fn webhooks(given: Vec<WebhookUrl>, reach: Reach) -> Result<Vec<WebhookUrl>, String> {
    let mut urls: Vec<WebhookUrl> = Vec::new();
    for url in given {
        reach
            .check(&url)
            .map_err(|must| format!("webhook = {}: {must}", url.as_str()))?;
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    if urls.len() > policy::ENDPOINTS {
        return Err(format!(
            "webhook: there can be at most {} URLs",
            policy::ENDPOINTS
        ));
    }
    Ok(urls)
}

fn bounded(name: &str, span: Duration, most: Duration) -> Result<Duration, String> {
    if span.is_zero() || span > most {
        let (span, most) = (
            humantime::format_duration(span),
            humantime::format_duration(most),
        );
        return Err(format!(
            "{name} = {span}: must be longer than nothing and at most {most}, as 30s"
        ));
    }
    Ok(span)
}
