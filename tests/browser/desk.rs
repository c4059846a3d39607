//! A server of its own with someone at a browser before it.

use serde_json::Value;
use tempfile::TempDir;

use crate::chromium::Browser;
use crate::process::{Answer, Atlas, Client, create_key, json_of, run_with_input, text};

pub const ORDER: &str = r#"{"amount":4990,"currency":"USD"}"#;

pub struct Desk {
    pub server: Atlas,
    pub browser: Browser,
    _temporary: TempDir,
}

/// A key as the command line made it.
pub struct Key {
    pub id: String,
    pub secret: String,
}

impl Desk {
    /// Someone who is not in yet; none where there is no browser.
    pub fn open() -> Option<Self> {
        Browser::open().map(Self::with)
    }

    pub fn with(browser: Browser) -> Self {
        Self::started(browser, &[])
    }

    /// The same, of a server with these flags.
    pub fn started(browser: Browser, flags: &[&str]) -> Self {
        let temporary = tempfile::tempdir().expect("a directory");
        Self {
            server: Atlas::serve(&temporary.path().join("data"), flags),
            browser,
            _temporary: temporary,
        }
    }

    /// Someone who has followed a link.
    pub fn inside() -> Option<Self> {
        let desk = Self::open()?;
        desk.log_in();
        Some(desk)
    }

    pub fn log_in(&self) {
        self.browser.goto(&self.link());
        self.browser.wait_for_path("/dashboard/keys");
    }

    /// What `atlas dashboard` prints.
    pub fn link(&self) -> String {
        let made = json_of(&["dashboard"], &self.server.directory);
        made["url"].as_str().expect("a URL").to_owned()
    }

    pub fn set_password(&self, password: &str) {
        let arguments = ["dashboard", "--set-password"];
        let output = run_with_input(&arguments, &self.server.directory, password);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    /// Goes to a page of the dashboard.
    pub fn goto(&self, path: &str) {
        let url = format!("http://{}/dashboard{path}", self.server.address);
        self.browser.goto(&url);
    }

    /// A key made by the command line.
    pub fn key(&self, arguments: &[&str]) -> Key {
        let made = create_key(&self.server.directory, arguments);
        let member = |name: &str| made[name].as_str().expect("text").to_owned();
        Key {
            id: member("id"),
            secret: member("secret"),
        }
    }

    /// The keys as the command line lists them.
    pub fn keys(&self) -> Vec<Value> {
        let listed = json_of(&["keys", "list"], &self.server.directory);
        listed.as_array().expect("a list").clone()
    }

    /// Creates a key by the form; gives the secret that the page shows.
    pub fn create(&self, name: &str) -> String {
        self.goto("/keys/new");
        self.browser.fill("form#create input[name=name]", name);
        self.browser.submit("form#create");
        self.browser.exact_text("#secret")
    }

    /// A real request.
    pub fn order(&self, secret: &str, idempotency_key: &str) -> Answer {
        self.order_of(secret, idempotency_key, ORDER)
    }

    pub fn order_of(&self, secret: &str, idempotency_key: &str, body: &str) -> Answer {
        let mut client = Client::connect(self.server.address).expect("a connection");
        let answer = client.create(secret, idempotency_key, body);
        answer.expect("an answer")
    }
}
