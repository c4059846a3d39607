//! An answer, and the laws that the contract gives all of them.

use serde_json::Value;

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
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

    /// Fails unless this limit refused.
    #[track_caller]
    pub fn expect_limit(&self, scope: &str) -> &Self {
        self.expect(429, "rate_limit_exceeded");
        assert_eq!(self.scope(), scope);
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

    /// The laws of every answer: request id, limits, one error shape, no header that nobody
    /// expects.
    pub fn check_laws(&self) {
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
        if self.status == 429 && !self.is_page() {
            let error = &self.json()["error"];
            assert_eq!(error["limit"], self.scope());
            assert_eq!(error["retry_after"], self.number("retry-after"));
        }
        if self.status >= 400 && !self.body.is_empty() && !self.is_page() {
            self.check_error(request_id);
        }
    }

    /// Whether this is a page for people.
    pub fn is_page(&self) -> bool {
        self.header("content-type") == Some("text/html; charset=utf-8")
    }

    /// The headers of a place stand on each of its answers and on no other: the dashboard's, the buyer's pages', the
    /// API's.
    pub fn check_place(&self, path: &str) {
        let place = routed(path.split('?').next().unwrap_or_default());
        if place.starts_with("/pay/") {
            return self.check_page_of_a_buyer(&place);
        }
        let dashboard = place == "/dashboard" || place.starts_with("/dashboard/");
        for (name, value) in HEADERS_OF_THE_DASHBOARD {
            let expected = dashboard.then_some(*value);
            assert_eq!(self.header(name), expected, "{name} of {path}");
        }
        let kind = self.header("content-type").unwrap_or_default();
        let streams = kind.starts_with("text/event-stream");
        assert_eq!(self.header("x-accel-buffering"), streams.then_some("no"));
        if dashboard {
            assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
            if !place.starts_with("/dashboard/assets/") {
                assert_eq!(self.header("cache-control"), Some("no-store"), "{path}");
            }
            return;
        }
        self.check_absent(
            &["etag", "location", "set-cookie", "transfer-encoding"],
            path,
        );
        assert!(!self.is_page(), "{path}");
        assert_eq!(
            self.status == 401,
            self.header("www-authenticate").is_some()
        );
    }

    /// Nobody frames a buyer's page, keeps it, takes it for something else, runs anything in it, or learns its address
    /// from a link that it follows.
    fn check_page_of_a_buyer(&self, path: &str) {
        assert_eq!(
            self.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        self.check_absent(&["set-cookie", "transfer-encoding"], path);
        assert_eq!(self.status == 303, self.header("location").is_some());
        let kind = self.header("content-type").unwrap_or_default();
        if kind.starts_with("text/css") {
            return;
        }
        assert_eq!(self.header("etag"), None, "{path}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{path}");
        let policy = self.directives();
        let sources_of = |name: &str| {
            let given = policy.iter().find(|(directive, _)| directive == name);
            given.map(|(_, sources)| sources.as_str())
        };
        assert!(
            matches!(sources_of("default-src"), Some("'none'" | "'self'")),
            "{path}: {policy:?}"
        );
        assert_eq!(sources_of("frame-ancestors"), Some("'none'"), "{path}");
        for (name, sources) in &policy {
            assert!(!sources.contains("'unsafe-"), "{name} {sources} on {path}");
        }
        let referrer = self.header("referrer-policy").unwrap_or_default();
        assert!(
            matches!(referrer, "no-referrer" | "same-origin"),
            "the address of {path} goes out: {referrer}"
        );
    }

    /// The directives of the Content-Security-Policy, with their sources.
    pub fn directives(&self) -> Vec<(String, String)> {
        let policy = self.header("content-security-policy").unwrap_or_default();
        let directives = policy.split(';').map(str::trim);
        directives
            .map(|one| one.split_once(' ').unwrap_or((one, "")))
            .map(|(name, sources)| (name.to_lowercase(), sources.to_owned()))
            .collect()
    }

    fn check_absent(&self, names: &[&str], path: &str) {
        for name in names {
            assert_eq!(self.header(name), None, "{name} of {path}");
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
        // A replay has the bytes of the first answer, and with them its request id.
        if !self.replayed() {
            assert_eq!(error["request_id"], request_id);
        }
    }
}

/// The path that the server goes by: percent escapes read, but those of `/`, `%` and `+`.
fn routed(place: &str) -> String {
    let mut kept = place.to_owned();
    for escape in ["%2f", "%2F", "%25", "%2b", "%2B"] {
        kept = kept.replace(escape, "\0");
    }
    let decoded = percent_encoding::percent_decode_str(&kept);
    decoded.decode_utf8_lossy().into_owned()
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
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "date",
    "etag",
    "idempotency-key",
    "idempotent-replayed",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "referrer-policy",
    "retry-after",
    "set-cookie",
    "transfer-encoding",
    "vary",
    "www-authenticate",
    "x-accel-buffering",
    "x-content-type-options",
    "x-frame-options",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-scope",
    "x-request-id",
];

const HEADERS_OF_THE_DASHBOARD: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "same-origin"),
    ("x-frame-options", "DENY"),
];
