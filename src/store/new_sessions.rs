//! Sessions as they were made: those of a group of commits in [`Blocks`], in the order of their ids. From which id to which
//! a block *spans* is told in a second row, which lies where the last of them does. Spans overlap, since many make ids at
//! once; but none is longer than [`policy::SESSION_SPAN_MAX`], so that few have to be looked at for one id.
//!
//! A session that was made when hardly any other was has a row of its own in the table of sessions, and so has one that has
//! changed since: what lies there counts.

mod check;
mod newest;
mod span;
#[cfg(test)]
mod tests;

use super::blocks::{Blocks, EntryKey, Filling, Number, Records};
use super::rows::{Row, Table, Unreadable};
use super::{Unavailable, unreadable};
use crate::domain::id::SessionId;
use crate::policy;

use self::span::Span;

pub(super) use self::span::rewritten;

/// The tree of blocks.
pub(super) const BLOCKS: &str = "session_blocks";
/// The tree that tells what they span.
pub(super) const SPANS: &str = "session_spans";

/// Which sessions of some rows were laid into blocks, in the order of the rows.
pub(super) struct Laid(std::vec::IntoIter<bool>);

/// The sessions of all blocks.
pub(super) struct NewSessions {
    blocks: Blocks,
    /// Last session id and number of a block -> its first session id.
    spans: sled::Tree,
}

impl NewSessions {
    /// Opens the sessions as they were when the next block had this number.
    pub(super) fn open(
        blocks: sled::Tree,
        spans: sled::Tree,
        next: Option<Number>,
    ) -> sled::Result<Self> {
        if let Some(next) = next {
            forget_spans(&blocks, &spans, next)?;
        }
        let blocks = Blocks::open(blocks, next)?;
        Ok(Self { blocks, spans })
    }

    /// The number that the next block will have.
    pub(super) fn next(&self) -> Number {
        self.blocks.next()
    }

    /// A session as it was made, if it lies in a block.
    pub(super) fn get(&self, id: &SessionId) -> Result<Option<sled::IVec>, Unavailable> {
        let mut known = Ok(None);
        for span in self.spans_from(id) {
            let found = span.and_then(|span| self.find(id, &span));
            match found {
                Ok(Some(session)) => return Ok(Some(session)),
                Ok(None) => (),
                // It may lie in another one.
                Err(Unavailable) => known = Err(Unavailable),
            }
        }
        known
    }

    fn find(&self, id: &SessionId, span: &Span) -> Result<Option<sled::IVec>, Unavailable> {
        if !span.holds(id) {
            return Ok(None);
        }
        let Some(block) = self.block_of(span)? else {
            return Ok(None);
        };
        let mut records = Records::of(&block).map_err(|e| unreadable(BLOCKS, &e))?;
        let found = records.find(|(key, _)| key == id.as_bytes());
        Ok(found.map(|(_, place)| block[place].into()))
    }

    /// The spans that may hold this id and end with it or behind it.
    fn spans_from(
        &self,
        id: &SessionId,
    ) -> impl Iterator<Item = Result<Span, Unavailable>> + use<> {
        let latest = id.made_at().plus(policy::SESSION_SPAN_MAX);
        self.spans
            .range(id.as_bytes().as_slice()..)
            .map(Span::read)
            .take_while(move |span| {
                span.as_ref()
                    .map_or(true, |span| span.last.made_at() <= latest)
            })
    }

    /// None where it was removed a moment ago; an empty one where it is lost.
    fn block_of(&self, span: &Span) -> Result<Option<sled::IVec>, Unavailable> {
        self.stored(span).map_err(|e| unreadable(BLOCKS, &e))
    }

    fn stored(&self, span: &Span) -> sled::Result<Option<sled::IVec>> {
        if span.number >= self.next() {
            // What a kill has left.
            return Ok(None);
        }
        match self.blocks.get(span.number)? {
            Some(block) => Ok(Some(block)),
            None if self.spans.contains_key(span.key())? => Ok(Some(sled::IVec::default())),
            None => Ok(None),
        }
    }

