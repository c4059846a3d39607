//! Sessions, their payments and their refunds: what a request did and what it answered are kept in one commit.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use super::answers::record;
use super::claims::done_row;
use super::journal::Urgency;
use super::outbox::outgoing_rows;
use super::rows::{self, Row, Table, Unreadable};
use super::{Store, Unavailable, unreadable};
use crate::domain::event::Outgoing;
use crate::domain::id::SessionId;
use crate::domain::idempotency::{Record, RecordId};
use crate::domain::key::{Account, Mode};
use crate::domain::new_session::NewSession;
use crate::domain::payment::Refund;
use crate::domain::session::{ClientSecret, Session, SessionStatus};
use crate::domain::time::Timestamp;
use crate::policy;

/// What a request did.
#[derive(Clone, Debug, Default)]
pub struct Effect {
    /// A session that was made.
    pub made: Option<Box<Session>>,
    /// One that was there before and has changed, as it stands now.
    pub changed: Option<Box<Session>>,
    /// Money given back.
    pub refund: Option<Refund>,
    /// Somebody wants to be told when the session's time is over.
    pub expiry_is_told: bool,
    /// What is told of it.
    pub outgoing: Vec<Outgoing>,
    /// A claim that is not open any more.
    pub claim_done: Option<RecordId>,
}

impl Effect {
    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::with_capacity(4);
        let made = self.made.iter().map(|made| (Table::NewSessions, made));
        let changed = self
            .changed
            .iter()
            .map(|changed| (Table::Sessions, changed));
        for (table, session) in made.chain(changed) {
            let row = encode_session(session);
            rows.push(Row::put(table, session.id.as_bytes(), row));
            if self.expiry_is_told {
                let key = expiry_key(session.asked.expires_at, &session.id);
                rows.push(Row::put(Table::Expiries, &key, Vec::new()));
            }
        }
        if let Some(refund) = &self.refund {
            let row = encode_refund(refund);
            rows.push(Row::put(Table::Refunds, &refund_key(refund), row));
        }
        rows.extend(outgoing_rows(&self.outgoing));
        rows.extend(self.claim_done.as_ref().map(done_row));
        rows
    }
}

/// A session as it lies in the store. One that has changed is another.
#[derive(PartialEq, Eq)]
pub struct KeptSession(sled::IVec);

impl KeptSession {
    /// The session itself.
    ///
    /// # Errors
    /// [`Unavailable`] when it can't be read.
    pub fn session(&self) -> Result<Session, Unavailable> {
        decode_session(&self.0).map_err(|e| unreadable(Table::Sessions.name(), &e))
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl Store {
    /// A session.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn session(&self, id: &SessionId) -> Result<Option<Session>, Unavailable> {
        let row = self.session_row(id)?;
        row.map(|row| decode_session(&row))
            .transpose()
            .map_err(|e| unreadable(Table::Sessions.name(), &e))
    }

    /// What has changed lies in a row of its own, and counts.
    pub(super) fn session_row(&self, id: &SessionId) -> Result<Option<sled::IVec>, Unavailable> {
        match self.row(Table::Sessions, id.as_bytes())? {
            Some(row) => Ok(Some(row)),
            None => self.trees.new_sessions()?.get(id),
        }
    }

    /// A session as it lies there.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn kept_session(&self, id: &SessionId) -> Result<Option<KeptSession>, Unavailable> {
        Ok(self.session_row(id)?.map(KeptSession))
    }

    /// Sessions made before `before`, or the latest ones, newest first.
    pub fn sessions(
        &self,
        before: Option<&SessionId>,
    ) -> impl Iterator<Item = Result<Session, Unavailable>> {
        let fault = |e: &dyn std::fmt::Debug| unreadable(Table::Sessions.name(), e);
        let tree = self.trees.of(Table::Sessions);
        let rows = match before {
            Some(before) => tree.range(..before.as_bytes().as_slice()),
            None => tree.iter(),
        };
        let alone = rows.rev().map(move |row| row.map_err(|e| fault(&e)));
        let (packed, none) = match self.trees.new_sessions() {
            Ok(new) => (Some(new.newest_first(before)), None),
            Err(Unavailable) => (None, Some(Err(Unavailable))),
        };
        let packed = packed.into_iter().flatten().chain(none);
        merged(alone, packed).map(move |row| decode_session(&row?).map_err(|e| fault(&e)))
    }

