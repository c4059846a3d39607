//! A headless Chromium of its own, driven by chromedriver; both end with it.

use std::future::Future;
use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::wd::{WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::driver::Driver;
use crate::process::has_tool;

const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
];

/// The time in which a page should have become what it is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Browser {
    runtime: Runtime,
    client: Client,
    _driver: Driver,
    _profile: tempfile::TempDir,
}

/// What a page is looked at with.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub name: &'static str,
    pub scheme: &'static str,
    pub width: u32,
    pub height: u32,
}

impl Browser {
    /// None, with a note, where there is no Chromium.
    pub fn open() -> Option<Self> {
        Self::with_preferences(&json!({}))
    }

    /// One that runs no script of any page.
    pub fn without_script() -> Option<Self> {
        Self::with_preferences(&json!({"profile.managed_default_content_settings.javascript": 2}))
    }

    fn with_preferences(preferences: &Value) -> Option<Self> {
        if !has_tool("chromedriver", &["--version"]) || !has_tool("chromium", &["--version"]) {
            return None;
        }
        let driver = Driver::start();
        let profile = tempfile::tempdir().expect("a directory");
        let directory = format!("--user-data-dir={}", profile.path().display());
        let arguments = [&ARGUMENTS[..], &[&directory]].concat();
        let capabilities = json!({
            "unhandledPromptBehavior": "ignore",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments, "prefs": preferences},
        });
        let capabilities = capabilities.as_object().expect("an object").clone();
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let client = runtime.block_on(
            ClientBuilder::new(HttpConnector::new())
                .capabilities(capabilities)
                .connect(&format!("http://127.0.0.1:{}", driver.port)),
        );
        Some(Self {
            client: client.expect("Chromium starts"),
            runtime,
            _driver: driver,
            _profile: profile,
        })
    }

    fn run<T>(&self, doing: impl Future<Output = Result<T, CmdError>>) -> T {
        let done = self.runtime.block_on(doing);
        done.unwrap_or_else(|error| panic!("the browser says {error}"))
    }

    pub fn goto(&self, url: &str) {
        self.run(self.client.goto(url));
    }

    pub fn reload(&self) {
        self.run(self.client.refresh());
    }

    pub fn back(&self) {
        self.run(self.client.back());
    }

    /// The path at which it is.
    pub fn path(&self) -> String {
        self.run(self.client.current_url()).path().to_owned()
    }

    /// The tab that is shown.
    pub fn tab(&self) -> WindowHandle {
        self.run(self.client.window())
    }

    /// Opens another tab before this one.
    pub fn open_tab(&self) {
        let opened = self.run(self.client.new_window(true));
        self.show_tab(&opened.handle);
    }

    pub fn show_tab(&self, tab: &WindowHandle) {
        self.run(self.client.switch_to_window(tab.clone()));
    }

    pub fn has(&self, css: &str) -> bool {
        !self.run(self.client.find_all(Locator::Css(css))).is_empty()
    }

    /// Waits until there is such an element.
    #[track_caller]
    pub fn wait_for(&self, css: &str) -> Element {
        self.wait_for_any(Locator::Css(css))
    }

    /// Waits until an element with this id, or one within it, has this in its text.
    #[track_caller]
    pub fn wait_for_text(&self, id: &str, text: &str) {
        self.wait_for_any(Locator::XPath(&format!(
            "//*[@id='{id}']/descendant-or-self::*[contains(., '{text}')]"
        )));
    }

    /// Waits until there is a page without such an element.
    #[track_caller]
    pub fn wait_for_no(&self, css: &str) {
        self.wait_for(&format!("html:not(:has({css})) main"));
    }

    /// Waits until the text of an element is no longer this one.
    #[track_caller]
    pub fn wait_for_another_text(&self, css: &str, text: &str) {
        self.wait_until(&format!("another text in {css}"), || self.text(css) != text);
    }

    /// Waits until the page says that it waits for a first request, or no longer does.
    #[track_caller]
    pub fn wait_for_waiting(&self, waiting: bool) {
        let words = "waiting for your first request";
        self.wait_until(&format!("waiting: {waiting}"), || {
            self.text("main").to_lowercase().contains(words) == waiting
        });
    }

    #[track_caller]
    fn wait_for_any(&self, locator: Locator<'_>) -> Element {
        let waiting = self.client.wait().at_most(PATIENCE).for_element(locator);
        let found = self.runtime.block_on(waiting);
        found.unwrap_or_else(|error| panic!("never {locator:?} at {}: {error}", self.path()))
    }

    /// Waits until it is at this path.
    #[track_caller]
    pub fn wait_for_path(&self, path: &str) {
        self.wait_until(path, || self.path() == path);
    }

    /// Asks again and again; each question is a round trip to the browser.
    #[track_caller]
    fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            let late = start.elapsed() > PATIENCE;
            assert!(!late, "never {what} at {}: {}", self.path(), self.source());
        }
    }

    /// Opens what a form is folded into, if it is.
    pub fn reveal(&self, form: &str) {
        let folded = format!("details:not([open]):has({form}) > summary");
        if self.has(&folded) {
            self.click(&folded);
        }
    }

    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        let element = self.wait_for(css);
        self.run(element.text())
    }

    /// The text as it stands in the source, white space and all, shown or not.
    #[track_caller]
    pub fn exact_text(&self, css: &str) -> String {
        let text = self.run(self.wait_for(css).prop("textContent"));
        text.expect("text").trim().to_owned()
    }

    #[track_caller]
    pub fn click(&self, css: &str) {
        let element = self.wait_for(css);
        self.run(element.click());
    }

    /// Sends a form by its own button.
    #[track_caller]
    pub fn submit(&self, form: &str) {
        self.click(&format!(
            "{form} button[type=submit], {form} button:not([type]), {form} input[type=submit]"
        ));
    }

    #[track_caller]
    pub fn fill(&self, css: &str, text: &str) {
        let element = self.wait_for(css);
        self.run(element.clear());
        self.run(element.send_keys(text));
    }

    /// Fills a field that may be a list to choose from or a text.
    #[track_caller]
    pub fn choose(&self, css: &str, value: &str) {
        let element = self.wait_for(css);
        match self.run(element.tag_name()).as_str() {
            "select" => self.run(element.select_by_value(value)),
            _ => self.fill(css, value),
        }
    }

    /// Presses and releases a key, wherever the focus is.
    pub fn press(&self, key: Key) {
        self.type_text(&String::from(char::from(key)));
    }

    pub fn type_text(&self, text: &str) {
        let keys = text
            .chars()
            .fold(KeyActions::new("keys".to_owned()), |keys, value| {
                keys.then(KeyAction::Down { value })
                    .then(KeyAction::Up { value })
            });
        self.run(self.client.perform_actions(keys));
    }

    /// What a script gives.
    pub fn script(&self, script: &str) -> Value {
        self.run(self.client.execute(script, Vec::new()))
    }

    /// What an asynchronous script hands to its last argument.
    pub fn script_later(&self, script: &str) -> Value {
        self.run(self.client.execute_async(script, Vec::new()))
    }

    /// The source of the page as it stands now.
    pub fn source(&self) -> String {
        self.run(self.client.source())
    }

    pub fn dialog_is_open(&self) -> bool {
        let alert = self.runtime.block_on(self.client.get_alert_text());
        match alert {
            Ok(_) => true,
            Err(error) => {
                assert!(error.is_no_such_alert(), "{error}");
                false
            }
        }
    }

    /// The cookies that the browser holds: name, and whether scripts are kept from it.
    pub fn cookies(&self) -> Vec<(String, bool)> {
        let cookies = self.run(self.client.get_all_cookies());
        let cookies = cookies.iter();
        cookies
            .map(|cookie| (cookie.name().to_owned(), cookie.http_only() == Some(true)))
            .collect()
    }

    /// What the console has said since it was last asked, violations of the page's policy among it.
    pub fn console(&self) -> Vec<String> {
        let entries = self.post("se/log", json!({"type": "browser"}));
        let entries = entries.as_array().expect("entries").iter();
        entries.map(|entry| entry["message"].to_string()).collect()
    }

    pub fn look_with(&self, look: Look) {
        let features = json!([{"name": "prefers-color-scheme", "value": look.scheme}]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features}));
        let (width, height) = (look.width, look.height);
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}),
        );
    }

    pub fn ask_for_stillness(&self) {
        let features = json!([{"name": "prefers-reduced-motion", "value": "reduce"}]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Lets pages read and write the clipboard without being asked.
    pub fn may_use_clipboard(&self) {
        let allowed = ["clipboardReadWrite", "clipboardSanitizedWrite"];
        self.devtools("Browser.grantPermissions", json!({"permissions": allowed}));
    }

    /// A picture of the whole page, as PNG.
    pub fn picture(&self) -> Vec<u8> {
        use base64::Engine as _;
        let all = json!({"format": "png", "captureBeyondViewport": true});
        let picture = self.devtools("Page.captureScreenshot", all);
        let base64 = picture["data"].as_str().expect("a picture");
        let decoded = base64::engine::general_purpose::STANDARD.decode(base64);
        decoded.expect("base64")
    }

    fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post(
            "goog/cdp/execute",
            json!({"cmd": command, "params": parameters}),
        )
    }

    fn post(&self, path: &'static str, body: Value) -> Value {
        self.run(self.client.issue_cmd(Post { path, body }))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.runtime.block_on(self.client.clone().close()));
    }
}

/// A command that chromedriver has beyond the standard.
#[derive(Debug)]
struct Post {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Post {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!(
            "session/{}/{}",
            session.unwrap_or_default(),
            self.path
        ))
    }

    fn method_and_body(&self, _: &url::Url) -> (hyper::Method, Option<String>) {
        (hyper::Method::POST, Some(self.body.to_string()))
    }
}
