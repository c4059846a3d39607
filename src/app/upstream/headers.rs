//! What of a request goes up and what of an answer comes down: headers, the key of idempotency, the address. Pure, and
//! wary: whoever asks may have written what they liked.

use std::borrow::Cow;
use std::net::IpAddr;

use bytes::BytesMut;
use hyper::header::{
    ACCEPT_ENCODING, CONNECTION, FORWARDED, HeaderMap, HeaderName, HeaderValue, SET_COOKIE,
};
use hyper::http::uri::PathAndQuery;
use percent_encoding::percent_decode;

use crate::config::UpstreamUrl;
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::key::Account;
use crate::domain::refusal::Refusal;
use crate::entropy::{self, NoEntropy};
use crate::policy;

/// What the URL of an upstream stands for.
const PREFIX: &str = "/functions/v1";

/// How a key of ours begins.
const OURS_BEGIN: &str = "atlas_";

/// Headers that a request has, as a rule.
const USUAL: usize = 12;
/// Bytes of their values.
const USUAL_BYTES: usize = 384;

/// How often a path is decoded to see where it leads.
const DECODED: usize = 4;

/// Headers that concern one connection only, besides those that `Connection` names.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers of a client that don't go up: they are for us, or we say them anew.
const OURS: &[&str] = &[
    "accept-encoding",
    "authorization",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "idempotency-key",
    "x-atlas-mock",
    "x-idempotency-key",
    "x-real-ip",
    "x-request-id",
];

/// Headers of an answer that don't come down: we say them anew, or they speak of the origin that it comes from, which for
/// the client is ours.
const OF_OUR_ORIGIN: &[&str] = &[
    "alt-svc",
    "clear-site-data",
    "content-length",
    "date",
    "idempotency-key",
    "strict-transport-security",
];

/// What the names of the Dashboard's cookies have in them; it may be on the same host.
const OUR_COOKIES: &[u8] = b"atlas_session_";

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What we say of a request.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The key of [`idempotency_key`], where there is one.
    pub idempotency_key: Option<&'a str>,
    /// The request's id: visible ASCII.
    pub request_id: &'a str,
    /// Who asks.
    pub client: IpAddr,
    /// Whether they came over TLS.
    pub is_tls: bool,
    /// The host that they asked for, as they wrote it.
    pub host: Option<&'a str>,
}

/// The headers of a request as it goes up, but `Authorization`, `Host` and `Content-Length`: those of the client, names
/// and values as they came, without those that are not for the upstream, and with what we say.
pub fn up<'a>(
    client: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    said: &Said<'_>,
) -> HeaderMap {
    let mut named = named(
        client
            .clone()
            .filter(|(name, _)| name.eq_ignore_ascii_case("connection"))
            .map(|(_, value)| value),
    );
    named
        .iter_mut()
        .for_each(|name| *name = name.replace('_', "-"));
    let mut headers = HeaderMap::with_capacity(USUAL);
    let mut values = Values(BytesMut::with_capacity(USUAL_BYTES));
    for (name, value) in client {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            continue;
        };
        // Some servers read `_` as `-`.
        let read = if name.as_str().contains('_') {
            Cow::Owned(name.as_str().replace('_', "-"))
        } else {
            Cow::Borrowed(name.as_str())
        };
        let is_ours = OURS.contains(&&*read) || read.starts_with("x-forwarded-");
        if !is_ours
            && !is_hop_by_hop(&read, &named)
            && let Some(value) = values.of(value)
        {
            headers.append(name, value);
        }
    }
    let host = said.host.filter(|host| is_host(host));
    let proto = if said.is_tls { "https" } else { "http" };
    let address = said.client.to_string();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    let forwarded = forwarded(&address, proto, host);
    let said = [
        (IDEMPOTENCY_KEY, said.idempotency_key),
        (X_REQUEST_ID, Some(said.request_id)),
        (FORWARDED, Some(&forwarded)),
        (X_FORWARDED_FOR, Some(&address)),
        (X_FORWARDED_HOST, host),
    ];
    for (name, text) in said {
        if let Some(value) = text.and_then(|text| values.of(text.as_bytes())) {
            headers.insert(name, value);
        }
    }
    headers
}

