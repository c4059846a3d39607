//! Every endpoint, in memory: no event reads the store to learn who wants it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::domain::event::EventType;
use crate::domain::id::EndpointId;
use crate::domain::key::{Account, Mode};
use crate::domain::time::Timestamp;
use crate::domain::webhook::Endpoint;

/// The endpoints by whose events they are told, and by id.
#[derive(Default)]
pub(super) struct Registry(RwLock<Known>);

#[derive(Default)]
struct Known {
    /// Those that are told of everybody's events.
    of_all: Vec<Arc<Endpoint>>,
    by_account: HashMap<Account, Vec<Arc<Endpoint>>>,
    by_id: HashMap<EndpointId, Arc<Endpoint>>,
}

impl Known {
    fn take_out(&mut self, id: &EndpointId) {
        let Some(old) = self.by_id.remove(id) else {
            return;
        };
        let Some(account) = &old.account else {
            self.of_all.retain(|endpoint| endpoint.id != *id);
            return;
        };
        if let Some(own) = self.by_account.get_mut(account) {
            own.retain(|endpoint| endpoint.id != *id);
            if own.is_empty() {
                self.by_account.remove(account);
            }
        }
    }

    fn of(&self, account: &Account) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.by_account.get(account).into_iter().flatten()
    }

    /// Those that want an event of this kind.
    fn listeners(
        &self,
        kind: EventType,
        (account, mode): (&Account, Mode),
    ) -> impl Iterator<Item = &Arc<Endpoint>> {
        let told = self.of_all.iter().chain(self.of(account));
        told.filter(move |endpoint| endpoint.wants(kind, account, mode))
    }
}

impl Registry {
    /// Puts an endpoint in force as it now is.
    pub(super) fn put(&self, endpoint: Endpoint) {
        let endpoint = Arc::new(endpoint);
        let mut known = self.0.write();
        known.take_out(&endpoint.id);
        let own = match &endpoint.account {
            Some(account) => known.by_account.entry(account.clone()).or_default(),
            None => &mut known.of_all,
        };
        own.push(Arc::clone(&endpoint));
        known.by_id.insert(endpoint.id, endpoint);
    }

    /// Forgets an endpoint.
    pub(super) fn remove(&self, id: &EndpointId) {
        self.0.write().take_out(id);
    }

    /// Those that want an event of this kind.
    pub(super) fn listeners(&self, kind: EventType, owner: (&Account, Mode)) -> Vec<EndpointId> {
        let known = self.0.read();
        let told = known.listeners(kind, owner);
        told.map(|endpoint| endpoint.id).collect()
    }

    /// Whether any wants an event of this kind.
    pub(super) fn has_listeners(&self, kind: EventType, owner: (&Account, Mode)) -> bool {
        self.0.read().listeners(kind, owner).next().is_some()
    }

    /// When the oldest was made that wants an event of one of these kinds.
    pub(super) fn listens_since(
        &self,
        kinds: &[EventType],
        owner: (&Account, Mode),
    ) -> Option<Timestamp> {
        let known = self.0.read();
        let told = kinds.iter().flat_map(|kind| known.listeners(*kind, owner));
        told.map(|endpoint| endpoint.created_at).min()
    }

    /// The endpoints of an account.
    pub(super) fn of_account(&self, account: &Account) -> Vec<Arc<Endpoint>> {
        self.0.read().of(account).map(Arc::clone).collect()
    }

    /// The endpoint of this id.
    pub(super) fn by_id(&self, id: &EndpointId) -> Option<Arc<Endpoint>> {
        self.0.read().by_id.get(id).map(Arc::clone)
    }

    /// Every endpoint, those of everybody's events first, then the oldest.
    pub(super) fn all(&self) -> Vec<Arc<Endpoint>> {
        let mut all: Vec<_> = self.0.read().by_id.values().map(Arc::clone).collect();
        all.sort_by_key(|endpoint| (endpoint.account.is_some(), endpoint.id));
        all
    }
}
