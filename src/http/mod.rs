//! HTTP: translates requests into verbs of the app and its answers back. actix is known here and in `serve` only.
//!
//! `gate` is the way of every request; the routes stand below, once.

mod access_log;
mod admin;
mod body;
mod gate;
mod headers;
mod payments;
mod refusal;
mod request_id;
mod who;

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::{App as Routes, HttpRequest, HttpResponse, HttpServer, web};

use self::gate::{Gate, Visit, is_preflight};
use crate::app::App;
use crate::domain::refusal::Refusal;
use crate::policy;

/// What of a server's state a request finds.
const HEALTH: &str = "/healthz";
const READINESS: &str = "/readyz";

/// Paths and methods that spend nothing, whoever asks: a monitor must not use up anybody's limit, and a preflight is
/// the browser's doing.
fn is_unlimited(method: &Method, path: &str) -> bool {
    method == Method::OPTIONS || path == HEALTH || path == READINESS
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/functions/v1/create-session")
                .route(web::post().to(payments::create_session))
                .route(options())
                .default_service(web::to(|| {
                    refuse(Refusal::MethodNotAllowed {
                        allow: "POST, OPTIONS",
                    })
                })),
        )
        .service(
            readable("/functions/v1/sessions/{id}")
                .route(web::get().to(payments::session))
                .route(web::head().to(payments::session)),
        )
        .service(
            readable(HEALTH)
                .route(web::get().to(health))
                .route(web::head().to(health)),
        )
        .service(
            readable(READINESS)
                .route(web::get().to(readiness))
                .route(web::head().to(readiness)),
        )
        .default_service(web::route().to(nowhere));
}

/// A path that is only read.
fn readable(path: &'static str) -> actix_web::Resource {
    let refused = || {
        refuse(Refusal::MethodNotAllowed {
            allow: "GET, HEAD, OPTIONS",
        })
    };
    web::resource(path)
        .route(options())
        .default_service(web::to(refused))
}

fn options() -> actix_web::Route {
    web::method(Method::OPTIONS).to(preflight)
}

async fn refuse(refusal: Refusal) -> Result<HttpResponse, Refusal> {
    Err(refusal)
}

async fn nowhere(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    if request.method() == Method::OPTIONS {
        preflight(request).await
    } else {
        Err(Refusal::RouteNotFound)
    }
}

/// `OPTIONS` anywhere: a browser's question whether a page may send something, or anybody's what there is.
async fn preflight(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let allowed =
        headers::allowed_origin(request.headers(), &visit.app.settings.allow_origin).is_some();
    let mut response = HttpResponse::NoContent().finish();
    if is_preflight(&request) {
        if !allowed {
            return Err(Refusal::OriginNotAllowed);
        }
        headers::write_preflight(response.headers_mut());
    } else {
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static(headers::ALLOWED_METHODS));
    }
    Ok(response)
}

/// `GET /healthz`: the process answers.
async fn health() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(r#"{"status":"ok"}"#)
}

/// `GET /readyz`: payments can be kept.
async fn readiness(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    visit.app.ready()?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(r#"{"status":"ready"}"#))
}

/// The server of the API on this socket. Runs once awaited; its handle stops it.
///
/// # Errors
/// When the socket can't be listened on.
pub fn serve(app: &Arc<App>, listener: TcpListener) -> std::io::Result<Server> {
    let settings = app.settings.clone();
    let gate = Arc::new(Gate::new(Arc::clone(app)));
    let server = HttpServer::new(move || {
        let gate = Arc::clone(&gate);
        Routes::new()
            .wrap(from_fn(move |request, next| {
                Arc::clone(&gate).pass(request, next)
            }))
            .configure(routes)
    });
    let server = server
        .workers(settings.workers)
        .keep_alive(policy::KEEP_ALIVE)
        .client_request_timeout(policy::HEAD_TIMEOUT)
        .shutdown_timeout(crate::domain::time::seconds_up(settings.shutdown_timeout))
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// The server of the admin verbs on a Unix socket, which only the operator's user may open.
///
/// # Errors
/// When the socket can't be made.
pub fn serve_admin(app: &Arc<App>, socket: &Path) -> std::io::Result<Server> {
    let app = web::Data::from(Arc::clone(app));
    let server =
        HttpServer::new(move || Routes::new().app_data(app.clone()).configure(admin::routes));
    Ok(server
        .workers(1)
        .shutdown_timeout(1)
        .disable_signals()
        .bind_uds(socket)?
        .run())
}
