//! Where a request goes up to, and by which method.

use super::fields::is_name;
use super::headers::target;
use crate::config::UpstreamUrl;
use crate::domain::refusal::Refusal;

/// Where a request goes, and how.
#[derive(Debug)]
pub struct Aim<'a> {
    pub(super) method: &'a str,
    pub(super) target: String,
}

impl<'a> Aim<'a> {
    /// Of a request of this method and path, as they came.
    ///
    /// # Errors
    /// [`Refusal::MethodNotAllowed`] for methods that would open a tunnel or echo the authorization,
    /// [`Refusal::ParameterInvalid`] for paths that lead elsewhere.
    pub fn new(
        upstream: &UpstreamUrl,
        method: &'a str,
        path: &str,
        query: &str,
    ) -> Result<Self, Refusal> {
        Ok(Self {
            method: forwardable(method)?,
            target: target(upstream, path, query)?,
        })
    }
}

/// A method that may go up. CONNECT would open a tunnel, and TRACE is answered with what was sent, the upstream's
/// authorization included. Methods have their case (RFC 9110, 9.1), but an upstream may read `post` as POST, which would
/// lead round the idempotency key.
fn forwardable(method: &str) -> Result<&str, Refusal> {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let refused = ["CONNECT", "TRACE"];
    let is_like = |name: &&str| name.eq_ignore_ascii_case(method);
    let is_of_another_kind = || !KNOWN.iter().chain(&refused).any(is_like);
    if KNOWN.contains(&method) || (is_name(method) && is_of_another_kind()) {
        return Ok(method);
    }
    Err(Refusal::MethodNotAllowed {
        allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    })
}
