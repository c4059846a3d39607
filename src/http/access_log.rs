//! One line a request, written when its answer has been sent or its client is gone: whatever happens to it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::HeaderValue;
use percent_encoding::percent_decode_str;

use crate::app::KeyEntry;
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
    pub(super) key: Option<Arc<KeyEntry>>,
    pub(super) note: Note,
}

impl AccessLine {
    pub(super) fn new(request_id: HeaderValue, method: &str, path: &str) -> Self {
        Self {
            started: Instant::now(),
            request_id,
            method: method.to_owned(),
            path: loggable(path),
            status: None,
            key: None,
            note: Note::Nothing,
        }
    }
}

impl AccessLine {
    /// Time since the request came.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The path as it may be logged. Percent signs can hide a secret from the log's own mask, so where they hide something
/// that looks like one, only what stands before them is shown.
fn loggable(path: &str) -> String {
    let hidden = || percent_decode_str(path).decode_utf8_lossy();
    match path.split_once('%') {
        Some((head, _)) if ["sk_", "cs_"].iter().any(|start| hidden().contains(start)) => {
            format!("{head}...")
        }
        _ => path.to_owned(),
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
            Some(entry) => &entry.key.id,
            None => &"-",
        };
        log::info!(target: "atlas::request", "{id} {method} {path} {status} {millis:.3}ms {key}{note}");
    }
}
