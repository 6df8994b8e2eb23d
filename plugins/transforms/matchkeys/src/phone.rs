//! Telephone numbers as E.164.
//!
//! Own rules, because the `phonenumber` crate (regular expressions and the metadata of every
//! country) makes a component of 2.4 MB where 0.6 is the limit. They cover the numbers that
//! Japanese CRMs hold: Japan's own, and those of the countries in [`Country`]; every other one is
//! read only in its international form.

use unicode_normalization::UnicodeNormalization;

use crate::fold::is_hyphen;

/// The rules for dialling in one country.
#[derive(Debug, PartialEq, Eq)]
pub struct Country {
    code: &'static str,
    calling: &'static str,
    /// Dialled before a national number, and no part of it.
    trunk: &'static str,
    /// Dialled before a number abroad.
    abroad: &'static str,
    /// The fewest and the most digits of a national number without the trunk prefix.
    digits: (usize, usize),
}

const fn country(
    code: &'static str,
    calling: &'static str,
    trunk: &'static str,
    abroad: &'static str,
    digits: (usize, usize),
) -> Country {
    Country { code, calling, trunk, abroad, digits }
}

/// Numbering plans as the countries notify them to the ITU (E.164 annexes).
const COUNTRIES: &[Country] = &[
    country("AU", "61", "0", "0011", (9, 9)),
    country("CA", "1", "1", "011", (10, 10)),
    country("CN", "86", "0", "00", (9, 11)),
    country("DE", "49", "0", "00", (6, 11)),
    country("FR", "33", "0", "00", (9, 9)),
    country("GB", "44", "0", "00", (9, 10)),
    country("HK", "852", "", "001", (8, 8)),
    country("IN", "91", "0", "00", (10, 10)),
    country("JP", "81", "0", "010", (9, 10)),
    country("KR", "82", "0", "00", (8, 10)),
    country("SG", "65", "", "000", (8, 8)),
    country("TW", "886", "0", "002", (8, 9)),
    country("US", "1", "1", "011", (10, 10)),
];

/// The bounds of a whole international number without `+` (E.164: at most 15).
const INTERNATIONAL: std::ops::RangeInclusive<usize> = 8..=15;

impl Country {
    /// The country of this ISO 3166 code, if its plan is known.
    pub fn by_code(code: &str) -> Option<&'static Self> {
        COUNTRIES.iter().find(|country| country.code.eq_ignore_ascii_case(code))
    }

    /// All known codes, for messages.
    pub fn codes() -> String {
        COUNTRIES.iter().map(|country| country.code).collect::<Vec<_>>().join(", ")
    }

    /// A national number without trunk prefix, as E.164; `None` if it is not as long as they are.
    fn international(&self, national: &str) -> Option<String> {
        let significant = national.strip_prefix(self.trunk).unwrap_or(national);
        let (least, most) = self.digits;
        let fits = (least..=most).contains(&significant.len());
        fits.then(|| format!("+{}{significant}", self.calling))
    }
}

/// The E.164 number that a text begins with; `None` where there is no whole number.
pub fn key(text: &str, country: &Country) -> Option<String> {
    let (plus, digits) = dialled(text);
    if plus {
        return abroad(&digits);
    }
    if let Some(number) = digits.strip_prefix(country.abroad)
        && let Some(key) = abroad(number)
    {
        return Some(key);
    }
    // A spreadsheet drops the leading 0, and some systems the `+`: lengths tell.
    country
        .international(&digits)
        .or_else(|| country.international(digits.strip_prefix(country.calling)?))
}

/// A number with its calling code. The trunk prefix of `+81 (0)3 ...` is dropped.
fn abroad(digits: &str) -> Option<String> {
    let known = COUNTRIES.iter().find(|country| digits.starts_with(country.calling));
    if let Some(country) = known {
        return country.international(digits.strip_prefix(country.calling)?);
    }
    INTERNATIONAL.contains(&digits.len()).then(|| format!("+{digits}"))
}

/// The digits up to the first thing that ends a number (a letter, `#`, `/`: an extension, a remark,
/// a second number), and whether a `+` stands before them.
fn dialled(text: &str) -> (bool, String) {
    let (mut plus, mut digits) = (false, String::new());
    for c in text.nfkc() {
        match c {
            '0'..='9' => digits.push(c),
            '+' if digits.is_empty() => plus = true,
            '(' | ')' | '.' | '[' | ']' => {}
            space if space.is_whitespace() || is_hyphen(space) => {}
            _ if digits.is_empty() => {}
            _ => break,
        }
    }
    (plus, digits)
}
