//! Where requests of a mode go: the settings of live mode's upstream and of test mode's. They are the same, so they
//! stand here once.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use super::authorities::Authorities;
use super::authorization::{self, Authorization};
use super::discreet::discreet;
use super::values::Span;
use super::{bounded, in_range};
use crate::domain::key::Mode;
use crate::domain::web_url;
use crate::policy;

/// Where requests of a mode go, and how.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// What stands there for `/functions/v1`.
    pub url: UpstreamUrl,
    /// What our requests carry; None for nothing.
    pub authorization: Option<Authorization>,
    /// Who vouches for the upstream; None for whom the system trusts.
    pub authorities: Option<Authorities>,
    /// How long a connection may take, its name looked up and TLS agreed on.
    pub connect_timeout: Duration,
    /// How long the head of an answer may take, and then each pause in its body.
    pub answer_timeout: Duration,
    /// Requests at once.
    pub connections: usize,
    /// The upstream does a request once, however often it comes with the same `Idempotency-Key`.
    pub is_idempotent: bool,
}

impl UpstreamSettings {
    /// An upstream with the defaults for everything else.
    pub const fn at(url: UpstreamUrl) -> Self {
        Self {
            url,
            authorization: None,
            authorities: None,
            connect_timeout: policy::UPSTREAM_CONNECT_TIMEOUT,
            answer_timeout: policy::UPSTREAM_ANSWER_TIMEOUT,
            connections: policy::UPSTREAM_CONNECTIONS,
            is_idempotent: true,
        }
    }
}

/// An absolute http or https URL, perhaps with a path, without user name, query or fragment.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct UpstreamUrl(url::Url);

impl UpstreamUrl {
    /// Without a slash at the end, as `https://api.atlas.co/functions/v1`.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// Its path without a slash at the end: nothing, or as `/functions/v1`.
    pub fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    /// Whether it is reached over TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl std::str::FromStr for UpstreamUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = web_url::parse(text).filter(|url| url.query().is_none());
        url.map(Self).ok_or_else(|| {
            "must be an http or https URL without user name, ? or #, as https://api.atlas.co/functions/v1".to_owned()
        })
    }
}

