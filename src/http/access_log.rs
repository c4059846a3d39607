//! One line a request, written when its answer has been sent or its client is gone: whatever happens to it.

mod line;
mod members;

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{
    AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE,
};
use actix_web::web::Bytes;
use percent_encoding::percent_decode_str;
use triomphe::UniqueArc;

use self::line::line;
use self::members::Members;
use super::LocalApp;
use super::headers::{IDEMPOTENCY_KEY, X_IDEMPOTENCY_KEY};
use crate::app::forward::Reached;
use crate::app::request_log::{Captured, Exchange};
use crate::app::{Face, KeyEntry};
use crate::clock::Stopwatch;
use crate::domain::fault::Fault;
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::limit::Scope;
use crate::domain::masking::masked_secret;
use crate::domain::time::Timestamp;
use crate::policy;

/// What the lines of requests are from; `RUST_LOG` may name it.
const TARGET: &str = "atlas::request";

/// How a request ended, beyond its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    Nothing,
    Replayed,
    RefusedBy(Scope),
}

/// A request on its way, and what is remembered of it. When it is dropped, the line is written, and the request is
/// counted and kept for the Dashboard.
pub(super) struct AccessLine {
    app: LocalApp,
    started: Stopwatch,
    /// Where it is counted; those of monitors are logged only.
    face: Option<Face>,
    /// What a developer may want to look back on.
    is_kept: bool,
    /// Given away at the end.
    exchange: Option<UniqueArc<Exchange>>,
}

impl AccessLine {
    pub(super) fn new(
        app: &LocalApp,
        request: &ServiceRequest,
        request_id: &HeaderValue,
        (started, at): (Stopwatch, Timestamp),
        face: Option<Face>,
    ) -> Self {
        let is_kept = matches!(face, Some(Face::Api | Face::Docs));
        let text = |text: &str| {
            if is_kept {
                text.to_owned()
            } else {
                String::new()
            }
        };
        let exchange = Exchange {
            at,
            request_id: request_id.to_str().unwrap_or("-").to_owned(),
            method: beginning(request.method()),
            path: request.path().to_owned(),
            query: text(request.query_string()),
            is_brief: is_kept,
            ..Exchange::default()
        };
        Self {
            app: Rc::clone(app),
            started,
            face,
            is_kept,
            exchange: Some(UniqueArc::new(exchange)),
        }
    }

    /// The request's method, as far as it is kept.
    pub(super) fn method(&self) -> &str {
        let exchange = self.exchange.as_ref();
        exchange.map_or("", |exchange| &exchange.method)
    }

    /// Whether headers and bodies are kept.
    fn is_whole(&self) -> bool {
        let exchange = self.exchange.as_ref();
        self.is_kept && exchange.is_some_and(|exchange| !exchange.is_brief)
    }

    /// Changes what is remembered.
    fn note(&mut self, change: impl FnOnce(&mut Exchange)) {
        if let Some(exchange) = &mut self.exchange {
            change(exchange);
        }
    }

    /// Remembers who it came from, the key that makes it safe to repeat, and its headers. Of every request that is what
    /// a developer looks at in the mock; a server leaves out what would not last until anybody looks.
    pub(super) fn is_from(
        &mut self,
        key: Option<Arc<KeyEntry>>,
        idempotency_key: Option<&IdempotencyKey>,
        headers: &HeaderMap,
    ) {
        let Some(at) = self.exchange.as_ref().map(|exchange| exchange.at) else {
            return;
        };
        let app = &self.app;
        let has_room = || app.requests.has_room_for_whole(key.is_some(), at);
        let is_whole = self.is_kept && (app.settings.mock || has_room());
        let is_brief = self.is_kept && !is_whole;
        self.note(|exchange| {
            exchange.is_brief = is_brief;
            if is_whole {
                exchange.request_headers = lines(headers);
            }
            exchange.key = key;
            exchange.idempotency_key = idempotency_key.map(|key| key.as_str().to_owned());
        });
    }

    /// Remembers what is to go wrong with it because the mock was asked for it.
    pub(super) fn is_hit_by(&mut self, fault: Fault) {
        self.note(|exchange| exchange.fault = Some(fault));
    }

    /// Time since the request came.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Remembers what was sent. Card numbers and the like are masked before anything else can see them.
    pub(super) fn came(&mut self, body: &Bytes) {
        if self.is_whole() && !body.is_empty() {
            let kept = Captured::masked(body);
            self.note(|exchange| exchange.request_body = kept);
        }
    }

    /// Remembers how it is answered.
    pub(super) fn answered(&mut self, status: u16, headers: &HeaderMap, note: Note) {
        let is_whole = self.is_whole();
        self.note(|exchange| {
            exchange.status = Some(status);
            match note {
                Note::Nothing => (),
                Note::Replayed => exchange.replayed = true,
                Note::RefusedBy(scope) => exchange.refused_by = Some(scope),
            }
            if is_whole {
                exchange.response_headers = lines(headers);
            }
        });
    }

    /// Remembers what the upstream did.
    pub(super) fn went_up(&mut self, reached: Reached) {
        self.note(|exchange| exchange.reached = Some(reached));
    }

