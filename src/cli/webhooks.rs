//! `atlas webhooks`.

use clap::Subcommand;

use super::{Failure, at, note, placed, remote, say, say_secret, settings_of_store, to_json};
use crate::app::webhooks::{
    EndpointAnswer, EndpointCommand, EndpointReport, EndpointSecret, NewEndpoint,
};
use crate::config::{Place, discreet};
use crate::domain::event::EventType;
use crate::domain::id::EndpointId;
use crate::domain::key::Account;
use crate::domain::webhook::WebhookUrl;

/// What can be done to webhook endpoints
#[derive(Subcommand)]
pub(super) enum Webhooks {
    /// Make an endpoint and print the secret that its deliveries are signed with
    Add {
        /// Where to tell the events, as https://shop.example/webhooks
        #[arg(value_parser = discreet::<WebhookUrl>())]
        url: WebhookUrl,
        /// Whose events
        #[arg(long, default_value = "default")]
        account: Account,
        /// A type of event, as payment.captured; repeatable [default: payment.captured, payment.failed,
        /// refund.succeeded]
        #[arg(long, value_name = "TYPE", value_parser = event_type, value_delimiter = ',')]
        event: Vec<EventType>,
    },
    /// Show every endpoint, without secrets
    List,
    /// Give an endpoint a new secret, which signs from now on, and print it
    Roll {
        /// The endpoint, as we_...
        id: String,
    },
    /// Tell an endpoint nothing until it is resumed
    Pause {
        /// The endpoint, as we_...
        id: String,
    },
    /// Tell an endpoint events again
    Resume {
        /// The endpoint, as we_...
        id: String,
    },
    /// Forget an endpoint
    Remove {
        /// The endpoint, as we_...
        id: String,
    },
}

fn event_type(text: &str) -> Result<EventType, String> {
    let refuse = || format!("must be one of {}", EventType::WORDS.join(", "));
    EventType::parse(text).ok_or_else(refuse)
}

/// An endpoint's id. Read here and not by clap, which would repeat a secret that was pasted by mistake.
fn endpoint_id(text: &str) -> Result<EndpointId, Failure> {
    let refuse = || {
        Failure::Usage(
            "the endpoint is named by its id, as `atlas webhooks list` shows it (we_...)"
                .to_owned(),
        )
    };
    EndpointId::parse(text).ok_or_else(refuse)
}

/// Carries a command out and prints what came of it.
pub(super) fn run(place: &Place, webhooks: Webhooks, json: bool) -> Result<(), Failure> {
    let settings = settings_of_store(place)?;
    let at = at(&settings);
    let command = command(webhooks)?;
    let answer = actix_web::rt::System::new()
        .block_on(remote::manage_webhooks(settings, command))
        .map_err(Failure::Failed)?;
    print(answer, &at, json)
}

fn command(webhooks: Webhooks) -> Result<EndpointCommand, Failure> {
    Ok(match webhooks {
        Webhooks::Add {
            url,
            account,
            event: events,
        } => EndpointCommand::Add(NewEndpoint {
            account,
            url,
            events,
        }),
        Webhooks::List => EndpointCommand::List,
        Webhooks::Roll { id } => EndpointCommand::Roll {
            id: endpoint_id(&id)?,
        },
        Webhooks::Pause { id } => EndpointCommand::Pause {
            id: endpoint_id(&id)?,
            paused: true,
        },
        Webhooks::Resume { id } => EndpointCommand::Pause {
            id: endpoint_id(&id)?,
            paused: false,
        },
        Webhooks::Remove { id } => EndpointCommand::Remove {
            id: endpoint_id(&id)?,
        },
    })
}

fn print(answer: EndpointAnswer, at: &str, json: bool) -> Result<(), Failure> {
    let again = |made: &EndpointSecret| {
        let id = &made.endpoint.id;
        format!("`atlas webhooks roll {id}` gives the endpoint another")
    };
    match answer {
        EndpointAnswer::Failed(line) => return Err(Failure::Failed(line)),
        EndpointAnswer::Secret(made) if json => say_secret(&to_json(&made)?, &again(&made))?,
        EndpointAnswer::Endpoint(endpoint) if json => say(&to_json(&endpoint)?)?,
        EndpointAnswer::Endpoints(endpoints) if json => say(&to_json(&endpoints)?)?,
        EndpointAnswer::Secret(made) => {
            note(&describe(&made.endpoint));
            note("Its deliveries are signed with:");
            say_secret(&made.secret, &again(&made))?;
        }
        EndpointAnswer::Endpoint(endpoint) => say(&describe(&endpoint))?,
        EndpointAnswer::Endpoints(endpoints) if endpoints.is_empty() => {
            let how = "No endpoints yet: make one with `atlas webhooks add URL`.";
            note(&placed(how, at));
        }
        EndpointAnswer::Endpoints(endpoints) => {
            endpoints
                .iter()
                .try_for_each(|endpoint| say(&describe(endpoint)))?;
        }
    }
    Ok(())
}

fn describe(endpoint: &EndpointReport) -> String {
    let account = match &endpoint.account {
        Some(account) => format!("account {}", account.as_str()),
        None => "every account".to_owned(),
    };
    let events: Vec<&str> = endpoint.events.iter().map(|kind| kind.as_str()).collect();
    let paused = if endpoint.paused { ", paused" } else { "" };
    format!(
        "{} {} ({account}{paused}): {}",
        endpoint.id,
        endpoint.url.as_str(),
        events.join(", ")
    )
}
