//! What Prometheus is told: what was counted of requests since the start (`counted`), how things stand right now
//! (`standing`), and what the process takes (`process`). A scrape reads and changes nothing, and what it reads doesn't
//! grow with what is kept. No label tells an account, a key or an address: whoever may scrape need not be trusted.

mod counted;
mod face;
mod process;
mod standing;

pub(super) use self::counted::Metrics;
pub use self::face::Face;
use super::App;
use crate::metrics::text;

impl App {
    /// Everything that is measured, as Prometheus reads it.
    pub fn scrape(&self) -> String {
        let now = self.clock.now();
        let mut families = self.metrics.families();
        families.extend(self.store.figures(now));
        families.extend(self.standing_families(now));
        families.extend(process::families(self.metrics.started_at()));
        text(families)
    }
}
