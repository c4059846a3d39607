//! `/_mock/*`: the handles by which a developer or a test moves the mock's clock, makes it fail, looks at what it was
//! sent, sets what is left of a limit, and begins anew. No key is asked for; the gate keeps pages of others out.

pub(super) mod clock;
pub(super) mod faults;
pub(super) mod limits;
pub(super) mod requests;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::dashboard::door;
use super::gate::Visit;
use super::{body, path, readable, reading};
use crate::domain::fields::Fields;
use crate::domain::json::Json;
use crate::domain::refusal::Refusal;

const ROOT: &str = "/_mock";

/// Whether a path is one of the handles.
pub(super) fn leads_in(path: &str) -> bool {
    door::is_below(path, ROOT)
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            path("/_mock/clock", "GET, HEAD, POST, OPTIONS")
                .route(reading(web::to(clock::read)))
                .route(web::post().to(clock::set)),
        )
        .service(
            path("/_mock/faults", "GET, HEAD, POST, DELETE, OPTIONS")
                .route(reading(web::to(faults::list)))
                .route(web::post().to(faults::add))
                .route(web::delete().to(faults::remove_all)),
        )
        .service(
            path("/_mock/faults/{id}", "DELETE, OPTIONS").route(web::delete().to(faults::remove)),
        )
        .service(readable("/_mock/requests", || web::to(requests::list)))
        .service(path("/_mock/limits", "POST, OPTIONS").route(web::post().to(limits::set)))
        .service(path("/_mock/reset", "POST, OPTIONS").route(web::post().to(reset)));
}

/// `POST /_mock/reset`
async fn reset(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let body = sent(&request, &visit)?;
    Fields::of_body(&body)?.only(&[])?;
    visit.app.reset().await?;
    Ok(answer(
        StatusCode::OK,
        &serde_json::json!({ "reset": true }),
    ))
}

/// The body of a request, which is JSON.
fn sent(request: &HttpRequest, visit: &Visit) -> Result<Json, Refusal> {
    body::json(request, visit.body.clone())
}

fn answer(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status).json(body)
}

/// A list, in the API's form.
#[derive(Serialize)]
struct List<T> {
    object: &'static str,
    data: Vec<T>,
}

impl<T> From<Vec<T>> for List<T> {
    fn from(data: Vec<T>) -> Self {
        Self {
            object: "list",
            data,
        }
    }
}