    /// Remembers a part of the answer's body.
    pub(super) fn went(&mut self, chunk: &Bytes) {
        if self.is_whole() {
            self.note(|exchange| exchange.response_body.append(chunk));
        }
    }
}

/// Headers as they may be kept: none of them lets anybody in.
fn lines(headers: &HeaderMap) -> String {
    let mut out = Vec::with_capacity(policy::USUAL_HEADERS);
    for (name, value) in headers {
        if out.len() > policy::CAPTURED_HEADERS {
            break;
        }
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        match *name {
            AUTHORIZATION => push_credentials(&mut out, value),
            _ if lets_in(name) => out.extend_from_slice(b"..."),
            _ => out.extend_from_slice(value.as_bytes()),
        }
        out.push(b'\n');
    }
    // They may be kept for long.
    out.shrink_to_fit();
    // Nearly always it is text, and found to be that in one look at all of it.
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Whether the name of a header says that its value lets somebody in. What ours says of how to come in does not.
fn lets_in(name: &HeaderName) -> bool {
    /// What such a name has in it, and the letters of that.
    const WORDS: [(&str, u32); 7] = {
        let words = [
            "auth", "cookie", "key", "password", "secret", "session", "token",
        ];
        let mut known = [("", 0); 7];
        let mut at = 0;
        while at < words.len() {
            known[at] = (words[at], letters(words[at]));
            at += 1;
        }
        known
    };
    let (text, has) = (name.as_str(), letters(name.as_str()));
    // Few names have all letters of a word: only those are searched for it.
    let says = WORDS
        .iter()
        .any(|(word, of_word)| has & of_word == *of_word && contains(text, word));
    says && ![IDEMPOTENCY_KEY, X_IDEMPOTENCY_KEY, WWW_AUTHENTICATE].contains(name)
}

/// Names are so short that a search costs less than to make one ready.
fn contains(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let mut parts = text.windows(word.len());
    parts.any(|part| part.first() == word.first() && part == word)
}

/// Which letters a text of small ones has, a bit each; other characters may look like one.
const fn letters(text: &str) -> u32 {
    let bytes = text.as_bytes();
    let (mut letters, mut at) = (0, 0);
    while at < bytes.len() {
        letters |= 1 << (bytes[at] & 31);
        at += 1;
    }
    letters
}

/// Writes the scheme, and of a credential that is a key and nothing else what may be shown for ever.
fn push_credentials(out: &mut Vec<u8>, value: &HeaderValue) {
    let text = value.to_str().unwrap_or_default().trim_end();
    let (scheme, credential) = text.rsplit_once(' ').unwrap_or(("", text));
    let scheme = scheme.trim();
    let is_known = ["Bearer", "Basic"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(scheme));
    if is_known {
        out.extend_from_slice(scheme.as_bytes());
        out.push(b' ');
    }
    let is_ours = ["sk_test_", "sk_live_", "cs_"].iter().any(|start| {
        let random = credential.strip_prefix(start);
        random.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    });
    let shown = masked_secret(credential).filter(|_| is_ours && (is_known || scheme.is_empty()));
    let parts = shown.unwrap_or(["", "...", ""]);
    parts
        .iter()
        .for_each(|part| out.extend_from_slice(part.as_bytes()));
}

/// A method as far as it is kept. Anybody may make up one, of any length.
fn beginning(method: &Method) -> String {
    let method = method.as_str();
    let end = method.char_indices().nth(policy::CAPTURED_METHOD);
    end.map_or(method, |(end, _)| &method[..end]).to_owned()
}

/// The path as it may be logged. Percent signs can hide a secret from the log's own mask, so where they hide something
/// that looks like one, only what stands before them is shown.
fn loggable(path: &str) -> Cow<'_, str> {
    let hidden = || percent_decode_str(path).decode_utf8_lossy();
    match path.split_once('%') {
        Some((head, _)) if ["sk_", "cs_"].iter().any(|start| hidden().contains(start)) => {
            Cow::Owned(format!("{head}..."))
        }
        _ => Cow::Borrowed(path),
    }
}

impl Drop for AccessLine {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.note(|exchange| exchange.took = took);
        let Some(exchange) = self.exchange.take() else {
            return;
        };
        if log::log_enabled!(target: TARGET, log::Level::Info) {
            write_line(&exchange);
        }
        if let Some(face) = self.face {
            self.app.count(face, &exchange);
        }
        if self.is_kept {
            self.app.note(exchange);
        }
    }
}

fn write_line(exchange: &Exchange) {
    let path = &*loggable(&exchange.path);
    let (line, members) = (line(exchange, path), Members { exchange, path });
    let mut record = log::Record::builder();
    record.target(TARGET).level(log::Level::Info);
    record.key_values(&members);
    log::logger().log(&record.args(format_args!("{line}")).build());
}

/// Why a request that has ended has no status.
fn unanswered(exchange: &Exchange) -> &'static str {
    if exchange.fault.is_some_and(|fault| fault.cuts()) {
        "cut"
    } else {
        "client-gone"
    }
}

fn millis(span: Duration) -> f64 {
    span.as_micros() as f64 / 1_000.0
}
