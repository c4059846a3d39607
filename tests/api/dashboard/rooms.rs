//! Every place of the dashboard, in a world where each has something to show; nobody sees one without a session.

use std::time::Duration;

use atlas::app::webhooks::{EndpointAnswer, EndpointCommand};
use atlas::domain::event::EventType;
use atlas::domain::id::{EndpointId, EventId};
use serde_json::{Value, json};

use super::operator::{FORM, Operator, asking, detail_path, encoded, page_of};
use crate::webhooks::shop::{add, announce, block_on, manage};
use crate::world::{Key, Request, World};

/// A world with a key, a request, a replay, a record, a payment session, a webhook endpoint and an event that is to be
/// sent there in a day; and an operator's way to them.
pub struct House {
    pub world: World,
    pub key: Key,
    request: String,
    session: String,
    endpoint: EndpointId,
    event: EventId,
}

impl House {
    pub fn new() -> Self {
        let world = World::with(|settings| settings.per_address = 100_000);
        let key = world.key();
        let order = world.order(&key).idempotent("order_1");
        let session = order.send().session();
        order.send();
        let operator = Operator::of(&world);
        let request = detail_path(&operator.request_with("order_1"));
        let (endpoint, event) = webhook(&world);
        Self {
            request,
            session,
            endpoint,
            event,
            key,
            world,
        }
    }

    /// Every page.
    pub fn pages(&self) -> Vec<String> {
        let record = [("account", "default"), ("mode", "test"), ("key", "order_1")];
        vec![
            "/dashboard/keys".to_owned(),
            "/dashboard/keys/new".to_owned(),
            self.key_path(""),
            "/dashboard/requests".to_owned(),
            self.request.clone(),
            "/dashboard/idempotency".to_owned(),
            asking("/dashboard/idempotency", &record),
            "/dashboard/sessions".to_owned(),
            format!("/dashboard/sessions/{}", self.session),
            "/dashboard/webhooks".to_owned(),
            self.event_path(""),
        ]
    }

    /// Every place that needs a session and is read.
    pub fn places(&self) -> Vec<String> {
        let mut places = self.pages();
        places.extend([
            "/dashboard".to_owned(),
            "/dashboard/".to_owned(),
            "/dashboard/events/requests".to_owned(),
            format!("/dashboard/events/keys/{}", self.key.id),
            "/dashboard/keys/key_00000000000000000000".to_owned(),
            "/dashboard/requests/999999".to_owned(),
            "/dashboard/sessions/sess_none".to_owned(),
            "/dashboard/webhooks/events/evt_none".to_owned(),
            "/dashboard/nothing".to_owned(),
            "/dashboard/keys/nothing/at/all".to_owned(),
        ]);
        places
    }

    pub fn key_path(&self, verb: &str) -> String {
        format!("/dashboard/keys/{}{verb}", self.key.id)
    }

    pub fn event_path(&self, verb: &str) -> String {
        format!("/dashboard/webhooks/events/{}{verb}", self.event)
    }

    pub fn endpoint_path(&self, verb: &str) -> String {
        format!("/dashboard/webhooks/{}{verb}", self.endpoint)
    }

