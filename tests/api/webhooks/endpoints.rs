//! Which endpoints there can be, what each is told, and what it is signed with.

use atlas::app::webhooks::{EndpointAnswer, EndpointCommand, EndpointReport};
use atlas::domain::delivery::{DeliveryState, Outcome};
use atlas::domain::event::EventType;
use atlas::domain::webhook::{Reach, WebhookSecret};

use super::delivery::signed_at;
use super::receiver::{Answer, Receiver};
use super::shop::{Shop, add, announce, happens, manage};
use crate::world::World;

fn listed(world: &World) -> Vec<EndpointReport> {
    match manage(world, EndpointCommand::List) {
        EndpointAnswer::Endpoints(endpoints) => endpoints,
        EndpointAnswer::Failed(why) => panic!("{why}"),
        EndpointAnswer::Secret(_) | EndpointAnswer::Endpoint(_) => panic!("no list"),
    }
}

#[test]
fn each_account_is_told_its_own_events() {
    let world = World::new();
    let (mine, other) = (Receiver::new(), Receiver::new());
    add(&world, "mine", &mine.url(), &[]).expect("added");
    add(&world, "other", &other.url(), &[]).expect("added");
    let kind = EventType::PaymentCaptured;
    let event = happens(&world, "mine", kind).expect("wanted");
    let another = happens(&world, "other", kind).expect("wanted");
    assert_eq!(mine.wait_for(1)[0].event(), event.to_string());
    assert_eq!(other.wait_for(1)[0].event(), another.to_string());
    assert!(announce(&world, "nobody", kind).is_none());
}

#[test]
fn an_endpoint_is_told_what_it_asked_for_or_what_the_api_tells_by_default() {
    let world = World::new();
    let told = |account: &str| -> Vec<EventType> {
        let wanted = |kind: &EventType| announce(&world, account, *kind).is_some();
        EventType::all().filter(wanted).collect()
    };
    let chosen = [EventType::SessionExpired, EventType::DisputeCreated];
    add(&world, "usual", "http://localhost:1/", &[]).expect("added");
    add(&world, "chosen", "http://localhost:1/", &chosen).expect("added");
    assert_eq!(
        told("usual"),
        [
            EventType::PaymentCaptured,
            EventType::PaymentFailed,
            EventType::RefundSucceeded
        ]
    );
    assert_eq!(told("chosen"), chosen);
    assert!(told("nobody").is_empty());
}

#[test]
fn an_endpoint_given_at_the_start_is_told_everything_of_everybody_and_signed_with_its_own_secret() {
    let receiver = Receiver::new();
    let url = receiver.url().parse().expect("a URL");
    let chosen = "whsec_ChosenByTheTester01";
    let world = World::with(move |settings| {
        settings.webhook = vec![Clone::clone(&url)];
        settings.webhook_secret = WebhookSecret::parse(chosen).ok();
    });
    add(&world, "a", &receiver.url(), &[EventType::DisputeLost]).expect("added");
    for (sent, kind) in (1..).zip(EventType::all()) {
        happens(&world, "nobody", kind).expect("it is told everything");
        let hits = receiver.wait_for(sent);
        assert!(signed_at(&hits[sent - 1], chosen).is_some());
    }
    let before = receiver.hits().len();
    happens(&world, "a", EventType::DisputeLost).expect("wanted");
    let hits = receiver.wait_for(before + 2);
    let with_chosen = |hit: &&super::receiver::Hit| signed_at(hit, chosen).is_some();
    assert_eq!(hits[before..].iter().filter(with_chosen).count(), 1);
}

#[test]
fn a_rolled_secret_signs_from_then_on_and_the_old_one_no_more() {
    let shop = Shop::new();
    let rolled = manage(&shop.world, EndpointCommand::Roll { id: shop.endpoint });
    let EndpointAnswer::Secret(rolled) = rolled else {
        panic!("no secret");
    };
    assert!(rolled.secret.starts_with("whsec_") && *rolled.secret != shop.secret);
    shop.happens();
    let shop = shop.restart();
    shop.happens();
    for hit in shop.receiver.wait_for(2) {
        assert!(signed_at(&hit, &rolled.secret).is_some());
        assert!(signed_at(&hit, &shop.secret).is_none());
    }
}

