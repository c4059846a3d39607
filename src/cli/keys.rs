//! `atlas keys`.

use std::io::{IsTerminal, Read};
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use zeroize::Zeroizing;

use super::{
    Failure, at, note, placed, remote, say, say_secret, settings_of, settings_of_store, to_json,
};
use crate::app::keys::{Change, KeyAnswer, KeyChange, KeyCommand, KeyReport, NewKey, SecretReport};
use crate::config::{Place, Span, limit};
use crate::domain::id::KeyId;
use crate::domain::key::{Account, KeyName, Mode, OwnLimits};
use crate::domain::time::seconds_up;
use crate::policy;

const SECONDS_A_DAY: u64 = 24 * 60 * 60;

/// What can be done to keys
#[derive(Subcommand)]
pub(super) enum Keys {
    /// Make a key and print its secret, once
    Create {
        #[command(flatten)]
        about: About,
        /// Test (nothing is charged) or live (real charges)
        #[arg(long, default_value = "test")]
        mode: Mode,
    },
    /// Show every key, without secrets
    List,
    /// Give a key a new secret and print it, once
    Roll {
        /// The key, as key_...
        id: String,
        /// How long the old secret goes on working, 0s to 30d
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = grace)]
        grace: Span,
    },
    /// Make a key useless, at once and for good
    Revoke {
        /// The key, as key_...
        id: String,
    },
    /// Make a key for a secret that exists elsewhere, read from standard input
    Import {
        #[command(flatten)]
        about: About,
    },
    /// Change a key's name, expiry or limits, or end its old secrets
    #[command(group = ArgGroup::new("change").required(true).multiple(true).args(["name", "expires", "per_minute", "per_day", "concurrent", "end_old_secrets"]))]
    Update {
        /// The key, as key_...
        id: String,
        /// Name for people
        #[arg(long)]
        name: Option<KeyName>,
        /// It stops working after this time from now, as 90d; `never` takes an expiry away
        #[arg(long, value_name = "TIME|never", value_parser = seconds_or_never)]
        expires: Option<Change<u64>>,
        /// Requests a minute; `default` follows the server
        #[arg(long, value_name = "N|default", value_parser = limit_or_default)]
        per_minute: Option<Change<u32>>,
        /// Requests a UTC day; `default` follows the server
        #[arg(long, value_name = "N|default", value_parser = limit_or_default)]
        per_day: Option<Change<u32>>,
        /// Requests at once; `default` follows the server
        #[arg(long, value_name = "N|default", value_parser = limit_or_default)]
        concurrent: Option<Change<u32>>,
        /// End at once what old secrets still work after a roll, as when one has leaked
        #[arg(long)]
        end_old_secrets: bool,
    },
}

/// What is said of a new key.
#[derive(Args)]
pub(super) struct About {
    /// Name for people
    #[arg(long)]
    name: KeyName,
    /// Whose key it is; idempotency and sessions are shared within an account
    #[arg(long, default_value = "default")]
    account: Account,
    /// It stops working after this time, as 90d
    #[arg(long, value_name = "TIME", value_parser = expiry)]
    expires: Option<Span>,
    /// Requests a minute, instead of the server's setting
    #[arg(long, value_name = "N", value_parser = limit)]
    per_minute: Option<u32>,
    /// Requests a UTC day, instead of the server's setting
    #[arg(long, value_name = "N", value_parser = limit)]
    per_day: Option<u32>,
    /// Requests at once, instead of the server's setting
    #[arg(long, value_name = "N", value_parser = limit)]
    concurrent: Option<u32>,
}

impl About {
    fn new_key(self, mode: Mode) -> NewKey {
        NewKey {
            name: self.name,
            mode,
            account: self.account,
            expires_in_seconds: self.expires.map(|span| seconds_up(span.0)),
            limits: OwnLimits {
                per_minute: self.per_minute,
                per_day: self.per_day,
                concurrent: self.concurrent,
            },
        }
    }
}

/// A key id. Read here and not by clap, which would repeat a secret that was pasted by mistake.
fn key_id(text: &str) -> Result<KeyId, Failure> {
    let refuse = || {
        Failure::Usage(
            "the key is named by its id, as `atlas keys list` shows it (key_...)".to_owned(),
        )
    };
    KeyId::parse(text).ok_or_else(refuse)
}

fn expiry(text: &str) -> Result<Span, String> {
    let span: Span = text.parse()?;
    let fits = (Duration::from_secs(1)..=policy::EXPIRY_MAX).contains(&span.0);
    let most = policy::EXPIRY_MAX.as_secs() / SECONDS_A_DAY;
    fits.then_some(span)
        .ok_or_else(|| format!("must be from 1s to {most}d"))
}

fn grace(text: &str) -> Result<Span, String> {
    let span: Span = text.parse()?;
    let most = policy::GRACE_MAX.as_secs() / SECONDS_A_DAY;
    (span.0 <= policy::GRACE_MAX)
        .then_some(span)
        .ok_or_else(|| format!("must be at most {most}d; for longer, make a second key"))
}

fn seconds_or_never(text: &str) -> Result<Change<u64>, String> {
    match text {
        "never" => Ok(Change::Unset),
        _ => expiry(text)
            .map(|span| Change::To(seconds_up(span.0)))
            .map_err(|must| format!("{must}, or never")),
    }
}

fn limit_or_default(text: &str) -> Result<Change<u32>, String> {
    match text {
        "default" => Ok(Change::Unset),
        _ => limit(text)
            .map(Change::To)
            .map_err(|must| format!("{must}, or default")),
    }
}

