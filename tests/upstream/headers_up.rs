//! Headers that go up: the client's own, but what is between two neighbours only, and what we say in its place.

use crate::caller::Call;
use crate::process::text;
use crate::world::{AUTHORIZATION, World};

/// The members of a Forwarded header of one element, checked to be tokens or quoted strings.
#[track_caller]
pub fn forwarded(value: &str) -> Vec<(String, String)> {
    let mut members: Vec<(String, String)> = Vec::new();
    let mut rest = value.chars().peekable();
    loop {
        let name: String = rest.by_ref().take_while(|c| *c != '=').collect();
        assert!(!name.is_empty() && name.chars().all(is_token), "{value}");
        let mut member = String::new();
        if rest.next_if_eq(&'"').is_some() {
            loop {
                match rest.next().unwrap_or_else(|| panic!("not closed: {value}")) {
                    '"' => break,
                    '\\' => member.extend(rest.next()),
                    c => member.push(c),
                }
            }
        } else {
            while let Some(c) = rest.next_if(|c| is_token(*c)) {
                member.push(c);
            }
        }
        members.push((name.to_lowercase(), member));
        match rest.next() {
            None => return members,
            Some(c) => assert_eq!(c, ';', "one element, quoted where it must be: {value}"),
        }
    }
}

/// Whether it may stand in a token of RFC 9110.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

fn members(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    expected.iter().map(owned).collect()
}

#[test]
fn headers_of_the_client_go_up_as_they_came() {
    let world = World::new();
    let own = [
        ("User-Agent", "shop/1.0 (x; y)"),
        ("Accept", "application/json, */*;q=0.1"),
        ("Accept-Language", "en"),
        ("Content-Encoding", "gzip"),
        ("If-None-Match", "\"a\""),
        ("Range", "bytes=0-1"),
        ("Referer", "https://shop.example/"),
        ("Origin", "https://shop.example"),
        ("X-Atlas-Version", "2024-01-01"),
        ("X-Empty", ""),
        ("X-Long", &"v".repeat(2000)),
    ];
    let mut call = Call::new("POST", "/functions/v1/a").raw(b"\x1f\x8b");
    for (name, value) in own {
        call = call.with(name, value);
    }
    call = call.with("X-Twice", "1").with("X-Twice", "2");
    world.send(&call).expect_status(201);
    let hit = world.upstream.hit();
    for (name, value) in own {
        assert_eq!(hit.header(&name.to_lowercase()), value, "{name}");
    }
    let twice = hit.headers.iter().filter(|(name, _)| name == "x-twice");
    let values: Vec<&str> = twice.map(|(_, value)| value.as_str()).collect();
    assert!(values == ["1", "2"] || values == ["1, 2"], "{values:?}");
}

#[test]
fn what_is_meant_for_us_or_for_the_next_hop_does_not_go_up() {
    let world = World::new();
    let call = Call::order("a")
        .with("Connection", "keep-alive, X-Hop ,x-other")
        .with("X-Hop", "dropped")
        .with("X-Other", "dropped")
        .with("Keep-Alive", "timeout=dropped")
        .with("Proxy-Authenticate", "dropped")
        .with("Proxy-Authorization", "dropped")
        .with("Proxy-Connection", "dropped")
        .with("TE", "trailers, dropped")
        .with("Trailer", "X-Dropped")
        .with("Upgrade", "dropped")
        .with("Cookie", "a=dropped")
        .with("Accept-Encoding", "gzip, dropped")
        .with("Forwarded", "for=dropped")
        .with("X-Forwarded-For", "dropped")
        .with("X-Forwarded-Proto", "dropped")
        .with("X-Forwarded-Host", "dropped")
        .with("X-Forwarded-Port", "dropped")
        .with("X-Forwarded-Anything", "dropped")
        .with("X-Real-IP", "dropped")
        .with("X-Atlas-Mock", "dropped")
        .with("X-Idempotency-Key", "the_key");
    world.send(&call).expect_status(201);
    let hit = world.upstream.hit();
    let request = text(&hit.bytes).to_lowercase();
    assert!(!request.contains("dropped"), "{request}");
    for name in [
        "x-idempotency-key",
        "te",
        "trailer",
        "upgrade",
        "keep-alive",
        "cookie",
    ] {
        assert_eq!(hit.find(name), None);
    }
    assert_eq!(hit.header("accept-encoding"), "identity");
    assert_eq!(hit.header("idempotency-key"), "the_key");
    assert!(!request.contains(&world.secret.to_lowercase()), "{request}");
}

