//! Webhooks: what arrives at a merchant's server, when, and how it knows that it was us.

mod again;
pub mod delivery;
mod endpoints;
mod expiries;
mod metrics;
mod outbox;
pub mod receiver;
mod retries;
pub mod shop;
