//! Faults that a developer asks for, to see what their own code makes of them: what is to go wrong with a request, as
//! it is written in `X-Atlas-Mock` and in a rule, and when a rule hits.

mod rule;

use std::fmt;
use std::time::Duration;

pub use self::rule::{NewRule, PathPattern, Rule, Share, pick};
use crate::domain::limit::Scope;
use crate::policy;

/// What is to go wrong with one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// It waits so long, its place among the running taken, before anything is done.
    pub delay: Option<Duration>,
    /// How it ends instead of as usual.
    pub end: Option<End>,
    /// Only the first half of the answer's body is sent, then the connection is closed.
    pub truncates: bool,
}

/// How a request ends instead of as usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing is done, and the answer is the error of this status.
    Status(u16),
    /// Nothing is done, and the connection is closed without a byte.
    DropBefore,
    /// It is done and kept, and the connection is closed without a byte.
    DropAfterCommit,
    /// This limit refuses it.
    RateLimit(Scope),
}

/// The limits that can be said to be reached.
const LIMITS: [Scope; 3] = [Scope::Minute, Scope::Day, Scope::Concurrency];

impl Fault {
    /// Reads directives, parted by `;` or `,`.
    ///
    /// # Errors
    /// What a fault must be, as a sentence without its subject.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut fault = Self::default();
        for directive in text.split([';', ',']) {
            fault.add(directive.trim())?;
        }
        if fault.truncates && fault.cuts() {
            return Err(
                "can't ask for half a body and for none: leave out truncate-body or the drop."
                    .to_owned(),
            );
        }
        Ok(fault)
    }

    fn add(&mut self, directive: &str) -> Result<(), String> {
        let (name, value) = match directive.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
            None => (directive, None),
        };
        let end = match (name, value) {
            ("delay", Some(value)) => {
                let delay = delay(value)?;
                return match self.delay.replace(delay) {
                    None => Ok(()),
                    Some(_) => Err(twice(name)),
                };
            }
            ("truncate-body", None) => {
                return if std::mem::replace(&mut self.truncates, true) {
                    Err(twice(name))
                } else {
                    Ok(())
                };
            }
            ("status", Some(value)) => End::Status(status(value)?),
            ("drop-before", None) => End::DropBefore,
            ("drop-after-commit", None) => End::DropAfterCommit,
            ("rate-limit", Some(value)) => End::RateLimit(limit(value)?),
            _ => return Err(unknown(directive)),
        };
        match self.end.replace(end) {
            None => Ok(()),
            Some(_) => Err(
                "must have one of status, drop-before, drop-after-commit and rate-limit at most: each is an end of its own."
                    .to_owned(),
            ),
        }
    }

    /// Whether the connection is closed without a byte of an answer.
    pub const fn cuts(&self) -> bool {
        matches!(self.end, Some(End::DropBefore | End::DropAfterCommit))
    }
}

fn twice(name: &str) -> String {
    format!("must have {name} once at most.")
}

fn unknown(directive: &str) -> String {
    let shown: String = directive.chars().take(policy::FAULT_SHOWN).collect();
    format!(
        "must be directives parted by ; or , and {shown:?} is none: use status=503, delay=2s, drop-before, \
         drop-after-commit, rate-limit=minute or truncate-body."
    )
}

fn status(value: &str) -> Result<u16, String> {
    let is_plain = value.len() == 3 && value.bytes().all(|byte| byte.is_ascii_digit());
    let status = value.parse().ok().filter(|_| is_plain);
    status
        .filter(|status| (400..=599).contains(status))
        .ok_or_else(|| "must have a status from 400 to 599, as status=503.".to_owned())
}

fn delay(value: &str) -> Result<Duration, String> {
    let delay = humantime::parse_duration(value).ok();
    delay
        .filter(|delay| *delay <= policy::FAULT_DELAY_MAX)
        .ok_or_else(|| {
            let most = humantime::format_duration(policy::FAULT_DELAY_MAX);
            format!(
                "must have a delay of {most} at most with its unit, as delay=2s or delay=500ms."
            )
        })
}

fn limit(value: &str) -> Result<Scope, String> {
    LIMITS
        .into_iter()
        .find(|scope| scope.as_str() == value)
        .ok_or_else(|| {
            "must name a limit: rate-limit=minute, rate-limit=day or rate-limit=concurrency."
                .to_owned()
        })
}

