//! Who comes, and whether they go on: a client with its key, a stranger, somebody who is logged in to the Dashboard, or
//! a developer at the mock's handles.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::HttpMessage;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;

use super::faults::Plan;
use super::{Caller, Gate, host, routed_path};
use crate::app::operators::Operator;
use crate::app::{KeyEntry, Presented, Unidentified};
use crate::domain::fault::Fault;
use crate::domain::id::SessionId;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::http::checkout;
use crate::http::dashboard::{self, door};
use crate::http::headers::Told;
use crate::http::server::TooLate;
use crate::http::who::{Credentials, address};
use crate::http::{forward, is_unlimited, mock};
use crate::limiter::Permit;

/// Shows that a request came in by the Dashboard's door. Nothing else in the crate can make one, and the Dashboard
/// serves nothing without.
pub(in crate::http) struct ByDoor {
    /// Who is logged in.
    pub(in crate::http) operator: Option<Operator>,
    /// The client's address.
    pub(in crate::http) from: IpAddr,
    _made_here: (),
}

/// Who came, and whether it goes on.
pub(super) struct Entry {
    pub(super) told: Told,
    pub(super) caller: Result<Caller, Refusal>,
    /// The session whose client secret was shown.
    pub(super) buyer: Result<SessionId, Refusal>,
    /// For the log, also of a key that was turned away.
    pub(super) key: Option<Arc<KeyEntry>>,
    /// Set when the request goes no further than the gate.
    pub(super) turned_away: Option<Refusal>,
    /// Of a request that came in by the Dashboard's door. In a box, since few do.
    pub(super) by_door: Option<Box<ByDoor>>,
    /// What it sends is read to its end: it comes from somebody known, or goes where anybody may send something.
    pub(super) is_heard: bool,
    /// What is to go wrong with it because somebody asked the mock for it.
    pub(super) fault: Option<Fault>,
}

impl Entry {
    /// Nobody that is known, and not turned away yet.
    const fn of_stranger(told: Told) -> Self {
        Self {
            told,
            caller: Err(Refusal::KeyUnknown),
            buyer: Err(Refusal::ClientSecretMissing),
            key: None,
            turned_away: None,
            by_door: None,
            is_heard: false,
            fault: None,
        }
    }
}

/// Whether a request may be looked at.
///
/// # Errors
/// It came too late on its connection, or for no host that there can be.
pub(super) fn check(request: &mut ServiceRequest) -> Result<(), Refusal> {
    if request.extensions().contains::<TooLate>() {
        return Err(Refusal::ConnectionCloses);
    }
    host::settle(request)
}

impl Gate {
    /// Who is it, and may it come in?
    pub(super) async fn enter(&self, request: &ServiceRequest, now: Timestamp) -> Entry {
        let app = &self.app;
        let peer = request.peer_addr().map(|peer| peer.ip());
        let from = address(peer, request.headers(), &app.settings.trusted_proxy);
        let path = routed_path(request);
        if door::leads_in(path) {
            return self.enter_dashboard(request, from, now);
        }
        let is_question = request.method() == Method::OPTIONS;
        if let Some(name) = checkout::name_in(path).filter(|_| !is_question) {
            return self.enter_page(name, path, from, now);
        }
        if app.settings.mock && mock::leads_in(path) {
            return self.enter_handles(request, from, now);
        }
        if is_unlimited(request.method(), path) {
            if let Some(entry) = self.enter_question(request, from, now).await {
                return entry;
            }
            let told = Told::Address(app.addresses.standing(from, now));
            return Entry::of_stranger(told);
        }
        let credentials = Credentials::read(request.headers());
        let presented = credentials.presented();
        if let Presented::Secret(secret) = presented
            && secret.starts_with(b"cs_")
        {
            return match app.buyer(secret) {
                Some(session) => self.enter_buyer(session, self.plan(request, None, now), now),
                None => self.enter_forger(from, now),
            };
        }
        match app.identify(presented, now).await {
            Ok(entry) => self.enter_known(request, entry, now).await,
            Err(why) => self.enter_stranger(from, why, now),
        }
    }

