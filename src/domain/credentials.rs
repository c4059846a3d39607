//! What stands in `Authorization`: the secret that it shows, good or not.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Reads `Bearer <secret>`, or HTTP Basic with the secret as user name and an empty password. Schemes are in any case
/// (RFC 9110, 11.1), followed by one or more spaces.
pub fn secret_of(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = value.split_at(space);
    let token = rest.trim_ascii();
    if token.is_empty() || token.iter().any(u8::is_ascii_whitespace) {
        return None;
    }
    if scheme.eq_ignore_ascii_case(b"bearer") {
        Some(Cow::Borrowed(token))
    } else if scheme.eq_ignore_ascii_case(b"basic") {
        let mut pair = STANDARD.decode(token).ok()?;
        (pair.pop() == Some(b':') && !pair.is_empty()).then_some(Cow::Owned(pair))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(value: &str) -> Option<String> {
        secret_of(value.as_bytes())
            .map(|bytes| String::from_utf8(bytes.into_owned()).expect("UTF-8"))
    }

    #[test]
    fn bearer_is_read_in_any_case_with_any_number_of_spaces() {
        for value in [
            "Bearer sk_test_a",
            "bearer sk_test_a",
            "BEARER   sk_test_a",
            "Bearer sk_test_a  ",
        ] {
            assert_eq!(secret(value).as_deref(), Some("sk_test_a"), "{value:?}");
        }
        assert_eq!(secret("Bearer SK_TEST_A").as_deref(), Some("SK_TEST_A"));
    }

    #[test]
    fn basic_takes_the_secret_as_user_with_an_empty_password() {
        let basic = |pair: &str| secret(&format!("Basic {}", STANDARD.encode(pair)));
        assert_eq!(basic("sk_test_a:").as_deref(), Some("sk_test_a"));
        assert_eq!(basic("sk_test_a:password"), None);
        assert_eq!(basic("sk_test_a"), None);
        assert_eq!(basic(":"), None);
        assert_eq!(secret("Basic !!!"), None);
    }

    #[test]
    fn what_is_no_key_is_nothing() {
        for value in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Foo sk_test_a",
            "sk_test_a",
            "",
            " ",
            "Bearer\tsk_test_a",
        ] {
            assert_eq!(secret(value), None, "{value:?}");
        }
    }
}
