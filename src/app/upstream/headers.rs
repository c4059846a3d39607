//! What of a request goes up and what of an answer comes down: headers, the key of idempotency, the address. Pure, and
//! wary: whoever asks may have written what they liked.

use std::borrow::Cow;
use std::net::IpAddr;

use memchr::memchr2;
use percent_encoding::percent_decode;

use super::fields::Fields;
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

/// Bytes that headers take, as a rule.
const USUAL_BYTES: usize = 512;

/// How often a path is decoded to see where it leads.
const DECODED: usize = 4;

/// Letters of a name that are looked at: more than any has that is of interest here.
const READ: usize = 32;

/// The beginning of a name as the most careless server reads it: in small letters, and `_` as `-`. What is left out is
/// left out by whatever spelling.
struct Name {
    text: [u8; READ],
    length: usize,
}

impl Name {
    fn read(name: &str) -> Self {
        let (mut text, length) = ([0; READ], name.len().min(READ));
        for (place, byte) in text.iter_mut().zip(name.bytes()) {
            *place = read(byte);
        }
        Self { text, length }
    }

    fn text(&self) -> &[u8] {
        &self.text[..self.length]
    }

    /// Whether it concerns one connection only.
    fn is_hop_by_hop(&self) -> bool {
        matches!(
            self.text(),
            b"connection"
                | b"keep-alive"
                | b"proxy-authenticate"
                | b"proxy-authorization"
                | b"proxy-connection"
                | b"te"
                | b"trailer"
                | b"transfer-encoding"
                | b"upgrade"
        )
    }

    /// Whether a client's does not go up: it is for us, or we say it anew.
    fn is_ours(&self) -> bool {
        let is_known = matches!(
            self.text(),
            b"accept-encoding"
                | b"authorization"
                | b"content-length"
                | b"cookie"
                | b"expect"
                | b"forwarded"
                | b"host"
                | b"idempotency-key"
                | b"x-atlas-mock"
                | b"x-idempotency-key"
                | b"x-real-ip"
                | b"x-request-id"
        );
        is_known || self.text().starts_with(b"x-forwarded-")
    }

    /// Whether an upstream's does not come down: we say it anew, or it speaks of the origin that it comes from, which for
    /// the client is ours.
    fn is_of_our_origin(&self) -> bool {
        let is_known = matches!(
            self.text(),
            b"alt-svc"
                | b"clear-site-data"
                | b"content-length"
                | b"date"
                | b"idempotency-key"
                | b"strict-transport-security"
        );
        is_known || self.text().starts_with(b"access-control-")
    }

    /// Whether it tells of a request, a replay or the rate limits of the upstream: `x-request-id` becomes
    /// `x-upstream-request-id`, and `ratelimit` `x-upstream-ratelimit`.
    fn speaks_of_upstream(&self) -> bool {
        let text = self.text();
        matches!(text, b"x-request-id" | b"idempotent-replayed")
            || text.starts_with(b"x-ratelimit-")
            || text.starts_with(b"ratelimit")
    }
}

/// What the names of the Dashboard's cookies have in them; it may be on the same host.
const OUR_COOKIES: &[u8] = b"atlas_session_";

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

/// The headers of a request as it goes up, but `Authorization`, `Host` and `Content-Length`: those of the client, without
/// those that are not for the upstream, and with what we say.
pub fn up<'a>(
    client: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    said: &Said<'_>,
) -> Fields {
    let named = named(client.clone());
    let mut fields = Fields::with_capacity(USUAL_BYTES);
    for (name, value) in client {
        let read = Name::read(name);
        if !read.is_ours() && !read.is_hop_by_hop() && !is_in(&named, name) {
            fields.push(name, value);
        }
    }
    let host = said.host.filter(|host| is_host(host));
    let proto = if said.is_tls { "https" } else { "http" };
    let address = address(said.client);
    fields.say("accept-encoding", &[b"identity"]);
    if let Some(key) = said.idempotency_key {
        fields.say("idempotency-key", &[key.as_bytes()]);
    }
    fields.say("x-request-id", &[said.request_id.as_bytes()]);
    fields.say("forwarded", &forwarded(&address, proto, host));
    fields.say("x-forwarded-for", &[address.as_bytes()]);
    fields.say("x-forwarded-proto", &[proto.as_bytes()]);
    if let Some(host) = host {
        fields.say("x-forwarded-host", &[host.as_bytes()]);
    }
    fields
}

