//! What goes up and what comes down, also where the other side means ill.

use super::*;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn said() -> Said<'static> {
    Said {
        idempotency_key: None,
        request_id: "req_1",
        client: CLIENT,
        is_tls: false,
        host: Some("shop.example"),
    }
}

/// The headers as lines, in order of their names.
fn lines(headers: &Fields) -> Vec<String> {
    let line = |(name, value): (&str, &[u8])| format!("{name}: {}", String::from_utf8_lossy(value));
    let mut lines: Vec<String> = headers.iter().map(line).collect();
    lines.sort();
    lines
}

fn up_lines(client: &[(&str, &str)], said: &Said<'_>) -> Vec<String> {
    let client = client.iter().map(|(name, value)| (*name, value.as_bytes()));
    lines(&up(client, said))
}

fn down_lines(upstream: &[(&'static str, &'static str)]) -> Vec<String> {
    let upstream = upstream.iter();
    lines(&down(
        upstream.map(|(name, value)| (*name, value.as_bytes())),
    ))
}

/// What goes up of a client that sends nothing.
const BARE: [&str; 6] = [
    "accept-encoding: identity",
    "forwarded: for=192.0.2.1;proto=http;host=shop.example",
    "x-forwarded-for: 192.0.2.1",
    "x-forwarded-host: shop.example",
    "x-forwarded-proto: http",
    "x-request-id: req_1",
];

#[test]
fn a_clients_headers_go_up_as_they_came() {
    let sent = [
        ("Accept", "application/json"),
        ("Content-Type", "text/csv"),
        ("User-Agent", "shop/1"),
        ("Stripe-Version", "2024-06-20"),
        ("X-Twice", "a"),
        ("X-Twice", "b"),
        ("X-Empty", ""),
    ];
    let lines = up_lines(&sent, &said());
    for (name, value) in sent {
        let line = format!("{}: {value}", name.to_lowercase());
        assert!(lines.contains(&line), "{line}");
    }
    assert_eq!(lines.len(), sent.len() + BARE.len());
    let latin = [("x-name", &b"caf\xe9"[..])].into_iter();
    assert_eq!(up(latin, &said()).get("x-name"), Some(&b"caf\xe9"[..]));
}

#[test]
fn what_is_for_us_or_for_one_connection_does_not_go_up() {
    for name in [
        "Accept-Encoding",
        "Authorization",
        "Connection",
        "Content-Length",
        "Cookie",
        "Expect",
        "Forwarded",
        "Host",
        "Idempotency-Key",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "X-Atlas-Mock",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Proto",
        "X-Idempotency-Key",
        "X-Real-IP",
        "X-Request-Id",
    ] {
        assert_eq!(
            up_lines(&[(name, "theirs"), (name, "again")], &said()),
            BARE,
            "{name}"
        );
    }
}

#[test]
fn what_connection_names_does_not_go_up_but_what_we_say_does() {
    let sent = [
        ("Connection", "close, X-One,,\tx-two "),
        (
            "Connection",
            "Idempotency-Key, X-Request-Id, Forwarded, \u{e9}",
        ),
        ("X-One", "1"),
        ("X-Two", "2"),
        ("X-Three", "3"),
    ];
    let said = Said {
        idempotency_key: Some("order_1"),
        ..said()
    };
    let lines = up_lines(&sent, &said);
    let expected = ["idempotency-key: order_1", "x-three: 3"];
    let mut expected: Vec<&str> = expected.into_iter().chain(BARE).collect();
    expected.sort_unstable();
    assert_eq!(lines, expected);
}

