//! Settings that come by variables of the environment, by the names that clap knows of them.

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue};
use std::ffi::OsString;

use super::Cli;
use crate::config::{AUTHORIZATIONS, variables};

/// Every flag, with the variable that stands for it.
fn known() -> Vec<(Option<String>, String)> {
    let command = Cli::command();
    let commands = command.get_subcommands().chain([&command]);
    let named = commands
        .flat_map(clap::Command::get_arguments)
        .filter_map(|argument| {
            let variable = argument.get_env()?.to_string_lossy().into_owned();
            Some((
                argument.get_long().map(|long| format!("--{long}")),
                variable,
            ))
        });
    named.collect()
}

/// What to say of variables that look like settings, and are none: perhaps somebody has mistyped one.
pub(super) fn unknown() -> Option<String> {
    let known = known();
    let is_known = |name: &String| {
        AUTHORIZATIONS.contains(&name.as_str()) || known.iter().any(|(_, known)| known == name)
    };
    let mut unknown = variables();
    unknown.retain(|name| !is_known(name));
    (!unknown.is_empty()).then(|| {
        format!(
            "no setting has the name of these variables, so they count for nothing: {}; `atlas serve --help` lists those \
             there are",
            unknown.join(", ")
        )
    })
}

/// A wrong value that came by a variable, since nobody typed its flag, is told by the variable's name; clap tells the flag's.
pub(super) fn naming(mut error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(told)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let flag = told.split(' ').next().unwrap_or_default().to_owned();
    let is_typed = arguments.iter().any(|argument| {
        let typed = argument.to_string_lossy();
        typed.split('=').next() == Some(&flag)
    });
    let mut known = known().into_iter().filter(|_| !is_typed);
    if let Some((_, variable)) = known.find(|(named, _)| named.as_ref() == Some(&flag)) {
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable));
    }
    error
}
