//! Writes fixed credentials into the places of a request that the manifest declares (`SECURITY.md`
//! E17): a header, a parameter of the query, a field of the body.
//!
//! A guest may not write into such a place itself: two values in one place are read as either by
//! some server. On its way to another origin a request carries none of them, and a redirect that
//! takes one along in its URL is not followed.

use std::fmt;

use percent_encoding::utf8_percent_encode;
use renkei_package::{Connection, CredentialPlace};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use url::{Url, form_urlencoded};

use crate::client::OutgoingRequest;
use crate::http::{HttpRequest, SendError};
use crate::policy;
use crate::redact::COMPONENT;
use crate::refusal::EgressRefusal;
use crate::secret_header::{sensitive, unauthorized};
use crate::system::SystemConfig;

/// A fixed credential with the place where the host writes it.
#[derive(Debug)]
pub(crate) struct PlacedCredential {
    place: CredentialPlace,
    field: String,
    prefix: String,
    value: SecretString,
}

/// The form of a body that takes a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BodyForm {
    Json,
    Form,
}

impl PlacedCredential {
    /// The credentials that `connection` declares, with the values that the admin gave.
    pub(crate) fn find_all(
        connection: &Connection,
        config: &SystemConfig,
    ) -> Result<Vec<Self>, String> {
        let declared = connection.credentials.iter();
        declared
            .map(|declared| {
                let (name, field) = (&declared.name, &declared.field);
                let value = config.auth_options.credentials.get(name).ok_or_else(|| {
                    format!("the credential `{name}` is missing in `auth.credentials`")
                })?;
                if declared.place == CredentialPlace::Header && !policy::may_authenticate(field) {
                    return Err(format!("the header `{field}` carries no credentials"));
                }
                Ok(Self {
                    place: declared.place,
                    field: field.clone(),
                    prefix: declared.prefix.clone(),
                    value: value.clone(),
                })
            })
            .collect()
    }

    /// The name of the header, if it is one.
    pub(crate) fn header(&self) -> Option<&str> {
        (self.place == CredentialPlace::Header).then_some(self.field.as_str())
    }

    fn text(&self) -> String {
        format!("{}{}", self.prefix, self.value.expose_secret())
    }

    fn is_field(&self, place: CredentialPlace, name: &str) -> bool {
        self.place == place && self.field.eq_ignore_ascii_case(name)
    }
}

/// Refuses a request whose guest writes into a place of the host, or whose body has no room for
/// what the host must write.
pub(crate) fn check(
    credentials: &[PlacedCredential],
    url: &Url,
    request: &HttpRequest,
    content_type: Option<&str>,
) -> Result<(), EgressRefusal> {
    let taken = |place, name: &str| {
        let mut all = credentials.iter();
        match all.find(|credential| credential.is_field(place, name)) {
            Some(credential) => Err(EgressRefusal::HostParameter(credential.field.clone())),
            None => Ok(()),
        }
    };
    for (name, _) in url.query_pairs() {
        taken(CredentialPlace::Query, &name)?;
    }
    let in_body = |credential: &PlacedCredential| credential.place == CredentialPlace::Body;
    if request.body.is_empty() || !credentials.iter().any(in_body) {
        return Ok(());
    }
    match body_form(content_type, &request.body).ok_or(EgressRefusal::CredentialBody)? {
        BodyForm::Form => {
            for (name, _) in form_urlencoded::parse(&request.body) {
                taken(CredentialPlace::Body, &name)?;
            }
        }
        BodyForm::Json => {
            for name in keys(&request.body).ok_or(EgressRefusal::CredentialBody)? {
                taken(CredentialPlace::Body, &name)?;
            }
        }
    }
    Ok(())
}

/// Writes the credentials into a request that goes to the slot's own origin. What stands in its
/// place already, as after a redirect, is left.
pub(crate) fn write(
    credentials: &[PlacedCredential],
    request: &mut OutgoingRequest,
) -> Result<(), SendError> {
    for credential in credentials {
        match credential.place {
            CredentialPlace::Header => {
                let name = HeaderName::from_bytes(credential.field.as_bytes())
                    .map_err(|_| unauthorized("the manifest's header is no name"))?;
                request.headers.insert(name, sensitive(&credential.text())?);
            }
            CredentialPlace::Query => write_query(credential, &mut request.url),
            CredentialPlace::Body if request.body.is_empty() => {}
            CredentialPlace::Body => {
                let content_type = request.headers.get(CONTENT_TYPE);
                let content_type = content_type.and_then(|value| HeaderValue::to_str(value).ok());
                let form = body_form(content_type, &request.body);
                let form = form.ok_or(EgressRefusal::CredentialBody)?;
                request.body = with_field(credential, form, &request.body);
            }
        }
    }
    Ok(())
}

