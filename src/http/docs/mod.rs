//! The reference of the API as a page to browse: pure functions from an OpenAPI 3.1 document to HTML. Whatever is missing
//! or odd in the document is left out; nothing in it can make the page fail or grow without end.
//!
//! `document` reads, `page` is the whole, `operation`, `answers` and `schemas` are its parts; `members` and `types` tell
//! what a schema asks for, `example` makes a value of it, and `prose` is the little Markdown that descriptions are written in.

mod answers;
mod assets;
mod document;
mod example;
mod members;
mod operation;
mod page;
mod prose;
mod schemas;
mod types;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use actix_web::http::header::CONTENT_SECURITY_POLICY;
use actix_web::{HttpRequest, HttpResponse, web};

use self::page::docs_page;
use super::gate::Visit;
use super::openapi::document;
use super::readable;
use crate::domain::refusal::Refusal;

const ROOT: &str = "/docs";
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; \
                      frame-ancestors 'none'";

static PAGE: OnceLock<String> = OnceLock::new();

/// Whether a path is one of the reference.
pub(super) fn leads_in(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(readable(ROOT, || web::to(serve)))
        .service(readable("/docs/assets/{name}", || web::to(assets::asset)));
}

/// `GET /docs`
async fn serve(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let app = Visit::of(&request)?.app;
    let page = PAGE.get_or_init(|| {
        // Its lines are to be pasted into a shell, which knows no base.
        let mut document = document().clone();
        document["servers"][0]["url"] = app.base_url().into();
        docs_page(&document).into_string()
    });
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(page.as_str()))
}
