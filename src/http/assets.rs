//! Files in the binary, which hold no data: style sheets, scripts, icons. A browser keeps them and asks whether they changed.

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse};

use crate::domain::refusal::Refusal;

/// A file in the binary.
pub(super) struct Asset {
    /// Its name, the last part of its path.
    pub(super) name: &'static str,
    /// Its media type.
    pub(super) kind: &'static str,
    /// What is in it.
    pub(super) content: &'static str,
}

impl Asset {
    /// A style sheet.
    pub(super) const fn style(name: &'static str, content: &'static str) -> Self {
        let kind = "text/css; charset=utf-8";
        Self {
            name,
            kind,
            content,
        }
    }

    /// A script.
    pub(super) const fn script(name: &'static str, content: &'static str) -> Self {
        let kind = "text/javascript; charset=utf-8";
        Self {
            name,
            kind,
            content,
        }
    }

    /// A drawing.
    pub(super) const fn drawing(name: &'static str, content: &'static str) -> Self {
        let kind = "image/svg+xml";
        Self {
            name,
            kind,
            content,
        }
    }
}

/// Sends the one of this name, or 304 to a browser that has it.
///
/// # Errors
/// [`Refusal::RouteNotFound`] when none has this name.
pub(super) fn send(
    assets: &[Asset],
    name: &str,
    request: &HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let asset = assets
        .iter()
        .find(|asset| asset.name == name)
        .ok_or(Refusal::RouteNotFound)?;
    let tag = format!(
        "\"{}\"",
        &blake3::hash(asset.content.as_bytes()).to_hex()[..16]
    );
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
        answer.content_type(asset.kind).body(asset.content)
    })
}
