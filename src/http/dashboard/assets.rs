//! Style, script and icon, in the binary. They hold no data, so anybody may have them.

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::refusal::Refusal;

const ASSETS: [(&str, &str, &str); 3] = [
    (
        "atlas.css",
        "text/css; charset=utf-8",
        include_str!("assets/atlas.css"),
    ),
    (
        "atlas.js",
        "text/javascript; charset=utf-8",
        include_str!("assets/atlas.js"),
    ),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// `GET /dashboard/assets/{name}`
pub(super) async fn asset(
    request: HttpRequest,
    name: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let (_, kind, content) = ASSETS
        .iter()
        .find(|(known, _, _)| *known == name.as_str())
        .ok_or(Refusal::RouteNotFound)?;
    let tag = format!("\"{}\"", &blake3::hash(content.as_bytes()).to_hex()[..16]);
    let known = request
        .headers()
        .get(IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok());
    let is_known = known.is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag));
    let mut answer = if is_known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    answer
        .insert_header((ETAG, tag))
        .insert_header((CACHE_CONTROL, "no-cache"));
    Ok(if is_known {
        answer.finish()
    } else {
        answer.content_type(*kind).body(*content)
    })
}
