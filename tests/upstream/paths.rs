//! Where a request goes: below the upstream's URL, with its path and query as they were written, and nowhere else.

use crate::caller::Call;
use crate::process::text;
use crate::upstream::{PREFIX, Upstream};
use crate::world::World;

#[test]
fn what_is_encoded_stays_encoded_and_what_is_not_stays_so() {
    let world = World::new();
    for path in [
        "a%2Fb%20c/%C3%A9",
        "%41%7e~",
        "a+b;c=d,e@f:g!$&'()*",
        "a..b/...",
        "a//b/",
        "",
        "x?",
        "x?y=%2F&z=a+b&%20&&=",
        "x?next=https://evil.example/?a=b",
        "healthy",
    ] {
        let before = world.upstream.hits().len();
        world
            .send(&Call::get(&format!("/functions/v1/{path}")))
            .expect_status(200);
        let hits = world.upstream.wait_for(before + 1);
        let target = &hits.last().expect("it has arrived").target;
        let expected = format!("{PREFIX}/{path}");
        // An empty query says nothing.
        assert_eq!(target.trim_end_matches('?'), expected.trim_end_matches('?'));
    }
}

#[test]
fn a_slash_at_the_end_of_the_url_or_no_path_at_all_changes_nothing() {
    for (end, path) in [
        ("", ""),
        ("/", ""),
        ("/a/", "/a"),
        ("/a/b", "/a/b"),
        ("/%C3%A9", "/%C3%A9"),
    ] {
        let upstream = Upstream::new();
        let url = format!("http://{}{end}", upstream.address());
        let world = World::to(upstream, &url, &[]);
        world
            .send(&Call::get("/functions/v1/x/y?z"))
            .expect_status(200);
        assert_eq!(world.upstream.hit().target, format!("{path}/x/y?z"));
    }
}

/// The path that a server reads in a target: dots that are encoded are dots, and `..` takes back a segment.
fn resolved(target: &str) -> String {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path = path.replace('\\', "/");
    let mut segments: Vec<String> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment.to_lowercase().replace("%2e", ".").as_str() {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment.to_owned()),
        }
    }
    format!("/{}", segments.join("/"))
}

#[test]
fn segments_of_dots_do_not_lead_out_of_the_upstreams_path() {
    let world = World::new();
    for path in [
        "../admin",
        "../../admin",
        "a/../../../admin",
        "%2e%2e/admin",
        "%2E%2e/%2e%2E/admin",
        ".%2e/%2e./admin",
        "a/%2e%2e/%2e%2e/%2e%2e/admin",
        "..\\..\\admin",
        "..%5c..%5cadmin/../..",
        "./../admin",
        "//../../admin",
        "..",
        "a/../..",
        "%2e%2e",
        "../v1/../../admin?a",
    ] {
        for call in [
            Call::get(&format!("/functions/v1/{path}")),
            Call::new("POST", &format!("/functions/v1/{path}")).with("Idempotency-Key", path),
        ] {
            // Refused or sent below the prefix: both are safe.
            let _ = world.try_bytes(&call.bytes(&world.secret));
        }
    }
    for hit in world.upstream.hits() {
        let path = resolved(&hit.target);
        assert!(
            path == PREFIX || path.starts_with(&format!("{PREFIX}/")),
            "{} leads to {path}",
            hit.target
        );
    }
}

#[test]
fn no_path_and_no_host_of_the_client_leads_to_another_machine() {
    let elsewhere = Upstream::new();
    let other = elsewhere.address();
    let upstream = Upstream::new();
    let url = format!("http://{}", upstream.address());
    let world = World::to(upstream, &url, &[]);
    for call in [
        Call::get(&format!("/functions/v1//{other}/a")),
        Call::get(&format!("/functions/v1///{other}/a")),
        Call::get(&format!("/functions/v1/@{other}/a")),
        Call::get(&format!("/functions/v1/http://{other}/a")),
        Call::get(&format!("/functions/v1/\\\\{other}/a")),
        Call::get("/functions/v1/a").with("Host", &other.to_string()),
        Call::get("/functions/v1/a").with("X-Forwarded-Host", &other.to_string()),
        Call::get(&format!("http://{other}/functions/v1/a")).with("Host", &other.to_string()),
        Call::get(&format!("http://{other}/functions/v1/a")),
    ] {
        let _ = world.try_bytes(&call.bytes(&world.secret));
    }
    assert_eq!(elsewhere.connections(), 0);
    let own = world.upstream.address().to_string();
    for hit in world.upstream.hits() {
        assert_eq!(hit.header("host"), own, "{}", text(&hit.bytes));
        assert!(hit.target.starts_with('/'), "{}", hit.target);
    }
    assert!(!world.upstream.hits().is_empty());
}

#[test]
fn other_paths_and_the_health_of_our_own_never_go_up() {
    let world = World::new();
    for path in [
        "/functions/v1/health",
        "/functions/v1/health?a=b",
        "/functions/v1",
        "/functions/v2/a",
        "/functions/v1x/a",
        "/functions/",
        "/functions/v1%2Fa",
        "/a/functions/v1/a",
        "/",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/docs",
        "/pay/a",
    ] {
        let reply = world.send(&Call::get(path));
        if path.starts_with("/functions/v1/health") {
            reply.expect_status(200);
            assert!(text(&reply.body).contains("healthy"), "{reply}");
        }
    }
    world.send(&Call::new("POST", "/functions/v1/health").json("{}"));
    assert_eq!(world.upstream.connections(), 0);
}
