//! `atlas serve` and `atlas mock`.

use std::io::IsTerminal;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::out::quoted;
use super::systemd::Manager;
use super::{Failure, announce, note, to_json};
use crate::app::App;
use crate::app::keys::{KeyAnswer, KeyCommand, NewKey};
use crate::app::operators::{OperatorAnswer, OperatorCommand};
use crate::clock::Clock;
use crate::config::{Settings, UpstreamSettings, open_as_many_files_as_allowed};
use crate::domain::key::{Account, Mode, OwnLimits};
use crate::policy;
use crate::serve::{Sockets, passed, start_on, until_free};

/// What the names of temporary stores begin with.
const PREFIX: &str = "atlas-mock-";

/// Serves until told to stop.
pub(super) fn run(settings: Settings, json: bool) -> Result<(), Failure> {
    if settings.mock {
        mock(settings, json)
    } else {
        actix_web::rt::System::new().block_on(serve(settings, json))
    }
}

/// Serves for development, from a directory that is gone at the end unless one is given.
fn mock(mut settings: Settings, json: bool) -> Result<(), Failure> {
    let temporary =
        if settings.data_dir_is_default {
            remove_stores_of_killed_mocks();
            let made = tempfile::Builder::new().prefix(PREFIX).tempdir();
            Some(made.map_err(|e| {
                Failure::Failed(format!("no temporary directory could be made: {e}"))
            })?)
        } else {
            None
        };
    if let Some(directory) = &temporary {
        settings.data_dir = directory.path().to_owned();
    }
    actix_web::rt::System::new().block_on(serve(settings, json))
}

/// A mock that was killed could not remove its store: the next one does, once nobody has it and it is old enough not to
/// be one that just starts.
fn remove_stores_of_killed_mocks() {
    for store in crate::store::abandoned(&std::env::temp_dir(), PREFIX, policy::ABANDONED_AFTER) {
        log::info!(
            "{} is what a mock that was killed left; it is removed",
            store.display()
        );
        drop(std::fs::remove_dir_all(store));
    }
}

async fn serve(settings: Settings, json: bool) -> Result<(), Failure> {
    open_as_many_files_as_allowed();
    let mut signals = Signals::listen()
        .map_err(|e| Failure::Failed(format!("signals can't be listened for: {e}")))?;
    let passed = passed().map_err(Failure::Failed)?;
    let sockets = Sockets::open(passed, &settings).map_err(Failure::Failed)?;
    tokio::select! {
        free = until_free(&settings.data_dir) => free.map_err(Failure::Failed)?,
        () = signals.stop() => {
            log::info!("stopped before it began, while another process used {}", settings.data_dir.display());
            return Ok(());
        }
    }
    let running = start_on(sockets, settings, Clock::system()).map_err(Failure::Failed)?;
    let url = running.app.own_url();
    let settings = &running.app.settings;
    log::info!(
        "atlas {} on {url}, store in {}, limits {} a minute, {} a day, {} at once{}",
        env!("CARGO_PKG_VERSION"),
        settings.data_dir.display(),
        settings.limits.per_minute,
        settings.limits.per_day,
        settings.limits.concurrent,
        if settings.mock {
            ", mock: every sk_test_ key is taken"
        } else {
            ""
        }
    );
    let metrics = running
        .metrics
        .as_ref()
        .map(|metrics| format!("http://{}/metrics", metrics.address));
    if let Some(metrics) = &metrics {
        log::info!("metrics on {metrics}");
    }
    for (mode, upstream) in [(Mode::Live, &settings.live), (Mode::Test, &settings.test)] {
        if let Some(upstream) = upstream {
            log::info!("{}", going_up(mode, upstream));
        }
    }
    if json {
        let pid = std::process::id();
        // A path may be no UTF-8, and JSON is.
        let data_dir = settings.data_dir.to_string_lossy();
        let mut line = serde_json::json!({ "url": url, "pid": pid, "data_dir": data_dir });
        if let Some(metrics) = metrics {
            line["metrics"] = metrics.into();
        }
        let webhooks = webhooks(&running.app);
        if !webhooks.is_empty() {
            line["webhooks"] = webhooks.into();
        }
        announce(&to_json(&line)?);
    } else {
        announce(&format!("listening on {url}"));
        if let Err(line) = welcome(&running.app, &url).await {
            log::error!("no first key could be made: {line}");
        }
    }
    let manager = Manager::ready(&running.app, &url);
    let failed = loop {
        tokio::select! {
            told = signals.next() => match told {
                Told::Stop => break false,
                Told::LookAgain => running.look_again(),
            },
            () = running.app.store_failed() => break true,
        }
    };
    log::info!(
        "stopping: no new requests; those that run get {} s",
        running.app.settings.shutdown_timeout.as_secs()
    );
    manager.stopping();
    let app = Arc::clone(&running.app);
    let stopped = tokio::select! {
        stopped = running.stop() => stopped,
        () = signals.stop() => Err(match app.close() {
            Ok(()) => "told twice to stop, so running requests were cut; what was answered is kept, and counted".to_owned(),
            Err(why) => format!("told twice to stop, so running requests were cut, and {why}"),
        }),
    };
    match stopped {
        Ok(()) => log::info!("stopped; everything is on disk"),
        Err(line) => return Err(Failure::Failed(line)),
    }
    if failed {
        Err(Failure::Failed(
            "the store failed; see the log above".to_owned(),
        ))
    } else {
        Ok(())
    }
}