#[test]
fn a_paused_endpoint_is_told_nothing_of_what_happens_then() {
    let shop = Shop::new();
    let id = shop.endpoint;
    shop.receiver.answer(Answer::Status(500));
    let before = shop.happens();
    shop.tried(before, 1);
    manage(&shop.world, EndpointCommand::Pause { id, paused: true });
    assert!(announce(&shop.world, "default", EventType::PaymentCaptured).is_none());
    shop.advance(300);
    let shop = shop.restart();
    assert!(listed(&shop.world)[0].paused, "after a restart too");
    assert_eq!(shop.receiver.hits().len(), 1, "nothing was sent");
    shop.receiver.answer(Answer::Status(200));
    manage(&shop.world, EndpointCommand::Pause { id, paused: false });
    shop.tried(before, 2);
    let after = shop.happens();
    let hits = shop.receiver.wait_for(3);
    assert_eq!(hits[2].event(), after.to_string());
}

#[test]
fn what_waits_for_a_removed_endpoint_is_given_up() {
    let shop = Shop::new();
    shop.receiver.answer(Answer::Status(500));
    let event = shop.happens();
    shop.tried(event, 1);
    manage(&shop.world, EndpointCommand::Remove { id: shop.endpoint });
    assert!(listed(&shop.world).is_empty());
    shop.advance(300);
    assert_eq!(shop.tried(event, 2).state(), DeliveryState::Failed);
    shop.receiver.wait_for(1);
    let shop = shop.restart();
    assert!(listed(&shop.world).is_empty());
}

#[test]
fn an_account_has_sixteen_at_most_and_each_url_once() {
    let world = World::new();
    for n in 0..16 {
        add(
            &world,
            "a",
            &format!("http://localhost:{}/", 1_000 + n),
            &[],
        )
        .expect("added");
    }
    let refused = add(&world, "a", "http://localhost:999/", &[]).map(|_| ());
    assert!(refused.expect_err("full").contains("16"));
    add(&world, "b", "http://localhost:1000/", &[]).expect("another account");
    let twice = add(&world, "b", "http://LOCALHOST:1000", &[]).map(|_| ());
    assert!(twice.expect_err("twice").contains("URL"));
    assert_eq!(listed(&world).len(), 17);
}

#[test]
fn a_url_out_of_reach_is_refused_and_one_of_before_is_not_sent_to() {
    let refused = |world: &World, url: &str| add(world, "a", url, &[]).map(|_| ());
    let serve = World::new();
    assert!(refused(&serve, "https://shop.example/").is_ok());
    let why = refused(&serve, "http://shop.example/").expect_err("refused");
    assert!(why.contains("https://"), "{why}");
    let mock = World::with(|settings| settings.webhook_reach = Reach::Loopback);
    for url in ["https://shop.example/", "http://10.0.0.1/"] {
        let why = refused(&mock, url).expect_err("refused");
        assert!(why.contains("--allow-remote-webhooks"), "{why}");
    }
    assert!(refused(&mock, "http://[::1]:3000/").is_ok());

    let far = World::with(|settings| settings.webhook_reach = Reach::Anywhere);
    let made = add(&far, "a", "http://192.0.2.1/", &[]).expect("added");
    let near = far.restart_with(|settings| settings.webhook_reach = Reach::Loopback);
    let event = happens(&near, "a", EventType::PaymentFailed).expect("wanted");
    let deliveries = || super::shop::deliveries(&near, event);
    crate::world::eventually("it is given up", || deliveries()[0].due().is_none());
    assert_eq!(deliveries()[0].endpoint, made.endpoint.id);
    let outcome = &deliveries()[0].attempts[0].outcome;
    assert!(matches!(outcome, Outcome::Failed(why) if why.contains("--allow-remote")));
}

#[test]
fn one_given_at_the_start_can_t_be_changed_and_one_unknown_is_not_there() {
    let url = "http://localhost:1/".parse().expect("a URL");
    let world = World::with(move |settings| settings.webhook = vec![Clone::clone(&url)]);
    let id = listed(&world)[0].id;
    let unknown = atlas::domain::id::EndpointId::of_characters([b'0'; 24]);
    for (id, says) in [(id, "--webhook"), (unknown, "no endpoint")] {
        for command in [
            EndpointCommand::Roll { id },
            EndpointCommand::Pause { id, paused: true },
            EndpointCommand::Remove { id },
        ] {
            let answer = manage(&world, command);
            assert!(matches!(answer, EndpointAnswer::Failed(why) if why.contains(says)));
        }
    }
}
