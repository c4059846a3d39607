//! The Dashboard: keys, requests, sessions and webhooks in a browser. `door` says who may come in, `pages` is what they see, and
//! each other file fills the pages of one subject. The gate has let in only who is logged in.

pub(super) mod assets;
pub(super) mod door;
mod events;
pub(super) mod form;
mod key;
mod keys;
mod login;
mod lookups;
pub(super) mod pages;
pub(super) mod requests;
mod webhooks;

use std::sync::Arc;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    LOCATION, REFERRER_POLICY, X_FRAME_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, Route, guard, web};
use maud::Markup;

pub(super) use self::login::link_followed;
use self::pages::error::{ErrorPage, error_page};
use self::pages::layout::Frame;
use super::gate::Visit;
use super::reading;
use super::refusal::describe;
use crate::app::App;
use crate::app::operators::Operator;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

const HOME: &str = "/dashboard/keys";
const READ: &str = "GET, HEAD";
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Somebody who is logged in, and what their request needs.
struct Desk {
    app: Arc<App>,
    operator: Operator,
    now: Timestamp,
    frame: Frame,
}

impl Desk {
    fn of(request: &HttpRequest) -> Result<Self, Refusal> {
        Self::at(&Visit::of(request)?)
    }

    fn at(visit: &Visit) -> Result<Self, Refusal> {
        let operator = visit.by_door.as_ref().and_then(|door| door.operator);
        let operator = operator.ok_or(Refusal::LogInRequired)?;
        Ok(Self {
            app: Arc::clone(&visit.app),
            operator,
            now: visit.now,
            frame: frame_of(&operator),
        })
    }
}

/// The frame of the pages of somebody who is logged in.
pub(super) fn frame_of(operator: &Operator) -> Frame {
    Frame {
        csrf: operator.form_token.to_string(),
        notice: None,
    }
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let read = |path, route: fn() -> Route| resource(path, READ).route(reading(route()));
    let sent =
        |path, route: fn() -> Route| resource(path, "POST").route(route().method(Method::POST));
    // By HEAD, a stream would never end and have no reader.
    let watched =
        |path, route: fn() -> Route| resource(path, "GET").route(route().method(Method::GET));
    let both = |path, page: fn() -> Route, form: fn() -> Route| {
        resource(path, "GET, HEAD, POST")
            .route(reading(page()))
            .route(form().method(Method::POST))
    };
    let entrance = || web::to(|| async { see(HOME) });
    config
        .service(read("/dashboard", entrance))
        .service(read("/dashboard/", entrance))
        .service(both(
            "/dashboard/login",
            || web::to(login::page),
            || web::to(login::with_password),
        ))
        .service(sent("/dashboard/logout", || web::to(login::log_out)))
        .service(read(HOME, || web::to(keys::list)))
        .service(both(
            "/dashboard/keys/new",
            || web::to(keys::create_page),
            || web::to(keys::create),
        ))
        .service(read("/dashboard/keys/{id}", || web::to(key::page)))
        .service(sent("/dashboard/keys/{id}/update", || web::to(key::update)))
        .service(sent("/dashboard/keys/{id}/roll", || web::to(key::roll)))
        .service(sent("/dashboard/keys/{id}/revoke", || web::to(key::revoke)))
        .service(read("/dashboard/requests", || web::to(requests::list)))
        .service(read("/dashboard/requests/{number}", || {
            web::to(requests::one)
        }))
        .service(read("/dashboard/idempotency", || {
            web::to(lookups::idempotency)
        }))
        .service(sent("/dashboard/idempotency/claims/{id}/{end}", || {
            web::to(lookups::settle)
        }))
        .service(read("/dashboard/sessions", || web::to(lookups::sessions)))
        .service(read("/dashboard/sessions/{id}", || {
            web::to(lookups::session)
        }))
        .service(read("/dashboard/webhooks", || web::to(webhooks::list)))
        .service(sent("/dashboard/webhooks/new", || web::to(webhooks::add)))
        .service(sent("/dashboard/webhooks/{id}/roll", || {
            web::to(webhooks::roll)
        }))
        .service(sent("/dashboard/webhooks/{id}/pause", || {
            web::to(webhooks::pause)
        }))
        .service(sent("/dashboard/webhooks/{id}/resume", || {
            web::to(webhooks::resume)
        }))
        .service(sent("/dashboard/webhooks/{id}/remove", || {
            web::to(webhooks::remove)
        }))
        .service(read("/dashboard/webhooks/events/{event}", || {
            web::to(webhooks::event)
        }))
        .service(sent(
            "/dashboard/webhooks/events/{event}/{endpoint}/send",
            || web::to(webhooks::send_again),
        ))
        .service(watched("/dashboard/events/requests", || {
            web::to(events::requests)
        }))
        .service(watched("/dashboard/events/keys/{id}", || {
            web::to(events::key)
        }))
        .service(read("/dashboard/assets/{name}", || web::to(assets::asset)));
}

