//! The path to an upstream: whatever a client asks for, nothing but the upstream's own part of its host is reached.

use atlas::app::upstream::headers::target;
use atlas::config::UpstreamUrl;

const HOST: &str = "https://api.atlas.co";
const UPSTREAM: &str = "https://api.atlas.co/functions/v1";

/// A path, and behind the first `?` a query.
pub fn holds(bytes: &[u8]) {
    let upstream: UpstreamUrl = UPSTREAM.parse().expect("a URL");
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for text in [text.to_owned(), format!("/functions/v1{text}")] {
        let (path, query) = text.split_once('?').unwrap_or((&text, ""));
        let Ok(target) = target(&upstream, path, query) else {
            continue;
        };
        let whole = format!("{HOST}{target}");
        assert!(whole.starts_with(UPSTREAM), "{path} leads to {whole}");
        // Another reader of URLs resolves dots, and takes backslashes for slashes.
        let mut seen = whole.clone();
        for _ in 0..4 {
            let read = url::Url::parse(&seen).expect("a URL");
            assert_eq!(read.origin().ascii_serialization(), HOST, "{whole}");
            let is_below =
                read.path() == "/functions/v1" || read.path().starts_with("/functions/v1/");
            assert!(is_below, "{whole} is read as {read}");
            let path = percent_encoding::percent_decode_str(read.path()).decode_utf8_lossy();
            seen = format!("{HOST}{}", path.replace(['?', '#'], "-"));
        }
    }
}
