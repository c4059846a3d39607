//! Keys made and changed by forms.

use super::html::Html;
use super::operator::{Operator, body_of, goes_to, page_of};
use crate::world::{CREATE, Key, ORDER, Response, World};

const EMPTY: [(&str, &str); 7] = [
    ("name", "Shop server"),
    ("mode", "test"),
    ("account", "default"),
    ("expires", ""),
    ("per_minute", ""),
    ("per_day", ""),
    ("concurrent", ""),
];

/// The usual fields with some of them set.
fn filled<'a>(set: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let value = |name: &str| {
        let given = set.iter().rev().find(|(given, _)| *given == name);
        given.map(|(_, value)| *value)
    };
    EMPTY
        .map(|(name, usual)| (name, value(name).unwrap_or(usual)))
        .to_vec()
}

pub fn once(operator: &Operator<'_>, path: &str, form: &str) -> String {
    operator.page(path).id(form).field("once").expect("once")
}

/// Creates a key by the form.
fn create(operator: &Operator<'_>, set: &[(&str, &str)]) -> Response {
    let once = once(operator, "/dashboard/keys/new", "create");
    let fields = filled(set);
    operator.post(
        "/dashboard/keys/new",
        &[&fields[..], &[("once", &once)]].concat(),
    )
}

/// The secret that a page shows.
pub fn secret(page: &Html) -> String {
    page.id("secret").exact_text().trim().to_owned()
}

pub fn order(world: &World, secret: &str) -> Response {
    world.post(CREATE).bearer(secret).json(ORDER).send()
}

pub fn path(key: &Key, verb: &str) -> String {
    format!("/dashboard/keys/{}{verb}", key.id)
}

#[test]
fn a_created_key_has_all_that_was_asked_and_works() {
    let world = World::new();
    let operator = Operator::of(&world);
    let answer = create(
        &operator,
        &[
            ("name", "Shop <server>"),
            ("account", "shop-1"),
            ("expires", "90d"),
            ("per_minute", "5"),
            ("per_day", "6"),
            ("concurrent", "7"),
        ],
    );
    let secret = secret(&page_of(&answer, 200));
    assert!(
        secret.starts_with("sk_test_") && secret.len() == 44,
        "{secret}"
    );
    let report = world.keys().remove(0);
    assert_eq!(
        (report.name.as_str(), report.account.as_str()),
        ("Shop <server>", "shop-1")
    );
    let expires = report.expires_at.expect("an expiry");
    assert!(expires.starts_with("2027-02-23T12:00:00"), "{expires}");
    let limits = (
        report.limits.per_minute,
        report.limits.per_day,
        report.limits.concurrent,
    );
    assert_eq!(limits, (Some(5), Some(6), Some(7)));
    let answer = order(&world, &secret);
    assert_eq!(
        (answer.status, answer.number("x-ratelimit-limit")),
        (201, 5)
    );
}

#[test]
fn a_live_key_is_made_where_live_is_chosen_and_test_is_what_stands_there_first() {
    let world = World::new();
    let operator = Operator::of(&world);
    let form = operator.page("/dashboard/keys/new").id("create");
    assert_eq!(form.field("mode").as_deref(), Some("test"));
    let page = page_of(&create(&operator, &[("mode", "live")]), 200);
    assert!(secret(&page).starts_with("sk_live_"));
}

#[test]
fn the_page_of_a_new_key_has_snippets_against_this_very_server() {
    let world = World::new();
    let operator = Operator::of(&world);
    let page = page_of(&create(&operator, &[]), 200);
    let url = format!("http://{}{CREATE}", world.address);
    for id in ["curl", "javascript", "python"] {
        let snippet = page.id(id).exact_text();
        assert!(snippet.contains(&url), "{snippet}");
        assert!(snippet.contains(&secret(&page)), "{snippet}");
        assert!(snippet.contains("Idempotency-Key"), "{snippet}");
    }
}

