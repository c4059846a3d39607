//! The pages of the Dashboard: pure functions from views to HTML. A view is a plain struct with everything that a page
//! shows, the time included; who fills it lives beside this folder. Whatever is text goes through maud, which escapes
//! it, and nothing here carries an inline style or script, so that the Content-Security-Policy can forbid both.
//!
//! `layout` is the frame around every page, `parts`, `fields` and `listing` are what pages are made of, and `words` and
//! `links` turn values into text, as do `money` and `curl`, which are not the Dashboard's alone. Each other file is one page, or one subject.

mod chart;
pub(in crate::http) mod claims;
pub(in crate::http) mod deliveries;
pub(in crate::http) mod endpoints;
pub(in crate::http) mod error;
pub(in crate::http) mod event;
pub(in crate::http) mod fields;
pub(in crate::http) mod idempotency;
pub(in crate::http) mod key;
pub(in crate::http) mod key_forms;
pub(in crate::http) mod keys;
pub(in crate::http) mod layout;
pub(in crate::http) mod limits;
pub(in crate::http) mod links;
pub(in crate::http) mod listing;
pub(in crate::http) mod login;
mod parts;
pub(in crate::http) mod request;
pub(in crate::http) mod requests;
pub(in crate::http) mod secret;
pub(in crate::http) mod session;
pub(in crate::http) mod sessions;
pub(in crate::http) mod webhooks;
mod words;

use crate::http::{curl, money};