/// Carries a command out and prints what came of it.
pub(super) fn run(place: &Place, keys: Keys, json: bool) -> Result<(), Failure> {
    let makes_first = matches!(keys, Keys::Create { .. } | Keys::Import { .. });
    let settings = if makes_first {
        settings_of(place)?
    } else {
        settings_of_store(place)?
    };
    let at = at(&settings);
    let command = command(keys)?;
    let answer = actix_web::rt::System::new()
        .block_on(remote::manage_keys(settings, command))
        .map_err(Failure::Failed)?;
    print(answer, &at, json)
}

fn command(keys: Keys) -> Result<KeyCommand, Failure> {
    Ok(match keys {
        Keys::Create { about, mode } => KeyCommand::Create(about.new_key(mode)),
        Keys::List => KeyCommand::List,
        Keys::Roll { id, grace } => KeyCommand::Roll {
            id: key_id(&id)?,
            grace_seconds: seconds_up(grace.0),
        },
        Keys::Revoke { id } => KeyCommand::Revoke { id: key_id(&id)? },
        Keys::Import { about } => KeyCommand::Import {
            secret: read_secret()?,
            key: about.new_key(Mode::Test),
        },
        Keys::Update {
            id,
            name,
            expires,
            per_minute,
            per_day,
            concurrent,
            end_old_secrets,
        } => {
            let change = KeyChange {
                name,
                expires,
                per_minute,
                per_day,
                concurrent,
                end_old_secrets,
            };
            KeyCommand::Update {
                id: key_id(&id)?,
                change,
            }
        }
    })
}

/// One line from standard input; a flag would show in the process list and stay in the shell's history.
fn read_secret() -> Result<Zeroizing<String>, Failure> {
    if std::io::stdin().is_terminal() {
        note("Paste the secret and press Enter, then Ctrl-D:");
    }
    // Room for the longest secret and a line end, and for one byte more that tells of a longer one; so that no copy of it
    // is left behind by growing.
    let most = policy::IMPORT_LENGTH.end() + Mode::Live.prefix().len() + 3;
    let mut text = Zeroizing::new(String::with_capacity(most));
    let read = std::io::stdin().take(most as u64).read_to_string(&mut text);
    let length = read.map_err(|e| {
        Failure::Failed(format!(
            "the secret could not be read from standard input: {e}"
        ))
    })?;
    if length == most {
        let why = "what came is longer than a secret and the end of its line; no key was made";
        return Err(Failure::Failed(why.to_owned()));
    }
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn print(answer: KeyAnswer, at: &str, json: bool) -> Result<(), Failure> {
    match answer {
        KeyAnswer::Failed(line) => return Err(Failure::Failed(line)),
        KeyAnswer::Secret(made) if json => say_secret(&to_json(&made)?, &again(&made))?,
        KeyAnswer::Key(key) if json => say(&to_json(&key)?)?,
        KeyAnswer::Keys(keys) if json => say(&to_json(&keys)?)?,
        KeyAnswer::Secret(made) => print_secret(&made)?,
        KeyAnswer::Key(key) => say(&describe(&key))?,
        KeyAnswer::Keys(keys) if keys.is_empty() => {
            let how = "No keys yet: make one with `atlas keys create --name NAME`.";
            note(&placed(how, at));
        }
        KeyAnswer::Keys(keys) => say(&table(&keys))?,
    }
    Ok(())
}

/// The secret alone goes to standard output, so that `KEY=$(atlas keys create ...)` works.
fn print_secret(made: &SecretReport) -> Result<(), Failure> {
    note(&format!(
        "{} \"{}\" ({}, account {}). Its secret is shown only now:",
        made.id,
        made.name.as_str(),
        made.mode.as_str(),
        made.account.as_str()
    ));
    say_secret(&made.secret, &again(made))?;
    if made.mode == Mode::Live {
        note(
            "Its requests go to the upstream that the server was started with (live.upstream); without one they get 503 live_mode_unavailable.",
        );
    }
    if let Some(until) = &made.old_secret_works_until {
        note(&format!("The old secret works until {until}."));
    }
    Ok(())
}

/// How to get a secret after this one was lost.
fn again(made: &SecretReport) -> String {
    format!(
        "`atlas keys roll {} --grace 0s` gives the key another",
        made.id
    )
}

fn describe(key: &KeyReport) -> String {
    format!(
        "{} \"{}\" ({}, account {}, {}) is {}",
        key.id,
        key.name.as_str(),
        key.mode.as_str(),
        key.account.as_str(),
        key.masked,
        key.state.as_str()
    )
}

fn table(keys: &[KeyReport]) -> String {
    let day = |time: &Option<String>| {
        time.as_ref().map_or_else(
            || "-".to_owned(),
            |time| time.replace('T', " ").chars().take(16).collect(),
        )
    };
    let head = [
        "ID",
        "MODE",
        "STATE",
        "SECRET",
        "ACCOUNT",
        "CREATED",
        "LAST USED",
        "EXPIRES",
        "TODAY",
        "NAME",
    ]
    .map(str::to_owned);
    let rows = keys.iter().map(|key| {
        [
            key.id.to_string(),
            key.mode.as_str().to_owned(),
            key.state.as_str().to_owned(),
            key.masked.clone(),
            key.account.as_str().to_owned(),
            day(&Some(key.created_at.clone())),
            day(&key.last_used_at),
            day(&key.expires_at),
            key.used_today.to_string(),
            key.name.as_str().to_owned(),
        ]
    });
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<_> = (0..rows[0].len()).map(width).collect();
    let line = |row: &[String; 10]| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
