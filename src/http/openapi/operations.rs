//! Every operation of the API: who may, what it takes, what it answers. A test asks the server whether this is all.

use serde_json::json;

use super::operation::{Answered, Auth, Body, Operation, Parameter};
use super::{bodies, reference};
use crate::app::objects::{PaymentObject, RefundObject, SessionConfig, SessionObject};
use crate::domain::refusal::Refusal;
use crate::http::payments::testing::CardList;
use crate::simulator::cards::Category;

/// The parts of the API.
pub(super) const TAGS: [(&str, &str); 5] = [
    ("Sessions", "What a buyer is to pay."),
    ("Payments", "What became of it."),
    ("Testing", "What helps to test a shop, in test mode."),
    (
        "Mock",
        "Handles of `atlas mock`: its clock, faults on purpose, what it was sent.",
    ),
    ("Server", "Whether it runs, and what it offers."),
];

const SESSION_ID: Parameter = Parameter {
    name: "id",
    place: "path",
    text: "The session's id.",
    schema: || json!({ "type": "string", "examples": ["sess_0VbyabOC3MYoNi0qWxJl1a2b"] }),
};
const PAYMENT_ID: Parameter = Parameter {
    name: "id",
    place: "path",
    text: "The payment's id.",
    schema: || json!({ "type": "string", "examples": ["pay_0VbyabOC3MYoNi0qWxJl1a2b"] }),
};
const CATEGORY: Parameter = Parameter {
    name: "category",
    place: "query",
    text: "Only the cards of this category.",
    schema: || json!({ "type": "string", "enum": Category::WORDS }),
};
const SESSION: Answered = Answered {
    status: 200,
    text: "The session.",
    schema: Some(reference::<SessionObject<'_>>),
};
const PAYMENT: Answered = Answered {
    status: 200,
    text: "The payment.",
    schema: Some(reference::<PaymentObject<'_>>),
};

/// What paying is refused for.
fn of_paying() -> Vec<Refusal> {
    let takes = String::new();
    vec![
        Refusal::PaymentFailed { decline_code: "" },
        Refusal::SessionNotFound,
        Refusal::SessionCompleted,
        Refusal::SessionProcessing,
        Refusal::PaymentMethodInvalid { takes },
        Refusal::TokenProviderInvalid,
    ]
}

/// Everything that can be asked for.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation {
            method: "post",
            path: "/functions/v1/create-session",
            id: "createSession",
            tag: "Sessions",
            summary: "Make a payment session",
            description: "Says what a buyer is to pay. The answer's client_secret goes to the buyer's browser, never the key.",
            auth: Auth::Merchant,
            parameters: vec![],
            body: Some(Body {
                schema: bodies::new_session,
                required: true,
                example: || json!({ "amount": 4990, "currency": "USD" }),
            }),
            answers: vec![Answered {
                status: 201,
                text: "The new session.",
                schema: Some(reference::<SessionObject<'_>>),
            }],
            own_refusals: vec![Refusal::LiveModeUnavailable],
        },
        Operation {
            method: "get",
            path: "/functions/v1/sessions/{id}",
            id: "readSession",
            tag: "Sessions",
            summary: "Read a session",
            description: "As it stands now; one that nobody has paid in time reads as canceled.",
            auth: Auth::Anyone,
            parameters: vec![SESSION_ID],
            body: None,
            answers: vec![SESSION],
            own_refusals: vec![Refusal::SessionNotFound],
        },
        Operation {
            method: "patch",
            path: "/functions/v1/sessions/{id}",
            id: "updateSession",
            tag: "Sessions",
            summary: "Change a session that nobody has paid",
            description: "Members that are absent or null stay as they are; metadata and customer are merged name by name.",
            auth: Auth::Anyone,
            parameters: vec![SESSION_ID],
            body: Some(Body {
                schema: bodies::session_change,
                required: true,
                example: || json!({ "amount": 5990, "metadata": { "coupon": null } }),
            }),
            answers: vec![SESSION],
            own_refusals: vec![Refusal::SessionNotFound, Refusal::SessionNotUpdatable],
        },
        Operation {
            method: "post",
            path: "/functions/v1/sessions/{id}/cancel",
            id: "cancelSession",
            tag: "Sessions",
            summary: "Give a session up",
            description: "Works until it has ended or money was taken; money that is held is let go.",
            auth: Auth::Anyone,
            parameters: vec![SESSION_ID],
            body: Some(Body {
                schema: bodies::cancellation,
                required: false,
                example: || json!({ "cancellation_reason": "abandoned" }),
            }),
            answers: vec![SESSION],
            own_refusals: vec![Refusal::SessionNotFound, Refusal::SessionNotCancelable],
        },
        Operation {
            method: "get",
            path: "/functions/v1/get-session-config/{id}",
            id: "readSessionConfig",
            tag: "Sessions",
            summary: "Read what a page of the shop needs",
            description: "For the buyer's browser, while the session can be paid.",
            auth: Auth::Buyer,
            parameters: vec![SESSION_ID],
            body: None,
            answers: vec![Answered {
                status: 200,
                text: "What the page needs.",
                schema: Some(reference::<SessionConfig<'_>>),
            }],
            own_refusals: vec![Refusal::SessionNotFound, Refusal::SessionStateInvalid],
        },
        Operation {
            method: "post",
            path: "/functions/v1/confirm-payment/{id}",
            id: "confirmPayment",
            tag: "Payments",
            summary: "Pay a session",
            description: "In test mode the test card of token_id decides what comes of it. A decline is kept under an Idempotency-Key like any answer.",
            auth: Auth::Buyer,
            parameters: vec![SESSION_ID],
            body: Some(Body {
                schema: bodies::confirmation,
                required: true,
                example: || json!({ "token_id": "tok_visa" }),
            }),
            answers: vec![PAYMENT],
            own_refusals: of_paying(),
        },
        Operation {
            method: "post",
            path: "/functions/v1/confirm-payment",
            id: "confirmPaymentOf",
            tag: "Payments",
            summary: "Pay the session that the body names",
            description: "As with the session in the path.",
            auth: Auth::Buyer,
            parameters: vec![],
            body: Some(Body {
                schema: bodies::named_confirmation,
                required: true,
                example: || json!({ "session_id": "sess_0VbyabOC3MYoNi0qWxJl1a2b", "token_id": "tok_visa" }),
            }),
            answers: vec![PAYMENT],
            own_refusals: of_paying(),
        },
        Operation {
            method: "post",
            path: "/functions/v1/capture-payment/{id}",
            id: "capturePayment",
            tag: "Payments",
            summary: "Take money that is held",
            description: "All that is left of it, or the amount that is said; never more. When nothing is left, nothing changes.",
            auth: Auth::Merchant,
            parameters: vec![PAYMENT_ID],
            body: Some(Body {
                schema: bodies::capture,
                required: false,
                example: || json!({ "amount": 1000 }),
            }),
            answers: vec![PAYMENT],
            own_refusals: vec![Refusal::PaymentNotFound, Refusal::PaymentNotCapturable],
        },
        Operation {
            method: "post",
            path: "/functions/v1/refund-payment/{id}",
            id: "refundPayment",
            tag: "Payments",
            summary: "Give money back",
            description: "All that was taken and is not given back yet, or the amount that is said; never more.",
            auth: Auth::Merchant,
            parameters: vec![PAYMENT_ID],
            body: Some(Body {
                schema: bodies::refund,
                required: false,
                example: || json!({ "amount": 500, "reason": "one of two came broken" }),
            }),
            answers: vec![Answered {
                status: 200,
                text: "The refund.",
                schema: Some(reference::<RefundObject<'_>>),
            }],
            own_refusals: vec![Refusal::PaymentNotFound, Refusal::PaymentNotRefundable],
        },
        Operation {
            method: "get",
            path: "/functions/v1/test-cards",
            id: "listTestCards",
            tag: "Testing",
            summary: "List the test cards",
            description: "Each card decides what comes of paying with it. Any later expiry and any CVC will do.",
            auth: Auth::Merchant,
            parameters: vec![CATEGORY],
            body: None,
            answers: vec![Answered {
                status: 200,
                text: "The cards.",
                schema: Some(reference::<CardList>),
            }],
            own_refusals: vec![Refusal::TestModeOnly],
        },
        Operation {
            method: "post",
            path: "/functions/v1/test-webhooks",
            id: "sendTestWebhook",
            tag: "Testing",
            summary: "Send an event to your endpoints",
            description: "About a session that there is, or a made-up one. Of the first, payment.captured, .failed, .canceled and .authorized become true; what can't come of it any more is refused. Nothing else happens.",
            auth: Auth::Merchant,
            parameters: vec![],
            body: Some(Body {
                schema: bodies::rehearsal,
                required: true,
                example: || json!({ "event_type": "payment.captured" }),
            }),
            answers: vec![Answered {
                status: 200,
                text: "The event, and to how many endpoints it goes.",
                schema: Some(|_| bodies::event()),
            }],
            own_refusals: vec![
                Refusal::SessionNotFound,
                Refusal::SessionStateInvalid,
                Refusal::TestModeOnly,
            ],
        },
        Operation {
            method: "get",
            path: "/functions/v1/health",
            id: "readHealth",
            tag: "Server",
            summary: "Ask whether payments can be taken",
            description: "Spends nothing.",
            auth: Auth::Nobody,
            parameters: vec![],
            body: None,
            answers: vec![Answered {
                status: 200,
                text: "They can.",
                schema: Some(|_| bodies::health()),
            }],
            own_refusals: vec![],
        },
        Operation {
            method: "get",
            path: "/healthz",
            id: "readLiveness",
            tag: "Server",
            summary: "Ask whether the process answers",
            description: "Spends nothing.",
            auth: Auth::Nobody,
            parameters: vec![],
            body: None,
            answers: vec![Answered {
                status: 200,
                text: "It does.",
                schema: Some(|_| bodies::status("ok")),
            }],
            own_refusals: vec![],
        },
        Operation {
            method: "get",
            path: "/readyz",
            id: "readReadiness",
            tag: "Server",
            summary: "Ask whether the store can be written",
            description: "Spends nothing.",
            auth: Auth::Nobody,
            parameters: vec![],
            body: None,
            answers: vec![Answered {
                status: 200,
                text: "It can.",
                schema: Some(|_| bodies::status("ready")),
            }],
            own_refusals: vec![],
        },
        Operation {
            method: "get",
            path: "/openapi.json",
            id: "readDocument",
            tag: "Server",
            summary: "Read this document",
            description: "Spends nothing.",
            auth: Auth::Nobody,
            parameters: vec![],
            body: None,
            answers: vec![Answered {
                status: 200,
                text: "This document.",
                schema: Some(|_| json!({ "type": "object" })),
            }],
            own_refusals: vec![],
        },
    ]
}
