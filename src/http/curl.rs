//! A request as a curl command that can be pasted into a shell.

/// A request to write down.
pub(super) struct Call<'a> {
    /// HTTP method.
    pub(super) method: &'a str,
    /// Scheme and host.
    pub(super) server: &'a str,
    /// Path with query.
    pub(super) target: &'a str,
    /// What stands after `Authorization:`, if anything. In double quotes, so that a shell fills in a variable.
    pub(super) authorization: Option<&'a str>,
    /// Other headers.
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// The body, if there is one.
    pub(super) body: Option<&'a str>,
}

/// The command, one argument a line. It sends what is written and nothing else: no part of it is taken for a file or
/// for several addresses, whatever a client made it look like.
pub(super) fn command(call: &Call<'_>) -> String {
    // curl waits for the body that HEAD never gets, and takes no body along with it.
    let is_head = call.method == "HEAD";
    let body = call.body.filter(|_| !is_head);
    let method = match (call.method, body) {
        _ if is_head => " --head".to_owned(),
        ("GET", None) | ("POST", Some(_)) => String::new(),
        (method, _) => format!(" -X {}", quoted(method)),
    };
    let mut lines = vec![format!("curl{method} {}", address(call))];
    let authorization = call.authorization;
    lines.extend(authorization.map(|value| format!("-H \"Authorization: {value}\"")));
    lines.extend(call.headers.iter().map(|(name, value)| header(name, value)));
    let has_type = call
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if body.is_some() && !has_type {
        // Without this line curl says that it is a form.
        lines.push("-H 'Content-Type:'".to_owned());
    }
    lines.extend(body.map(|body| format!("--data-raw {}", quoted(body))));
    lines.join(" \\\n  ")
}

/// The address, with what keeps curl from reading more into it.
fn address(call: &Call<'_>) -> String {
    let Call { server, target, .. } = call;
    if !target.starts_with('/') {
        return format!("--request-target {} {}", quoted(target), quoted(server));
    }
    let url = format!("{server}{target}");
    let has_globs = url.contains(['[', ']', '{', '}']);
    let globs = if has_globs { "--globoff " } else { "" };
    let has_dots = target.contains("/.") || target.to_ascii_lowercase().contains("/%2e");
    let dots = if has_dots { "--path-as-is " } else { "" };
    format!("{globs}{dots}{}", quoted(&url))
}

/// A header. With nothing after the colon, curl would leave it out.
fn header(name: &str, value: &str) -> String {
    if value.is_empty() {
        format!("-H {}", quoted(&format!("{name};")))
    } else {
        format!("-H {}", quoted(&format!("{name}: {value}")))
    }
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

    fn call<'a>(method: &'a str, target: &'a str, body: Option<&'a str>) -> Call<'a> {
        Call {
            method,
            server: "http://localhost",
            target,
            authorization: Some("Bearer $ATLAS_KEY"),
            headers: &[],
            body,
        }
    }

    #[test]
    fn a_call_is_one_command_that_a_shell_reads_as_meant() {
        let command = command(&Call {
            headers: &[
                ("Idempotency-Key", "it's"),
                ("Content-Type", "application/json"),
                ("X-Empty", ""),
            ],
            ..call("POST", "/x?a=b&c", Some("{\"a\":\"$HOME `id`\"}"))
        });
        let expected = [
            r"curl 'http://localhost/x?a=b&c' \",
            r#"  -H "Authorization: Bearer $ATLAS_KEY" \"#,
            r"  -H 'Idempotency-Key: it'\''s' \",
            r"  -H 'Content-Type: application/json' \",
            r"  -H 'X-Empty;' \",
            r#"  --data-raw '{"a":"$HOME `id`"}'"#,
        ];
        assert_eq!(command, expected.join("\n"));
    }

    #[test]
    fn curl_takes_no_part_of_a_call_for_a_file_or_for_several_addresses() {
        for (call, expected) in [
            (
                call("POST", "/x", Some("@/etc/hostname")),
                "curl 'http://localhost/x' -H 'Content-Type:' --data-raw '@/etc/hostname'",
            ),
            (
                call("GET", "/[1-3]{a,b}", None),
                "curl --globoff 'http://localhost/[1-3]{a,b}'",
            ),
            (
                call("GET", "/a/../b", None),
                "curl --path-as-is 'http://localhost/a/../b'",
            ),
            (
                call("GET", "/a/%2E%2e/b", None),
                "curl --path-as-is 'http://localhost/a/%2E%2e/b'",
            ),
            (
                call("OPTIONS", "*", None),
                "curl -X 'OPTIONS' --request-target '*' 'http://localhost'",
            ),
            (
                call("HEAD", "/x", Some("a")),
                "curl --head 'http://localhost/x'",
            ),
        ] {
            let line = command(&call).replace(" \\\n ", "");
            let line = line.replace(" -H \"Authorization: Bearer $ATLAS_KEY\"", "");
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn what_would_steer_a_terminal_is_spelled_out() {
        assert_eq!(quoted("\u{1b}[201~'\\"), r"$'\u001b[201~\'\\'");
    }
}
