//! Takes secrets out of what a guest or a log may see (`SECURITY.md` E9): a server may echo the
//! header that the host added.
//!
//! The search covers the secret itself and the forms in which servers write text: base64 in both
//! alphabets at every alignment (so also inside a longer text that was encoded), hex,
//! percent-encoded, and escaped for JSON; letter case does not matter. Each form is looked for in
//! several views of the answer (`views.rs`): without white space and NUL, so that base64 in lines
//! and UTF-16 are found, and with the escapes of URLs, JSON, JavaScript and HTML undone, up to
//! three times over. Very short secrets are left alone: taking them out would damage ordinary text,
//! and no service issues such. A server in league with the plugin can give a secret in a form that
//! is not searched for.

mod views;

use std::ops::Range;

use aho_corasick::{AhoCorasick, Input};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::form_urlencoded;

use views::TextView;

const SECRET_BYTES_MIN: usize = 8;
const MARK: &str = "[redacted]";
/// The times that escapes are undone: JSON in JSON in HTML.
const ESCAPES_MAX: usize = 3;
/// The most bytes of an answer that are viewed at once, where secrets are short.
const WINDOW_BYTES: usize = 256 << 10;
/// The most bytes of an answer that one byte of a secret takes: `\\\\u0061` in UTF-16.
const BYTES_PER_BYTE: usize = 24;

/// The secrets of one slot, ready to be searched for.
#[derive(Debug, Default)]
pub(crate) struct Redactor {
    search: Option<AhoCorasick>,
    /// No secret takes more bytes of an answer.
    span_max: usize,
}

impl Redactor {
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let long = secrets.into_iter().filter(|secret| secret.len() >= SECRET_BYTES_MIN);
        let mut forms = long.flat_map(forms).collect::<Vec<_>>();
        forms.sort();
        forms.dedup();
        let longest = forms.iter().map(Vec::len).max().unwrap_or_default();
        let search = AhoCorasick::builder()
            .match_kind(aho_corasick::MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .build(&forms)
            .ok();
        let span_max = longest.saturating_mul(BYTES_PER_BYTE);
        Self { search: search.filter(|_| !forms.is_empty()), span_max }
    }

    /// True where there is a secret in it.
    pub(crate) fn finds(&self, text: &str) -> bool {
        !self.places(text.as_bytes()).is_empty()
    }

    pub(crate) fn text(&self, text: String) -> String {
        let places = self.places(text.as_bytes());
        if places.is_empty() {
            return text;
        }
        String::from_utf8_lossy(&replace(text.as_bytes(), &places)).into_owned()
    }

    pub(crate) fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        let places = self.places(&bytes);
        if places.is_empty() { bytes } else { replace(&bytes, &places) }
    }

    /// The places of the secrets, in order and apart. Windows overlap by more than a secret takes,
    /// so that each secret is whole in one of them.
    fn places(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let Some(search) = &self.search else { return Vec::new() };
        let window = WINDOW_BYTES.max(self.span_max.saturating_mul(4));
        let step = window.saturating_sub(self.span_max).max(1);
        let mut found = Vec::new();
        for begin in (0..bytes.len()).step_by(step) {
            let end = begin.saturating_add(window).min(bytes.len());
            let Some(part) = bytes.get(begin..end) else { break };
            let mut view = Some(TextView::from_text(part));
            for _ in 0..=ESCAPES_MAX {
                let Some(now) = &view else { break };
                for place in search.find_iter(Input::new(now.bytes())) {
                    let Range { start, end } = now.source(place.range());
                    found.push(begin.saturating_add(start)..begin.saturating_add(end));
                }
                view = now.without_escapes();
            }
            if end == bytes.len() {
                break;
            }
        }
        found.sort_by_key(|place| place.start);
        let mut apart: Vec<Range<usize>> = Vec::new();
        for place in found {
            match apart.last_mut() {
                Some(last) if place.start <= last.end => last.end = last.end.max(place.end),
                _ => apart.push(place),
            }
        }
        apart
    }
}

fn replace(bytes: &[u8], places: &[Range<usize>]) -> Vec<u8> {
    let mut left = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for place in places {
        left.extend_from_slice(bytes.get(at..place.start).unwrap_or_default());
        left.extend_from_slice(MARK.as_bytes());
        at = place.end;
    }
    left.extend_from_slice(bytes.get(at..).unwrap_or_default());
    left
}

/// The characters that are never escaped (RFC 3986 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The characters that `encodeURIComponent` and its like leave as they are.
pub(crate) const COMPONENT: &AsciiSet =
    &UNRESERVED.remove(b'!').remove(b'*').remove(b'\'').remove(b'(').remove(b')');

/// The forms in which a secret is written, as a view shows them.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let json = serde_json::Value::from(secret).to_string();
    let json = json.trim_matches('"').to_owned();
    let mut forms = vec![
        secret.to_owned(),
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        hex::encode(secret),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        utf8_percent_encode(secret, UNRESERVED).to_string(),
        utf8_percent_encode(secret, COMPONENT).to_string(),
        form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        json.replace('/', "\\/"),
        json,
        unicode_escaped(secret),
    ];
    forms.extend((0..3).flat_map(|before| inner_base64(secret, before)));
    let units = || secret.encode_utf16();
    let utf16 = [
        units().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
        units().flat_map(u16::to_be_bytes).collect(),
    ];
    let forms = forms.into_iter().map(String::into_bytes).chain(utf16);
    let shown = forms.map(|form| TextView::from_text(&form).bytes().to_vec());
    shown.filter(|form| form.len() >= SECRET_BYTES_MIN).collect()
}