    /// The forms about webhooks.
    fn webhook_forms(&self) -> Vec<(String, Vec<(&'static str, String)>)> {
        let new = vec![
            ("url", "http://localhost:1/".to_owned()),
            ("account", "shop".to_owned()),
            ("payment.failed", "on".to_owned()),
        ];
        let send = format!("/{}/send", self.endpoint);
        let mut forms = vec![
            ("/dashboard/webhooks/new".to_owned(), new),
            (self.event_path(&send), Vec::new()),
        ];
        forms.extend(["/roll", "/pause", "/remove"].map(|verb| (self.endpoint_path(verb), vec![])));
        forms
    }

    /// Every form of a session, filled in so that it would change something: its path, and its fields but `csrf`.
    pub fn forms(&self) -> Vec<(String, Vec<(&'static str, String)>)> {
        let operator = Operator::of(&self.world);
        let once = |path: &str, form: &str| {
            let page = operator.page(path).id(form);
            page.field("once").expect("once")
        };
        let limits = |mut fields: Vec<(&'static str, String)>| {
            for limit in ["per_minute", "per_day", "concurrent"] {
                fields.push((limit, "7".to_owned()));
            }
            fields
        };
        let new = limits(vec![
            ("once", once("/dashboard/keys/new", "create")),
            ("name", "Another".to_owned()),
            ("mode", "test".to_owned()),
            ("account", "shop".to_owned()),
            ("expires", "90d".to_owned()),
        ]);
        let update = limits(vec![
            ("name", "Renamed".to_owned()),
            ("expires", "90d".to_owned()),
        ]);
        let roll = vec![
            ("once", once(&self.key_path(""), "roll")),
            ("grace", "0s".to_owned()),
        ];
        let mut forms = vec![
            ("/dashboard/keys/new".to_owned(), new),
            (self.key_path("/update"), update),
            (self.key_path("/roll"), roll),
            (self.key_path("/revoke"), vec![("name", "A key".to_owned())]),
            ("/dashboard/logout".to_owned(), Vec::new()),
        ];
        forms.extend(self.webhook_forms());
        forms
    }

    /// All that a form of the dashboard could change.
    pub fn state(&self) -> Value {
        let app = &self.world.app;
        let endpoints = app.endpoints().into_iter().map(|endpoint| {
            let secret = app.webhook_secret(&endpoint);
            json!([endpoint.id, endpoint.disabled, secret.expose()])
        });
        let endpoints: Vec<Value> = endpoints.collect();
        let deliveries = app.deliveries(None).expect("read").rows;
        let deliveries = deliveries
            .iter()
            .map(|(delivery, _)| format!("{delivery:?}"));
        let deliveries: Vec<String> = deliveries.collect();
        json!([self.world.keys(), endpoints, deliveries])
    }
}

/// An endpoint where nobody listens, and an event that is to be sent there in a day.
fn webhook(world: &World) -> (EndpointId, EventId) {
    let made = add(world, "default", "http://127.0.0.1:1/hooks", &[]).expect("an endpoint");
    let kind = EventType::PaymentCaptured;
    let mut outgoing = announce(world, "default", kind).expect("wanted");
    let now = world.clock.now();
    outgoing.due = now.plus(Duration::from_secs(86_400));
    block_on(world.app.send_event(&outgoing, now)).expect("kept");
    (made.endpoint.id, outgoing.event.id)
}

/// A form as it is sent, part by part, to be spoilt.
#[derive(Clone)]
pub struct Attempt {
    pub host: Option<String>,
    pub cookie: Option<String>,
    pub origin: Option<String>,
    pub site: Option<&'static str>,
    pub content_type: Option<&'static str>,
    pub csrf: Option<String>,
}

impl Attempt {
    /// One in which all is right.
    pub fn by(operator: &Operator<'_>, world: &World) -> Self {
        Self {
            host: Some(world.address.to_string()),
            cookie: Some(operator.cookie()),
            origin: Some(format!("http://{}", world.address)),
            site: None,
            content_type: Some(FORM),
            csrf: Some(operator.csrf.clone()),
        }
    }

    pub fn request(&self, world: &World, path: &str, fields: &[(&'static str, String)]) -> Request {
        let mut request = world.post(path).host(self.host.as_deref());
        let headers = [
            ("Cookie", self.cookie.as_deref()),
            ("Origin", self.origin.as_deref()),
            ("Sec-Fetch-Site", self.site),
            ("Content-Type", self.content_type),
        ];
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let token = self.csrf.iter().map(|csrf| ("csrf", csrf.as_str()));
        let rest = fields.iter().map(|(name, value)| (*name, value.as_str()));
        request.body(encoded(&token.chain(rest).collect::<Vec<_>>()))
    }
}

#[test]
fn no_place_is_shown_without_a_session() {
    let house = House::new();
    for place in house.places() {
        for method in ["GET", "HEAD"] {
            let answer = house.world.request(method, &place).send();
            assert_eq!(answer.status, 401, "{method} {place}");
        }
        let answer = house.world.get(&place).send();
        answer.expect(401, "login_required");
        let request = house.world.get(&place).header("Accept", "text/html");
        assert_eq!(request.send().status, 303, "{place}");
    }
}

#[test]
fn no_place_is_shown_for_a_wrong_session_or_a_right_api_key() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    let guess = operator
        .cookie()
        .replace(&operator.session, &"0".repeat(operator.session.len()));
    for place in house.places() {
        let guessed = house.world.get(&place).header("Cookie", &guess);
        guessed.send().expect(401, "login_required");
        let keyed = house.world.get(&place).key(&house.key);
        keyed.send().expect(401, "login_required");
    }
}

#[test]
fn no_form_does_anything_without_a_session() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    let good = Attempt::by(&operator, &house.world);
    let before = house.state();
    let wrong = operator
        .cookie()
        .replace(&operator.session, &"0".repeat(operator.session.len()));
    for (path, fields) in house.forms() {
        for cookie in [None, Some(wrong.clone())] {
            let attempt = Attempt {
                cookie,
                ..good.clone()
            };
            let request = attempt.request(&house.world, &path, &fields);
            request.send().expect(401, "login_required");
            page_of(&request.header("Accept", "text/html").send(), 401);
            assert_eq!(house.state(), before, "{path}");
        }
    }
    assert!(operator.is_in());
}

#[test]
fn each_of_these_forms_does_something_when_all_is_right() {
    for n in 0..10 {
        let house = House::new();
        let operator = Operator::of(&house.world);
        let (path, fields) = house.forms().remove(n);
        let before = (house.state(), true);
        let attempt = Attempt::by(&operator, &house.world);
        let answer = attempt.request(&house.world, &path, &fields).send();
        assert!(
            matches!(answer.status, 200 | 303),
            "{path}: {}",
            answer.status
        );
        assert_ne!((house.state(), operator.is_in()), before, "{path}");
    }
    let house = House::new();
    let (operator, id) = (Operator::of(&house.world), house.endpoint);
    manage(&house.world, EndpointCommand::Pause { id, paused: true });
    operator.post(&house.endpoint_path("/resume"), &[]);
    let EndpointAnswer::Endpoints(all) = manage(&house.world, EndpointCommand::List) else {
        panic!("no list");
    };
    assert!(!all[0].paused);
}

#[test]
fn every_page_is_there_by_head_too() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    for path in house.pages() {
        operator.page(&path);
        let request = house.world.request("HEAD", &path);
        let answer = request.header("Cookie", operator.cookie()).send();
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
    }
}

#[test]
fn what_is_not_there_is_404() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    for (path, code) in [
        ("/dashboard/keys/key_00000000000000000000", "key_not_found"),
        ("/dashboard/requests/999999", "request_not_found"),
        ("/dashboard/sessions/sess_none", "session_not_found"),
        ("/dashboard/webhooks/events/evt_none", "event_not_found"),
        (
            "/dashboard/webhooks/events/evt_000000000000000000000000",
            "event_not_found",
        ),
        ("/dashboard/nothing", "route_not_found"),
        ("/dashboard/keys/nothing/at/all", "route_not_found"),
    ] {
        let request = house.world.get(path).header("Cookie", operator.cookie());
        let answer = request.send();
        answer.expect(404, code);
        let page = page_of(&operator.get(path).send(), 404).text();
        let error = &answer.json()["error"];
        let message = error["message"].as_str().expect("a message").to_owned();
        assert!(page.contains(&message), "{message:?} in {page}");
    }
}

#[test]
fn other_methods_are_refused_with_those_that_there_are() {
    let house = House::new();
    let operator = Operator::of(&house.world);
    let good = Attempt::by(&operator, &house.world);
    for path in house.pages() {
        let request = house
            .world
            .request("DELETE", path.split('?').next().expect("a path"));
        let request = request.header("Origin", format!("http://{}", house.world.address));
        let answer = request.header("Cookie", operator.cookie()).send();
        answer.expect(405, "method_not_allowed");
        let allowed = answer.header("allow").expect("Allow");
        assert!(allowed.contains("GET"), "{path}: {allowed}");
    }
    let posted = good.request(&house.world, "/dashboard/requests", &[]);
    posted.send().expect(405, "method_not_allowed");
    for (path, _) in house.forms().into_iter().skip(1) {
        let request = house.world.get(&path).header("Cookie", operator.cookie());
        let answer = request.send();
        answer.expect(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("POST"), "{path}");
    }
}
