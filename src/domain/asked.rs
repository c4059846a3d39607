//! What a request under an idempotency key asked for, kept beside its answer in test mode, and how a second request
//! under the same key differs from it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::json::Json;
use crate::domain::masking::masked;
use crate::policy;

/// A request as far as its fingerprint goes, with secrets masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// `POST`
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The body in canonical form.
    pub body: String,
}

/// What differs between two requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is of: a member's path, as `customer.email`; or `method`, `path`, `body`, in brackets.
    pub member: String,
    /// What the first request had; None when it had nothing there.
    pub first: Option<String>,
    /// What the second had.
    pub second: Option<String>,
}

impl Asked {
    /// None for a request that is too large to be kept twice.
    pub fn of(method: &str, path: &str, query: &str, canonical: &[u8]) -> Option<Self> {
        let body = std::str::from_utf8(canonical).ok()?;
        let target = if query.is_empty() {
            Cow::Borrowed(path)
        } else {
            Cow::Owned(format!("{path}?{query}"))
        };
        (body.len() <= policy::ASKED_MAX).then(|| Self {
            method: method.to_owned(),
            target: masked(&target).into_owned(),
            body: masked(body).into_owned(),
        })
    }

    /// Where `second` differs; empty when only what is masked does.
    pub fn differences(&self, second: &Self) -> Vec<Difference> {
        let heads = [
            ("(method)", &self.method, &second.method),
            ("(path)", &self.target, &second.target),
        ];
        let heads = heads
            .into_iter()
            .filter(|(_, first, second)| first != second)
            .map(|(member, first, second)| Difference {
                member: member.to_owned(),
                first: Some(first.clone()),
                second: Some(second.clone()),
            });
        heads.chain(of_bodies(&self.body, &second.body)).collect()
    }
}

fn of_bodies(first: &str, second: &str) -> Vec<Difference> {
    let (Ok(one), Ok(two)) = (
        Json::parse(first.as_bytes()),
        Json::parse(second.as_bytes()),
    ) else {
        let whole = Difference {
            member: "(body)".to_owned(),
            first: Some(first.to_owned()),
            second: Some(second.to_owned()),
        };
        return Vec::from_iter((first != second).then_some(whole));
    };
    let (one, two) = (leaves(&one), leaves(&two));
    let members: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
    members
        .into_iter()
        .filter(|member| one.get(*member) != two.get(*member))
        .map(|member| Difference {
            member: member.clone(),
            first: one.get(member).cloned(),
            second: two.get(member).cloned(),
        })
        .collect()
}

/// Every value of a body by its path.
fn leaves(body: &Json) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    gather(body, String::new(), &mut found);
    found
}

fn gather(value: &Json, path: String, found: &mut BTreeMap<String, String>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        Json::Object(members) if !members.is_empty() => members
            .iter()
            .for_each(|(name, value)| gather(value, below(name), found)),
        Json::Array(items) if !items.is_empty() => items
            .iter()
            .enumerate()
            .for_each(|(at, value)| gather(value, below(&at.to_string()), found)),
        Json::Object(_)
        | Json::Array(_)
        | Json::Null
        | Json::Bool(_)
        | Json::Number(_)
        | Json::String(_) => {
            let mut text = Vec::new();
            value.write_canonical(&mut text);
            let path = if path.is_empty() {
                "(body)".to_owned()
            } else {
                path
            };
            found.insert(path, String::from_utf8_lossy(&text).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &str) -> Asked {
        Asked::of("POST", "/a", "", body.as_bytes()).expect("small enough")
    }

    fn told(first: &str, second: &str) -> Vec<String> {
        let show = |text: Option<String>| text.unwrap_or_else(|| "nothing".to_owned());
        asked(first)
            .differences(&asked(second))
            .into_iter()
            .map(|d| format!("{}: {} -> {}", d.member, show(d.first), show(d.second)))
            .collect()
    }

    #[test]
    fn what_changed_came_and_went_is_named_by_its_path() {
        assert_eq!(
            told(
                r#"{"amount":1,"customer":{"email":"a@b.c"},"items":[1,2],"same":{}}"#,
                r#"{"amount":2,"customer":{"name":"A"},"items":[1,3],"same":{}}"#
            ),
            [
                "amount: 1 -> 2",
                r#"customer.email: "a@b.c" -> nothing"#,
                r#"customer.name: nothing -> "A""#,
                "items.1: 2 -> 3"
            ]
        );
        assert!(told("{}", "{}").is_empty());
    }

    #[test]
    fn another_method_path_or_query_is_told_too() {
        let other = Asked::of("PATCH", "/a", "x=1", b"{}").expect("small enough");
        let members: Vec<_> = asked("{}")
            .differences(&other)
            .into_iter()
            .map(|difference| difference.member)
            .collect();
        assert_eq!(members, ["(method)", "(path)"]);
    }

    #[test]
    fn nothing_secret_is_kept() {
        let body =
            r#"{"cvc":"123","number":"4242424242424242","s":"sk_live_0123456789abcdefWXYZ"}"#;
        let kept = format!("{:?}", asked(body));
        for secret in ["123\"", "42424242", "0123456789"] {
            assert!(!kept.contains(secret), "{kept}");
        }
        assert!(Asked::of("POST", "/", "", &vec![b'a'; policy::ASKED_MAX + 1]).is_none());
    }
}
