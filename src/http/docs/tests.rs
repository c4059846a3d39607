//! What the reference shows of a document, and that no document is too odd for it.

use serde_json::{Value, json};

use super::page::docs_page;

/// A small document with one of each.
fn small() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Toy <API>", "version": "1.2", "description": "For `tests`."},
        "servers": [{"url": "http://localhost:1234/"}],
        "security": [{"secretKey": []}],
        "tags": [{"name": "Toys", "description": "To play with."}, {"name": "Empty"}],
        "paths": {
            "/health": {"get": {"security": [], "responses": {"200": {"description": "Up."}}}},
            "/toys/{id}": {
                "parameters": [{"$ref": "#/components/parameters/Id"}],
                "post": {
                    "tags": ["Toys"],
                    "operationId": "changeToy",
                    "summary": "Change a toy",
                    "deprecated": true,
                    "parameters": [
                        {"name": "Idempotency-Key", "in": "header", "example": "it's"},
                        {"name": "dry run", "in": "query", "required": true, "schema": {"type": "boolean"}}
                    ],
                    "requestBody": {"required": true, "content": {"application/json": {
                        "schema": {"$ref": "#/components/schemas/NewToy"}}}},
                    "responses": {
                        "200": {"description": "Changed.", "headers": {"X-Request-Id": {}},
                            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Toy"}}}},
                        "404": {"$ref": "#/components/responses/Missing"}
                    }
                }
            }
        },
        "webhooks": {"toy.broken": {"post": {"requestBody": {"content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/Toy"}}}}}}},
        "components": {
            "securitySchemes": {"secretKey": {"type": "http", "scheme": "bearer"}},
            "parameters": {"Id": {"name": "id", "in": "path", "required": true,
                "schema": {"type": "string", "example": "toy_1"}}},
            "responses": {"Missing": {"description": "No such toy.", "content": {"application/json": {
                "schema": {"type": "object", "properties": {"code": {"const": "toy_not_found"}}}}}}},
            "schemas": {
                "NewToy": {
                    "type": "object",
                    "required": ["price"],
                    "properties": {
                        "colour": {"enum": ["red", "blue"], "default": "red", "description": "Of the **lid**."},
                        "price": {"type": "integer", "minimum": 1, "maximum": 99},
                        "maker": {"type": "object", "properties": {
                            "email": {"type": ["string", "null"], "format": "email", "maxLength": 1}}},
                        "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Toy"}},
                        "labels": {"type": "object", "additionalProperties": {"type": "string"}}
                    }
                },
                "Toy": {
                    "allOf": [{"$ref": "#/components/schemas/NewToy"}],
                    "properties": {"id": {"type": "string"}, "next": {"oneOf": [
                        {"$ref": "#/components/schemas/Toy"}, {"type": "null"}]}}
                }
            }
        }
    })
}

fn shown(document: &Value) -> String {
    docs_page(document).into_string()
}