#[test]
fn forwarded_is_quoted_where_it_is_no_token_and_silent_of_hosts_that_are_none() {
    let told = |client: &str, is_tls, host| {
        let client = client.parse().expect("an address");
        let headers = up(
            std::iter::empty(),
            &Said {
                client,
                is_tls,
                host,
                ..said()
            },
        );
        let text = |name: &str| {
            let value = headers.get(name)?;
            Some(String::from_utf8(value.to_vec()).expect("ASCII"))
        };
        assert_eq!(text("x-forwarded-for"), Some(client.to_string()));
        let forwarded = text("forwarded").expect("Forwarded");
        (forwarded, text("x-forwarded-host"))
    };
    let (forwarded, host) = told("2001:db8::1", true, Some("shop.example:8443"));
    assert_eq!(
        forwarded,
        r#"for="[2001:db8::1]";proto=https;host="shop.example:8443""#
    );
    assert_eq!(host.as_deref(), Some("shop.example:8443"));
    let (forwarded, host) = told("192.0.2.1", false, Some("[::1]:80"));
    assert_eq!(forwarded, r#"for=192.0.2.1;proto=http;host="[::1]:80""#);
    assert_eq!(host.as_deref(), Some("[::1]:80"));
    let long = "a".repeat(policy::URL_MAX + 1);
    for host in [
        None,
        Some(""),
        Some("a b"),
        Some("a,b"),
        Some("a;for=10.0.0.1"),
        Some("a\";for=10.0.0.1"),
        Some("a\\"),
        Some("user@a"),
        Some("a/b"),
        Some("caf\u{e9}"),
        Some(&long),
    ] {
        assert_eq!(
            told("192.0.2.1", false, host),
            ("for=192.0.2.1;proto=http".to_owned(), None),
            "{host:?}"
        );
    }
}

#[test]
fn an_answers_headers_come_down_as_they_came() {
    let sent = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
        ("etag", "\"a\""),
        ("location", "https://elsewhere.example/"),
        ("retry-after", "7"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("www-authenticate", "Bearer"),
        ("x-limit", "1"),
    ];
    let mut expected: Vec<String> = sent
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    expected.sort();
    assert_eq!(down_lines(&sent), expected);
}

#[test]
fn what_we_say_ourselves_does_not_come_down() {
    for name in [
        "access-control-allow-origin",
        "access-control-expose-headers",
        "connection",
        "content-length",
        "date",
        "idempotency-key",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ] {
        assert_eq!(down_lines(&[(name, "1")]), Vec::<String>::new(), "{name}");
    }
    let named = [
        ("connection", "X-One, x-request-id"),
        ("x-one", "1"),
        ("x-request-id", "1"),
        ("x-two", "2"),
    ];
    assert_eq!(down_lines(&named), ["x-two: 2"]);
}

#[test]
fn what_speaks_of_the_upstream_has_a_name_of_its_own() {
    for (name, becomes) in [
        ("x-request-id", "x-upstream-request-id"),
        ("idempotent-replayed", "x-upstream-idempotent-replayed"),
        ("x-ratelimit-limit", "x-upstream-ratelimit-limit"),
        ("x-ratelimit-scope", "x-upstream-ratelimit-scope"),
        ("ratelimit", "x-upstream-ratelimit"),
        ("ratelimit-policy", "x-upstream-ratelimit-policy"),
    ] {
        assert_eq!(down_lines(&[(name, "1")]), [format!("{becomes}: 1")]);
    }
    let both = down_lines(&[("x-ratelimit-limit", "1"), ("ratelimit-limit", "2")]);
    assert_eq!(
        both,
        [
            "x-upstream-ratelimit-limit: 1",
            "x-upstream-ratelimit-limit: 2"
        ]
    );
}

#[test]
fn a_key_goes_up_as_it_came_for_the_default_account_and_never_meets_anothers() {
    let up = |account: &str, key: &str| {
        let account = account.parse().expect("an account");
        let key = IdempotencyKey::parse(key.as_bytes()).expect("a key");
        let up = idempotency_key("POST", &account, Some(&key)).expect("randomness");
        up.expect("a key")
    };
    let longest = "k".repeat(255);
    assert_eq!(up("default", "order 1"), "order 1");
    assert_eq!(up("default", &longest), longest);
    assert_eq!(up("shop", "order_1"), "shop:order_1");
    assert_eq!(up("default", "shop:order_1"), "default:shop:order_1");
    assert_eq!(
        up("shop", &"k".repeat(250)),
        format!("shop:{}", "k".repeat(250))
    );
    let hashed = up("shop", &"k".repeat(251));
    assert!(hashed.starts_with("~:") && hashed.len() == 66, "{hashed}");
    assert!(
        hashed[2..].bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{hashed}"
    );
    assert_eq!(hashed, up("shop", &"k".repeat(251)));
    let keys = [
        up("default", "b:c"),
        up("b", "c"),
        up("default", "default:b:c"),
        up("default", &hashed),
        up("shop", &longest),
        up("shoq", &longest),
        hashed,
    ];
    let different: std::collections::HashSet<&String> = keys.iter().collect();
    assert_eq!(different.len(), keys.len());
}

#[test]
fn without_a_key_of_the_clients_a_random_one_goes_up_on_post_and_patch_only() {
    let account = Account::default();
    let key = IdempotencyKey::parse(b"order_1").expect("a key");
    let random = |method| idempotency_key(method, &account, None).expect("randomness");
    for method in ["POST", "PATCH"] {
        let one = random(method).expect("a key");
        assert!(one.starts_with("atlas_") && one.len() == 30, "{one}");
        assert_ne!(Some(one), random(method));
    }
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post"] {
        assert_eq!(random(method), None, "{method}");
        assert_eq!(
            idempotency_key(method, &account, Some(&key)),
            Ok(None),
            "{method}"
        );
    }
}

