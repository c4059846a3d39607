//! The Idempotency-Key header itself (contract, section 3).

use crate::world::{CREATE, Key, World};

/// Fails when a session was kept under this idempotency key.
fn expect_unused(world: &World, key: &Key, idempotency_key: &str) {
    let answer = world.order(key).idempotent(idempotency_key).send();
    assert_eq!((answer.status, answer.replayed()), (201, false));
}

#[test]
fn a_key_of_1_to_255_characters_is_taken() {
    let world = World::new();
    let key = world.key();
    for length in [1, 2, 36, 254, 255] {
        let idempotency_key = "k".repeat(length);
        let request = world.order(&key).idempotent(&idempotency_key);
        let (first, second) = (request.send(), request.send());
        assert_eq!((first.status, second.replayed()), (201, true), "{length}");
        assert_eq!(
            first.header("idempotency-key"),
            Some(idempotency_key.as_str())
        );
    }
}

#[test]
fn a_longer_key_is_refused() {
    let world = World::new();
    let key = world.key();
    let random: String = (0..7_000_u32)
        .map(|n| char::from_digit(n.wrapping_mul(2_654_435_761) >> 28, 16).expect("a digit"))
        .collect();
    for long in ["k".repeat(256), "k".repeat(1_000), random] {
        let answer = world.order(&key).idempotent(&long).send();
        let length = long.len();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "idempotency_key_invalid"),
            "{length}"
        );
    }
}

#[test]
fn every_visible_ascii_character_and_space_is_taken() {
    let world = World::new();
    let key = world.key();
    let all: String = (0x20..=0x7e_u8).map(char::from).collect();
    let request = world.order(&key).idempotent(&format!("a{all}z"));
    assert_eq!(request.send().status, 201);
    assert!(request.send().replayed());
}

#[test]
fn an_empty_blank_or_foreign_key_is_refused_and_nothing_done() {
    let world = World::new();
    let key = world.key();
    let values: [&[u8]; 7] = [
        b"",
        b"   ",
        b"\t",
        "clé-é".as_bytes(),
        b"\xff",
        b"order\t1",
        "ключ".as_bytes(),
    ];
    for value in values {
        let answer = world.order(&key).header("Idempotency-Key", value).send();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "idempotency_key_invalid"),
            "{value:?}"
        );
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    }
}

#[test]
fn two_header_lines_are_refused_alike_or_not() {
    let world = World::new();
    let key = world.key();
    for (first, second) in [("a", "b"), ("a", "a"), ("a", ""), ("", "a")] {
        let answer = world
            .order(&key)
            .idempotent(first)
            .idempotent(second)
            .send();
        assert_eq!(answer.status, 400, "{first:?} and {second:?}");
        assert_eq!(
            answer.code(),
            "idempotency_key_invalid",
            "{first:?} and {second:?}"
        );
    }
    expect_unused(&world, &key, "a");
    expect_unused(&world, &key, "b");
}

#[test]
fn white_space_around_the_key_does_not_count() {
    let world = World::new();
    let key = world.key();
    let first = world.order(&key).idempotent("order 1").send();
    for spelling in ["  order 1", "order 1  ", "\torder 1 \t"] {
        let answer = world.order(&key).idempotent(spelling).send();
        assert_eq!(
            (answer.replayed(), answer.session()),
            (true, first.session()),
            "{spelling:?}"
        );
        assert_eq!(answer.header("idempotency-key"), Some("order 1"));
    }
}

#[test]
fn the_key_is_case_sensitive() {
    let world = World::new();
    let key = world.key();
    world.order(&key).idempotent("order_a").send().session();
    expect_unused(&world, &key, "order_A");
    expect_unused(&world, &key, "ORDER_A");
}

#[test]
fn without_a_key_every_request_makes_a_session() {
    let world = World::new();
    let key = world.key();
    let (first, second) = (world.order(&key).send(), world.order(&key).send());
    assert_ne!(first.session(), second.session());
    assert_eq!(
        (first.header("idempotency-key"), second.replayed()),
        (None, false)
    );
}

#[test]
fn x_idempotency_key_is_accepted_in_its_absence() {
    let world = World::new();
    let key = world.key();
    let first = world
        .order(&key)
        .header("X-Idempotency-Key", "order_1")
        .send();
    assert_eq!(
        (first.status, first.header("idempotency-key")),
        (201, Some("order_1"))
    );
    let second = world
        .order(&key)
        .header("X-Idempotency-Key", "order_1")
        .send();
    let third = world.order(&key).idempotent("order_1").send();
    assert_eq!(
        (second.replayed(), second.session()),
        (true, first.session())
    );
    assert_eq!((third.replayed(), third.session()), (true, first.session()));
}

#[test]
fn x_idempotency_key_does_not_count_beside_the_header_of_the_name() {
    let world = World::new();
    let key = world.key();
    let request = world.order(&key).idempotent("real");
    let answer = request.header("X-Idempotency-Key", "other").send();
    assert_eq!(
        (answer.status, answer.header("idempotency-key")),
        (201, Some("real"))
    );
    expect_unused(&world, &key, "other");
    assert!(world.order(&key).idempotent("real").send().replayed());
}

#[test]
fn x_idempotency_key_has_the_same_bounds() {
    let world = World::new();
    let key = world.key();
    for value in ["", "  ", "clé", "k".repeat(256).as_str()] {
        let answer = world.order(&key).header("X-Idempotency-Key", value).send();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "idempotency_key_invalid"),
            "{value}"
        );
    }
    let twice = world.order(&key).header("X-Idempotency-Key", "a");
    let answer = twice.header("X-Idempotency-Key", "b").send();
    answer.expect(400, "idempotency_key_invalid");
}

#[test]
fn other_methods_ignore_it() {
    let world = World::new();
    let key = world.key();
    let made = world.order(&key).idempotent("order_1").send();
    let path = format!("/functions/v1/sessions/{}", made.session());
    for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
        for idempotency_key in ["order_1", "", "clé"] {
            let request = world.request(method, &path).key(&key);
            let answer = request.idempotent(idempotency_key).send();
            assert!(!answer.replayed(), "{method}");
            assert_ne!(answer.status, 400, "{method} with {idempotency_key:?}");
            assert_ne!(answer.status, 409, "{method} with {idempotency_key:?}");
        }
    }
    let again = world.order(&key).idempotent("order_1").send();
    assert_eq!((again.replayed(), again.body), (true, made.body));
}

#[test]
fn a_get_under_a_fresh_key_does_not_take_it() {
    let world = World::new();
    let key = world.key();
    let path = format!(
        "/functions/v1/sessions/{}",
        world.order(&key).send().session()
    );
    assert_eq!(
        world
            .get(&path)
            .key(&key)
            .idempotent("order_1")
            .send()
            .status,
        200
    );
    world
        .request("DELETE", CREATE)
        .key(&key)
        .idempotent("order_1")
        .send();
    expect_unused(&world, &key, "order_1");
}
