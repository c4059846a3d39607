//! The verbs of the command line, on the Unix socket of a running server.

use actix_web::{HttpResponse, web};

use crate::app::App;
use crate::app::keys::KeyCommand;

/// Largest command: an imported secret, a name and numbers.
const COMMAND_MAX: usize = 16 * 1024;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::JsonConfig::default().limit(COMMAND_MAX))
        .route("/keys", web::post().to(keys));
}

async fn keys(app: web::Data<App>, command: web::Json<KeyCommand>) -> HttpResponse {
    HttpResponse::Ok().json(app.manage_keys(command.into_inner()).await)
}
