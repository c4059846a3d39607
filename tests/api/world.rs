//! A server in a world of its own: port 0, a temporary store, a clock with a hand.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use atlas::app::App;
use atlas::app::keys::{KeyAnswer, KeyChange, KeyCommand, KeyReport, NewKey};
use atlas::clock::Clock;
use atlas::config::{Given, Place, Purpose, Settings};
use atlas::domain::id::KeyId;
use atlas::domain::key::{Mode, OwnLimits};
use atlas::domain::time::Timestamp;
use serde_json::Value;

pub use crate::client::{Connection, Held, Request, Response, at_once};

/// 2026-11-25T12:00:00Z, where the hand of the clock stands at first.
pub const NOON: u64 = 1_795_608_000;
pub const MIDNIGHT: u64 = NOON + 43_200;
pub const HOUR: Duration = Duration::from_secs(3_600);
pub const SECOND: Duration = Duration::from_secs(1);
pub const MILLISECOND: Duration = Duration::from_millis(1);
/// Longer than any test takes.
pub const LONG: Duration = Duration::from_secs(600);
/// The time in which what is waited for should have come; it only ends a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const CREATE: &str = "/functions/v1/create-session";
pub const ORDER: &str = r#"{"amount":4990,"currency":"USD"}"#;

pub struct World {
    pub address: SocketAddr,
    pub app: Arc<App>,
    pub clock: Clock,
    pub directory: tempfile::TempDir,
    configure: Box<dyn Fn(&mut Settings)>,
    stop: Option<Sender<()>>,
    server: Option<JoinHandle<()>>,
}

