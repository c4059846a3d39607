//! Exactly once, in any order of steps.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use atlas::app::keys::{KeyAnswer, KeyCommand, NewKey};
use atlas::app::{App, Call, Presented, Who};
use atlas::clock::Clock;
use atlas::config::{Given, Place, Purpose, Settings};
use atlas::domain::idempotency::{IdempotencyKey, Reply};
use atlas::domain::json::Json;
use atlas::domain::key::{Account, Mode, OwnLimits};
use atlas::domain::limit::Limits;
use atlas::domain::refusal::Refusal;
use atlas::domain::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::START;

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

async fn make_key(app: &Arc<App>) -> String {
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

fn refused(_: &Refusal, _: &str) -> Reply {
    panic!("nothing is declined here")
}

fn id_in(reply: &Reply) -> String {
    let session: serde_json::Value = serde_json::from_slice(&reply.body).expect("a session");
    session["id"].as_str().expect("an id").to_owned()
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
            who: Who::Merchant(entry),
            permit: Some(permit),
            request_id: "req_1".to_owned(),
            refused,
            now,
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            idempotency_key: Some(IdempotencyKey::parse(key.as_bytes()).expect("a key")),
        };
        let body = Json::parse(br#"{"amount":1,"currency":"USD"}"#).expect("JSON");
        let answer = app.create_session(call, &body).await;
        (key, answer.map(|answer| id_in(&answer.reply)))
    }
}
