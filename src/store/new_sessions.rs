//! Sessions as they were made: those of a group of commits in [`Blocks`], in the order of their ids. From which id to which
//! a block *spans* is told in a second row, which lies where the last of them does. Spans overlap, since many make ids at
//! once; but none is longer than [`policy::NEW_SPAN`], so that few have to be looked at for one id.
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
        let blocks = Blocks::open(blocks, next)?;
        for row in spans.iter().keys() {
            let key = row?;
            if span::number_of(&key).is_ok_and(|number| number >= blocks.next()) {
                spans.remove(key)?;
            }
        }
        Ok(Self { blocks, spans })
    }

    /// The number that the next block will have.
    pub(super) fn next(&self) -> Number {
        self.blocks.next()
    }

    /// A session as it was made, if it lies in a block.
    pub(super) fn get(&self, id: &SessionId) -> Result<Option<sled::IVec>, Unavailable> {
        for span in self.spans_from(id) {
            let span = span?;
            if !span.holds(id) {
                continue;
            }
            let Some(block) = self.block_of(&span)? else {
                continue;
            };
            let mut records = Records::of(&block).map_err(|e| unreadable(BLOCKS, &e))?;
            if let Some((_, place)) = records.find(|(key, _)| key == id.as_bytes()) {
                return Ok(Some(block[place].into()));
            }
        }
        Ok(None)
    }

    /// The spans that may hold this id and end with it or behind it.
    fn spans_from(
        &self,
        id: &SessionId,
    ) -> impl Iterator<Item = Result<Span, Unavailable>> + use<> {
        let latest = id.made_at().plus(policy::NEW_SPAN);
        self.spans
            .range(id.as_bytes().as_slice()..)
            .map(Span::read)
            .take_while(move |span| {
                span.as_ref()
                    .map_or(true, |span| span.last.made_at() <= latest)
            })
    }

    /// None where it was removed a moment ago.
    fn block_of(&self, span: &Span) -> Result<Option<sled::IVec>, Unavailable> {
        let fault = |e: sled::Error| unreadable(BLOCKS, &e);
        let block = self.blocks.get(span.number).map_err(fault)?;
        if block.is_none() && self.spans.contains_key(span.key()).map_err(fault)? {
            return Err(unreadable(BLOCKS, &Unreadable));
        }
        Ok(block)
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
            let latest = first.made_at().plus(policy::NEW_SPAN);
            let mut filling = Filling::default();
            let taken = rest.iter().take_while(|(id, value, _)| {
                let fits = id.made_at() <= latest && filling.has_room(value.len());
                if fits {
                    filling.push(id.as_bytes(), value);
                }
                fits
            });
            let (part, others) = rest.split_at(taken.count());
            if filling.keys().len() >= policy::NEW_SESSIONS {
                self.write(filling)?;
                for (.., place) in part {
                    laid[*place] = true;
                }
            }
            rest = others;
        }
        Ok(Laid(laid.into_iter()))
    }

    fn write(&self, filling: Filling) -> sled::Result<()> {
        let (keys, block) = filling.finish();
        let (Some(first), Some(last)) = (id_of(keys.first()), id_of(keys.last())) else {
            return Ok(());
        };
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

    /// Every session that lies in a block. Of a block that can't be read the first and the last one come, empty, which
    /// can't be read either: nobody must take them for sessions that never were.
    pub(super) fn rows(&self) -> impl Iterator<Item = sled::Result<(EntryKey, sled::IVec)>> {
        self.spans.iter().flat_map(|row| {
            let (listed, fault) = match row.and_then(|row| self.sessions_of(&row)) {
                Ok(listed) => (listed, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            listed.into_iter().map(Ok).chain(fault)
        })
    }

    fn sessions_of(
        &self,
        (key, value): &(sled::IVec, sled::IVec),
    ) -> sled::Result<Vec<(EntryKey, sled::IVec)>> {
        let span = Span::decode(key, value).map_err(|Unreadable| {
            let why = format!("what is told of a block of sessions can't be read ({key:02x?})");
            sled::Error::Unsupported(why)
        })?;
        let block = self.blocks.get_in_passing(span.number)?.unwrap_or_default();
        Ok(match Records::of(&block) {
            Ok(records) => records
                .map(|(key, place)| (key, block[place].into()))
                .collect(),
            Err(Unreadable) => {
                log::error!("a block of sessions can't be read: {span}");
                let empty = |id: SessionId| (*id.as_bytes(), [].as_slice().into());
                vec![empty(span.first), empty(span.last)]
            }
        })
    }
}

fn id_of(key: Option<&EntryKey>) -> Option<SessionId> {
    key.and_then(|key| SessionId::from_bytes(key))
}
