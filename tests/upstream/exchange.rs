//! A request as it arrived at the upstream, to the byte, and the strict reading that tells whether it was well formed.

use std::io::Read;

use serde_json::Value;

use crate::process::text;

/// A well-formed request.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The request as it came.
    pub bytes: Vec<u8>,
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The how-many-eth connection it came on, and the how-many-eth request of that connection; both from 1.
    pub connection: usize,
    pub turn: usize,
}

impl Hit {
    /// A header that must not stand twice.
    #[track_caller]
    pub fn find(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(given, _)| given == name);
        let first = values.next();
        assert!(
            values.next().is_none(),
            "{name} stands twice: {}",
            text(&self.bytes)
        );
        first.map(|(_, value)| value.as_str())
    }

    /// A header that must be there, once.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.find(name)
            .unwrap_or_else(|| panic!("no {name}: {}", text(&self.bytes)))
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// What a connection brought next.
pub enum Arrival {
    Request(Box<Hit>),
    /// Bytes that no strict server takes for a request.
    Stray(Vec<u8>),
    /// The end, or a request that was cut.
    End,
}

/// Reads the next request; what comes after it stays in `bytes`.
pub fn read(stream: &mut dyn Read, bytes: &mut Vec<u8>) -> Arrival {
    loop {
        match parse(bytes) {
            Ok(Some((mut hit, length))) => {
                hit.bytes = bytes.drain(..length).collect();
                return Arrival::Request(Box::new(hit));
            }
            Ok(None) => {}
            Err(()) => return Arrival::Stray(std::mem::take(bytes)),
        }
        let mut buffer = [0; 16 * 1024];
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&buffer[..read]),
            _ => return Arrival::End,
        }
    }
}

/// The request at the front and its length in bytes; None when it isn't all there.
fn parse(bytes: &[u8]) -> Result<Option<(Hit, usize)>, ()> {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = parsed.parse(bytes).map_err(drop)? else {
        return Ok(None);
    };
    if !has_clean_lines(&bytes[..head]) || parsed.version != Some(1) {
        return Err(());
    }
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).map_err(drop);
    let headers = parsed
        .headers
        .iter()
        .map(|header| Ok((header.name.to_lowercase(), text(header.value)?)))
        .collect::<Result<Vec<_>, ()>>()?;
    let length = head + body_length(&headers)?;
    if bytes.len() < length {
        return Ok(None);
    }
    let hit = Hit {
        bytes: Vec::new(),
        method: parsed.method.unwrap_or_default().to_owned(),
        target: parsed.path.unwrap_or_default().to_owned(),
        headers,
        body: bytes[head..length].to_vec(),
        connection: 0,
        turn: 0,
    };
    Ok(Some((hit, length)))
}

/// Whether each line of a head ends in CR and LF, none stands alone, and none goes on in the next.
fn has_clean_lines(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let alone = text.replace("\r\n", "");
    let goes_on = text.contains("\r\n ") || text.contains("\r\n\t");
    text.ends_with("\r\n\r\n")
        && !text.starts_with("\r\n")
        && !alone.contains(['\r', '\n'])
        && !goes_on
}

/// What goes up is read whole before, so its length is known: one Content-Length or none, never a Transfer-Encoding.
fn body_length(headers: &[(String, String)]) -> Result<usize, ()> {
    let values = |name: &str| -> Vec<&str> {
        let named = headers.iter().filter(|(given, _)| given == name);
        named.map(|(_, value)| value.as_str()).collect()
    };
    if values("host").len() != 1 || !values("transfer-encoding").is_empty() {
        return Err(());
    }
    match values("content-length")[..] {
        [] => Ok(0),
        [one] if one.bytes().all(|byte| byte.is_ascii_digit()) => one.parse().map_err(drop),
        _ => Err(()),
    }
}

#[test]
fn only_a_well_formed_request_is_taken_for_one() {
    let taken = |request: &str| match read(&mut request.as_bytes(), &mut Vec::new()) {
        Arrival::Request(_) => "taken",
        Arrival::Stray(_) => "stray",
        Arrival::End => "cut",
    };
    let host = "POST / HTTP/1.1\r\nHost: a\r\n";
    assert_eq!(taken(&format!("{host}\r\n")), "taken");
    assert_eq!(
        taken(&format!("{host}Content-Length: 2\r\n\r\nab")),
        "taken"
    );
    assert_eq!(taken(&format!("{host}Content-Length: 3\r\n\r\nab")), "cut");
    for stray in [
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "X-A: a\r\n b\r\n",
        "X-A: a\nX-B: b\r\n",
        "X-A: a\rb\r\n",
        "X-A : a\r\n",
        "Host: b\r\n",
    ] {
        assert_eq!(taken(&format!("{host}{stray}\r\nab")), "stray", "{stray}");
    }
    assert_eq!(taken("POST / HTTP/1.0\r\nHost: a\r\n\r\n"), "stray");
    assert_eq!(taken("POST / HTTP/1.1\r\n\r\n"), "stray");
    assert_eq!(taken("\r\nPOST / HTTP/1.1\r\nHost: a\r\n\r\n"), "stray");
}
