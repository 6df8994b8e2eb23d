//! Splits SOQL text into tokens, each with the byte where it starts.

use super::super::error::ApiFault;
use super::malformed;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum SoqlToken {
    /// A name, keyword, number, date or instant: everything up to a separator.
    Word(String),
    /// A quoted string with its escapes resolved.
    Text(String),
    /// `=`, `!=`, `<`, `<=`, `>`, `>=`, `(`, `)` or `,`; `<>` is read as `!=`.
    Sign(&'static str),
    End,
}

pub(super) fn tokens(soql: &str) -> Result<Vec<(SoqlToken, usize)>, ApiFault> {
    let mut found = Vec::new();
    let mut rest = soql;
    loop {
        rest = rest.trim_start();
        let at = soql.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            found.push((SoqlToken::End, at));
            return Ok(found);
        };
        let (token, len) = match first {
            '\'' => string(soql, rest, at)?,
            _ => match sign(rest) {
                Some((sign, len)) => (SoqlToken::Sign(sign), len),
                None => word(soql, rest, at)?,
            },
        };
        found.push((token, at));
        rest = rest.get(len..).unwrap_or_default();
    }
}

fn sign(rest: &str) -> Option<(&'static str, usize)> {
    const SIGNS: [(&str, &str); 10] = [
        ("!=", "!="),
        ("<>", "!="),
        ("<=", "<="),
        (">=", ">="),
        ("=", "="),
        ("<", "<"),
        (">", ">"),
        ("(", "("),
        (")", ")"),
        (",", ","),
    ];
    let (text, sign) = SIGNS.iter().find(|(text, _)| rest.starts_with(text))?;
    Some((sign, text.len()))
}

fn word(soql: &str, rest: &str, at: usize) -> Result<(SoqlToken, usize), ApiFault> {
    let part = |c: char| c.is_alphanumeric() || "_.:+-".contains(c);
    let len = rest.find(|c| !part(c)).unwrap_or(rest.len());
    match rest.get(..len) {
        Some(word) if !word.is_empty() => Ok((SoqlToken::Word(word.to_owned()), len)),
        _ => {
            let odd = rest.chars().next().unwrap_or_default();
            Err(malformed(soql, at, &format!("unexpected char: '{odd}'")))
        }
    }
}

fn string(soql: &str, rest: &str, at: usize) -> Result<(SoqlToken, usize), ApiFault> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        match c {
            '\'' => return Ok((SoqlToken::Text(text), index + 1)),
            '\\' => match chars.next().map(|(_, escaped)| escaped) {
                Some('n' | 'N') => text.push('\n'),
                Some('r' | 'R') => text.push('\r'),
                Some('t' | 'T') => text.push('\t'),
                Some('b' | 'B') => text.push('\u{8}'),
                Some('f' | 'F') => text.push('\u{c}'),
                Some(same @ ('"' | '\'' | '\\')) => text.push(same),
                // A pattern of LIKE keeps its backslash so that `\%` stays literal.
                Some(wild @ ('%' | '_')) => text.extend(['\\', wild]),
                Some('u' | 'U') => {
                    let hex: String = chars.by_ref().take(4).map(|(_, digit)| digit).collect();
                    let code = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
                    text.push(code.ok_or_else(|| illegal(soql, at, 'u'))?);
                }
                other => return Err(illegal(soql, at, other.unwrap_or('\\'))),
            },
            _ => text.push(c),
        }
    }
    Err(malformed(soql, at, "line 1: mismatched character '<EOF>' expecting '''"))
}

fn illegal(soql: &str, at: usize, escaped: char) -> ApiFault {
    let message = format!("Illegal string escape sequence '\\{escaped}' (Line: 1, Column: {at})");
    malformed(soql, at, &message)
}
