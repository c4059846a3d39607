//! Where pages lead: every address of the Dashboard that a page names.

use url::form_urlencoded::Serializer;

use crate::domain::id::{KeyId, SessionId};

pub(super) const KEYS: &str = "/dashboard/keys";
pub(super) const NEW_KEY: &str = "/dashboard/keys/new";
pub(super) const REQUESTS: &str = "/dashboard/requests";
pub(super) const IDEMPOTENCY: &str = "/dashboard/idempotency";
pub(super) const SESSIONS: &str = "/dashboard/sessions";
pub(super) const LOGIN: &str = "/dashboard/login";
pub(super) const LOGOUT: &str = "/dashboard/logout";
pub(super) const REQUEST_EVENTS: &str = "/dashboard/events/requests";

/// The page of a key.
pub(super) fn key(id: KeyId) -> String {
    format!("{KEYS}/{id}")
}

/// Where a form about a key is sent: `update`, `roll` or `revoke`.
pub(super) fn key_verb(id: KeyId, verb: &str) -> String {
    format!("{KEYS}/{id}/{verb}")
}

/// What happens to a key, as it happens.
pub(super) fn key_events(id: KeyId) -> String {
    format!("/dashboard/events/keys/{id}")
}

/// The page of a request.
pub(super) fn request(number: u64) -> String {
    format!("{REQUESTS}/{number}")
}

/// The page of a session.
pub(super) fn session(id: SessionId) -> String {
    format!("{SESSIONS}/{id}")
}

/// A path and those of the fields that have a value.
pub(super) fn with_query<'a>(
    path: &str,
    fields: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let given = fields.into_iter().filter(|(_, value)| !value.is_empty());
    let query = Serializer::new(String::new()).extend_pairs(given).finish();
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_what_was_given_and_is_encoded() {
        assert_eq!(with_query(KEYS, [("mode", "")]), KEYS);
        assert_eq!(
            with_query(KEYS, [("mode", ""), ("text", "a&b=<c>"), ("sort", "name")]),
            "/dashboard/keys?text=a%26b%3D%3Cc%3E&sort=name"
        );
    }
}
