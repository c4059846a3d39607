//! Getting in by a one-time link, and out again.

use std::time::Duration;

use super::operator::{
    Operator, body_of, cookie, cookie_of, follow, form, goes_to, link, page_of, set_password,
};
use crate::world::{HOUR, MILLISECOND, World};

const FIVE_MINUTES: Duration = Duration::from_secs(300);

#[test]
fn a_link_lets_in_once() {
    let world = World::new();
    let token = link(&world);
    let first = follow(&world, &token).send();
    assert_eq!(goes_to(&first), "/dashboard/keys");
    let second = follow(&world, &token).send();
    page_of(&second, 401);
    assert_eq!(cookie_of(&second), None);
}

#[test]
fn a_link_works_below_five_minutes() {
    let world = World::new();
    let (used, unused) = (link(&world), link(&world));
    world.advance(FIVE_MINUTES - MILLISECOND);
    assert_eq!(follow(&world, &used).send().status, 303);
    world.advance(MILLISECOND);
    assert_eq!(follow(&world, &unused).send().status, 401);
}

#[test]
fn of_two_who_follow_a_link_at_once_one_gets_in() {
    let world = World::new();
    let requests = vec![follow(&world, &link(&world)); 20];
    let answers = crate::world::at_once(&requests);
    let let_in = answers.iter().filter(|answer| answer.status == 303);
    assert_eq!(let_in.count(), 1);
}

#[test]
fn a_link_that_was_never_made_is_refused() {
    let world = World::new();
    let real = link(&world);
    for token in ["x", &real[1..], &real.to_uppercase(), &"a".repeat(4_000)] {
        let answer = follow(&world, token).send();
        assert_eq!((answer.status, cookie_of(&answer)), (401, None), "{token}");
    }
}

#[test]
fn looking_ahead_does_not_use_a_link_up() {
    let world = World::new();
    let token = link(&world);
    let path = format!("/dashboard/login?token={token}");
    let looks = [
        world.request("HEAD", &path),
        follow(&world, &token).header("Sec-Purpose", "prefetch"),
        follow(&world, &token).header("Sec-Purpose", "prefetch;prerender"),
    ];
    for look in looks {
        assert_eq!(cookie_of(&look.send()), None);
    }
    assert_eq!(follow(&world, &token).send().status, 303);
}

#[test]
fn a_link_followed_on_another_site_lets_in_by_a_page_that_goes_on_by_itself() {
    let world = World::new();
    let request = follow(&world, &link(&world)).header("Sec-Fetch-Site", "cross-site");
    let answer = request.send();
    let page = page_of(&answer, 200);
    assert!(page.holds("/dashboard/keys"), "{}", body_of(&answer));
    let (_, session, _) = cookie_of(&answer).expect("a cookie");
    let inside = world.get("/dashboard/sessions");
    let inside = inside.header("Cookie", cookie(&world, &session));
    assert_eq!(inside.send().status, 200);
}

#[test]
fn the_cookie_is_for_this_server_and_out_of_reach_of_scripts_and_other_sites() {
    let world = World::new();
    let answer = follow(&world, &link(&world)).send();
    let (name, value, mut rest) = cookie_of(&answer).expect("a cookie");
    assert_eq!(name, format!("atlas_session_{}", world.address.port()));
    assert!(value.len() >= 22, "128 bits at least: {value}");
    rest.sort_unstable();
    let expected = [
        "HttpOnly",
        "Max-Age=43200",
        "Path=/dashboard",
        "SameSite=Strict",
    ];
    assert_eq!(rest, expected);
}

