//! The known signatures (H-webhook-6), and the hints of each sort of event.
//!
//! Secrets come from the test harness; other implementations made the signatures.

use renkei_sdk::testing::with_secret;

use super::*;

const KEY: &[u8] = b"yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
const V3: &str = "rpo5lpwwUm5u3MI+xjoHForubfdafr2errTsWQG/PtQ=";
const V2: &str = "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900";
const V1: &str = "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de";
/// The event body of the vendor's SDK, for which the v1 vector holds.
const SDK_BODY: &str = concat!(
    r#"[{"eventId":1,"subscriptionId":12345,"portalId":62515,"#,
    r#""occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"#,
    r#""objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]"#,
);
const SENT_MS: i64 = 1_718_000_000_000;

fn hook(headers: &[(&str, &str)], body: &str) -> Hook {
    let pairs = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Hook {
        method: "POST".into(),
        url: "https://www.example.com/webhook_uri".into(),
        headers: pairs.collect(),
        body: body.as_bytes().to_vec(),
        received_at: SENT_MS + 1_000,
        facts: Vec::new(),
    }
}

fn signed(hook: &Hook) -> bool {
    with_secret(SECRET, KEY, || is_signed(hook))
}

fn v3(timestamp: &str, signature: &str) -> Hook {
    hook(
        &[("X-HubSpot-Signature-v3", signature), ("X-HubSpot-Request-Timestamp", timestamp)],
        r#"{"example_field":"example_value"}"#,
    )
}

#[test]
fn v3_signature_holds_for_five_minutes() {
    let sent = SENT_MS.to_string();
    assert!(signed(&v3(&sent, V3)));
    let at = |received_at| Hook { received_at, ..v3(&sent, V3) };
    assert!(signed(&at(SENT_MS + 300_000)));
    assert!(!signed(&at(SENT_MS + 300_001)));
    assert!(!signed(&at(SENT_MS - 300_001)));
}

#[test]
fn v3_signature_covers_everything() {
    let sent = SENT_MS.to_string();
    assert!(!signed(&v3("1718000000001", V3)));
    assert!(!signed(&v3(&sent, "bm90IGl0")));
    assert!(!signed(&Hook { method: "PUT".into(), ..v3(&sent, V3) }));
    assert!(!signed(&Hook { body: b"[]".to_vec(), ..v3(&sent, V3) }));
    assert!(!signed(&hook(&[("X-HubSpot-Signature-v3", V3)], "")));
}

#[test]
fn escapes_are_decoded_as_hubspot_does() {
    assert_eq!(decode_escapes("https://a/b%3Ac%2fd%20e"), "https://a/b:c/d%20e");
}

