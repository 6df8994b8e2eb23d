//! Takes secrets out of what a guest or a log may see: a server may echo the header that the host
//! added (TRUST.md 2.5.1).
//!
//! Searched are the secret itself and its base64 and percent-encoded forms. Very short secrets are
//! left alone: taking them out would damage ordinary text, and no service issues such.

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

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
            .build(&forms)
            .ok();
        Self { search: search.filter(|_| !forms.is_empty()), forms: forms.len() }
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

fn forms(secret: &str) -> [String; 5] {
    [
        secret.to_owned(),
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
    ]
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
        check("in short", "in short");
    }

    #[test]
    fn no_secret_changes_nothing() {
        assert_eq!(Redactor::new([]).text("a".to_owned()), "a");
    }
}
