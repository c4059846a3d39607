//! The verbs of the command line, on the Unix socket of a running server.

use actix_web::{HttpResponse, web};

use crate::app::App;
use crate::app::keys::KeyCommand;
use crate::app::operators::OperatorCommand;

/// Largest command: an imported secret, a name and numbers.
const COMMAND_MAX: usize = 16 * 1024;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::JsonConfig::default().limit(COMMAND_MAX))
        .route("/keys", web::post().to(keys))
        .route("/operators", web::post().to(operators));
}

async fn operators(app: web::Data<App>, command: web::Json<OperatorCommand>) -> HttpResponse {
    HttpResponse::Ok().json(app.manage_operators(command.into_inner()).await)
}

async fn keys(app: web::Data<App>, command: web::Json<KeyCommand>) -> HttpResponse {
    HttpResponse::Ok().json(app.manage_keys(command.into_inner()).await)
}
