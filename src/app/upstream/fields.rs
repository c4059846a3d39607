//! Header fields as they stand in a message, in one piece of memory.

use memchr::memchr;

/// Header fields (RFC 9110, 5): names in small letters, values as they came, in the order in which they came. As text they
/// are what a message has of them, a line `name: value` each.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<u8>);

const COLON: &[u8] = b": ";
const END: &[u8] = b"\r\n";

impl Fields {
    /// With room for so many bytes of lines.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Adds a field. What can't be one, since it would end its line or is no name, is left out.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        if is_name(name) {
            let start = self.0.len();
            self.say(name, &[value]);
            let written = self.0[start..].iter_mut();
            written
                .take(name.len())
                .for_each(|byte| byte.make_ascii_lowercase());
        }
    }

    /// Adds a field that we say, of a good name in small letters, whose value comes in parts. What can't be a value is left
    /// out.
    #[inline]
    pub fn say(&mut self, name: &str, value: &[&[u8]]) {
        let start = self.0.len();
        let length = value.iter().map(|part| part.len()).sum::<usize>();
        self.0
            .reserve(name.len() + COLON.len() + length + END.len());
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(COLON);
        value.iter().for_each(|part| self.0.extend_from_slice(part));
        // It is looked at in one piece.
        if is_value(&self.0[self.0.len() - length..]) {
            self.0.extend_from_slice(END);
        } else {
            self.0.truncate(start);
        }
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (line, after) = rest.split_at(memchr(b'\n', rest)? + 1);
            rest = after;
            let (name, value) = line.split_at(memchr(b':', line)?);
            let value = value.get(2..value.len().checked_sub(END.len())?)?;
            Some((std::str::from_utf8(name).ok()?, value))
        })
    }

    /// The value of the first field of this name, which is in small letters.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut fields = self.iter();
        fields.find_map(|(other, value)| (other == name).then_some(value))
    }

    /// Their lines.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Whether it can be the name of a field, or a method: a `token`.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && none(text.as_bytes(), |byte| !is_of_names(byte))
}

/// Whether it can be a value: `field-vchar`, spaces and tabs (RFC 9110, 5.5).
pub(super) fn is_value(bytes: &[u8]) -> bool {
    none(bytes, |byte| {
        (byte < b' ') & (byte != b'\t') | (byte == 0x7f)
    })
}

/// Whether no byte is such a one. Looks at all of them, many at a time: that takes less time than to stop at the first.
fn none(bytes: &[u8], is: impl Fn(u8) -> bool) -> bool {
    bytes
        .iter()
        .fold(0, |so_far, byte| so_far | u8::from(is(*byte)))
        == 0
}

/// `tchar` (RFC 9110, 5.6.2).
const fn is_of_names(byte: u8) -> bool {
    const KNOWN: [bool; 256] = {
        let mut known = [false; 256];
        let (marks, mut at) = (b"!#$%&'*+-.^_`|~", 0);
        while at < marks.len() {
            known[marks[at] as usize] = true;
            at += 1;
        }
        at = 0;
        while at < 256 {
            known[at] |= (at as u8).is_ascii_alphanumeric();
            at += 1;
        }
        known
    };
    KNOWN[byte as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_as_they_were_put_in() {
        let mut fields = Fields::with_capacity(8);
        let put: [(&str, &[u8]); 5] = [
            ("Content-Type", b"a: b"),
            ("x-empty", b""),
            ("x-twice", b"1"),
            ("X-Twice", b"caf\xe9\t"),
            ("!#$%&'*+-.^_`|~", b":"),
        ];
        for (name, value) in put {
            fields.push(name, value);
        }
        let names: Vec<String> = put.iter().map(|(name, _)| name.to_lowercase()).collect();
        let expected = names
            .iter()
            .map(String::as_str)
            .zip(put.map(|(_, value)| value));
        assert!(fields.iter().eq(expected), "{fields:?}");
        assert_eq!(fields.get("x-twice"), Some(&b"1"[..]));
        assert_eq!(fields.get("x-none"), None);
        assert!(
            fields
                .as_bytes()
                .starts_with(b"content-type: a: b\r\nx-empty: \r\n")
        );
        fields.say("x-parts", &[b"1", b"", b"2"]);
        assert_eq!(fields.get("x-parts"), Some(&b"12"[..]));
    }

    #[test]
    fn what_would_end_its_line_is_no_field() {
        let mut fields = Fields::default();
        for (name, value) in [
            ("", &b"a"[..]),
            ("a b", b"a"),
            ("a:", b"a"),
            ("a\r\nb", b"a"),
            ("caf\u{e9}", b"a"),
            ("a", b"b\r\nc: d"),
            ("a", b"b\rc"),
            ("a", b"b\nc"),
            ("a", b"\0"),
            ("a", b"\x7f"),
        ] {
            fields.push(name, value);
        }
        for part in [&b"b\r\nc: d"[..], b"\n", b"\0"] {
            fields.say("a", &[b"b", part]);
        }
        assert_eq!(fields, Fields::default());
    }
}
