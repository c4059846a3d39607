//! Where pages lead: every address of the Dashboard that a page names.

use url::form_urlencoded::Serializer;

use crate::domain::id::{ClaimId, EndpointId, EventId, KeyId, SessionId};

pub(super) const KEYS: &str = "/dashboard/keys";
pub(super) const NEW_KEY: &str = "/dashboard/keys/new";
pub(super) const REQUESTS: &str = "/dashboard/requests";
pub(in crate::http) const IDEMPOTENCY: &str = "/dashboard/idempotency";
pub(super) const SESSIONS: &str = "/dashboard/sessions";
pub(in crate::http) const WEBHOOKS: &str = "/dashboard/webhooks";
pub(super) const NEW_WEBHOOK: &str = "/dashboard/webhooks/new";
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

/// What happens to a key, as it happens, after the request of this number.
pub(super) fn key_events(id: KeyId, seen: u64) -> String {
    format!("/dashboard/events/keys/{id}?after={seen}")
}

/// The page of a request.
pub(super) fn request(number: u64) -> String {
    format!("{REQUESTS}/{number}")
}

/// The page of a session.
pub(super) fn session(id: SessionId) -> String {
    format!("{SESSIONS}/{id}")
}

/// Where a form about a webhook endpoint is sent: `roll`, `pause`, `resume` or `remove`.
pub(super) fn endpoint_verb(id: EndpointId, verb: &str) -> String {
    format!("{WEBHOOKS}/{id}/{verb}")
}

/// Where the form is sent that settles a claim: as `done` or `free`.
pub(super) fn settle(id: ClaimId, end: &str) -> String {
    format!("{IDEMPOTENCY}/claims/{id}/{end}")
}

/// The page of an event.
pub(in crate::http) fn event(id: EventId) -> String {
    format!("{WEBHOOKS}/events/{id}")
}

/// Where the form is sent that sends an event to an endpoint again.
pub(super) fn send_again(event_id: EventId, endpoint: EndpointId) -> String {
    format!("{}/{endpoint}/send", event(event_id))
}

/// A path and those of the fields that have a value.
pub(in crate::http) fn with_query<'a>(
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
