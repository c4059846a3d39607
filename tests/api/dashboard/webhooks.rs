//! Webhooks in the Dashboard: endpoints, what was sent to them, and the forms about both.

use atlas::domain::event::EventType;
use atlas::domain::webhook::Reach;

use super::html::Html;
use super::operator::{Operator, goes_to, page_of};
use crate::webhooks::receiver::{Answer, Receiver};
use crate::webhooks::shop::{Shop, add, block_on, deliveries, happens};
use crate::world::{World, eventually};

const PAGE: &str = "/dashboard/webhooks";
const HOSTILE: &str = "</code><img src=x onerror=alert(1)>";

fn listed(operator: &Operator<'_>) -> Vec<Html> {
    operator.rows(PAGE, "endpoints")
}

fn event_page(operator: &Operator<'_>, event: atlas::domain::id::EventId) -> Html {
    operator.page(&format!("{PAGE}/events/{event}"))
}

#[test]
fn an_added_endpoint_has_all_that_was_asked_and_is_told_it() {
    let world = World::new();
    let operator = Operator::of(&world);
    assert!(listed(&operator).is_empty());
    let receiver = Receiver::new();
    let answer = operator.post(
        "/dashboard/webhooks/new",
        &[
            ("url", &receiver.url()),
            ("account", "shop-1"),
            ("dispute.created", "on"),
            ("session.expired", "on"),
        ],
    );
    assert_eq!(goes_to(&answer), "/dashboard/webhooks?done=added");
    let row = listed(&operator).remove(0);
    for part in [
        receiver.url().as_str(),
        "shop-1",
        "session.expired, dispute.created",
    ] {
        assert!(row.text().contains(part), "{part} in {}", row.text());
    }
    assert!(happens(&world, "shop-1", EventType::PaymentCaptured).is_none());
    happens(&world, "shop-1", EventType::DisputeCreated).expect("wanted");
    let hit = receiver.wait_for(1).remove(0);
    let details = row.all("details").remove(0);
    let secret = details.all("code")[0].text();
    assert!(crate::webhooks::delivery::signed_at(&hit, &secret).is_some());
}

#[test]
fn wrong_fields_are_marked_and_what_was_typed_is_kept() {
    let world = World::with(|settings| settings.webhook_reach = Reach::Loopback);
    let operator = Operator::of(&world);
    let good = [("url", "http://localhost:1/"), ("account", "shop")];
    for (name, value) in [
        ("url", ""),
        ("url", "localhost"),
        ("url", "https://shop.example/"),
        ("url", "http://a:b@localhost/"),
        ("url", HOSTILE),
        ("account", "a b"),
        ("account", HOSTILE),
    ] {
        let mut fields = good
            .map(|(field, usual)| (field, if field == name { value } else { usual }))
            .to_vec();
        fields.push(("refund.failed", "on"));
        let form = page_of(&operator.post("/dashboard/webhooks/new", &fields), 400).id("add");
        for (field, typed) in &fields {
            assert_eq!(form.field(field).as_deref(), Some(*typed), "{field}");
        }
        let marked = form
            .all("input")
            .into_iter()
            .filter(|input| input.attribute("aria-invalid").is_some());
        let marked: Vec<_> = marked
            .map(|input| input.attribute("name").map(str::to_owned))
            .collect();
        assert_eq!(marked, [Some(name.to_owned())], "{value}");
    }
    assert!(listed(&operator).is_empty());
    operator.post("/dashboard/webhooks/new", &good);
    let again = page_of(&operator.post("/dashboard/webhooks/new", &good), 400);
    let problem = "has an endpoint with this URL";
    assert!(again.text().contains(problem), "{}", again.text());
    assert_eq!(again.id("add").field("url").as_deref(), Some(good[0].1));
    assert_eq!(listed(&operator).len(), 1);
}

#[test]
fn an_endpoint_is_rolled_paused_resumed_and_removed() {
    let shop = Shop::new();
    let operator = Operator::of(&shop.world);
    let secret = || listed(&operator)[0].all("details")[0].all("code")[0].text();
    assert_eq!(secret(), shop.secret);
    let send = |verb: &str| {
        let answer = operator.post(&format!("{PAGE}/{}/{verb}", shop.endpoint), &[]);
        let page = operator.page(&goes_to(&answer));
        page.all("p")
            .iter()
            .find(|p| p.attribute("role") == Some("status"))
            .map(Html::text)
    };
    assert!(send("roll").is_some_and(|notice| notice.contains("Rolled")));
    assert_ne!(secret(), shop.secret);
    assert!(send("pause").is_some_and(|notice| notice.contains("Paused")));
    assert!(listed(&operator)[0].says("Paused"));
    assert!(send("resume").is_some_and(|notice| notice.contains("Resumed")));
    assert!(!listed(&operator)[0].says("Paused"));
    assert!(send("remove").is_some_and(|notice| notice.contains("Removed")));
    assert!(listed(&operator).is_empty());
}

#[test]
fn one_given_at_the_start_is_shown_and_can_t_be_changed() {
    let url = "http://localhost:1/".parse().expect("a URL");
    let world = World::with(move |settings| settings.webhook = vec![Clone::clone(&url)]);
    let operator = Operator::of(&world);
    let row = listed(&operator).remove(0);
    assert!(row.text().contains("Every account") && row.text().contains("All"));
    assert!(row.all("form").is_empty());
    let id = row.attribute("id").expect("an id").to_owned();
    let answer = operator.post(&format!("{PAGE}/{id}/remove"), &[]);
    assert!(page_of(&answer, 400).text().contains("--webhook"));
    assert_eq!(listed(&operator).len(), 1);
}