/// As it is written, in one order.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delay = self
            .delay
            .map(|delay| format!("delay={}", humantime::format_duration(delay)));
        let end = self.end.map(|end| match end {
            End::Status(status) => format!("status={status}"),
            End::DropBefore => "drop-before".to_owned(),
            End::DropAfterCommit => "drop-after-commit".to_owned(),
            End::RateLimit(scope) => format!("rate-limit={}", scope.as_str()),
        });
        let truncates = self.truncates.then(|| "truncate-body".to_owned());
        let parts: Vec<String> = [delay, end, truncates].into_iter().flatten().collect();
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_end() -> impl Strategy<Value = End> {
        prop_oneof![
            (400_u16..=599).prop_map(End::Status),
            Just(End::DropBefore),
            Just(End::DropAfterCommit),
            prop::sample::select(LIMITS.to_vec()).prop_map(End::RateLimit),
        ]
    }

    fn any_fault() -> impl Strategy<Value = Fault> {
        let delay = proptest::option::of((0_u64..=300_000).prop_map(Duration::from_millis));
        let parts = (delay, proptest::option::of(any_end()), any::<bool>());
        parts
            .prop_map(|(delay, end, truncates)| Fault {
                delay,
                end,
                truncates,
            })
            .prop_filter("it asks for something that can be had", |fault| {
                *fault != Fault::default() && !(fault.truncates && fault.cuts())
            })
    }

    proptest! {
        #[test]
        fn a_fault_reads_back_as_it_is_written(fault in any_fault()) {
            prop_assert_eq!(Fault::parse(&fault.to_string()), Ok(fault));
        }

        #[test]
        fn any_text_is_a_fault_or_told_what_it_must_be(text in ".{0,60}") {
            if let Err(must) = Fault::parse(&text) {
                prop_assert!(must.ends_with('.'), "{}", must);
            }
        }
    }

    #[test]
    fn directives_are_parted_by_semicolons_or_commas_and_may_be_spaced() {
        let fault = Fault {
            delay: Some(Duration::from_secs(90)),
            end: Some(End::Status(503)),
            truncates: true,
        };
        for text in [
            "status=503; delay=1m 30s; truncate-body",
            "truncate-body,delay=90s,status=503",
            "  delay = 90000ms ;status= 503,truncate-body ",
        ] {
            assert_eq!(Fault::parse(text), Ok(fault), "{text}");
        }
        for (text, end) in [
            ("drop-before", End::DropBefore),
            ("drop-after-commit", End::DropAfterCommit),
            ("rate-limit=minute", End::RateLimit(Scope::Minute)),
            ("rate-limit=day", End::RateLimit(Scope::Day)),
            ("rate-limit=concurrency", End::RateLimit(Scope::Concurrency)),
            ("status=400", End::Status(400)),
            ("status=599", End::Status(599)),
        ] {
            assert_eq!(Fault::parse(text).map(|fault| fault.end), Ok(Some(end)));
        }
    }

    #[test]
    fn what_can_t_be_read_is_refused() {
        for text in [
            "",
            " ",
            "status=503;",
            "status",
            "status=",
            "status=200",
            "status=399",
            "status=600",
            "status=0503",
            "status=+503",
            "status=503=1",
            "delay",
            "delay=2",
            "delay=-1s",
            "delay=5m 1ms",
            "delay=1h",
            "delay=999999999999999999999h",
            "drop-before=1",
            "drop",
            "rate-limit",
            "rate-limit=address",
            "rate-limit=hour",
            "truncate-body=half",
            "Status=503",
            "status=503 delay=2s",
        ] {
            assert!(Fault::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let ends = [
            "status=503",
            "drop-before",
            "drop-after-commit",
            "rate-limit=day",
        ];
        for first in ends {
            for second in ends {
                assert!(Fault::parse(&format!("{first}; {second}")).is_err());
            }
        }
        for text in [
            "delay=1s; delay=1s",
            "truncate-body, truncate-body",
            "truncate-body; drop-before",
            "drop-after-commit; truncate-body",
        ] {
            assert!(Fault::parse(text).is_err(), "{text}");
        }
    }
}