fn write_query(credential: &PlacedCredential, url: &mut Url) {
    if url.query_pairs().any(|(name, _)| name == credential.field) {
        return;
    }
    // Not by `query_pairs_mut`, which writes a space as `+` and the guest's own part anew.
    let text = credential.text();
    let pair = format!("{}={}", credential.field, utf8_percent_encode(&text, COMPONENT));
    let query = match url.query().filter(|query| !query.is_empty()) {
        Some(query) => format!("{query}&{pair}"),
        None => pair,
    };
    url.set_query(Some(&query));
}

/// The body with one field more; the guest's own bytes stay as they are.
fn with_field(credential: &PlacedCredential, form: BodyForm, body: &[u8]) -> Vec<u8> {
    match form {
        BodyForm::Form => {
            let mut pair = form_urlencoded::Serializer::new(String::new());
            pair.append_pair(&credential.field, &credential.text());
            let pair = format!("&{}", pair.finish());
            [body, pair.as_bytes()].concat()
        }
        BodyForm::Json => {
            let begin = body.iter().position(|byte| *byte == b'{');
            let (head, rest) = body.split_at(begin.map_or(0, |begin| begin.saturating_add(1)));
            let [key, value] = [credential.field.as_str(), &credential.text()]
                .map(|text| serde_json::Value::from(text).to_string());
            let comma = if rest.trim_ascii_start().starts_with(b"}") { "" } else { "," };
            [head, format!("{key}:{value}{comma}").as_bytes(), rest].concat()
        }
    }
}

fn body_form(content_type: Option<&str>, body: &[u8]) -> Option<BodyForm> {
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    if content_type.contains("json") && body.trim_ascii_start().starts_with(b"{") {
        return Some(BodyForm::Json);
    }
    content_type.contains("form-urlencoded").then_some(BodyForm::Form)
}

/// The keys of the outermost object; none where the text is not one.
fn keys(body: &[u8]) -> Option<Vec<String>> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let keys = json.deserialize_map(ObjectKeys).ok()?;
    json.end().ok().map(|()| keys)
}

struct ObjectKeys;

impl<'de> Visitor<'de> for ObjectKeys {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            keys.push(key);
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(place: CredentialPlace, prefix: &str) -> PlacedCredential {
        let (field, prefix) = ("api_key".to_owned(), prefix.to_owned());
        PlacedCredential { place, field, prefix, value: "k+/\"1 2".into() }
    }

    #[test]
    fn query_keeps_its_own_part() {
        for (url, expected) in [
            ("https://h/a", "https://h/a?api_key=k%2B%2F%221%202"),
            ("https://h/a?", "https://h/a?api_key=k%2B%2F%221%202"),
            ("https://h/a?b=%2f+c", "https://h/a?b=%2f+c&api_key=k%2B%2F%221%202"),
            ("https://h/a?api_key=x", "https://h/a?api_key=x"),
        ] {
            let mut url: Url = url.parse().unwrap();
            write_query(&credential(CredentialPlace::Query, ""), &mut url);
            assert_eq!(url.as_str(), expected);
        }
    }

    #[test]
    fn body_keeps_its_own_bytes() {
        let json = Some("application/json; charset=utf-8");
        let form = Some("application/x-www-form-urlencoded");
        for (content_type, body, expected) in [
            (json, "{}", r#"{"api_key":"T k+/\"1 2"}"#),
            (json, " {\n \"a\": 1.0}", " {\"api_key\":\"T k+/\\\"1 2\",\n \"a\": 1.0}"),
            (form, "a=%2f", "a=%2f&api_key=T+k%2B%2F%221+2"),
        ] {
            let found = body_form(content_type, body.as_bytes()).unwrap();
            let body = with_field(&credential(CredentialPlace::Body, "T "), found, body.as_bytes());
            assert_eq!(String::from_utf8(body).unwrap(), expected);
        }
        for (content_type, body) in
            [(json, "[1]"), (json, "x"), (Some("text/csv"), "a"), (None, "a")]
        {
            assert!(body_form(content_type, body.as_bytes()).is_none(), "{body}");
        }
    }
}