#[test]
fn a_document_is_told_in_full() {
    let page = shown(&small());
    for part in [
        "<title>Toy &lt;API&gt; · Reference</title>",
        "<code>tests</code>",
        "<section class=\"operation\" id=\"op-changeToy\"",
        "<span class=\"method post\">POST</span> <code>/toys/{id}</code>",
        "deprecated",
        "Authorization: <a href=\"#auth-secretKey\">secretKey</a>",
        "Authorization: none",
        "<code>Idempotency-Key</code></th><td>header</td>",
        "<code>price</code></th><td>integer</td><td><span class=\"required\">required</span></td>",
        "1 to 99",
        "one of <code>red</code>, <code>blue</code>; default <code>red</code>",
        "Of the <strong>lid</strong>.",
        "<code>maker.email</code></th><td>string or null (email)</td>",
        "at most 1 character<",
        "<code>labels.*</code>",
        "list of <a href=\"#schema-Toy\">Toy</a>",
        "<a href=\"#schema-Toy\">Toy</a> or null",
        "<span class=\"status refused\">404</span>",
        "No such toy.",
        "Headers: <code>X-Request-Id</code>",
        "always <code>toy_not_found</code>",
        "toy.broken",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    for part in ["<script", "style=", "Empty", "<API>"] {
        assert!(!page.contains(part), "{part} in {page}");
    }
}

#[test]
fn an_operation_has_a_command_to_paste() {
    let expected = [
        "curl 'http://localhost:1234/toys/toy_1?dry+run=true' \\",
        "  -H \"Authorization: Bearer $SECRET_KEY\" \\",
        "  -H 'Content-Type: application/json' \\",
        r"  -H 'Idempotency-Key: it'\''s' \",
        r#"  --data-raw '{"price":1}'"#,
    ];
    let html = |text: String| text.replace('"', "&quot;");
    assert!(shown(&small()).contains(&html(expected.join("\n"))));
    assert!(shown(&small()).contains("<pre>curl 'http://localhost:1234/health'</pre>"));
}

#[test]
fn every_link_within_the_page_leads_somewhere_and_no_anchor_stands_twice() {
    let page = shown(&small());
    for link in page.split("href=\"#").skip(1) {
        let anchor = link.split('"').next().unwrap_or_default();
        let count = page.matches(&format!(" id=\"{anchor}\"")).count();
        assert_eq!(count, 1, "{anchor}");
    }
}

#[test]
fn what_is_missing_or_odd_is_left_out() {
    for odd in [
        json!(null),
        json!([]),
        json!({}),
        json!("x"),
        json!({"paths": [], "tags": 1}),
    ] {
        assert!(shown(&odd).contains("<h1>"));
    }
    let whole = small();
    let mut pointers = Vec::new();
    collect(&whole, String::new(), &mut pointers);
    assert!(pointers.len() > 100);
    for pointer in pointers {
        for odd in [
            json!(null),
            json!([]),
            json!({}),
            json!("<i>"),
            json!([[7]]),
            json!(-1.5),
        ] {
            let mut document = whole.clone();
            if let Some(place) = document.pointer_mut(&pointer) {
                *place = odd;
            }
            assert!(!shown(&document).contains("<i>"), "{pointer}");
        }
    }
}

fn collect(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    let members = value.as_object().into_iter().flatten();
    let elements = value.as_array().into_iter().flatten().enumerate();
    let members =
        members.map(|(name, member)| (name.replace('~', "~0").replace('/', "~1"), member));
    for (name, member) in members.chain(elements.map(|(at, member)| (at.to_string(), member))) {
        collect(member, format!("{pointer}/{name}"), pointers);
    }
    pointers.push(pointer);
}

#[test]
fn a_schema_that_leads_back_to_itself_comes_to_an_end() {
    let own = json!({"$ref": "#/components/schemas/A"});
    let many: Vec<Value> = vec![own.clone(); 40];
    let inline = (0..40).fold(
        json!({"type": "string"}),
        |inner, _| json!({"type": "object", "required": ["a"], "properties": {"a": inner}}),
    );
    for schema in [
        own.clone(),
        json!({"allOf": many}),
        json!({"oneOf": many, "anyOf": many}),
        json!({"properties": {"a": own, "b": {"items": own}, "c": {"allOf": many}}}),
        json!({"type": "array", "items": own}),
        inline,
    ] {
        let document = json!({
            "paths": {"/a": {"post": {
                "requestBody": {"required": true, "content": {"application/json": {"schema": own}}},
                "responses": {"200": {"content": {"application/json": {"schema": {"allOf": [own, own]}}}}}}}},
            "components": {"schemas": {"A": schema}}
        });
        assert!(shown(&document).len() < 400_000);
    }
}

#[test]
fn a_type_within_types_is_spelled_out_so_far() {
    let deep = (0..500).fold(
        json!({"type": "string"}),
        |inner, _| json!({"type": "array", "items": inner}),
    );
    let page = shown(&json!({"components": {"schemas": {"Deep": deep}}}));
    assert!(page.contains("list of list of list of list of ...</p>"));
}
