//! How a line of the log is written: as text, or as one JSON object. Nothing that is said ends a line early, and no
//! secret is in one.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

use log::kv::{self, Key, Value, VisitSource, VisitValue};
use log::{Level, Record};

use crate::config::LogFormat;
use crate::domain::masking::masked;
use crate::policy;

/// What our own records are from.
const OURS: &str = "atlas";

/// The form of every line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) format: LogFormat,
    /// The journal reads: it takes a priority off each line's beginning (`sd-daemon(3)`), and has times of its own.
    pub(super) to_journal: bool,
}

impl Layout {
    /// Writes a record as one line.
    pub(super) fn write(
        self,
        out: &mut impl Write,
        time: &str,
        record: &Record<'_>,
    ) -> io::Result<()> {
        self.write_priority(out, record.level())?;
        match self.format {
            LogFormat::Text => self.write_text(out, time, record),
            LogFormat::Json => write_json(out, time, record),
        }
    }

    /// Writes the line by which a command says why it ended.
    pub(super) fn write_last_word(
        self,
        out: &mut impl Write,
        time: &str,
        line: &str,
    ) -> io::Result<()> {
        match self.format {
            LogFormat::Text => {
                self.write_priority(out, Level::Error)?;
                writeln!(out, "error: {line}")
            }
            LogFormat::Json => {
                let mut record = Record::builder();
                let record = record.level(Level::Error).target(OURS);
                self.write(out, time, &record.args(format_args!("{line}")).build())
            }
        }
    }

    /// Writes what is said beside the log: for people, so always as text.
    pub(super) fn write_beside(
        self,
        out: &mut impl Write,
        level: Level,
        text: &str,
    ) -> io::Result<()> {
        text.split('\n').try_for_each(|line| {
            self.write_priority(out, level)?;
            writeln!(out, "{line}")
        })
    }

    fn write_priority(self, out: &mut impl Write, level: Level) -> io::Result<()> {
        if self.to_journal {
            write!(out, "<{}>", told(level).0)?;
        }
        Ok(())
    }

    fn write_text(self, out: &mut impl Write, time: &str, record: &Record<'_>) -> io::Result<()> {
        let (level, target) = (record.level(), record.target());
        if !self.to_journal {
            out.write_all(time.as_bytes())?;
            out.write_all(b" ")?;
        }
        out.write_all(padded(level).as_bytes())?;
        if !target.starts_with(OURS) {
            write!(out, "[{target}] ")?;
        }
        let text = said(record);
        out.write_all(in_one_line(&masked(&text)).as_bytes())?;
        out.write_all(b"\n")
    }
}

/// A level as it stands in a line of text.
const fn padded(level: Level) -> &'static str {
    match level {
        Level::Error => "ERROR ",
        Level::Warn => "WARN  ",
        Level::Info => "INFO  ",
        Level::Debug => "DEBUG ",
        Level::Trace => "TRACE ",
    }
}

/// A level by its number for the journal (`syslog(3)`) and its name for machines.
const fn told(level: Level) -> (u8, &'static str) {
    match level {
        Level::Error => (3, "error"),
        Level::Warn => (4, "warn"),
        Level::Info => (6, "info"),
        Level::Debug => (7, "debug"),
        Level::Trace => (7, "trace"),
    }
}

fn said<'a>(record: &Record<'a>) -> Cow<'a, str> {
    let arguments = record.args();
    if let Some(text) = arguments.as_str() {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(policy::USUAL_LINE);
    // Writing into a string can't fail.
    let _ = fmt::Write::write_fmt(&mut text, *arguments);
    Cow::Owned(text)
}

/// The text without what would end the line or play with a terminal.
fn in_one_line(text: &str) -> Cow<'_, str> {
    // Looks at all of it, which takes less time than to stop at the first: nearly every line is plain to its end.
    let is_plain = text
        .bytes()
        .fold(true, |so_far, byte| so_far & (b' '..=b'~').contains(&byte));
    if is_plain || !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if char.is_control() {
            line.extend(char.escape_default());
        } else {
            line.push(char);
        }
    }
    Cow::Owned(line)
}

/// The members of our own records stand beside what every line has. One that is called `message` is said instead of the
/// record's text, which has the members in it already.
fn write_json(out: &mut impl Write, time: &str, record: &Record<'_>) -> io::Result<()> {
    let (_, level) = told(record.level());
    write!(
        out,
        r#"{{"time":"{time}","level":"{level}","target":"{}""#,
        record.target()
    )?;
    let mut members = Members {
        out,
        has_message: false,
    };
    if record.target().starts_with(OURS) {
        let visited = record.key_values().visit(&mut members);
        visited.map_err(io::Error::other)?;
    }
    let Members { out, has_message } = members;
    if !has_message {
        out.write_all(br#","message":"#)?;
        write_string(out, &said(record))?;
    }
    out.write_all(b"}\n")
}

/// A JSON string of a text that may have secrets in it.
fn write_string(out: &mut impl Write, text: &str) -> io::Result<()> {
    Ok(serde_json::to_writer(out, &masked(text))?)
}

struct Members<'a, W> {
    out: &'a mut W,
    has_message: bool,
}

