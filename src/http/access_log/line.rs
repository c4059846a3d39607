//! What the line of a request says, as text. Every request has one, so it is put together of strings and whole numbers.

use std::fmt;
use std::time::Duration;

use super::unanswered;
use crate::app::forward::Reached;
use crate::app::request_log::Exchange;

/// `req_... POST /functions/v1/create-session 201 3.127ms key_...`, and whatever else was special about it.
pub(super) struct Line<'a> {
    pub(super) exchange: &'a Exchange,
    /// As it may be logged.
    pub(super) path: &'a str,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        } = self.exchange;
        for word in [request_id, method, self.path] {
            f.write_str(word)?;
            f.write_str(" ")?;
        }
        match status {
            Some(status) => write_number(f, u64::from(*status))?,
            None => f.write_str(unanswered(self.exchange))?,
        }
        f.write_str(" ")?;
        write_millis(f, *took)?;
        f.write_str(" ")?;
        match key {
            Some(entry) => entry.key.id.fmt(f)?,
            None => f.write_str("-")?,
        }
        match refused_by {
            Some(scope) => write!(f, " refused by {}", scope.as_str())?,
            None if *replayed => f.write_str(" replayed")?,
            None => (),
        }
        if let Some(fault) = fault {
            write!(f, " fault {fault}")?;
        }
        if let Some(Reached { status, took }) = reached {
            f.write_str(" upstream ")?;
            match status {
                Some(status) => write_number(f, u64::from(*status))?,
                None => f.write_str("-")?,
            }
            f.write_str(" ")?;
            write_millis(f, *took)?;
        }
        Ok(())
    }
}

fn write_number(f: &mut fmt::Formatter<'_>, number: u64) -> fmt::Result {
    f.write_str(itoa::Buffer::new().format(number))
}

/// Milliseconds to the microsecond.
fn write_millis(f: &mut fmt::Formatter<'_>, span: Duration) -> fmt::Result {
    write_number(f, span.as_secs() * 1_000 + u64::from(span.subsec_millis()))?;
    f.write_str(".")?;
    let mut rest = itoa::Buffer::new();
    // The one in front keeps the zeros behind it.
    let rest = rest.format(1_000 + span.subsec_micros() % 1_000);
    f.write_str(&rest[1..])?;
    f.write_str("ms")
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
        let line = Line {
            exchange: &exchange,
            path: "/a",
        };
        line.to_string()
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
