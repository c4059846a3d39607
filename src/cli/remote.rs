//! Where a command about keys is carried out: by the server that uses the data directory, or right here.

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::app::App;
use crate::app::keys::{KeyAnswer, KeyCommand};
use crate::clock::Clock;
use crate::config::Settings;
use crate::policy;
use crate::serve::{reachable, socket_of};

/// Carries a command out.
pub(super) async fn manage_keys(
    settings: Settings,
    command: KeyCommand,
) -> Result<KeyAnswer, String> {
    let socket = socket_of(&settings.data_dir);
    let server = match reachable(&socket) {
        Ok((path, _directory)) => UnixStream::connect(path).await,
        Err(error) => Err(error),
    };
    match server {
        Ok(stream) => within(policy::ADMIN_TIMEOUT, ask(stream, &command))
            .await
            .map_err(|e| format!("the server did not answer on {}: {e}", socket.display())),
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => Err(format!(
            "{} belongs to another user: run this as the user that atlas runs as",
            socket.display()
        )),
        Err(_) => here(settings, command).await,
    }
}

async fn here(settings: Settings, command: KeyCommand) -> Result<KeyAnswer, String> {
    let app = App::open(settings, Clock::system())?;
    let answer = app.manage_keys(command).await;
    app.close()?;
    Ok(answer)
}

async fn ask(
    stream: UnixStream,
    command: &KeyCommand,
) -> Result<KeyAnswer, Box<dyn std::error::Error>> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::post("/keys")
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
            "nothing came within {} s; `atlas keys list` shows what was done",
            most.as_secs()
        )
    };
    tokio::time::timeout(most, work).await.map_err(|_| late())?
}
