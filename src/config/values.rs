//! How single settings are written: each reads itself and says what it must be.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::policy;

/// Reads a limit.
///
/// # Errors
/// What a limit is.
pub fn limit(text: &str) -> Result<u32, String> {
    let limit = text
        .parse()
        .ok()
        .filter(|limit| (1..=policy::LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| format!("must be a whole number from 1 to {}", policy::LIMIT_MAX))
}

/// Reads an address with its port.
///
/// # Errors
/// What that is.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let must =
        "must be an address and a port, as 127.0.0.1:8080 or [::1]:8080; --port takes a port alone";
    text.parse().map_err(|_| must.to_owned())
}

/// Reads a port.
///
/// # Errors
/// What that is.
pub fn port(text: &str) -> Result<u16, String> {
    let must = "must be a port from 1 to 65535, or 0 for a free one";
    text.parse().map_err(|_| must.to_owned())
}

/// A length of time as people write it: `90d`, `24h`, `1m 30s`, `500ms`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Span(pub Duration);

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|_| "must be a length of time, as 90d, 24h, 30s or 500ms".to_owned())
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub enum LogFormat {
    /// For people: text.
    #[default]
    Text,
    /// For machines: a JSON object a line.
    Json,
}

impl LogFormat {
    /// As it is given.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl std::str::FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = |format: &Self| format.as_str() == text;
        let found = [Self::Text, Self::Json].into_iter().find(named);
        found.ok_or_else(|| "must be text or json".to_owned())
    }
}

impl TryFrom<String> for LogFormat {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A secret as it was typed. It is checked later, since whoever reads a flag wrongly typed repeats it.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Typed(Zeroizing<String>);

impl Typed {
    /// What was typed.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Typed {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl std::str::FromStr for Typed {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::from(text.to_owned()))
    }
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(..)")
    }
}

/// The origin of a web page: scheme, host and port.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Origin(String);

impl Origin {
    /// As a browser writes it in `Origin`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let origin = url::Url::parse(text)
            .map(|url| url.origin().ascii_serialization())
            .unwrap_or_default();
        if !origin.is_empty() && (origin == text || format!("{origin}/") == text) {
            Ok(Self(origin))
        } else {
            Err("must be an origin as a browser sends it: scheme, host and a port that is not the usual one, as \
                 https://shop.example or http://localhost:3000"
                .to_owned())
        }
    }
}

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Where people reach the server: an origin that a browser can open.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct PublicUrl(url::Url);

impl PublicUrl {
    /// Without a slash at the end, as `https://atlas.example`.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// Its host, without the port.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether it is reached over TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl std::str::FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = url::Url::parse(text).ok().filter(|url| {
            let is_web = matches!(url.scheme(), "http" | "https");
            let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            is_web && is_bare && url.username().is_empty() && url.password().is_none()
        });
        url.map(Self).ok_or_else(|| {
            "must be http or https, a host and perhaps a port, as https://atlas.example".to_owned()
        })
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A range of addresses, or one address.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Proxy(
    /// The range.
    pub IpNet,
);

impl std::str::FromStr for Proxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = || text.parse::<IpAddr>().map(IpNet::from);
        let range = text.parse().or_else(|_| one()).map_err(|_| {
            "must be an address or a range of addresses, as 127.0.0.1 or 10.0.0.0/8".to_owned()
        })?;
        Ok(Self(canonical(range)))
    }
}

/// A range of addresses of IPv4 in the clothes of IPv6 (`::ffff:10.0.0.0/104`) as what it is: peers are compared so.
fn canonical(range: IpNet) -> IpNet {
    /// Bits before the address proper (RFC 4291, 2.5.5.2).
    const MAPPED: u8 = 96;
    let IpNet::V6(v6) = range else { return range };
    let plain = v6
        .addr()
        .to_ipv4_mapped()
        .zip(v6.prefix_len().checked_sub(MAPPED));
    plain
        .and_then(|(address, length)| IpNet::new(IpAddr::V4(address), length).ok())
        .unwrap_or(range)
}

impl TryFrom<String> for Proxy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_s_addresses_of_ipv4_are_those_however_they_are_written() {
        for (text, range) in [
            ("::ffff:127.0.0.1", "127.0.0.1/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("10.1.0.0/16", "10.1.0.0/16"),
            ("::1", "::1/128"),
            ("::fffe:0:0/95", "::fffe:0:0/95"),
        ] {
            let proxy: Proxy = text.parse().expect("a range");
            assert_eq!(proxy.0.to_string(), range, "{text}");
        }
    }
}