#[test]
fn v2_is_believed_where_v3_is_missing() {
    let headers = [("X-HubSpot-Signature", V2), ("X-HubSpot-Signature-Version", "v2")];
    assert!(signed(&hook(&headers, r#"{"example_field":"example_value"}"#)));
    assert!(!signed(&hook(&headers, r#"{"example_field":"other"}"#)));
    let with_bad_v3 = [headers[0], headers[1], ("X-HubSpot-Signature-v3", "AAAA")];
    assert!(!signed(&hook(&with_bad_v3, r#"{"example_field":"example_value"}"#)));
}

#[test]
fn v1_covers_the_body() {
    let headers = [("X-HubSpot-Signature", V1)];
    assert!(signed(&hook(&headers, SDK_BODY)));
    assert!(!signed(&hook(&headers, "[]")));
    assert!(!signed(&hook(&[], SDK_BODY)));
}

fn hints(body: &str) -> Vec<(String, String, String)> {
    let events: Vec<WebhookEvent> = serde_json::from_str(body).unwrap();
    let hints = events.iter().flat_map(WebhookEvent::hints);
    hints.map(|hint| (hint.object, hint.id, hint.what)).collect()
}

#[test]
fn each_sort_of_event_names_its_records() {
    let check = |body: &str, expected: &[(&str, &str)]| {
        let found = hints(body);
        let found: Vec<_> = found.iter().map(|(object, id, _)| (&**object, &**id)).collect();
        assert_eq!(found, expected);
    };
    check(SDK_BODY, &[("contacts", "123")]);
    check(
        r#"[{"subscriptionType":"object.propertyChange","objectTypeId":"0-3","objectId":5}]"#,
        &[("deals", "5")],
    );
    check(
        r#"[{"subscriptionType":"contact.merge","objectId":1,"primaryObjectId":1,
            "mergedObjectIds":[2,3],"newObjectId":9}]"#,
        &[
            ("contacts", "1"),
            ("contacts", "1"),
            ("contacts", "9"),
            ("contacts", "2"),
            ("contacts", "3"),
        ],
    );
    check(
        r#"[{"subscriptionType":"contact.associationChange","associationType":"CONTACT_TO_COMPANY",
            "fromObjectId":1,"toObjectId":2}]"#,
        &[("contacts", "1"), ("companies", "2")],
    );
    check(r#"[{"subscriptionType":"conversation.creation","objectId":5}]"#, &[]);
}

#[test]
fn reply_names_a_record_once() {
    let body = concat!(
        r#"[{"subscriptionType":"contact.creation","objectId":5},"#,
        r#"{"subscriptionType":"contact.creation","objectId":5}]"#,
    );
    // Computed with another implementation from the rule.
    let signature = "47eyfZsPeo14pbBmW1T6sugwhR1EbBWFD6AEGy8uFZE=";
    let headers =
        [("x-hubspot-signature-v3", signature), ("x-hubspot-request-timestamp", "1718000000000")];
    let reply = with_secret(SECRET, KEY, || receive_call(&hook(&headers, body))).unwrap();
    assert_eq!((reply.status, reply.hints.len()), (200, 1));
    let refused = with_secret(SECRET, b"other", || receive_call(&hook(&headers, body)));
    assert!(matches!(refused, Err(Error::Unauthorized(_))));
}

/// Anybody may call, so a million calls are tried: method, address, headers and body, each broken
/// in turn. None is believed, because none is signed.
#[test]
fn verifier_never_panics_on_any_call() {
    let call = |headers: &[&str], body: &str| {
        let parts = [&["POST", "https://www.example.com/web%3Ahook"], headers, &[body]].concat();
        parts.join("\n").into_bytes()
    };
    let sent = SENT_MS.to_string();
    let seeds = [
        call(&["X-HubSpot-Signature-v3", V3, "X-HubSpot-Request-Timestamp", &sent], SDK_BODY),
        call(&["X-HubSpot-Signature", V2, "X-HubSpot-Signature-Version", "v2"], SDK_BODY),
        call(&["X-HubSpot-Signature", V1, "X-HubSpot-Signature-Version", "v1"], "[]"),
    ];
    renkei_mutate::run(&seeds, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.splitn(7, '\n').map(str::to_owned);
        let mut line = || lines.next().unwrap_or_default();
        let hook = Hook {
            method: line(),
            url: line(),
            headers: vec![(line(), line()), (line(), line())],
            body: line().into_bytes(),
            received_at: SENT_MS,
            facts: Vec::new(),
        };
        let taken = with_secret(SECRET, KEY, || receive_call(&hook));
        // The v1 vector signs a body alone, so that a call around it may change and hold.
        assert!(taken.is_err() || hook.body == SDK_BODY.as_bytes());
    });
}

/// A million bodies of which the signature is good.
#[test]
fn event_reader_never_panics_on_any_body() {
    let merged = r#"[{"subscriptionType":"object.merge","objectTypeId":"0-1","objectId":"1",
        "primaryObjectId":2,"mergedObjectIds":[3,"4"],"newObjectId":5}]"#;
    let related = r#"[{"subscriptionType":"contact.associationChange","fromObjectId":1,
        "toObjectId":2,"fromObjectTypeId":"0-1","toObjectTypeId":"0-2",
        "associationType":"CONTACT_TO_COMPANY"}]"#;
    let seeds = [SDK_BODY, merged, related].map(|body| body.as_bytes().to_vec());
    for seed in &seeds {
        assert!(serde_json::from_slice::<Vec<WebhookEvent>>(seed).is_ok());
    }
    renkei_mutate::run(&seeds, |bytes| {
        if let Ok(events) = serde_json::from_slice::<Vec<WebhookEvent>>(bytes) {
            let _hints: Vec<Hint> = events.iter().flat_map(WebhookEvent::hints).collect();
        }
    });
}
