//! The dashboard as a browser without script meets it: who gets in, what the pages say, what the forms do.

mod claims;
mod entrance;
pub mod events;
mod headers;
mod hostile;
mod hosts;
pub mod html;
mod idempotency;
mod key_ends;
mod key_forms;
mod key_list;
mod live;
mod masks;
pub mod operator;
mod origins;
mod passwords;
mod quotas;
mod request_pages;
mod requests;
mod rooms;
mod sessions;
mod spellings;
mod webhooks;
