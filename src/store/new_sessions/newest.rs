//! Sessions in the order in which lists show them.

use std::collections::BinaryHeap;
use std::iter::Peekable;

use super::span::Span;
use super::{BLOCKS, NewSessions};
use crate::domain::id::SessionId;
use crate::store::blocks::{EntryKey, Records};
use crate::store::{Unavailable, unreadable};

type Spans = Box<dyn Iterator<Item = Result<Span, Unavailable>>>;

/// The sessions of all blocks, newest first, each once. A block is opened when what was opened before it is not newer than
/// all that is in it.
pub(in crate::store) struct NewestFirst<'a> {
    sessions: &'a NewSessions,
    /// Blocks that are still to be opened, by what they end with.
    closed: Peekable<Spans>,
    opened: BinaryHeap<(EntryKey, sled::IVec)>,
    before: Option<SessionId>,
}

impl NewSessions {
    /// Sessions that were made before this one, or all.
    pub(in crate::store) fn newest_first(&self, before: Option<&SessionId>) -> NewestFirst<'_> {
        let closed: Spans = match before {
            Some(before) => {
                let earlier = self.spans.range(..before.as_bytes().as_slice());
                let around = self.spans_from(before);
                Box::new(around.chain(earlier.rev().map(Span::read)))
            }
            None => Box::new(self.spans.iter().rev().map(Span::read)),
        };
        NewestFirst {
            sessions: self,
            closed: closed.peekable(),
            opened: BinaryHeap::new(),
            before: before.copied(),
        }
    }
}

impl NewestFirst<'_> {
    fn open(&mut self, span: &Span) -> Result<(), Unavailable> {
        let Some(block) = self.sessions.block_of(span)? else {
            return Ok(());
        };
        let records = Records::of(&block).map_err(|e| unreadable(BLOCKS, &e))?;
        let asked_for =
            records.filter(|(key, _)| self.before.is_none_or(|before| key < before.as_bytes()));
        self.opened
            .extend(asked_for.map(|(key, place)| (key, block[place].into())));
        Ok(())
    }
}

impl Iterator for NewestFirst<'_> {
    type Item = Result<(EntryKey, sled::IVec), Unavailable>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let is_newest = |newest: &(EntryKey, sled::IVec), closed: Option<&Result<Span, _>>| {
                closed.is_none_or(|span| {
                    span.as_ref()
                        .is_ok_and(|span| newest.0 > *span.last.as_bytes())
                })
            };
            let closed = self.closed.peek();
            if self
                .opened
                .peek()
                .is_some_and(|newest| is_newest(newest, closed))
            {
                let newest = self.opened.pop()?;
                // What was restored while it was made may lie there twice.
                while self.opened.peek().is_some_and(|next| next.0 == newest.0) {
                    self.opened.pop();
                }
                return Some(Ok(newest));
            }
            if let Err(fault) = self.closed.next()?.and_then(|span| self.open(&span)) {
                return Some(Err(fault));
            }
        }
    }
}