#[test]
fn only_the_cookie_of_this_very_server_lets_in() {
    let world = World::new();
    let operator = Operator::of(&world);
    let (mine, session) = (operator.cookie(), &operator.session);
    let port = world.address.port();
    let status = |cookies: &str| {
        let request = world.get("/dashboard/sessions");
        request.header("Cookie", cookies).send().status
    };
    assert_eq!(status(&format!("a=b; {mine}; atlas_session_1=x")), 200);
    for cookies in [
        format!("atlas_session_1={session}"),
        format!("atlas_session={session}"),
        format!("atlas_session_{port}={}", &session[1..]),
        format!("atlas_session_{port}={session}x"),
        format!("atlas_session_{port}="),
        format!("x={mine}"),
    ] {
        assert_eq!(status(&cookies), 401, "{cookies}");
    }
}

#[test]
fn a_cookie_of_the_same_name_that_lets_nobody_in_hides_no_good_one() {
    let world = World::new();
    let operator = Operator::of(&world);
    let (mine, name) = (
        operator.cookie(),
        format!("atlas_session_{}", world.address.port()),
    );
    let guess = "0".repeat(operator.session.len());
    for junk in ["junk", "", guess.as_str()] {
        for cookies in [
            format!("{name}={junk}; {mine}"),
            format!("{mine}; {name}={junk}"),
        ] {
            let request = world.get("/dashboard/sessions");
            let answer = request.header("Cookie", &cookies).send();
            assert_eq!(answer.status, 200, "{cookies}");
        }
    }
}

#[test]
fn under_https_the_cookie_has_a_name_that_only_https_can_set() {
    let world = World::with(|settings| {
        settings.public_url = Some("https://pay.example".parse().expect("a URL"));
    });
    let answer = follow(&world, &link(&world)).send();
    let (name, session, rest) = cookie_of(&answer).expect("a cookie");
    let plain = format!("atlas_session_{}", world.address.port());
    assert_eq!(name, format!("__Secure-{plain}"));
    assert!(rest.iter().any(|one| one == "Secure"), "{rest:?}");
    for (name, status) in [(&name, 200), (&plain, 401)] {
        let request = world.get("/dashboard/sessions");
        let request = request.header("Cookie", format!("{name}={session}"));
        assert_eq!(request.send().status, status, "{name}");
    }
}

#[test]
fn no_two_sessions_are_alike() {
    let world = World::new();
    let (one, two) = (Operator::of(&world), Operator::of(&world));
    assert_ne!(one.session, two.session);
    assert_ne!(one.csrf, two.csrf);
    assert_ne!(one.csrf, one.session);
}

#[test]
fn a_session_ends_at_log_out_and_no_other_with_it() {
    let world = World::new();
    let (operator, other) = (Operator::of(&world), Operator::of(&world));
    let answer = operator.post("/dashboard/logout", &[]);
    assert_eq!(goes_to(&answer), "/dashboard/login");
    let (name, value, rest) = cookie_of(&answer).expect("the cookie is cleared");
    assert_eq!(name, format!("atlas_session_{}", world.address.port()));
    assert_eq!(value, "");
    for attribute in ["Max-Age=0", "Path=/dashboard"] {
        assert!(rest.iter().any(|given| given == attribute), "{rest:?}");
    }
    assert!(!operator.is_in() && other.is_in());
}

#[test]
fn a_session_ends_after_twelve_hours_however_much_it_was_used() {
    let world = World::new();
    let operator = Operator::of(&world);
    world.advance(HOUR * 6);
    assert!(operator.is_in());
    world.advance(HOUR * 6 - MILLISECOND);
    assert!(operator.is_in());
    world.advance(MILLISECOND);
    assert!(!operator.is_in());
}

#[test]
fn a_session_and_an_unused_link_end_at_restart() {
    let world = World::new();
    let (session, token) = (Operator::of(&world).session, link(&world));
    let world = world.restart();
    let request = world.get("/dashboard/sessions");
    let request = request.header("Cookie", cookie(&world, &session));
    request.send().expect(401, "login_required");
    assert_eq!(follow(&world, &token).send().status, 401);
}

