//! The faces of the service, by which its requests are told apart. Each is one by its path, so their number is fixed.

use super::counted::place_of;
use crate::domain::key::Mode;

/// To whom a path speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// Servers of merchants, and strangers.
    Api,
    /// Buyers, by a browser.
    Checkout,
    /// The operator, by a browser.
    Dashboard,
    /// A page of the Dashboard, which asks for live updates; its request takes as long as somebody looks.
    Watch,
    /// Whoever reads the reference of the API, or its document.
    Docs,
    /// Developers at the mock's handles.
    Mock,
}

/// Face and mode of every row of counters. Only the API is asked under keys.
pub(super) const ROWS: [[&str; 2]; 8] = [
    ["api", "test"],
    ["api", "live"],
    ["api", "none"],
    ["checkout", "none"],
    ["dashboard", "none"],
    ["watch", "none"],
    ["docs", "none"],
    ["mock", "none"],
];

impl Face {
    /// The place of its row.
    pub(super) fn row(self, key: Option<Mode>) -> usize {
        match self {
            Self::Api => key.map_or(2, place_of),
            Self::Checkout => 3,
            Self::Dashboard => 4,
            Self::Watch => 5,
            Self::Docs => 6,
            Self::Mock => 7,
        }
    }
}
