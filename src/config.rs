//! Every setting, in one place: its flag, its `ATLAS_...` variable, its name in the TOML file, its default and its
//! bounds. Flags win over variables, variables over the file, the file over defaults.

mod authorities;
mod authorization;
mod certificate;
mod connections;
mod discreet;
mod given;
mod secret_file;
mod shown;
mod upstream;
mod values;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use ipnet::IpNet;

pub use self::authorities::Authorities;
pub use self::authorization::{AUTHORIZATIONS, Authorization};
pub use self::certificate::{Certificate, CertificateFiles, Validity};
pub use self::connections::open_as_many_files_as_allowed;
pub use self::discreet::discreet;
pub use self::given::Given;
use self::given::read_file;
pub use self::shown::Shown;
use self::upstream::Variable;
pub use self::upstream::{UpstreamSettings, UpstreamUrl};
pub use self::values::{LogFormat, Origin, Proxy, PublicUrl, Span, Typed, limit};
use crate::domain::limit::Limits;
use crate::domain::webhook::{Reach, WebhookSecret, WebhookUrl};
use crate::policy;

/// The settings as they are in force.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to serve; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where to serve the metrics besides the admin socket; port 0 takes a free one.
    pub metrics_listen: Option<SocketAddr>,
    /// The certificate and the key to serve with; None to serve in clear.
    pub tls: Option<CertificateFiles>,
    /// Connections at once.
    pub max_connections: usize,
    /// How long a connection may keep others waiting. No setting of the operator's.
    pub patience: Patience,
    /// How often the certificate is looked at. No setting of the operator's.
    pub certificate_look: Duration,
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
    /// How the log is written.
    pub log_format: LogFormat,
    /// Where every event of every account is told, besides the endpoints that accounts have.
    pub webhook: Vec<WebhookUrl>,
    /// What those are signed with; None for a secret of each one's own.
    pub webhook_secret: Option<WebhookSecret>,
    /// A mock's webhooks may go to other machines.
    pub allow_remote_webhooks: bool,
    /// How far webhooks may go.
    pub webhook_reach: Reach,
    /// Time of an attempt to deliver an event. No setting of the operator's: the API publishes it.
    pub webhook_timeout: Duration,
    /// Where requests of live keys go; None for nowhere.
    pub live: Option<UpstreamSettings>,
    /// Where requests of test keys go; None for the simulator.
    pub test: Option<UpstreamSettings>,
    /// For development: any well-formed test key is taken.
    pub mock: bool,
    /// Nobody said where to listen.
    pub listen_is_default: bool,
    /// Nobody said where to keep the store.
    pub data_dir_is_default: bool,
}

/// How long a connection may keep others waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until TLS is agreed on.
    pub handshake: Duration,
    /// Until the head of the first request is there.
    pub head: Duration,
    /// Without a request.
    pub idle: Duration,
    /// Without taking anything of an answer.
    pub send: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            handshake: policy::TLS_TIMEOUT,
            head: policy::HEAD_TIMEOUT,
            idle: policy::KEEP_ALIVE,
            send: policy::SEND_TIMEOUT,
        }
    }
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

/// What a command needs to know before its settings can be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Serving for real.
    Serve,
    /// Managing what is served: nothing is forwarded, so upstreams are not looked at.
    Manage,
    /// A mock for development.
    Mock,
}

/// The names of all variables that look like settings, in their order.
pub fn variables() -> Vec<String> {
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("ATLAS_")).collect();
    names.sort_unstable();
    names
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
            metrics_listen,
            tls_cert,
            tls_key,
            max_connections,
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
            log_format,
            live,
            test,
        } = flags.or(file);
        let data_dir = place.data_dir.clone().or(data_dir);
        let mock = purpose == Purpose::Mock;
        let listen_is_default = listen.is_none() && port.is_none();
        let listen = listen_on(listen, port, if mock { 54_321 } else { 8_080 })?;
        let allow_remote_webhooks = allow_remote_webhooks.unwrap_or(false);
        let webhook_reach = match (mock, allow_remote_webhooks) {
            (true, false) => Reach::Loopback,
            (true, true) => Reach::Anywhere,
            (false, _) => Reach::Encrypted,
        };
        let variable: Variable<'_> = &|name| std::env::var_os(name);
        let (live, test, tls) = match purpose {
            Purpose::Serve | Purpose::Mock => (
                live.resolve(variable)?,
                test.resolve(variable)?,
                CertificateFiles::find(tls_cert, tls_key, variable)?,
            ),
            Purpose::Manage => (None, None, None),
        };
        if let Some(files) = &tls {
            files.read()?;
        }
        let upstreams = [&live, &test].into_iter().flatten();
        let taken = upstreams.map(|upstream| upstream.connections).sum();
        let limit = |name, given: Option<u32>, default| {
            in_range(name, given.unwrap_or(default), 1, policy::LIMIT_MAX)
        };
        let span = |given: Option<Span>, default| given.map_or(default, |span| span.0);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = in_range("workers", workers.unwrap_or(cores), 1, 256)?;
        Ok(Self {
            listen,
            metrics_listen: metrics_on(metrics_listen, listen)?,
            listen_is_default,
            tls,
            max_connections: connections::bounded(max_connections, workers, taken, purpose)?,
            patience: Patience::default(),
            certificate_look: policy::TLS_LOOK,
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
            workers,
            shutdown_timeout: bounded(
                "shutdown_timeout",
                span(shutdown_timeout, policy::SHUTDOWN_TIMEOUT),
                policy::WAIT_MAX,
            )?,
            trust_clock: trust_clock.unwrap_or(false),
            log_format: log_format.unwrap_or_default(),
            webhook: webhooks(webhook.unwrap_or_default(), webhook_reach)?,
            webhook_secret: webhook_secret
                .map(|typed| WebhookSecret::parse(typed.expose()))
                .transpose()
                .map_err(|must| format!("webhook_secret: {must}"))?,
            allow_remote_webhooks,
            webhook_reach,
            webhook_timeout: policy::WEBHOOK_TIMEOUT,
            live,
            test,
            mock,
        })
    }
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

/// An address of the metrics' own: whoever may pay need not know how the server is.
fn metrics_on(metrics: Option<SocketAddr>, api: SocketAddr) -> Result<Option<SocketAddr>, String> {
    // An address of all takes the port on each; one of IPv4, on each of IPv4.
    let takes = |all: IpAddr, one: IpAddr| {
        all == one || all.is_unspecified() && (all.is_ipv6() || one.is_ipv4())
    };
    let meets = |metrics: SocketAddr| {
        let (one, other) = (metrics.ip().to_canonical(), api.ip().to_canonical());
        metrics.port() == api.port() && (takes(one, other) || takes(other, one))
    };
    match metrics {
        Some(metrics) if metrics.port() != 0 && meets(metrics) => Err(format!(
            "metrics_listen = {metrics}: the API listens there; choose another port"
        )),
        Some(_) | None => Ok(metrics),
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

/// As it may be given: whole days as days, since a year of humantime's has a quarter of a day more.
fn spelled(span: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    match span.as_secs() {
        seconds if seconds >= DAY && span == Duration::from_secs(seconds / DAY * DAY) => {
            format!("{}d", seconds / DAY)
        }
        _ => humantime::format_duration(span).to_string(),
    }
}

fn bounded(name: &str, span: Duration, most: Duration) -> Result<Duration, String> {
    if span.is_zero() || span > most {
        let (span, most) = (spelled(span), spelled(most));
        return Err(format!(
            "{name} = {span}: must be longer than nothing and at most {most}, as 30s"
        ));
    }
    Ok(span)
}
