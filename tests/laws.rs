//! Properties of the rules, held against a naive model, by the thousand and without a server.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test says by panicking what is wrong"
)]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use atlas::app::keys::{KeyAnswer, KeyCommand, NewKey};
use atlas::app::{App, Call, Presented};
use atlas::clock::Clock;
use atlas::config::{Given, Place, Purpose, Settings};
use atlas::domain::idempotency::{Fingerprint, IdempotencyKey, Reply};
use atlas::domain::json::Json;
use atlas::domain::key::{Account, Mode, OwnLimits};
use atlas::domain::limit::{Limits, Scope};
use atlas::domain::new_session::NewSession;
use atlas::domain::payment::Session;
use atlas::domain::refusal::Refusal;
use atlas::domain::time::Timestamp;
use atlas::limiter::{Admission, KeyLimiter, Permit};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

const START: u64 = 1_795_608_000_000;

/// The limits told as plainly as they can be: lists of times, looked through from start to end.
struct Model {
    per_minute: u64,
    per_day: u64,
    window: Vec<u64>,
    /// Nanoseconds since the epoch at which the bucket is full.
    bucket_full: u128,
    days: HashMap<u64, u64>,
}

impl Model {
    fn new(per_minute: u32, per_day: u32) -> Self {
        Self {
            per_minute: per_minute.into(),
            per_day: per_day.into(),
            window: Vec::new(),
            bucket_full: 0,
            days: HashMap::new(),
        }
    }

    fn admits(&mut self, now: u64) -> Result<(), Scope> {
        if self
            .window
            .first()
            .is_some_and(|start| now >= start + 60_000)
        {
            self.window.clear();
        }
        let (interval, nanos) = (
            u128::from(60_000_000_000 / self.per_minute),
            u128::from(now) * 1_000_000,
        );
        let owed = self.bucket_full.saturating_sub(nanos);
        if self.window.len() as u64 >= self.per_minute
            || owed > interval * u128::from(self.per_minute - 1)
        {
            return Err(Scope::Minute);
        }
        let day = self.days.entry(now / 86_400_000).or_default();
        if *day >= self.per_day {
            return Err(Scope::Day);
        }
        *day += 1;
        self.window.push(now);
        self.bucket_full = self.bucket_full.max(nanos) + interval;
        Ok(())
    }
}

/// Admits with every lease granted at once.
fn admit(limiter: &Arc<KeyLimiter>, now: u64) -> Result<Permit, Scope> {
    let now = Timestamp::from_millis(now);
    loop {
        match limiter.admit(now) {
            Admission::Admitted(permit, lease) => {
                lease
                    .into_iter()
                    .for_each(|lease| limiter.leased(lease, true, now));
                return Ok(permit);
            }
            Admission::Refused(refused) => return Err(refused.allowance.scope),
            Admission::NeedsLease(lease) => limiter.leased(lease, true, now),
        }
    }
}

fn limiter(per_minute: u32, per_day: u32, concurrent: u32) -> Arc<KeyLimiter> {
    let day = Timestamp::from_millis(START).day();
    Arc::new(KeyLimiter::new(
        Limits {
            per_minute,
            per_day,
            concurrent,
        },
        day,
        0,
    ))
}

