use std::net::{IpAddr, Ipv6Addr};

use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
}

fn key(per_minute: u32, per_day: u32, concurrent: u32) -> Arc<KeyLimiter> {
    Arc::new(KeyLimiter::new(
        Limits {
            per_minute,
            per_day,
            concurrent,
        },
        at(0).day(),
        0,
    ))
}

/// Admits with leases granted at once; the permit is given back at once.
fn ask(limiter: &Arc<KeyLimiter>, now: Timestamp) -> Result<(), RateLimited> {
    loop {
        match limiter.admit(now) {
            Admission::Admitted(_permit, lease) => {
                lease
                    .into_iter()
                    .for_each(|lease| limiter.leased(lease, true, now));
                return Ok(());
            }
            Admission::Refused(refused) => return Err(refused),
            Admission::NeedsLease(waiting) => {
                limiter.leased(waiting.lease.expect("nobody else asked"), true, now);
            }
        }
    }
}

#[test]
fn the_minute_admits_its_limit_and_counts_down_to_zero() {
    let limiter = key(5, 100, 50);
    let left: Vec<u32> = (0..5)
        .map(|_| {
            ask(&limiter, at(0)).expect("admitted");
            limiter.standing(at(0)).minute.remaining
        })
        .collect();
    assert_eq!(left, [4, 3, 2, 1, 0]);
    let refused = ask(&limiter, at(0)).expect_err("a sixth");
    assert_eq!(refused.allowance.scope, Scope::Minute);
    assert_eq!(refused.allowance.remaining, 0);
    assert_eq!(refused.allowance.resets_at, at(60));
    assert_eq!(refused.retry_after.as_secs(), 60);
}

#[test]
fn the_bucket_keeps_two_windows_from_arriving_back_to_back() {
    let limiter = key(60, 10_000, 50);
    ask(&limiter, at(0)).expect("starts the window");
    (0..59).for_each(|_| ask(&limiter, at(59)).expect("the rest of the window"));
    let admitted = (0..60).filter(|_| ask(&limiter, at(60)).is_ok()).count();
    assert_eq!(
        admitted, 2,
        "two are refilled by then, not the 60 of a new window"
    );
    let refused = ask(&limiter, at(60)).expect_err("bucket empty");
    assert_eq!(refused.retry_after.as_secs(), 1);
    ask(&limiter, at(61)).expect("after the wait it said");
}

#[test]
fn a_refused_request_spends_nothing() {
    let limiter = key(2, 100, 50);
    (0..2).for_each(|_| ask(&limiter, at(0)).expect("admitted"));
    (0..500).for_each(|_| assert!(ask(&limiter, at(1)).is_err()));
    assert_eq!(limiter.day_count().1, 2);
    ask(&limiter, at(60)).expect("a new minute");
}

#[test]
fn the_day_ends_at_midnight_utc() {
    let limiter = key(100, 3, 50);
    (0..3).for_each(|_| ask(&limiter, at(0)).expect("admitted"));
    let refused = ask(&limiter, at(1)).expect_err("spent");
    assert_eq!(refused.allowance.scope, Scope::Day);
    assert_eq!(refused.allowance.resets_at, at(0).day().end());
    let midnight = at(0).day().end();
    ask(&limiter, midnight).expect("a new day");
    assert_eq!(limiter.standing(midnight).day.remaining, 2);
}

#[test]
fn slots_come_back_by_drop() {
    let limiter = key(100, 10_000, 2);
    ask(&limiter, at(0)).expect("a slot that is given back at once");
    let hold = |limiter: &Arc<KeyLimiter>| {
        let Admission::Admitted(permit, _) = limiter.admit(at(0)) else {
            unreachable!("a slot is free")
        };
        permit
    };
    let first = hold(&limiter);
    let _second = hold(&limiter);
    let refused = ask(&limiter, at(0)).expect_err("no slot");
    assert_eq!(
        (refused.allowance.scope, refused.allowance.limit),
        (Scope::Concurrency, 2)
    );
    drop(first);
    ask(&limiter, at(0)).expect("a slot is free");
}

fn wait(limiter: &Arc<KeyLimiter>) -> Waiting {
    let Admission::NeedsLease(waiting) = limiter.admit(at(0)) else {
        unreachable!("nothing is leased yet")
    };
    waiting
}

#[test]
fn those_who_wait_for_a_lease_hold_slots_and_ask_once() {
    let limiter = key(100, 10_000, 2);
    let (first, second) = (wait(&limiter), wait(&limiter));
    let lease = first.lease.expect("the first asks");
    assert_eq!(second.lease, None, "the second waits for the same");
    assert!(
        matches!(limiter.admit(at(0)), Admission::Refused(_)),
        "both slots are taken"
    );
    limiter.leased(lease, true, at(0));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    assert!(matches!(
        runtime.block_on(first.over(at(0))),
        Some(Admission::Admitted(..))
    ));
    drop(second);
    ask(&limiter, at(0)).expect("the slots are back");
}

