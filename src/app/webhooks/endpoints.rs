//! The verbs that show and change webhook endpoints.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use zeroize::Zeroizing;

use super::{EndpointAnswer, EndpointCommand, EndpointReport, EndpointSecret, NewEndpoint};
use crate::app::App;
use crate::domain::event::EventType;
use crate::domain::id::EndpointId;
use crate::domain::time::Timestamp;
use crate::domain::webhook::{Endpoint, WebhookSecret};
use crate::{entropy, policy};

impl App {
    /// Every endpoint, those given at the start first, then the oldest.
    pub fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.webhooks.registry.all()
    }

    /// The endpoints given at the start, in the order in which they were.
    pub fn given_endpoints(&self) -> Vec<Arc<Endpoint>> {
        let now = self.clock.now();
        let given = self.settings.webhook.iter();
        given
            .filter_map(|url| self.endpoint(&Endpoint::given(url.clone(), now).id))
            .collect()
    }

    /// The endpoint of this id.
    pub fn endpoint(&self, id: &EndpointId) -> Option<Arc<Endpoint>> {
        self.webhooks.registry.by_id(id)
    }

    /// What an endpoint's deliveries are signed with.
    pub fn webhook_secret(&self, endpoint: &Endpoint) -> WebhookSecret {
        match &self.settings.webhook_secret {
            Some(secret) if endpoint.account.is_none() => secret.clone(),
            Some(_) | None => {
                WebhookSecret::derive(&self.pepper, &endpoint.id, endpoint.generation)
            }
        }
    }

    /// Does what a command says. What it changes is on disk when this returns, and in force for every event that
    /// happens afterwards. Goes on when whoever asked is gone.
    pub async fn manage_webhooks(self: &Arc<Self>, command: EndpointCommand) -> EndpointAnswer {
        let app = Arc::clone(self);
        let work = tokio::spawn(async move { app.change_endpoints(command).await });
        let done = work.await;
        done.unwrap_or_else(|_| Err("something went wrong; see the log".to_owned()))
            .unwrap_or_else(EndpointAnswer::Failed)
    }

    async fn change_endpoints(&self, command: EndpointCommand) -> Result<EndpointAnswer, String> {
        let now = self.clock.now();
        let _one_at_a_time = self.webhooks.changing.lock().await;
        match command {
            EndpointCommand::Add(new) => {
                let endpoint = self.new_endpoint(new, now)?;
                let kept = self.keep_endpoint(endpoint, now).await?;
                self.webhooks.unwatched.store(true, Ordering::Release);
                Ok(self.with_secret(&kept))
            }
            EndpointCommand::List => {
                let all = self.endpoints();
                let all = all.iter().map(|endpoint| EndpointReport::of(endpoint));
                Ok(EndpointAnswer::Endpoints(all.collect()))
            }
            EndpointCommand::Roll { id } => {
                let mut endpoint = self.changeable(&id)?;
                endpoint.generation += 1;
                self.keep_endpoint(endpoint, now)
                    .await
                    .map(|it| self.with_secret(&it))
            }
            EndpointCommand::Pause { id, paused } => {
                let mut endpoint = self.changeable(&id)?;
                endpoint.disabled = paused;
                let kept = self.keep_endpoint(endpoint, now).await?;
                self.wake_deliveries();
                Ok(EndpointAnswer::Endpoint(EndpointReport::of(&kept)))
            }
            EndpointCommand::Remove { id } => {
                let endpoint = self.changeable(&id)?;
                self.store.remove_endpoint(&id, now).await?;
                self.webhooks.registry.remove(&id);
                Ok(EndpointAnswer::Endpoint(EndpointReport::of(&endpoint)))
            }
        }
    }

    fn new_endpoint(&self, new: NewEndpoint, now: Timestamp) -> Result<Endpoint, String> {
        let NewEndpoint {
            account,
            url,
            events,
        } = new;
        let reach = self.settings.webhook_reach;
        reach
            .check(&url)
            .map_err(|must| format!("the URL {must}"))?;
        let own = self.webhooks.registry.of_account(&account);
        if own.len() >= policy::ENDPOINTS {
            let most = policy::ENDPOINTS;
            return Err(format!("an account can have at most {most} endpoints"));
        }
        if own.iter().any(|endpoint| endpoint.url == url) {
            return Err("this account has an endpoint with this URL".to_owned());
        }
        Ok(Endpoint {
            id: EndpointId::new(now, entropy::base62()?),
            account: Some(account),
            url,
            events: EventType::all()
                .filter(|kind| events.contains(kind))
                .collect(),
            created_at: now,
            generation: 0,
            disabled: false,
        })
    }

    /// An endpoint that can be changed while the server runs.
    fn changeable(&self, id: &EndpointId) -> Result<Endpoint, String> {
        let endpoint = self.endpoint(id).ok_or_else(|| {
            format!("there is no endpoint {id}: `atlas webhooks list` shows those there are")
        })?;
        if endpoint.account.is_none() {
            return Err(format!(
                "{id} was given at the start: change --webhook and --webhook-secret, and start again"
            ));
        }
        Ok(Endpoint::clone(&endpoint))
    }

    /// On disk first, then in force.
    async fn keep_endpoint(&self, endpoint: Endpoint, now: Timestamp) -> Result<Endpoint, String> {
        self.store.keep_endpoint(&endpoint, now).await?;
        self.webhooks.registry.put(endpoint.clone());
        Ok(endpoint)
    }

    fn with_secret(&self, endpoint: &Endpoint) -> EndpointAnswer {
        EndpointAnswer::Secret(EndpointSecret {
            endpoint: EndpointReport::of(endpoint),
            secret: Zeroizing::new(self.webhook_secret(endpoint).expose().to_owned()),
        })
    }

    /// An endpoint that may be sent to.
    ///
    /// # Errors
    /// Why not, as a sentence without its full stop.
    pub(in crate::app) fn is_paused(&self, id: &EndpointId) -> bool {
        self.endpoint(id).is_some_and(|endpoint| endpoint.disabled)
    }

    /// The endpoint, where it can be sent to.
    ///
    /// # Errors
    /// Why not, as a sentence without its full stop.
    pub(super) fn sendable(&self, id: &EndpointId) -> Result<Arc<Endpoint>, String> {
        let endpoint = self.endpoint(id).ok_or("The endpoint is gone")?;
        if endpoint.disabled {
            return Err("The endpoint is paused".to_owned());
        }
        // It may have been made by a server that may go further.
        let reach = self.settings.webhook_reach;
        reach
            .check(&endpoint.url)
            .map_err(|must| format!("The URL {must}"))?;
        Ok(endpoint)
    }
}
