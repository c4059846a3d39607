//! The buyer's page: where a payment session is paid by hand, in test mode only. `pages` is what the buyer sees, `form`
//! what they send, and `assets` its style.

pub(in crate::http) mod assets;
pub(in crate::http) mod form;
pub(in crate::http) mod pages;
