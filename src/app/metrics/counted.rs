//! What is counted where it happens.

use std::time::Duration;

use super::face::{Face, ROWS};
use crate::app::once::{Conflict, Found};
use crate::app::request_log::Exchange;
use crate::app::upstream::{Answer, Fault};
use crate::clock::Clock;
use crate::domain::delivery::Outcome;
use crate::domain::key::Mode;
use crate::domain::limit::Scope;
use crate::domain::time::Timestamp;
use crate::metrics::{Counters, Family, Histograms};
use crate::policy;

/// Statuses that are told one by one. An upstream may answer with any other, which is told as its class.
const STATUSES: [u16; 20] = [
    200, 201, 204, 400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 421, 429, 500, 502, 503, 504,
    507,
];
/// The words for those and for the rest; `none` where no answer was sent.
const CODES: [&str; 26] = [
    "200", "201", "204", "400", "401", "402", "403", "404", "405", "408", "409", "413", "415",
    "421", "429", "500", "502", "503", "504", "507", "2xx", "3xx", "4xx", "5xx", "other", "none",
];
const LIMITS: [Scope; 4] = [
    Scope::Minute,
    Scope::Day,
    Scope::Concurrency,
    Scope::Address,
];
/// What an idempotency key has led to.
const FOUND: [&str; 6] = [
    "first", "resumed", "replayed", "in_use", "mismatch", "not_kept",
];
/// What has come of a request for an upstream.
const SENT: [&str; 8] = [
    "2xx",
    "3xx",
    "4xx",
    "5xx",
    "other",
    "unreachable",
    "unknown",
    "busy",
];
const BUSY: usize = 7;
/// What has come of an attempt to deliver a webhook.
const ATTEMPTS: [&str; 4] = ["delivered", "refused", "no_answer", "given_up"];
const GIVEN_UP: usize = 3;

/// The counters of the app.
pub(in crate::app) struct Metrics {
    started_at: Timestamp,
    requests: Counters,
    request_times: Histograms,
    faults: Counters,
    limited: Counters,
    idempotency: Counters,
    sent: Counters,
    sent_times: Histograms,
    attempts: Counters,
    attempt_times: Histograms,
}

impl Metrics {
    pub(in crate::app) fn new() -> Result<Self, String> {
        let by_code = ROWS.map(|[face, mode]| CODES.map(|code| [face, mode, code]));
        let modes = [Mode::Test, Mode::Live].map(Mode::as_str);
        let by_end = modes.map(|mode| SENT.map(|end| [mode, end]));
        Ok(Self {
            started_at: Clock::system_now(),
            requests: Counters::new(
                "atlas_requests_total",
                "Requests that have ended, by face, the mode of their key (none: strangers, buyers and pages) and status (none: the client had gone). Those of monitors are not counted.",
                ["face", "mode", "code"],
                by_code.into_iter().flatten(),
            )?,
            request_times: Histograms::new(
                "atlas_request_duration_seconds",
                "Time of such a request, from its head to the last byte of its answer; of face watch, how long somebody looked.",
                ["face", "mode"],
                ROWS,
                &policy::metrics::REQUEST_SECONDS,
            )?,
            faults: Counters::single(
                "atlas_internal_errors_total",
                "Requests that ended in 500 by a fault of ours; the log has each by its request id.",
            )?,
            limited: Counters::new(
                "atlas_requests_limited_total",
                "Requests turned away with 429, by the limit that was reached (address: strangers and buyers).",
                ["limit"],
                LIMITS.map(|limit| [limit.as_str()]),
            )?,
            idempotency: Counters::new(
                "atlas_idempotent_requests_total",
                "Requests under an idempotency key, by what was found there: nothing (first), a claim without an answer (resumed), the answer (replayed), a first request that still runs (in_use), another request (mismatch), an answer that could not be kept (not_kept).",
                ["found"],
                FOUND.map(|found| [found]),
            )?,
            sent: Counters::new(
                "atlas_upstream_requests_total",
                "Requests for an upstream, by mode and what came of them: the status, unreachable (nothing was sent), unknown (sent, and no answer came), busy (not sent: left alone, or no connection free).",
                ["mode", "outcome"],
                by_end.into_iter().flatten(),
            )?,
            sent_times: Histograms::new(
                "atlas_upstream_request_duration_seconds",
                "Time from sending a request to an upstream to the head of its answer, or to giving up.",
                ["mode"],
                modes.map(|mode| [mode]),
                &policy::metrics::REQUEST_SECONDS,
            )?,
            attempts: Counters::new(
                "atlas_webhook_attempts_total",
                "Attempts to deliver a webhook: delivered (2xx), refused (another status), no_answer, given_up (its endpoint is gone or paused).",
                ["outcome"],
                ATTEMPTS.map(|outcome| [outcome]),
            )?,
            attempt_times: Histograms::single(
                "atlas_webhook_attempt_duration_seconds",
                "Time of an attempt to deliver a webhook, from connecting to the answer.",
                &policy::metrics::WEBHOOK_SECONDS,
            )?,
        })
    }

