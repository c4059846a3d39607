//! What an operation is answered with.

use maud::{Markup, html};
use serde_json::Value;

use super::document::{Document, entries, schema_name, text};
use super::example::{Extent, of_media};
use super::members::{rows, table};
use super::prose::inline;
use super::types::type_of;

/// An answer of an operation, references followed.
struct Answer<'a> {
    status: &'a str,
    node: &'a Value,
    media: Option<(&'a str, &'a Value)>,
}

/// Every answer that the document names: one table, then the members and an example of those that succeed.
pub(super) fn answers(document: Document<'_>, operation: &Value) -> Markup {
    let answers: Vec<Answer<'_>> = entries(operation, "responses")
        .map(|(status, node)| {
            let node = document.resolve(node);
            let media = entries(node, "content").next();
            Answer {
                status,
                node,
                media,
            }
        })
        .collect();
    html! {
        @if !answers.is_empty() {
            h4 { "Answers" }
            table.answers {
                caption.unseen { "Answers" }
                thead { tr { th scope="col" { "Status" } th scope="col" { "Meaning" } th scope="col" { "Body" } } }
                tbody { @for answer in &answers { (row(answer)) } }
            }
            @for answer in &answers { (inside(document, answer)) }
        }
    }
}

fn row(answer: &Answer<'_>) -> Markup {
    let headers: Vec<&str> = entries(answer.node, "headers")
        .map(|(name, _)| name)
        .collect();
    html! {
        tr {
            th scope="row" { span.status.(class(answer.status)) { (answer.status) } }
            td {
                @if let Some(text) = text(answer.node, "description") { (inline(text)) }
                @if !headers.is_empty() {
                    small {
                        "Headers: "
                        @for (at, name) in headers.iter().enumerate() { @if at > 0 { ", " } code { (name) } }
                    }
                }
            }
            td {
                @match answer.media.map(|(_, media)| media.get("schema")) {
                    Some(Some(schema)) => (type_of(schema)),
                    Some(None) => (answer.media.map_or("", |(kind, _)| kind)),
                    None => span.quiet { "none" },
                }
            }
        }
    }
}

/// Members that stand nowhere else, and an example of what succeeds.
fn inside(document: Document<'_>, answer: &Answer<'_>) -> Markup {
    let Some((_, media)) = answer.media else {
        return html! {};
    };
    let own = media
        .get("schema")
        .filter(|schema| schema_name(schema).is_none());
    let rows = own.map_or(Vec::new(), |schema| rows(document, schema));
    let example = of_media(document, media, Extent::All)
        .filter(|_| answer.status.starts_with('2') || media.get("example").is_some());
    html! {
        @if !rows.is_empty() {
            h5 { "Body of " (answer.status) }
            (table(&format!("Body of {}", answer.status), &rows))
        }
        @if let Some(example) = example {
            details { summary { "Example of " (answer.status) } pre { (pretty(&example)) } }
        }
    }
}

/// Spread over lines.
pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn class(status: &str) -> &'static str {
    match status.as_bytes().first() {
        Some(b'2') => "ok",
        Some(b'3') => "replayed",
        Some(b'4') => "refused",
        Some(b'5') => "error",
        _ => "quiet",
    }
}
