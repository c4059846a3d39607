//! Webhook endpoints: where events are told, which of them, and how a server knows that it was us who told it.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::domain::event::EventType;
use crate::domain::id::{EndpointId, base62_of_hash};
use crate::domain::key::{Account, Mode};
use crate::domain::secret::Pepper;
use crate::domain::time::Timestamp;
use crate::domain::web_url;
use crate::policy;

/// An absolute http or https URL without user name, password or fragment, as it is sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookUrl(url::Url);

impl WebhookUrl {
    /// The URL as it is sent to.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl std::str::FromStr for WebhookUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        web_url::parse(text).map(Self).ok_or_else(|| {
            "must be an http or https URL without user name or #, as http://localhost:3000/webhooks"
                .to_owned()
        })
    }
}

impl TryFrom<String> for WebhookUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<WebhookUrl> for String {
    fn from(url: WebhookUrl) -> Self {
        url.0.into()
    }
}

/// How far webhooks may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This machine only: a mock must not knock at others' doors by accident.
    Loopback,
    /// This machine, and others over TLS.
    Encrypted,
    /// Anywhere.
    Anywhere,
}

impl Reach {
    /// Lets a URL pass that lies within.
    ///
    /// # Errors
    /// What the URL must be.
    pub fn check(self, url: &WebhookUrl) -> Result<(), String> {
        let is_https = url.0.scheme() == "https";
        match self {
            Self::Anywhere => Ok(()),
            _ if web_url::is_loopback(&url.0) => Ok(()),
            Self::Encrypted if is_https => Ok(()),
            Self::Encrypted => {
                Err("must begin with https://, or lead to this machine as http://localhost does".to_owned())
            }
            Self::Loopback => Err(
                "must lead to this machine (localhost, 127.0.0.0/8 or [::1]), unless the mock is started with \
                 --allow-remote-webhooks"
                    .to_owned(),
            ),
        }
    }
}

/// Somewhere events are told. Test mode only: nothing live happens here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Whose events it is told; None for everybody's, as those given at the start are.
    pub account: Option<Account>,
    /// Where.
    pub url: WebhookUrl,
    /// Which events; none for those that the API tells by default.
    pub events: Vec<EventType>,
    /// When it was made.
    pub created_at: Timestamp,
    /// How often its secret was rolled.
    pub generation: u32,
    /// Nothing is sent to it.
    pub disabled: bool,
}

impl Endpoint {
    /// An endpoint given at the start. Its id comes from its URL, so that it is the same after a restart.
    pub fn given(url: WebhookUrl, now: Timestamp) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("atlas 2026-11-25 webhook endpoint given");
        hasher.update(url.as_str().as_bytes());
        let id: [u8; EndpointId::LENGTH] = base62_of_hash(&hasher);
        Self {
            id: EndpointId::of_characters(id),
            account: None,
            url,
            events: Vec::new(),
            created_at: now,
            generation: 0,
            disabled: false,
        }
    }

    /// The events that it is told.
    pub fn told(&self) -> Vec<EventType> {
        EventType::all()
            .filter(|kind| self.is_told(*kind))
            .collect()
    }

    fn is_told(&self, kind: EventType) -> bool {
        let chosen = if self.events.is_empty() {
            EventType::DEFAULTS.as_slice()
        } else {
            &self.events
        };
        self.account.is_none() || chosen.contains(&kind)
    }

    /// Whether an event of this account and mode is told here.
    pub fn wants(&self, kind: EventType, account: &Account, mode: Mode) -> bool {
        let of_account = self.account.as_ref().is_none_or(|own| own == account);
        !self.disabled && mode == Mode::Test && of_account && self.is_told(kind)
    }
}

/// What webhooks are signed with. Can't be printed by accident, and is wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct WebhookSecret(String);

impl WebhookSecret {
    const PREFIX: &str = "whsec_";

    /// The secret of an endpoint, which is never stored.
    pub fn derive(pepper: &Pepper, endpoint: &EndpointId, generation: u32) -> Self {
        let input = [&endpoint.as_bytes()[..], &generation.to_be_bytes()].concat();
        let mut characters: [u8; policy::WEBHOOK_SECRET] =
            pepper.derive("atlas 2026-11-25 webhook secret", &input);
        // Sized at once: a growing string would leave copies of the secret behind.
        let mut text = String::with_capacity(Self::PREFIX.len() + characters.len());
        text.push_str(Self::PREFIX);
        text.extend(characters.iter().map(|byte| char::from(*byte)));
        characters.zeroize();
        Self(text)
    }

