//! A value that a schema allows, to show what is meant.

use serde_json::{Map, Value, json};

use super::document::{Document, entries, list, text};
use super::types::types;

/// Objects within objects.
const DEPTH_MAX: usize = 6;
/// Values in one example.
const VALUES_MAX: usize = 300;

/// Which members of objects are in an example.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Those that must be there.
    Required,
    /// All.
    All,
}

/// The example of a media type: the document's own, or one made of its schema.
pub(super) fn of_media(document: Document<'_>, media: &Value, extent: Extent) -> Option<Value> {
    if let Some(example) = media.get("example") {
        return Some(example.clone());
    }
    let named =
        entries(media, "examples").find_map(|(_, example)| document.resolve(example).get("value"));
    if let Some(example) = named {
        return Some(example.clone());
    }
    media
        .get("schema")
        .map(|schema| of_schema(document, schema, extent))
}

/// A value that this schema allows.
pub(super) fn of_schema(document: Document<'_>, schema: &Value, extent: Extent) -> Value {
    let mut maker = Maker {
        document,
        extent,
        left: VALUES_MAX,
    };
    maker.make(schema, 0)
}

struct Maker<'a> {
    document: Document<'a>,
    extent: Extent,
    left: usize,
}

impl Maker<'_> {
    fn make(&mut self, schema: &Value, depth: usize) -> Value {
        let document = self.document;
        let schema = document.resolve(schema);
        if depth > DEPTH_MAX || self.left == 0 {
            return Value::Null;
        }
        self.left -= 1;
        if let Some(given) = given(schema) {
            return given.clone();
        }
        let either = list(schema, "oneOf").chain(list(schema, "anyOf")).next();
        if let Some(either) = either {
            return self.make(either, depth + 1);
        }
        let is_object = list(schema, "allOf").next().is_some();
        match types(schema).first() {
            _ if is_object => self.object(schema, depth),
            Some(&"object") => self.object(schema, depth),
            Some(&"array") => {
                let items = schema.get("items");
                Value::Array(
                    items
                        .map(|items| self.make(items, depth + 1))
                        .into_iter()
                        .collect(),
                )
            }
            Some(&"integer" | &"number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
            Some(&"boolean") => json!(true),
            Some(&"string") => json!(string(schema)),
            _ => Value::Null,
        }
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let mut members = Map::new();
        for part in list(schema, "allOf") {
            if let Value::Object(more) = self.make(part, depth + 1) {
                members.extend(more);
            }
        }
        let required: Vec<&str> = list(schema, "required").filter_map(Value::as_str).collect();
        for (name, member) in entries(schema, "properties") {
            let is_wanted = self.extent == Extent::All || required.contains(&name);
            if is_wanted && self.left > 0 {
                members.insert(name.to_owned(), self.make(member, depth + 1));
            }
        }
        Value::Object(members)
    }
}

/// A value that the schema itself names.
fn given(schema: &Value) -> Option<&Value> {
    schema
        .get("example")
        .or_else(|| list(schema, "examples").next())
        .or_else(|| schema.get("const"))
        .or_else(|| schema.get("default"))
        .or_else(|| list(schema, "enum").next())
}

fn string(schema: &Value) -> &'static str {
    match text(schema, "format") {
        Some("date-time") => "2026-11-25T12:00:00.000Z",
        Some("date") => "2026-11-25",
        Some("uri" | "url") => "https://example.com/",
        Some("email") => "buyer@example.com",
        Some("uuid") => "3f0d9a2e-6a53-4c1e-9d3f-0c8f6d2b7a11",
        _ => "string",
    }
}