#[test]
fn a_secret_is_on_the_one_page_and_on_no_later_one() {
    let world = World::new();
    let operator = Operator::of(&world);
    let secret = secret(&page_of(&create(&operator, &[]), 200));
    order(&world, &secret);
    let detail = super::operator::detail_path(&operator.request_with(CREATE));
    let key = Key {
        id: world.keys().remove(0).id,
        secret,
    };
    for path in [
        "/dashboard/keys".to_owned(),
        "/dashboard/keys/new".to_owned(),
        path(&key, ""),
        "/dashboard/requests".to_owned(),
        detail,
    ] {
        let source = operator.source(&path);
        assert!(!source.contains(&key.secret[8..40]), "{path}");
    }
}

#[test]
fn a_form_sent_twice_makes_one_key_and_the_second_answer_shows_no_secret() {
    let world = World::new();
    let operator = Operator::of(&world);
    let once = once(&operator, "/dashboard/keys/new", "create");
    let fields = [&filled(&[])[..], &[("once", &once)]].concat();
    let first = operator.post("/dashboard/keys/new", &fields);
    let secret = secret(&page_of(&first, 200));
    let second = operator.post("/dashboard/keys/new", &fields);
    let page = operator.page(&goes_to(&second));
    assert!(page.holds(
        "This form was sent twice; the key was made once. If you did not see its secret, roll it."
    ));
    assert!(page.holds("Shop server"));
    assert!(!body_of(&second).contains(&secret[8..40]));
    assert_eq!(world.keys().len(), 1);
}

#[test]
fn wrong_fields_are_marked_and_what_was_typed_is_kept() {
    let world = World::new();
    let operator = Operator::of(&world);
    let long = "x".repeat(101);
    for (name, value) in [
        ("name", ""),
        ("name", long.as_str()),
        ("account", "a b"),
        ("account", "<b>"),
        ("expires", "soon"),
        ("per_minute", "0"),
        ("per_minute", "many"),
        ("per_minute", "1,5"),
        ("per_day", "1,0000"),
        ("per_day", "-1"),
        ("concurrent", "1.5"),
    ] {
        let page = page_of(
            &create(&operator, &[("account", "shop-1"), (name, value)]),
            400,
        );
        let form = page.id("create");
        for (field, typed) in filled(&[("account", "shop-1"), (name, value)]) {
            if (field, name) != ("expires", "expires") {
                assert_eq!(form.field(field).as_deref(), Some(typed), "{field}");
            }
            let inputs = [form.all("input"), form.all("select")].concat();
            let input = inputs
                .iter()
                .find(|input| input.attribute("name") == Some(field));
            let marked = input.and_then(|input| input.attribute("aria-invalid")) == Some("true");
            assert_eq!(marked, field == name, "{field} when {name} is {value:?}");
        }
    }
    page_of(&create(&operator, &[("mode", "prod")]), 400);
    assert!(world.keys().is_empty());
}

#[test]
fn each_of_several_wrong_fields_has_its_message() {
    let world = World::new();
    let operator = Operator::of(&world);
    let page = page_of(&create(&operator, &[("name", ""), ("per_day", "0")]), 400);
    let inputs = page.id("create").all("input");
    for name in ["name", "per_day"] {
        let mut inputs = inputs.iter();
        let input = inputs.find(|input| input.attribute("name") == Some(name));
        let message = input.and_then(|input| input.attribute("aria-describedby"));
        let ids = message.expect("a message").split_whitespace();
        assert!(ids.into_iter().any(|id| !page.id(id).text().is_empty()));
    }
}

#[test]
fn a_mended_form_makes_the_key() {
    let world = World::new();
    let operator = Operator::of(&world);
    let page = page_of(&create(&operator, &[("name", "")]), 400);
    let once = page.id("create").field("once").expect("once");
    let fields = [&filled(&[])[..], &[("once", &once)]].concat();
    page_of(&operator.post("/dashboard/keys/new", &fields), 200);
    assert_eq!(world.keys().len(), 1);
}

