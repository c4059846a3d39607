//! Answers read as far as the tests of payments need it.

use serde_json::Value;

use crate::world::Response;

/// The body of an answer that must be 200.
#[track_caller]
pub fn ok(answer: &Response) -> Value {
    let body = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 200, "{body}");
    answer.json()
}

/// Fails unless this member was refused as impossible.
#[track_caller]
pub fn expect_invalid(answer: &Response, param: &str) {
    answer.expect(400, "parameter_invalid");
    let given = answer.param().expect("a param");
    assert!(given.starts_with(param), "{given} is not {param}");
}

#[track_caller]
pub fn text(value: &Value) -> String {
    let text = value.as_str();
    text.unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

/// A time of an answer in Unix seconds.
#[track_caller]
pub fn seconds(value: &Value) -> u64 {
    let time: jiff::Timestamp = text(value).parse().expect("RFC 3339");
    time.as_second().try_into().expect("a time after 1970")
}

/// An object with the members of both; those of the second win.
pub fn merged(object: &Value, more: &Value) -> Value {
    let members = [object, more].into_iter().filter_map(Value::as_object);
    let members = members.flatten();
    Value::Object(members.map(|(name, v)| (name.clone(), v.clone())).collect())
}

/// The path of an absolute URL.
#[track_caller]
pub fn path_of(url: &str) -> String {
    let url = url::Url::parse(url).expect("an absolute URL");
    url.path().to_owned()
}
