//! Webhook events and their signatures (H-webhook-1 to H-webhook-6).
//!
//! Nothing is sent by itself: a test makes the body and headers here and posts them to a host.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::portal::PORTAL_ID;

const APP_ID: u64 = 54_321;

/// One event, before it gets its id and attempt number.
#[derive(Clone, Debug)]
pub struct WebhookEvent {
    /// Such as `contact.propertyChange`.
    pub subscription_type: String,
    pub object_id: u64,
    pub occurred_at_ms: i64,
    /// Fields of this type of event alone, such as `propertyName` or `newObjectId`.
    pub details: Value,
}

/// The body of a delivery: an array of at most 100 events.
pub fn delivery(events: &[WebhookEvent], attempt: u32) -> Value {
    let wire = events.iter().enumerate().map(|(number, event)| {
        let mut fields = json!({
            "eventId": number + 1,
            "subscriptionId": 12_345,
            "portalId": PORTAL_ID,
            "appId": APP_ID,
            "occurredAt": event.occurred_at_ms,
            "subscriptionType": event.subscription_type,
            "attemptNumber": attempt,
            "objectId": event.object_id,
            "changeSource": "CRM",
        });
        if let (Some(fields), Some(details)) = (fields.as_object_mut(), event.details.as_object()) {
            fields.extend(details.clone());
        }
        fields
    });
    Value::Array(wire.collect())
}

/// The signature headers of a delivery to `url`, signed at `at_ms`.
pub fn headers(secret: &str, url: &str, body: &[u8], at_ms: i64) -> Vec<(&'static str, String)> {
    vec![
        ("x-hubspot-signature", v1(secret, body)),
        ("x-hubspot-signature-version", "v1".to_owned()),
        ("x-hubspot-signature-v3", v3(secret, "POST", url, body, at_ms)),
        ("x-hubspot-request-timestamp", at_ms.to_string()),
    ]
}

/// Version 1: hex SHA-256 of secret and body.
pub fn v1(secret: &str, body: &[u8]) -> String {
    hex::encode(Sha256::new().chain_update(secret).chain_update(body).finalize())
}

/// Version 2: hex SHA-256 of secret, method, URL and body.
pub fn v2(secret: &str, method: &str, url: &str, body: &[u8]) -> String {
    let digest = Sha256::new().chain_update(secret).chain_update(method).chain_update(url);
    hex::encode(digest.chain_update(body).finalize())
}

/// Version 3: base64 HMAC-SHA-256 of method, URL, body and timestamp.
pub fn v3(secret: &str, method: &str, url: &str, body: &[u8], at_ms: i64) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        // HMAC takes keys of any length.
        return String::new();
    };
    mac.update(method.as_bytes());
    mac.update(url.as_bytes());
    mac.update(body);
    mac.update(at_ms.to_string().as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
    const URL: &str = "https://www.example.com/webhook_uri";
    const BODY: &[u8] = br#"{"example_field":"example_value"}"#;

    #[test]
    fn signatures_agree_with_the_recorded_vectors() {
        let event = concat!(
            r#"[{"eventId":1,"subscriptionId":12345,"portalId":62515,"#,
            r#""occurredAt":1564113600000,"subscriptionType":"contact.creation","#,
            r#""attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","#,
            r#""appId":54321}]"#
        );
        let v1_hex = "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de";
        assert_eq!(v1(SECRET, event.as_bytes()), v1_hex);
        let v2_hex = "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900";
        assert_eq!(v2(SECRET, "POST", URL, BODY), v2_hex);
        let v3_text = "rpo5lpwwUm5u3MI+xjoHForubfdafr2errTsWQG/PtQ=";
        assert_eq!(v3(SECRET, "POST", URL, BODY, 1_718_000_000_000), v3_text);
    }

    #[test]
    fn a_delivery_holds_the_details_of_its_events() {
        let event = WebhookEvent {
            subscription_type: "contact.propertyChange".to_owned(),
            object_id: 7,
            occurred_at_ms: 5,
            details: json!({"propertyName": "city", "propertyValue": "港区"}),
        };
        let body = delivery(&[event], 2);
        assert_eq!(body[0]["propertyName"], "city");
        assert_eq!(body[0]["attemptNumber"], 2);
    }
}
