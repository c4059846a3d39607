//! The verbs of the command line, on the Unix socket of a running server. No browser reaches it; that a name which is
//! not ours is refused here too is for whoever puts a proxy in front.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use futures_util::stream;

use super::dashboard::door;
use super::metrics;
use super::refusal::respond;
use crate::app::App;
use crate::app::claims::ClaimCommand;
use crate::app::keys::KeyCommand;
use crate::app::operators::OperatorCommand;
use crate::app::verify::VerifyCommand;
use crate::app::webhooks::EndpointCommand;
use crate::domain::refusal::Refusal;

/// Largest command: an imported secret, a name and numbers.
const COMMAND_MAX: usize = 16 * 1024;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::JsonConfig::default().limit(COMMAND_MAX))
        .route("/keys", web::post().to(keys))
        .route(metrics::PATH, web::get().to(metrics::show))
        .route("/operators", web::post().to(operators))
        .route("/claims", web::post().to(claims))
        .route("/verify", web::post().to(verify))
        .route("/backup", web::post().to(backup))
        .route("/webhooks", web::post().to(webhooks));
}

/// Refuses requests for somebody else's name.
pub(super) async fn check_host(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let settings = request
        .app_data::<web::Data<App>>()
        .map(|app| &app.settings);
    let is_ours = settings.is_some_and(|settings| {
        let is_atlas = request
            .headers()
            .get("host")
            .is_some_and(|host| host == "atlas");
        is_atlas || door::check_host(request.headers(), settings).is_ok()
    });
    if is_ours {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let refused = respond(&Refusal::HostUnknown, "");
    Ok(request.into_response(refused).map_into_right_body())
}

async fn operators(app: web::Data<App>, command: web::Json<OperatorCommand>) -> HttpResponse {
    HttpResponse::Ok().json(app.manage_operators(command.into_inner()).await)
}

async fn keys(app: web::Data<App>, command: web::Json<KeyCommand>) -> HttpResponse {
    HttpResponse::Ok().json(app.manage_keys(command.into_inner()).await)
}

async fn claims(app: web::Data<App>, command: web::Json<ClaimCommand>) -> HttpResponse {
    HttpResponse::Ok().json(app.manage_claims(command.into_inner()).await)
}

async fn verify(app: web::Data<App>, command: web::Json<VerifyCommand>) -> HttpResponse {
    HttpResponse::Ok().json(app.verify(command.into_inner()).await)
}

async fn backup(app: web::Data<App>) -> HttpResponse {
    let pieces = stream::unfold(app.backup(), async |mut pieces| {
        let piece = pieces.recv().await?;
        Some((Ok::<_, Error>(piece), pieces))
    });
    HttpResponse::Ok().streaming(pieces)
}

async fn webhooks(app: web::Data<App>, command: web::Json<EndpointCommand>) -> HttpResponse {
    HttpResponse::Ok().json(app.manage_webhooks(command.into_inner()).await)
}
