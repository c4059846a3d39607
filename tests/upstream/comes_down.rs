//! What comes down of an answer: status, headers and body as they came, but what is between two neighbours or said
//! by us already.

use crate::caller::Call;
use crate::process::text;
use crate::script::{Step, answer, cut, head};
use crate::upstream::Upstream;
use crate::world::World;

const PATH: &str = "/functions/v1/a";

#[test]
fn status_headers_and_body_come_down_as_they_came() {
    let world = World::new();
    for status in [
        200, 201, 202, 203, 299, 400, 402, 404, 418, 429, 451, 500, 503, 599,
    ] {
        let body = [&b"{\"a\" : 1}\r\n\0\xff"[..], &[b'x'; 3000]].concat();
        let headers = [
            ("Content-Type", "application/vnd.a+json; x=y"),
            ("Location", "/functions/v1/a/1"),
            ("ETag", "\"a\""),
            ("Cache-Control", "private, max-age=60"),
            ("Vary", "Accept"),
            ("X-Any", "a, b"),
            ("Set-Cookie", "a=1; Path=/"),
            ("Set-Cookie", "b=2"),
            ("Retry-After", "7"),
        ];
        world.upstream.then(answer(status, &headers, &body));
        let reply = world.send(&Call::get(PATH));
        assert_eq!((reply.status, &reply.body), (status, &body));
        for (name, value) in &headers[..6] {
            assert_eq!(reply.header(&name.to_lowercase()), *value, "{status}");
        }
        assert_eq!(reply.all("set-cookie"), ["a=1; Path=/", "b=2"]);
        assert_eq!(reply.header("retry-after"), "7");
        // What is a failure of the upstream's must not become five in a row.
        world.send(&Call::get(PATH)).expect_status(200);
    }
    world.upstream.then(answer(200, &[], b"no type"));
    let reply = world.send(&Call::get(PATH));
    assert_eq!(
        (reply.find("content-type"), text(&reply.body).as_str()),
        (None, "no type")
    );
}

#[test]
fn what_is_between_neighbours_or_ours_to_say_is_dropped_or_renamed() {
    let world = World::new();
    let headers = [
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "dropped"),
        ("Keep-Alive", "timeout=5, dropped"),
        ("Proxy-Authenticate", "dropped"),
        ("Proxy-Connection", "dropped"),
        ("Trailer", "X-Dropped"),
        ("Upgrade", "dropped"),
        ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("X-Request-Id", "theirs"),
        ("X-RateLimit-Limit", "11"),
        ("X-RateLimit-Remaining", "10"),
        ("X-RateLimit-Reset", "1"),
        ("X-RateLimit-Scope", "theirs"),
        ("RateLimit", "\"theirs\";r=1"),
        ("RateLimit-Policy", "\"theirs\";q=1"),
        ("Idempotent-Replayed", "true"),
        ("Access-Control-Allow-Origin", "dropped"),
        ("Access-Control-Allow-Credentials", "dropped"),
        ("Access-Control-Expose-Headers", "dropped"),
    ];
    world.upstream.then(answer(200, &headers, b"{}"));
    let reply = world.send(&Call::get(PATH));
    let said = reply.to_string().to_lowercase();
    assert!(
        !said.contains("dropped") && !said.contains("1970"),
        "{said}"
    );
    for (name, value) in [
        ("x-upstream-request-id", "theirs"),
        ("x-upstream-ratelimit-limit", "11"),
        ("x-upstream-ratelimit-remaining", "10"),
        ("x-upstream-ratelimit-reset", "1"),
        ("x-upstream-ratelimit-scope", "theirs"),
        ("x-upstream-ratelimit", "\"theirs\";r=1"),
        ("x-upstream-ratelimit-policy", "\"theirs\";q=1"),
        ("x-upstream-idempotent-replayed", "true"),
    ] {
        assert_eq!(reply.header(name), value);
    }
    assert_ne!(reply.header("x-request-id"), "theirs");
    assert_eq!(reply.header("x-ratelimit-limit"), "1000000000");
    assert_ne!(reply.header("x-ratelimit-scope"), "theirs");
    assert!(reply.header("ratelimit-policy").contains("\"concurrency\""));
    assert!(reply.header("ratelimit").contains("\"minute\""));
    assert!(!reply.replayed());
}

#[test]
fn a_429_of_the_upstream_reaches_the_client_with_its_retry_after() {
    let world = World::new();
    let headers = [
        ("Retry-After", "7"),
        ("X-RateLimit-Limit", "100"),
        ("X-RateLimit-Remaining", "0"),
        ("Content-Type", "application/json"),
    ];
    for call in [Call::get(PATH), Call::order("a"), Call::keyed("a")] {
        world
            .upstream
            .then(answer(429, &headers, b"{\"slow\":\"down\"}"));
        let reply = world.send(&call);
        assert_eq!(
            (reply.status, text(&reply.body).as_str()),
            (429, "{\"slow\":\"down\"}")
        );
        assert_eq!(reply.header("retry-after"), "7");
        assert_eq!(reply.header("x-upstream-ratelimit-limit"), "100");
        assert_eq!(reply.header("x-upstream-ratelimit-remaining"), "0");
        assert_ne!(reply.header("x-ratelimit-remaining"), "0");
    }
}

