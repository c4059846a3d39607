//! A server in a world of its own (port 0, temporary store, a clock with a hand) and a client that sends what it is
//! told, byte for byte, and checks of *every* answer the laws that the contract gives all of them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use atlas::app::App;
use atlas::app::keys::{KeyAnswer, KeyCommand, NewKey};
use atlas::clock::Clock;
use atlas::config::{Given, Place, Purpose, Settings};
use atlas::domain::key::{Account, Mode, OwnLimits};
use atlas::domain::time::Timestamp;
use serde_json::Value;

/// 2026-11-25T12:00:00Z, where the hand of the clock stands at first.
pub const NOON: u64 = 1_795_608_000;
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
    pub id: String,
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
    pub fn restart(mut self) -> Self {
        self.halt();
        let directory = std::mem::replace(
            &mut self.directory,
            tempfile::tempdir().expect("a directory"),
        );
        let configure = std::mem::replace(&mut self.configure, Box::new(|_| ()));
        let clock = self.clock.clone();
        drop(self);
        Self::in_directory(directory, clock, configure)
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
        self.key_with(account, mode, OwnLimits::default(), None)
    }

    pub fn key_with(
        &self,
        account: &str,
        mode: Mode,
        limits: OwnLimits,
        expires_in_seconds: Option<u64>,
    ) -> Key {
        let account: Account = account.parse().expect("an account");
        let name = "A key".parse().expect("a name");
        match self.manage(KeyCommand::Create(NewKey {
            name,
            mode,
            account,
            expires_in_seconds,
            limits,
        })) {
            KeyAnswer::Secret(made) => Key {
                id: made.id.to_string(),
                secret: made.secret.to_string(),
            },
            _ => panic!("no key was made"),
        }
    }

    /// What `atlas keys ...` does.
    pub fn manage(&self, command: KeyCommand) -> KeyAnswer {
        actix_web::rt::System::new().block_on(self.app.manage_keys(command))
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        Request {
            address: self.address,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: vec![("Host".to_owned(), self.address.to_string().into_bytes())],
            body: None,
        }
    }

    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    /// `POST create-session` of the usual order by this key.
    pub fn order(&self, key: &Key) -> Request {
        self.post(CREATE).key(key).json(ORDER)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.halt();
    }
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
        let waiting = actix_web::rt::task::spawn_blocking(move || drop(stopped.recv()));
        waiting.await.expect("told to stop");
        running.stop().await.expect("a clean stop");
    });
}

/// A request, byte for byte.
#[derive(Clone, Debug)]
pub struct Request {
    address: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// Adds a header line; the same name twice makes two lines.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub fn key(self, key: &Key) -> Self {
        self.bearer(&key.secret)
    }

    pub fn bearer(self, secret: &str) -> Self {
        self.header("Authorization", format!("Bearer {secret}"))
    }

    pub fn idempotent(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }

    /// A body with `Content-Type: application/json`.
    pub fn json(self, body: &str) -> Self {
        self.header("Content-Type", "application/json").body(body)
    }

    /// A body without a content type.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    /// The request as it goes over the wire, with `Content-Length` if it has a body and `Connection: close`.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        let chunked = self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
        if let (Some(body), false) = (&self.body, chunked) {
            out.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        out.extend_from_slice(b"Connection: close\r\n\r\n");
        out.extend_from_slice(self.body.as_deref().unwrap_or_default());
        out
    }

    /// A connection on which the request is under way.
    pub fn start(&self) -> TcpStream {
        let mut stream = connect(self.address);
        // A server that refuses early may close before it has read all; the answer still comes.
        drop(stream.write_all(&self.bytes()));
        stream
    }

    /// Sends it, reads the answer and checks the laws of every answer.
    pub fn send(&self) -> Response {
        let response = read_response(&mut self.start(), &self.method);
        response.check_laws();
        response
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time-out");
    stream
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Reads one answer with `Content-Length` (or none, for HEAD and 204).
pub fn read_response(stream: &mut TcpStream, method: &str) -> Response {
    let mut bytes = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut headers);
        if let httparse::Status::Complete(head) = parsed.parse(&bytes).expect("HTTP") {
            let status = parsed.code.expect("a status");
            let headers: Vec<(String, String)> = parsed
                .headers
                .iter()
                .map(|header| {
                    (
                        header.name.to_lowercase(),
                        String::from_utf8_lossy(header.value).into_owned(),
                    )
                })
                .collect();
            let length = headers
                .iter()
                .find(|(name, _)| name == "content-length")
                .map_or(0, |(_, v)| v.parse().expect("a length"));
            let length: usize = if method == "HEAD" || status == 204 {
                0
            } else {
                length
            };
            while bytes.len() < head + length {
                assert!(
                    read_more(stream, &mut bytes) > 0,
                    "the body ends early: {}",
                    String::from_utf8_lossy(&bytes)
                );
            }
            return Response {
                status,
                headers,
                body: bytes[head..head + length].to_vec(),
            };
        }
        assert!(
            read_more(stream, &mut bytes) > 0,
            "no answer: {:?}",
            String::from_utf8_lossy(&bytes)
        );
    }
}

fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> usize {
    let mut buffer = [0; 16 * 1024];
    let read = stream.read(&mut buffer).expect("an answer in time");
    bytes.extend_from_slice(&buffer[..read]);
    read
}

impl Response {
    /// A header's value; None when it is absent. Panics when it stands there twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str());
        let first = values.next();
        assert!(
            values.next().is_none(),
            "{name} stands twice in {:?}",
            self.headers
        );
        first
    }

    pub fn number(&self, name: &str) -> u64 {
        let value = self
            .header(name)
            .unwrap_or_else(|| panic!("{name} is missing in {:?}", self.headers));
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name}: {value} is not a whole number"))
    }

    pub fn remaining(&self) -> u64 {
        self.number("x-ratelimit-remaining")
    }

    /// What the IETF header says is left of `minute`, `day` or `address`.
    pub fn remaining_of(&self, scope: &str) -> u64 {
        let rates = self.header("ratelimit").expect("RateLimit");
        let item = rates
            .split(", ")
            .find(|item| item.starts_with(&format!("\"{scope}\";r=")))
            .unwrap_or_else(|| panic!("{scope} in {rates}"));
        let rest = item.split(";r=").nth(1).expect("r=");
        rest.split(';')
            .next()
            .expect("a number")
            .parse()
            .expect("a number")
    }

    pub fn scope(&self) -> &str {
        self.header("x-ratelimit-scope").expect("X-RateLimit-Scope")
    }

    pub fn replayed(&self) -> bool {
        match self.header("idempotent-replayed") {
            None => false,
            Some("true") => true,
            Some(other) => panic!("Idempotent-Replayed: {other}"),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// A string member of the body, as `id`.
    pub fn text(&self, member: &str) -> String {
        self.json()[member]
            .as_str()
            .unwrap_or_else(|| panic!("no {member} in {}", self.json()))
            .to_owned()
    }

    /// The error's code.
    pub fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no error in {}", String::from_utf8_lossy(&self.body)))
            .to_owned()
    }

    /// The error's `param`.
    pub fn param(&self) -> Option<String> {
        self.json()["error"]["param"].as_str().map(str::to_owned)
    }

    /// Fails unless this is the refusal of that status and code.
    #[track_caller]
    pub fn expect(&self, status: u16, code: &str) -> &Self {
        assert_eq!(
            (self.status, self.code().as_str()),
            (status, code),
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self
    }

    /// Fails unless a session was made or shown; gives its id.
    #[track_caller]
    pub fn session(&self) -> String {
        assert!(
            matches!(self.status, 200 | 201),
            "{}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        self.text("id")
    }

    /// The laws of every answer: request id, limits, one error shape, no header that nobody expects.
    fn check_laws(&self) {
        let request_id = self.header("x-request-id").expect("X-Request-Id");
        assert!((1..=128).contains(&request_id.len()));
        let (limit, remaining, reset) = (
            self.number("x-ratelimit-limit"),
            self.number("x-ratelimit-remaining"),
            self.number("x-ratelimit-reset"),
        );
        assert!(remaining <= limit, "{remaining} of {limit} remain");
        assert_eq!(
            reset.to_string().len(),
            10,
            "Reset is in Unix seconds: {reset}"
        );
        assert!(matches!(
            self.scope(),
            "minute" | "day" | "concurrency" | "address"
        ));
        for (name, _) in &self.headers {
            assert!(
                EXPECTED_HEADERS.contains(&name.as_str()),
                "{name} is not a header of the contract"
            );
        }
        if self.status == 429 {
            assert!(self.number("retry-after") >= 1);
            assert_eq!(remaining, 0, "a refusal leaves nothing");
        }
        assert_eq!(
            self.status == 401,
            self.header("www-authenticate").is_some()
        );
        if self.status >= 400 && !self.body.is_empty() {
            self.check_error(request_id);
        }
    }

    fn check_error(&self, request_id: &str) {
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body = self.json();
        assert_eq!(
            body.as_object().map(|members| members.len()),
            Some(1),
            "{body}"
        );
        let error = body["error"].as_object().expect("an error object");
        for member in ["type", "code", "message", "request_id"] {
            assert!(
                error.get(member).is_some_and(Value::is_string),
                "{member} in {body}"
            );
        }
        for member in error.keys() {
            let known = [
                "type",
                "code",
                "message",
                "request_id",
                "param",
                "decline_code",
                "limit",
                "retry_after",
            ];
            assert!(
                known.contains(&member.as_str()),
                "{member} is not a member of an error"
            );
        }
        assert_eq!(error["request_id"], request_id);
    }
}

const EXPECTED_HEADERS: &[&str] = &[
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "idempotency-key",
    "idempotent-replayed",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "vary",
    "www-authenticate",
    "x-content-type-options",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-scope",
    "x-request-id",
];