    /// A question what there is (`OPTIONS`) that shows a key: where the key's mode has an upstream, it is one for that. A
    /// browser that asks for leave shows none.
    async fn enter_question(
        &self,
        request: &ServiceRequest,
        from: IpAddr,
        now: Timestamp,
    ) -> Option<Entry> {
        let (app, path) = (&self.app, routed_path(request));
        if request.method() != Method::OPTIONS || !forward::leads_up(path) || !app.upstreams.any() {
            return None;
        }
        let credentials = Credentials::read(request.headers());
        let Presented::Secret(secret) = credentials.presented() else {
            return None;
        };
        match app.identify(Presented::Secret(secret), now).await {
            Ok(entry) => {
                forward::link_of(app, &entry, path)?;
                Some(self.enter_known(request, entry, now).await)
            }
            Err(why) => Some(self.enter_stranger(from, why, now)),
        }
    }

    /// A request that is for nobody here spends nothing, whoever sends it.
    pub(super) fn enter_nowhere(
        &self,
        request: &ServiceRequest,
        refusal: Refusal,
        now: Timestamp,
    ) -> Entry {
        let app = &self.app;
        let peer = request.peer_addr().map(|peer| peer.ip());
        let from = address(peer, request.headers(), &app.settings.trusted_proxy);
        Entry {
            turned_away: Some(refusal),
            ..Entry::of_stranger(Told::Address(app.addresses.standing(from, now)))
        }
    }

    async fn enter_known(
        &self,
        request: &ServiceRequest,
        entry: Arc<KeyEntry>,
        now: Timestamp,
    ) -> Entry {
        let plan = self.plan(request, Some(&entry), now);
        let (admitted, plan) = self.admit(&entry, plan, now).await;
        let turned_away = admitted.as_ref().err().cloned().or(plan.refused);
        let refused = match &turned_away {
            Some(Refusal::RateLimited(limited)) => Some(limited.allowance),
            Some(_) | None => None,
        };
        let standing = match &admitted {
            Ok(permit) => permit.standing,
            Err(_) => entry.limiter.standing(now),
        };
        let standing = refused.map_or(standing, |limit| standing.seen_by_refused(limit));
        let told = Told::Key { standing, refused };
        let key = Some(Arc::clone(&entry));
        let is_heard = admitted.is_ok();
        let caller = admitted.map(|permit| Caller {
            entry,
            permit: Arc::new(permit),
        });
        Entry {
            caller,
            key,
            turned_away,
            is_heard,
            fault: plan.fault,
            ..Entry::of_stranger(told)
        }
    }

    /// A buyer has a bucket of their own, by the session: they spend nothing of the merchant's, and not of their address,
    /// which many may share.
    fn enter_buyer(&self, session: SessionId, plan: Plan, now: Timestamp) -> Entry {
        let (spent, plan) = match plan.limited {
            Some(limited) => (Err(limited), plan),
            None => match self.app.buyers.spend(session, now) {
                Ok(allowance) => (Ok(allowance), plan),
                Err(limited) => (Err(limited), plan.come_to_nothing(&self.app)),
            },
        };
        let allowance = spent.unwrap_or_else(|limited| limited.allowance);
        let limited = spent.err().map(Refusal::RateLimited);
        Entry {
            is_heard: limited.is_none(),
            buyer: limited.clone().map_or(Ok(session), Err),
            turned_away: limited.or(plan.refused),
            fault: plan.fault,
            ..Entry::of_stranger(Told::Address(allowance))
        }
    }

    /// Whoever shows the client secret or the page of a session that we gave to nobody.
    fn enter_forger(&self, from: IpAddr, now: Timestamp) -> Entry {
        let why = Unidentified::from(Refusal::KeyUnknown);
        Entry {
            buyer: Err(Refusal::ClientSecretInvalid),
            ..self.enter_stranger(from, why, now)
        }
    }

    /// Whoever has the address of a buyer's page is its buyer.
    fn enter_page(&self, name: &str, path: &str, from: IpAddr, now: Timestamp) -> Entry {
        if checkout::is_asset(path) {
            let told = Told::Address(self.app.addresses.standing(from, now));
            return Entry::of_stranger(told);
        }
        match self.app.session_of_page(name) {
            Some(session) => self.enter_buyer(session, Plan::default(), now),
            None => self.enter_forger(from, now),
        }
    }

