//! HTTP: translates requests into verbs of the app and its answers back. actix is known here and in `serve` only.
//!
//! `gate` is the way of every request; the routes stand below, once.

mod access_log;
mod admin;
mod assets;
mod body;
mod checkout;
mod curl;
mod dashboard;
mod docs;
mod forward;
mod gate;
mod headers;
mod metrics;
mod mock;
mod money;
pub mod openapi;
mod payments;
mod refusal;
mod request_id;
mod sending;
mod server;
mod who;

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::{App as Routes, HttpRequest, HttpResponse, HttpServer, Route, guard, web};

use self::gate::Visit;
use self::headers::is_preflight;
pub use self::metrics::serve_metrics;
pub use self::server::{Certificates, serve};
use crate::app::App;
use crate::domain::refusal::Refusal;

/// The app as the requests of a thread share it: its count of them is the thread's own.
type LocalApp = Rc<Arc<App>>;

const HEALTH: &str = "/healthz";
const READINESS: &str = "/readyz";
const DOCUMENT: &str = "/openapi.json";
/// What the service itself has.
const SERVICE_HEALTH: &str = "/functions/v1/health";

/// Paths and methods that spend nothing, whoever asks: a monitor must not use up anybody's limit, and a preflight is
/// the browser's doing.
fn is_unlimited(method: &Method, path: &str) -> bool {
    method == Method::OPTIONS || is_monitoring(path) || path == DOCUMENT || docs::leads_in(path)
}

fn is_monitoring(path: &str) -> bool {
    path == HEALTH || path == READINESS || path == SERVICE_HEALTH
}

fn routes(config: &mut web::ServiceConfig, is_mock: bool) {
    if is_mock {
        mock::routes(config);
    }
    config
        .configure(payments::routes)
        .configure(checkout::routes)
        .configure(docs::routes)
        .configure(dashboard::routes)
        .service(readable(DOCUMENT, || web::to(openapi::serve)))
        .service(readable(HEALTH, || web::to(health)))
        .service(readable(READINESS, || web::to(readiness)))
        .service(readable(SERVICE_HEALTH, || web::to(service_health)))
        .default_service(web::route().to(nowhere));
}

/// A path, and the methods that are said to work where another is tried.
fn path(path: &'static str, allow: &'static str) -> actix_web::Resource {
    web::resource(path)
        .route(by(
            &[Method::OPTIONS],
            web::to(move |request| options(request, allow)),
        ))
        .default_service(web::to(move || refuse(Refusal::MethodNotAllowed { allow })))
}

/// A path that is only read.
fn readable(name: &'static str, handler: fn() -> Route) -> actix_web::Resource {
    path(name, "GET, HEAD, OPTIONS").route(reading(handler()))
}

/// A route by the methods that read.
fn reading(route: Route) -> Route {
    by(&[Method::GET, Method::HEAD], route)
}

/// A route by these methods only. actix's own guards write down what methods there are, for an answer that is ours.
fn by(methods: &'static [Method], route: Route) -> Route {
    route.guard(guard::fn_guard(|context| {
        methods.contains(&context.head().method)
    }))
}

async fn refuse(refusal: Refusal) -> Result<HttpResponse, Refusal> {
    Err(refusal)
}

async fn nowhere(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    if request.method() == Method::OPTIONS {
        return options(request, headers::ALLOWED_METHODS).await;
    }
    let visit = Visit::of(&request)?;
    // Strangers don't know what an upstream has.
    if visit.app.upstreams.any() && forward::leads_up(request.match_info().as_str()) {
        visit.anyone()?;
    }
    Err(Refusal::RouteNotFound)
}

/// `OPTIONS` anywhere: a browser's question whether a page may send something, or anybody's what there is.
async fn options(request: HttpRequest, allow: &'static str) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let origin = headers::allowed_origin(request.headers(), &visit.app.settings.allow_origin);
    let allowed = origin.is_some() && visit.by_door.is_none();
    if is_preflight(&request) && !allowed {
        return Err(Refusal::OriginNotAllowed);
    }
    let mut response = HttpResponse::NoContent().finish();
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allow));
    if allowed {
        let goes_up = visit.app.upstreams.any() && forward::leads_up(request.path());
        let methods = if goes_up {
            headers::UPSTREAM_METHODS
        } else {
            headers::ALLOWED_METHODS
        };
        headers::write_preflight(methods, response.headers_mut());
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

/// `GET /functions/v1/health`: payments can be kept, and by which version.
async fn service_health(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    visit.app.ready()?;
    let health = serde_json::json!({ "status": "healthy", "version": env!("CARGO_PKG_VERSION") });
    Ok(HttpResponse::Ok().json(health))
}

/// The server of the admin verbs on a Unix socket, which only the operator's user may open.
///
/// # Errors
/// When the socket can't be made.
pub fn serve_admin(app: &Arc<App>, socket: &Path) -> std::io::Result<Server> {
    let app = web::Data::from(Arc::clone(app));
    let server = HttpServer::new(move || {
        Routes::new()
            .app_data(app.clone())
            .wrap(from_fn(admin::check_host))
            .configure(admin::routes)
    });
    Ok(server
        .workers(1)
        .shutdown_timeout(1)
        .disable_signals()
        .bind_uds(socket)?
        .run())
}