/// The part of the base64 of a longer text is the secret's alone, with `before` bytes (modulo 3) of
/// other text before it.
fn inner_base64(secret: &str, before: usize) -> Vec<String> {
    let padded = [&vec![0; before], secret.as_bytes()].concat();
    // A character holds 6 bits: the first one that holds none of the text before, the last one that
    // holds none of the text behind.
    let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
    [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)]
        .iter()
        .filter_map(|text| text.get(first..last))
        .filter(|text| text.len() >= SECRET_BYTES_MIN)
        .map(str::to_owned)
        .collect()
}

/// Every character but letters and digits as `\u` and four digits, as cautious JSON writers do.
fn unicode_escaped(secret: &str) -> String {
    let escaped = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c.to_string(),
        c => {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
        }
    };
    secret.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let redactor = Redactor::new(["pat-eu1/abc+def", "short"]);
        assert_eq!(redactor.text(text.to_owned()), expected);
        assert_eq!(redactor.bytes(text.as_bytes().to_vec()), expected.as_bytes());
    }

    #[test]
    fn redactor_finds_every_form() {
        check("Bearer pat-eu1/abc+def!", "Bearer [redacted]!");
        check("x=pat%2Deu1%2Fabc%2Bdef", "x=[redacted]");
        check(&format!("<{}>", STANDARD.encode("pat-eu1/abc+def")), "<[redacted]>");
        check("x=pat-eu1%2fabc%2bdef", "x=[redacted]");
        check(r#"{"a":"pat-eu1\/abc+def"}"#, r#"{"a":"[redacted]"}"#);
        check(r#"{"a":"pat\u002Deu1\u002Fabc\u002Bdef"}"#, r#"{"a":"[redacted]"}"#);
        check("PAT-EU1/ABC+DEF", "[redacted]");
        check(&hex::encode("pat-eu1/abc+def"), "[redacted]");
        check("in short", "in short");
    }

    #[test]
    fn redactor_finds_a_secret_inside_a_longer_base64() {
        let redactor = Redactor::new(["pat-eu1/abc+def~?>"]);
        for before in ["", "B", "Be", "Authorization: Bearer "] {
            for behind in ["", "x", "xy", ", and more"] {
                let text = format!("{before}pat-eu1/abc+def~?>{behind}");
                for shown in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                    let left = redactor.text(shown.clone());
                    assert!(redactor.finds(&shown) && left.contains(MARK), "{text}: {left}");
                    let whole = STANDARD.encode("eu1/abc+def");
                    assert!(!left.contains(whole.trim_end_matches('=')), "{text}: {left}");
                }
            }
        }
    }

    /// `RULES.md R10`.
    #[test]
    fn a_secret_is_found_in_what_honest_servers_make_of_it() {
        let secret = "pat-eu1/abc+def<x>&é~0123456789abcdefghijklmnopqrstuvwxyz";
        let redactor = Redactor::new([secret]);
        let lines = |text: &str, end: &str| {
            text.as_bytes().chunks(20).map(String::from_utf8_lossy).collect::<Vec<_>>().join(end)
        };
        let base64 = STANDARD.encode(format!("Bearer {secret}"));
        let percent = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
        let unicode = |text: &str| {
            text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>()
        };
        let json = |text: &str| serde_json::Value::from(text).to_string();
        for shown in [
            lines(&base64, "\r\n"),
            json(&lines(&base64, "\r\n")),
            lines(&base64, "\n "),
            percent(secret),
            percent(&percent(secret)),
            unicode(secret),
            json(&unicode(secret)),
            secret.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
            secret.chars().map(|c| format!("&#x{:X};", u32::from(c))).collect(),
            secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
            json(&secret.replace('&', "&amp;").replace('<', "&lt;").replace('/', "&#x2F;")),
            secret.bytes().map(|b| format!("\\x{b:02x}")).collect(),
        ] {
            let left = redactor.text(format!("before {shown} behind"));
            // Of a longer text in base64 only the secret's own part is taken out.
            let rest = left.replace(MARK, "");
            assert!(left.contains(MARK) && rest.len() < 40, "{shown}: {left}");
            assert!(left.starts_with("before ") && left.ends_with(" behind"), "{left}");
        }
        let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
        for bytes in [
            units(secret).into_iter().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
            units(secret).into_iter().flat_map(u16::to_be_bytes).collect(),
        ] {
            let left = redactor.bytes([b"{".as_slice(), &bytes, b"}"].concat());
            assert!(left.len() < MARK.len() + 5, "{left:?}");
        }
    }

    #[test]
    fn a_secret_is_found_wherever_a_window_ends() {
        let secret = "pat-eu1/abc+def-0123456789";
        let redactor = Redactor::new([secret]);
        let window = WINDOW_BYTES.max(redactor.span_max * 4);
        let shown: String = secret.bytes().map(|b| format!("%{b:02x}")).collect();
        for at in (window - 2 * redactor.span_max..window + 10).step_by(97) {
            let text = format!("{}{shown}{}", "x".repeat(at), "y".repeat(window));
            let expected = format!("{}{MARK}{}", "x".repeat(at), "y".repeat(window));
            assert!(redactor.text(text) == expected, "at {at}");
        }
    }

    #[test]
    fn a_json_escaped_secret_is_found_escaped() {
        let redactor = Redactor::new(["quote\"and\\slash"]);
        let json = serde_json::json!({ "echo": "quote\"and\\slash" }).to_string();
        assert_eq!(redactor.text(json), r#"{"echo":"[redacted]"}"#);
    }

    #[test]
    fn no_secret_changes_nothing() {
        assert_eq!(Redactor::new([]).text("a".to_owned()), "a");
    }
}
