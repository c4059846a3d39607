//! Forms that another page sends: every one is refused, and nothing is changed.

use super::operator::{FORM, Operator, encoded, set_password};
use super::rooms::{Attempt, House};
use crate::world::World;

/// Sends every form spoilt in each of these ways.
fn refuse_all(spoilt: &[Attempt], house: &House, status: u16, code: &str) {
    let operator = Operator::of(&house.world);
    let before = house.state();
    for (path, fields) in house.forms() {
        for attempt in spoilt {
            let request = attempt.request(&house.world, &path, &fields);
            let answer = request.send();
            answer.expect(status, code);
            let html = request.header("Accept", "text/html").send();
            assert_eq!((html.status, html.is_page()), (status, true), "{path}");
            assert_eq!(house.state(), before, "{path}");
        }
    }
    assert!(operator.is_in());
}

#[test]
fn a_form_without_the_token_of_its_session_is_refused() {
    let house = House::new();
    let (mine, other) = (Operator::of(&house.world), Operator::of(&house.world));
    let good = Attempt::by(&mine, &house.world);
    let tokens = [
        None,
        Some(String::new()),
        Some("x".repeat(mine.csrf.len())),
        Some(mine.csrf[1..].to_owned()),
        Some(other.csrf.clone()),
        Some(mine.session.clone()),
    ];
    let spoilt = tokens.map(|csrf| Attempt {
        csrf,
        ..good.clone()
    });
    refuse_all(&spoilt, &house, 403, "csrf_token_invalid");
    assert!(mine.is_in());
}

#[test]
fn a_token_in_the_query_counts_for_nothing() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    let attempt = Attempt {
        csrf: None,
        ..Attempt::by(&operator, &house.world)
    };
    let before = house.state();
    for (path, fields) in house.forms() {
        let path = format!("{path}?{}", encoded(&[("csrf", &operator.csrf)]));
        let answer = attempt.request(&house.world, &path, &fields).send();
        answer.expect(403, "csrf_token_invalid");
    }
    assert_eq!(house.state(), before);
}

#[test]
fn a_form_of_another_origin_is_refused() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    let good = Attempt::by(&operator, &house.world);
    let port = house.world.address.port();
    let origins = [
        "http://evil.example".to_owned(),
        format!("http://evil.example:{port}"),
        format!("http://localhost:{port}"),
        format!("http://127.0.0.1:{}", port ^ 1),
        "http://127.0.0.1".to_owned(),
        format!("http://127.0.0.1:{port}.evil.example"),
        format!("http://127.0.0.1:{port}@evil.example"),
        format!("ftp://127.0.0.1:{port}"),
        format!("127.0.0.1:{port}"),
        String::new(),
    ];
    let spoilt = origins.map(|origin| Attempt {
        origin: Some(origin),
        ..good.clone()
    });
    refuse_all(&spoilt, &house, 403, "origin_not_allowed");
}

#[test]
fn a_form_of_no_origin_needs_the_browser_to_say_that_it_is_ours() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    let good = Attempt::by(&operator, &house.world);
    let mut spoilt = Vec::new();
    for origin in [None, Some("null".to_owned())] {
        for site in [None, Some("none"), Some("same-site"), Some("cross-site")] {
            spoilt.push(Attempt {
                origin: origin.clone(),
                site,
                ..good.clone()
            });
        }
    }
    refuse_all(&spoilt, &house, 403, "origin_not_allowed");
    let fields = [("name", "Another name".to_owned())];
    for origin in [None, Some("null".to_owned())] {
        let ours = Attempt {
            origin,
            site: Some("same-origin"),
            ..good.clone()
        };
        let path = house.key_path("/revoke");
        let answer = ours.request(&house.world, &path, &fields).send();
        assert_eq!(answer.status, 400, "it came as far as the name");
    }
}

#[test]
fn a_form_that_the_browser_calls_foreign_is_refused_whatever_its_origin_says() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    let good = Attempt::by(&operator, &house.world);
    let sites = ["cross-site", "same-site", "", "nonsense"];
    let spoilt = sites.map(|site| Attempt {
        site: Some(site),
        ..good.clone()
    });
    refuse_all(&spoilt, &house, 403, "origin_not_allowed");
}

