//! URLs that people give us to send to: read strictly, since the usual parser forgives much.

use url::{Host, Url};

use crate::policy;

/// An absolute http or https URL without user name, password or fragment; None for anything else.
pub(crate) fn parse(text: &str) -> Option<Url> {
    // The parser takes `http:shop` and `http:///shop`, and passes over line breaks.
    let written_whole = ["http://", "https://"].iter().any(|scheme| {
        let (start, rest) = text.split_at_checked(scheme.len()).unwrap_or_default();
        start.eq_ignore_ascii_case(scheme) && !rest.starts_with('/')
    });
    let clean = !text
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || c == '\\');
    let fits = text.len() <= policy::URL_MAX && written_whole && clean;
    Url::parse(text).ok().filter(|url| {
        let is_bare = url.username().is_empty() && url.password().is_none();
        fits && is_bare && url.has_host() && url.fragment().is_none()
    })
}

/// Whether it leads to this machine whatever a name server says.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
