//! `Authorization`: what is shown is what was meant, and how the scheme is written does not matter.

use atlas::domain::credentials::secret_of;
use atlas::domain::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub fn holds(bytes: &[u8]) {
    if let Some(secret) = secret_of(bytes) {
        assert!(!secret.is_empty());
        let space = bytes.iter().position(|byte| *byte == b' ');
        let (scheme, token) = bytes.split_at(space.expect("a scheme and a token"));
        for scheme in [scheme.to_ascii_lowercase(), scheme.to_ascii_uppercase()] {
            let spaced = [&scheme, &b"  "[..], token, b" "].concat();
            assert_eq!(secret_of(&spaced).as_deref(), Some(&*secret));
        }
    }
    // Basic carries any secret, Bearer those that are one word.
    let pair = STANDARD.encode([bytes, b":"].concat());
    let basic = format!("Basic {pair}");
    let shown = secret_of(basic.as_bytes());
    assert_eq!(shown.as_deref(), (!bytes.is_empty()).then_some(bytes));
    let bearer = [b"Bearer ", bytes].concat();
    let word = bytes.trim_ascii();
    let is_word = !word.is_empty() && !word.iter().any(u8::is_ascii_whitespace);
    assert_eq!(secret_of(&bearer).as_deref(), is_word.then_some(word));

    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(secret) = Secret::import(text)
    {
        assert_eq!(secret.expose(), text);
        let shown = secret.mask();
        assert!(shown.len() < text.len() && text.starts_with(&shown[..8]));
    }
}