    /// Refunds of a session's payment, oldest first.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn refunds(&self, session: &SessionId) -> Result<Vec<Refund>, Unavailable> {
        let fault = |e: &dyn std::fmt::Debug| unreadable(Table::Refunds.name(), e);
        let rows = self
            .trees
            .of(Table::Refunds)
            .scan_prefix(session.as_bytes());
        rows.map(|row| {
            let (_, value) = row.map_err(|e| fault(&e))?;
            decode_refund(&value).map_err(|e| fault(&e))
        })
        .collect()
    }

    /// Keeps what a request did and, when it had an idempotency key, its record: all or nothing. Goes on when nobody
    /// waits any more; `until_kept` is dropped once they can be read, or could not be kept.
    ///
    /// # Errors
    /// [`Unavailable`] when they could not be kept.
    pub fn keep<T: Send + 'static>(
        &self,
        effect: &Effect,
        record: Option<(&RecordId, &Record)>,
        now: Timestamp,
        until_kept: T,
    ) -> impl Future<Output = Result<(), Unavailable>> + use<T> {
        let mut rows = effect.rows();
        if let Some((id, record)) = record {
            let key = record::key_of(record.expires_at, id.as_bytes());
            rows.push(Row::put(Table::Answers, &key, record::encode(record)));
        }
        // What an upstream has done is done, however little room there is: the claim took its place in time.
        let urgency = if effect.claim_done.is_some() {
            Urgency::Urgent
        } else {
            Urgency::Ordinary
        };
        let kept = (!rows.is_empty()).then(|| self.commit(urgency, now, rows, until_kept));
        async move {
            match kept {
                Some(kept) => kept.await,
                None => Ok(()),
            }
        }
    }

    /// The next few sessions whose time was over by `now` and that somebody wants to be told of, with the rows that say
    /// so.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn expiries(&self, now: Timestamp) -> Result<Vec<(SessionId, Timestamp)>, Unavailable> {
        let fault = |e: &dyn std::fmt::Debug| unreadable(Table::Expiries.name(), e);
        // One beyond, since the end of a range is left out.
        let end = time_after(now);
        let rows = self.trees.of(Table::Expiries).range(..end.as_slice());
        rows.keys()
            .take(policy::EXPIRY_STEP)
            .map(|key| {
                let key = key.map_err(|e| fault(&e))?;
                decode_expiry_key(&key).map_err(|e: Unreadable| fault(&e))
            })
            .collect()
    }

    /// When the next session that somebody wants to be told of expires.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be read.
    pub fn next_expiry(&self) -> Result<Option<Timestamp>, Unavailable> {
        let fault = |e: &dyn std::fmt::Debug| unreadable(Table::Expiries.name(), e);
        let first = self.trees.of(Table::Expiries).iter().keys().next();
        first
            .map(|key| {
                let (_, at) = decode_expiry_key(&key.map_err(|e| fault(&e))?)
                    .map_err(|e: Unreadable| fault(&e))?;
                Ok(at)
            })
            .transpose()
    }

    /// Notes that somebody wants to be told of these expiries, and waits until that is on disk.
    ///
    /// # Errors
    /// [`Unavailable`] when it could not be kept.
    pub fn note_expiries(
        &self,
        watched: &[(SessionId, Timestamp)],
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let row = |(session, at): &(SessionId, Timestamp)| {
            Row::put(Table::Expiries, &expiry_key(*at, session), Vec::new())
        };
        for part in watched.chunks(policy::GROUP_COMMITS) {
            self.commit_and_wait(now, part.iter().map(row).collect())?;
        }
        Ok(())
    }

    /// Forgets that somebody wants to be told of an expiry: they were.
    ///
    /// # Errors
    /// [`Unavailable`] when the store can't be written.
    pub fn forget_expiry(&self, session: &SessionId, at: Timestamp) -> Result<(), Unavailable> {
        let key = expiry_key(at, session);
        let removed = self.trees.of(Table::Expiries).remove(key);
        removed
            .map(drop)
            .map_err(|e| unreadable(Table::Expiries.name(), &e))
    }
}

