//! Merges and erasure (H-merge-1 to H-merge-6).
//!
//! Both with a new id, which is the default, and with the winner's.

use super::*;

fn merge(account: &mut Account, winner: &str, loser: &str) -> (u16, Value) {
    let body = json!({"primaryObjectId": winner, "objectIdToMerge": loser});
    account.post(&format!("{CONTACTS}/merge"), body)
}

#[test]
fn a_merge_makes_a_third_record_to_which_both_ids_lead() {
    let mut account = Account::empty();
    let company = account.create("companies", json!({"name": "A"}));
    let a = account.create("contacts", json!({"email": "a@example.jp", "city": "港区"}));
    let b = account.create("contacts", json!({"email": "b@example.jp", "city": "x", "phone": "1"}));
    let link = format!("/crm/v4/objects/contacts/{b}/associations/default/companies/{company}");
    account.send("PUT", &link, Value::Null);
    let (status, merged) = merge(&mut account, &a, &b);
    let id = merged["id"].as_str().unwrap().to_owned();
    assert_eq!(status, 200);
    assert!(id != a && id != b);
    for old in [&a, &b] {
        let names = "email,city,phone,hs_merged_object_ids";
        let (_, read) = account.get(&format!("{CONTACTS}/{old}?properties={names}"));
        assert_eq!(read["id"], *id);
        assert_eq!(read["properties"]["city"], "港区", "the primary's values win");
        assert_eq!(read["properties"]["phone"], "1", "gaps are filled");
        assert_eq!(read["properties"]["hs_merged_object_ids"], format!("{a};{b}"));
    }
    let (_, links) = account.get(&format!("/crm/v4/objects/contacts/{id}/associations/companies"));
    assert_eq!(links["results"].as_array().unwrap().len(), 1);
    let (_, listed) = account.get(CONTACTS);
    assert_eq!(listed["results"].as_array().unwrap().len(), 1);
    let (status, error) = account.post(CONTACTS, json!({"properties": {"email": "b@example.jp"}}));
    assert_eq!(status, 409);
    assert!(error["message"].as_str().unwrap().ends_with(&id));
}

#[test]
fn a_merge_can_keep_the_winners_id() {
    let faults = Faults {
        hubspot: HubSpotFaults { merge_makes_new_id: false, ..Faults::none().hubspot },
        ..Faults::none()
    };
    let mut account = Account::with(0, faults);
    let (a, b) = (account.create("contacts", json!({})), account.create("contacts", json!({})));
    let (_, merged) = merge(&mut account, &a, &b);
    assert_eq!(merged["id"], *a);
    assert_eq!(account.get(&format!("{CONTACTS}/{b}")).1["id"], *a);
    assert_eq!(account.delete(&format!("{CONTACTS}/{b}")), 204);
    assert_eq!(account.get(&format!("{CONTACTS}/{a}")).0, 200, "a merged-away id deletes nothing");
}

#[test]
fn merges_can_be_chained_and_refused() {
    let mut account = Account::empty();
    let ids: Vec<String> = (0..3).map(|_| account.create("contacts", json!({}))).collect();
    let (_, first) = merge(&mut account, &ids[0], &ids[1]);
    let (_, second) = merge(&mut account, &ids[1], &ids[2]);
    for id in &ids {
        assert_eq!(account.get(&format!("{CONTACTS}/{id}")).1["id"], second["id"]);
    }
    assert_ne!(first["id"], second["id"]);
    assert_eq!(merge(&mut account, &ids[0], &ids[1]).0, 400, "these are one record");
    assert_eq!(merge(&mut account, &ids[0], "7").0, 404);
}

#[test]
fn an_erased_contact_leaves_nothing() {
    let mut account = Account::empty();
    let id = account.create("contacts", json!({"email": "a@example.jp"}));
    let body = json!({"objectId": "a@example.jp", "idProperty": "email"});
    assert_eq!(account.post(&format!("{CONTACTS}/gdpr-delete"), body).0, 204);
    assert_eq!(account.get(&format!("{CONTACTS}/{id}?archived=true")).0, 404);
    let (_, archived) = account.get(&format!("{CONTACTS}?archived=true"));
    assert_eq!(archived["results"], json!([]));
}
