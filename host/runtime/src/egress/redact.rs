//! Takes secrets out of what a guest or a log may see: a server may echo the header that the host
//! added (TRUST.md 2.5.1).
//!
//! Searched are the secret itself and the forms in which servers write text: base64 in both
//! alphabets at every alignment (so also inside a longer text that was encoded), hex,
//! percent-encoded, and escaped for JSON; letter case does not matter. Very short secrets are left
//! alone: taking them out would damage ordinary text, and no service issues such. A server that is
//! in league with the plugin can of course give a secret in a form that is not searched for
//! (README).

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::form_urlencoded;

const SECRET_BYTES_MIN: usize = 8;
const MARK: &str = "[redacted]";

/// The secrets of one slot, ready to be searched for.
#[derive(Debug, Default)]
pub(crate) struct Redactor {
    search: Option<AhoCorasick>,
    forms: usize,
}

impl Redactor {
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let long = secrets.into_iter().filter(|secret| secret.len() >= SECRET_BYTES_MIN);
        let mut forms = long.flat_map(forms).collect::<Vec<_>>();
        forms.sort();
        forms.dedup();
        let search = AhoCorasick::builder()
            .match_kind(aho_corasick::MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .build(&forms)
            .ok();
        Self { search: search.filter(|_| !forms.is_empty()), forms: forms.len() }
    }

    /// Whether there is a secret in it.
    pub(crate) fn finds(&self, text: &str) -> bool {
        self.search.as_ref().is_some_and(|search| search.is_match(text))
    }

    pub(crate) fn text(&self, text: String) -> String {
        match &self.search {
            Some(search) if search.is_match(&text) => {
                search.replace_all(&text, &vec![MARK; self.forms])
            }
            _ => text,
        }
    }

    pub(crate) fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        match &self.search {
            Some(search) if search.is_match(&bytes) => {
                search.replace_all_bytes(&bytes, &vec![MARK; self.forms])
            }
            _ => bytes,
        }
    }
}

/// What `encodeURIComponent` and its like leave as it is, RFC 3986 2.3 first.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const COMPONENT: &AsciiSet =
    &UNRESERVED.remove(b'!').remove(b'*').remove(b'\'').remove(b'(').remove(b')');

fn forms(secret: &str) -> Vec<String> {
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
    forms
}

/// What of the base64 of a longer text is the secret's alone, with `before` bytes (modulo 3) of
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
    fn finds_every_form() {
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
    fn finds_it_inside_a_longer_base64() {
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
