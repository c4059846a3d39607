//! How what a block spans looks on disk: under its last session id and its number lie `version u8` and its first session id.

use crate::domain::id::SessionId;
use crate::policy;
use crate::store::blocks::Number;
use crate::store::rows::Unreadable;
use crate::store::{Unavailable, unreadable};

const VERSION: u8 = 1;

/// From which session to which a block has some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: SessionId,
    pub(super) last: SessionId,
    pub(super) number: Number,
}

impl Span {
    pub(super) fn key(&self) -> Vec<u8> {
        [self.last.as_bytes().as_slice(), &self.number.as_key()].concat()
    }

    pub(super) fn value(&self) -> Vec<u8> {
        [[VERSION].as_slice(), self.first.as_bytes()].concat()
    }

    pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<Self, Unreadable> {
        let (last, number) = split(key)?;
        let [VERSION, first @ ..] = value else {
            return Err(Unreadable);
        };
        let (first, last) = SessionId::from_bytes(first)
            .zip(SessionId::from_bytes(last))
            .ok_or(Unreadable)?;
        Ok(Self {
            first,
            last,
            number,
        })
    }

    pub(super) fn read(row: sled::Result<(sled::IVec, sled::IVec)>) -> Result<Self, Unavailable> {
        let (key, value) = row.map_err(|e| unreadable(super::SPANS, &e))?;
        Self::decode(&key, &value).map_err(|e| unreadable(super::SPANS, &e))
    }

    /// What a backup says where the block can't be read.
    pub(super) fn lost(&self) -> Vec<u8> {
        [self.first.as_bytes().as_slice(), self.last.as_bytes()].concat()
    }

    /// Whether it is as long as may be, at most: what is longer is not found.
    pub(super) fn is_short(&self) -> bool {
        let latest = self.first.made_at().plus(policy::SESSION_SPAN_MAX);
        self.first <= self.last && self.last.made_at() <= latest
    }

    /// Whether this session may be in the block.
    pub(super) fn holds(&self, id: &SessionId) -> bool {
        (self.first..=self.last).contains(id)
    }
}

fn split(key: &[u8]) -> Result<(&[u8], Number), Unreadable> {
    let (last, number) = key.split_at_checked(SessionId::LENGTH).ok_or(Unreadable)?;
    Ok((last, Number::from_key(number)?))
}

/// The ids that a backup has instead of what could not be read.
pub(super) fn decode_lost(key: &[u8]) -> Option<(SessionId, SessionId)> {
    let (first, last) = key.split_at_checked(SessionId::LENGTH)?;
    SessionId::from_bytes(first).zip(SessionId::from_bytes(last))
}

/// A row's value as it would be written today; None where it can't be read.
pub(in crate::store) fn rewritten(value: &[u8]) -> Option<Vec<u8>> {
    match value {
        [VERSION, first @ ..] => SessionId::from_bytes(first).map(|_| value.to_vec()),
        _ => None,
    }
}