#[test]
fn a_form_of_another_content_type_is_refused() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    let good = Attempt::by(&operator, &house.world);
    let types = [
        None,
        Some(""),
        Some("text/plain"),
        Some("application/json"),
        Some("multipart/form-data; boundary=x"),
        Some("application/x-www-form-urlencodedx"),
        Some("text/plain; application/x-www-form-urlencoded"),
    ];
    let spoilt = types.map(|content_type| Attempt {
        content_type,
        ..good.clone()
    });
    refuse_all(&spoilt, &house, 415, "unsupported_media_type");
}

#[test]
fn a_form_in_utf_8_is_taken() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    let attempt = Attempt {
        content_type: Some("application/x-www-form-urlencoded; charset=UTF-8"),
        ..Attempt::by(&operator, &house.world)
    };
    let path = house.key_path("/revoke");
    let fields = [("name", "A key".to_owned())];
    let answer = attempt.request(&house.world, &path, &fields).send();
    assert_eq!(answer.status, 303);
}

#[test]
fn the_checks_come_in_order() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    let mut attempt = Attempt {
        host: Some("evil.example".to_owned()),
        cookie: None,
        origin: Some("http://evil.example:1".to_owned()),
        site: None,
        content_type: Some("text/plain"),
        csrf: None,
    };
    let expect = |attempt: &Attempt, status, code| {
        let (path, fields) = house.forms().remove(0);
        let request = attempt.request(&house.world, &path, &fields);
        request.send().expect(status, code);
    };
    let good = Attempt::by(&operator, &house.world);
    expect(&attempt, 421, "host_not_allowed");
    attempt.host = good.host;
    expect(&attempt, 401, "login_required");
    attempt.cookie = good.cookie;
    expect(&attempt, 403, "origin_not_allowed");
    attempt.origin = good.origin;
    expect(&attempt, 415, "unsupported_media_type");
    attempt.content_type = good.content_type;
    expect(&attempt, 403, "csrf_token_invalid");
}

#[test]
fn a_log_in_by_a_foreign_page_is_refused() {
    let house = House::new();
    set_password(&house.world, Some("correct horse battery"));
    let address = house.world.address;
    let fields = [("password", "correct horse battery".to_owned())];
    let good = Attempt {
        host: Some(address.to_string()),
        cookie: None,
        origin: Some(format!("http://{address}")),
        site: None,
        content_type: Some(FORM),
        csrf: None,
    };
    let foreign = Attempt {
        origin: Some("http://evil.example".to_owned()),
        ..good.clone()
    };
    let plain = Attempt {
        content_type: Some("text/plain"),
        ..good.clone()
    };
    let send = |attempt: &Attempt| {
        let request = attempt.request(&house.world, "/dashboard/login", &fields);
        request.send()
    };
    send(&foreign).expect(403, "origin_not_allowed");
    send(&plain).expect(415, "unsupported_media_type");
    assert_eq!(send(&good).status, 303);
}

#[test]
fn an_origin_that_may_call_the_api_may_read_nothing_of_the_dashboard() {
    const PAGE: &str = "https://shop.example";
    let world = World::with(|settings| {
        settings.allow_origin = vec![PAGE.parse().expect("an origin")];
    });
    let operator = Operator::of(&world);
    let asked = |method, path| {
        let request = world.request(method, path).header("Origin", PAGE);
        request.header("Access-Control-Request-Method", "POST")
    };
    for path in [
        "/dashboard/login",
        "/dashboard/assets/atlas.js",
        "/dashboard/keys",
        "/dashboard/nothing",
    ] {
        for method in ["GET", "OPTIONS", "POST"] {
            for request in [
                asked(method, path),
                asked(method, path).header("Cookie", operator.cookie()),
            ] {
                let answer = request.send();
                let names = answer.headers.iter().map(|(name, _)| name);
                let granted: Vec<_> = names
                    .filter(|name| name.starts_with("access-control-"))
                    .collect();
                assert!(granted.is_empty(), "{method} {path}: {granted:?}");
            }
        }
    }
    let api = asked("GET", "/nowhere").send();
    assert_eq!(api.header("access-control-allow-origin"), Some(PAGE));
}
