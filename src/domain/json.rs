//! JSON as we take it: one value, no member twice, nothing after it, numbers kept as they were written. The last
//! matters twice: `4990.0` is no integer, and two bodies that differ in a digit are two requests.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserializer as _, Serialize};
use serde_json::value::RawValue;

use crate::policy;

/// A JSON value. Members are sorted by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Reads a whole body.
    ///
    /// # Errors
    /// A sentence that says what is wrong and where: not JSON, not UTF-8, a member twice, trailing data, too deep.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        if body.trim_ascii().is_empty() {
            return Err("The body is empty.".to_owned());
        }
        let text = std::str::from_utf8(body)
            .map_err(|e| format!("The body is not UTF-8 at byte {}.", e.valid_up_to()))?;
        let raw: &RawValue = serde_json::from_str(text).map_err(|e| sentence(&e))?;
        from_raw(raw, policy::JSON_DEPTH)
    }

    /// A body as it is compared: JSON in canonical form, anything else as it is.
    pub fn comparable(body: &[u8]) -> Vec<u8> {
        Self::parse(body).map_or_else(|_| body.to_vec(), |json| json.canonical())
    }

    /// The canonical form, by which bodies are compared.
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        self.write_canonical(&mut out);
        out
    }

    /// Writes the canonical form: members sorted at every level, no white space.
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(text) => out.extend_from_slice(text.as_bytes()),
            Self::String(text) => write_string(text, out),
            Self::Array(items) => {
                write_list(out, b"[]", items, |item, out| item.write_canonical(out))
            }
            Self::Object(members) => write_list(out, b"{}", members, |(name, value), out| {
                write_string(name, out);
                out.push(b':');
                value.write_canonical(out);
            }),
        }
    }
}

fn write_list<T>(
    out: &mut Vec<u8>,
    ends: &[u8; 2],
    items: impl IntoIterator<Item = T>,
    one: impl Fn(T, &mut Vec<u8>),
) {
    out.push(ends[0]);
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        one(item, out);
    }
    out.push(ends[1]);
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing a str into a Vec can't fail; were it to, the name alone would still tell strings apart.
    if text
        .serialize(&mut serde_json::Serializer::new(&mut *out))
        .is_err()
    {
        out.extend_from_slice(text.as_bytes());
    }
}

fn sentence(error: &serde_json::Error) -> String {
    format!("The body is not valid JSON: {error}.")
}

/// serde_json checks the grammar of a raw value; one level at a time is taken apart here. The depth bounds the work:
/// each level reads what is below it once more.
fn from_raw(raw: &RawValue, depth: usize) -> Result<Json, String> {
    let text = raw.get();
    let mut parser = serde_json::Deserializer::from_str(text);
    let nested = |parse: &mut dyn FnMut() -> Result<Json, serde_json::Error>| {
        if depth == 0 {
            return Err(format!(
                "The body is nested deeper than {} levels.",
                policy::JSON_DEPTH
            ));
        }
        parse().map_err(|e| {
            if e.is_data() {
                custom(&e)
            } else {
                sentence(&e)
            }
        })
    };
    match text.as_bytes().first() {
        Some(b'{') => nested(&mut || parser.deserialize_map(Members { depth: depth - 1 })),
        Some(b'[') => nested(&mut || parser.deserialize_seq(Items { depth: depth - 1 })),
        Some(b'"') => serde_json::from_str(text)
            .map(Json::String)
            .map_err(|e| format!("The body is not valid JSON: {}.", custom(&e))),
        Some(b't') => Ok(Json::Bool(true)),
        Some(b'f') => Ok(Json::Bool(false)),
        Some(b'n') => Ok(Json::Null),
        _ => Ok(Json::Number(text.to_owned())),
    }
}

/// The text of an error of a part, without the line and column that serde_json adds: they count from the wrong start.
fn custom(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ")
        .map_or_else(|| text.clone(), |(head, _)| head.to_owned())
}

struct Members {
    depth: usize,
}

impl<'de> Visitor<'de> for Members {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, raw)) = map.next_entry::<String, &RawValue>()? {
            let value = from_raw(raw, self.depth).map_err(serde::de::Error::custom)?;
            if members.contains_key(&name) {
                return Err(serde::de::Error::custom(format_args!(
                    "The member {:?} stands twice in one object.",
                    shortened(&name)
                )));
            }
            members.insert(name, value);
        }
        Ok(Json::Object(members))
    }
}

/// The first characters of a name; a message has no use for thousands.
fn shortened(name: &str) -> String {
    name.chars().take(policy::METADATA_NAME_MAX).collect()
}

struct Items {
    depth: usize,
}

impl<'de> Visitor<'de> for Items {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(raw) = seq.next_element::<&RawValue>()? {
            items.push(from_raw(raw, self.depth).map_err(serde::de::Error::custom)?);
        }
        Ok(Json::Array(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        let mut out = Vec::new();
        Json::parse(text.as_bytes())
            .expect("JSON")
            .write_canonical(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn the_canonical_form_sorts_members_and_drops_white_space() {
        assert_eq!(
            canonical(" { \"b\" : [ 1 , {\"d\":null,\"c\":true} ], \"a\" : \"\\u0041\" } "),
            r#"{"a":"A","b":[1,{"c":true,"d":null}]}"#
        );
    }

    #[test]
    fn numbers_stay_as_written() {
        assert_eq!(
            canonical("[4990,4990.0,4.99e3,18446744073709551617,1e400]"),
            "[4990,4990.0,4.99e3,18446744073709551617,1e400]"
        );
    }

    #[test]
    fn what_is_not_one_json_value_is_refused_with_a_reason() {
        for (body, reason) in [
            (&b""[..], "empty"),
            (b"  ", "empty"),
            (b"{", "not valid JSON"),
            (b"{} {}", "not valid JSON"),
            (b"{\"a\":NaN}", "not valid JSON"),
            (b"{\"a\":01}", "not valid JSON"),
            (b"{\"a\":1,}", "not valid JSON"),
            (b"{\"a\":\"\xff\"}", "not UTF-8 at byte 6"),
            (b"\xef\xbb\xbf{}", "not valid JSON"),
            (b"{\"a\":\"\\ud800\"}", "not valid JSON"),
            (b"{\"a\":1,\"a\":2}", "\"a\" stands twice"),
            (b"{\"a\":1,\"\\u0061\":2}", "\"a\" stands twice"),
            (b"{\"m\":[{\"x\":1,\"x\":1}]}", "\"x\" stands twice"),
        ] {
            let error = Json::parse(body).expect_err("not JSON");
            assert!(error.contains(reason), "{error} has no {reason}");
            assert!(error.ends_with('.'), "{error} is no sentence");
        }
    }

    #[test]
    fn nesting_has_a_bound() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(nested(64).as_bytes()).is_ok());
        assert!(
            Json::parse(nested(65).as_bytes())
                .expect_err("too deep")
                .contains("deeper than 64")
        );
        assert!(
            Json::parse(nested(30_000).as_bytes())
                .expect_err("too deep")
                .contains("deeper than 64")
        );
    }
}