    /// When the process began to serve.
    pub(super) const fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// A request has ended.
    pub(in crate::app) fn request(&self, face: Face, exchange: &Exchange) {
        let row = face.row(exchange.key.as_ref().map(|entry| entry.key.mode));
        self.requests
            .add(row * CODES.len() + code(exchange.status), 1);
        self.request_times.took(row, exchange.took);
        if is_fault_of_ours(exchange) {
            self.faults.add(0, 1);
        }
        if let Some(scope) = exchange.refused_by {
            let place = LIMITS.iter().position(|limit| *limit == scope);
            self.limited.add(place.unwrap_or(LIMITS.len()), 1);
        }
    }

    /// A request came under an idempotency key.
    pub(in crate::app) fn found(&self, found: &Result<Found, Conflict>) {
        let place = match found {
            Ok(Found::Run(_)) => 0,
            Ok(Found::Resume(..)) => 1,
            Ok(Found::Replay(_)) => 2,
            Err(Conflict::InUse) => 3,
            Err(Conflict::Mismatch) => 4,
            Err(Conflict::NotKept(_)) => 5,
        };
        self.idempotency.add(place, 1);
    }

    /// A request went upstream.
    pub(in crate::app) fn sent(&self, mode: Mode, sent: &Result<Answer, Fault>, took: Duration) {
        let place = match sent {
            Ok(answer) => usize::from((answer.status / 100).saturating_sub(2)).min(4),
            Err(Fault::NothingSent(_)) => 5,
            Err(Fault::OutcomeUnknown(_)) => 6,
        };
        let mode = place_of(mode);
        self.sent.add(mode * SENT.len() + place, 1);
        self.sent_times.took(mode, took);
    }

    /// A request could not go upstream now.
    pub(in crate::app) fn not_sent(&self, mode: Mode) {
        self.sent.add(place_of(mode) * SENT.len() + BUSY, 1);
    }

    /// It was tried to deliver a webhook.
    pub(in crate::app) fn attempt(&self, outcome: &Outcome, took: Duration) {
        let place = match outcome {
            Outcome::Answered { .. } if outcome.is_success() => 0,
            Outcome::Answered { .. } => 1,
            Outcome::Failed(_) => 2,
        };
        self.attempts.add(place, 1);
        self.attempt_times.took(0, took);
    }

    /// A webhook was not even tried.
    pub(in crate::app) fn given_up(&self) {
        self.attempts.add(GIVEN_UP, 1);
    }

    pub(super) fn families(&self) -> Vec<Family> {
        let counters = [
            &self.requests,
            &self.faults,
            &self.limited,
            &self.idempotency,
            &self.sent,
            &self.attempts,
        ];
        let times = [&self.request_times, &self.sent_times, &self.attempt_times];
        let counters = counters.into_iter().flat_map(Counters::families);
        counters
            .chain(times.into_iter().flat_map(Histograms::families))
            .collect()
    }
}

/// Whether it ended in a 500 that is neither the upstream's nor one that the mock was asked for.
fn is_fault_of_ours(exchange: &Exchange) -> bool {
    let of_upstream = exchange.reached.and_then(|reached| reached.status);
    exchange.status == Some(500) && of_upstream != Some(500) && exchange.fault.is_none()
}

/// The place of a mode among those that keys have.
pub(super) const fn place_of(mode: Mode) -> usize {
    match mode {
        Mode::Test => 0,
        Mode::Live => 1,
    }
}

/// The place of a status among [`CODES`].
fn code(status: Option<u16>) -> usize {
    let Some(status) = status else {
        return CODES.len() - 1;
    };
    STATUSES.binary_search(&status).unwrap_or_else(|_| {
        let class = usize::from((status / 100).saturating_sub(2)).min(4);
        STATUSES.len() + class
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::forward::Reached;

    #[test]
    fn a_status_has_a_word_of_its_own_or_its_class() {
        for status in STATUSES {
            assert_eq!(CODES[code(Some(status))], status.to_string());
        }
        for (status, word) in [
            (206, "2xx"),
            (303, "3xx"),
            (422, "4xx"),
            (599, "5xx"),
            (600, "other"),
            (999, "other"),
        ] {
            assert_eq!(CODES[code(Some(status))], word);
        }
        assert_eq!(CODES[code(None)], "none");
    }

    #[test]
    fn a_500_is_ours_unless_it_came_from_elsewhere() {
        let of_upstream = |status| Reached {
            status,
            took: Duration::ZERO,
        };
        for (status, reached, is_ours) in [
            (500, None, true),
            (500, Some(of_upstream(Some(200))), true),
            (500, Some(of_upstream(None)), true),
            (500, Some(of_upstream(Some(500))), false),
            (503, None, false),
        ] {
            let exchange = Exchange {
                status: Some(status),
                reached,
                ..Exchange::default()
            };
            assert_eq!(is_fault_of_ours(&exchange), is_ours, "{exchange:?}");
        }
    }
}
