//! Upstreams: where the requests of a mode are forwarded to. `headers` says what of a request goes up and what of an
//! answer comes down, `link` sends; each upstream has a link of its own, so that the modes never meet.

mod aim;
mod body;
mod breaker;
mod dial;
pub mod fields;
pub mod headers;
mod http1;
mod link;
mod load;
#[cfg(test)]
mod peer_tests;
mod pool;
mod turn;

use std::sync::Arc;

pub use self::aim::Aim;
pub use self::body::{Body, Cut};
pub use self::http1::Request;
pub use self::link::{Again, Answer, Busy, Fault, Link, Passage};
use crate::clock::Clock;
use crate::config::{Settings, UpstreamSettings};
use crate::domain::key::Mode;

/// The upstreams that are set.
pub struct Upstreams {
    live: Option<Arc<Link>>,
    test: Option<Arc<Link>>,
}

impl Upstreams {
    /// Makes ready to connect; nothing is connected yet.
    ///
    /// # Errors
    /// One line that says why an upstream can't be reached from here.
    pub fn open(settings: &Settings, clock: &Clock) -> Result<Self, String> {
        let link = |mode: Mode, upstream: &Option<UpstreamSettings>| {
            let open = |upstream| {
                Link::new(upstream, clock.clone())
                    .map(Arc::new)
                    .map_err(|why| format!("{}_upstream: {why}", mode.as_str()))
            };
            upstream.as_ref().map(open).transpose()
        };
        Ok(Self {
            live: link(Mode::Live, &settings.live)?,
            test: link(Mode::Test, &settings.test)?,
        })
    }

    /// Whether there is one.
    pub const fn any(&self) -> bool {
        self.live.is_some() || self.test.is_some()
    }

    /// The upstream of a mode.
    pub const fn of(&self, mode: Mode) -> Option<&Arc<Link>> {
        match mode {
            Mode::Live => self.live.as_ref(),
            Mode::Test => self.test.as_ref(),
        }
    }
}
