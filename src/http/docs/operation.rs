//! One operation: who may, what is sent, what comes back, and a line that does it.

use maud::{Markup, html};
use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use super::answers::{answers, pretty};
use super::document::{Document, Operation, entries, is_set, list, slug, text};
use super::example::{Extent, of_media, of_schema};
use super::members::{of_parameters, rows, table};
use super::prose::{inline, prose};
use super::types::{type_of, written};
use crate::http::curl::{Call, command};

/// The section of an operation.
pub(super) fn operation(document: Document<'_>, operation: &Operation<'_>) -> Markup {
    let anchor = operation.anchor();
    let parameters = operation.parameters(document);
    html! {
        section.operation id=(anchor) aria-labelledby={ (anchor) "-title" } {
            h3 id={ (anchor) "-title" } {
                a href={ "#" (anchor) } { (operation.title()) }
                @if is_set(operation.node, "deprecated") { " " span.deprecated { "deprecated" } }
            }
            p.call { (method(&operation.method)) " " code { (operation.path) } }
            @if let Some(text) = text(operation.node, "description") { (prose(text)) }
            @if !operation.is_webhook { p.auth { "Authorization: " (auth(document, operation.node)) } }
            @if !parameters.is_empty() {
                h4 { "Parameters" }
                (table("Parameters", &of_parameters(document, &parameters)))
            }
            (body(document, operation))
            @if !operation.is_webhook {
                h4 { "By curl" }
                pre { (curl(document, operation, &parameters)) }
            }
            (answers(document, operation.node))
        }
    }
}

/// A method in its colour.
pub(super) fn method(method: &str) -> Markup {
    html! { span.method.(method.to_ascii_lowercase()) { (method) } }
}

/// The ways to prove who one is, as the document says for this operation or for all.
fn security<'a>(document: Document<'a>, node: &'a Value) -> Vec<Vec<&'a str>> {
    let holder = if node.get("security").is_some() {
        node
    } else {
        document.0
    };
    let names = |way: &'a Value| {
        let names = way.as_object().into_iter().flatten();
        names.map(|(name, _)| name.as_str()).collect()
    };
    list(holder, "security").map(names).collect()
}

fn auth(document: Document<'_>, node: &Value) -> Markup {
    let ways = security(document, node);
    html! {
        @if ways.is_empty() { "none" }
        @for (at, way) in ways.iter().enumerate() {
            @if at > 0 { " or " }
            @if way.is_empty() { "none" }
            @for (at, name) in way.iter().enumerate() {
                @if at > 0 { " and " }
                a href={ "#" (slug("auth", name)) } { (name) }
            }
        }
    }
}

fn body(document: Document<'_>, operation: &Operation<'_>) -> Markup {
    let Some(body) = document.member(operation.node, "requestBody") else {
        return html! {};
    };
    let optional = if is_set(body, "required") || operation.is_webhook {
        ""
    } else {
        " (optional)"
    };
    html! {
        h4 { "Body" (optional) }
        @if let Some(text) = text(body, "description") { p { (inline(text)) } }
        @for (kind, media) in entries(body, "content") {
            p.quiet { code { (kind) } @if let Some(schema) = media.get("schema") { ": " (type_of(schema)) } }
            @if let Some(schema) = media.get("schema") {
                (table("Members of the body", &rows(document, schema)))
            }
            @if let Some(example) = of_media(document, media, Extent::All) {
                details { summary { "Example of a body" } pre { (pretty(&example)) } }
            }
        }
    }
}

/// The command that asks for it: parameters that must be there filled in, and a body of what must be in it.
fn curl(document: Document<'_>, operation: &Operation<'_>, parameters: &[&Value]) -> String {
    let sent = document
        .member(operation.node, "requestBody")
        .filter(|body| is_set(body, "required"))
        .and_then(|body| entries(body, "content").next());
    let body = sent.and_then(|(_, media)| of_media(document, media, Extent::Required));
    let body = body.map(|body| written(&body));
    let values = parameters.iter().filter_map(|one| {
        let is_wanted = is_set(one, "required") || one.get("example").is_some();
        let name = text(one, "name").filter(|_| is_wanted)?;
        Some((text(one, "in")?, name, value_of(document, one)))
    });
    let values: Vec<(&str, &str, String)> = values.collect();
    let mut headers: Vec<(&str, &str)> = Vec::new();
    headers.extend(sent.map(|(kind, _)| ("Content-Type", kind)));
    let given = values.iter().filter(|(place, ..)| *place == "header");
    headers.extend(given.map(|(_, name, value)| (*name, value.as_str())));
    let authorization = authorization(document, operation.node);
    command(&Call {
        method: &operation.method,
        server: server(document),
        target: &target(operation.path, &values),
        authorization: authorization.as_deref(),
        headers: &headers,
        body: body.as_deref(),
    })
}

fn value_of(document: Document<'_>, parameter: &Value) -> String {
    let example = parameter.get("example").cloned();
    let made = || {
        let schema = parameter.get("schema")?;
        Some(of_schema(document, schema, Extent::Required))
    };
    example
        .or_else(made)
        .map_or_else(String::new, |value| written(&value))
}

fn server<'a>(document: Document<'a>) -> &'a str {
    let servers = document.at(&["servers"]);
    let first = servers.and_then(|servers| text(servers.get(0)?, "url"));
    first.unwrap_or_default().trim_end_matches('/')
}

/// Path and query, with what they must have filled in.
fn target(path: &str, values: &[(&str, &str, String)]) -> String {
    let mut url = path.to_owned();
    for (_, name, value) in values.iter().filter(|(place, ..)| *place == "path") {
        url = url.replace(&format!("{{{name}}}"), value);
    }
    let query = values.iter().filter(|(place, ..)| *place == "query");
    for (at, (_, name, value)) in query.enumerate() {
        url.push(if at == 0 { '?' } else { '&' });
        url.extend(byte_serialize(name.as_bytes()));
        url.push('=');
        url.extend(byte_serialize(value.as_bytes()));
    }
    url
}

/// The header of the first way in, its secret a variable of the shell: `secretKey` is `$SECRET_KEY`.
fn authorization(document: Document<'_>, node: &Value) -> Option<String> {
    let ways = security(document, node);
    let name = *ways.first()?.first()?;
    let scheme = document.at(&["components", "securitySchemes", name])?;
    let scheme = document.resolve(scheme);
    let kind = match (text(scheme, "type")?, text(scheme, "scheme")?) {
        ("http", kind) if kind.eq_ignore_ascii_case("bearer") => "Bearer",
        ("http", kind) if kind.eq_ignore_ascii_case("basic") => "Basic",
        _ => return None,
    };
    Some(format!("{kind} ${}", variable(name)))
}

/// A name as a variable of a shell.
fn variable(name: &str) -> String {
    let mut variable = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !variable.is_empty() {
            variable.push('_');
        }
        if c.is_ascii_alphanumeric() {
            variable.push(c.to_ascii_uppercase());
        } else {
            variable.push('_');
        }
    }
    variable
}
