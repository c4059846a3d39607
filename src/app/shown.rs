//! Sessions as clients last saw them: whoever waits for a payment asks for the same one again and again. A view holds for
//! the row that it was made of, and a row that changed is another, so nothing has to tell a view that it is over.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{App, Who};
use crate::domain::id::SessionId;
use crate::domain::idempotency::Reply;
use crate::domain::key::{Account, Mode};
use crate::domain::refusal::Refusal;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::policy;
use crate::store::KeptSession;

/// A session as clients see it from one time to another.
struct View {
    row: KeptSession,
    owner: (Account, Mode),
    is_expired: bool,
    /// It holds from this time on, and before that one.
    from: Timestamp,
    until: Option<Timestamp>,
    body: Bytes,
}

impl View {
    fn of(row: KeptSession, app: &App, now: Timestamp) -> Result<Self, Refusal> {
        let session = row.session()?;
        let (from, until) = match (session.is_open(), session.asked.expires_at) {
            (true, end) if now < end => (Timestamp::default(), Some(end)),
            (true, end) => (end, None),
            (false, _) => (Timestamp::default(), None),
        };
        let session = session.at(now);
        let body = Bytes::from(Reply::json(200, &app.session_object(&session)).body);
        Ok(Self {
            row,
            is_expired: session.is_expired(),
            owner: (session.account, session.mode),
            from,
            until,
            body,
        })
    }

    fn holds(&self, row: &KeptSession, now: Timestamp) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until) && self.row == *row
    }

    fn bytes(&self) -> usize {
        self.row.bytes() + self.body.len()
    }
}

/// The latest views, each in the place of its session's id: one that comes to the same place takes it.
pub(super) struct Views(Box<[Mutex<Option<Arc<View>>>]>);

impl Default for Views {
    fn default() -> Self {
        Self((0..policy::VIEWS).map(|_| Mutex::default()).collect())
    }
}

impl Views {
    fn place(&self, id: &SessionId) -> Option<&Mutex<Option<Arc<View>>>> {
        // The last characters of an id are random.
        let random = id.as_bytes().last_chunk::<8>().copied();
        let number = u64::from_be_bytes(random.unwrap_or_default());
        let place = number % self.0.len().max(1) as u64;
        self.0.get(usize::try_from(place).unwrap_or(0))
    }
}

impl App {
    /// A session as it stands, in JSON.
    ///
    /// # Errors
    /// As [`App::session`].
    pub fn session_shown(&self, who: &Who, id: &str, now: Timestamp) -> Result<Bytes, Refusal> {
        let id = asked_for(who, id)?;
        let row = self.store.kept_session(&id)?;
        let row = row.ok_or(Refusal::SessionNotFound)?;
        let place = self.views.place(&id);
        let known = place.and_then(|place| place.lock().clone());
        let view = match known.filter(|view| view.holds(&row, now)) {
            Some(view) => view,
            None => {
                let view = Arc::new(View::of(row, self, now)?);
                if let Some(place) = place.filter(|_| view.bytes() <= policy::VIEW_MAX) {
                    // What stood there is freed outside the lock.
                    let gone = place.lock().replace(Arc::clone(&view));
                    drop(gone);
                }
                view
            }
        };
        let (account, mode) = &view.owner;
        check_may_see(who, (account, *mode), view.is_expired)?;
        Ok(view.body.clone())
    }

    /// Reads a session as it stands.
    ///
    /// # Errors
    /// [`Refusal::SessionNotFound`], also for one of another account or mode; [`Refusal::ClientSecretInvalid`];
    /// [`Refusal::StorageUnavailable`].
    pub fn session(&self, who: &Who, id: &str, now: Timestamp) -> Result<Session, Refusal> {
        let found = self.store.session(&asked_for(who, id)?)?;
        let session = found.ok_or(Refusal::SessionNotFound)?.at(now);
        check_may_see(who, (&session.account, session.mode), session.is_expired())?;
        Ok(session)
    }
}

/// The session of this id, if who asks may ask for it at all.
fn asked_for(who: &Who, id: &str) -> Result<SessionId, Refusal> {
    let id = SessionId::parse(id);
    match who {
        Who::Buyer(own) if id != Some(*own) => Err(Refusal::ClientSecretInvalid),
        Who::Page(own) if id != Some(*own) => Err(Refusal::SessionNotFound),
        Who::Merchant(_) | Who::Buyer(_) | Who::Page(_) => id.ok_or(Refusal::SessionNotFound),
    }
}

fn check_may_see(who: &Who, owner: (&Account, Mode), is_expired: bool) -> Result<(), Refusal> {
    match who {
        Who::Merchant(entry) if (&entry.key.account, entry.key.mode) != owner => {
            Err(Refusal::SessionNotFound)
        }
        // Its page says of a session that its time is over.
        Who::Buyer(_) if is_expired => Err(Refusal::ClientSecretInvalid),
        Who::Merchant(_) | Who::Buyer(_) | Who::Page(_) => Ok(()),
    }
}