impl TryFrom<String> for UpstreamUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The settings of one upstream as given in one source: as flags `--live-...`, as a table in the file.
macro_rules! given {
    ($name:ident, $mode:literal, $variable:literal, $without:literal) => {
        #[derive(Args, Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct $name {
            #[arg(
                id = concat!($mode, "_upstream"),
                long = concat!($mode, "-upstream"),
                env = concat!($variable, "_UPSTREAM"),
                value_name = "URL",
                value_parser = discreet::<UpstreamUrl>(),
                hide_env_values = true,
                help = concat!("Where requests of ", $mode, " keys go, as https://api.atlas.co/functions/v1 [default: ", $without, "]"),
            )]
            upstream: Option<UpstreamUrl>,
            #[arg(
                id = concat!($mode, "_authorization_file"),
                long = concat!($mode, "-authorization-file"),
                env = concat!($variable, "_AUTHORIZATION_FILE"),
                value_name = "FILE",
                hide_env_values = true,
                help = concat!(
                    "File with the Authorization header that goes there, as Bearer sk_...; instead of it, the variable ",
                    $variable, "_AUTHORIZATION, or ", $mode, "_authorization in $CREDENTIALS_DIRECTORY [default: none goes]"
                ),
            )]
            authorization_file: Option<PathBuf>,
            #[arg(
                id = concat!($mode, "_ca_file"),
                long = concat!($mode, "-ca-file"),
                env = concat!($variable, "_CA_FILE"),
                value_name = "FILE",
                help = "PEM file with the certificates that vouch for it [default: those of the system]",
            )]
            ca_file: Option<PathBuf>,
            #[arg(
                id = concat!($mode, "_connect_timeout"),
                long = concat!($mode, "-connect-timeout"),
                env = concat!($variable, "_CONNECT_TIMEOUT"),
                value_name = "TIME",
                help = "How long a connection to it may take, up to 1h [default: 5s]",
            )]
            connect_timeout: Option<Span>,
            #[arg(
                id = concat!($mode, "_answer_timeout"),
                long = concat!($mode, "-answer-timeout"),
                env = concat!($variable, "_ANSWER_TIMEOUT"),
                value_name = "TIME",
                help = "How long its answer may take to begin, and each pause in it, up to 1h [default: 60s]",
            )]
            answer_timeout: Option<Span>,
            #[arg(
                id = concat!($mode, "_connections"),
                long = concat!($mode, "-connections"),
                env = concat!($variable, "_CONNECTIONS"),
                value_name = "N",
                value_parser = connections,
                help = "Requests to it at once, 1 to 10000 [default: 128]",
            )]
            connections: Option<usize>,
            #[arg(
                id = concat!($mode, "_upstream_is_idempotent"),
                long = concat!($mode, "-upstream-is-idempotent"),
                env = concat!($variable, "_UPSTREAM_IS_IDEMPOTENT"),
                value_name = "true|false",
                num_args = 0..=1,
                default_missing_value = "true",
                help = "It does a request once, however often it comes with the same Idempotency-Key [default: true]",
            )]
            upstream_is_idempotent: Option<bool>,
        }

        impl $name {
            /// What is given here, else there.
            pub(super) fn or(self, other: Self) -> Self {
                Self {
                    upstream: self.upstream.or(other.upstream),
                    authorization_file: self.authorization_file.or(other.authorization_file),
                    ca_file: self.ca_file.or(other.ca_file),
                    connect_timeout: self.connect_timeout.or(other.connect_timeout),
                    answer_timeout: self.answer_timeout.or(other.answer_timeout),
                    connections: self.connections.or(other.connections),
                    upstream_is_idempotent: self.upstream_is_idempotent.or(other.upstream_is_idempotent),
                }
            }

            /// Puts the settings together and checks them; None without an upstream.
            ///
            /// # Errors
            /// One line that names the setting, its value and what is allowed.
            pub(super) fn resolve(self, variable: Variable<'_>) -> Result<Option<UpstreamSettings>, String> {
                let Self {
                    upstream,
                    authorization_file,
                    ca_file,
                    connect_timeout,
                    answer_timeout,
                    connections,
                    upstream_is_idempotent,
                } = self;
                let Some(url) = upstream else {
                    return none_set(
                        $mode,
                        &[
                            ("authorization_file", authorization_file.is_some()),
                            ("authorization", variable(concat!($variable, "_AUTHORIZATION")).is_some()),
                            ("ca_file", ca_file.is_some()),
                            ("connect_timeout", connect_timeout.is_some()),
                            ("answer_timeout", answer_timeout.is_some()),
                            ("connections", connections.is_some()),
                            ("upstream_is_idempotent", upstream_is_idempotent.is_some()),
                        ],
                    );
                };
                let usual = UpstreamSettings::at(url);
                Ok(Some(UpstreamSettings {
                    url: allowed($mode, usual.url)?,
                    authorization: authorization::find($mode, authorization_file.as_deref(), variable)?,
                    authorities: authorities($mode, ca_file.as_deref())?,
                    connect_timeout: span($mode, "connect_timeout", connect_timeout, usual.connect_timeout)?,
                    answer_timeout: span($mode, "answer_timeout", answer_timeout, usual.answer_timeout)?,
                    connections: in_range(
                        concat!($mode, "_connections"),
                        connections.unwrap_or(usual.connections),
                        1,
                        policy::UPSTREAM_CONNECTIONS_MAX,
                    )?,
                    is_idempotent: upstream_is_idempotent.unwrap_or(usual.is_idempotent),
                }))
            }
        }
    };
}

given!(LiveGiven, "live", "ATLAS_LIVE", "none, and they get 503");
given!(TestGiven, "test", "ATLAS_TEST", "the simulator");

/// Reads a variable of the environment.
pub(super) type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Reads a number of connections.
fn connections(text: &str) -> Result<usize, String> {
    let most = policy::UPSTREAM_CONNECTIONS_MAX;
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("must be a whole number from 1 to {most}"))
}

/// There is no upstream; then nothing else may be said of it.
fn none_set(mode: &str, others: &[(&str, bool)]) -> Result<Option<UpstreamSettings>, String> {
    match others.iter().find(|(_, is_set)| *is_set) {
        None => Ok(None),
        Some((name, _)) => Err(format!(
            "{mode}_{name} is set, but {mode}_upstream is not: it is of use with an upstream only"
        )),
    }
}

/// What is sent in clear could be read by others; with a live key, that would be money.
fn allowed(mode: &str, url: UpstreamUrl) -> Result<UpstreamUrl, String> {
    if mode == Mode::Live.as_str() && !url.is_https() && !web_url::is_loopback(&url.0) {
        return Err(format!(
            "{mode}_upstream = {}: must begin with https://, or lead to this machine as http://localhost does",
            url.as_str()
        ));
    }
    Ok(url)
}

fn authorities(mode: &str, file: Option<&Path>) -> Result<Option<Authorities>, String> {
    let read = |file: &Path| {
        Authorities::read(file).map_err(|why| format!("{mode}_ca_file = {}: {why}", file.display()))
    };
    file.map(read).transpose()
}

fn span(mode: &str, name: &str, given: Option<Span>, usual: Duration) -> Result<Duration, String> {
    let span = given.map_or(usual, |span| span.0);
    bounded(&format!("{mode}_{name}"), span, policy::WAIT_MAX)
}

#[cfg(test)]
mod tests;
