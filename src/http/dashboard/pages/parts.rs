//! The small things that pages are made of.

use maud::{Markup, html};

use super::links;
use super::words::{ago, count, span};
use crate::domain::id::KeyId;
use crate::domain::key::{KeyState, Mode};
use crate::domain::masking::masked;
use crate::domain::time::Timestamp;

/// `Test` or `Live`, in a colour and a shape of its own.
pub(super) fn badge(mode: Mode) -> Markup {
    html! { span.mode.(mode.as_str()) { (mode_name(mode)) } }
}

/// The mode as a word that begins a sentence.
pub(super) const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Test => "Test",
        Mode::Live => "Live",
    }
}

/// What a key is good for.
pub(super) fn state(state: KeyState) -> Markup {
    html! { span.state.(state.as_str()) { (state_name(state)) } }
}

/// The state as a word that begins a sentence.
pub(super) const fn state_name(state: KeyState) -> &'static str {
    match state {
        KeyState::Active => "Active",
        KeyState::Expired => "Expired",
        KeyState::Revoked => "Revoked",
    }
}

/// A point in time, for people and machines.
pub(super) fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at.rfc3339()) { (at.spelled()) } }
}

/// The day of a point in time.
pub(super) fn date(at: Timestamp) -> Markup {
    html! { time datetime=(at.rfc3339()) { (at.date()) } }
}

/// How long ago it was.
pub(super) fn age(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at.rfc3339()) { (ago(at, now)) } }
}

/// A point in time with the way to it: `(3 min ago)`, `(in 2 days)`.
pub(super) fn time_and_distance(at: Timestamp, now: Timestamp) -> Markup {
    let distance = if at > now {
        format!("in {}", span(at.since(now)))
    } else {
        ago(at, now)
    };
    html! { (time(at)) " " span.quiet { "(" (distance) ")" } }
}

/// A link to a key, under its name.
pub(super) fn key_link(id: KeyId, name: &str) -> Markup {
    html! { a href=(links::key(id)) { (name) } }
}

/// How much of a limit is used, as a bar and in digits.
pub(super) fn used(used: u32, limit: u32, what: &str) -> Markup {
    let high = limit - limit / 5;
    html! {
        meter max=(limit) high=(high) value=(used) aria-label=(what) {}
        " " (count(used)) " of " (count(limit))
    }
}

/// A button that copies the text of an element. The script shows it; without script it could do nothing.
pub(super) fn copy_button(id: &str, what: &str) -> Markup {
    html! { button.small type="button" data-copy={ "#" (id) } hidden { "Copy" span.unseen { " " (what) } } }
}

/// A block of code under a heading, with its copy button.
pub(super) fn code_block(id: &str, heading: &str, text: &str) -> Markup {
    html! {
        div.code {
            h3 { (heading) }
            (copy_button(id, heading))
            pre id=(id) { (text) }
        }
    }
}

/// Names and what they stand for.
pub(super) fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// A table of names and values of the client's; what looks like a secret or a card is masked.
pub(super) fn pairs<'a, V: AsRef<str>>(
    caption: &str,
    heads: [&str; 2],
    rows: impl IntoIterator<Item = (&'a str, V)>,
) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table.pairs {
                caption.unseen { (caption) }
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody {
                    @for (name, value) in rows {
                        tr { th scope="row" { (masked(name)) } td { (masked(value.as_ref())) } }
                    }
                }
            }
        }
    }
}

/// Whether live updates arrive. Filled and shown by the script.
pub(super) fn live_mark() -> Markup {
    html! {
        span.live data-mark hidden {
            span role="status" {}
            " "
            button.small type="button" { "Pause" }
        }
    }
}
