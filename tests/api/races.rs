//! Two at once, and clients that hang up (contract, section 3).

use std::collections::HashSet;

use crate::world::{Held, Key, ORDER, Request, Response, World, at_once, eventually};

/// Every answer is the session, its replay, or 409 "in use" with when to come again; gives the
/// ids of the sessions.
fn sessions_of(answers: &[Response]) -> HashSet<String> {
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.expect(409, "idempotency_key_in_use");
        assert_eq!(answer.json()["error"]["type"], "idempotency_error");
        assert_eq!(answer.number("retry-after"), 1);
    }
    let made = answers.iter().filter(|answer| answer.status == 201);
    made.map(Response::session).collect()
}

/// Retries as a client does, until the key is no longer in use and a slot is free.
fn retry(request: &Request) -> Response {
    let mut last = None;
    eventually("the retry gets an answer", || {
        let answer = request.send();
        let busy = match answer.status {
            409 => answer.expect(409, "idempotency_key_in_use").status == 409,
            429 => answer.expect_limit("concurrency").status == 429,
            _ => false,
        };
        last = Some(answer);
        !busy
    });
    last.expect("an answer")
}

/// A world in which a client may come again as often as it likes.
fn patient_world(workers: usize) -> World {
    World::with(move |settings| {
        settings.workers = workers;
        settings.limits.per_minute = 1_000_000;
        settings.limits.per_day = 1_000_000;
    })
}

#[test]
fn of_many_at_once_exactly_one_makes_a_session() {
    let world = World::new();
    let key = world.key();
    for round in 0..20 {
        let request = world.order(&key).idempotent(&format!("order_{round}"));
        let answers = at_once(&vec![request.clone(); 40]);
        let sessions = sessions_of(&answers);
        let made = answers.iter().filter(|a| a.status == 201 && !a.replayed());
        assert_eq!((sessions.len(), made.count()), (1, 1), "round {round}");
        assert!(
            sessions.contains(&request.send().session()),
            "round {round}"
        );
    }
}

#[test]
fn of_many_at_once_on_several_workers_exactly_one_makes_a_session() {
    let world = World::with(|settings| settings.workers = 4);
    let key = world.key();
    for round in 0..20 {
        let request = world.order(&key).idempotent(&format!("order_{round}"));
        let sessions = sessions_of(&at_once(&vec![request; 40]));
        assert_eq!(sessions.len(), 1, "round {round}");
    }
}

#[test]
fn many_keys_of_one_merchant_at_once_make_one_session() {
    let world = World::with(|settings| settings.workers = 4);
    let keys: Vec<Key> = (0..10).map(|_| world.key()).collect();
    for round in 0..10 {
        let order = format!("order_{round}");
        let requests: Vec<Request> = keys
            .iter()
            .map(|key| world.order(key).idempotent(&order))
            .collect();
        assert_eq!(sessions_of(&at_once(&requests)).len(), 1, "round {round}");
    }
}

#[test]
fn two_different_bodies_at_once_make_one_session() {
    let world = World::with(|settings| settings.workers = 4);
    let key = world.key();
    for round in 0..40 {
        let order = format!("order_{round}");
        let bodies = [ORDER, r#"{"amount":1,"currency":"EUR"}"#];
        let requests = bodies.map(|body| world.order_of(&key, body).idempotent(&order));
        let answers = at_once(&requests);
        let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 201);
        assert_eq!((made.len(), refused.len()), (1, 1), "round {round}");
        refused[0].expect(409, "idempotency_key_reused");
        let retries = requests.map(|request| request.send());
        let replayed = retries.iter().filter(|answer| answer.replayed());
        assert_eq!(replayed.count(), 1, "round {round}");
    }
}

#[test]
fn different_orders_at_once_do_not_hold_each_other_up() {
    let world = World::with(|settings| settings.workers = 4);
    let key = world.key();
    let orders: Vec<Request> = (0..40)
        .map(|n| world.order(&key).idempotent(&format!("order_{n}")))
        .collect();
    let sessions = sessions_of(&at_once(&orders));
    assert_eq!(sessions.len(), 40);
}

