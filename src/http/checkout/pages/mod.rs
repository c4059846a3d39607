//! The pages of the buyer: pure functions from views to HTML. A view is a plain struct with everything that a page
//! shows. No page carries a script, an inline style or the name of a merchant, and each form is sent to where the page
//! itself stands.
//!
//! `frame` is what all have in common; each other file is one page.

pub(in crate::http) mod error;
pub(in crate::http) mod frame;
pub(in crate::http) mod open;
pub(in crate::http) mod outcome;
pub(in crate::http) mod three_d_secure;

#[cfg(test)]
mod tests;
