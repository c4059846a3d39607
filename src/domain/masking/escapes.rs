//! A text with its escapes read: `%34` of addresses and forms, `\u0034` of JSON. Which of them a text really has only
//! its reader knows, so it is searched both ways.

/// Bytes to be searched, and where each of them stands in the text.
pub(super) struct View<'a> {
    pub(super) bytes: &'a [u8],
    /// One more than bytes; None where they are the text itself.
    places: Option<&'a [usize]>,
}

impl<'a> View<'a> {
    /// The text as it stands.
    pub(super) const fn plain(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes(),
            places: None,
        }
    }

    /// Whether its escapes are still to be read.
    pub(super) const fn is_plain(&self) -> bool {
        self.places.is_none()
    }

    /// Where in the text a byte begins.
    pub(super) fn place(&self, at: usize) -> usize {
        match self.places {
            Some(places) => places.get(at).copied().unwrap_or_default(),
            None => at,
        }
    }

    /// How many of the bytes begin before this place.
    pub(super) fn seen_before(&self, place: usize) -> usize {
        let seen = match self.places {
            Some(places) => places.partition_point(|at| *at < place),
            None => place,
        };
        seen.min(self.bytes.len())
    }
}

/// A text whose escapes were read.
pub(super) struct Read {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

impl Read {
    pub(super) fn view(&self) -> View<'_> {
        View {
            bytes: &self.bytes,
            places: Some(&self.places),
        }
    }

    fn push(&mut self, byte: u8, place: usize) {
        self.bytes.push(byte);
        self.places.push(place);
    }
}

/// What a text has at a place.
enum Unit {
    /// A byte that stands for itself.
    Byte(u8),
    /// An escape of so many bytes, and what it stands for.
    Escape(usize, char),
    /// `%` and a byte.
    Percent(u8),
    /// A backslash and what it protects. `\"` stays as it is, so that the ends of strings are told from quotes within.
    Protected(u8),
}

fn unit_at(rest: &[u8]) -> Option<Unit> {
    Some(match rest {
        [] => return None,
        [b'%', high, low, ..] => match hex(&[*high, *low]).map(u8::try_from) {
            Some(Ok(byte)) => Unit::Percent(byte),
            Some(Err(_)) | None => Unit::Byte(b'%'),
        },
        [b'\\', b'u', digits @ ..] => match digits.get(..4).and_then(hex) {
            // Half of a pair is some character beyond those that are looked for.
            Some(code) => Unit::Escape(6, char::from_u32(code).unwrap_or('?')),
            None => Unit::Byte(b'\\'),
        },
        [b'\\', b't' | b'n' | b'r', ..] => Unit::Escape(2, '\n'),
        [b'\\', b'/', ..] => Unit::Escape(2, '/'),
        [b'\\', protected @ (b'\\' | b'"'), ..] => Unit::Protected(*protected),
        [byte, ..] => Unit::Byte(*byte),
    })
}

impl Unit {
    const fn length(&self) -> usize {
        match self {
            Self::Byte(_) => 1,
            Self::Escape(length, _) => *length,
            Self::Percent(_) => 3,
            Self::Protected(_) => 2,
        }
    }
}

/// Bytes of the escape that begins here, or 1.
pub(super) fn length_at(bytes: &[u8], at: usize) -> usize {
    unit_at(&bytes[at..]).map_or(1, |unit| unit.length())
}

/// Reads the escapes of a text; None when it has none.
pub(super) fn read(text: &str) -> Option<Read> {
    let bytes = text.as_bytes();
    if !bytes.contains(&b'%') && !bytes.contains(&b'\\') {
        return None;
    }
    let mut read = Read {
        bytes: Vec::with_capacity(bytes.len()),
        places: Vec::with_capacity(bytes.len() + 1),
    };
    let (mut at, mut has_escape) = (0, false);
    while at < bytes.len() {
        let plain = bytes[at..].iter();
        let plain = plain
            .take_while(|byte| !matches!(byte, b'%' | b'\\'))
            .count();
        read.bytes.extend_from_slice(&bytes[at..at + plain]);
        read.places.extend(at..at + plain);
        at += plain;
        let Some(unit) = unit_at(&bytes[at..]) else {
            break;
        };
        match unit {
            Unit::Byte(byte) | Unit::Percent(byte) => read.push(byte, at),
            Unit::Escape(_, character) => {
                let mut buffer = [0; 4];
                for byte in character.encode_utf8(&mut buffer).bytes() {
                    read.push(byte, at);
                }
            }
            Unit::Protected(byte) => {
                read.push(b'\\', at);
                read.push(byte, at + 1);
            }
        }
        has_escape |= matches!(unit, Unit::Percent(_) | Unit::Escape(..));
        at += unit.length();
    }
    read.places.push(bytes.len());
    has_escape.then_some(read)
}

/// The number that these hexadecimal digits are.
fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(sum * 16 + digit)
    })
}