    /// Lets a request in as far as the limits and the plan for it say.
    async fn admit(
        &self,
        entry: &Arc<KeyEntry>,
        plan: Plan,
        now: Timestamp,
    ) -> (Result<Permit, Refusal>, Plan) {
        if let Some(limited) = plan.limited {
            return (Err(Refusal::RateLimited(limited)), plan);
        }
        let admitted = self.app.admit(entry, now).await;
        let plan = if admitted.is_ok() {
            plan
        } else {
            plan.come_to_nothing(&self.app)
        };
        (admitted, plan)
    }

    /// Strangers may see 404s and 401s until their address has had enough.
    fn enter_stranger(&self, from: IpAddr, why: Unidentified, now: Timestamp) -> Entry {
        let Unidentified { refusal, key } = why;
        let (told, refusal, is_over) = match self.app.admit_stranger(from, now) {
            Ok(allowance) => (Told::Address(allowance), refusal, false),
            Err(limited) => (
                Told::Address(limited.allowance),
                Refusal::RateLimited(limited),
                true,
            ),
        };
        // What is wrong with the request itself is said before any path is looked at.
        let goes_no_further = is_over || refusal == Refusal::AuthorizationTwice;
        Entry {
            key: key.filter(|_| !is_over),
            turned_away: goes_no_further.then(|| refusal.clone()),
            caller: Err(refusal),
            ..Entry::of_stranger(told)
        }
    }

    /// The Dashboard lets in whoever is logged in, and everybody to the log-in and to what makes a page handsome.
    fn enter_dashboard(&self, request: &ServiceRequest, from: IpAddr, now: Timestamp) -> Entry {
        let (app, path) = (&self.app, routed_path(request));
        let host = door::check_host(request.headers(), &app.settings);
        let operator = door::tokens(request.headers(), app)
            .into_iter()
            .find_map(|token| app.operators.find(&token, now));
        let by_door = |operator| {
            Box::new(ByDoor {
                operator,
                from,
                _made_here: (),
            })
        };
        let is_free = operator.is_some() || door::is_asset(path);
        if is_free && host.is_ok() {
            let told = Told::Address(app.addresses.standing(from, now));
            return Entry {
                is_heard: operator.is_some(),
                by_door: Some(by_door(operator)),
                ..Entry::of_stranger(told)
            };
        }
        let may_log_in = door::is_log_in(path);
        let wanted = match host {
            Err(refusal) => Some(refusal),
            Ok(()) => (!may_log_in).then_some(Refusal::LogInRequired),
        };
        let link = dashboard::link_followed(request.method(), request.query_string());
        let spent = match link.filter(|_| wanted.is_none()) {
            Some(link) => app.operators.admit_by_link(&link, from, now),
            // A preflight spends nothing.
            None if request.method() == Method::OPTIONS => Ok(app.addresses.standing(from, now)),
            None => app.admit_stranger(from, now),
        };
        let (told, turned_away) = match spent {
            Ok(allowance) => (allowance, wanted),
            Err(limited) => (limited.allowance, Some(Refusal::RateLimited(limited))),
        };
        let is_let_in = turned_away.is_none();
        Entry {
            is_heard: may_log_in && is_let_in,
            by_door: is_let_in.then(|| by_door(None)),
            turned_away,
            ..Entry::of_stranger(Told::Address(told))
        }
    }

    /// The mock's handles are for everybody here, but for pages of others. They spend nothing.
    fn enter_handles(&self, request: &ServiceRequest, from: IpAddr, now: Timestamp) -> Entry {
        let (app, headers) = (&self.app, request.headers());
        let may = door::check_host(headers, &app.settings)
            .and_then(|()| door::check_no_foreign_page(headers));
        let told = Told::Address(app.addresses.standing(from, now));
        Entry {
            is_heard: may.is_ok(),
            turned_away: may.err(),
            ..Entry::of_stranger(told)
        }
    }
}
