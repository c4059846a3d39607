//! Forms: checked to be our own before anything in them is read, and their fields read into what the app takes.

use std::collections::HashMap;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use zeroize::Zeroizing;

use super::{Desk, door};
use crate::app::keys::Change;
use crate::config::{Span, limit};
use crate::domain::refusal::Refusal;
use crate::domain::time::seconds_up;
use crate::http::body;
use crate::http::gate::Visit;

/// The fields of a form.
pub(in crate::http) struct Fields(HashMap<String, String>);

impl Fields {
    /// The fields of a form that has no log-in behind it.
    pub(super) fn of_stranger(visit: &Visit, headers: &HeaderMap) -> Result<Self, Refusal> {
        door::check_origin(headers)?;
        let body = body::form(headers, &visit.body)?;
        let fields = url::form_urlencoded::parse(&body);
        Ok(Self(fields.into_owned().collect()))
    }

    /// The fields of a query.
    pub(in crate::http) fn of_query(query: &str) -> Self {
        let fields = url::form_urlencoded::parse(query.as_bytes());
        Self(fields.into_owned().collect())
    }

    /// The first field whose name is none of these.
    pub(in crate::http) fn stray(&self, known: &[&str]) -> Option<&str> {
        let mut names = self.0.keys().map(String::as_str);
        names.find(|name| !known.contains(name))
    }

    /// A field as it was typed; empty when it is absent.
    pub(in crate::http) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |text| text.trim())
    }

    /// A field exactly as it was typed, to be wiped after use.
    pub(super) fn secret(&self, name: &str) -> Zeroizing<String> {
        Zeroizing::new(self.0.get(name).cloned().unwrap_or_default())
    }

    /// A page number, from 1.
    pub(super) fn page(&self) -> usize {
        self.text("page").parse().unwrap_or(1).max(1)
    }
}

/// A form of somebody who is logged in.
pub(super) fn sent(request: &HttpRequest) -> Result<(Desk, Fields), Refusal> {
    let visit = Visit::of(request)?;
    let desk = Desk::at(&visit)?;
    let fields = Fields::of_stranger(&visit, request.headers())?;
    if !desk.operator.form_token.is(fields.text("csrf")) {
        return Err(Refusal::FormTokenWrong);
    }
    Ok((desk, fields))
}

/// A limit of a key's own; empty for the server's.
pub(super) fn own_limit(text: &str) -> Result<Option<u32>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    // Grouped as the Dashboard itself writes numbers; `1,5` may well mean one and a half.
    let mut groups = text.split([',', ' ']);
    let is_first = groups
        .next()
        .is_some_and(|group| (1..=3).contains(&group.len()));
    let is_grouped = is_first && groups.all(|group| group.len() == 3);
    if is_grouped {
        limit(&text.replace([',', ' '], "")).map(Some)
    } else {
        limit(text).map(Some)
    }
}

/// A length of time in seconds; empty for none.
pub(super) fn seconds(text: &str) -> Result<Option<u64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let span: Span = text.parse()?;
    Ok(Some(seconds_up(span.0)))
}

/// The same for a change: empty leaves it as it is.
pub(super) fn expiry(text: &str) -> Result<Option<Change<u64>>, String> {
    if text.eq_ignore_ascii_case("never") {
        return Ok(Some(Change::Unset));
    }
    let seconds = seconds(text).map_err(|must| format!("{must}, or never"))?;
    Ok(seconds.map(Change::To))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_read_with_its_thousands_apart_and_in_no_other_way() {
        for (text, limit) in [
            ("", None),
            ("7", Some(7)),
            ("1000", Some(1_000)),
            ("1,000", Some(1_000)),
            ("1 000 000", Some(1_000_000)),
        ] {
            assert_eq!(own_limit(text), Ok(limit), "{text}");
        }
        for text in [
            "1,5", "1,50", "1,0000", "1000,000", ",5", "1,,000", "1.5", "0", "-1",
        ] {
            assert!(own_limit(text).is_err(), "{text}");
        }
    }
}
