//! What a schema allows, in words: its type, and its limits.

use maud::{Markup, html};
use serde_json::Value;

use super::document::{list, schema_name, slug, text};

/// Schemas within schemas whose type is spelled out; beyond that it is `...`.
const DEPTH_MAX: usize = 4;
/// Words of a closed list that are shown.
const WORDS_MAX: usize = 60;

/// The type of a schema; references are links.
pub(super) fn type_of(schema: &Value) -> Markup {
    within(schema, 0)
}

fn within(schema: &Value, depth: usize) -> Markup {
    if let Some(name) = schema_name(schema) {
        return schema_link(name);
    }
    if depth >= DEPTH_MAX {
        return html! { "..." };
    }
    for (name, joint) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        let mut parts = list(schema, name).peekable();
        if parts.peek().is_some() {
            return joined(parts.map(|part| within(part, depth + 1)), joint);
        }
    }
    let written = types(schema).into_iter().map(|word| match word {
        "array" => html! {
            "list"
            @if let Some(items) = schema.get("items") { " of " (within(items, depth + 1)) }
        },
        word => html! { (word) },
    });
    html! {
        (joined(written, " or "))
        @if let Some(format) = text(schema, "format") { " (" (format) ")" }
    }
}

fn joined(parts: impl Iterator<Item = Markup>, joint: &str) -> Markup {
    html! { @for (at, part) in parts.enumerate() { @if at > 0 { (joint) } (part) } }
}

/// The words of `type`, or what the rest of the schema says that it must be.
pub(super) fn types(schema: &Value) -> Vec<&str> {
    let given = match schema.get("type") {
        Some(Value::String(word)) => vec![word.as_str()],
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !given.is_empty() {
        return given;
    }
    let first = list(schema, "enum").next().or(schema.get("const"));
    vec![match first {
        Some(Value::String(_)) => "string",
        Some(Value::Number(_)) => "number",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Null) => "null",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "object",
        None if schema.get("properties").is_some() => "object",
        None if schema.get("items").is_some() => "array",
        None => "any",
    }]
}

/// A link to a schema of the document.
pub(super) fn schema_link(name: &str) -> Markup {
    html! { a href={ "#" (slug("schema", name)) } { (name) } }
}

/// What a value must hold to, one phrase each.
pub(super) fn limits(schema: &Value) -> Vec<Markup> {
    let value = |name: &str| schema.get(name).map(written);
    let mut limits = Vec::new();
    let words: Vec<String> = list(schema, "enum").take(WORDS_MAX).map(written).collect();
    if !words.is_empty() {
        limits.push(html! { "one of " (codes(&words)) });
    }
    limits.extend(value("const").map(|only| html! { "always " code { (only) } }));
    for (names, noun) in [
        (["minLength", "maxLength"], " characters"),
        (["minimum", "maximum"], ""),
        (["minItems", "maxItems"], " elements"),
        (["minProperties", "maxProperties"], " members"),
    ] {
        limits.extend(match (value(names[0]), value(names[1])) {
            (Some(least), Some(most)) if least == most => Some(html! { (most) (noun) }),
            (Some(least), Some(most)) => Some(html! { (least) " to " (most) (noun) }),
            (Some(least), None) => Some(html! { "at least " (least) (counted(&least, noun)) }),
            (None, Some(most)) => Some(html! { "at most " (most) (counted(&most, noun)) }),
            (None, None) => None,
        });
    }
    limits.extend(value("exclusiveMinimum").map(|bound| html! { "more than " (bound) }));
    limits.extend(value("exclusiveMaximum").map(|bound| html! { "less than " (bound) }));
    limits.extend(value("pattern").map(|pattern| html! { "matches " code { (pattern) } }));
    limits.extend(value("default").map(|default| html! { "default " code { (default) } }));
    limits
}

/// The noun as it stands after this number.
fn counted<'a>(number: &str, noun: &'a str) -> &'a str {
    if number == "1" {
        noun.trim_end_matches('s')
    } else {
        noun
    }
}

fn codes(words: &[String]) -> Markup {
    html! { @for (at, word) in words.iter().enumerate() { @if at > 0 { ", " } code { (word) } } }
}

/// A value as text: strings without quotes, anything else as JSON.
pub(super) fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}