    /// Lays the new sessions among these rows into blocks, up to where all are removed; says which it were.
    pub(super) fn lay<'a>(&self, rows: impl Iterator<Item = &'a Row>) -> sled::Result<Laid> {
        let mut laid = Vec::new();
        let mut sessions = Vec::new();
        for row in rows {
            match row {
                Row::Put {
                    table: Table::NewSessions,
                    key,
                    value,
                } => {
                    if let Some((first, last)) = span::decode_lost(key) {
                        // What could not be read when it was backed up can't be read here.
                        self.write(first, last, Vec::new())?;
                        laid.push(true);
                        continue;
                    }
                    let id = SessionId::from_bytes(key);
                    sessions.extend(id.map(|id| (id, value.as_slice(), laid.len())));
                    laid.push(false);
                }
                Row::Clear {
                    table: Table::NewSessions,
                } => break,
                Row::Put { .. } | Row::Raise { .. } | Row::Remove { .. } | Row::Clear { .. } => (),
            }
        }
        sessions.sort_unstable_by_key(|(id, ..)| *id);
        let mut rest = sessions.as_slice();
        while let Some((first, ..)) = rest.first() {
            let latest = first.made_at().plus(policy::SESSION_SPAN_MAX);
            let mut filling = Filling::default();
            let taken = rest.iter().take_while(|(id, value, _)| {
                let fits = id.made_at() <= latest && filling.has_room(value.len());
                // Of two that are the same one is enough.
                if fits && filling.keys().last() != Some(id.as_bytes()) {
                    filling.push(id.as_bytes(), value);
                }
                fits
            });
            let (part, others) = rest.split_at(taken.count());
            if let [(first, ..), .., (last, ..)] = part
                && filling.keys().len() >= policy::BLOCK_SESSIONS_MIN
            {
                self.write(*first, *last, filling.finish().1)?;
                for (.., place) in part {
                    laid[*place] = true;
                }
            }
            rest = others;
        }
        Ok(Laid(laid.into_iter()))
    }

    fn write(&self, first: SessionId, last: SessionId, block: Vec<u8>) -> sled::Result<()> {
        let number = self.blocks.write(block)?;
        let span = Span {
            first,
            last,
            number,
        };
        self.spans.insert(span.key(), span.value()).map(drop)
    }

    /// Applies a row of those that were laid. A session that lies in no block gets a row of its own among `others`, unless
    /// it has one: it has changed, then.
    pub(super) fn apply(
        &self,
        row: &Row,
        laid: &mut Laid,
        others: &sled::Tree,
    ) -> sled::Result<()> {
        match row {
            Row::Put {
                table: Table::NewSessions,
                key,
                value,
            } => {
                // Behind a removal of all nothing is laid.
                if laid.0.next() != Some(true) {
                    let value = Some(value.as_slice());
                    drop(others.compare_and_swap(key, None::<&[u8]>, value)?);
                }
                Ok(())
            }
            Row::Clear {
                table: Table::NewSessions,
            } => {
                self.spans.clear()?;
                self.blocks.clear()
            }
            Row::Remove {
                table: Table::NewSessions,
                ..
            } => {
                let why = "a session is removed with all others, and not by itself";
                Err(sled::Error::Unsupported(why.to_owned()))
            }
            // What blocks span is told by who writes them.
            Row::Put { .. } | Row::Raise { .. } | Row::Remove { .. } | Row::Clear { .. } => Ok(()),
        }
    }

    /// Every session that lies in a block by now. Of a block that can't be read its first and last id come, as one key:
    /// nobody must take what is between them for sessions that never were.
    pub(super) fn rows(&self) -> impl Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>> {
        let end = self.next();
        self.spans.iter().flat_map(move |row| {
            let (listed, fault) = match row.and_then(|row| self.sessions_of(&row, end)) {
                Ok(listed) => (listed, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            listed.into_iter().map(Ok).chain(fault)
        })
    }

    fn sessions_of(
        &self,
        (key, value): &(sled::IVec, sled::IVec),
        end: Number,
    ) -> sled::Result<Vec<(sled::IVec, sled::IVec)>> {
        let span = Span::decode(key, value).map_err(|Unreadable| {
            let why = format!("what is told of a block of sessions can't be read ({key:02x?})");
            sled::Error::Unsupported(why)
        })?;
        if span.number >= end {
            return Ok(Vec::new());
        }
        let Some(block) = self.stored(&span)? else {
            return Ok(Vec::new());
        };
        // As in `Trees::stored`: sled holds fewer pages of what is asked for twice.
        self.blocks.has(span.number)?;
        Ok(match Records::of(&block) {
            Ok(records) => records
                .map(|(key, place)| (key.as_slice().into(), block[place].into()))
                .collect(),
            Err(Unreadable) => vec![(span.lost().into(), sled::IVec::default())],
        })
    }
}

/// Forgets what is told of blocks from this number on, which are to be laid again.
fn forget_spans(blocks: &sled::Tree, spans: &sled::Tree, next: Number) -> sled::Result<()> {
    for row in blocks.range(next.as_key()..) {
        let (key, block) = row?;
        let Ok(number) = Number::from_key(&key) else {
            continue;
        };
        if let Some((first, last)) = Records::of(&block).ok().and_then(check::ends_of) {
            let span = Span {
                first,
                last,
                number,
            };
            spans.remove(span.key())?;
        }
    }
    Ok(())
}

fn id_of(key: Option<&EntryKey>) -> Option<SessionId> {
    key.and_then(|key| SessionId::from_bytes(key))
}
