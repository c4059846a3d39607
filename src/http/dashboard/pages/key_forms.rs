//! The forms that change keys: create, update, roll and revoke. Each keeps what was typed and says what was wrong by
//! the field.

use maud::{Markup, html};

use super::fields::{Field, Input, problem, select};
use super::layout::{Frame, Page, Section, csrf, page};
use super::words::count;
use super::{links, parts};
use crate::domain::id::KeyId;
use crate::domain::key::{KeyName, Mode};
use crate::domain::limit::Limits;
use crate::domain::time::Timestamp;

/// A key to be made, as it was typed so far.
pub(in crate::http) struct CreateForm {
    /// Makes the form safe to send twice.
    pub(in crate::http) once: String,
    /// Its name.
    pub(in crate::http) name: Field,
    /// Test or live.
    pub(in crate::http) mode: Mode,
    /// Whose it is to be.
    pub(in crate::http) account: Field,
    /// How long it is to work.
    pub(in crate::http) expires: Field,
    /// Its own limits.
    pub(in crate::http) limits: LimitFields,
    /// What is wrong with the whole.
    pub(in crate::http) problem: Option<String>,
}

/// The three limits of a key, as they were typed.
pub(in crate::http) struct LimitFields {
    /// Requests a minute.
    pub(in crate::http) per_minute: Field,
    /// Requests a day.
    pub(in crate::http) per_day: Field,
    /// Requests at once.
    pub(in crate::http) concurrent: Field,
    /// What holds where a field is empty.
    pub(in crate::http) defaults: Limits,
}

/// What can be changed of a key, as it was typed so far.
pub(in crate::http) struct UpdateForm {
    /// Which key.
    pub(in crate::http) id: KeyId,
    /// Its name.
    pub(in crate::http) name: Field,
    /// When it is to end; empty leaves it as it is.
    pub(in crate::http) expires: Field,
    /// When it ends now.
    pub(in crate::http) expires_at: Option<Timestamp>,
    /// Its own limits.
    pub(in crate::http) limits: LimitFields,
    /// What is wrong with the whole.
    pub(in crate::http) problem: Option<String>,
}

/// A new secret for a key.
pub(in crate::http) struct RollForm {
    /// Which key.
    pub(in crate::http) id: KeyId,
    /// Makes the form safe to send twice.
    pub(in crate::http) once: String,
    /// The grace that was chosen: `0s`, `1h`, `24h` or `7d`.
    pub(in crate::http) grace: String,
    /// What is wrong with the whole.
    pub(in crate::http) problem: Option<String>,
}

/// The end of a key.
pub(in crate::http) struct RevokeForm {
    /// Which key.
    pub(in crate::http) id: KeyId,
    /// Its name, which has to be typed.
    pub(in crate::http) name: KeyName,
    /// What was typed.
    pub(in crate::http) typed: Field,
}

const EXPIRES_HINT: &str = "A length of time such as 90d or 12h.";

/// The page with the form that makes a key.
pub(in crate::http) fn create_page(frame: &Frame, form: &CreateForm) -> Markup {
    page(
        frame,
        &Page {
            section: Some(Section::Keys),
            title: "Create a key",
            purpose: html! { "Make a key for each server that calls the API, so that you can end one without \
            the others." },
            mode: None,
            actions: html! { a.button href=(links::KEYS) { "Back to the keys" } },
            body: create_form(frame, form),
        },
    )
}

/// The form that makes a key.
pub(super) fn create_form(frame: &Frame, form: &CreateForm) -> Markup {
    let name = Input::of("create", "name", "Name", &form.name);
    let account = Input::of("create", "account", "Account", &form.account);
    let expires = Input::of("create", "expires", "Expires after", &form.expires);
    let expires_hint = format!("{EXPIRES_HINT} Left empty, the key works until you revoke it.");
    html! {
        form.panel #create method="post" action=(links::NEW_KEY) {
            (csrf(frame)) (once(&form.once))
            (problem(form.problem.as_deref()))
            (name.required().hint("What you will know it by, such as Shop server."))
            (modes(form.mode))
            (account.hint("The merchant it belongs to.").placeholder("default"))
            (expires.hint(&expires_hint).placeholder("Never"))
            (limit_fields("create", &form.limits))
            div.buttons { button.main { "Create key" } }
        }
    }
}