/// Values that lie side by side, so that a copy of all of them, for a second attempt, takes no room.
struct Values(BytesMut);

impl Values {
    fn of(&mut self, bytes: &[u8]) -> Option<HeaderValue> {
        self.0.extend_from_slice(bytes);
        HeaderValue::from_maybe_shared(self.0.split().freeze()).ok()
    }
}

/// The headers of an answer as it comes down: those of the upstream, without those that we say ourselves. What speaks of
/// the upstream's limits, requests and replays gets a name of its own, since ours have theirs.
pub fn down(upstream: &HeaderMap) -> HeaderMap {
    let named = named(
        upstream
            .get_all(CONNECTION)
            .iter()
            .map(HeaderValue::as_bytes),
    );
    let mut headers = HeaderMap::with_capacity(upstream.len());
    for (name, value) in upstream {
        let text = name.as_str();
        let is_ours = OF_OUR_ORIGIN.contains(&text) || text.starts_with("access-control-");
        let is_our_cookie = *name == SET_COOKIE && is_our_cookie(value);
        if is_ours || is_our_cookie || is_hop_by_hop(text, &named) {
            continue;
        }
        let name = match text {
            "x-request-id" | "idempotent-replayed" => renamed(text),
            _ if is_rate_limit(text) => renamed(text),
            _ => Some(name.clone()),
        };
        if let Some(name) = name {
            headers.append(name, value.clone());
        }
    }
    headers
}

fn is_our_cookie(line: &HeaderValue) -> bool {
    let name = line.as_bytes().split(|byte| *byte == b'=').next();
    name.is_some_and(|name| {
        let mut parts = name.windows(OUR_COOKIES.len());
        parts.any(|part| part == OUR_COOKIES)
    })
}

/// Whether it tells of rate limits.
fn is_rate_limit(name: &str) -> bool {
    name.starts_with("x-ratelimit-") || name.starts_with("ratelimit")
}

/// `x-request-id` becomes `x-upstream-request-id`, and `ratelimit` `x-upstream-ratelimit`.
fn renamed(name: &str) -> Option<HeaderName> {
    let bare = name.strip_prefix("x-").unwrap_or(name);
    HeaderName::try_from(format!("x-upstream-{bare}")).ok()
}

fn is_hop_by_hop(name: &str, named: &[String]) -> bool {
    HOP_BY_HOP.contains(&name) || named.iter().any(|other| other == name)
}

/// The headers that `Connection` names, in lower case.
fn named<'a>(connection: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let names = connection.flat_map(|value| value.split(|byte| *byte == b','));
    names
        .map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
        .collect()
}

/// Whether a request of this method goes up under an `Idempotency-Key`.
pub fn goes_under_key(method: &str) -> bool {
    matches!(method, "POST" | "PATCH")
}

/// The key under which the upstream knows a request: on POST and PATCH, the client's, or a random one where it sent
/// none. Accounts share the upstream, so the key of any but the default account has the account's name before it; a name
/// has no colon, so none is like another's.
///
/// # Errors
/// [`NoEntropy`]
pub fn idempotency_key(
    method: &str,
    account: &Account,
    client: Option<&IdempotencyKey>,
) -> Result<Option<String>, NoEntropy> {
    if !goes_under_key(method) {
        return Ok(None);
    }
    let Some(key) = client else {
        let random: [u8; 24] = entropy::base62()?;
        let mut key = String::with_capacity(OURS_BEGIN.len() + random.len());
        key.push_str(OURS_BEGIN);
        key.extend(random.map(char::from));
        return Ok(Some(key));
    };
    let (account, key) = (account.as_str(), key.as_str());
    if account == Account::default().as_str() && !key.contains(':') {
        return Ok(Some(key.to_owned()));
    }
    let whole = format!("{account}:{key}");
    if whole.len() <= policy::IDEMPOTENCY_KEY_MAX {
        return Ok(Some(whole));
    }
    Ok(Some(format!(
        "~:{}",
        blake3::hash(whole.as_bytes()).to_hex()
    )))
}