#[test]
fn answers_without_a_body_leave_the_connection_in_order() {
    let world = World::new();
    let mut caller = world.caller();
    let mut ask = |call: &Call| caller.send(call, &world.secret).expect("an answer");
    for status in [204, 304] {
        let mut bytes = head(status, &[("ETag", "\"a\"")]);
        bytes.extend_from_slice(b"\r\n");
        world.upstream.then(vec![Step::Say(bytes)]);
        let reply = ask(&Call::get(PATH));
        assert_eq!((reply.status, reply.header("etag")), (status, "\"a\""));
        assert!(
            status == 304 || reply.find("content-length").is_none(),
            "{reply}"
        );
        assert_eq!(reply.find("transfer-encoding"), None);
        ask(&Call::get(PATH)).expect_status(200);
    }
    let mut bytes = head(200, &[("X-Any", "a")]);
    bytes.extend_from_slice(b"Content-Length: 1000\r\n\r\n");
    world.upstream.then(vec![Step::Say(bytes)]);
    let reply = ask(&Call::new("HEAD", PATH));
    assert_eq!((reply.status, reply.header("x-any")), (200, "a"));
    assert_eq!(ask(&Call::get(PATH)).json()["method"], "GET");
    world
        .upstream
        .then(cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
    ask(&Call::new("HEAD", PATH)).expect_status(200);
    assert_eq!(ask(&Call::get(PATH)).json()["method"], "GET");
    world.upstream.then(answer(200, &[], b""));
    assert_eq!(ask(&Call::get(PATH)).body, b"");
    let methods = world.upstream.hits().into_iter().map(|hit| hit.method);
    assert_eq!(methods.filter(|method| method == "HEAD").count(), 2);
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let world = World::new();
    let elsewhere = Upstream::new();
    for status in [301, 302, 303, 307, 308] {
        for call in [Call::get(PATH), Call::order("a"), Call::keyed("a")] {
            let before = world.upstream.hits().len();
            let there = elsewhere.url();
            world
                .upstream
                .then(answer(status, &[("Location", &there)], b"over there"));
            let reply = world.send(&call);
            assert_eq!(
                (reply.status, reply.header("location")),
                (status, there.as_str())
            );
            assert_eq!(text(&reply.body), "over there");
            world.upstream.wait_for(before + 1);
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn interim_answers_are_not_passed_on() {
    let world = World::new();
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
    ] {
        let keyed = Call::keyed(&format!("order_{}", interim.len()));
        for call in [Call::get(PATH), Call::order("a"), keyed] {
            let final_answer =
                Step::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec());
            let interim = Step::Say(interim.as_bytes().to_vec());
            world.upstream.then(vec![interim, final_answer]);
            let reply = world.send(&call);
            assert_eq!((reply.status, text(&reply.body).as_str()), (200, "{}"));
            assert_eq!(reply.find("link"), None);
        }
    }
    let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n";
    world.upstream.then(cut(switch));
    let reply = world.send(&Call::order("b"));
    reply.expect(504, "upstream_outcome_unknown");
}

#[test]
fn the_key_of_the_upstream_is_not_shown_to_the_client() {
    let world = World::new();
    let secret = world.key(&["--mode", "live", "--account", "shop"]);
    let headers = [
        ("Idempotency-Key", "shop:order_1"),
        ("Content-Type", "application/json"),
    ];
    world.upstream.then(answer(201, &headers, b"{}"));
    let first = world.send_as(&secret, &Call::keyed("order_1"));
    let again = world.send_as(&secret, &Call::keyed("order_1"));
    assert_eq!(first.header("idempotency-key"), "order_1");
    assert_eq!(again.header("idempotency-key"), "order_1");
    assert!(again.replayed());
    assert_eq!(
        world.upstream.hit().header("idempotency-key"),
        "shop:order_1"
    );
}

#[test]
fn a_length_beside_chunks_cuts_no_answer() {
    let world = World::new();
    for length in ["0", "3", "12", "1000"] {
        for call in [
            Call::get(PATH),
            Call::order("a"),
            Call::keyed(&format!("order_{length}")),
        ] {
            let said = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n\
                 6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"
            );
            world.upstream.then(vec![Step::Say(said.into_bytes())]);
            let reply = world.send(&call);
            if reply.status == 504 {
                reply.expect(504, "upstream_outcome_unknown");
            } else {
                let found = (reply.status, text(&reply.body));
                assert_eq!(found, (200, "hello world".to_owned()), "{length}");
            }
            // What came after is no answer to the next.
            world.send(&Call::get(PATH)).expect_status(200);
        }
        let again = world.send(&Call::keyed(&format!("order_{length}")));
        assert!(
            again.status == 201 || (again.replayed() && again.body == b"hello world"),
            "{again}"
        );
    }
}

#[test]
fn what_an_upstream_says_of_its_origin_is_not_said_of_ours() {
    let world = World::new();
    let headers = [
        ("Alt-Svc", "h3=\":443\"; dropped"),
        ("Strict-Transport-Security", "max-age=1; dropped"),
        ("Clear-Site-Data", "\"cookies\", \"dropped\""),
        ("Set-Cookie", "atlas_session_8080=dropped; Path=/"),
        (
            "Set-Cookie",
            "__Host-atlas_session_8080=dropped; Path=/; Secure",
        ),
        ("Set-Cookie", "__Secure-atlas_session_1=dropped"),
        ("Set-Cookie", "shop=atlas_session_8080"),
        ("Set-Cookie", "atlas=1; Path=/"),
        ("Content-Security-Policy", "sandbox"),
        ("X-Any", "a"),
    ];
    for call in [Call::get(PATH), Call::order("a"), Call::keyed("order_1")] {
        world.upstream.then(answer(200, &headers, b"{}"));
        let reply = world.send(&call);
        let said = reply.to_string();
        assert!(!said.contains("dropped"), "{said}");
        assert_eq!(
            reply.all("set-cookie"),
            ["shop=atlas_session_8080", "atlas=1; Path=/"]
        );
        assert_eq!(reply.header("x-any"), "a");
    }
    let again = world.send(&Call::keyed("order_1"));
    assert!(again.replayed(), "{again}");
    let said = again.to_string();
    assert!(!said.contains("dropped"), "{said}");
}
