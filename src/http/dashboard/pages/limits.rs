//! What the limits of a key stand at.

use std::time::Duration;

use maud::{Markup, html};

use super::parts;
use super::words::span;
use crate::domain::limit::Allowance;
use crate::domain::time::Timestamp;

/// The three limits of a key at a point in time.
pub(in crate::http) struct LimitsNow {
    /// The minute.
    pub(in crate::http) minute: Allowance,
    /// The UTC day.
    pub(in crate::http) day: Allowance,
    /// Requests that run.
    pub(in crate::http) running: u32,
    /// Requests that may run at once.
    pub(in crate::http) concurrent: u32,
    /// That time.
    pub(in crate::http) now: Timestamp,
}

/// The inside of `#limits`; live updates send it anew.
pub(in crate::http) fn limits(view: &LimitsNow) -> Markup {
    let left = |allowance: Allowance| allowance.limit.saturating_sub(allowance.remaining);
    html! {
        (limit("Minute", left(view.minute), view.minute.limit, &resets(view.minute, view.now)))
        (limit("Day", left(view.day), view.day.limit, &resets(view.day, view.now)))
        (limit("At once", view.running, view.concurrent, "Running now"))
    }
}

fn limit(name: &str, used: u32, limit: u32, note: &str) -> Markup {
    html! {
        div.limit {
            h3 { (name) }
            p { (parts::used(used, limit, name)) }
            p.quiet { (note) }
        }
    }
}

/// When the whole is back.
fn resets(allowance: Allowance, now: Timestamp) -> String {
    match allowance.resets_at.since(now) {
        Duration::ZERO => "All of it free".to_owned(),
        wait => format!("All of it free again in {}", span(wait)),
    }
}