#[test]
fn deliveries_are_listed_newest_first_and_lead_to_their_event() {
    let shop = Shop::new();
    let operator = Operator::of(&shop.world);
    let first = shop.happens();
    shop.tried(first, 1);
    shop.receiver.answer(Answer::Status(503));
    shop.advance(1);
    let second = shop.happens();
    shop.tried(second, 1);
    let rows = operator.rows(PAGE, "deliveries");
    let texts: Vec<String> = rows.iter().map(Html::text).collect();
    let url = shop.receiver.url();
    for (row, parts) in texts.iter().zip([
        [second.to_string().as_str(), "Trying again", "503", &url],
        [first.to_string().as_str(), "Delivered", "200", &url],
    ]) {
        assert!(parts.iter().all(|part| row.contains(part)), "{row}");
    }
    assert!(rows[0].links().contains(&format!("{PAGE}/events/{second}")));
    let page = event_page(&operator, second).text();
    for part in ["payment.captured", "thanks", "503", "25 Nov 2026, 12:05:01"] {
        assert!(page.contains(part), "{part} in {page}");
    }
}

#[test]
fn fifty_deliveries_stand_on_a_page_and_before_leads_on() {
    let world = World::new();
    let mut made = Vec::new();
    // Nobody listens there, and nothing is tried before its time.
    add(&world, "default", "http://127.0.0.1:1/", &[]).expect("added");
    for _ in 0..60 {
        let kind = EventType::PaymentCaptured;
        let mut outgoing =
            crate::webhooks::shop::announce(&world, "default", kind).expect("wanted");
        outgoing.due = outgoing.due.plus(crate::world::HOUR);
        block_on(world.app.send_event(&outgoing, world.clock.now())).expect("kept");
        made.push(outgoing.event.id.to_string());
        world.advance(crate::world::MILLISECOND);
    }
    made.reverse();
    let operator = Operator::of(&world);
    let mut path = PAGE.to_owned();
    for expected in made.chunks(50) {
        let page = operator.page(&path);
        let rows = page.rows("deliveries");
        let ids = rows.iter().map(|row| row.attribute("id").expect("an id"));
        let events: Vec<&str> = ids.filter_map(|id| id.split('-').next()).collect();
        assert_eq!(events, expected);
        let next = page
            .links()
            .into_iter()
            .find(|link| link.contains("before="));
        assert_eq!(next.is_some(), expected.len() == 50);
        path = next.unwrap_or_default();
    }
}

#[test]
fn send_again_sends_again_and_says_why_it_can_t() {
    let shop = Shop::new();
    let operator = Operator::of(&shop.world);
    let event = shop.happens();
    shop.tried(event, 1);
    let path = format!("{PAGE}/events/{event}/{}/send", shop.endpoint);
    let mut answer = operator.post(&path, &[]);
    // It may not have let go of the first attempt yet.
    eventually("it is sent", || {
        answer = if answer.status == 303 {
            answer.clone()
        } else {
            operator.post(&path, &[])
        };
        answer.status == 303
    });
    assert!(goes_to(&answer).starts_with(&format!("{PAGE}/events/{event}")));
    shop.tried(event, 2);
    assert!(event_page(&operator, event).text().contains("by hand"));
    operator.post(&format!("{PAGE}/{}/pause", shop.endpoint), &[]);
    let page = page_of(&operator.post(&path, &[]), 400).text();
    assert!(
        page.contains("The endpoint is paused, so nothing was sent."),
        "{page}"
    );
    operator.post(&format!("{PAGE}/{}/remove", shop.endpoint), &[]);
    let page = event_page(&operator, event);
    assert!(
        page.text().contains("Removed")
            && page.id(&shop.endpoint.to_string()).all("form").is_empty()
    );
    let unknown = format!("{PAGE}/events/{event}/we_nothing/send");
    assert_eq!(operator.post(&unknown, &[]).status, 404);
    assert_eq!(shop.receiver.hits().len(), 2);
}

#[test]
fn what_a_server_answers_and_what_an_event_holds_is_text_and_masked() {
    let shop = Shop::new();
    let operator = Operator::of(&shop.world);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{HOSTILE} 4242424242424242 whsec_0123456789abcdef"
    );
    shop.receiver.answer(Answer::Bytes(answer.into_bytes()));
    let event = shop.happens();
    shop.tried(event, 1);
    let page = event_page(&operator, event);
    assert!(page.holds(HOSTILE));
    let source = operator.source(&format!("{PAGE}/events/{event}"));
    for hidden in ["4242424242424242", "whsec_0", "cs_0123456789"] {
        assert!(!source.contains(hidden), "{hidden}");
    }
    assert!(page.id("body").text().contains("cs_..."));
    let images = page.all("img");
    assert!(
        images
            .iter()
            .all(|image| image.attribute("onerror").is_none())
    );
    assert_eq!(deliveries(&shop.world, event).len(), 1);
}

#[test]
fn nonsense_in_an_address_does_no_harm() {
    let shop = Shop::new();
    let operator = Operator::of(&shop.world);
    for query in ["before=x", "before=-", "before=evt_-we_", "done=%3Cb%3E"] {
        operator.page(&format!("{PAGE}?{query}"));
    }
    for path in ["/we_nothing/roll", "/x/remove", "/%00/pause"] {
        let answer = operator.post(&format!("{PAGE}{path}"), &[]);
        assert_eq!(answer.status, 404, "{path}");
    }
}