/// The headers of an answer as it comes down: those of the upstream, without those that we say ourselves. What speaks of
/// the upstream's limits, requests and replays gets a name of its own, since ours have theirs.
pub fn down<'a>(upstream: impl Iterator<Item = (&'a str, &'a [u8])> + Clone) -> Fields {
    let named = named(upstream.clone());
    let mut fields = Fields::with_capacity(USUAL_BYTES);
    for (name, value) in upstream {
        let read = Name::read(name);
        let is_our_cookie = read.text() == b"set-cookie" && is_our_cookie(value);
        if read.is_of_our_origin() || is_our_cookie || read.is_hop_by_hop() || is_in(&named, name) {
            continue;
        }
        let value = unfolded(value);
        if read.speaks_of_upstream() {
            let bare = name.get(2..).filter(|_| read.text().starts_with(b"x-"));
            fields.push(&format!("x-upstream-{}", bare.unwrap_or(name)), &value);
        } else {
            fields.push(name, &value);
        }
    }
    fields
}

/// An address as text. It is in every request, so of IPv4 it is put together of its numbers.
fn address(client: IpAddr) -> String {
    let IpAddr::V4(client) = client else {
        return client.to_string();
    };
    let mut text = String::with_capacity("255.255.255.255".len());
    for number in client.octets() {
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(itoa::Buffer::new().format(number));
    }
    text
}

/// A value on one line, whatever lines it came on (RFC 9112, 5.2).
fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr2(b'\r', b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let spaced = value.iter().map(|byte| match byte {
        b'\r' | b'\n' => b' ',
        _ => *byte,
    });
    Cow::Owned(spaced.collect())
}

fn is_our_cookie(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b'=').next();
    name.is_some_and(|name| {
        let mut parts = name.windows(OUR_COOKIES.len());
        parts.any(|part| part == OUR_COOKIES)
    })
}

/// The headers that `Connection` names.
fn named<'a>(lines: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<&'a [u8]> {
    let lines = lines.filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
    let names = lines.flat_map(|(_, value)| value.split(|byte| *byte == b','));
    names.map(<[u8]>::trim_ascii).collect()
}

/// Whether one of these is the same name to the most careless server.
fn is_in(named: &[&[u8]], name: &str) -> bool {
    let same = |one: &[u8]| one.iter().copied().map(read).eq(name.bytes().map(read));
    named.iter().any(|one| same(one))
}

/// A letter of a name as the most careless server reads it.
const fn read(byte: u8) -> u8 {
    match byte {
        b'_' => b'-',
        _ => byte.to_ascii_lowercase(),
    }
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
        let random: [u8; 24] = entropy::base62_of_name()?;
        let mut key = String::with_capacity(OURS_BEGIN.len() + random.len());
        key.push_str(OURS_BEGIN);
        key.push_str(std::str::from_utf8(&random).unwrap_or_default());
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
pub fn target(upstream: &UpstreamUrl, path: &str, query: &str) -> Result<String, Refusal> {
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
    let is_clean = |text: &str| {
        let is_marked = |byte: u8| byte <= b' ' || byte == b'#' || byte == 0x7f;
        !text.bytes().any(is_marked)
    };
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
    if target.len() > policy::UPSTREAM_TARGET {
        return Err(refuse("must not be that long."));
    }
    Ok(target)
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

/// `Forwarded` (RFC 7239), in parts: what is no token is quoted.
fn forwarded<'a>(client: &'a str, proto: &'a str, host: Option<&'a str>) -> [&'a [u8]; 8] {
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
    let [a, b, c] = for_client;
    let [d, e, f] = host;
    [a, b, c, ";proto=", proto, d, e, f].map(str::as_bytes)
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
