//! The turn of one request at a link: a connection's place, and a pass of the circuit breaker. Both are given back by drop.

use std::sync::Arc;

use super::link::Link;
use crate::domain::circuit::{Change, Pass};

/// The turn of one request, which has a place of its link's.
pub(super) struct Turn {
    link: Arc<Link>,
    pass: Option<Pass>,
}

impl Turn {
    pub(super) const fn new(link: Arc<Link>, pass: Pass) -> Self {
        Self {
            link,
            pass: Some(pass),
        }
    }

    pub(super) const fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Notes what came of the request; the first word counts.
    pub(super) fn note(&mut self, ok: bool) {
        if let Some(pass) = self.pass.take() {
            self.tell(pass, ok);
        }
    }

    /// The head of a good answer has come. Nobody waits any longer for what comes of a probe: its body may take as long
    /// as the client takes to read it.
    pub(super) fn answered(&mut self) {
        if let Some(probe) = self.pass.take_if(|pass| pass.is_probe()) {
            self.tell(probe, true);
            self.pass = self.link.breaker.ask(&self.link.clock).ok();
        }
    }

    fn tell(&self, pass: Pass, ok: bool) {
        let change = self.link.breaker.note(pass, ok, &self.link.clock);
        let url = self.link.url.as_str();
        match change {
            Some(Change::Opened(rest)) => log::warn!(
                "{url} fails again and again: nothing is sent to it for {}, then one request to see",
                humantime::format_duration(rest)
            ),
            Some(Change::Closed) => log::info!("{url} answers again"),
            None => (),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.link.breaker.give_up(pass);
        }
        self.link.places.add_permits(1);
    }
}