/// Steps between requests: mostly none or short, sometimes over a minute or to another day.
fn steps() -> impl Strategy<Value = Vec<u64>> {
    let step = prop_oneof![6 => Just(0), 6 => 1_u64..3_000, 3 => 10_000_u64..70_000, 1 => 3_600_000_u64..50_000_000];
    vec(step, 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_limiter_admits_exactly_what_the_model_admits(per_minute in 1_u32..40, per_day in 1_u32..150, steps in steps()) {
        let limiter = limiter(per_minute, per_day, 1_000_000);
        let mut model = Model::new(per_minute, per_day);
        let mut now = START;
        for step in steps {
            now += step;
            prop_assert_eq!(admit(&limiter, now).map(drop), model.admits(now), "at {}", now - START);
        }
    }

    #[test]
    fn a_request_after_the_wait_that_a_refusal_names_is_admitted(per_minute in 1_u32..40, steps in steps()) {
        let limiter = limiter(per_minute, 1_000_000, 1_000_000);
        let mut now = Timestamp::from_millis(START);
        for step in steps {
            now = now.plus(std::time::Duration::from_millis(step));
            if let Admission::Refused(refused) = limiter.admit(now) {
                let wait = refused.retry_after.as_secs() + u64::from(refused.retry_after.subsec_nanos() > 0);
                prop_assert!(wait >= 1);
                now = now.plus(std::time::Duration::from_secs(wait));
                prop_assert!(admit(&limiter, now.millis()).is_ok(), "{wait} s later");
            }
        }
    }

    #[test]
    fn the_numbers_told_are_sound(per_minute in 1_u32..40, per_day in 1_u32..150, steps in steps()) {
        let limiter = limiter(per_minute, per_day, 1_000_000);
        let mut now = START;
        for step in steps {
            now += step;
            let before = limiter.standing(Timestamp::from_millis(now));
            let outcome = admit(&limiter, now);
            let after = limiter.standing(Timestamp::from_millis(now));
            prop_assert_eq!(outcome.is_ok(), before.minute.remaining > 0 && before.day.remaining > 0);
            let spent = u32::from(outcome.is_ok());
            prop_assert_eq!(before.minute.remaining - after.minute.remaining, spent);
            prop_assert_eq!(before.day.remaining - after.day.remaining, spent);
            for allowance in [after.minute, after.day] {
                prop_assert!(allowance.resets_at.millis() >= now && allowance.remaining <= allowance.limit);
            }
            let whole = limiter.standing(after.minute.resets_at);
            prop_assert_eq!(whole.minute.remaining, per_minute, "at its reset the whole minute is back");
        }
    }

    #[test]
    fn never_more_at_once_than_allowed(concurrent in 1_u32..8, moves in vec(any::<(bool, u8)>(), 1..200)) {
        let limiter = limiter(1_000_000, 1_000_000, concurrent);
        let mut held: Vec<Permit> = Vec::new();
        for (take, which) in moves {
            if take {
                let full = held.len() == concurrent as usize;
                match admit(&limiter, START) {
                    Ok(permit) => held.push(permit),
                    Err(scope) => prop_assert_eq!(scope, Scope::Concurrency),
                }
                prop_assert!(held.len() <= concurrent as usize);
                prop_assert!(!full || held.len() == concurrent as usize);
            } else if !held.is_empty() {
                held.swap_remove(usize::from(which) % held.len());
            }
        }
    }

    #[test]
    fn a_crash_never_gives_a_day_more_than_its_limit(per_day in 1_u32..60, lives in vec(0_u32..40, 1..12)) {
        let day = Timestamp::from_millis(START).day();
        let limits = Limits { per_minute: 1_000_000, per_day, concurrent: 1_000 };
        let (mut on_disk, mut admitted) = (0, 0);
        for requests in lives {
            let limiter = Arc::new(KeyLimiter::new(limits, day, on_disk));
            for _ in 0..requests {
                loop {
                    match limiter.admit(Timestamp::from_millis(START)) {
                        Admission::Admitted(_, _) => { admitted += 1; break }
                        Admission::Refused(_) => break,
                        Admission::NeedsLease(lease) => {
                            on_disk = on_disk.max(lease.count);
                            limiter.leased(lease, true, Timestamp::from_millis(START));
                        }
                    }
                }
            }
        }
        prop_assert!(admitted <= per_day, "{admitted} of {per_day}");
    }

    #[test]
    fn any_bytes_are_a_body_or_a_reason_and_never_a_panic(bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(json) = Json::parse(&bytes) {
            let _ = NewSession::parse(&json, Timestamp::from_millis(START));
            let _ = Fingerprint::of("POST", "/", "", &json);
        }
        let _ = IdempotencyKey::parse(&bytes);
    }

    #[test]
    fn what_serde_json_reads_we_read_alike(value in any_json(4)) {
        let text = serde_json::to_string_pretty(&value).expect("JSON");
        let mut canonical = Vec::new();
        Json::parse(text.as_bytes()).expect("JSON").write_canonical(&mut canonical);
        // serde_json keeps members sorted too, so its compact form is the canonical one.
        prop_assert_eq!(String::from_utf8(canonical).expect("UTF-8"), serde_json::to_string(&value).expect("JSON"));
    }

    #[test]
    fn any_members_are_a_session_or_a_named_refusal(value in any_order()) {
        let json = Json::parse(value.to_string().as_bytes()).expect("JSON");
        match NewSession::parse(&json, Timestamp::from_millis(START)) {
            Ok(session) => prop_assert!((1..=2_147_483_647).contains(&session.money.amount)),
            Err(Refusal::ParameterInvalid { param, must }) => prop_assert!(!param.is_empty() && must.ends_with('.')),
            Err(Refusal::ParameterMissing { param, .. }) => prop_assert_eq!(param, "currency"),
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }
}

fn any_json(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(depth, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Orders with plausible and absurd members.
fn any_order() -> impl Strategy<Value = Value> {
    let names = [
        "amount",
        "currency",
        "customer",
        "metadata",
        "expires",
        "success_url",
        "payment_method_types",
        "other",
    ];
    let value = prop_oneof![
        4 => any_json(2),
        2 => prop::sample::select(vec!["USD", "jpy", "XXX", "card", "https://a.example/", "2026-12-01T00:00:00Z", ""]).prop_map(Value::from),
        4 => (0_i64..3_000_000_000).prop_map(Value::from),
    ];
    proptest::collection::btree_map(prop::sample::select(names.to_vec()), value, 0..8).prop_map(
        |members| {
            members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()
        },
    )
}

/// One effect a key, whatever order the steps of parallel requests come in: their futures are polled in an order that
/// the test draws.
#[test]
fn under_any_interleaving_a_key_has_one_effect() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = Place {
        data_dir: Some(directory.path().to_owned()),
        config: None,
    };
    let mut settings =
        Settings::resolve(&place, Given::default(), Purpose::Serve).expect("settings");
    settings.limits = Limits {
        per_minute: 1_000_000,
        per_day: 1_000_000,
        concurrent: 1_000,
    };
    let app = App::open(settings, Clock::hand(Timestamp::from_millis(START))).expect("the app");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let secret = runtime.block_on(make_key(&app));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(60));
    let rounds = std::sync::atomic::AtomicU32::new(0);
    let plan = vec((0_u8..4, any::<bool>()), 2..24);
    let checked = runner.run(&plan, |plan| {
        let round = rounds.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let outcomes = runtime.block_on(async {
            let orders = plan
                .iter()
                .map(|(key, yields)| order(&app, &secret, format!("{round}-{key}"), *yields));
            let handles: Vec<_> = orders.map(tokio::spawn).collect();
            let mut outcomes = Vec::new();
            for handle in handles {
                outcomes.push(handle.await.expect("no panic"));
            }
            outcomes
        });
        let mut ids: HashMap<String, HashSet<String>> = HashMap::new();
        for (key, outcome) in outcomes {
            match outcome {
                Ok(id) => drop(ids.entry(key).or_default().insert(id)),
                Err(refusal) => prop_assert_eq!(refusal, Refusal::IdempotencyKeyInUse),
            }
        }
        let keys: HashSet<_> = plan.iter().map(|(key, _)| key).collect();
        prop_assert_eq!(ids.len(), keys.len(), "each key was done by somebody");
        for (key, ids) in ids {
            prop_assert_eq!(ids.len(), 1, "{} has {:?}", key, ids);
        }
        Ok(())
    });
    checked.expect("one effect a key");
    app.close().expect("closed");
}

async fn make_key(app: &App) -> String {
    let (name, account) = ("A key".parse().expect("a name"), Account::default());
    let new = NewKey {
        name,
        mode: Mode::Test,
        account,
        expires_in_seconds: None,
        limits: OwnLimits::default(),
    };
    match app.manage_keys(KeyCommand::Create(new)).await {
        KeyAnswer::Secret(made) => made.secret.to_string(),
        KeyAnswer::Key(_) | KeyAnswer::Keys(_) | KeyAnswer::Failed(_) => panic!("no key"),
    }
}

fn render(session: &Session) -> Reply {
    Reply {
        status: 201,
        content_type: "text/plain".into(),
        body: session.id.to_string().into_bytes(),
    }
}

fn order(
    app: &Arc<App>,
    secret: &str,
    key: String,
    yields: bool,
) -> impl Future<Output = (String, Result<String, Refusal>)> + Send + 'static {
    let (app, secret) = (Arc::clone(app), secret.to_owned());
    async move {
        let now = app.clock.now();
        let entry = app
            .identify(Presented::Secret(secret.as_bytes()), now)
            .await
            .expect("a key");
        if yields {
            tokio::task::yield_now().await;
        }
        let permit = Arc::new(app.admit(&entry, now).await.expect("admitted"));
        let call = Call {
            entry,
            permit,
            now,
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            idempotency_key: Some(IdempotencyKey::parse(key.as_bytes()).expect("a key")),
        };
        let body = Json::parse(br#"{"amount":1,"currency":"USD"}"#).expect("JSON");
        let answer = app.create_session(call, &body, render).await;
        (
            key,
            answer.map(|answer| String::from_utf8(answer.reply.body).expect("an id")),
        )
    }
}
