//! The Markdown of descriptions, as far as ours goes: paragraphs, lists, `code`, **bold** and [links](https://...).

use maud::{Markup, html};

/// A description of one or more paragraphs.
pub(super) fn prose(text: &str) -> Markup {
    let text = text.replace("\r\n", "\n");
    html! { @for block in text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) { (paragraph(block)) } }
}

/// A paragraph, or a list, or one and then the other.
fn paragraph(block: &str) -> Markup {
    let is_item = |line: &&str| line.trim_start().starts_with("- ");
    let (lines, items): (Vec<&str>, Vec<&str>) = block.lines().partition(|line| !is_item(line));
    html! {
        @if !lines.is_empty() { p { (inline(&lines.join(" "))) } }
        @if !items.is_empty() {
            ul { @for item in items { li { (inline(item.trim_start().trim_start_matches("- "))) } } }
        }
    }
}

/// Text within a paragraph.
pub(super) fn inline(text: &str) -> Markup {
    html! { @for piece in pieces(text) { (piece) } }
}

fn pieces(text: &str) -> Vec<Markup> {
    let mut pieces = Vec::new();
    let (mut rest, mut plain_to) = (text, 0);
    while let Some(at) = rest[plain_to..].find(['`', '*', '[']) {
        let at = plain_to + at;
        let Some((piece, length)) = marked(&rest[at..]) else {
            plain_to = at + 1;
            continue;
        };
        let plain = &rest[..at];
        pieces.push(html! { (plain) });
        pieces.push(piece);
        (rest, plain_to) = (&rest[at + length..], 0);
    }
    pieces.push(html! { (rest) });
    pieces
}

/// What is marked at the beginning of this text, and how many bytes it takes.
fn marked(text: &str) -> Option<(Markup, usize)> {
    if let Some(inner) = between(text, "`", "`") {
        return Some((html! { code { (inner) } }, inner.len() + 2));
    }
    if let Some(inner) = between(text, "**", "**") {
        return Some((html! { strong { (inner) } }, inner.len() + 4));
    }
    let name = between(text, "[", "]")?;
    let after = name.len() + 2;
    let target = between(&text[after..], "(", ")")?;
    let leads_well = ["https://", "http://", "/", "#"]
        .iter()
        .any(|start| target.starts_with(start));
    let length = after + target.len() + 2;
    leads_well.then(|| (html! { a href=(target) { (name) } }, length))
}

/// The text between a mark at the beginning and the next such mark; not when it is empty.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(open)?;
    rest.find(close)
        .map(|end| &rest[..end])
        .filter(|inner| !inner.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_elements() {
        let html =
            prose("Send `a<b` to **all**, see [x](#y).\n\nThen:\n- one\n- `two`").into_string();
        assert_eq!(
            html,
            "<p>Send <code>a&lt;b</code> to <strong>all</strong>, see <a href=\"#y\">x</a>.</p>\
             <p>Then:</p><ul><li>one</li><li><code>two</code></li></ul>"
        );
    }

    #[test]
    fn what_only_looks_marked_stays_as_it_is() {
        for text in [
            "a ` b",
            "2 * 3 ** 4",
            "[x](javascript:alert(1))",
            "[x] (y)",
            "``",
            "é[",
            "",
        ] {
            assert_eq!(inline(text).into_string(), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_shown(text in "[`*\\[\\]()a é\n-]{0,60}") {
            prose(&text);
        }
    }
}
