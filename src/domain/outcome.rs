//! How requests ended, counted: what the charts of a key show.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Ok,
    /// Answered from an idempotency record.
    Replayed,
    /// Turned away, or declined: 4xx.
    Refused,
    /// 5xx, or nobody there any more to hear the answer.
    Error,
}

impl Outcome {
    /// Every outcome, in the order in which charts stack them.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Replayed, Self::Refused, Self::Error];

    /// By the status that was sent, None when the client was gone before, and whether it was a replay.
    pub const fn of(status: Option<u16>, replayed: bool) -> Self {
        match status {
            Some(_) if replayed => Self::Replayed,
            Some(100..=399) => Self::Ok,
            Some(400..=499) => Self::Refused,
            Some(_) | None => Self::Error,
        }
    }

    /// A word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Replayed => "replayed",
            Self::Refused => "refused",
            Self::Error => "error",
        }
    }

    /// The word, and which statuses it stands for where that is not plain.
    pub const fn explained(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Replayed => "replayed",
            Self::Refused => "refused (4xx)",
            Self::Error => "error (5xx, or client gone)",
        }
    }
}

/// Requests by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes([u32; 4]);

impl Outcomes {
    /// Counts one more.
    pub fn count(&mut self, outcome: Outcome) {
        let one = &mut self.0[outcome as usize];
        *one = one.saturating_add(1);
    }

    /// Requests that ended so.
    pub const fn of(&self, outcome: Outcome) -> u32 {
        self.0[outcome as usize]
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|count| u64::from(*count)).sum()
    }
}

impl AddAssign for Outcomes {
    fn add_assign(&mut self, other: Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum = sum.saturating_add(more);
        }
    }
}
