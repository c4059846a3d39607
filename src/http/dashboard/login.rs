//! Getting in and out.

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use actix_web::{HttpRequest, HttpResponse, http::Method};

use super::form::{Fields, sent};
use super::pages::login::{Login, go_on, login};
use super::{HOME, door, html, ok, see};
use crate::domain::operator::Token;
use crate::domain::refusal::Refusal;
use crate::http::gate::Visit;
use crate::http::refusal::describe;

const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The token of a link that is followed, if it has the form of one.
pub(in crate::http) fn link_followed(method: &Method, query: &str) -> Option<Token> {
    let follows = matches!(*method, Method::GET | Method::HEAD);
    let token = follows.then(|| Token::parse(Fields::of_query(query).text("token")));
    token.flatten()
}

/// `GET /dashboard/login`, with or without the token of a link.
pub(super) async fn page(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let door = visit.by_door.as_ref().ok_or(Refusal::LogInRequired)?;
    let fields = Fields::of_query(request.query_string());
    let token = fields.text("token");
    let says = |name: HeaderName, word: &str| {
        let value = request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.contains(word))
    };
    let looks_only = request.method() == Method::HEAD || says(SEC_PURPOSE, "prefetch");
    if token.is_empty() || looks_only {
        if door.operator.is_some() {
            return Ok(see(HOME));
        }
        let view = Login {
            next: inside(fields.text("next")).unwrap_or_default().to_owned(),
            has_password: visit.app.operators.has_password(),
            problem: None,
        };
        return Ok(ok(login(&view)));
    }
    let token = visit.app.operators.enter_by_link(token, visit.now)?;
    // A strict cookie would not go along with a redirect that another site began.
    let answer = if says(SEC_FETCH_SITE, "cross-site") {
        ok(go_on())
    } else {
        see(HOME)
    };
    with_cookie(answer, Some(&token), &visit)
}

/// `POST /dashboard/login`
pub(super) async fn with_password(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let visit = Visit::of(&request)?;
    let door = visit.by_door.as_ref().ok_or(Refusal::LogInRequired)?;
    let fields = Fields::of_stranger(&visit, request.headers())?;
    let operators = &visit.app.operators;
    let password = fields.secret("password");
    let entered = operators
        .enter_by_password(password, door.from, visit.now)
        .await;
    let next = inside(fields.text("next"));
    match entered {
        Ok(token) => with_cookie(see(next.unwrap_or(HOME)), Some(&token), &visit),
        Err(refusal @ Refusal::PasswordWrong) if wants_page(&request) => {
            let view = Login {
                next: next.unwrap_or_default().to_owned(),
                has_password: operators.has_password(),
                problem: Some(describe(&refusal).3.into_owned()),
            };
            Ok(html(StatusCode::UNAUTHORIZED, login(&view)))
        }
        Err(refusal) => Err(refusal),
    }
}

fn wants_page(request: &HttpRequest) -> bool {
    let accept = request.headers().get(actix_web::http::header::ACCEPT);
    accept
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// `POST /dashboard/logout`
pub(super) async fn log_out(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let (desk, _) = sent(&request)?;
    desk.app.operators.leave(&desk.operator);
    let cookie = door::cookie(None, &desk.app);
    let mut answer = see("/dashboard/login");
    answer.add_cookie(&cookie).map_err(|_| Refusal::Internal)?;
    Ok(answer)
}

fn with_cookie(
    mut answer: HttpResponse,
    token: Option<&Token>,
    visit: &Visit,
) -> Result<HttpResponse, Refusal> {
    let cookie = door::cookie(token, &visit.app);
    answer.add_cookie(&cookie).map_err(|_| Refusal::Internal)?;
    Ok(answer)
}

/// A path within the Dashboard; anything else would lead away.
fn inside(next: &str) -> Option<&str> {
    let is_plain = next
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (next.starts_with("/dashboard/") && is_plain).then_some(next)
}
