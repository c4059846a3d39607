//! Webhooks: what arrives at a merchant's server, when, and how it knows that it was us.

mod again;
mod delivery;
mod endpoints;
mod outbox;
mod receiver;
mod retries;
mod shop;
