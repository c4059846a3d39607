//! The host that a request is for: one that can be one, whether or not it is ours.

use std::net::Ipv6Addr;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HOST, HeaderValue};

use crate::domain::refusal::Refusal;

/// Makes `Host` say whom a request is for: where its target is a whole URL, the host of that counts (RFC 9112, 3.2.2).
///
/// # Errors
/// [`Refusal::ParameterInvalid`] where no host can be called so. That there is one, and no more, is seen by actix.
pub(super) fn settle(request: &mut ServiceRequest) -> Result<(), Refusal> {
    let given = request.headers().get(HOST);
    let is_given_right = given.is_none_or(|host| is_host(host.as_bytes()));
    let target = request.uri().authority().map(|host| host.as_str());
    let is_right = is_given_right && target.is_none_or(|host| is_host(host.as_bytes()));
    let refusal = || {
        let must = "must be a host and perhaps a port, as api.example or 127.0.0.1:8080.";
        Refusal::invalid("Host", must)
    };
    if !is_right {
        return Err(refusal());
    }
    if let Some(target) = target {
        let host = HeaderValue::from_str(target).map_err(|_| refusal())?;
        request.headers_mut().insert(HOST, host);
    }
    Ok(())
}

/// Whether this is `uri-host [ ":" port ]` (RFC 9110, 7.2), which may be nothing at all.
fn is_host(text: &[u8]) -> bool {
    let text = std::str::from_utf8(text).unwrap_or("/");
    let (is_named, port) = match text.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((address, port)) => (address.parse::<Ipv6Addr>().is_ok(), port),
            None => return false,
        },
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (is_name(name), port)
        }
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    let is_port = port.is_empty() || digits.len() < port.len();
    is_named && is_port && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether this is a `reg-name` (RFC 3986, 3.2.2); an IPv4 address is one, too.
fn is_name(name: &str) -> bool {
    let plain = |part: &str| part.bytes().all(|byte| IS_PLAIN[usize::from(byte)]);
    if plain(name) {
        return true;
    }
    let mut parts = name.split('%');
    let is_escaped = |part: &str| {
        let code = part.as_bytes().get(..2);
        code.is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit))
    };
    parts.next().is_none_or(plain) && parts.all(|part| is_escaped(part) && plain(part))
}

/// What stands for itself in a name: `unreserved` and `sub-delims` (RFC 3986, 2).
const IS_PLAIN: [bool; 256] = {
    let (mut plain, mut at) = ([false; 256], 0);
    while at < 256 {
        plain[at] = (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    let (marks, mut at) = (b"-._~!$&'()*+,;=", 0);
    while at < marks.len() {
        plain[marks[at] as usize] = true;
        at += 1;
    }
    plain
};

#[cfg(test)]
mod tests {
    use super::is_host;

    #[test]
    fn what_can_be_a_host_is_one() {
        for host in [
            "",
            "a",
            "a:",
            "a:80",
            "a:99999999",
            ":80",
            "A_b.example.",
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:8080",
            "[::ffff:1.2.3.4]",
            "xn--shp-una.example",
            "a%20b",
            "a!$&'()*+,;=b~",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "a b",
            "a/b",
            "a@b",
            "[::1",
            "[::1]x",
            "[]",
            "[a]",
            "[1.2.3.4]",
            "::1",
            "a:x",
            "a:1:2",
            "a:-1",
            "http://a",
            "a?b",
            "a#b",
            "a\\b",
            "a%",
            "a%2",
            "a%zz",
            "a\"b",
            "<a>",
            "a|b",
            "a^b",
            "sh\u{f6}p.example",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
        assert!(!is_host(b"a\xff"));
    }
}