fn once(once: &str) -> Markup {
    html! { input type="hidden" name="once" value=(once); }
}

fn modes(chosen: Mode) -> Markup {
    let meanings = [
        (Mode::Test, "Nothing is charged. For development and tests."),
        (Mode::Live, "Real payments from real customers."),
    ];
    html! {
        fieldset.modes {
            legend { "Mode" }
            @for (mode, meaning) in meanings {
                label.(mode.as_str()) {
                    input type="radio" name="mode" value=(mode.as_str()) checked[mode == chosen];
                    span { (parts::badge(mode)) " " (meaning) }
                }
            }
        }
    }
}

fn limit_fields(form: &str, limits: &LimitFields) -> Markup {
    let number = |name, label, default: u32, field| {
        let default = count(default);
        html! { (Input::of(form, name, label, field).digits().placeholder(&default)) }
    };
    html! {
        fieldset {
            legend { "Limits" }
            p.hint { "Left empty, the server's own holds, shown in grey." }
            div.row {
                (number("per_minute", "Requests a minute", limits.defaults.per_minute, &limits.per_minute))
                (number("per_day", "Requests a day", limits.defaults.per_day, &limits.per_day))
                (number("concurrent", "At once", limits.defaults.concurrent, &limits.concurrent))
            }
        }
    }
}

/// The form that changes name, expiry and limits.
pub(super) fn update_form(frame: &Frame, form: &UpdateForm) -> Markup {
    let expires = form
        .expires_at
        .map_or("Never".to_owned(), Timestamp::spelled);
    let expires_hint =
        format!("{EXPIRES_HINT} It counts from now; never lifts the expiry; left empty, it stays.");
    html! {
        form.panel #update method="post" action=(links::key_verb(form.id, "update")) {
            h2 { "Change" }
            (csrf(frame))
            (problem(form.problem.as_deref()))
            (Input::of("update", "name", "Name", &form.name).required())
            (Input::of("update", "expires", "Expires after", &form.expires).hint(&expires_hint).placeholder(&expires))
            (limit_fields("update", &form.limits))
            div.buttons { button { "Save changes" } }
        }
    }
}

/// The form that gives the key a new secret.
pub(super) fn roll_form(frame: &Frame, form: &RollForm) -> Markup {
    let graces = [
        ("0s", "At once"),
        ("1h", "In 1 hour"),
        ("24h", "In 24 hours"),
        ("7d", "In 7 days"),
    ];
    html! {
        form.panel #roll method="post" action=(links::key_verb(form.id, "roll")) {
            h2 { "Roll" }
            p { "Get a new secret for this key. The old one works until its time is over, so that you can \
                change servers one by one." }
            (csrf(frame)) (once(&form.once))
            (problem(form.problem.as_deref()))
            (select("roll", "grace", "The old secret ends", &form.grace, &graces))
            div.buttons { button { "Roll secret" } }
        }
    }
}

/// The form that ends the key for good.
pub(super) fn revoke_form(frame: &Frame, form: &RevokeForm) -> Markup {
    let hint = format!("Type: {}", form.name.as_str());
    html! {
        form.panel.danger #revoke method="post" action=(links::key_verb(form.id, "revoke")) {
            h2 { "Revoke" }
            p { "End this key for good. The next request with it is refused, and there is no way back." }
            (csrf(frame))
            (Input::of("revoke", "name", "The key's name, to be sure", &form.typed).required().hint(&hint))
            div.buttons { button.danger { "Revoke key" } }
        }
    }
}
