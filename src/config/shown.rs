//! The settings in force, to be shown: each by its name and in the form that it is given in, secrets masked.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::{CertificateFiles, Settings, UpstreamSettings};
use crate::domain::key::Mode;
use crate::policy;

/// A setting in force: its name, as flags have it with `_` for `-`, and its value; null where there is none.
pub type Shown = (String, Value);

impl Settings {
    /// Every setting in force.
    pub fn shown(&self) -> Vec<Shown> {
        // Named one by one, so that a new setting is not forgotten here.
        let Self {
            listen,
            metrics_listen,
            tls,
            max_connections,
            patience: _,
            certificate_look: _,
            data_dir,
            limits,
            per_address,
            max_body,
            body_timeout,
            idempotency_lifetime,
            allow_origin,
            public_url,
            trusted_proxy,
            min_free_disk,
            store_cache,
            workers,
            shutdown_timeout,
            trust_clock,
            log_format,
            webhook,
            webhook_secret,
            allow_remote_webhooks,
            webhook_reach: _,
            webhook_timeout: _,
            live,
            test,
            mock: _,
            listen_is_default: _,
            data_dir_is_default: _,
        } = self;
        let file = |which: fn(&CertificateFiles) -> &PathBuf| {
            tls.as_ref()
                .map(|files| which(files).display().to_string())
                .into()
        };
        let mut shown: Vec<Shown> = [
            ("listen", listen.to_string().into()),
            (
                "metrics_listen",
                metrics_listen.map(|address| address.to_string()).into(),
            ),
            ("tls_cert", file(|files| &files.certificate)),
            ("tls_key", file(|files| &files.key)),
            ("max_connections", (*max_connections).into()),
            ("data_dir", data_dir.display().to_string().into()),
            ("per_minute", limits.per_minute.into()),
            ("per_day", limits.per_day.into()),
            ("concurrent", limits.concurrent.into()),
            ("per_address", (*per_address).into()),
            ("max_body", size(*max_body as u64)),
            ("body_timeout", span(*body_timeout)),
            ("idempotency_lifetime", span(*idempotency_lifetime)),
            (
                "allow_origin",
                list(allow_origin, |origin| origin.as_str().to_owned()),
            ),
            (
                "public_url",
                public_url.as_ref().map(|url| url.as_str()).into(),
            ),
            ("webhook", list(webhook, |url| url.as_str().to_owned())),
            (
                "webhook_secret",
                webhook_secret
                    .as_ref()
                    .map(|secret| masked(secret.expose()))
                    .into(),
            ),
            ("allow_remote_webhooks", (*allow_remote_webhooks).into()),
            ("trusted_proxy", list(trusted_proxy, ToString::to_string)),
            ("min_free_disk", size(*min_free_disk)),
            ("store_cache", size(*store_cache)),
            ("workers", (*workers).into()),
            ("shutdown_timeout", span(*shutdown_timeout)),
            ("trust_clock", (*trust_clock).into()),
            ("log_format", log_format.as_str().into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for (mode, upstream) in [(Mode::Live, live), (Mode::Test, test)] {
            match upstream {
                Some(upstream) => shown.extend(upstream.shown(mode)),
                None => shown.push((format!("{}_upstream", mode.as_str()), Value::Null)),
            }
        }
        shown
    }
}

impl UpstreamSettings {
    fn shown(&self, mode: Mode) -> impl Iterator<Item = Shown> {
        let Self {
            url,
            authorization,
            authorities,
            connect_timeout,
            answer_timeout,
            connections,
            is_idempotent,
        } = self;
        let authorization = authorization.as_ref().map(|value| masked(value.expose()));
        let ca_file = authorities
            .as_ref()
            .map(|read| read.file().display().to_string());
        let shown = [
            ("upstream", url.as_str().into()),
            ("authorization", authorization.into()),
            ("ca_file", ca_file.into()),
            ("connect_timeout", span(*connect_timeout)),
            ("answer_timeout", span(*answer_timeout)),
            ("connections", (*connections).into()),
            ("upstream_is_idempotent", (*is_idempotent).into()),
        ];
        shown
            .into_iter()
            .map(move |(name, value)| (format!("{}_{name}", mode.as_str()), value))
    }
}

/// The last four characters of a secret; of a short one, only that it is set.
fn masked(secret: &str) -> String {
    match secret.char_indices().rev().nth(3) {
        Some((at, _)) if secret.len() >= policy::SECRET_SHOWN => format!("...{}", &secret[at..]),
        _ => "set".to_owned(),
    }
}

fn list<T>(all: &[T], text: impl Fn(&T) -> String) -> Value {
    all.iter().map(text).collect()
}

fn span(span: Duration) -> Value {
    humantime::format_duration(span).to_string().into()
}

/// In the largest unit that leaves nothing over.
fn size(bytes: u64) -> Value {
    let units = [
        (1 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    let fitting = units
        .iter()
        .find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    let text = match fitting {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    };
    text.into()
}

#[cfg(test)]
mod tests {
    use bytesize::ByteSize;

    use super::*;
    use crate::config::Span;

    #[test]
    fn a_size_and_a_span_are_shown_as_they_can_be_given() {
        for bytes in [
            0,
            1,
            1_000,
            1_024,
            1_025,
            65_536,
            48 << 20,
            1 << 30,
            3 << 40,
        ] {
            let shown = size(bytes);
            let text = shown.as_str().expect("text");
            assert_eq!(text.parse(), Ok(ByteSize::b(bytes)), "{text}");
        }
        assert_eq!(size(65_536), "64KiB");
        for millis in [1, 1_000, 90_000, 86_400_000, 86_400_001] {
            let shown = span(Duration::from_millis(millis));
            let text = shown.as_str().expect("text");
            assert_eq!(
                text.parse(),
                Ok(Span(Duration::from_millis(millis))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_secret_shows_less_than_a_quarter_of_itself() {
        assert_eq!(masked("Bearer sk_live_0123456789abcdef"), "...cdef");
        assert_eq!(masked("0123456789abcdefghij"), "...ghij");
        assert_eq!(masked("0123456789abcdefghi"), "set");
        assert_eq!(masked("abc"), "set");
        assert_eq!(masked(""), "set");
    }
}
