//! Webhooks: the signature, and which records to read again (`API.md`, H-webhook-2, H-webhook-3).
//!
//! Anybody may call, so a call is believed only if it is signed with the app's client secret: v3
//! over method, address, body and a timestamp that makes a replay useless after five minutes. The
//! older v1 and v2 (H-webhook-5) count only where v3 is missing. Nothing in the body is believed
//! but object types and ids.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use renkei_sdk::signing::{Algorithm, verify};
use renkei_sdk::{Error, Hint, Hook, Reply};
use serde::Deserialize;

use crate::client::wire::id;

const SECRET: &str = "client_secret";
const AGE_MAX_MS: u64 = 300_000;
/// The escapes that HubSpot decodes before it signs (H-webhook-4).
const DECODED: [(&str, &str); 12] = [
    ("%3A", ":"),
    ("%2F", "/"),
    ("%3F", "?"),
    ("%40", "@"),
    ("%21", "!"),
    ("%24", "$"),
    ("%27", "'"),
    ("%28", "("),
    ("%29", ")"),
    ("%2A", "*"),
    ("%2C", ","),
    ("%3B", ";"),
];
/// Object names by the first word of an event's type, and by object type id (H-call-4).
const OBJECTS: [(&str, &str, &str); 6] = [
    ("contact", "0-1", "contacts"),
    ("company", "0-2", "companies"),
    ("deal", "0-3", "deals"),
    ("ticket", "0-5", "tickets"),
    ("product", "0-7", "products"),
    ("line_item", "0-8", "line_items"),
];

/// Verifies a call and answers with the records to read again.
///
/// # Errors
/// `unauthorized` for a wrong, missing or old signature; `invalid` for a body that is not a list
/// of events.
pub(crate) fn receive_call(hook: &Hook) -> Result<Reply, Error> {
    if !is_signed(hook) {
        return Err(Error::unauthorized("bad-signature", "the signature of the call is not valid"));
    }
    let events: Vec<WebhookEvent> = serde_json::from_slice(&hook.body)
        .map_err(|_| Error::invalid("not-events", "the body is not a list of events"))?;
    let mut hints: Vec<Hint> = events.iter().flat_map(WebhookEvent::hints).collect();
    let key = |hint: &Hint| (hint.object.clone(), hint.id.clone(), hint.what.clone());
    hints.sort_by_key(key);
    hints.dedup();
    Ok(Reply::new(200, hints))
}

fn is_signed(hook: &Hook) -> bool {
    match hook.header("x-hubspot-signature-v3") {
        Some(signature) => is_signed_v3(hook, signature),
        None => is_signed_before_v3(hook),
    }
}

fn is_signed_v3(hook: &Hook, signature: &str) -> bool {
    let Some(sent) = hook.header("x-hubspot-request-timestamp") else { return false };
    let recent = sent.parse().is_ok_and(|sent: i64| hook.received_at.abs_diff(sent) <= AGE_MAX_MS);
    let Ok(expected) = STANDARD.decode(signature) else { return false };
    let signs = |url: &str| {
        let message =
            [hook.method.as_bytes(), url.as_bytes(), &hook.body, sent.as_bytes()].concat();
        verify(SECRET, Algorithm::HmacSha256, &message, &expected)
    };
    recent && (signs(&hook.url) || signs(&decode_escapes(&hook.url)))
}

fn is_signed_before_v3(hook: &Hook) -> bool {
    let Some(signature) = hook.header("x-hubspot-signature") else { return false };
    let Ok(expected) = hex::decode(signature) else { return false };
    let message = match hook.header("x-hubspot-signature-version") {
        Some("v2") => [hook.method.as_bytes(), hook.url.as_bytes(), &hook.body].concat(),
        _ => hook.body.clone(),
    };
    verify(SECRET, Algorithm::Sha256Prefixed, &message, &expected)
}

fn decode_escapes(url: &str) -> String {
    DECODED.iter().fold(url.to_owned(), |url, (escape, plain)| {
        url.replace(escape, plain).replace(&escape.to_lowercase(), plain)
    })
}

/// One event; which items it has depends on its type.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WebhookEvent {
    subscription_type: String,
    #[serde(deserialize_with = "id")]
    object_id: String,
    object_type_id: String,
    #[serde(deserialize_with = "id")]
    primary_object_id: String,
    merged_object_ids: Vec<Id>,
    #[serde(deserialize_with = "id")]
    new_object_id: String,
    #[serde(deserialize_with = "id")]
    from_object_id: String,
    #[serde(deserialize_with = "id")]
    to_object_id: String,
    from_object_type_id: String,
    to_object_type_id: String,
    /// Such as `CONTACT_TO_COMPANY`.
    association_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Id(#[serde(deserialize_with = "id")] String);

impl WebhookEvent {
    fn hints(&self) -> Vec<Hint> {
        let (subject, what) = self.subscription_type.split_once('.').unwrap_or_default();
        let object =
            find_object_named(subject).or_else(|| find_object_of_type(&self.object_type_id));
        let merged = self.merged_object_ids.iter().map(|Id(id)| id);
        let own = [&self.object_id, &self.primary_object_id, &self.new_object_id];
        let mut found: Vec<_> = own.into_iter().chain(merged).map(|id| (object, id)).collect();
        let lower = self.association_type.to_lowercase();
        let (from, to) = lower.split_once("_to_").unwrap_or_default();
        found.push((
            find_object_of_type(&self.from_object_type_id).or(find_object_named(from)),
            &self.from_object_id,
        ));
        found.push((
            find_object_of_type(&self.to_object_type_id).or(find_object_named(to)),
            &self.to_object_id,
        ));
        let hint = |(object, id): (Option<&str>, &String)| {
            let object = object?;
            (!id.is_empty()).then(|| Hint::new(object, id, what))
        };
        found.into_iter().filter_map(hint).collect()
    }
}

fn find_object_named(word: &str) -> Option<&'static str> {
    OBJECTS.iter().find(|(name, ..)| *name == word).map(|(.., object)| *object)
}

fn find_object_of_type(type_id: &str) -> Option<&'static str> {
    OBJECTS.iter().find(|(_, id, _)| *id == type_id).map(|(.., object)| *object)
}

#[cfg(test)]
mod tests;
