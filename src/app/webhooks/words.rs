//! The words in which webhook endpoints are managed, as JSON between command line and server.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::domain::event::EventType;
use crate::domain::id::EndpointId;
use crate::domain::key::Account;
use crate::domain::webhook::{Endpoint, WebhookUrl};

/// What can be done to endpoints.
#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum EndpointCommand {
    /// Make an endpoint.
    Add(NewEndpoint),
    /// Show every endpoint, without secrets.
    List,
    /// Give an endpoint a new secret.
    Roll {
        /// Which endpoint.
        id: EndpointId,
    },
    /// Send nothing to an endpoint for a while, or go on.
    Pause {
        /// Which endpoint.
        id: EndpointId,
        /// Whether nothing is sent.
        paused: bool,
    },
    /// Forget an endpoint.
    Remove {
        /// Which endpoint.
        id: EndpointId,
    },
}

/// An endpoint to be made.
#[derive(Serialize, Deserialize)]
pub struct NewEndpoint {
    /// Whose events it is told.
    pub account: Account,
    /// Where.
    pub url: WebhookUrl,
    /// Which events; none for those that the API tells by default.
    pub events: Vec<EventType>,
}

/// What came of a command.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointAnswer {
    /// An endpoint with its secret.
    Secret(EndpointSecret),
    /// An endpoint.
    Endpoint(EndpointReport),
    /// Every endpoint.
    Endpoints(Vec<EndpointReport>),
    /// Nothing was done; a sentence for the operator.
    Failed(String),
}

/// An endpoint and its secret, after it was made or rolled.
#[derive(Serialize, Deserialize)]
pub struct EndpointSecret {
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: EndpointReport,
    /// The secret.
    pub secret: Zeroizing<String>,
}

/// An endpoint without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointReport {
    /// Its id.
    pub id: EndpointId,
    /// Whose events it is told; null for everybody's.
    pub account: Option<Account>,
    /// Where.
    pub url: WebhookUrl,
    /// Which events.
    pub events: Vec<EventType>,
    /// Whether nothing is sent.
    pub paused: bool,
    /// RFC 3339.
    pub created_at: String,
}

impl EndpointReport {
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        Self {
            id: endpoint.id,
            account: endpoint.account.clone(),
            url: endpoint.url.clone(),
            events: endpoint.told(),
            paused: endpoint.disabled,
            created_at: endpoint.created_at.rfc3339(),
        }
    }
}
