//! Atlas: a payments API in one binary.
//!
//! *Decisions* are small pure functions over (what was, request, now). The *store* keeps what they decide, atomically.
//! *HTTP* only translates. A request goes from top to bottom:
//!
//! ```text
//! request
//!   1 request id      every response, the 404s too                                 http/request_id
//!   2 who             Authorization -> SecretHash -> ApiKey             else 401   http/who, app
//!   3 may they now    slot -> minute -> day                             else 429   limiter
//!   4 body, bounded   read once (never for a stranger), to a Fingerprint           http/body, domain/json
//!   5 seen before     Run(claim) | Replay | Mismatch | StillRunning                app/once, domain/idempotency
//!   6 work            only for Run; kept as a whole, so a hang-up can't cut it     app, domain/payment
//!   7 remember        effect and reply in one atomic write, synced, before the answer   store
//!   8 headers         allowance, replay mark; on refusals as well                  http/headers
//! response
//! ```
//!
//! `http::gate` is 1, 2, 3 and 8, for whatever is asked; `http::payments` and `app` are 4 to 7. The Dashboard comes through
//! the same gate: `http::dashboard` says who may, fills its pages, and changes keys by the verbs of the command line. So
//! do the mock's handles, `http::mock`; the faults that they ask for are at work in `http::gate` and `http::sending`.
//!
//! What happens is told to the merchant's servers (webhooks): an event and its rows of the outbox are kept in the commit
//! that brings it about, and `app::webhooks` sends what is in the outbox until it has arrived or was tried often enough.
//!
//! Test mode is real but for the money: `app::payments` changes sessions one at a time (`app::turns`), `domain::session`
//! holds every way from one state to the next, `simulator` says what comes of a card, and the buyer pays by the API or at
//! a page of `http::checkout`. `http::openapi` describes it all from the same types, and `http::docs` shows that.
//!
//! Requests of a mode with an upstream go there instead of to a handler: `http::forward` says which, `app::forward` takes
//! them up and brings their answers back exactly once, and `app::upstream` is the way there.
//!
//! The layers; each knows those below it only, and `tests/tidy.rs` checks that:
//!
//! | layer | knows | does |
//! | --- | --- | --- |
//! | `main`, `cli` | the terminal | one file a command |
//! | `serve` | actix | starts and stops the parts in the right order |
//! | `http` | actix | requests to verbs, answers to responses |
//! | `app` | tokio's tasks, httparse and hyper as clients | the service's verbs, where the layers below meet |
//! | `limiter` | governor | who may now; memory only |
//! | `store` | sled, bincode, the disk | what must outlive the process |
//! | `simulator` | the test cards | what test mode pretends |
//! | `clock`, `entropy`, `config`, `logging`, `metrics` | the system's time, its randomness, the environment, the log, Prometheus | |
//! | `domain` | nothing | the rules, and the types they speak in |
//! | `policy` | nothing | every number, with its unit and its reason |

#![cfg_attr(
    test,
    expect(clippy::expect_used, reason = "a test says by panicking what is wrong")
)]

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod entropy;
pub mod http;
pub mod limiter;
pub mod logging;
pub mod metrics;
pub mod policy;
pub mod serve;
pub mod simulator;
pub mod store;
