//! The life of API keys (contract, section 2).

use std::time::Duration;

use atlas::app::keys::{Change, KeyAnswer, KeyChange, KeyCommand, NewKey};
use atlas::domain::key::{KeyState, Mode, OwnLimits};

use crate::world::{
    CREATE, Connection, HOUR, Key, MILLISECOND, ORDER, SECOND, World, checksum_of, new_key,
    report_of,
};

/// The same key as it is reached by this secret.
fn reached_by(key: &Key, secret: &str) -> Key {
    Key {
        secret: secret.to_owned(),
        ..key.clone()
    }
}

#[test]
fn a_secret_is_prefix_thirty_random_characters_and_their_checksum() {
    let world = World::new();
    for (mode, prefix) in [(Mode::Test, "sk_test_"), (Mode::Live, "sk_live_")] {
        let secret = world.key_of("default", mode).secret;
        let (text, checksum) = secret.split_at(secret.len() - 6);
        assert_eq!((secret.len(), &secret[..8]), (44, prefix));
        assert!(
            secret[8..].bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{secret}"
        );
        assert_eq!(checksum, checksum_of(text));
    }
}

#[test]
fn no_two_keys_are_alike() {
    let world = World::new();
    let (one, two) = (world.key(), world.key());
    assert_ne!(one.id, two.id);
    assert_ne!(one.secret, two.secret);
    assert!(one.id.to_string().starts_with("key_"));
}

#[test]
fn the_list_shows_every_key_and_no_secret() {
    let world = World::new();
    let key = world.create(NewKey {
        name: "Shop <b>".parse().expect("a name"),
        expires_in_seconds: Some(90 * 86_400),
        limits: OwnLimits {
            per_minute: Some(5),
            per_day: Some(6),
            concurrent: Some(7),
        },
        ..new_key("shop-1", Mode::Test)
    });
    let live = world.key_of("shop-2", Mode::Live);
    let keys = world.keys();
    assert_eq!(keys.len(), 2);
    let listed = serde_json::to_value(&keys).expect("JSON").to_string();
    assert!(
        !listed.contains(&key.secret) && !listed.contains(&live.secret),
        "{listed}"
    );
    let report = world.report(&key);
    assert_eq!(report.name.as_str(), "Shop <b>");
    assert_eq!(
        (report.account.as_str(), report.mode),
        ("shop-1", Mode::Test)
    );
    assert_eq!(report.state, KeyState::Active);
    assert_eq!(report.masked, format!("sk_test_...{}", &key.secret[40..]));
    assert!(
        report.created_at.starts_with("2026-11-25T12:00:00"),
        "{}",
        report.created_at
    );
    let expires = report.expires_at.expect("an expiry");
    assert!(expires.starts_with("2027-02-23T12:00:00"), "{expires}");
    assert_eq!(
        (report.last_used_at, report.revoked_at, report.used_today),
        (None, None, 0)
    );
    assert_eq!(report.limits.per_minute, Some(5));
    assert_eq!(
        world.report(&live).masked,
        format!("sk_live_...{}", &live.secret[40..])
    );
}

#[test]
fn the_list_says_when_a_key_was_last_used_and_how_often_today() {
    let world = World::new();
    let (key, other) = (world.key(), world.key());
    world.advance(HOUR);
    world.order(&key).send();
    world.probe(&key).send();
    let report = world.report(&key);
    let used = report.last_used_at.expect("it was used");
    assert!(used.starts_with("2026-11-25T13:00:00"), "{used}");
    assert_eq!(report.used_today, 2);
    assert_eq!(world.report(&other).last_used_at, None);
}

#[test]
fn keys_live_on_after_a_restart() {
    let world = World::new();
    let key = world.key_with(OwnLimits {
        per_minute: Some(9),
        ..OwnLimits::default()
    });
    world.order(&key).send();
    let world = world.restart();
    let report = world.report(&key);
    assert_eq!((report.limits.per_minute, report.used_today), (Some(9), 1));
    assert!(report.last_used_at.is_some());
    assert_eq!(world.order(&key).send().number("x-ratelimit-limit"), 9);
}

#[test]
fn a_revoked_key_is_refused_on_the_very_next_request_on_an_open_connection_too() {
    let world = World::new();
    let key = world.key();
    let mut connection = Connection::to(world.address);
    assert_eq!(connection.send(&world.order(&key)).status, 201);
    let report = world.revoke(&key);
    assert_eq!(report.state, KeyState::Revoked);
    assert!(report.revoked_at.is_some());
    connection
        .send(&world.order(&key))
        .expect(401, "api_key_revoked");
    world.order(&key).send().expect(401, "api_key_revoked");
}

#[test]
fn a_revoked_key_stays_revoked_after_a_restart() {
    let world = World::new();
    let key = world.key();
    world.revoke(&key);
    let world = world.restart();
    world.order(&key).send().expect(401, "api_key_revoked");
    assert_eq!(world.report(&key).state, KeyState::Revoked);
}

#[test]
fn a_revoked_key_can_not_be_rolled_or_changed() {
    let world = World::new();
    let key = world.key();
    world.revoke(&key);
    let id = key.id;
    let commands = [
        KeyCommand::Roll {
            id,
            grace_seconds: 60,
        },
        KeyCommand::Update {
            id,
            change: KeyChange {
                expires: Some(Change::Unset),
                ..KeyChange::default()
            },
        },
    ];
    for command in commands {
        assert!(matches!(world.manage(command), KeyAnswer::Failed(_)));
    }
    world.order(&key).send().expect(401, "api_key_revoked");
}

