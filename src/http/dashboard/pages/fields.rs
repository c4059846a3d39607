//! Fields of forms: a label, a hint, and what was wrong, tied together for everyone.

use maud::{Markup, Render, html};

/// A field as it was typed, and what was wrong with it.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Field {
    /// What was typed.
    pub(in crate::http) value: String,
    /// What is wrong with it, as a sentence.
    pub(in crate::http) error: Option<String>,
}

impl Field {
    /// A field with this in it, about which nothing is wrong.
    pub(in crate::http) fn of(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            error: None,
        }
    }
}

/// A field to be drawn: the label, the input, the hint and the error.
pub(super) struct Input<'a> {
    form: &'a str,
    name: &'a str,
    label: &'a str,
    value: &'a str,
    error: Option<&'a str>,
    hint: &'a str,
    placeholder: Option<&'a str>,
    inputmode: Option<&'a str>,
    required: bool,
}

impl<'a> Input<'a> {
    /// A field of this form with this in it, sent under this name.
    pub(super) const fn new(form: &'a str, name: &'a str, label: &'a str, value: &'a str) -> Self {
        Self {
            form,
            name,
            label,
            value,
            error: None,
            hint: "",
            placeholder: None,
            inputmode: None,
            required: false,
        }
    }

    /// A field of this form as it was typed.
    pub(super) fn of(form: &'a str, name: &'a str, label: &'a str, typed: &'a Field) -> Self {
        Self {
            error: typed.error.as_deref(),
            ..Self::new(form, name, label, &typed.value)
        }
    }

    /// With a sentence on what to type.
    pub(super) const fn hint(self, hint: &'a str) -> Self {
        Self { hint, ..self }
    }

    /// With what is taken when it is left empty.
    pub(super) const fn placeholder(self, text: &'a str) -> Self {
        Self {
            placeholder: Some(text),
            ..self
        }
    }

    /// For digits.
    pub(super) const fn digits(self) -> Self {
        Self {
            inputmode: Some("numeric"),
            ..self
        }
    }

    /// Not to be left empty.
    pub(super) const fn required(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }
}

impl Render for Input<'_> {
    fn render(&self) -> Markup {
        let id = format!("{}-{}", self.form, self.name);
        html! {
            div.field {
                label for=(id) { (self.label) }
                input type="text" id=(id) name=(self.name) value=(self.value) autocomplete="off"
                    placeholder=[self.placeholder]
                    inputmode=[self.inputmode]
                    required[self.required]
                    autofocus[self.error.is_some()]
                    aria-invalid=[self.error.map(|_| "true")]
                    aria-describedby=[described_by(&id, self.hint, self.error)];
                @if !self.hint.is_empty() { p.hint id={ (id) "-hint" } { (self.hint) } }
                @if let Some(error) = self.error { p.error id={ (id) "-error" } { (error) } }
            }
        }
    }
}

fn described_by(id: &str, hint: &str, error: Option<&str>) -> Option<String> {
    match (error, hint) {
        (Some(_), "") => Some(format!("{id}-error")),
        (Some(_), _) => Some(format!("{id}-error {id}-hint")),
        (None, "") => None,
        (None, _) => Some(format!("{id}-hint")),
    }
}

/// One of a few words.
pub(super) fn select(
    form: &str,
    name: &str,
    label: &str,
    chosen: &str,
    options: &[(&str, &str)],
) -> Markup {
    html! {
        div.field {
            label for={ (form) "-" (name) } { (label) }
            select id={ (form) "-" (name) } name=(name) {
                @for (value, word) in options {
                    option value=(value) selected[*value == chosen] { (word) }
                }
            }
        }
    }
}

/// What was wrong with a form as a whole.
pub(super) fn problem(problem: Option<&str>) -> Markup {
    html! { @if let Some(text) = problem { p.notice.problem role="alert" { (text) } } }
}
