//! Views of a text in which a secret may be hidden by how it is written, each byte with the place
//! that it has in the text.

use std::ops::Range;

/// Bytes and where they come from. White space and NUL are never among them.
pub(super) struct TextView {
    bytes: Vec<u8>,
    /// Begin and end in the text.
    places: Vec<(u32, u32)>,
}

/// Named characters of HTML that secrets hold.
const NAMED: [(&[u8], u8); 13] = [
    (b"amp;", b'&'),
    (b"lt;", b'<'),
    (b"gt;", b'>'),
    (b"quot;", b'"'),
    (b"apos;", b'\''),
    (b"sol;", b'/'),
    (b"plus;", b'+'),
    (b"equals;", b'='),
    (b"lowbar;", b'_'),
    (b"hyphen;", b'-'),
    (b"period;", b'.'),
    (b"colon;", b':'),
    (b"tilde;", b'~'),
];

impl TextView {
    /// The text itself. It has fewer than 2^32 bytes.
    pub(super) fn from_text(text: &[u8]) -> Self {
        let mut view = Self::with_room(text.len());
        for (byte, at) in text.iter().zip(0u32..) {
            view.push(*byte, (at, at.saturating_add(1)));
        }
        view
    }

    fn with_room(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), places: Vec::with_capacity(bytes) }
    }

    fn push(&mut self, byte: u8, place: (u32, u32)) {
        if !matches!(byte, 0 | b' ' | b'\t' | b'\r' | b'\n') {
            self.bytes.push(byte);
            self.places.push(place);
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The place in the text of these bytes of the view.
    pub(super) fn source(&self, range: Range<usize>) -> Range<usize> {
        let places = self.places.get(range).unwrap_or_default();
        let at = |place: u32| usize::try_from(place).unwrap_or(usize::MAX);
        match (places.first(), places.last()) {
            (Some((begin, _)), Some((_, end))) => at(*begin)..at(*end),
            _ => 0..0,
        }
    }

    /// The same with its escapes undone; nothing where it has none.
    pub(super) fn without_escapes(&self) -> Option<Self> {
        memchr::memchr3(b'%', b'\\', b'&', &self.bytes)?;
        let mut view = Self::with_room(self.bytes.len());
        let (mut at, mut undone) = (0, false);
        while let Some((first, rest)) = self.bytes.get(at..).and_then(<[u8]>::split_first) {
            let escape = match first {
                b'%' => hex(rest, 2).map(|code| (Unescaped::Byte(code), 3)),
                b'\\' => backslash(rest),
                b'&' => entity(rest),
                _ => None,
            };
            undone |= escape.is_some();
            let (plain, length) = escape.unwrap_or((Unescaped::Byte(u32::from(*first)), 1));
            let next = at.saturating_add(length);
            let place = self.source(at..next);
            let place = (self.place(place.start), self.place(place.end));
            plain.give(|byte| view.push(byte, place));
            at = next;
        }
        undone.then_some(view)
    }

    fn place(&self, at: usize) -> u32 {
        u32::try_from(at).unwrap_or(u32::MAX)
    }
}

/// The byte or character that an escape stands for.
enum Unescaped {
    Byte(u32),
    Character(u32),
}

impl Unescaped {
    fn give(self, mut push: impl FnMut(u8)) {
        match self {
            Self::Byte(byte) => u8::try_from(byte).into_iter().for_each(push),
            Self::Character(code) => {
                let mut bytes = [0; 4];
                let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                character.encode_utf8(&mut bytes).bytes().for_each(&mut push);
            }
        }
    }
}

/// The escape after a backslash, in JSON and JavaScript; with the length of the whole escape.
fn backslash(rest: &[u8]) -> Option<(Unescaped, usize)> {
    let plain = |byte: u8| Some((Unescaped::Byte(u32::from(byte)), 2));
    match *rest.first()? {
        byte @ (b'/' | b'\\' | b'"' | b'\'') => plain(byte),
        b'n' | b'r' | b't' => plain(b' '),
        b'x' => hex(rest.get(1..)?, 2).map(|code| (Unescaped::Byte(code), 4)),
        b'u' => {
            let unit = hex(rest.get(1..)?, 4)?;
            if !(0xd800..0xdc00).contains(&unit) {
                return Some((Unescaped::Character(unit), 6));
            }
            let low = rest.get(5..)?.strip_prefix(b"\\u").and_then(|rest| hex(rest, 4))?;
            let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
            let code = 0x10000 + ((unit - 0xd800) << 10) + low;
            Some((Unescaped::Character(code), 12))
        }
        _ => None,
    }
}

/// The escape after an ampersand, in HTML and XML; with the length of the whole escape.
fn entity(rest: &[u8]) -> Option<(Unescaped, usize)> {
    let Some(number) = rest.strip_prefix(b"#") else {
        let (name, byte) = NAMED.iter().find(|(name, _)| {
            rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        })?;
        return Some((Unescaped::Byte(u32::from(*byte)), name.len().saturating_add(1)));
    };
    let (digits, radix, before) = match number.first()? {
        b'x' | b'X' => (number.get(1..)?, 16, 3),
        _ => (number, 10, 2),
    };
    let length = digits.iter().take(8).position(|byte| *byte == b';')?;
    let digits = std::str::from_utf8(digits.get(..length)?).ok()?;
    let code = u32::from_str_radix(digits, radix).ok()?;
    Some((Unescaped::Character(code), length.saturating_add(before).saturating_add(1)))
}

fn hex(digits: &[u8], count: usize) -> Option<u32> {
    let digits = digits.get(..count)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