    /// A secret that somebody chose.
    ///
    /// # Errors
    /// What it must be, without the secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_ours = |byte: u8| byte.is_ascii_alphanumeric() || b"_+/=-".contains(&byte);
        let rest = text.strip_prefix(Self::PREFIX).filter(|rest| {
            policy::WEBHOOK_SECRET_LENGTH.contains(&rest.len()) && rest.bytes().all(is_ours)
        });
        match rest {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(format!(
                "must be whsec_ followed by {} to {} of A-Z a-z 0-9 _ + / = -",
                policy::WEBHOOK_SECRET_LENGTH.start(),
                policy::WEBHOOK_SECRET_LENGTH.end()
            )),
        }
    }

    /// The secret in clear, for its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What `X-Atlas-Signature` says of a body that is sent at this time, in Unix seconds.
    pub fn signature(&self, seconds: u64, body: &[u8]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()) else {
            unreachable!("HMAC takes a key of any length");
        };
        mac.update(format!("{seconds}.").as_bytes());
        mac.update(body);
        let mac = mac.finalize().into_bytes();
        let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={seconds},v1={hex}")
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whsec_...")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> WebhookUrl {
        text.parse().expect("a URL")
    }

    #[test]
    fn a_signature_is_what_openssl_makes_of_the_same() {
        // printf '1795608000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_0123456789abcdefghijABCDEFGHIJ01
        let secret = WebhookSecret::parse("whsec_0123456789abcdefghijABCDEFGHIJ01").expect("one");
        assert_eq!(
            secret.signature(1_795_608_000, br#"{"id":"evt_1"}"#),
            "t=1795608000,v1=9ca0bad5d7941a3f4474f131184d5bbbb6f01fd1aa188878ad056297a8117058"
        );
    }

    #[test]
    fn a_secret_belongs_to_one_endpoint_and_changes_by_rolling() {
        let pepper = Pepper::new([1; 32]);
        let now = Timestamp::from_millis(1);
        let (one, other) = (
            EndpointId::new(now, [b'1'; 24]),
            EndpointId::new(now, [b'2'; 24]),
        );
        let secret = WebhookSecret::derive(&pepper, &one, 0);
        assert_eq!(secret.expose().len(), "whsec_".len() + 32);
        assert!(WebhookSecret::parse(secret.expose()) == Ok(secret.clone()));
        assert!(WebhookSecret::derive(&pepper, &one, 0) == secret);
        assert!(WebhookSecret::derive(&pepper, &one, 1) != secret);
        assert!(WebhookSecret::derive(&pepper, &other, 0) != secret);
        assert_eq!(format!("{secret:?}"), "whsec_...");
    }

    #[test]
    fn a_chosen_secret_needs_the_form_and_no_message_repeats_it() {
        for (text, fits) in [
            ("whsec_0123456789abcdef".to_owned(), true),
            (format!("whsec_{}", "a".repeat(58)), true),
            (format!("whsec_{}", "a".repeat(59)), false),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(), true),
            ("whsec_short".to_owned(), false),
            ("whsec_0123456789abc def".to_owned(), false),
            ("0123456789abcdef0123456789".to_owned(), false),
            (String::new(), false),
        ] {
            let parsed = WebhookSecret::parse(&text);
            assert_eq!(parsed.is_ok(), fits, "{text}");
            assert!(text.is_empty() || parsed.err().is_none_or(|why| !why.contains(&text)));
        }
    }

    #[test]
    fn a_url_is_http_or_https_and_whole() {
        for good in [
            "http://localhost",
            "HTTPS://Shop.example:8443/hooks?a=1,2",
            "http://[::1]:9/",
            "http://127.0.0.1:3000/webhooks",
        ] {
            assert!(good.parse::<WebhookUrl>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "shop.example",
            "ftp://shop.example/",
            "http:shop.example",
            "http://",
            "http://user@shop.example/",
            "http://user:word@shop.example/",
            "http://shop.example/#part",
            "http://shop.example/a b",
            "http://shop.example\\a",
            "http://shop.example/\r\nX: y",
            "javascript:alert(1)",
        ] {
            assert!(bad.parse::<WebhookUrl>().is_err(), "{bad}");
        }
        let long = format!("http://a/{}", "x".repeat(policy::URL_MAX));
        assert!(long.parse::<WebhookUrl>().is_err());
    }

    #[test]
    fn a_mock_reaches_this_machine_and_a_server_others_over_tls() {
        for (text, loopback, encrypted) in [
            ("http://localhost:3000/", true, true),
            ("http://LOCALHOST/", true, true),
            ("http://127.8.9.1/", true, true),
            ("http://0x7f.1/", true, true),
            ("http://[::1]/", true, true),
            ("http://localhost.shop.example/", false, false),
            ("http://127.0.0.1.shop.example/", false, false),
            ("http://shop.localhost/", false, false),
            ("http://10.0.0.1/", false, false),
            ("http://0.0.0.0/", false, false),
            ("http://[::ffff:10.0.0.1]/", false, false),
            ("http://shop.example/", false, false),
            ("https://shop.example/", false, true),
            ("https://10.0.0.1/", false, true),
        ] {
            let passes = |reach: Reach| reach.check(&url(text)).is_ok();
            let expected = (loopback, encrypted, true);
            let found = (
                passes(Reach::Loopback),
                passes(Reach::Encrypted),
                passes(Reach::Anywhere),
            );
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn an_endpoint_is_told_what_it_asked_for_and_of_its_own_account() {
        let (mine, other) = (Account::default(), "other".parse().expect("an account"));
        let given = Endpoint::given(url("http://localhost/"), Timestamp::default());
        let own = Endpoint {
            account: Some(mine.clone()),
            ..given.clone()
        };
        let chosen = Endpoint {
            events: vec![EventType::DisputeCreated],
            ..own.clone()
        };
        let off = Endpoint {
            disabled: true,
            ..given.clone()
        };
        let told = |endpoint: &Endpoint, account: &Account| -> Vec<EventType> {
            let wanted = |kind: &EventType| endpoint.wants(*kind, account, Mode::Test);
            EventType::all().filter(wanted).collect()
        };
        assert_eq!(told(&given, &other).len(), EventType::WORDS.len());
        assert_eq!(told(&own, &mine), EventType::DEFAULTS);
        assert_eq!(told(&chosen, &mine), [EventType::DisputeCreated]);
        assert!(told(&own, &other).is_empty() && told(&off, &mine).is_empty());
        assert!(!given.wants(EventType::PaymentCaptured, &mine, Mode::Live));
    }

    #[test]
    fn an_endpoint_given_at_the_start_is_known_by_its_url() {
        let id = |text: &str, at| Endpoint::given(url(text), Timestamp::from_millis(at)).id;
        assert_eq!(id("http://localhost/a", 1), id("http://localhost/a", 2));
        assert_ne!(id("http://localhost/a", 1), id("http://localhost/b", 1));
    }
}
