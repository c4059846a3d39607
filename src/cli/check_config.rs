//! `atlas check-config`.

use serde_json::{Map, Value};

use super::{Failure, note, say, to_json, variables};
use crate::config::{Given, Place, Purpose, Settings};

/// Puts the settings together as `serve` does, and shows what would be in force.
pub(super) fn check_config(place: &Place, given: Given, json: bool) -> Result<(), Failure> {
    let settings = Settings::resolve(place, given, Purpose::Serve).map_err(Failure::Usage)?;
    if let Some(line) = variables::unknown() {
        note(&format!("warning: {line}"));
    }
    let shown = settings.shown();
    if json {
        say(&to_json(&shown.into_iter().collect::<Map<_, _>>())?)
    } else {
        let line = |(name, value): (String, Value)| format!("{name} = {}", text(&value));
        let lines: Vec<String> = shown.into_iter().map(line).collect();
        say(&lines.join("\n"))
    }
}

/// A value as it is written on a line.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        // A path may have anything in it, and each setting has one line.
        Value::String(text) => text.replace(char::is_control, "\u{fffd}"),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
