//! Requests without a good key, counted by address (contract, section 4).

use std::time::Duration;

use crate::world::{CREATE, ORDER, World, secret_like};

#[test]
fn strangers_spend_from_their_address_and_a_good_key_is_not_held_up() {
    let world = World::new();
    let key = world.key();
    for expected in (0..60).rev() {
        let answer = world
            .post(CREATE)
            .json(ORDER)
            .bearer("sk_test_guess")
            .send();
        answer.expect(401, "invalid_api_key");
        assert_eq!(answer.scope(), "address");
        assert_eq!(
            (answer.number("x-ratelimit-limit"), answer.remaining()),
            (60, expected)
        );
    }
    let refused = world
        .post(CREATE)
        .json(ORDER)
        .bearer("sk_test_guess")
        .send();
    refused.expect_limit("address");
    world
        .post(CREATE)
        .json(ORDER)
        .send()
        .expect_limit("address");
    let answer = world.order(&key).send();
    assert_eq!(
        (answer.status, answer.scope(), answer.remaining()),
        (201, "minute", 999)
    );
}

#[test]
fn a_refused_stranger_is_heard_again_after_retry_after() {
    let world = World::with(|settings| settings.per_address = 3);
    let stranger = || world.post(CREATE).json(ORDER).send();
    for _ in 0..5 {
        let refused = (0..4)
            .map(|_| stranger())
            .find(|answer| answer.status == 429);
        let refused = refused.expect("a refusal");
        refused.expect_limit("address");
        world.advance(Duration::from_secs(refused.number("retry-after")));
        stranger().expect(401, "invalid_api_key");
    }
}

#[test]
fn guesses_at_a_key_never_touch_its_numbers() {
    let world = World::with(|settings| settings.per_address = 1_000);
    let key = world.key();
    for n in 0..500 {
        let guess = secret_like(&format!("{}{n:04}", &key.secret[8..34]));
        let answer = world.post(CREATE).json(ORDER).bearer(&guess).send();
        answer.expect(401, "invalid_api_key");
        assert_eq!(answer.scope(), "address");
    }
    assert_eq!(world.report(&key).used_today, 0);
    assert_eq!(world.order(&key).send().remaining(), 999);
}

#[test]
fn forwarded_addresses_count_for_nothing_without_a_trusted_proxy() {
    let world = World::with(|settings| settings.per_address = 4);
    let stranger = |n: u8| {
        let address = format!("10.0.0.{n}");
        let request = world.post(CREATE).json(ORDER);
        let request = request.header("X-Forwarded-For", &address);
        let request = request.header("Forwarded", format!("for={address}"));
        request.header("X-Real-IP", address).send()
    };
    for n in 0..4 {
        stranger(n).expect(401, "invalid_api_key");
    }
    stranger(5).expect_limit("address");
}

#[test]
fn behind_a_trusted_proxy_the_rightmost_untrusted_address_counts() {
    let world = World::with(|settings| {
        settings.per_address = 2;
        settings.trusted_proxy = vec![
            "127.0.0.1/32".parse().expect("a range"),
            "10.0.0.0/8".parse().expect("a range"),
        ];
    });
    let from = |forwarded: &str| {
        let request = world.post(CREATE).json(ORDER);
        request.header("X-Forwarded-For", forwarded).send()
    };
    from("198.51.100.1, 203.0.113.7").expect(401, "invalid_api_key");
    from("198.51.100.2, 203.0.113.7, 10.1.2.3").expect(401, "invalid_api_key");
    from("203.0.113.7").expect_limit("address");
    assert_eq!(from("203.0.113.7, 203.0.113.8").remaining(), 1);
}

#[test]
fn several_lines_of_forwarded_addresses_are_one_list() {
    let world = World::with(|settings| {
        settings.per_address = 1;
        settings.trusted_proxy = vec!["127.0.0.1/32".parse().expect("a range")];
    });
    let from = |lines: [&str; 2]| {
        let request = world.post(CREATE).json(ORDER);
        let request = request.header("X-Forwarded-For", lines[0]);
        request.header("X-Forwarded-For", lines[1]).send()
    };
    from(["198.51.100.1", "203.0.113.7"]).expect(401, "invalid_api_key");
    from(["198.51.100.2", "198.51.100.3, 203.0.113.7"]).expect_limit("address");
    from(["203.0.113.7", "203.0.113.8"]).expect(401, "invalid_api_key");
}

#[test]
fn a_forwarded_address_that_is_none_does_no_harm() {
    let world = World::with(|settings| {
        settings.trusted_proxy = vec!["127.0.0.1/32".parse().expect("a range")];
    });
    let key = world.key();
    let values: [&[u8]; 7] = [
        b"",
        b"unknown",
        b",,",
        b"1.2.3.4:80",
        b"[::1]:80",
        b"\xff",
        b"1.2",
    ];
    for value in values {
        let stranger = world
            .post(CREATE)
            .json(ORDER)
            .header("X-Forwarded-For", value)
            .send();
        stranger.expect(401, "invalid_api_key");
        let good = world.order(&key).header("X-Forwarded-For", value).send();
        assert_eq!(good.status, 201, "{value:?}");
    }
}

#[test]
fn an_ipv4_address_is_the_same_in_its_ipv6_spelling() {
    let world = World::with(|settings| {
        settings.per_address = 1;
        settings.trusted_proxy = vec!["127.0.0.1/32".parse().expect("a range")];
    });
    let from = |forwarded: &str| {
        let request = world.post(CREATE).json(ORDER);
        request.header("X-Forwarded-For", forwarded).send()
    };
    from("203.0.113.7").expect(401, "invalid_api_key");
    from("::ffff:203.0.113.7").expect_limit("address");
    from("::ffff:203.0.113.8").expect(401, "invalid_api_key");
}

#[test]
fn addresses_of_one_ipv6_network_share_a_bucket() {
    let world = World::with(|settings| {
        settings.per_address = 2;
        settings.trusted_proxy = vec!["127.0.0.1/32".parse().expect("a range")];
    });
    let from = |forwarded: &str| {
        let request = world.post(CREATE).json(ORDER);
        request.header("X-Forwarded-For", forwarded).send()
    };
    from("2001:db8:1:2::1").expect(401, "invalid_api_key");
    from("2001:db8:1:2:ffff::2").expect(401, "invalid_api_key");
    from("2001:db8:1:2::3").expect_limit("address");
    assert_eq!(from("2001:db8:1:3::1").remaining(), 1);
}
