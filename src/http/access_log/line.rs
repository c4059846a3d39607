//! What the line of a request says, as text. Every request has one, so it is put together of strings and whole numbers.

use std::fmt::Write;
use std::time::Duration;

use super::unanswered;
use crate::app::forward::Reached;
use crate::app::request_log::Exchange;
use crate::policy;

/// `req_... POST /functions/v1/create-session 201 3.127ms key_...`, and whatever else was special about it. The path is as
/// it may be logged.
pub(super) fn line(exchange: &Exchange, path: &str) -> String {
    let Exchange {
        request_id,
        method,
        status,
        took,
        key,
        replayed,
        refused_by,
        reached,
        fault,
        ..
    } = exchange;
    let mut line = String::with_capacity(policy::USUAL_LINE);
    for word in [request_id, method, path] {
        line.push_str(word);
        line.push(' ');
    }
    match status {
        Some(status) => push_number(&mut line, u64::from(*status)),
        None => line.push_str(unanswered(exchange)),
    }
    line.push(' ');
    push_millis(&mut line, *took);
    line.push(' ');
    match key {
        Some(entry) => line.extend(entry.key.id.parts()),
        None => line.push('-'),
    }
    match refused_by {
        Some(scope) => {
            line.push_str(" refused by ");
            line.push_str(scope.as_str());
        }
        None if *replayed => line.push_str(" replayed"),
        None => (),
    }
    if let Some(fault) = fault {
        // Writing into a string can't fail.
        let _ = write!(line, " fault {fault}");
    }
    if let Some(Reached { status, took }) = reached {
        line.push_str(" upstream ");
        match status {
            Some(status) => push_number(&mut line, u64::from(*status)),
            None => line.push('-'),
        }
        line.push(' ');
        push_millis(&mut line, *took);
    }
    line
}

fn push_number(line: &mut String, number: u64) {
    line.push_str(itoa::Buffer::new().format(number));
}

/// Milliseconds to the microsecond.
fn push_millis(line: &mut String, span: Duration) {
    push_number(
        line,
        span.as_secs() * 1_000 + u64::from(span.subsec_millis()),
    );
    line.push('.');
    let mut rest = itoa::Buffer::new();
    // The one in front keeps the zeros behind it.
    let rest = rest.format(1_000 + span.subsec_micros() % 1_000);
    line.push_str(&rest[1..]);
    line.push_str("ms");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limit::Scope;

    fn said(change: impl FnOnce(&mut Exchange)) -> String {
        let mut exchange = Exchange {
            request_id: "req_1".into(),
            method: "GET".into(),
            status: Some(200),
            took: Duration::from_micros(3_007),
            ..Exchange::default()
        };
        change(&mut exchange);
        line(&exchange, "/a")
    }

    #[test]
    fn a_line_says_what_was_special_about_its_request() {
        let reached = |status| Reached {
            status,
            took: Duration::from_micros(61_000_250),
        };
        assert_eq!(said(|_| ()), "req_1 GET /a 200 3.007ms -");
        assert_eq!(
            said(|exchange| exchange.status = None),
            "req_1 GET /a client-gone 3.007ms -"
        );
        assert_eq!(
            said(|exchange| exchange.replayed = true),
            "req_1 GET /a 200 3.007ms - replayed"
        );
        assert_eq!(
            said(|exchange| exchange.refused_by = Some(Scope::Minute)),
            "req_1 GET /a 200 3.007ms - refused by minute"
        );
        assert_eq!(
            said(|exchange| exchange.reached = Some(reached(Some(502)))),
            "req_1 GET /a 200 3.007ms - upstream 502 61000.250ms"
        );
        assert_eq!(
            said(|exchange| exchange.reached = Some(reached(None))),
            "req_1 GET /a 200 3.007ms - upstream - 61000.250ms"
        );
    }
}
