//! The buyer's page: where a payment session is paid by hand, in test mode only. `pages` is what the buyer sees, `form`
//! what they send, `assets` its style, and `visits` what happens. Its address says of which session it is, and can't be
//! guessed; whoever has it is the buyer.

mod assets;
mod form;
mod pages;
mod visits;

use actix_web::http::Method;
use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, REFERRER_POLICY, X_FRAME_OPTIONS,
};
use actix_web::{HttpResponse, web};

use self::pages::error::{Refused, missing_page, refused_page};
use super::refusal::describe;
use super::{path, reading};
use crate::domain::refusal::Refusal;

const ROOT: &str = "/pay/";

/// The session's name in a path of ours.
pub(super) fn name_in(path: &str) -> Option<&str> {
    path.strip_prefix(ROOT)
        .map(|rest| rest.strip_suffix("/3ds").unwrap_or(rest))
}

/// Whether a path is one that holds no data.
pub(super) fn is_asset(path: &str) -> bool {
    path.starts_with("/pay/assets/")
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            path("/pay/assets/{name}", "GET, HEAD, OPTIONS").route(reading(web::to(assets::asset))),
        )
        .service(
            path("/pay/{name}", "GET, HEAD, POST, OPTIONS")
                .route(reading(web::to(visits::page)))
                .route(web::to(visits::pay).method(Method::POST)),
        )
        .service(
            path("/pay/{name}/3ds", "GET, HEAD, POST, OPTIONS")
                .route(reading(web::to(visits::step_page)))
                .route(web::to(visits::act).method(Method::POST)),
        );
}

/// The policy of a page whose forms may lead to the shop: browsers look at where a form's answer redirects, too.
fn policy_for<'a>(shop: impl Iterator<Item = &'a str>) -> String {
    let mut targets = String::new();
    // A policy is parted by spaces, commas and semicolons, and a host may have the last two.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:/[]".contains(c);
    for url in shop.filter_map(|url| url::Url::parse(url).ok()) {
        let origin = url.origin().ascii_serialization();
        if origin.chars().all(is_plain) {
            targets.push(' ');
            targets.push_str(&origin);
        }
    }
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'{targets}; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// What a buyer sees instead of the JSON of a refusal; its headers stay.
pub(super) fn show(refusal: &Refusal, answer: HttpResponse, request_id: &str) -> HttpResponse {
    let (status, _, _, message) = describe(refusal);
    let page = if status == 404 {
        missing_page()
    } else {
        refused_page(&Refused {
            status,
            message: &message,
            request_id,
        })
    };
    let mut answer = answer.set_body(actix_web::body::BoxBody::new(page.into_string()));
    answer.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    answer
}

/// What every answer of the buyer's page says to browsers. Its address must not be told to the shop.
pub(super) fn write_headers(headers: &mut HeaderMap) {
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    if !headers.contains_key(CONTENT_SECURITY_POLICY)
        && let Ok(policy) = HeaderValue::try_from(policy_for(std::iter::empty()))
    {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
}
