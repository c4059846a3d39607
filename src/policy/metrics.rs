//! Numbers of the metrics.

/// Upper bounds of the time of a request or of an upstream's answer, in seconds: what memory answers takes parts of a
/// millisecond, what is synced some, what goes upstream up to [`super::UPSTREAM_ANSWER_TIMEOUT`].
pub const REQUEST_SECONDS: [f64; 15] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
];
/// The same of an attempt to deliver a webhook, which ends at [`super::WEBHOOK_TIMEOUT`].
pub const WEBHOOK_SECONDS: [f64; 8] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// The same of a sync of the journal: 0.1 ms on a good disk, 5 ms on a cloud's, more on one that is in trouble.
pub const SYNC_SECONDS: [f64; 12] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5,
];
/// Upper bounds of how many commits share a sync, up to [`super::GROUP_COMMITS`].
pub const GROUP_SIZES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// Rows of the outbox that are counted for a scrape (some milliseconds); more are told as so many.
pub const OUTBOX_COUNTED: usize = 10_000;
/// Connections to the metrics' own address at once: a few Prometheus servers, and people who look.
pub const METRICS_CONNECTIONS: usize = 32;
