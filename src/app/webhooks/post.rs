//! One attempt over HTTP: the request as the API has it, and what came of it. Redirects are answers like any other.

use std::sync::OnceLock;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::uri::Scheme;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::app::outbound::{Https, RootCertStore, first_cause, https, no_roots, system_roots};
use crate::clock::Clock;
use crate::domain::delivery::Outcome;
use crate::domain::event::Event;
use crate::domain::id::DeliveryId;
use crate::domain::key::Mode;
use crate::domain::time::seconds_up;
use crate::domain::webhook::{Endpoint, WebhookSecret};
use crate::policy;

const USER_AGENT: &str = concat!("Atlas-Webhooks/", env!("CARGO_PKG_VERSION"));

type Posting = Client<Https, Full<Bytes>>;

/// The clients, each made when it is first needed.
#[derive(Default)]
pub(super) struct Post {
    plain: OnceLock<Result<Posting, String>>,
    /// Knows the system's root certificates.
    secure: OnceLock<Result<Posting, String>>,
}

impl Post {
    /// Sends an event to an endpoint. It has `limit` from connecting to the end of what is kept of the answer; an answer
    /// whose head came in time counts.
    pub(super) async fn send(
        &self,
        endpoint: &Endpoint,
        secret: &WebhookSecret,
        event: &Event,
        limit: Duration,
    ) -> Outcome {
        let Ok(request) = request(endpoint, secret, event) else {
            return Outcome::Failed("This URL can't be sent to".to_owned());
        };
        let client = if request.uri().scheme() == Some(&Scheme::HTTPS) {
            self.secure.get_or_init(|| client(trusted_roots()))
        } else {
            self.plain.get_or_init(|| client(no_roots()))
        };
        let client = match client {
            Ok(client) => client,
            Err(why) => return Outcome::Failed(why.clone()),
        };
        let mut answer = None;
        let exchange = async {
            let response = client.request(request).await.map_err(|e| reason(&e))?;
            let (_, beginning) = answer.insert((response.status().as_u16(), Vec::new()));
            read_beginning(response, beginning).await;
            Ok(())
        };
        let done = tokio::time::timeout(limit, exchange).await;
        match (answer, done) {
            (Some((status, beginning)), _) => Outcome::Answered { status, beginning },
            (None, Ok(Err(why))) => Outcome::Failed(why),
            (None, Ok(Ok(())) | Err(_)) => {
                Outcome::Failed(format!("No answer within {} s", seconds_up(limit)))
            }
        }
    }
}

fn request(
    endpoint: &Endpoint,
    secret: &WebhookSecret,
    event: &Event,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    // Who checks it compares with a clock of their own, also when this server's was moved.
    let seconds = Clock::system_now().millis() / 1_000;
    let delivery = DeliveryId::of(&event.id, &endpoint.id);
    let mut request = Request::post(endpoint.url.as_str())
        .header("content-type", "application/json")
        .header("user-agent", USER_AGENT)
        .header("x-atlas-signature", secret.signature(seconds, &event.body))
        .header("x-atlas-timestamp", seconds)
        .header("x-atlas-event-type", event.kind.as_str())
        .header("x-atlas-event-id", event.id.to_string())
        .header("x-atlas-delivery", delivery.to_string());
    if event.mode == Mode::Test {
        request = request.header("x-atlas-test-mode", "true");
    }
    request.body(Full::from(event.body.clone()))
}

/// Reads as much of a body as is kept. A body that breaks off is as long as it came.
async fn read_beginning(mut response: Response<Incoming>, beginning: &mut Vec<u8>) {
    while let Some(Ok(frame)) = response.frame().await {
        let data = frame.into_data().unwrap_or_default();
        let room = policy::WEBHOOK_ANSWER - beginning.len();
        beginning.extend_from_slice(&data[..data.len().min(room)]);
        if beginning.len() == policy::WEBHOOK_ANSWER {
            return;
        }
    }
}

fn trusted_roots() -> RootCertStore {
    let (roots, errors) = system_roots();
    if roots.is_empty() {
        log::warn!(
            "the system has no root certificates, so no webhook gets through to an https URL: {errors}"
        );
    }
    roots
}

fn client(roots: RootCertStore) -> Result<Posting, String> {
    let client = Client::builder(TokioExecutor::new())
        .http1_max_buf_size(policy::WEBHOOK_HEAD)
        // A connection that is kept may be dropped as the next event goes over it, which then waits for its next try.
        .pool_max_idle_per_host(0)
        .build(https(HttpConnector::new(), roots)?);
    Ok(client)
}

/// Why there was no answer.
fn reason(error: &hyper_util::client::legacy::Error) -> String {
    let what = if error.is_connect() {
        "No connection"
    } else {
        "The connection ended without an answer"
    };
    format!("{what}: {}", first_cause(error))
}