#[test]
fn the_tenth_retry_after_a_race_is_still_a_replay() {
    let world = World::new();
    let key = world.key();
    let request = world.order(&key).idempotent("order_1");
    let sessions = sessions_of(&at_once(&vec![request.clone(); 20]));
    for _ in 0..10 {
        let answer = request.send();
        assert!(answer.replayed());
        assert!(sessions.contains(&answer.session()));
    }
}

#[test]
fn a_client_that_resets_the_connection_gets_one_session_by_its_retry() {
    let world = patient_world(1);
    let key = world.key();
    for n in 0..100 {
        let request = world.order(&key).idempotent(&format!("order_{n}"));
        request.start().connection.reset();
        let first = retry(&request);
        let second = request.send();
        assert_eq!((first.status, second.replayed()), (201, true), "order_{n}");
        assert_eq!(first.session(), second.session(), "order_{n}");
    }
}

#[test]
fn resets_of_many_at_once_leave_one_session_a_key() {
    let world = patient_world(4);
    let key = world.key();
    let requests: Vec<Request> = (0..100)
        .map(|n| world.order(&key).idempotent(&format!("order_{n}")))
        .collect();
    for request in &requests {
        request.start().connection.reset();
    }
    let sessions: HashSet<String> = requests
        .iter()
        .map(|request| {
            let first = retry(request);
            assert_eq!(first.session(), retry(request).session());
            first.session()
        })
        .collect();
    assert_eq!(sessions.len(), 100);
}

#[test]
fn a_client_that_hangs_up_does_not_stop_its_operation() {
    let world = patient_world(1);
    let key = world.key();
    for n in 0..20 {
        let before = world.report(&key).used_today;
        let request = world.order(&key).idempotent(&format!("order_{n}"));
        let under_way = request.start();
        eventually("the request is admitted", || {
            world.report(&key).used_today > before
        });
        under_way.connection.reset();
        let answer = retry(&request);
        assert_eq!((answer.status, answer.replayed()), (201, true), "order_{n}");
    }
}

#[test]
fn a_body_cut_off_leaves_its_key_free() {
    let world = patient_world(1);
    let key = world.key();
    for n in 0..20 {
        let request = world.order(&key).idempotent(&format!("order_{n}"));
        request.begin(ORDER.len() / 2).connection.reset();
        let answer = retry(&request);
        assert_eq!(
            (answer.status, answer.replayed()),
            (201, false),
            "order_{n}"
        );
    }
}

/// A request whose head the server has read, which its 100 says, and that goes no further.
fn held(request: Request) -> Held {
    let mut held = request.header("Expect", "100-continue").begin(10);
    assert_eq!(held.interim().status, 100);
    held
}

#[test]
fn a_slow_body_that_comes_second_gets_the_replay() {
    let world = World::new();
    let key = world.key();
    let request = world.order(&key).idempotent("order_1");
    let slow = held(request.clone());
    let made = request.send();
    let late = slow.finish();
    assert_eq!((made.status, late.replayed()), (201, true));
    assert_eq!(late.body, made.body);
}

#[test]
fn a_slow_body_that_comes_second_and_differs_is_told_so() {
    let world = World::new();
    let key = world.key();
    let other = world.order_of(&key, r#"{"amount":1,"currency":"EUR"}"#);
    let slow = held(other.idempotent("order_1"));
    let request = world.order(&key).idempotent("order_1");
    assert_eq!(request.send().status, 201);
    slow.finish().expect(409, "idempotency_key_reused");
    assert!(request.send().replayed());
}

#[test]
fn a_finished_request_repeated_by_many_at_once_is_replayed_to_all() {
    let world = World::with(|settings| settings.workers = 4);
    let key = world.key();
    let request = world.order(&key).idempotent("order_1");
    let first = request.send();
    for answer in at_once(&vec![request; 40]) {
        assert_eq!((answer.replayed(), &answer.body), (true, &first.body));
    }
}
