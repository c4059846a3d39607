//! What goes out over HTTP, to webhooks and to upstreams: connections with TLS, and why one did not come about.

use std::error::Error;
use std::sync::Arc;

pub(super) use hyper_rustls::MaybeHttpsStream as MaybeHttps;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::ClientConfig;
pub(super) use rustls::RootCertStore;

/// Connects to http and https URLs.
pub(super) type Https = HttpsConnector<HttpConnector>;

/// Characters of a reason.
const REASON: usize = 200;

/// The certificates that the system trusts, and what was wrong with some of them.
pub(super) fn system_roots() -> (RootCertStore, String) {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    (roots, format!("{:?}", found.errors))
}

/// Nobody, for who is not reached over TLS.
pub(super) fn no_roots() -> RootCertStore {
    RootCertStore::empty()
}

/// Connects by `http`, and over TLS to who is vouched for by `roots`.
///
/// # Errors
/// That there is no TLS.
pub(super) fn https(mut http: HttpConnector, roots: RootCertStore) -> Result<Https, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("There is no TLS here: {e}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    http.enforce_http(false);
    http.set_nodelay(true);
    let builder = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1();
    Ok(builder.wrap_connector(http))
}

/// The first cause of an error, which says most.
pub(super) fn first_cause(error: &dyn Error) -> String {
    let mut first = error;
    while let Some(cause) = first.source() {
        first = cause;
    }
    first.to_string().chars().take(REASON).collect()
}
