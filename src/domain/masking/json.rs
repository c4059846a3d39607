//! Where a text is JSON: which of its numbers stand outside of strings.

use std::ops::Range;

/// A walk through a text that notes where strings begin and end.
pub(super) struct Strings<'a> {
    bytes: &'a [u8],
    is_json: bool,
    /// How far it came.
    at: usize,
    is_inside: bool,
    is_escaped: bool,
}

impl<'a> Strings<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        Self {
            bytes,
            is_json: matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')),
            at: 0,
            is_inside: false,
            is_escaped: false,
        }
    }

    /// The number of a JSON text that this part of it belongs to; None for a part of a string. Parts have to be asked for
    /// in order.
    pub(super) fn bare_number(&mut self, from: usize, to: usize) -> Option<Range<usize>> {
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        if !self.is_json || self.is_in_string(from) || !self.bytes[from..to].iter().all(is_part) {
            return None;
        }
        let (before, after) = (&self.bytes[..from], &self.bytes[to..]);
        let from = from - before.iter().rev().take_while(|byte| is_part(byte)).count();
        let to = to + after.iter().take_while(|byte| is_part(byte)).count();
        let before = self.bytes[..from].trim_ascii_end().last();
        let after = self.bytes[to..].trim_ascii_start().first();
        let begins = matches!(before, Some(b':' | b'[' | b','));
        let ends = matches!(after, None | Some(b',' | b']' | b'}'));
        (begins && ends).then_some(from..to)
    }

    fn is_in_string(&mut self, place: usize) -> bool {
        for byte in self.bytes.get(self.at..place).unwrap_or_default() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = self.is_inside,
                b'"' => self.is_inside = !self.is_inside,
                _ => (),
            }
        }
        self.at = self.at.max(place);
        self.is_inside
    }
}