/// Where requests of a mode go.
fn going_up(mode: Mode, upstream: &UpstreamSettings) -> String {
    format!(
        "requests of {} keys go to {}, {} Authorization; it {} what comes twice under one Idempotency-Key",
        mode.as_str(),
        upstream.url.as_str(),
        upstream
            .authorization
            .as_ref()
            .map_or("without", |_| "with our"),
        if upstream.is_idempotent {
            "does once"
        } else {
            "does twice"
        },
    )
}

/// The webhook endpoints given at the start, for whoever reads JSON.
fn webhooks(app: &App) -> Vec<serde_json::Value> {
    let given = app.given_endpoints().into_iter();
    given
        .map(|endpoint| {
            let secret = app.webhook_secret(&endpoint);
            serde_json::json!({ "url": endpoint.url, "secret": secret.expose() })
        })
        .collect()
}

/// Helps a first start along: a key and a line to paste, but only where a person sees them.
async fn welcome(app: &Arc<App>, url: &str) -> Result<(), String> {
    let is_first = app.has_no_keys();
    const SAMPLE: &str = r#"{"amount": 4990, "currency": "USD"}"#;
    let secret = if app.settings.mock {
        "sk_test_xxx".to_owned()
    } else if !is_first {
        return Ok(());
    } else if std::io::stdout().is_terminal() {
        let name = "First key".parse()?;
        let key = NewKey {
            name,
            mode: Mode::Test,
            account: Account::default(),
            expires_in_seconds: None,
            limits: OwnLimits::default(),
        };
        match app.manage_keys(KeyCommand::Create(key)).await {
            KeyAnswer::Secret(made) => made.secret.to_string(),
            KeyAnswer::Failed(line) => return Err(line),
            KeyAnswer::Key(_) | KeyAnswer::Keys(_) => return Ok(()),
        }
    } else {
        log::info!(
            "there is no API key yet: make one with `atlas keys create --name NAME --data-dir {}`",
            quoted(&app.settings.data_dir)
        );
        return Ok(());
    };
    if app.settings.mock {
        for endpoint in app.given_endpoints() {
            let secret = app.webhook_secret(&endpoint);
            let (url, secret) = (endpoint.url.as_str(), secret.expose());
            announce(&format!("webhook {url}, signed with {secret}"));
        }
    }
    if std::io::stdout().is_terminal() {
        if !app.settings.mock {
            note("\nYour first test key; it is shown only now:\n");
            announce(&format!("  {secret}"));
        }
        note("\nTry it; the second time you get the same answer:\n");
        announce(&format!(
            "  curl -i {url}/functions/v1/create-session \\\n    -H 'Authorization: Bearer {secret}' \\\n    \
             -H 'Content-Type: application/json' \\\n    -H 'Idempotency-Key: order_12345' \\\n    -d '{SAMPLE}'\n"
        ));
        note("The Dashboard, by a link that works once and for five minutes:\n");
        if let OperatorAnswer::Link(link) = app.manage_operators(OperatorCommand::Link).await {
            announce(&format!("  {}\n", *link.url));
            let place = quoted(&app.settings.data_dir);
            note(&format!(
                "`atlas dashboard --data-dir {place}` prints another.\n"
            ));
        }
    }
    Ok(())
}

/// SIGTERM, as systemd sends it, and SIGINT, as Ctrl-C does. SIGHUP asks a service to read its files anew; where the log
/// goes to a terminal, that has been closed, and with it ends what was started there.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    is_service: bool,
}

/// What a signal says.
enum Told {
    Stop,
    LookAgain,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            is_service: !std::io::stderr().is_terminal(),
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hang_up.recv() => if self.is_service { Told::LookAgain } else { Told::Stop },
        }
    }

    async fn stop(&mut self) {
        while let Told::LookAgain = self.next().await {}
    }
}
