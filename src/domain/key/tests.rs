//! Old secrets and their ends, states, names.

use super::*;
use crate::domain::secret::Pepper;

const HOUR: Duration = Duration::from_secs(3_600);

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn key(secret: &Secret, pepper: &Pepper) -> ApiKey {
    ApiKey {
        id: KeyId::new(at(0), [b'a'; 20]),
        account: Account::default(),
        mode: secret.mode(),
        name: "Server".parse().expect("a name"),
        mask: secret.mask(),
        secret: pepper.hash(secret.expose().as_bytes()),
        retired: Vec::new(),
        created_at: at(0),
        expires_at: None,
        revoked_at: None,
        limits: OwnLimits::default(),
    }
}

#[test]
fn an_old_secret_works_below_the_end_of_its_grace() {
    let pepper = Pepper::new([7; 32]);
    let (old, new) = (
        Secret::mint(Mode::Test, [b'o'; 30]),
        Secret::mint(Mode::Test, [b'n'; 30]),
    );
    let (old_hash, new_hash) = (
        pepper.hash(old.expose().as_bytes()),
        pepper.hash(new.expose().as_bytes()),
    );
    let rolled = key(&old, &pepper)
        .rolled(&new, new_hash, HOUR, at(1_000))
        .expect("rolled");
    assert_eq!(rolled.state_by(&new_hash, at(1_000)), KeyState::Active);
    assert_eq!(rolled.state_by(&old_hash, at(3_600_999)), KeyState::Active);
    assert_eq!(rolled.state_by(&old_hash, at(3_601_000)), KeyState::Expired);
    assert_eq!(rolled.state_by(&new_hash, at(3_601_000)), KeyState::Active);
    let at_once = key(&old, &pepper)
        .rolled(&new, new_hash, Duration::ZERO, at(1_000))
        .expect("rolled");
    assert_eq!(at_once.state_by(&old_hash, at(1_000)), KeyState::Expired);
    let ended = rolled.without_old_secrets(at(2_000));
    assert_eq!(ended.state_by(&old_hash, at(1_999)), KeyState::Active);
    assert_eq!(ended.state_by(&old_hash, at(2_000)), KeyState::Expired);
    assert_eq!(ended.state_by(&new_hash, at(2_000)), KeyState::Active);
}

#[test]
fn an_old_secret_ends_with_its_key() {
    let pepper = Pepper::new([7; 32]);
    let secret = Secret::mint(Mode::Test, [b'o'; 30]);
    let mut key = key(&secret, &pepper);
    key.expires_at = Some(at(60_000));
    let hash = pepper.hash(b"another");
    let rolled = key.rolled(&secret, hash, HOUR, at(0)).expect("rolled");
    let ends = |now| rolled.old_secrets_end(now).collect::<Vec<_>>();
    assert_eq!(ends(at(59_999)), [at(60_000)]);
    assert_eq!(ends(at(60_000)), []);
}

#[test]
fn the_secret_that_was_replaced_last_is_remembered_however_many_there_were() {
    let pepper = Pepper::new([7; 32]);
    let hash_of = |number: usize| pepper.hash(number.to_string().as_bytes());
    let secret = Secret::mint(Mode::Test, [b'o'; 30]);
    let mut key = key(&secret, &pepper);
    let roll = |key: &ApiKey, number, grace| key.rolled(&secret, hash_of(number), grace, at(0));
    for number in 0..policy::RETIRED_SECRETS {
        key = roll(&key, number, HOUR).expect("rolled");
    }
    let most = policy::RETIRED_SECRETS;
    assert!(roll(&key, most, HOUR).is_err());
    for number in most..most + 3 {
        let replaced = key.secret;
        key = roll(&key, number, Duration::ZERO).expect("rolled");
        assert!(key.hashes().any(|hash| hash == replaced));
        assert_eq!(key.state_by(&replaced, at(0)), KeyState::Expired);
        let working = key.old_secrets_end(at(0)).count();
        assert_eq!((working, key.retired.len()), (most, most + 1));
    }
}

#[test]
fn a_revoked_key_stays_revoked_and_says_so_before_expired() {
    let pepper = Pepper::new([7; 32]);
    let mut key = key(&Secret::mint(Mode::Live, [b'o'; 30]), &pepper);
    key.expires_at = Some(at(10));
    assert_eq!(key.state(at(9)), KeyState::Active);
    assert_eq!(key.state(at(10)), KeyState::Expired);
    let revoked = key.revoked(at(5)).revoked(at(8));
    assert_eq!(revoked.revoked_at, Some(at(5)));
    assert_eq!(revoked.state(at(10)), KeyState::Revoked);
}

#[test]
fn names_and_accounts_are_checked() {
    for (text, good) in [
        ("shop-1.eu_x", true),
        ("", false),
        ("a b", false),
        ("é", false),
    ] {
        assert_eq!(text.parse::<Account>().is_ok(), good, "{text:?}");
    }
    for (text, good) in [
        ("<img src=x>", true),
        ("   ", false),
        ("a\nb", false),
        ("a\u{202e}b", false),
        ("a\u{61c}b", false),
        ("a\u{2028}b", false),
        ("\u{200b}", false),
        ("\u{feff} \u{3164}", false),
        ("👩\u{200d}💻", true),
        ("é", true),
    ] {
        assert_eq!(text.parse::<KeyName>().is_ok(), good, "{text:?}");
    }
}
