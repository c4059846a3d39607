//! The handles of the mock, as operations.

use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::operation::{Answered, Auth, Body, Operation, Parameter};
use super::reference;
use crate::domain::refusal::Refusal;
use crate::http::mock::clock::Shown;
use crate::http::mock::faults::FaultObject;
use crate::http::mock::limits::LimitsObject;
use crate::http::mock::requests::RequestObject;
use crate::policy;

pub(super) const TAG: &str = "Mock";

const fn answered(
    status: u16,
    text: &'static str,
    schema: fn(&mut SchemaGenerator) -> Value,
) -> Answered {
    Answered {
        status,
        text,
        schema: Some(schema),
    }
}

fn list<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    let items = reference::<T>(generator);
    json!({
        "type": "object", "required": ["object", "data"],
        "properties": { "object": { "const": "list" }, "data": { "type": "array", "items": items } },
    })
}

fn text(what: &str) -> Value {
    json!({ "type": ["string", "null"], "description": what })
}

fn whole(what: &str) -> Value {
    json!({ "type": ["integer", "null"], "minimum": 0, "description": what })
}

fn clock_move() -> Value {
    json!({
        "type": "object", "description": "One of the two.",
        "properties": {
            "advance": { "type": ["string", "integer", "null"], "description": "How far: 24h, 90s, or whole seconds.", "examples": ["24h"] },
            "set": { "type": ["string", "null"], "format": "date-time", "description": "Until when; not before now." },
        },
    })
}

fn rule() -> Value {
    json!({
        "type": "object", "required": ["fault"],
        "properties": {
            "fault": { "type": "string", "description": "As in X-Atlas-Mock.", "examples": ["status=503", "delay=2s; truncate-body"] },
            "method": text("Only requests of this method."),
            "path": text("Only requests of this path; of all that begin so, when it ends in *."),
            "key": text("Only requests of this test key: its secret or its id."),
            "times": whole("Only the next so many."),
            "share": { "type": ["number", "null"], "minimum": 0, "maximum": 1, "description": "Which part of them." },
            "seed": whole("The same seed hits the same ones."),
        },
    })
}

fn left() -> Value {
    json!({
        "type": "object", "required": ["key"],
        "properties": {
            "key": { "type": "string", "description": "A test key: its secret or its id.", "examples": ["sk_test_anything"] },
            "minute": whole("What remains of this minute."),
            "day": whole("What remains of this UTC day."),
            "concurrency": whole("Slots that remain free."),
        },
    })
}

fn query(name: &'static str, what: &'static str) -> Parameter {
    Parameter {
        name,
        place: "query",
        text: what,
        schema: || json!({ "type": "string" }),
    }
}

const fn operation(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> Operation {
    Operation {
        method,
        path,
        id,
        tag: TAG,
        summary,
        description: "Only `atlas mock` has this. Spends nothing; no key is asked for.",
        auth: Auth::Nobody,
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        own_refusals: Vec::new(),
    }
}

fn body(schema: fn() -> Value, example: fn() -> Value) -> Option<Body> {
    Some(Body {
        schema,
        required: true,
        example,
    })
}

/// Everything that the handles can be asked for.
pub(super) fn operations() -> Vec<Operation> {
    const CLOCK: &str = "/_mock/clock";
    const FAULTS: &str = "/_mock/faults";
    let id = Parameter {
        name: "id",
        place: "path",
        text: "The rule's id.",
        schema: || json!({ "type": "string" }),
    };
    let limit = Parameter {
        name: "limit",
        place: "query",
        text: "The latest so many.",
        schema: || json!({ "type": "integer", "minimum": 1, "maximum": policy::REQUESTS_TOLD_MAX, "default": policy::REQUESTS_TOLD }),
    };
    vec![
        Operation {
            answers: vec![answered(200, "What time it is.", reference::<Shown>)],
            ..operation("get", CLOCK, "readClock", "Read the clock")
        },
        Operation {
            body: body(clock_move, || json!({ "advance": "24h" })),
            answers: vec![answered(200, "What time it is now.", reference::<Shown>)],
            ..operation("post", CLOCK, "moveClock", "Move the clock forward")
        },
        Operation {
            answers: vec![answered(200, "The rules.", list::<FaultObject>)],
            ..operation("get", FAULTS, "listFaults", "List the rules of faults")
        },
        Operation {
            body: body(
                rule,
                || json!({ "fault": "status=503", "path": "/functions/v1/create-session", "times": 3 }),
            ),
            answers: vec![answered(201, "The new rule.", reference::<FaultObject>)],
            ..operation("post", FAULTS, "addFault", "Make requests fail")
        },
        Operation {
            answers: vec![answered(
                200,
                "How many there were.",
                |_| json!({ "type": "object", "required": ["deleted"], "properties": { "deleted": { "type": "integer" } } }),
            )],
            ..operation(
                "delete",
                FAULTS,
                "removeFaults",
                "Remove every rule of faults",
            )
        },
        Operation {
            own_refusals: vec![Refusal::FaultNotFound],
            parameters: vec![id],
            answers: vec![answered(
                200,
                "The rule that was.",
                reference::<FaultObject>,
            )],
            ..operation(
                "delete",
                "/_mock/faults/{id}",
                "removeFault",
                "Remove a rule of faults",
            )
        },
        Operation {
            parameters: vec![
                query("method", "Only requests of this method."),
                query(
                    "path",
                    "Only requests of this path; of all that begin so, when it ends in *.",
                ),
                query(
                    "status",
                    "Only requests with this status, as 503, 5xx, or null for none.",
                ),
                query("key", "Only requests of this key: its secret or its id."),
                query(
                    "idempotency_key",
                    "Only requests with this idempotency key.",
                ),
                limit,
            ],
            answers: vec![answered(
                200,
                "The requests, oldest first, with secrets masked.",
                list::<RequestObject>,
            )],
            ..operation(
                "get",
                "/_mock/requests",
                "listRequests",
                "Read what was sent",
            )
        },
        Operation {
            body: body(left, || json!({ "key": "sk_test_anything", "minute": 1 })),
            answers: vec![answered(
                200,
                "What the limits stand at.",
                reference::<LimitsObject>,
            )],
            ..operation(
                "post",
                "/_mock/limits",
                "setLimits",
                "Set what is left of a key's limits",
            )
        },
        Operation {
            body: body(|| json!({ "type": "object" }), || json!({})),
            answers: vec![answered(
                200,
                "All is as at the start.",
                |_| json!({ "type": "object", "required": ["reset"], "properties": { "reset": { "const": true } } }),
            )],
            ..operation("post", "/_mock/reset", "reset", "Begin anew")
        },
    ]
}