/// What a request asks its upstream for: `path` as it came, with the path of the upstream's URL for `/functions/v1`, and
/// its query.
///
/// # Errors
/// [`Refusal::ParameterInvalid`] for a path that would lead out of the upstream's.
pub fn target(upstream: &UpstreamUrl, path: &str, query: &str) -> Result<PathAndQuery, Refusal> {
    let refuse = |must: &'static str| Refusal::invalid("path", must);
    let rest = path
        .strip_prefix(PREFIX)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        .ok_or_else(|| refuse("must begin with /functions/v1/."))?;
    if leads_elsewhere(rest) {
        return Err(refuse(
            "must not have . or .. between slashes, nor control characters, percent-encoded or not.",
        ));
    }
    let is_clean = |text: &str| !text.contains('#') && !text.bytes().any(|byte| byte <= b' ');
    if rest.contains('?') || !is_clean(rest) || !is_clean(query) {
        return Err(refuse("must be percent-encoded."));
    }
    let base = upstream.path();
    let mut target = String::with_capacity(base.len() + rest.len() + "/?".len() + query.len());
    target.push_str(base);
    target.push_str(rest);
    if target.is_empty() {
        target.push('/');
    }
    if !query.is_empty() {
        target.push('?');
        target.push_str(query);
    }
    target
        .try_into()
        .map_err(|_| refuse("must be percent-encoded, and not that long."))
}

/// Whether some server might read a step to another folder in it: it may decode more than once, take a backslash for a
/// slash, and pass over spaces and what comes after a semicolon. A control byte is passed over by some before they decode
/// once more, and makes of `%2<TAB>e` a dot. Nobody encodes more often than [`DECODED`] times in good faith.
fn leads_elsewhere(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte);
    if path.bytes().all(is_plain) {
        return false;
    }
    let mut text = Cow::Borrowed(path.as_bytes());
    for _ in 0..=DECODED {
        if text.iter().any(u8::is_ascii_control) {
            return true;
        }
        let mut segments = text.split(|byte| matches!(byte, b'/' | b'\\'));
        let is_dots = |segment: &[u8]| {
            let name = segment.split(|byte| *byte == b';').next();
            let seen = || name.iter().copied().flatten().filter(|byte| **byte > b' ');
            seen().eq(b".") || seen().eq(b"..")
        };
        if segments.any(is_dots) {
            return true;
        }
        let decoded: Vec<u8> = percent_decode(&text).collect();
        if decoded == *text {
            return false;
        }
        text = Cow::Owned(decoded);
    }
    true
}

/// `Forwarded` (RFC 7239): what is no token is quoted.
fn forwarded(client: &str, proto: &str, host: Option<&str>) -> String {
    let is_token = |text: &str| !text.contains([':', '[', ']']);
    let for_client = if is_token(client) {
        ["for=", client, ""]
    } else {
        ["for=\"[", client, "]\""]
    };
    let host = match host {
        Some(host) if is_token(host) => [";host=", host, ""],
        Some(host) => [";host=\"", host, "\""],
        None => [""; 3],
    };
    [for_client, [";proto=", proto, ""], host].concat().concat()
}

/// Whether it is a name or an address, perhaps with a port: nothing that could end a quotation or begin another element.
/// Of anything else nothing is said.
fn is_host(text: &str) -> bool {
    let fits = (1..=policy::URL_MAX).contains(&text.len());
    fits && text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%:[]".contains(&byte))
}

#[cfg(test)]
mod tests;
