//! Who may come in: by which name the Dashboard is asked for, by which cookie somebody is known, and whether a form is
//! our own.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};

use crate::app::App;
use crate::config::Settings;
use crate::domain::operator::Token;
use crate::domain::refusal::Refusal;
use crate::policy;

const ROOT: &str = "/dashboard";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a path is one of the Dashboard's. Paths are those that actix routes by, their escapes read.
pub(in crate::http) fn leads_in(path: &str) -> bool {
    is_below(path, ROOT)
}

/// Whether a path is this one or below it.
pub(in crate::http) fn is_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path is one that holds no data.
pub(in crate::http) fn is_asset(path: &str) -> bool {
    path.starts_with("/dashboard/assets/")
}

/// Whether a path is one of live updates.
pub(in crate::http) fn is_watch(path: &str) -> bool {
    path.starts_with("/dashboard/events/")
}

/// Whether a path is where people log in.
pub(in crate::http) fn is_log_in(path: &str) -> bool {
    path == "/dashboard/login"
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Refuses names that are not ours: a page of somebody else's could let its name point here (DNS rebinding). An address
/// can't be made to point elsewhere.
pub(in crate::http) fn check_host(headers: &HeaderMap, settings: &Settings) -> Result<(), Refusal> {
    let host = text(headers, &HOST).unwrap_or_default();
    let url = url::Url::parse(&format!("http://{host}/")).ok();
    let is_bare = !host.is_empty() && !host.contains(['/', '@', '?', '#', '\\']);
    let known = url.filter(|_| is_bare).is_some_and(|url| match url.host() {
        Some(url::Host::Ipv4(_) | url::Host::Ipv6(_)) => true,
        Some(url::Host::Domain(name)) => {
            let public = settings.public_url.as_ref();
            name == "localhost"
                || name.ends_with(".localhost")
                || public.is_some_and(|public| public.host() == name)
        }
        None => false,
    });
    known.then_some(()).ok_or(Refusal::HostUnknown)
}

/// Refuses forms that do not come from pages of ours.
pub(super) fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_ours = origin_is_ours(headers) && is_from_a_page(headers);
    is_ours.then_some(()).ok_or(Refusal::OriginForeign)
}

/// Refuses what comes from a page of others, and lets in programs, which say nothing of pages.
pub(in crate::http) fn check_no_foreign_page(headers: &HeaderMap) -> Result<(), Refusal> {
    origin_is_ours(headers)
        .then_some(())
        .ok_or(Refusal::PageForeign)
}

fn is_from_a_page(headers: &HeaderMap) -> bool {
    let names_origin = text(headers, &ORIGIN).is_some_and(|origin| origin != "null");
    names_origin || text(headers, &SEC_FETCH_SITE) == Some("same-origin")
}

/// Whether all that a browser says of the page that sends something is ours.
fn origin_is_ours(headers: &HeaderMap) -> bool {
    let site = text(headers, &SEC_FETCH_SITE);
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return false;
    }
    let host = text(headers, &HOST).unwrap_or_default();
    let mut origins = headers.get_all(ORIGIN);
    match (origins.next().map(HeaderValue::to_str), origins.next()) {
        (None, _) => true,
        (Some(Ok("null")), None) => site == Some("same-origin"),
        (Some(Ok(origin)), None) => ["http://", "https://"]
            .iter()
            .any(|scheme| origin.strip_prefix(scheme) == Some(host)),
        (Some(_), _) => false,
    }
}

/// Servers side by side on one host share its cookies, so each has a name of its own. Under https it is one that
/// browsers let nobody set but over https (RFC 6265bis, 4.1.3.1).
fn cookie_name(app: &App) -> String {
    let prefix = if app.is_https() { "__Secure-" } else { "" };
    format!("{prefix}atlas_session_{}", app.address().port())
}

/// The tokens that a browser shows, each of which may be ours: whoever can set a cookie for a path or a domain of their
/// own can put another one of the same name before it.
pub(in crate::http) fn tokens(headers: &HeaderMap, app: &App) -> Vec<Token> {
    let name = cookie_name(app);
    let lines = headers
        .get_all(COOKIE)
        .filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(given, _)| *given == name)
        .filter_map(|(_, value)| Token::parse(value))
        .collect()
}

/// The cookie of somebody who has logged in; None to take it back.
pub(super) fn cookie(token: Option<&Token>, app: &App) -> Cookie<'static> {
    let value = token.map_or(String::new(), |token| token.expose().to_owned());
    let lifetime = match token {
        Some(_) => i64::try_from(policy::LOG_IN_LIFETIME.as_secs()).unwrap_or(0),
        None => 0,
    };
    Cookie::build(cookie_name(app), value)
        .path(ROOT)
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(app.is_https())
        .max_age(Duration::seconds(lifetime))
        .finish()
}
