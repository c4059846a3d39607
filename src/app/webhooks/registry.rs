//! Every endpoint, in memory: no event reads the store to learn who wants it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::domain::event::EventType;
use crate::domain::id::EndpointId;
use crate::domain::key::{Account, Mode};
use crate::domain::webhook::Endpoint;

/// The endpoints by whose events they are told, and by id.
#[derive(Default)]
pub(super) struct Registry(RwLock<Known>);

#[derive(Default)]
struct Known {
    /// None for everybody's.
    by_account: HashMap<Option<Account>, Vec<Arc<Endpoint>>>,
    by_id: HashMap<EndpointId, Arc<Endpoint>>,
}

impl Known {
    fn take_out(&mut self, id: &EndpointId) {
        let Some(old) = self.by_id.remove(id) else {
            return;
        };
        if let Some(own) = self.by_account.get_mut(&old.account) {
            own.retain(|endpoint| endpoint.id != *id);
            if own.is_empty() {
                self.by_account.remove(&old.account);
            }
        }
    }

    fn of(&self, account: Option<&Account>) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.by_account.get(&account.cloned()).into_iter().flatten()
    }
}

impl Registry {
    /// Puts an endpoint in force as it now is.
    pub(super) fn put(&self, endpoint: Endpoint) {
        let endpoint = Arc::new(endpoint);
        let mut known = self.0.write();
        known.take_out(&endpoint.id);
        let own = known.by_account.entry(endpoint.account.clone());
        own.or_default().push(Arc::clone(&endpoint));
        known.by_id.insert(endpoint.id, endpoint);
    }

    /// Forgets an endpoint.
    pub(super) fn remove(&self, id: &EndpointId) {
        self.0.write().take_out(id);
    }

    /// Those that want an event of this kind.
    pub(super) fn listeners(&self, kind: EventType, owner: (&Account, Mode)) -> Vec<EndpointId> {
        let known = self.0.read();
        if known.by_id.is_empty() {
            return Vec::new();
        }
        let (account, mode) = owner;
        let told = known.of(None).chain(known.of(Some(account)));
        told.filter(|endpoint| endpoint.wants(kind, account, mode))
            .map(|endpoint| endpoint.id)
            .collect()
    }

    /// The endpoints of an account.
    pub(super) fn of_account(&self, account: &Account) -> Vec<Arc<Endpoint>> {
        self.0.read().of(Some(account)).map(Arc::clone).collect()
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
