//! `atlas openapi`: prints the description of the API.

use super::{Failure, say};
use crate::http::openapi::document;

/// Prints the document, for people or for programs.
pub(super) fn openapi(json: bool) -> Result<(), Failure> {
    let document = document();
    let text = if json {
        document.to_string()
    } else {
        format!("{document:#}")
    };
    say(&text)
}
