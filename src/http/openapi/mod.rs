//! The description of the API in OpenAPI 3.1, made of what the code itself goes by: its objects, words and numbers.

mod bodies;
mod handles;
mod operation;
mod operations;

use std::sync::LazyLock;

use actix_web::HttpResponse;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use self::operation::{Auth, Body, Operation, Parameter};
use self::operations::operations;
use super::refusal::ErrorBody;

const TEXT: &str = "Payments: a merchant's server makes a session, the buyer pays it. Send a secret key as `Authorization: \
                    Bearer sk_test_...`, make each POST and PATCH safe to repeat with an `Idempotency-Key`, and slow down \
                    when `X-RateLimit-Remaining` comes to an end.";
/// Headers of every answer, and what they say.
const EVERYWHERE: [(&str, &str, &str); 5] = [
    (
        "X-Request-Id",
        "string",
        "Names the request; a client's own is echoed.",
    ),
    (
        "X-RateLimit-Limit",
        "integer",
        "The limit that the next two speak of.",
    ),
    ("X-RateLimit-Remaining", "integer", "What is left of it."),
    (
        "X-RateLimit-Reset",
        "integer",
        "Unix seconds when all of it is there again.",
    ),
    (
        "X-RateLimit-Scope",
        "string",
        "Which limit: minute, day, concurrency or address.",
    ),
];

static DOCUMENT: LazyLock<Value> = LazyLock::new(build);
static TEXT_OF_DOCUMENT: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());

/// The whole document.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// `GET /openapi.json`
pub(super) async fn serve() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(TEXT_OF_DOCUMENT.as_str())
}

fn build() -> Value {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let error = reference::<ErrorBody<'_>>(&mut generator);
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations().iter().chain(&handles::operations()) {
        let described = describe(operation, &error, &mut generator);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described;
    }
    let headers: Map<String, Value> = EVERYWHERE
        .iter()
        .map(|(name, kind, text)| {
            (
                (*name).to_owned(),
                json!({ "description": text, "required": true, "schema": { "type": kind } }),
            )
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Atlas", "version": env!("CARGO_PKG_VERSION"), "description": TEXT },
        "servers": [{ "url": "/", "description": "This server" }],
        "tags": operations::TAGS.map(|(name, description)| json!({ "name": name, "description": description })),
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "headers": headers,
            "securitySchemes": {
                "secret_key": { "type": "http", "scheme": "bearer", "description": "An API key: sk_test_... or sk_live_..." },
                "client_secret": { "type": "http", "scheme": "bearer", "description": "The client_secret of the session: cs_..." },
            },
        },
    })
}

/// A schema of its own under `components`, and what refers to it.
fn reference<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

fn describe(operation: &Operation, error: &Value, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for answer in &operation.answers {
        let content = answer
            .schema
            .map(|schema| json!({ "application/json": { "schema": schema(generator) } }));
        responses.insert(
            answer.status.to_string(),
            response(answer.text, content, operation.is_idempotent()),
        );
    }
    for (status, text) in operation.refusals() {
        let content = json!({ "application/json": { "schema": error } });
        responses.insert(status.to_string(), response(text, Some(content), false));
    }
    let mut out = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": parameters(operation),
        "security": security(operation.auth),
        "responses": responses,
    });
    if let Some(Body {
        schema,
        required,
        example,
    }) = operation.body
    {
        let content = json!({ "schema": schema(), "example": example() });
        out["requestBody"] =
            json!({ "required": required, "content": { "application/json": content } });
    }
    out
}

fn response(text: &str, content: Option<Value>, may_be_replayed: bool) -> Value {
    let mut headers: Map<String, Value> = EVERYWHERE
        .iter()
        .map(|(name, ..)| {
            (
                (*name).to_owned(),
                json!({ "$ref": format!("#/components/headers/{name}") }),
            )
        })
        .collect();
    if may_be_replayed {
        let text = "`true` when this is the kept answer of an earlier request.";
        let header =
            json!({ "description": text, "schema": { "type": "string", "const": "true" } });
        headers.insert("Idempotent-Replayed".to_owned(), header);
    }
    let mut out = json!({ "description": text, "headers": headers });
    if let Some(content) = content {
        out["content"] = content;
    }
    out
}

fn security(auth: Auth) -> Value {
    match auth {
        Auth::Nobody => json!([]),
        Auth::Merchant => json!([{ "secret_key": [] }]),
        Auth::Buyer => json!([{ "client_secret": [] }]),
        Auth::Anyone => json!([{ "secret_key": [] }, { "client_secret": [] }]),
    }
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let mut all: Vec<Value> = operation.parameters.iter().map(parameter).collect();
    if operation.is_idempotent() {
        all.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false, "example": "order_12345",
            "description": "Makes the request safe to repeat for 24 hours: the same request gets the same answer.",
            "schema": { "type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$" },
        }));
    }
    all
}

fn parameter(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name, "in": parameter.place, "required": parameter.place == "path",
        "description": parameter.text, "schema": (parameter.schema)(),
    })
}