#[test]
fn the_upstream_learns_who_asked_and_from_where() {
    let world = World::new();
    let call = Call::get("/functions/v1/a")
        .with("Host", "pay.example:8443")
        .with("X-Request-Id", "mine-1");
    let reply = world.send(&call);
    let hit = world.upstream.hit();
    assert_eq!(hit.header("authorization"), AUTHORIZATION);
    assert_eq!(hit.header("host"), world.upstream.address().to_string());
    assert_eq!(
        (hit.header("x-request-id"), reply.header("x-request-id")),
        ("mine-1", "mine-1")
    );
    assert_eq!(hit.header("x-forwarded-for"), "127.0.0.1");
    assert_eq!(hit.header("x-forwarded-proto"), "http");
    assert_eq!(hit.header("x-forwarded-host"), "pay.example:8443");
    let expected = [
        ("for", "127.0.0.1"),
        ("proto", "http"),
        ("host", "pay.example:8443"),
    ];
    assert_eq!(forwarded(hit.header("forwarded")), members(&expected));

    let reply = world.send(&Call::get("/functions/v1/b"));
    let hits = world.upstream.wait_for(2);
    let id = reply.header("x-request-id");
    assert!(id.starts_with("req_"), "{id}");
    assert_eq!(hits[1].header("x-request-id"), id);

    // A target that names its host says more than `Host` does.
    world.send(&Call::get("http://pay.example/functions/v1/c").with("Host", "other.example"));
    let hits = world.upstream.wait_for(3);
    assert_eq!(hits[2].header("x-forwarded-host"), "pay.example");
}

#[test]
fn the_client_behind_a_trusted_proxy_is_the_one_that_is_named() {
    let world = World::with(&["--trusted-proxy", "127.0.0.1"]);
    for (client, named) in [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8::9", "[2001:db8::9]"),
    ] {
        let before = world.upstream.hits().len();
        let call = Call::get("/functions/v1/a").with("X-Forwarded-For", client);
        world.send(&call).expect_status(200);
        let hits = world.upstream.wait_for(before + 1);
        let hit = hits.last().expect("it has arrived");
        assert_eq!(hit.header("x-forwarded-for"), client);
        let members = forwarded(hit.header("forwarded"));
        assert_eq!(members[0], ("for".to_owned(), named.to_owned()));
    }
}

#[test]
fn a_post_or_patch_without_a_key_gets_a_random_one_and_others_none() {
    let world = World::new();
    for method in ["POST", "PATCH", "POST", "GET", "PUT", "DELETE"] {
        world.send(&Call::new(method, "/functions/v1/a").json("{}"));
    }
    let hits = world.upstream.wait_for(6);
    let keys: Vec<&str> = hits[..3]
        .iter()
        .map(|hit| hit.header("idempotency-key"))
        .collect();
    for key in &keys {
        assert!(
            key.starts_with("atlas_") && key.len() >= "atlas_".len() + 20,
            "{key}"
        );
    }
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    for hit in &hits[3..] {
        assert_eq!(hit.find("idempotency-key"), None, "{}", hit.method);
    }
}

#[test]
fn the_answer_to_a_request_without_a_key_names_none() {
    let world = World::new();
    let reply = world.send(&Call::order("a"));
    assert_eq!(reply.find("idempotency-key"), None);
    assert_eq!(world.upstream.charges().len(), 1);
}

#[test]
fn a_name_that_some_servers_read_like_one_of_ours_does_not_go_up() {
    let world = World::new();
    let mut call = Call::keyed("order_1")
        .with("X_Any", "a")
        .with("X_Any_-_", "b");
    for name in [
        "Idempotency_Key",
        "idempotency_key",
        "X_Idempotency_Key",
        "X-Idempotency_Key",
        "X_Forwarded_For",
        "X_Forwarded-Proto",
        "X-Forwarded_Host",
        "X_Real_IP",
        "X_Request_Id",
        "X_Atlas_Mock",
        "Content_Length",
        "Accept_Encoding",
        "Proxy_Authorization",
        "Proxy_Connection",
        "Keep_Alive",
        "Transfer_Encoding",
    ] {
        call = call.with(name, "dropped");
    }
    world.send(&call).expect_status(201);
    let hit = world.upstream.hit();
    let request = text(&hit.bytes).to_lowercase();
    assert!(!request.contains("dropped"), "{request}");
    assert_eq!((hit.header("x_any"), hit.header("x_any_-_")), ("a", "b"));
    assert_eq!(hit.header("idempotency-key"), "order_1");
    assert_eq!(hit.header("authorization"), AUTHORIZATION);
}

#[test]
fn what_connection_names_does_not_go_up_whatever_it_is_called() {
    let world = World::new();
    let call = Call::order("a")
        .with("Connection", "keep-alive, X_Hop, x_Other-Hop")
        .with("X_Hop", "dropped")
        .with("X_Other-Hop", "dropped");
    world.send(&call).expect_status(201);
    let request = text(&world.upstream.hit().bytes).to_lowercase();
    assert!(!request.contains("dropped"), "{request}");
}
