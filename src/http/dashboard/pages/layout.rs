//! The frame of every page: head, navigation, log-out, and the mode that nobody may mistake.

use maud::{DOCTYPE, Markup, html};

use super::{links, parts};
use crate::domain::key::Mode;

/// What every page behind the log-in needs.
pub(in crate::http) struct Frame {
    /// The session's token, for the forms.
    pub(in crate::http) csrf: String,
    /// A sentence on what the last form led to.
    pub(in crate::http) notice: Option<&'static str>,
}

/// A part of the Dashboard, as the navigation lists them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Keys,
    Requests,
    Idempotency,
    Sessions,
    Webhooks,
}

impl Section {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Keys, "Keys", links::KEYS),
        (Self::Requests, "Requests", links::REQUESTS),
        (Self::Idempotency, "Idempotency", links::IDEMPOTENCY),
        (Self::Sessions, "Sessions", links::SESSIONS),
        (Self::Webhooks, "Webhooks", links::WEBHOOKS),
    ];
}

/// A page within the frame.
pub(super) struct Page<'a> {
    /// Where it belongs; none for an error.
    pub(super) section: Option<Section>,
    /// Its one heading.
    pub(super) title: &'a str,
    /// One sentence on what it is for.
    pub(super) purpose: Markup,
    /// The mode of the one thing that it shows.
    pub(super) mode: Option<Mode>,
    /// What can be done from here, beside the heading.
    pub(super) actions: Markup,
    /// The rest.
    pub(super) body: Markup,
}

/// The whole page.
pub(super) fn page(frame: &Frame, page: &Page<'_>) -> Markup {
    let body = html! {
        a.skip href="#main" { "Skip to the content" }
        (header(frame, page.section))
        main #main tabindex="-1" {
            @if let Some(mode) = page.mode { (banner(mode)) }
            @if let Some(notice) = frame.notice { p.notice.done role="status" { (notice) } }
            div.head {
                div { h1 { (page.title) } p.purpose { (page.purpose) } }
                (page.actions)
            }
            (page.body)
        }
        p #say.unseen role="status" {}
    };
    document(page.title, page.mode, &body)
}

/// A page of one small card, for those who are not logged in.
pub(super) fn card(title: &str, content: &Markup) -> Markup {
    let body = html! {
        main.card #main {
            p.brand { (logo()) "Atlas" }
            h1 { (title) }
            (content)
        }
        p #say.unseen role="status" {}
    };
    document(title, None, &body)
}

fn document(title: &str, mode: Option<Mode>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Atlas" }
                link rel="icon" href="/dashboard/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/dashboard/assets/atlas.css";
                script src="/dashboard/assets/atlas.js" defer {}
            }
            body class=[mode.map(Mode::as_str)] { (body) }
        }
    }
}

fn header(frame: &Frame, here: Option<Section>) -> Markup {
    html! {
        header {
            a.brand href=(links::KEYS) { (logo()) "Atlas" }
            nav aria-label="Dashboard" {
                @for (section, name, href) in Section::ALL {
                    a href=(href) aria-current=[(here == Some(section)).then_some("page")] { (name) }
                }
            }
            form method="post" action=(links::LOGOUT) {
                (csrf(frame))
                button.plain { "Log out" }
            }
        }
    }
}

fn logo() -> Markup {
    html! { img src="/dashboard/assets/icon.svg" alt="" width="20" height="20"; }
}

/// The hidden field that proves that a form is ours.
pub(super) fn csrf(frame: &Frame) -> Markup {
    html! { input type="hidden" name="csrf" value=(frame.csrf); }
}

fn banner(mode: Mode) -> Markup {
    let meaning = match mode {
        Mode::Test => "Nothing is charged, whatever happens here.",
        Mode::Live => "Real money, real customers. What you change here takes effect at once.",
    };
    html! { p.banner { (parts::badge(mode)) " " (meaning) } }
}
