//! How things stand at the moment of a scrape.

use crate::app::App;
use crate::app::upstream::Link;
use crate::domain::key::{KeyState, Mode};
use crate::domain::time::Timestamp;
use crate::metrics::{Family, gauge, gauges};
use crate::policy;
use crate::store::Unavailable;

const MODES: [Mode; 2] = [Mode::Test, Mode::Live];
const STATES: [KeyState; 3] = [KeyState::Active, KeyState::Expired, KeyState::Revoked];

/// What waits in the outbox.
#[derive(Default)]
struct Outbox {
    /// Deliveries, counted up to [`policy::metrics::OUTBOX_COUNTED`].
    waiting: usize,
    /// When that fell due which is due for longest; what is paused is not due.
    oldest: Option<Timestamp>,
}

impl App {
    pub(super) fn standing_families(&self, now: Timestamp) -> Vec<Family> {
        let mut all = vec![
            gauges(
                "atlas_build_info",
                "1; the label tells the version.",
                ["version"],
                [([env!("CARGO_PKG_VERSION")], 1.0)],
            ),
            gauge(
                "atlas_connections",
                "Connections that clients have to the API.",
                self.connections.count() as f64,
            ),
            gauge(
                "atlas_stranger_addresses",
                "Addresses without a good key, and buyers, whose limit is not whole.",
                (self.addresses.len() + self.buyers.len()) as f64,
            ),
            gauge(
                "atlas_dashboard_watchers",
                "Pages of the Dashboard that watch live.",
                self.requests.watchers() as f64,
            ),
        ];
        all.extend(self.of_certificate());
        all.extend(self.of_keys(now));
        all.extend(self.of_claims(now));
        all.extend(self.of_upstreams());
        if let Ok(outbox) = self.outbox(now) {
            let late = outbox
                .oldest
                .map_or(0.0, |oldest| now.since(oldest).as_secs_f64());
            all.push(gauge(
                "atlas_webhook_outbox_deliveries",
                "Deliveries of webhooks that are to be tried, counted up to 10000.",
                outbox.waiting as f64,
            ));
            all.push(gauge(
                "atlas_webhook_oldest_due_seconds",
                "For how long that delivery is due which is due for longest; 0 when none is.",
                late,
            ));
        }
        all
    }

    fn of_certificate(&self) -> Option<Family> {
        let expires_at = self.certificate.get()?();
        Some(gauge(
            "atlas_tls_certificate_expiry_timestamp_seconds",
            "When the certificate that is shown expires, in seconds since the Unix epoch.",
            expires_at.millis() as f64 / 1_000.0,
        ))
    }

    fn of_keys(&self, now: Timestamp) -> [Family; 2] {
        let mut keys = [[0_u32; STATES.len()]; MODES.len()];
        let mut running = [0_u32; MODES.len()];
        self.directory.each(|entry| {
            let state = entry.key.state(now);
            for (at, mode) in MODES.iter().enumerate() {
                if entry.key.mode == *mode {
                    running[at] += entry.limiter.running();
                    let count = |of: usize| u32::from(STATES[of] == state);
                    (0..STATES.len()).for_each(|of| keys[at][of] += count(of));
                }
            }
        });
        let by_state = MODES.iter().zip(keys).flat_map(|(mode, counts)| {
            let of = move |(state, count): (KeyState, u32)| {
                ([mode.as_str(), state.as_str()], f64::from(count))
            };
            STATES.into_iter().zip(counts).map(of)
        });
        [
            gauges(
                "atlas_keys",
                "API keys, by mode and state.",
                ["mode", "state"],
                by_state,
            ),
            gauges(
                "atlas_requests_in_flight",
                "Requests of keys that run right now: slots in use.",
                ["mode"],
                MODES
                    .iter()
                    .zip(running)
                    .map(|(mode, count)| ([mode.as_str()], f64::from(count))),
            ),
        ]
    }

    fn of_claims(&self, now: Timestamp) -> [Family; 3] {
        let (count, oldest) = self.claims.standing();
        [
            gauge(
                "atlas_open_claims",
                "Requests that went upstream and whose outcome is not known; `atlas claims list` shows them.",
                count as f64,
            ),
            gauge(
                "atlas_open_claims_limit",
                "Open claims at which nothing more is sent upstream under an idempotency key.",
                policy::OPEN_CLAIMS as f64,
            ),
            gauge(
                "atlas_open_claims_oldest_seconds",
                "Age of the oldest open claim; 0 when there is none.",
                oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64()),
            ),
        ]
    }

    fn of_upstreams(&self) -> [Family; 3] {
        let of = |figure: fn(&Link) -> f64| {
            let links = MODES.map(|mode| self.upstreams.of(mode).map(|link| (mode, link)));
            let links = links.into_iter().flatten();
            links.map(move |(mode, link)| ([mode.as_str()], figure(link)))
        };
        [
            gauges(
                "atlas_upstream_circuit_open",
                "1 while an upstream that has failed is left alone or probed, by mode.",
                ["mode"],
                of(|link| f64::from(u8::from(link.is_left_alone()))),
            ),
            gauges(
                "atlas_upstream_connections_in_use",
                "Connections to an upstream that a request has, by mode.",
                ["mode"],
                of(|link| link.connections_in_use() as f64),
            ),
            gauges(
                "atlas_upstream_connections_limit",
                "Connections to an upstream at once, by mode.",
                ["mode"],
                of(|link| link.connections() as f64),
            ),
        ]
    }

    /// Looks at a bounded number of rows, and of each endpoint's at the first.
    fn outbox(&self, now: Timestamp) -> Result<Outbox, Unavailable> {
        let (mut outbox, mut last) = (Outbox::default(), None);
        for _ in 0..policy::metrics::OUTBOX_COUNTED {
            let Some(endpoint) = self.store.next_in_outbox(last.as_ref())? else {
                break;
            };
            last = Some(endpoint);
            let mut rows = self.store.outbox_of(&endpoint).peekable();
            if let Some(Ok(first)) = rows.peek()
                && first.at <= now
                && !self.is_paused(&endpoint)
            {
                let earlier = outbox
                    .oldest
                    .map_or(first.at, |oldest| oldest.min(first.at));
                outbox.oldest = Some(earlier);
            }
            let room = policy::metrics::OUTBOX_COUNTED - outbox.waiting;
            outbox.waiting += rows.take(room).count();
        }
        Ok(outbox)
    }
}
