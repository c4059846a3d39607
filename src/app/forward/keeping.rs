//! What of an upstream's answer is kept under an idempotency key.

use crate::app::upstream::fields::Fields;
use crate::app::upstream::{Answer, Body, Cut};
use crate::domain::idempotency::{Kept, Reply};
use crate::policy;

/// Whether this answer says what became of a request for good. Any other may be different the next time: 421 and 425 ask
/// for that (RFC 9110, 15.5.20; RFC 8470, 5.2).
pub(super) const fn is_final(status: u16) -> bool {
    match status {
        401 | 403 | 408 | 409 | 421 | 425 | 429 => false,
        _ => status / 100 == 2 || status / 100 == 4,
    }
}

/// Whether a final answer to a repetition may be about the repetition, and not about the request: it may be written
/// otherwise, with other headers, or come too late. That it was done, or declined, is about the request.
pub(super) const fn is_doubtful(status: u16) -> bool {
    status / 100 == 4 && status != 402
}

/// Whether an answer that is not final leaves it open whether the request was done, by an upstream that would do it
/// again. Only these say that it was not.
pub(super) const fn leaves_open(status: u16, is_idempotent: bool) -> bool {
    !is_idempotent && !matches!(status, 401 | 403 | 409 | 421 | 425 | 429 | 503)
}

/// Reads an answer as far as one is kept; gives what is to be kept of it, and so much of its body as was read.
///
/// # Errors
/// [`Cut`] when the body broke off before that.
pub(super) async fn read(answer: &mut Answer) -> Result<(Kept, Vec<u8>), Cut> {
    let is_short = |length: u64| length <= policy::ANSWER_MAX as u64;
    let may_be_kept = answer.headers.get("content-encoding").is_none()
        && answer.body.length().is_none_or(is_short);
    let mut beginning = Vec::new();
    let limit = answer.body.pause();
    let is_whole = may_be_kept
        && tokio::time::timeout(limit, gather(&mut answer.body, &mut beginning))
            .await
            .map_err(|_| {
                let limit = humantime::format_duration(limit);
                Cut(format!("it did not come whole within {limit}"))
            })??;
    if !is_whole || !answer.body.has_end() {
        return Ok((Kept::Done(Some(answer.status)), beginning));
    }
    let kept = Kept::Answer(Reply {
        status: answer.status,
        content_type: content_type(&answer.headers).into(),
        headers: lasting(&answer.headers),
        body: beginning.clone(),
    });
    Ok((kept, beginning))
}

/// Reads a body, as far as one is kept; says whether that is all of it.
async fn gather(body: &mut Body, into: &mut Vec<u8>) -> Result<bool, Cut> {
    while let Some(piece) = body.next().await {
        into.extend_from_slice(&piece?);
        if into.len() > policy::ANSWER_MAX {
            return Ok(false);
        }
    }
    Ok(true)
}

fn content_type(headers: &Fields) -> String {
    let text = headers.get("content-type").and_then(visible);
    text.unwrap_or_default().to_owned()
}

/// A value that can be kept as text: spaces and visible ASCII.
fn visible(value: &[u8]) -> Option<&str> {
    let is_visible = |byte: &u8| (b' '..=b'~').contains(byte) || *byte == b'\t';
    let text = value.iter().all(is_visible).then_some(value)?;
    std::str::from_utf8(text).ok()
}

/// Headers that are as true of a replay, as far as they are kept.
fn lasting(headers: &Fields) -> Vec<(String, String)> {
    let mut room = policy::ANSWER_HEADERS_MAX;
    let lines = headers.iter().filter(|(name, _)| is_lasting(name));
    let lines = lines.filter_map(|(name, value)| {
        let value = visible(value)?;
        let left = room.checked_sub(name.len() + value.len() + ": \r\n".len())?;
        room = left;
        Some((name.to_owned(), value.to_owned()))
    });
    lines.collect()
}

/// Its content type has a place of its own.
fn is_lasting(name: &str) -> bool {
    let passing = [
        "content-type",
        "set-cookie",
        "www-authenticate",
        "retry-after",
    ];
    !passing.contains(&name) && !name.starts_with("x-upstream-ratelimit")
}
