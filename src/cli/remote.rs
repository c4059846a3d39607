//! Where a command is carried out: by the server that uses the data directory, or right here.

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::app::App;
use crate::app::claims::{ClaimAnswer, ClaimCommand};
use crate::app::keys::{KeyAnswer, KeyCommand};
use crate::app::operators::{OperatorAnswer, OperatorCommand};
use crate::app::webhooks::{EndpointAnswer, EndpointCommand};
use crate::clock::Clock;
use crate::config::Settings;
use crate::policy;
use crate::serve::{reachable, socket_of};

/// Carries a command about keys out.
pub(super) async fn manage_keys(
    settings: Settings,
    command: KeyCommand,
) -> Result<KeyAnswer, String> {
    match ask_server(&settings, "/keys", &command).await? {
        Some(answer) => Ok(answer),
        None => {
            let app = App::open(settings, Clock::system())?;
            let answer = app.manage_keys(command).await;
            app.close()?;
            Ok(answer)
        }
    }
}

/// Carries a command about the Dashboard out. A link is of a server that runs.
pub(super) async fn manage_operators(
    settings: Settings,
    command: OperatorCommand,
) -> Result<OperatorAnswer, String> {
    let directory = settings.data_dir.clone();
    match ask_server(&settings, "/operators", &command).await? {
        Some(answer) => Ok(answer),
        None if matches!(command, OperatorCommand::Link) => Err(format!(
            "no server runs on {}: start `atlas serve`, or name its directory with --data-dir",
            directory.display()
        )),
        None => {
            let app = App::open(settings, Clock::system())?;
            let answer = app.manage_operators(command).await;
            app.close()?;
            Ok(answer)
        }
    }
}

/// Carries a command about webhook endpoints out.
pub(super) async fn manage_webhooks(
    settings: Settings,
    command: EndpointCommand,
) -> Result<EndpointAnswer, String> {
    match ask_server(&settings, "/webhooks", &command).await? {
        Some(answer) => Ok(answer),
        None => {
            let app = App::open(settings, Clock::system())?;
            let answer = app.manage_webhooks(command).await;
            app.close()?;
            Ok(answer)
        }
    }
}

/// Carries a command about open claims out.
pub(super) async fn manage_claims(
    settings: Settings,
    command: ClaimCommand,
) -> Result<ClaimAnswer, String> {
    match ask_server(&settings, "/claims", &command).await? {
        Some(answer) => Ok(answer),
        None => {
            let app = App::open(settings, Clock::system())?;
            let answer = app.manage_claims(command).await;
            app.close()?;
            Ok(answer)
        }
    }
}

/// What the server that uses the data directory answers; None when there is none.
async fn ask_server<A: DeserializeOwned>(
    settings: &Settings,
    path: &str,
    command: &impl Serialize,
) -> Result<Option<A>, String> {
    let socket = socket_of(&settings.data_dir);
    let server = match reachable(&socket) {
        Ok((path, _directory)) => UnixStream::connect(path).await,
        Err(error) => Err(error),
    };
    match server {
        Ok(stream) => within(policy::ADMIN_TIMEOUT, ask(stream, path, command))
            .await
            .map(Some)
            .map_err(|e| format!("the server did not answer on {}: {e}", socket.display())),
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => Err(format!(
            "{} belongs to another user: run this as the user that atlas runs as",
            socket.display()
        )),
        Err(_) => Ok(None),
    }
}

async fn ask<A: DeserializeOwned>(
    stream: UnixStream,
    path: &str,
    command: &impl Serialize,
) -> Result<A, Box<dyn std::error::Error>> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::post(path)
        .header("host", "atlas")
        .header("content-type", "application/json")
        .body(Full::<hyper::body::Bytes>::from(serde_json::to_vec(
            command,
        )?))?;
    let answer = sender
        .send_request(request)
        .await?
        .into_body()
        .collect()
        .await?
        .to_bytes();
    drop(sender);
    drop(connection.await);
    Ok(serde_json::from_slice(&answer)?)
}

/// The server may hang: then say so instead of hanging too.
async fn within<T>(
    most: std::time::Duration,
    work: impl Future<Output = Result<T, Box<dyn std::error::Error>>>,
) -> Result<T, Box<dyn std::error::Error>> {
    let late = || {
        format!(
            "nothing came within {} s, and it may have been done all the same: look before you repeat it",
            most.as_secs()
        )
    };
    tokio::time::timeout(most, work).await.map_err(|_| late())?
}
