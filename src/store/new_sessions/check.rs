//! Whether blocks of sessions agree with what is told of them.

use super::span::Span;
use super::{NewSessions, id_of};
use crate::domain::id::SessionId;
use crate::store::blocks::{EntryKey, Flaw, Records};
use crate::store::rows::Unreadable;

/// Sessions by their ids, as they lie in a block.
type Sessions<'a> = Vec<(EntryKey, &'a [u8])>;

impl NewSessions {
    /// The sessions of a block, or what is wrong with it.
    pub(in crate::store) fn check_block<'a>(
        &self,
        key: &[u8],
        block: &'a [u8],
    ) -> sled::Result<Result<Sessions<'a>, Flaw>> {
        let (number, records) = match self.blocks.check(key, block) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Ok(Vec::new())),
            Err(flaw) => return Ok(Err(flaw)),
        };
        let Some((first, last)) = ends_of(records.clone()) else {
            return Ok(Err(Flaw::Unreadable));
        };
        let span = Span {
            first,
            last,
            number,
        };
        let told = self.spans.get(span.key())?;
        if !span.is_short() || told.is_none_or(|told| *told != *span.value()) {
            return Ok(Err(Flaw::Unreachable));
        }
        Ok(Ok(records
            .map(|(key, place)| (key, &block[place]))
            .collect()))
    }

    /// What is wrong with what is told of a block.
    pub(in crate::store) fn check_span(
        &self,
        key: &[u8],
        value: &[u8],
    ) -> sled::Result<Result<(), Flaw>> {
        let Ok(span) = Span::decode(key, value) else {
            return Ok(Err(Flaw::Unreadable));
        };
        let block = self.blocks.get(span.number)?.unwrap_or_default();
        let agrees = match Records::of(&block) {
            Ok(records) => ends_of(records) == Some((span.first, span.last)),
            // Its own row says so.
            Err(Unreadable) => !block.is_empty(),
        };
        Ok(agrees.then_some(()).ok_or(Flaw::Missing))
    }
}

/// The first and the last session, where all are in order.
pub(super) fn ends_of(records: Records<'_>) -> Option<(SessionId, SessionId)> {
    let keys: Vec<EntryKey> = records.keys().collect();
    keys.is_sorted().then_some(())?;
    id_of(keys.first()).zip(id_of(keys.last()))
}
