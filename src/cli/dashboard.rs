//! `atlas dashboard`.

use std::io::{IsTerminal, Read};

use clap::Args;
use zeroize::Zeroizing;

use super::{Failure, note, remote, say, say_secret, settings_of_store, to_json};
use crate::app::operators::{OperatorAnswer, OperatorCommand};
use crate::config::Place;
use crate::policy;

/// What to do about the way into the Dashboard.
#[derive(Args)]
pub(super) struct Dashboard {
    /// Set a password, read from standard input, and log everybody out
    #[arg(long, conflicts_with = "remove_password")]
    set_password: bool,
    /// Take the password away and log everybody out
    #[arg(long)]
    remove_password: bool,
}

/// Carries it out and prints what came of it.
pub(super) fn run(place: &Place, asked: &Dashboard, json: bool) -> Result<(), Failure> {
    let settings = settings_of_store(place)?;
    let command = if asked.set_password {
        let password = read_password()?;
        OperatorCommand::SetPassword { password }
    } else if asked.remove_password {
        OperatorCommand::RemovePassword
    } else {
        OperatorCommand::Link
    };
    let answer = actix_web::rt::System::new()
        .block_on(remote::manage_operators(settings, command))
        .map_err(Failure::Failed)?;
    print(answer, json)
}

fn print(answer: OperatorAnswer, json: bool) -> Result<(), Failure> {
    let again = "`atlas dashboard` prints another link";
    let password = |state: &str| to_json(&serde_json::json!({ "password": state }));
    match answer {
        OperatorAnswer::Failed(line) => return Err(Failure::Failed(line)),
        OperatorAnswer::Link(link) if json => say_secret(&to_json(&link)?, again)?,
        OperatorAnswer::PasswordSet if json => say(&password("set")?)?,
        OperatorAnswer::PasswordRemoved if json => say(&password("removed")?)?,
        OperatorAnswer::Link(link) => {
            note("Open this link within five minutes; it works once:");
            say_secret(&link.url, again)?;
        }
        OperatorAnswer::PasswordSet => note("The password is set, and everybody is logged out."),
        OperatorAnswer::PasswordRemoved => {
            note("There is no password any more, and everybody is logged out.");
        }
    }
    Ok(())
}

/// Twice and unseen from a terminal; else one line, since a flag would show in the process list.
fn read_password() -> Result<Zeroizing<String>, Failure> {
    let unread = |e: std::io::Error| Failure::Failed(format!("no password could be read: {e}"));
    if std::io::stdin().is_terminal() {
        let ask = |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new);
        let first = ask("New password for the Dashboard: ").map_err(unread)?;
        let second = ask("The same again: ").map_err(unread)?;
        if *first != *second {
            return Err(Failure::Failed(
                "the two are not the same, so nothing was changed".to_owned(),
            ));
        }
        return Ok(first);
    }
    // Room for the longest password and a line end, so that no copy of it is left behind by growing.
    let most = policy::PASSWORD_LENGTH.end() + 3;
    let mut text = Zeroizing::new(String::with_capacity(most));
    std::io::stdin()
        .take(most as u64)
        .read_to_string(&mut text)
        .map_err(unread)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let length = line.strip_suffix('\r').unwrap_or(line).len();
    text.truncate(length);
    if text.contains(['\r', '\n']) {
        let why = "a password is one line, and more came; nothing was changed";
        return Err(Failure::Failed(why.to_owned()));
    }
    Ok(text)
}
