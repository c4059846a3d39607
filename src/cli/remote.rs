//! Where a command is carried out: by the server that uses the data directory, or right here.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::app::App;
use crate::app::claims::{ClaimAnswer, ClaimCommand};
use crate::app::keys::{KeyAnswer, KeyCommand};
use crate::app::operators::{OperatorAnswer, OperatorCommand};
use crate::app::verify::{VerifyAnswer, VerifyCommand};
use crate::app::webhooks::{EndpointAnswer, EndpointCommand};
use crate::clock::Clock;
use crate::config::Settings;
use crate::policy;
use crate::serve::{reachable, socket_of};
use crate::store::{Taken, in_use, is_in_use, take_if_free};

/// Carries a command about keys out.
pub(super) async fn manage_keys(
    settings: Settings,
    command: KeyCommand,
) -> Result<KeyAnswer, String> {
    let here = async |app: Arc<App>, command| app.manage_keys(command).await;
    carry_out(settings, "/keys", command, here).await
}

/// Carries a command about the Dashboard out. A link is of a server that runs.
pub(super) async fn manage_operators(
    settings: Settings,
    command: OperatorCommand,
) -> Result<OperatorAnswer, String> {
    if !matches!(command, OperatorCommand::Link) {
        let here = async |app: Arc<App>, command| app.manage_operators(command).await;
        return carry_out(settings, "/operators", command, here).await;
    }
    let server = server_of(&settings).await?.ok_or_else(|| {
        format!(
            "no server runs on {}: start `atlas serve`, or name its directory with --data-dir",
            settings.data_dir.display()
        )
    })?;
    let most = policy::ADMIN_TIMEOUT;
    by_server(&settings, server, "/operators", &command, most).await
}

/// Carries a command about webhook endpoints out.
pub(super) async fn manage_webhooks(
    settings: Settings,
    command: EndpointCommand,
) -> Result<EndpointAnswer, String> {
    let here = async |app: Arc<App>, command| app.manage_webhooks(command).await;
    carry_out(settings, "/webhooks", command, here).await
}

/// Carries a command about open claims out.
pub(super) async fn manage_claims(
    settings: Settings,
    command: ClaimCommand,
) -> Result<ClaimAnswer, String> {
    let here = async |app: Arc<App>, command| app.manage_claims(command).await;
    carry_out(settings, "/claims", command, here).await
}

/// Looks at every row of the store.
pub(super) async fn verify(
    settings: Settings,
    command: VerifyCommand,
) -> Result<VerifyAnswer, String> {
    match done_by(&settings).await? {
        DoneBy::Server(server) => {
            by_server(
                &settings,
                server,
                "/verify",
                &command,
                policy::VERIFY_TIMEOUT,
            )
            .await
        }
        DoneBy::Us(taken) => App::verify_alone(taken, &settings, command),
    }
}

/// Lets the server do it that uses the data directory; with none running, opens the store.
async fn carry_out<C: Serialize, A: DeserializeOwned>(
    settings: Settings,
    path: &str,
    command: C,
    here: impl AsyncFnOnce(Arc<App>, C) -> A,
) -> Result<A, String> {
    let taken = match done_by(&settings).await? {
        DoneBy::Server(server) => {
            return by_server(&settings, server, path, &command, policy::ADMIN_TIMEOUT).await;
        }
        DoneBy::Us(taken) => taken,
    };
    let app = App::open_in(taken, settings, Clock::system())?;
    let answer = here(Arc::clone(&app), command).await;
    app.close()?;
    Ok(answer)
}

/// What the server that uses the data directory answers.
async fn by_server<A: DeserializeOwned>(
    settings: &Settings,
    server: UnixStream,
    path: &str,
    command: &impl Serialize,
    most: Duration,
) -> Result<A, String> {
    within(most, ask(server, path, command))
        .await
        .map_err(|e| no_answer(settings, &*e))
}

/// How often to look who has the data directory, before giving up.
const TRIES: u128 = policy::COMMAND_PATIENCE.as_millis() / policy::LOCK_RETRY.as_millis();

/// Who carries a command out.
pub(super) enum DoneBy {
    /// The server that uses the data directory.
    Server(UnixStream),
    /// This process, which has taken the directory, so that no server can start on it meanwhile.
    Us(Taken),
}

/// Where a command is carried out. A server that is just starting has the directory, and listens in a moment; one that
/// is stopping lets go of it.
pub(super) async fn done_by(settings: &Settings) -> Result<DoneBy, String> {
    let mut tries = tokio::time::interval(policy::LOCK_RETRY);
    for _ in 0..TRIES {
        if let Some(server) = connect(settings).await? {
            return Ok(DoneBy::Server(server));
        }
        if let Some(taken) = take_if_free(&settings.data_dir)? {
            return Ok(DoneBy::Us(taken));
        }
        tries.tick().await;
    }
    Err(in_use(&settings.data_dir))
}

/// A connection to the server that uses the data directory; None when there is none.
async fn server_of(settings: &Settings) -> Result<Option<UnixStream>, String> {
    let mut tries = tokio::time::interval(policy::LOCK_RETRY);
    for _ in 0..TRIES {
        let server = connect(settings).await?;
        if server.is_some() || !is_in_use(&settings.data_dir) {
            return Ok(server);
        }
        tries.tick().await;
    }
    Ok(None)
}

async fn connect(settings: &Settings) -> Result<Option<UnixStream>, String> {
    let socket = socket_of(&settings.data_dir);
    let server = match reachable(&socket) {
        Ok((path, _directory)) => UnixStream::connect(path).await,
        Err(error) => Err(error),
    };
    match server {
        Ok(stream) => Ok(Some(stream)),
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => Err(format!(
            "{} belongs to another user: run this as the user that atlas runs as",
            socket.display()
        )),
        Err(_) => Ok(None),
    }
}

pub(super) fn no_answer(settings: &Settings, why: &dyn std::fmt::Display) -> String {
    let socket = socket_of(&settings.data_dir);
    format!("the server did not answer on {}: {why}", socket.display())
}

async fn ask<A: DeserializeOwned>(
    server: UnixStream,
    path: &str,
    command: &impl Serialize,
) -> Result<A, Box<dyn std::error::Error>> {
    let answer = send(server, path, serde_json::to_vec(command)?).await?;
    let answer = answer.into_body().collect().await?.to_bytes();
    Ok(serde_json::from_slice(&answer)?)
}

/// Sends one command; its answer may still be on its way.
pub(super) async fn send(
    server: UnixStream,
    path: &str,
    command: Vec<u8>,
) -> Result<Response<Incoming>, Box<dyn std::error::Error>> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(server)).await?;
    tokio::spawn(connection);
    let request = Request::post(path)
        .header("host", "atlas")
        .header("content-type", "application/json")
        .body(Full::<Bytes>::from(command))?;
    Ok(sender.send_request(request).await?)
}

/// The server may hang: then say so instead of hanging too.
pub(super) async fn within<T>(
    most: Duration,
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