/// A place of the Dashboard. For a request that did not come in by the door it is not there.
fn resource(path: &'static str, allow: &'static str) -> actix_web::Resource {
    web::resource(path)
        .guard(guard::fn_guard(|context| {
            let data = context.req_data();
            data.get::<Visit>()
                .is_some_and(|visit| visit.by_door.is_some())
        }))
        .default_service(web::to(move || {
            super::refuse(Refusal::MethodNotAllowed { allow })
        }))
}

/// A page.
fn html(status: StatusCode, page: Markup) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .body(in_one_direction(page))
}

/// A page on which no stored text turns the direction of what stands behind it: such marks are written out, as JSON
/// spells them.
fn in_one_direction(page: Markup) -> String {
    let text = page.into_string();
    let turns = |mark: char| matches!(mark, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(turns) {
        return text;
    }
    let mut written = String::with_capacity(text.len() + 32);
    for char in text.chars() {
        if turns(char) {
            written += &format!("\\u{:04x}", u32::from(char));
        } else {
            written.push(char);
        }
    }
    written
}

fn ok(page: Markup) -> HttpResponse {
    html(StatusCode::OK, page)
}

/// Sends the browser to another page, by GET.
fn see(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, path))
        .finish()
}

/// What a person sees instead of the JSON of a refusal; its headers stay.
pub(super) fn show(
    refusal: &Refusal,
    answer: HttpResponse,
    request_id: &str,
    frame: Option<&Frame>,
    asked: (&str, Option<&str>),
) -> HttpResponse {
    let (method, target) = asked;
    let is_read = method == "GET" || method == "HEAD";
    let (status, _, _, message) = describe(refusal);
    if *refusal == Refusal::LogInRequired && is_read {
        let target = target.unwrap_or_default().as_bytes();
        let next: String = url::form_urlencoded::byte_serialize(target).collect();
        return see(&format!("/dashboard/login?next={next}"));
    }
    let view = ErrorPage {
        status,
        message: message.into_owned(),
        request_id: request_id.to_owned(),
    };
    let mut page = answer.set_body(actix_web::body::BoxBody::new(in_one_direction(error_page(
        frame, &view,
    ))));
    page.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    page
}

/// What every answer of the Dashboard says to browsers. The referrer stays within: with `no-referrer` a browser would
/// send its own forms with `Origin: null`.
pub(super) fn write_headers(headers: &mut HeaderMap) {
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "same-origin"),
        (X_FRAME_OPTIONS, "DENY"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;

    #[test]
    fn nothing_is_there_for_a_request_that_did_not_come_in_by_the_door() {
        actix_web::rt::System::new().block_on(async {
            let service = init_service(actix_web::App::new().configure(routes)).await;
            for path in [
                "",
                "/login",
                "/logout",
                "/keys",
                "/keys/new",
                "/keys/key_00000000000000000000/roll",
                "/requests",
                "/events/requests",
                "/assets/atlas.js",
            ] {
                for method in [Method::GET, Method::POST, Method::DELETE] {
                    let request = TestRequest::with_uri(&format!("/dashboard{path}"));
                    let request = request.method(method).to_request();
                    let answer = call_service(&service, request).await;
                    assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
                }
            }
        });
    }
}