fn reaches(upstream: &str, path: &str, query: &str) -> Result<String, Refusal> {
    let url: UpstreamUrl = upstream.parse().expect("a URL");
    let origin = url.as_str().strip_suffix(url.path()).expect("its path");
    target(&url, path, query).map(|target| format!("{origin}{target}"))
}

#[test]
fn the_upstreams_url_stands_for_functions_v1_and_the_rest_stays_as_it_is_encoded() {
    for (upstream, path, query, is) in [
        (
            "https://api.atlas.co/functions/v1",
            "/functions/v1/a",
            "",
            "https://api.atlas.co/functions/v1/a",
        ),
        (
            "https://api.atlas.co/",
            "/functions/v1/a/b/",
            "x=1&y=%20",
            "https://api.atlas.co/a/b/?x=1&y=%20",
        ),
        (
            "http://[::1]:9/p/",
            "/functions/v1/",
            "",
            "http://[::1]:9/p/",
        ),
        (
            "http://localhost:9/p",
            "/functions/v1",
            "q",
            "http://localhost:9/p?q",
        ),
        ("http://a", "/functions/v1", "", "http://a/"),
        ("http://a/", "/functions/v1", "q", "http://a/?q"),
        (
            "http://a",
            "/functions/v1/%2F%7e%C3%A9+a;b=c",
            "%",
            "http://a/%2F%7e%C3%A9+a;b=c?%",
        ),
        (
            "http://a/p",
            "/functions/v1//evil.example/x",
            "",
            "http://a/p//evil.example/x",
        ),
        (
            "http://a",
            "/functions/v1//evil.example/x",
            "",
            "http://a//evil.example/x",
        ),
        (
            "http://a",
            "/functions/v1/:80@evil.example/",
            "",
            "http://a/:80@evil.example/",
        ),
        (
            "http://a",
            "/functions/v1/...",
            "a=../..",
            "http://a/...?a=../..",
        ),
        (
            "http://a",
            "/functions/v1/.well-known/a..b/..c/d.",
            "",
            "http://a/.well-known/a..b/..c/d.",
        ),
    ] {
        assert_eq!(
            reaches(upstream, path, query).as_deref(),
            Ok(is),
            "{upstream} {path}"
        );
    }
}

#[test]
fn a_path_that_leads_elsewhere_is_refused() {
    let deep = format!("/functions/v1/%{}2e", "25".repeat(20_000));
    let long = format!("/functions/v1/{}", "a".repeat(70_000));
    for path in [
        "/",
        "/functions/v2/a",
        "/functions/v10",
        "/functions/v1.",
        "/functions/v1?/a",
        "/functions/v1/..",
        "/functions/v1/.",
        "/functions/v1/./a",
        "/functions/v1/a/../../b",
        "/functions/v1/%2e%2e/a",
        "/functions/v1/.%2E/a",
        "/functions/v1/%2e",
        "/functions/v1/a%2f..%2fb",
        "/functions/v1/a%2F%2e%2e",
        "/functions/v1/a\\..\\b",
        "/functions/v1/a%5c..%5Cb",
        "/functions/v1/..;/a",
        "/functions/v1/..;a=b/c",
        "/functions/v1/%2e%2e%3b/c",
        "/functions/v1/%252e%252e/a",
        "/functions/v1/%25252e./a",
        "/functions/v1/a?b",
        "/functions/v1/a#b",
        "/functions/v1/a b",
        "/functions/v1/a\r\nX: y",
        &deep,
        &long,
    ] {
        let refused = reaches("https://api.atlas.co/functions/v1", path, "");
        assert!(
            matches!(&refused, Err(Refusal::ParameterInvalid { param, .. }) if param == "path"),
            "{refused:?}"
        );
    }
    for query in ["a#b", "a b", "a\nb"] {
        assert!(
            reaches("http://a", "/functions/v1/a", query).is_err(),
            "{query}"
        );
    }
}
