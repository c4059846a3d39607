//! `/metrics`, for Prometheus: on the admin socket, and on an address of its own where one is set. Never where the API
//! is: who may pay need not know how we are.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::{App as Routes, HttpResponse, HttpServer, web};

use crate::app::App;
use crate::metrics::CONTENT_TYPE;
use crate::policy;

/// Where metrics are scraped by convention.
pub const PATH: &str = "/metrics";

/// Everything that is measured, right now.
pub(super) async fn show(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(CONTENT_TYPE)
        .body(app.scrape())
}

async fn nothing() -> HttpResponse {
    let line = format!("Only {PATH} is here, and it is read by GET.\n");
    HttpResponse::NotFound()
        .content_type("text/plain; charset=utf-8")
        .body(line)
}

/// The server of the metrics on this socket. Runs once awaited; its handle stops it.
///
/// # Errors
/// When the socket can't be listened on.
pub fn serve_metrics(app: &Arc<App>, listener: TcpListener) -> std::io::Result<Server> {
    let app = web::Data::from(Arc::clone(app));
    let server = HttpServer::new(move || {
        Routes::new()
            .app_data(app.clone())
            .route(PATH, web::get().to(show))
            .route(PATH, web::head().to(show))
            .default_service(web::to(nothing))
    });
    let server = server
        .workers(1)
        .max_connections(policy::metrics::METRICS_CONNECTIONS)
        .client_request_timeout(policy::HEAD_TIMEOUT)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}