#[test]
fn a_key_is_changed_as_its_form_says_and_empty_means_the_server_s() {
    let world = World::new();
    let key = world.key_for(7_200);
    let operator = Operator::of(&world);
    let limits = ["per_minute", "per_day", "concurrent"];
    let with = |name, expires, values: [&'static str; 3]| {
        let mut fields = vec![("name", name), ("expires", expires)];
        fields.extend(limits.into_iter().zip(values));
        operator.post(&path(&key, "/update"), &fields)
    };
    assert_eq!(
        goes_to(&with("New", "", ["5", "6", "7"])),
        path(&key, "?done=saved")
    );
    let report = world.report(&key);
    assert_eq!(
        (report.name.as_str(), report.limits.per_day),
        ("New", Some(6))
    );
    let expires = report.expires_at.expect("as it was");
    assert!(expires.starts_with("2026-11-25T14:00:00"), "{expires}");
    let form = operator.page(&path(&key, "")).id("update");
    assert_eq!(form.field("name").as_deref(), Some("New"));
    assert_eq!(form.field("per_minute").as_deref(), Some("5"));

    goes_to(&with("New", "90d", ["", "", ""]));
    let report = world.report(&key);
    let expires = report.expires_at.expect("an expiry");
    assert!(expires.starts_with("2027-02-23T12:00:00"), "{expires}");
    assert_eq!(
        (report.limits.per_minute, report.limits.concurrent),
        (None, None)
    );

    goes_to(&with("New", "never", ["", "", ""]));
    assert_eq!(world.report(&key).expires_at, None);
}

#[test]
fn a_wrong_change_changes_nothing() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let before = serde_json::to_value(world.keys()).expect("JSON");
    for (name, value) in [
        ("name", ""),
        ("expires", "soon"),
        ("per_minute", "0"),
        ("per_day", "x"),
    ] {
        let usual = [
            ("name", "New"),
            ("expires", "90d"),
            ("per_minute", "5"),
            ("per_day", "6"),
        ];
        let fields = usual.map(|(field, usual)| (field, if field == name { value } else { usual }));
        let fields = [&fields[..], &[("concurrent", "")]].concat();
        page_of(&operator.post(&path(&key, "/update"), &fields), 400);
        assert_eq!(serde_json::to_value(world.keys()).expect("JSON"), before);
    }
}

#[test]
fn a_form_for_a_key_that_there_is_not_is_404() {
    let world = World::new();
    let operator = Operator::of(&world);
    for verb in ["update", "roll", "revoke"] {
        let path = format!("/dashboard/keys/key_00000000000000000000/{verb}");
        let fields = [
            ("name", "A key"),
            ("grace", "0s"),
            ("once", "x"),
            ("expires", ""),
        ];
        assert_eq!(operator.post(&path, &fields).status, 404, "{verb}");
    }
}

#[test]
fn a_key_s_page_shows_its_limits_its_charts_and_its_requests() {
    let world = World::new();
    let key = world.key();
    let operator = Operator::of(&world);
    let before = operator.page(&path(&key, "")).id("limits").text();
    world.order(&key).idempotent("order_1").send();
    operator.request_with("order_1");
    let page = operator.page(&path(&key, ""));
    for id in ["days", "hour"] {
        let chart = page.id(id);
        assert!(!chart.all("svg").is_empty(), "{id} is drawn");
        assert!(
            !chart.all("table").is_empty(),
            "{id} for those who can't see it"
        );
    }
    assert_ne!(page.id("limits").text(), before);
    let rows = page.rows("requests");
    assert!(rows.len() == 1 && rows[0].holds("order_1"));
    for form in ["update", "roll", "revoke"] {
        assert!(page.id(form).field("csrf").is_some());
    }
}

#[test]
fn of_a_live_key_it_is_said_whether_its_requests_are_served() {
    let promise = |world: &World, mode: &str| {
        let operator = Operator::of(world);
        page_of(&create(&operator, &[("mode", mode)]), 200).text()
    };
    let alone = World::new();
    let told = promise(&alone, "live");
    assert!(told.contains("503 live_mode_unavailable"), "{told}");
    assert!(!told.contains("It is real."), "{told}");
    let before = World::with(|settings| {
        let url = "http://127.0.0.1:1".parse().expect("a URL");
        settings.live = Some(atlas::config::UpstreamSettings::at(url));
    });
    for (world, mode) in [(&before, "live"), (&alone, "test")] {
        let told = promise(world, mode);
        assert_eq!(told.contains("It is real."), mode == "live", "{told}");
        assert!(!told.contains("live_mode_unavailable"), "{told}");
    }
}
