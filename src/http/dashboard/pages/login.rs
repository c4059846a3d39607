//! The way in: a link from the command line, or a password where one is set.

use maud::{DOCTYPE, Markup, html};

use super::layout::card;
use super::{links, parts};

/// The log-in page.
pub(in crate::http) struct Login {
    /// Where to go afterwards; may be empty.
    pub(in crate::http) next: String,
    /// Whether a password is set.
    pub(in crate::http) has_password: bool,
    /// Why the last try failed.
    pub(in crate::http) problem: Option<String>,
}

/// The log-in page.
pub(in crate::http) fn login(view: &Login) -> Markup {
    let content = html! {
        @if let Some(problem) = &view.problem { p.notice.problem #problem role="alert" { (problem) } }
        p { "The Dashboard is for whoever runs this server. In a shell on it, run" }
        div.code {
            (parts::copy_button("command", "command"))
            pre #command { "atlas dashboard" }
        }
        p { "and open the link that it prints. The link works once, for five minutes." }
        @if view.has_password { (password(view)) }
    };
    card("Log in", &content)
}

fn password(view: &Login) -> Markup {
    let failed = view.problem.is_some();
    html! {
        form method="post" action=(links::LOGIN) {
            p.or.quiet { "or" }
            @if !view.next.is_empty() { input type="hidden" name="next" value=(view.next); }
            // For password managers, which keep a password by a name.
            input type="text" name="username" value="Atlas" autocomplete="username" hidden;
            div.field {
                label for="password" { "Password" }
                input #password type="password" name="password" autocomplete="current-password" required
                    autofocus[failed]
                    aria-invalid=[failed.then_some("true")]
                    aria-describedby=[failed.then_some("problem")];
            }
            div.buttons { button.main { "Log in" } }
        }
    }
}

/// A page that goes on by itself. The cookie of a log-in is only sent along when the Dashboard itself leads on.
pub(in crate::http) fn go_on() -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content={ "0;url=" (links::KEYS) };
                title { "Logged in · Atlas" }
            }
            body { main { h1 { "Logged in" } p { a href=(links::KEYS) { "Go on to the Dashboard" } } } }
        }
    }
}
