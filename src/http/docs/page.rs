//! The whole reference on one page: what there is at the side, then each in turn.

use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

use super::document::{Document, Group, list, slug, text};
use super::operation::{method, operation};
use super::prose::prose;
use super::schemas::{has_security_schemes, named, schemas, security_schemes};

/// The page of an OpenAPI 3.1 document.
pub(in crate::http) fn docs_page(document: &Value) -> Markup {
    let document = Document(document);
    let info = document.at(&["info"]).unwrap_or(&Value::Null);
    let title = text(info, "title").unwrap_or("API");
    let groups = document.groups();
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body.docs {
                a.skip href="#main" { "Skip to the content" }
                header {
                    a.brand href="#main" {
                        img src="/docs/assets/icon.svg" alt="" width="20" height="20";
                        (title)
                    }
                    @if let Some(version) = text(info, "version") { span.quiet { "Version " (version) } }
                    a.raw href="/openapi.json" { "OpenAPI document" }
                }
                (side(document, &groups))
                main #main tabindex="-1" {
                    h1 { (title) }
                    @if let Some(text) = text(info, "description") { (prose(text)) }
                    (servers(document))
                    (security_schemes(document))
                    @for group in &groups { (group_section(document, group)) }
                    @if named(document).next().is_some() { (schemas(document)) }
                }
            }
        }
    }
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " · Reference" }
            link rel="icon" href="/docs/assets/icon.svg" type="image/svg+xml";
            link rel="stylesheet" href="/docs/assets/atlas.css";
            link rel="stylesheet" href="/docs/assets/docs.css";
        }
    }
}

/// The way to each part of the page.
fn side(document: Document<'_>, groups: &[Group<'_>]) -> Markup {
    html! {
        nav.side aria-label="Reference" {
            @if has_security_schemes(document) { h2 { a href="#authorization" { "Authorization" } } }
            @for group in groups {
                h2 { a href={ "#" (slug("tag", group.name)) } { (group.name) } }
                ul {
                    @for operation in &group.operations {
                        li {
                            a href={ "#" (operation.anchor()) } {
                                span.name { (operation.title()) }
                                (method(&operation.method))
                            }
                        }
                    }
                }
            }
            @if named(document).next().is_some() {
                h2 { a href="#schemas" { "Schemas" } }
                ul {
                    @for (name, _) in named(document) {
                        li { a href={ "#" (slug("schema", name)) } { span.name { (name) } } }
                    }
                }
            }
        }
    }
}

fn servers(document: Document<'_>) -> Markup {
    html! {
        @for server in list(document.0, "servers") {
            @if let Some(url) = text(server, "url") {
                p.call {
                    code { (url) }
                    @if let Some(text) = text(server, "description") { " " span.quiet { (text) } }
                }
            }
        }
    }
}

fn group_section(document: Document<'_>, group: &Group<'_>) -> Markup {
    let anchor = slug("tag", group.name);
    html! {
        section.group id=(anchor) aria-labelledby={ (anchor) "-title" } {
            h2 id={ (anchor) "-title" } { (group.name) }
            @if let Some(text) = group.description { (prose(text)) }
            @for one in &group.operations { (operation(document, one)) }
        }
    }
}