/// Rows of two kinds, each newest first, as one list. Of two of the same id that of the first kind counts; faults come at
/// once.
fn merged<K: AsRef<[u8]>, L: AsRef<[u8]>, V>(
    first: impl Iterator<Item = Result<(K, V), Unavailable>>,
    second: impl Iterator<Item = Result<(L, V), Unavailable>>,
) -> impl Iterator<Item = Result<V, Unavailable>> {
    let (mut first, mut second) = (first.peekable(), second.peekable());
    std::iter::from_fn(move || {
        let order = match (first.peek(), second.peek()) {
            (Some(Ok((first, _))), Some(Ok((second, _)))) => first.as_ref().cmp(second.as_ref()),
            (Some(_), Some(Ok(_)) | None) => Ordering::Greater,
            (Some(_) | None, Some(_)) => Ordering::Less,
            (None, None) => return None,
        };
        if order == Ordering::Less {
            return second.next().map(|row| row.map(|(_, value)| value));
        }
        if order == Ordering::Equal {
            second.next();
        }
        first.next().map(|row| row.map(|(_, value)| value))
    })
}

/// Sessions of version 1 could not be paid.
const SESSION_VERSION: u8 = 2;

pub(super) fn encode_session(session: &Session) -> Vec<u8> {
    rows::versioned_as(SESSION_VERSION, session)
}

/// A session as version 1 kept it.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct UnpaidSession {
    pub(super) id: SessionId,
    pub(super) account: Account,
    pub(super) mode: Mode,
    pub(super) client_secret: ClientSecret,
    pub(super) status: SessionStatus,
    pub(super) created_at: Timestamp,
    pub(super) asked: NewSession,
}

pub(super) fn decode_session(bytes: &[u8]) -> Result<Session, Unreadable> {
    if bytes.first() == Some(&SESSION_VERSION) {
        return rows::unversioned_as(SESSION_VERSION, bytes);
    }
    let UnpaidSession {
        id,
        account,
        mode,
        client_secret,
        status: _,
        created_at,
        asked,
    } = rows::unversioned(bytes)?;
    let owner = (account, mode);
    Ok(Session::new(asked, id, client_secret, owner, created_at))
}

pub(super) fn encode_refund(refund: &Refund) -> Vec<u8> {
    rows::versioned(refund)
}

pub(super) fn decode_refund(bytes: &[u8]) -> Result<Refund, Unreadable> {
    rows::unversioned(bytes)
}

/// Refunds lie beside each other by session.
pub(super) fn refund_key(refund: &Refund) -> Vec<u8> {
    [refund.payment.as_bytes().as_slice(), refund.id.as_bytes()].concat()
}

/// What expires first comes first.
pub(super) fn expiry_key(expires_at: Timestamp, session: &SessionId) -> Vec<u8> {
    [&expires_at.millis().to_be_bytes()[..], session.as_bytes()].concat()
}

/// Session and time of an expiry's key.
pub(super) fn decode_expiry_key(bytes: &[u8]) -> Result<(SessionId, Timestamp), Unreadable> {
    let (at, id) = bytes.split_first_chunk::<8>().ok_or(Unreadable)?;
    let session = SessionId::from_bytes(id).ok_or(Unreadable)?;
    Ok((session, Timestamp::from_millis(u64::from_be_bytes(*at))))
}

/// The first key of rows of a later time than `now`.
pub(super) fn time_after(now: Timestamp) -> [u8; 8] {
    now.millis().saturating_add(1).to_be_bytes()
}
