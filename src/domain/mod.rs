//! Decisions, and the types they are made of. Pure: no I/O, no clock, no async, no lock. Everything that depends on
//! time gets `now` as an argument, everything random gets its bytes.

pub mod asked;
pub mod card_number;
pub mod circuit;
pub mod claim;
pub mod credentials;
pub mod delivery;
pub mod event;
pub mod fault;
pub mod fields;
pub mod id;
pub mod idempotency;
pub mod json;
pub mod key;
pub mod limit;
pub mod masking;
pub mod money;
pub mod new_session;
pub mod operator;
pub mod outcome;
pub mod payment;
pub mod refusal;
pub mod secret;
pub mod session;
pub mod session_change;
pub mod time;
pub(crate) mod web_url;
pub mod webhook;
pub(crate) mod words;
