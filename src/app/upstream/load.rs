//! How much of a link is in use.

use super::Link;

impl Link {
    /// Whether it has failed, and nobody knows yet that it works again.
    pub fn is_left_alone(&self) -> bool {
        !self.breaker.is_closed()
    }

    /// Requests that may run at once, each on a connection of its own.
    pub const fn connections(&self) -> usize {
        self.connections
    }

    /// How many do.
    pub fn connections_in_use(&self) -> usize {
        let free = self.places.available_permits();
        self.connections.saturating_sub(free)
    }
}
