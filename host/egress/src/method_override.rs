//! Finds the methods that a request names besides its own (`SECURITY.md` E16). Pure.
//!
//! Many servers let a client that can only POST name the real method elsewhere: in a header
//! (`x-http-method-override`), in the query (`?_HttpMethod=DELETE`), or as a field of the body
//! (`_method=delete`). The headers are refused whatever they say. Query and body are searched here;
//! the allowlist then treats each method that is named there as the method of the request. So a
//! long search that is sent as POST with `_method=GET` goes through where GET is allowed.
//!
//! Names are compared as loosely as servers read them: letter case and signs do not matter, and a
//! NUL ends a name.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use url::form_urlencoded;

/// Names of parameters and headers for which some server takes another method, letters only.
const NAMES: &[&str] = &[
    "httpmethod",
    "httpmethodoverride",
    "methodoverride",
    "xhttpmethod",
    "xhttpmethodoverride",
    "xmethod",
    "xmethodoverride",
];
/// This name counts only with a sign before it, such as `_method`: APIs have fields of that name.
const MARKED_NAME: &str = "method";
/// The longest part of a value that an error repeats.
const VALUE_CHARS_MAX: usize = 16;

/// True where a header of this name, in lower case, replaces the method on some server.
pub(crate) fn is_override_header(name: &str) -> bool {
    NAMES.contains(&letters(name).as_str())
}

/// The methods that a query names, in capitals.
pub(crate) fn in_query(query: &str) -> Vec<String> {
    in_pairs(query.as_bytes())
}

/// The methods that a body names, in capitals. Its form is told from its content, because servers
/// do so too; a body of several parts is one only by its `content_type`.
pub(crate) fn in_body(content_type: Option<&str>, body: &[u8]) -> Vec<String> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body).trim_ascii_start();
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    if body.starts_with(b"{") {
        return in_json(body);
    }
    if content_type.starts_with("multipart/") {
        return in_parts(body);
    }
    if content_type.is_empty() || content_type.contains("form-urlencoded") {
        return in_pairs(body);
    }
    Vec::new()
}

/// `a=b&c=d`; some servers take `;` for `&`.
fn in_pairs(text: &[u8]) -> Vec<String> {
    text.split(|byte| matches!(byte, b'&' | b';'))
        .flat_map(form_urlencoded::parse)
        .filter(|(name, _)| is_override(name))
        .map(|(_, value)| method(&value))
        .collect()
}

/// The keys of the outermost object; each one counts where a key stands twice.
fn in_json(text: &[u8]) -> Vec<String> {
    let mut named = Vec::new();
    let mut json = serde_json::Deserializer::from_slice(text);
    // What does not parse is no object to a server either; what was found before it counts.
    json.deserialize_map(OverrideKeys(&mut named)).ok();
    named
}

/// The parts of a form with files. The method stands between the empty line and the next line.
fn in_parts(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let mut named = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.to_ascii_lowercase();
        let Some(fields) = line.strip_prefix("content-disposition:") else { continue };
        let is_override = fields.split(';').any(|field| {
            let name = field.trim_start().strip_prefix("name").map(str::trim_start);
            name.and_then(|rest| rest.strip_prefix('='))
                .is_some_and(|name| is_override(name.trim().trim_matches('"')))
        });
        if is_override {
            let value = lines.by_ref().skip_while(|line| !line.trim().is_empty()).nth(1);
            named.push(method(value.unwrap_or_default()));
        }
    }
    named
}

fn is_override(name: &str) -> bool {
    let name = name.split('\0').next().unwrap_or_default();
    let letters = letters(name);
    let marked = name.starts_with(|first: char| !first.is_alphanumeric());
    NAMES.contains(&letters.as_str()) || (marked && letters == MARKED_NAME)
}

fn letters(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

fn method(value: &str) -> String {
    value.trim().to_ascii_uppercase().chars().take(VALUE_CHARS_MAX).collect()
}

/// Reads the outermost object of a body and keeps the values of its overriding keys.
struct OverrideKeys<'a>(&'a mut Vec<String>);

impl<'de> Visitor<'de> for OverrideKeys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if is_override(&name) {
                let value: serde_json::Value = map.next_value()?;
                self.0.push(method(value.as_str().unwrap_or_default()));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_names_a_method_in_every_spelling() {
        for (query, expected) in [
            ("_HttpMethod=PATCH", vec!["PATCH"]),
            ("a=1&_method=delete", vec!["DELETE"]),
            ("a=1;_method=delete", vec!["DELETE"]),
            ("%5Fmethod=%64elete", vec!["DELETE"]),
            ("%255Fmethod=delete", vec![]),
            ("+_METHOD=+delete+", vec!["DELETE"]),
            (".method=delete", vec!["DELETE"]),
            ("_method%00x=delete", vec!["DELETE"]),
            ("X-HTTP-Method-Override=put", vec!["PUT"]),
            ("x_method_override=put&_method=get", vec!["PUT", "GET"]),
            ("_method", vec![""]),
            ("method=delete&shipping_method=air&method_id=1", vec![]),
            ("q=_method%3Ddelete", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(in_query(query), expected, "{query}");
        }
    }

    #[test]
    fn body_names_a_method_in_every_form() {
        let json = Some("application/json");
        let form = Some("application/x-www-form-urlencoded");
        let parts = Some("multipart/form-data; boundary=b");
        let part = |name: &str, value: &str| {
            format!("--b\r\nContent-Disposition: form-data; {name}\r\n\r\n{value}\r\n--b--\r\n")
        };
        let [quoted, bare, file, other] = [
            part("name=\"_method\"", "delete"),
            part("NAME = _method; x=y", "put"),
            part("filename=\"_method\"; name=\"f\"", "delete"),
            part("name=\"method\"", "delete"),
        ];
        for (content_type, body, expected) in [
            (json, r#"{"a":{"_method":"x"},"_method":"delete"}"#, vec!["DELETE"]),
            (json, r#"{"\u005fmethod":"delete","_method":"GET"}"#, vec!["DELETE", "GET"]),
            (json, "\u{feff} {\"_method\":\"delete\"", vec!["DELETE"]),
            (json, r#"{"_method":["delete"]}"#, vec![""]),
            (json, r#"{"method":"delete","requests":[{"_method":"delete"}]}"#, vec![]),
            (json, r#"[{"_method":"delete"}]"#, vec![]),
            (Some("text/plain"), r#"{"_method":"delete"}"#, vec!["DELETE"]),
            (form, "a=1&_method=delete", vec!["DELETE"]),
            (None, "_method=delete", vec!["DELETE"]),
            (Some("text/csv"), "_method=delete", vec![]),
            (parts, &quoted, vec!["DELETE"]),
            (parts, &bare, vec!["PUT"]),
            (parts, &file, vec![]),
            (parts, &other, vec![]),
        ] {
            assert_eq!(in_body(content_type, body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn header_that_replaces_the_method_is_known_in_every_spelling() {
        for (name, expected) in [
            ("x-http-method-override", true),
            ("x_http_method", true),
            ("x-method", true),
            ("x-httpmethod-override", true),
            ("method-override", true),
            ("http-method", true),
            ("access-control-request-method", false),
            ("x-payment-method", false),
        ] {
            assert_eq!(is_override_header(name), expected, "{name}");
        }
    }
}
