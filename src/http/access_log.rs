//! One line a request, written when its answer has been sent or its client is gone: whatever happens to it.

use std::fmt;
use std::time::Instant;

use actix_web::http::header::HeaderValue;

use crate::domain::id::KeyId;
use crate::domain::limit::Scope;

/// How a request ended, beyond its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    Nothing,
    Replayed,
    RefusedBy(Scope),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Replayed => f.write_str(" replayed"),
            Self::RefusedBy(scope) => write!(f, " refused by {}", scope.as_str()),
        }
    }
}

/// A line in the making; it is written by drop.
pub(super) struct AccessLine {
    started: Instant,
    request_id: HeaderValue,
    method: String,
    /// Without the query, where people put what should not be logged.
    path: String,
    pub(super) status: Option<u16>,
    pub(super) key: Option<KeyId>,
    pub(super) note: Note,
}

impl AccessLine {
    pub(super) fn new(request_id: HeaderValue, method: &str, path: &str) -> Self {
        Self {
            started: Instant::now(),
            request_id,
            method: method.to_owned(),
            path: path.to_owned(),
            status: None,
            key: None,
            note: Note::Nothing,
        }
    }
}

impl Drop for AccessLine {
    fn drop(&mut self) {
        if !log::log_enabled!(target: "atlas::request", log::Level::Info) {
            return;
        }
        let id = self.request_id.to_str().unwrap_or("-");
        let millis = self.started.elapsed().as_micros() as f64 / 1_000.0;
        let (method, path, note) = (&self.method, &self.path, self.note);
        let status: &dyn fmt::Display = match &self.status {
            Some(status) => status,
            None => &"client-gone",
        };
        let key: &dyn fmt::Display = match &self.key {
            Some(key) => key,
            None => &"-",
        };
        log::info!(target: "atlas::request", "{id} {method} {path} {status} {millis:.3}ms {key}{note}");
    }
}
