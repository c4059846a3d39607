//! Reads who a request comes from: the secret it shows and the address it is sent from. Every header may lie.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::app::Presented;
use crate::domain::credentials::secret_of;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What stands in `Authorization`.
pub(super) enum Credentials<'a> {
    /// Nothing that could be a key.
    Nothing,
    /// More than one header.
    Twice,
    /// A secret, good or not.
    Secret(Cow<'a, [u8]>),
}

impl<'a> Credentials<'a> {
    /// Reads the header, where there is one.
    pub(super) fn read(headers: &'a HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION);
        let (first, second) = (values.next(), values.next());
        if second.is_some() {
            return Self::Twice;
        }
        first
            .and_then(|value| secret_of(value.as_bytes()))
            .map_or(Self::Nothing, Self::Secret)
    }

    pub(super) fn presented(&self) -> Presented<'_> {
        match self {
            Self::Nothing => Presented::Nothing,
            Self::Twice => Presented::Twice,
            Self::Secret(secret) => Presented::Secret(secret),
        }
    }
}

/// The address that limits of strangers go by: the peer's, or what a trusted proxy says of it. The list is read from
/// the right, where the proxies nearest to us wrote; the first address that is not one of them is the client.
pub(super) fn address(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut address = peer
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
        .to_canonical();
    if !is_trusted(address, trusted) {
        return address;
    }
    let lines: Vec<_> = headers.get_all(X_FORWARDED_FOR).collect();
    for hop in lines
        .iter()
        .rev()
        .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
    {
        // What can't be read ends the walk: beyond it the client itself may have written.
        let Some(hop) = std::str::from_utf8(hop)
            .ok()
            .and_then(|hop| forwarded_address(hop.trim()))
        else {
            break;
        };
        address = hop;
        if !is_trusted(address, trusted) {
            break;
        }
    }
    address
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|range| range.contains(&address))
}

/// Whether the client came over TLS: as a trusted proxy says, the latest of which knows, or else as it came to us.
pub(super) fn is_tls(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    trusted: &[IpNet],
    is_ours: bool,
) -> bool {
    let is_trusted = peer.is_some_and(|peer| is_trusted(peer, trusted));
    let said = headers.get_all(X_FORWARDED_PROTO).last();
    match said.filter(|_| is_trusted).map(HeaderValue::to_str) {
        None => is_ours,
        Some(Ok(said)) => {
            let latest = said.rsplit(',').next().unwrap_or_default();
            latest.trim().eq_ignore_ascii_case("https")
        }
        Some(Err(_)) => false,
    }
}

/// An address, with or without a port, IPv6 with or without brackets.
fn forwarded_address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map(|(address, _)| address);
    bare.unwrap_or(text)
        .parse()
        .or_else(|_| {
            text.parse::<std::net::SocketAddr>()
                .map(|address| address.ip())
        })
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_can_t_be_read_is_not_passed_over() {
        let mut headers = HeaderMap::new();
        for line in [&b"9.9.9.9"[..], b"\xff, 203.0.113.7"] {
            headers.append(
                X_FORWARDED_FOR,
                HeaderValue::from_bytes(line).expect("a header value"),
            );
        }
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("a range")];
        let peer = Some("10.0.0.1".parse().expect("an address"));
        assert_eq!(address(peer, &headers, &trusted).to_string(), "203.0.113.7");
    }

    fn seen(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(
                X_FORWARDED_FOR,
                HeaderValue::from_str(line).expect("a header value"),
            );
        }
        let trusted: Vec<IpNet> = trusted
            .iter()
            .map(|range| range.parse().expect("a range"))
            .collect();
        address(Some(peer.parse().expect("an address")), &headers, &trusted).to_string()
    }

    #[test]
    fn forwarded_addresses_count_only_from_trusted_proxies_and_from_the_right() {
        assert_eq!(seen("10.0.0.1", &["1.2.3.4"], &[]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &["1.2.3.4"], &["10.0.0.0/8"]), "1.2.3.4");
        assert_eq!(
            seen("10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.2"], &["10.0.0.0/8"]),
            "1.2.3.4"
        );
        assert_eq!(
            seen("10.0.0.1", &["6.6.6.6", "1.2.3.4"], &["10.0.0.0/8"]),
            "1.2.3.4"
        );
        assert_eq!(
            seen("10.0.0.1", &["1.2.3.4, nonsense"], &["10.0.0.0/8"]),
            "10.0.0.1"
        );
        assert_eq!(
            seen("::ffff:10.0.0.1", &["[2001:db8::7]:443"], &["10.0.0.0/8"]),
            "2001:db8::7"
        );
        assert_eq!(
            seen("10.0.0.1", &["1.2.3.4:5678"], &["10.0.0.0/8"]),
            "1.2.3.4"
        );
    }

    #[test]
    fn a_client_comes_over_tls_as_it_came_to_us_unless_a_trusted_proxy_says_otherwise() {
        let is_tls = |peer: &str, said: &[&str], is_ours| {
            let mut headers = HeaderMap::new();
            for line in said {
                let value = HeaderValue::from_str(line).expect("a header value");
                headers.append(X_FORWARDED_PROTO, value);
            }
            let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("a range")];
            let peer = Some(peer.parse().expect("an address"));
            super::is_tls(peer, &headers, &trusted, is_ours)
        };
        for is_ours in [false, true] {
            assert_eq!(is_tls("1.2.3.4", &[], is_ours), is_ours);
            assert_eq!(is_tls("1.2.3.4", &["https"], is_ours), is_ours);
            assert_eq!(is_tls("1.2.3.4", &["http"], is_ours), is_ours);
            assert_eq!(is_tls("10.0.0.1", &[], is_ours), is_ours);
            assert!(is_tls("10.0.0.1", &["http, HTTPS"], is_ours));
            assert!(!is_tls("10.0.0.1", &["https", "http"], is_ours));
        }
    }
}
