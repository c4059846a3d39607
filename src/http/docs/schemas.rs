//! The parts of the document that operations share: ways to prove who one is, and schemas.

use maud::{Markup, html};
use serde_json::Value;

use super::document::{Document, entries, slug, text};
use super::members::{rows, table};
use super::prose::prose;
use super::types::{limits, type_of};

/// Whether the document names any way to prove who one is.
pub(super) fn has_security_schemes(document: Document<'_>) -> bool {
    schemes(document).next().is_some()
}

fn schemes(document: Document<'_>) -> impl Iterator<Item = (&str, &Value)> {
    let components = document.at(&["components"]).unwrap_or(&Value::Null);
    entries(components, "securitySchemes")
}

/// The ways to prove who one is.
pub(super) fn security_schemes(document: Document<'_>) -> Markup {
    html! {
        @if has_security_schemes(document) {
            section #authorization aria-labelledby="authorization-title" {
                h2 #authorization-title { "Authorization" }
                @for (name, scheme) in schemes(document) {
                    @let scheme = document.resolve(scheme);
                    div.scheme id=(slug("auth", name)) {
                        h3 { (name) " " span.quiet { (kind(scheme)) } }
                        @if let Some(text) = text(scheme, "description") { (prose(text)) }
                    }
                }
            }
        }
    }
}

fn kind(scheme: &Value) -> String {
    let words = ["type", "scheme", "in", "name"]
        .into_iter()
        .filter_map(|name| text(scheme, name));
    words.collect::<Vec<_>>().join(" ")
}

/// Every schema with a name.
pub(super) fn schemas(document: Document<'_>) -> Markup {
    html! {
        section #schemas aria-labelledby="schemas-title" {
            h2 #schemas-title { "Schemas" }
            @for (name, schema) in named(document) { (schema_section(document, name, schema)) }
        }
    }
}

/// The schemas with a name, by name.
pub(super) fn named(document: Document<'_>) -> impl Iterator<Item = (&str, &Value)> {
    let components = document.at(&["components"]).unwrap_or(&Value::Null);
    entries(components, "schemas")
}

fn schema_section(document: Document<'_>, name: &str, schema: &Value) -> Markup {
    let anchor = slug("schema", name);
    let limits = limits(schema);
    html! {
        section.schema id=(anchor) aria-labelledby={ (anchor) "-title" } {
            h3 id={ (anchor) "-title" } { a href={ "#" (anchor) } { (name) } }
            p.quiet {
                (type_of(schema))
                @for limit in &limits { "; " (limit) }
            }
            @if let Some(text) = text(schema, "description") { (prose(text)) }
            (table(&format!("Members of {name}"), &rows(document, schema)))
        }
    }
}