/// A key as its owner has it.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: KeyId,
    pub secret: String,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| ())
    }

    /// A world whose server has other settings.
    pub fn with(configure: impl Fn(&mut Settings) + 'static) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self::in_directory(
            directory,
            Clock::hand(Timestamp::from_millis(NOON * 1_000)),
            Box::new(configure),
        )
    }

    fn in_directory(
        directory: tempfile::TempDir,
        clock: Clock,
        configure: Box<dyn Fn(&mut Settings)>,
    ) -> Self {
        let place = Place {
            data_dir: Some(directory.path().to_owned()),
            config: None,
        };
        let mut settings =
            Settings::resolve(&place, Given::default(), Purpose::Serve).expect("settings");
        settings.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        settings.workers = 1;
        // A test may be slow without being one of a slow client.
        (settings.body_timeout, settings.webhook_timeout) = (LONG, LONG);
        configure(&mut settings);
        let (ready, started) = channel();
        let (stop, stopped) = channel();
        let hand = clock.clone();
        let server = std::thread::spawn(move || serve(settings, hand, &ready, stopped));
        let (address, app) = started.recv().expect("the server starts");
        Self {
            address,
            app,
            clock,
            directory,
            configure,
            stop: Some(stop),
            server: Some(server),
        }
    }

    /// Stops the server as SIGTERM does and starts it again on the same directory.
    pub fn restart(self) -> Self {
        let clock = self.clock.clone();
        self.restart_by(clock)
    }

    /// The same, with a clock that was set back in between.
    pub fn restart_set_back(self, by: Duration) -> Self {
        let now = Duration::from_millis(self.clock.now().millis());
        let then = u64::try_from((now - by).as_millis()).expect("a time");
        self.restart_by(Clock::hand(Timestamp::from_millis(then)))
    }

    /// The same, with other settings from then on.
    pub fn restart_with(mut self, configure: impl Fn(&mut Settings) + 'static) -> Self {
        self.configure = Box::new(configure);
        self.restart()
    }

    fn restart_by(mut self, clock: Clock) -> Self {
        self.halt();
        let directory = std::mem::replace(
            &mut self.directory,
            tempfile::tempdir().expect("a directory"),
        );
        let configure = std::mem::replace(&mut self.configure, Box::new(|_| ()));
        drop(self);
        Self::in_directory(directory, clock, configure)
    }

    /// Tells the server to stop, as SIGTERM does.
    pub fn begin_to_stop(&mut self) {
        self.stop.take();
    }

    fn halt(&mut self) {
        self.stop.take();
        if let Some(server) = self.server.take() {
            server.join().expect("the server stops");
        }
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Now, in Unix seconds.
    pub fn now(&self) -> u64 {
        self.clock.now().millis() / 1_000
    }

    /// A test key of the account `default`.
    pub fn key(&self) -> Key {
        self.key_of("default", Mode::Test)
    }

    pub fn key_of(&self, account: &str, mode: Mode) -> Key {
        self.create(new_key(account, mode))
    }

    /// A test key with limits of its own.
    pub fn key_with(&self, limits: OwnLimits) -> Key {
        self.create(NewKey {
            limits,
            ..new_key("default", Mode::Test)
        })
    }

    /// A test key that works for so many seconds.
    pub fn key_for(&self, seconds: u64) -> Key {
        self.create(NewKey {
            expires_in_seconds: Some(seconds),
            ..new_key("default", Mode::Test)
        })
    }

    pub fn create(&self, new: NewKey) -> Key {
        secret_of(self.manage(KeyCommand::Create(new)))
    }

    pub fn roll(&self, key: &Key, grace_seconds: u64) -> Key {
        let id = key.id;
        secret_of(self.manage(KeyCommand::Roll { id, grace_seconds }))
    }

    pub fn revoke(&self, key: &Key) -> KeyReport {
        report_of(self.manage(KeyCommand::Revoke { id: key.id }))
    }

    pub fn update(&self, key: &Key, change: KeyChange) -> KeyReport {
        report_of(self.manage(KeyCommand::Update { id: key.id, change }))
    }

    pub fn import(&self, secret: &str, new: NewKey) -> KeyAnswer {
        let secret = secret.to_owned().into();
        self.manage(KeyCommand::Import { secret, key: new })
    }

    pub fn keys(&self) -> Vec<KeyReport> {
        match self.manage(KeyCommand::List) {
            KeyAnswer::Keys(keys) => keys,
            KeyAnswer::Secret(_) | KeyAnswer::Key(_) | KeyAnswer::Failed(_) => panic!("no list"),
        }
    }

    pub fn report(&self, key: &Key) -> KeyReport {
        let mut keys = self.keys().into_iter();
        keys.find(|report| report.id == key.id)
            .expect("the key is listed")
    }

    /// What `atlas keys ...` does.
    pub fn manage(&self, command: KeyCommand) -> KeyAnswer {
        actix_web::rt::System::new().block_on(self.app.manage_keys(command))
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    /// `POST create-session` of the usual order by this key.
    pub fn order(&self, key: &Key) -> Request {
        self.order_of(key, ORDER)
    }

    /// `POST create-session` of this body by this key.
    pub fn order_of(&self, key: &Key, body: &str) -> Request {
        self.post(CREATE).key(key).json(body)
    }

    /// Creates a session of the usual order with one member set.
    pub fn order_with(&self, key: &Key, name: &str, value: &Value) -> Response {
        let mut body: Value = serde_json::from_str(ORDER).expect("JSON");
        body[name] = value.clone();
        self.order_of(key, &body.to_string()).send()
    }

    /// `GET sessions/{id}` by this key.
    pub fn look_up(&self, key: &Key, id: &str) -> Request {
        self.get(&format!("/functions/v1/sessions/{id}")).key(key)
    }

    /// A request by a good key that costs little: it asks for a session that there is not.
    pub fn probe(&self, key: &Key) -> Request {
        self.look_up(key, "sess_none")
    }

    /// A request that was admitted and waits for half of its body, so that it holds a slot.
    pub fn hold(&self, key: &Key) -> Held {
        let before = self.report(key).used_today;
        let held = self.order(key).begin(ORDER.len() / 2);
        eventually("the request is admitted", || {
            self.report(key).used_today > before
        });
        held
    }

    /// Whether these bytes stand in any file of the data directory.
    pub fn keeps(&self, bytes: &[u8]) -> bool {
        files_hold(self.directory.path(), bytes)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.halt();
    }
}

/// What a key needs to be made, with nothing special.
pub fn new_key(account: &str, mode: Mode) -> NewKey {
    NewKey {
        name: "A key".parse().expect("a name"),
        mode,
        account: account.parse().expect("an account"),
        expires_in_seconds: None,
        limits: OwnLimits::default(),
    }
}

/// A secret with the right form and checksum that nobody was given.
pub fn secret_like(random: &str) -> String {
    let text = format!("sk_test_{random}");
    let checksum = checksum_of(&text);
    text + &checksum
}

/// The CRC-32 of a text as six base62 characters.
pub fn checksum_of(text: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32fast::hash(text.as_bytes()) as usize;
    let mut digits = ['0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = char::from(DIGITS[rest % 62]);
        rest /= 62;
    }
    digits.iter().collect()
}

/// Asks until it is so; fails after a time in which it should have become so.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

fn secret_of(answer: KeyAnswer) -> Key {
    match answer {
        KeyAnswer::Secret(made) => Key {
            id: made.id,
            secret: made.secret.to_string(),
        },
        KeyAnswer::Failed(why) => panic!("{why}"),
        KeyAnswer::Key(_) | KeyAnswer::Keys(_) => panic!("an answer without a secret"),
    }
}

pub fn report_of(answer: KeyAnswer) -> KeyReport {
    match answer {
        KeyAnswer::Key(report) => report,
        KeyAnswer::Failed(why) => panic!("{why}"),
        KeyAnswer::Secret(_) | KeyAnswer::Keys(_) => panic!("an answer that is no key"),
    }
}

fn files_hold(directory: &Path, bytes: &[u8]) -> bool {
    let entries = std::fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry")).any(|entry| {
        let kind = entry.file_type().expect("a file type");
        if kind.is_dir() {
            files_hold(&entry.path(), bytes)
        } else if kind.is_file() {
            let content = std::fs::read(entry.path()).expect("a file");
            content.windows(bytes.len()).any(|part| part == bytes)
        } else {
            false
        }
    })
}

fn serve(
    settings: Settings,
    clock: Clock,
    ready: &Sender<(SocketAddr, Arc<App>)>,
    stopped: Receiver<()>,
) {
    actix_web::rt::System::new().block_on(async move {
        let running = atlas::serve::start(settings, clock).expect("the server starts");
        ready
            .send((running.address, Arc::clone(&running.app)))
            .expect("the test waits");
        let waiting = actix_web::rt::task::spawn_blocking(move || stopped.recv().is_err());
        waiting.await.expect("told to stop");
        running.stop().await.expect("a clean stop");
    });
}
