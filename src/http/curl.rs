//! A request as a curl command that can be pasted into a shell.

/// A request to write down.
pub(super) struct Call<'a> {
    /// HTTP method.
    pub(super) method: &'a str,
    /// Scheme, host and path with query.
    pub(super) url: &'a str,
    /// What stands after `Authorization:`, if anything. In double quotes, so that a shell fills in a variable.
    pub(super) authorization: Option<&'a str>,
    /// Other headers.
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// The body, if there is one.
    pub(super) body: Option<&'a str>,
}

/// The command, one argument a line.
pub(super) fn command(call: &Call<'_>) -> String {
    let method = match (call.method, call.body) {
        ("GET", None) | ("POST", Some(_)) => String::new(),
        (method, _) => format!(" -X {}", quoted(method)),
    };
    let mut lines = vec![format!("curl{method} {}", quoted(call.url))];
    let authorization = call.authorization;
    lines.extend(authorization.map(|value| format!("-H \"Authorization: {value}\"")));
    lines.extend(
        call.headers
            .iter()
            .map(|(name, value)| format!("-H {}", quoted(&format!("{name}: {value}")))),
    );
    lines.extend(call.body.map(|body| format!("-d {}", quoted(body))));
    lines.join(" \\\n  ")
}

/// The text as one word of a shell. Control characters are spelled out, so that pasting can't steer a terminal.
fn quoted(text: &str) -> String {
    if text.chars().any(|c| c.is_control() && c != '\n') {
        let spelled: String = text.chars().map(spelled).collect();
        format!("$'{spelled}'")
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A character as it stands between `$'` and `'`.
fn spelled(c: char) -> String {
    match c {
        '\'' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_one_command_that_a_shell_reads_as_meant() {
        let command = command(&Call {
            method: "POST",
            url: "http://localhost/x?a=b&c",
            authorization: Some("Bearer $ATLAS_KEY"),
            headers: &[("Idempotency-Key", "it's")],
            body: Some("{\"a\":\"$HOME `id`\"}"),
        });
        let expected = [
            r"curl 'http://localhost/x?a=b&c' \",
            r#"  -H "Authorization: Bearer $ATLAS_KEY" \"#,
            r"  -H 'Idempotency-Key: it'\''s' \",
            r#"  -d '{"a":"$HOME `id`"}'"#,
        ];
        assert_eq!(command, expected.join("\n"));
    }

    #[test]
    fn what_would_steer_a_terminal_is_spelled_out() {
        assert_eq!(quoted("\u{1b}[201~'\\"), r"$'\u001b[201~\'\\'");
    }
}