#[test]
fn a_key_that_does_not_exist_can_not_be_managed() {
    let world = World::new();
    let id = World::new().key().id;
    let commands = [
        KeyCommand::Roll {
            id,
            grace_seconds: 0,
        },
        KeyCommand::Revoke { id },
        KeyCommand::Update {
            id,
            change: KeyChange::default(),
        },
    ];
    for command in commands {
        assert!(matches!(world.manage(command), KeyAnswer::Failed(_)));
    }
}

#[test]
fn a_key_works_below_its_expiry() {
    let world = World::new();
    let key = world.key_for(60);
    world.advance(Duration::from_secs(60) - MILLISECOND);
    assert_eq!(world.order(&key).send().status, 201);
    world.advance(MILLISECOND);
    world.order(&key).send().expect(401, "api_key_expired");
    assert_eq!(world.report(&key).state, KeyState::Expired);
}

#[test]
fn an_expiry_can_be_moved_and_lifted() {
    let world = World::new();
    let (moved, lifted) = (world.key_for(60), world.key_for(60));
    world.update(&moved, expiry(Change::To(120)));
    world.update(&lifted, expiry(Change::Unset));
    world.advance(Duration::from_secs(119));
    assert_eq!(world.order(&moved).send().status, 201);
    world.advance(SECOND);
    world.order(&moved).send().expect(401, "api_key_expired");
    assert_eq!(world.order(&lifted).send().status, 201);
}

fn expiry(expires: Change<u64>) -> KeyChange {
    KeyChange {
        expires: Some(expires),
        ..KeyChange::default()
    }
}

#[test]
fn a_key_can_be_renamed_and_the_rest_of_it_stays() {
    let world = World::new();
    let key = world.key_for(60);
    let report = world.update(
        &key,
        KeyChange {
            name: Some("Another".parse().expect("a name")),
            ..KeyChange::default()
        },
    );
    assert_eq!(report.name.as_str(), "Another");
    assert!(report.expires_at.is_some());
    assert_eq!(world.order(&key).send().status, 201);
}

#[test]
fn a_limit_of_none_is_refused() {
    let world = World::new();
    let key = world.key();
    let change = KeyChange {
        per_minute: Some(Change::To(0)),
        ..KeyChange::default()
    };
    let answer = world.manage(KeyCommand::Update { id: key.id, change });
    assert!(matches!(answer, KeyAnswer::Failed(_)));
    assert_eq!(world.order(&key).send().number("x-ratelimit-limit"), 1_000);
}

#[test]
fn an_imported_secret_works_in_the_mode_that_it_says() {
    let world = World::new();
    let (short, long) = ("a_B9".repeat(4), "x".repeat(247));
    for rest in [short, long] {
        let secret = format!("sk_test_{rest}");
        let report = report_of(world.import(&secret, new_key("default", Mode::Test)));
        let masked = format!("sk_test_...{}", &secret[secret.len() - 4..]);
        assert_eq!(report.masked, masked);
        let request = world.post(CREATE).bearer(&secret).json(ORDER);
        assert_eq!(request.send().status, 201, "{secret}");
    }
    let live = format!("sk_live_{}", "a".repeat(16));
    let report = report_of(world.import(&live, new_key("default", Mode::Test)));
    assert_eq!(report.mode, Mode::Live);
}

#[test]
fn an_import_of_another_form_is_refused_without_repeating_it() {
    let world = World::new();
    let secrets = [
        String::new(),
        "sk_test_".to_owned(),
        format!("sk_test_{}", "a".repeat(15)),
        format!("sk_test_{}", "a".repeat(248)),
        format!("sk_test_{}-", "a".repeat(20)),
        format!("sk_test_{} ", "a".repeat(20)),
        format!("pk_test_{}", "a".repeat(20)),
        format!("SK_TEST_{}", "a".repeat(20)),
        format!("sk_test_{}é", "a".repeat(20)),
    ];
    for secret in secrets {
        let KeyAnswer::Failed(why) = world.import(&secret, new_key("default", Mode::Test)) else {
            panic!("{secret:?} was taken");
        };
        assert!(secret.len() < 9 || !why.contains(&secret), "{why}");
    }
    assert!(world.keys().is_empty());
}

#[test]
fn a_secret_is_imported_once() {
    let world = World::new();
    let key = world.key();
    let again = world.import(&key.secret, new_key("thief", Mode::Test));
    assert!(matches!(again, KeyAnswer::Failed(_)));
    assert_eq!(world.keys().len(), 1);
    assert_eq!(world.report(&key).account.as_str(), "default");
}

#[test]
fn no_secret_stands_in_any_file_of_the_data_directory() {
    let world = World::new();
    let key = world.key();
    let imported = format!("sk_test_{}", "Zq7_".repeat(5));
    world.import(&imported, new_key("default", Mode::Test));
    let rolled = world.roll(&key, 60);
    for secret in [&key.secret, &rolled.secret, &imported] {
        let answer = world
            .order(&reached_by(&key, secret))
            .idempotent("order_1")
            .send();
        assert_eq!(answer.status, 201);
    }
    world.revoke(&rolled);
    let world = world.restart();
    assert!(world.keeps(b"A key"), "the search finds what is there");
    for secret in [key.secret, rolled.secret, imported] {
        assert!(!world.keeps(secret.as_bytes()), "{secret} is on disk");
        assert!(
            !world.keeps(&secret.as_bytes()[8..24]),
            "{secret} is on disk in part"
        );
    }
}

#[test]
fn test_and_live_never_meet() {
    let world = World::new();
    let (test, live) = (world.key(), world.key_of("default", Mode::Live));
    let made = world.order(&test).send();
    assert_eq!(made.json()["livemode"], false);
    world
        .look_up(&live, &made.session())
        .send()
        .expect(404, "session_not_found");
}