#[test]
fn without_a_lease_nothing_is_admitted() {
    let limiter = key(100, 100, 50);
    let waiting = wait(&limiter);
    limiter.leased(waiting.lease.expect("a lease to ask for"), false, at(0));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    assert!(runtime.block_on(waiting.over(at(0))).is_none());
    assert!(wait(&limiter).lease.is_some(), "the next one asks again");
}

#[test]
fn where_minute_and_day_are_spent_the_longer_wait_is_told() {
    let limiter = key(3, 3, 50);
    (0..3).for_each(|_| ask(&limiter, at(0)).expect("admitted"));
    assert_eq!(
        ask(&limiter, at(1))
            .expect_err("both spent")
            .allowance
            .scope,
        Scope::Day
    );
    let midnight = at(0).day().end();
    let late = Timestamp::from_millis(midnight.millis() - 1_000);
    let limiter = key(3, 3, 50);
    (0..3).for_each(|_| ask(&limiter, late).expect("admitted"));
    assert_eq!(
        ask(&limiter, late).expect_err("both spent").allowance.scope,
        Scope::Minute
    );
}

#[test]
fn after_a_start_the_day_goes_on_from_what_is_on_disk() {
    let limiter = Arc::new(KeyLimiter::new(
        Limits {
            per_minute: 100,
            per_day: 10,
            concurrent: 50,
        },
        at(0).day(),
        8,
    ));
    (0..2).for_each(|_| ask(&limiter, at(0)).expect("admitted"));
    assert_eq!(
        ask(&limiter, at(0)).expect_err("spent").allowance.scope,
        Scope::Day
    );
}

#[test]
fn other_limits_keep_what_was_used() {
    let limiter = key(10, 100, 50);
    (0..4).for_each(|_| ask(&limiter, at(0)).expect("admitted"));
    limiter.set_limits(
        Limits {
            per_minute: 6,
            per_day: 5,
            concurrent: 50,
        },
        at(0),
    );
    let standing = limiter.standing(at(0));
    assert_eq!((standing.minute.remaining, standing.day.remaining), (2, 1));
    limiter.set_limits(
        Limits {
            per_minute: 2,
            per_day: 5,
            concurrent: 50,
        },
        at(0),
    );
    assert_eq!(limiter.standing(at(0)).minute.remaining, 0);
}

#[test]
fn an_address_has_its_own_minute_and_ipv6_goes_by_64() {
    let addresses = Addresses::new(2);
    let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
    assert_eq!(
        addresses
            .spend(ip("10.0.0.1"), at(0))
            .expect("first")
            .remaining,
        1
    );
    addresses
        .spend(ip("::ffff:10.0.0.1"), at(0))
        .expect("second, the same in IPv6 clothes");
    assert_eq!(
        addresses
            .spend(ip("10.0.0.1"), at(0))
            .expect_err("third")
            .allowance
            .scope,
        Scope::Address
    );
    assert_eq!(
        addresses
            .spend(ip("10.0.0.2"), at(0))
            .expect("another")
            .remaining,
        1
    );
    addresses
        .spend(ip("2001:db8::1"), at(0))
        .expect("first of the /64");
    addresses
        .spend(ip("2001:db8::ffff:2"), at(0))
        .expect("second of the /64");
    addresses
        .spend(ip("2001:db8::3"), at(0))
        .expect_err("third of the /64");
    assert_eq!(addresses.standing(ip("10.9.9.9"), at(0)).remaining, 2);
}

#[test]
fn a_million_strangers_of_as_many_networks_are_a_bounded_crowd() {
    let addresses = Addresses::new(5);
    let address = |n: u64| IpAddr::from(Ipv6Addr::from_bits(u128::from(n) << 64 | 1));
    let mut over = 0;
    for n in 0..1_000_000 {
        over += u32::from(addresses.spend(address(n), at(0)).is_err());
    }
    assert_eq!(addresses.len(), policy::ADDRESSES);
    // Those that there is no room for share one bucket.
    assert_eq!(over, 1_000_000 - policy::ADDRESSES as u32 - 5);
    // One that is known is held to its own.
    assert_eq!(addresses.standing(address(0), at(0)).remaining, 4);
    // Later ones push nobody out before time is up, and then there is room.
    addresses
        .spend(address(1 << 40), at(0))
        .expect_err("no room");
    addresses.spend(address(1 << 40), at(600)).expect("room");
    assert_eq!(addresses.len(), 1);
}

#[test]
fn addresses_are_forgotten_and_bounded() {
    let addresses = Addresses::new(5);
    for n in 0..(policy::ADDRESSES as u32 + 10) {
        let spent = addresses.spend(IpAddr::from(n.to_be_bytes()), at(0));
        assert_eq!(
            spent.is_ok(),
            n < policy::ADDRESSES as u32 + 5,
            "{n}: those beyond the bound share one bucket of five"
        );
    }
    assert_eq!(addresses.len(), policy::ADDRESSES);
    addresses.clean(at(600));
    assert_eq!(addresses.len(), 0);
}