#[test]
fn without_a_session_a_person_is_led_to_the_log_in_and_a_program_is_told() {
    let world = World::new();
    let path = "/dashboard/requests";
    let answer = world.get(path).header("Accept", "text/html").send();
    let place = url::Url::parse(&format!("http://x{}", goes_to(&answer))).expect("a URL");
    assert_eq!(place.path(), "/dashboard/login");
    let next = place.query_pairs().find(|(name, _)| name == "next");
    assert_eq!(next.expect("next").1, path);
    world.get(path).send().expect(401, "login_required");
}

#[test]
fn the_way_to_the_log_in_and_back_keeps_the_query() {
    let world = World::new();
    let path = "/dashboard/requests?status=4xx&path=%2Ffunctions&page=2";
    let answer = world.get(path).header("Accept", "text/html").send();
    let log_in = goes_to(&answer);
    let page = world.get(&log_in).header("Accept", "text/html").send();
    assert_eq!(page.status, 200);
    set_password(&world, Some("correct horse battery"));
    let page = world.get(&log_in).header("Accept", "text/html").send();
    let next = page_of(&page, 200)
        .field("next")
        .expect("the form knows it");
    let fields = [
        ("password", "correct horse battery"),
        ("next", next.as_str()),
    ];
    let answer = form(&world, "/dashboard/login", &fields).send();
    assert_eq!(goes_to(&answer), path);
}

#[test]
fn strangers_of_the_same_address_keep_nobody_from_following_a_link() {
    let world = World::with(|settings| settings.per_address = 3);
    while world.get("/nowhere").send().status != 429 {}
    assert_eq!(follow(&world, &link(&world)).send().status, 303);
    // Nor do those who guess at links.
    let guess = "a".repeat(link(&world).len());
    while follow(&world, &guess).send().status != 429 {}
    assert_eq!(follow(&world, &link(&world)).send().status, 303);
    assert!(Operator::of(&world).is_in());
}

#[test]
fn guesses_at_links_are_slowed_and_cost_strangers_nothing() {
    let world = World::with(|settings| settings.per_address = 3);
    let guess = "a".repeat(link(&world).len());
    let guesses = (0..100).map(|_| follow(&world, &guess).send());
    let refused = guesses.into_iter().find(|answer| answer.status != 401);
    let refused = refused.expect("a refusal");
    page_of(&refused, 429);
    let stranger = world.get("/nowhere").send();
    assert_eq!((stranger.status, stranger.remaining()), (404, 2));
    world.advance(Duration::from_secs(refused.number("retry-after")));
    assert_eq!(follow(&world, &guess).send().status, 401);
}

#[test]
fn a_token_beside_a_password_opens_no_other_way_for_guesses() {
    let world = World::with(|settings| settings.per_address = 3);
    while world.get("/nowhere").send().status != 429 {}
    let path = format!("/dashboard/login?token={}", link(&world));
    let fields = [("password", "correct horse battery")];
    assert_eq!(form(&world, &path, &fields).send().status, 429);
}

#[test]
fn the_log_in_page_says_how_and_asks_for_a_password_only_where_one_is_set() {
    let world = World::new();
    let page = || {
        let request = world.get("/dashboard/login").header("Accept", "text/html");
        page_of(&request.send(), 200)
    };
    assert!(page().text().contains("atlas dashboard"));
    assert_eq!(page().field("password"), None);
    set_password(&world, Some("correct horse battery"));
    let forms = page().all("form");
    let form = forms.iter().find(|form| form.field("password").is_some());
    let form = form.expect("a form for the password");
    assert_eq!(form.attribute("action"), Some("/dashboard/login"));
    set_password(&world, None);
    assert_eq!(page().field("password"), None);
}

#[test]
fn who_is_in_goes_on_to_the_keys() {
    let world = World::new();
    let operator = Operator::of(&world);
    for path in ["/dashboard", "/dashboard/", "/dashboard/login"] {
        assert_eq!(goes_to(&operator.get(path).send()), "/dashboard/keys");
    }
}
