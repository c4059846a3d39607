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

use self::operation::{Auth, Body, Operation, Parameter, Refused};
use self::operations::operations;
use super::refusal::ErrorBody;

const TEXT: &str = "Payments: a merchant's server makes a session, the buyer pays it. Send a secret key as `Authorization: \
                    Bearer sk_test_...`, make each POST and PATCH safe to repeat with an `Idempotency-Key`, and slow down \
                    when `X-RateLimit-Remaining` comes to an end.";
/// Headers of every answer, and what they say.
const EVERYWHERE: [(&str, &str, &str); 7] = [
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
    (
        "RateLimit-Policy",
        "string",
        "Every limit, in the form of the IETF draft.",
    ),
    (
        "RateLimit",
        "string",
        "What is left of each, in the form of the IETF draft.",
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
    let mut schemas = generator.take_definitions(true);
    schemas.values_mut().for_each(leave_out_null);
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Atlas", "version": env!("CARGO_PKG_VERSION"), "description": TEXT },
        "servers": [{ "url": "/", "description": "This server" }],
        "tags": operations::TAGS.map(|(name, description)| json!({ "name": name, "description": description })),
        "paths": paths,
        "components": {
            "schemas": schemas,
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
        let mut headers = headers_of(operation);
        if operation.is_idempotent() {
            let text = "`true` when this is the kept answer of an earlier request.";
            let schema = json!({ "type": "string", "const": "true" });
            headers.insert(
                "Idempotent-Replayed".to_owned(),
                header(text, false, &schema),
            );
        }
        responses.insert(
            answer.status.to_string(),
            response(answer.text, content, headers),
        );
    }
    for refused in operation.refusals() {
        let mut schema = error.clone();
        schema["properties"] =
            json!({ "error": { "properties": { "code": { "enum": refused.codes } } } });
        let content = json!({ "application/json": { "schema": schema } });
        let mut headers = headers_of(operation);
        headers.extend(headers_of_refusal(&refused));
        let described = response(&refused.text(), Some(content), headers);
        responses.insert(refused.status.to_string(), described);
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

fn header(text: &str, required: bool, schema: &Value) -> Value {
    json!({ "description": text, "required": required, "schema": schema })
}

/// The headers of every answer to an operation.
fn headers_of(operation: &Operation) -> Map<String, Value> {
    let everywhere = EVERYWHERE.iter().map(|(name, ..)| {
        let place = format!("#/components/headers/{name}");
        ((*name).to_owned(), json!({ "$ref": place }))
    });
    let echo = operation.is_idempotent().then(|| {
        let text = "The request's own.";
        let schema = json!({ "type": "string" });
        ("Idempotency-Key".to_owned(), header(text, false, &schema))
    });
    everywhere.chain(echo).collect()
}

/// What a refusal says besides in headers.
fn headers_of_refusal(refused: &Refused) -> Option<(String, Value)> {
    if refused.has_credential {
        let scheme = json!({ "type": "string", "const": "Bearer" });
        let described = header("What to send.", true, &scheme);
        return Some(("WWW-Authenticate".to_owned(), described));
    }
    let seconds = json!({ "type": "integer", "minimum": 1 });
    let text = "Whole seconds after which a request is admitted.";
    let waits = |code: &&str| {
        [
            "idempotency_key_in_use",
            "upstream_unavailable",
            "connection_closing",
        ]
        .contains(code)
    };
    let is_always = refused.status == 429;
    (is_always || refused.codes.iter().any(waits))
        .then(|| ("Retry-After".to_owned(), header(text, is_always, &seconds)))
}

fn response(text: &str, content: Option<Value>, headers: Map<String, Value>) -> Value {
    let mut out = json!({ "description": text, "headers": headers });
    if let Some(content) = content {
        out["content"] = content;
    }
    out
}

/// A member that may be left out is left out where there is nothing to say, and so is never null.
fn leave_out_null(schema: &mut Value) {
    let required = schema.get("required").cloned().unwrap_or_default();
    let is_required = |name: &str| {
        let names = required.as_array();
        names.is_some_and(|names| names.iter().any(|one| one == name))
    };
    let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (_, member) in members.iter_mut().filter(|(name, _)| !is_required(name)) {
        if let Some(types) = member.get_mut("type").and_then(Value::as_array_mut) {
            types.retain(|kind| kind != "null");
            if let [kind] = &types[..] {
                member["type"] = kind.clone();
            }
        }
        if let Some(ways) = member.get_mut("anyOf").and_then(Value::as_array_mut) {
            ways.retain(|way| way["type"] != "null");
        }
    }
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
    let schema = json!({ "type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$" });
    if operation.is_idempotent() {
        all.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false, "example": "order_12345",
            "description": "Makes the request safe to repeat for 24 hours: the same request gets the same answer.",
            "schema": schema,
        }));
        all.push(json!({
            "name": "X-Idempotency-Key", "in": "header", "required": false,
            "description": "The same, where there is no Idempotency-Key.", "schema": schema,
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

#[cfg(test)]
mod tests;
