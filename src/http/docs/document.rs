//! Reads an OpenAPI document: references followed, operations in the order in which they are shown.

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// References that are followed in a row: a document that leads in a circle comes to an end.
const HOPS_MAX: usize = 8;
/// Methods as OpenAPI names them, in the order in which they are shown.
const METHODS: [&str; 8] = [
    "get", "post", "put", "patch", "delete", "head", "options", "trace",
];
const SCHEMAS: &str = "#/components/schemas/";

/// An OpenAPI document.
#[derive(Clone, Copy)]
pub(super) struct Document<'a>(pub(super) &'a Value);

/// Something that can be asked for, or, of a webhook, that is sent.
pub(super) struct Operation<'a> {
    /// In upper case.
    pub(super) method: String,
    /// The path, or a webhook's name.
    pub(super) path: &'a str,
    /// Whether it is sent by the server.
    pub(super) is_webhook: bool,
    /// What the document says of it.
    pub(super) node: &'a Value,
    /// What the document says of all that have its path.
    pub(super) item: &'a Value,
}

/// Operations under one heading.
pub(super) struct Group<'a> {
    /// The heading.
    pub(super) name: &'a str,
    /// What the document says of them together.
    pub(super) description: Option<&'a str>,
    /// The operations.
    pub(super) operations: Vec<Operation<'a>>,
}

impl<'a> Document<'a> {
    /// What stands at these names, one within the other.
    pub(super) fn at(self, names: &[&str]) -> Option<&'a Value> {
        names
            .iter()
            .try_fold(self.0, |value, name| value.get(*name))
    }

    /// The value itself, or what it refers to within this document.
    pub(super) fn resolve(self, value: &'a Value) -> &'a Value {
        let mut at = value;
        for _ in 0..HOPS_MAX {
            let target = text(at, "$ref")
                .and_then(|reference| reference.strip_prefix('#'))
                .and_then(|pointer| {
                    self.0
                        .pointer(&percent_decode_str(pointer).decode_utf8_lossy())
                });
            let Some(target) = target else { break };
            at = target;
        }
        at
    }

    /// A member, references followed.
    pub(super) fn member(self, value: &'a Value, name: &str) -> Option<&'a Value> {
        value.get(name).map(|member| self.resolve(member))
    }

    /// Every operation under its first tag: tags in their own order, then those that only operations name, then
    /// operations without any, then webhooks.
    pub(super) fn groups(self) -> Vec<Group<'a>> {
        let mut groups: Vec<Group<'a>> = list(self.0, "tags")
            .filter_map(|tag| Some((text(tag, "name")?, text(tag, "description"))))
            .map(|(name, description)| Group::new(name, description))
            .collect();
        let mut untagged = Group::new("Other", None);
        for operation in self.operations("paths", false) {
            let tag = list(operation.node, "tags").find_map(Value::as_str);
            let Some(tag) = tag else {
                untagged.operations.push(operation);
                continue;
            };
            match groups.iter_mut().find(|group| group.name == tag) {
                Some(group) => group.operations.push(operation),
                None => {
                    let mut group = Group::new(tag, None);
                    group.operations.push(operation);
                    groups.push(group);
                }
            }
        }
        let mut webhooks = Group::new("Webhooks", None);
        webhooks.operations = self.operations("webhooks", true);
        groups.extend([untagged, webhooks]);
        groups.retain(|group| !group.operations.is_empty());
        groups
    }

    fn operations(self, member: &str, is_webhook: bool) -> Vec<Operation<'a>> {
        let mut operations = Vec::new();
        for (path, item) in entries(self.0, member) {
            let item = self.resolve(item);
            for method in METHODS {
                let Some(node) = item.get(method).filter(|node| node.is_object()) else {
                    continue;
                };
                operations.push(Operation {
                    method: method.to_ascii_uppercase(),
                    path,
                    is_webhook,
                    node,
                    item,
                });
            }
        }
        operations
    }
}

impl<'a> Group<'a> {
    const fn new(name: &'a str, description: Option<&'a str>) -> Self {
        Self {
            name,
            description,
            operations: Vec::new(),
        }
    }
}

impl<'a> Operation<'a> {
    /// What it is called.
    pub(super) fn title(&self) -> &'a str {
        text(self.node, "summary").unwrap_or(self.path)
    }

    /// Under which anchor it stands.
    pub(super) fn anchor(&self) -> String {
        match text(self.node, "operationId") {
            Some(id) => slug("op", id),
            None => slug("op", &format!("{}{}", self.method, self.path)),
        }
    }

    /// Its parameters, those of its path included, references followed.
    pub(super) fn parameters(&self, document: Document<'a>) -> Vec<&'a Value> {
        let own: Vec<&Value> = list(self.node, "parameters")
            .map(|one| document.resolve(one))
            .collect();
        let is_same =
            |a: &Value, b: &Value| a.get("name") == b.get("name") && a.get("in") == b.get("in");
        let shared = list(self.item, "parameters")
            .map(|one| document.resolve(one))
            .filter(|one| !own.iter().any(|other| is_same(one, other)));
        let mut all: Vec<&Value> = shared.collect();
        all.extend(own);
        all
    }
}

/// A member that is text.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

/// Whether a member is `true`.
pub(super) fn is_set(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool) == Some(true)
}

/// The elements of a member that is a list; none if it is anything else.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// The members of a member that is an object; none if it is anything else.
pub(super) fn entries<'a>(
    value: &'a Value,
    name: &str,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let members = value.get(name).and_then(Value::as_object);
    members
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}

/// The schema's name where a value is a reference to one.
pub(super) fn schema_name(value: &Value) -> Option<&str> {
    text(value, "$ref").and_then(|reference| reference.strip_prefix(SCHEMAS))
}

/// A name as an anchor: what is no letter or digit becomes a hyphen.
pub(super) fn slug(kind: &str, name: &str) -> String {
    let words: Vec<&str> = name
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    format!("{kind}-{}", words.join("-"))
}