impl<'kvs, W: Write> VisitSource<'kvs> for Members<'_, W> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        self.has_message |= key.as_str() == "message";
        write!(self.out, ",\"{key}\":")?;
        value.visit(Member(self.out))
    }
}

struct Member<'a, W>(&'a mut W);

impl<W: Write> VisitValue<'_> for Member<'_, W> {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), kv::Error> {
        self.visit_str(&value.to_string())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        Ok(self.0.write_all(b"null")?)
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        Ok(write!(self.0, "{value}")?)
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        Ok(write!(self.0, "{value}")?)
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        serde_json::to_writer(&mut self.0, &value).map_err(kv::Error::boxed)
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        Ok(write!(self.0, "{value}")?)
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        Ok(write_string(&mut self.0, value)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-11-25T01:34:01.123Z";

    /// What a record is from, its level and its members.
    type From<'a> = (&'a str, Level, &'a [(&'a str, Value<'a>)]);

    fn line(format: LogFormat, to_journal: bool, from: From<'_>, text: &str) -> String {
        let mut out = Vec::new();
        let layout = Layout { format, to_journal };
        let (target, level, members) = from;
        let written = layout.write(
            &mut out,
            TIME,
            &Record::builder()
                .target(target)
                .level(level)
                .key_values(&members)
                .args(format_args!("{text}"))
                .build(),
        );
        written.expect("written");
        String::from_utf8(out).expect("UTF-8")
    }

    fn json(from: From<'_>, text: &str) -> serde_json::Value {
        let json = line(LogFormat::Json, false, from, text);
        assert_eq!(json.matches('\n').count(), 1, "{json}");
        serde_json::from_str(&json).expect("JSON")
    }

    #[test]
    fn a_level_has_its_priority_in_the_journal() {
        for (level, priority) in [
            (Level::Error, 3),
            (Level::Warn, 4),
            (Level::Info, 6),
            (Level::Debug, 7),
            (Level::Trace, 7),
        ] {
            let from: From<'_> = ("atlas::store", level, &[]);
            let text = line(LogFormat::Text, true, from, "said");
            assert_eq!(text, format!("<{priority}>{level:<5} said\n"));
            let json = line(LogFormat::Json, true, from, "said");
            assert!(json.starts_with(&format!("<{priority}>{{\"time\":\"{TIME}\"")));
        }
    }

    #[test]
    fn what_is_said_in_several_lines_is_one_line_of_the_log() {
        let from: From<'_> = ("mio::poll", Level::Warn, &[]);
        let said = "a\nb\tc\u{1b}[2J\u{85} ü";
        let secret = "sk_test_0123456789abcdefWXYZ";
        assert_eq!(
            json(from, &format!("{said} {secret}")),
            serde_json::json!({ "time": TIME, "level": "warn", "target": "mio::poll",
                "message": format!("{said} sk_test_...WXYZ") })
        );
        let text = line(LogFormat::Text, false, from, &format!("{said} {secret}"));
        let escaped = r"a\nb\tc\u{1b}[2J\u{85} ü sk_test_...WXYZ";
        assert_eq!(text, format!("{TIME} WARN  [mio::poll] {escaped}\n"));
    }

    #[test]
    fn members_keep_their_kind_and_no_secret() {
        let members: &[(&str, Value<'_>)] = &[
            ("message", "request".into()),
            ("path", "/v1/\"x\"/sk_test_0123456789abcdefWXYZ".into()),
            ("status", 201_u16.into()),
            ("duration_ms", 1.25.into()),
            ("replayed", true.into()),
            ("key", Value::null()),
            ("fault", Value::from_dyn_display(&"whsec_0123456789abcdef")),
        ];
        assert_eq!(
            json(("atlas::request", Level::Info, members), "text"),
            serde_json::json!({ "time": TIME, "level": "info", "target": "atlas::request",
                "message": "request", "path": "/v1/\"x\"/sk_test_...WXYZ", "status": 201,
                "duration_ms": 1.25, "replayed": true, "key": null, "fault": "whsec_..." })
        );
        // Others could name theirs as ours are named.
        assert_eq!(
            json(("h2", Level::Info, members), "text"),
            serde_json::json!({ "time": TIME, "level": "info", "target": "h2", "message": "text" })
        );
    }

    #[test]
    fn the_last_word_is_a_line_of_the_log_where_machines_read_it() {
        let last_word = |format, to_journal| {
            let mut out = Vec::new();
            let layout = Layout { format, to_journal };
            let written = layout.write_last_word(&mut out, TIME, "no store");
            written.expect("written");
            String::from_utf8(out).expect("UTF-8")
        };
        assert_eq!(last_word(LogFormat::Text, false), "error: no store\n");
        assert_eq!(last_word(LogFormat::Text, true), "<3>error: no store\n");
        let json = last_word(LogFormat::Json, false);
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(
            (&json["level"], &json["message"], &json["target"]),
            (&"error".into(), &"no store".into(), &OURS.into())
        );
    }
}
