//! The knobs that make an org as unpleasant as a real one, each by itself.
//!
//! They keep the rules S12 and S14 of `host/sync/RULES.md`.

use axum::http::HeaderMap;

use super::*;
use crate::control::answer;

impl Fixture {
    /// Calls the control API.
    fn sim(&mut self, method: &str, path: &str, body: Value) -> Value {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request =
            SimRequest::new(method, &format!("/_sim/{path}"), HeaderMap::new(), body.to_string());
        serde_json::from_slice(&answer(&mut self.org, &request).body).unwrap()
    }

    fn patch(&mut self, object: &str, id: &str, fields: Value) -> Got {
        self.call("PATCH", &format!("/sobjects/{object}/{id}"), &fields.to_string())
    }

    fn count(&mut self, soql: &str) -> Value {
        self.query(soql).body["totalSize"].clone()
    }

    fn deleted(&mut self, object: &str) -> Vec<String> {
        let window = "start=2026-09-21T14:00:00Z&end=2026-09-21T15:00:00Z";
        let got = self.get(&format!("/sobjects/{object}/deleted/?{window}"));
        let rows = got.body["deletedRecords"].as_array().unwrap().clone();
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn reads_lag_behind_writes_where_the_knob_says_so() {
    let mut org = Fixture::empty();
    org.fault(json!({"read_lag_ms": 3_000}));
    let id = org.contact("a");
    assert_eq!(org.get(&format!("/sobjects/Contact/{id}")).status, 404);
    assert_eq!(org.count("SELECT COUNT() FROM Contact"), 0);
    org.clock.advance(3_000);
    assert_eq!(org.patch("Contact", &id, json!({"LastName": "b"})).status, 204);
    assert_eq!(org.value("Contact", &id, "LastName"), "a");
    let found = org.query("SELECT LastName, SystemModstamp FROM Contact");
    assert_eq!(found.body["records"][0]["LastName"], "a");
    org.clock.advance(3_000);
    assert_eq!(org.value("Contact", &id, "LastName"), "b");
}

#[test]
fn an_update_can_be_answered_and_not_done() {
    let mut org = Fixture::empty();
    let id = org.contact("a");
    org.fault(json!({"ignore_update_every": 1}));
    assert_eq!(org.patch("Contact", &id, json!({"LastName": "b"})).status, 204);
    assert_eq!(org.value("Contact", &id, "LastName"), "a");
    org.fault(json!({"ignore_update_every": 0, "not_found_after_write": 1}));
    assert_eq!(org.patch("Contact", &id, json!({"LastName": "c"})).status, 404);
    org.fault(json!({"not_found_after_write": 0}));
    assert_eq!(org.value("Contact", &id, "LastName"), "c");
}

#[test]
fn rules_refuse_one_column_alone() {
    let mut org = Fixture::empty();
    let id = org.contact("a");
    org.contact("b");
    let rule =
        |field: &str, rule: Value| json!({"object": "Contact", "field": field, "rule": rule});
    org.fault(json!({"rules": [
        rule("MailingCity", json!({"max_length": 3})),
        rule("Phone", json!({"without": "x"})),
        rule("Title", json!("read_only")),
        rule("LastName", json!("unique")),
        rule("Department", json!("required")),
        rule("Fax", json!("hidden")),
    ]}));
    let check = |org: &mut Fixture, fields: Value, code: &str, named: &[&str]| {
        let got = org.patch("Contact", &id, fields);
        assert_eq!((got.status, got.code()), (400, code), "{}", got.text);
        assert_eq!(got.body[0]["fields"].as_array().map_or(vec![], Clone::clone), named);
    };
    let ok = json!({"Department": "d"});
    assert_eq!(org.patch("Contact", &id, ok).status, 204);
    check(&mut org, json!({"MailingCity": "long"}), "STRING_TOO_LONG", &["MailingCity"]);
    check(&mut org, json!({"Phone": "1x"}), "FIELD_CUSTOM_VALIDATION_EXCEPTION", &["Phone"]);
    check(&mut org, json!({"Title": "t"}), "INVALID_FIELD_FOR_INSERT_UPDATE", &["Title"]);
    check(&mut org, json!({"LastName": "B"}), "DUPLICATE_VALUE", &[]);
    check(&mut org, json!({"Department": null}), "REQUIRED_FIELD_MISSING", &["Department"]);
    check(&mut org, json!({"Fax": "1"}), "INVALID_FIELD", &[]);
    let edit = json!({"object": "Contact", "id": id, "fields": {"Title": "t", "Fax": "1"}});
    assert_eq!(org.sim("POST", "edit", edit)["ok"], true, "people may");
    assert_eq!(org.query("SELECT Fax FROM Contact").code(), "INVALID_FIELD");
    org.fault(json!({"rules": []}));
    assert_eq!(org.value("Contact", &id, "Fax"), "1", "the field returns with its value");
}

#[test]
fn a_duplicate_rule_refuses_and_an_alert_lets_through_who_says_so() {
    let mut org = Fixture::empty();
    let lead = org.create("Lead", json!({"LastName": "a", "Company": "c", "Email": "a@b.jp"}));
    org.fault(json!({"duplicate_rules": [
        {"object": "Contact", "against": "Lead", "fields": ["Email"]},
        {"object": "Contact", "fields": ["LastName", "Phone"], "blocks": true}]}));
    let body = r#"{"LastName":"a","Email":"A@b.jp","Phone":"1"}"#;
    let got = org.call("POST", "/sobjects/Contact", body);
    assert_eq!((got.status, got.code()), (400, "DUPLICATES_DETECTED"));
    let result = &got.body[0]["duplicateResut"];
    assert_eq!(result["allowSave"], true);
    assert_eq!(result["matchResults"][0]["matchRecords"][0]["record"]["Id"], *lead);
    let header = [("sforce-duplicate-rule-header", "allowSave=true")];
    let path = format!("{BASE}/sobjects/Contact");
    assert_eq!(org.send("POST", &path, &header, body).status, 201);
    let blocked = org.send("POST", &path, &header, body);
    assert_eq!(blocked.body[0]["duplicateResut"]["allowSave"], false);
    let many =
        format!(r#"{{"records":[{}]}}"#, body.replace('{', r#"{"attributes":{"type":"Contact"},"#));
    let got = org.call("POST", "/composite/sobjects", &many);
    assert_eq!(got.body[0]["errors"][0]["statusCode"], "DUPLICATES_DETECTED");
}

#[test]
fn a_cascade_is_described_and_tells() {
    let mut org = Fixture::empty();
    let account = org.create("Account", json!({"Name": "a"}));
    let child = org.create("Account", json!({"Name": "b", "ParentId": account}));
    let contact = org.create("Contact", json!({"LastName": "c", "AccountId": account}));
    let described = org.get("/sobjects/Account/describe");
    let children = described.body["childRelationships"].as_array().unwrap();
    let cascade = |name: &str| {
        children.iter().find(|c| c["relationshipName"] == name).unwrap()["cascadeDelete"].clone()
    };
    assert_eq!(
        [cascade("Contacts"), cascade("Opportunities"), cascade("ChildAccounts")],
        [json!(true), json!(true), json!(false)]
    );
    assert_eq!(org.call("DELETE", &format!("/sobjects/Account/{account}"), "").status, 204);
    org.clock.advance(120_000);
    assert_eq!(org.deleted("Contact"), [&*contact]);
    assert_eq!(org.value("Account", &child, "ParentId"), Value::Null, "plain lookups are emptied");
    org.fault(json!({"cascade_tells": false}));
    assert_eq!(org.deleted("Contact"), [""; 0]);
    let all: String =
        url::form_urlencoded::byte_serialize(b"SELECT Id FROM Contact WHERE IsDeleted = true")
            .collect();
    assert_eq!(org.get(&format!("/queryAll?q={all}")).body["totalSize"], 1);
    let target = json!({"object": "Account", "id": account});
    assert_eq!(org.sim("POST", "restore", target)["ok"], true);
    assert_eq!(org.value("Contact", &contact, "AccountId"), *account, "children come back");
    assert_eq!(org.value("Account", &child, "ParentId"), *account, "and lookups nobody replaced");
}

#[test]
fn won_opportunities_hold_their_account() {
    let mut org = Fixture::empty();
    let account = org.create("Account", json!({"Name": "a"}));
    org.create("Opportunity", json!({"Name": "d", "AccountId": account, "StageName": "Closed Won", "CloseDate": "2026-01-01"}));
    let path = format!("/sobjects/Account/{account}");
    let got = org.call("DELETE", &path, "");
    assert_eq!((got.status, got.code()), (400, "DELETE_FAILED"));
    assert!(got.text.contains("closed won"), "{}", got.text);
    org.fault(json!({"won_deals_block_deletion": false}));
    assert_eq!(org.call("DELETE", &path, "").status, 204);
}

#[test]
fn options_are_renamed_and_made_inactive() {
    let mut org = Fixture::empty();
    let id = org.create("Lead", json!({"LastName": "a", "Company": "c", "Rating": "hot"}));
    assert_eq!(org.value("Lead", &id, "Rating"), "Hot", "the entry's own spelling");
    org.clock.advance(5_000);
    org.fault(json!({"options": [
        {"object": "Lead", "field": "Rating", "value": "Hot", "renamed_to": "Burning"},
        {"object": "Lead", "field": "Rating", "value": "Cold", "state": "inactive"}]}));
    assert_eq!(org.value("Lead", &id, "Rating"), "Burning");
    let stamps =
        org.query("SELECT LastModifiedDate, SystemModstamp FROM Lead").body["records"][0].clone();
    assert_ne!(stamps["LastModifiedDate"], stamps["SystemModstamp"], "only one stamp moves");
    for (value, status) in [("Burning", 204), ("Hot", 400), ("Cold", 400), ("Warm", 204)] {
        assert_eq!(org.patch("Lead", &id, json!({"Rating": value})).status, status, "{value}");
    }
    let several = org
        .create("Lead", json!({"LastName": "a", "Company": "c", "Interests__c": "sales; Service"}));
    assert_eq!(org.value("Lead", &several, "Interests__c"), "Sales;Service");
    assert_eq!(
        org.patch("Lead", &several, json!({"Interests__c": "Sales;x"})).code(),
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    );
}

#[test]
fn owners_leave_and_some_objects_refuse_them() {
    let mut org = Fixture::empty();
    org.fault(json!({"absent_owners": ["eigyo@sim.example.jp"]}));
    let gone =
        org.query("SELECT Id FROM User WHERE IsActive = false").body["records"][0]["Id"].clone();
    let contact = json!({"LastName": "a", "OwnerId": gone}).to_string();
    assert_eq!(org.call("POST", "/sobjects/Contact", &contact).code(), "INACTIVE_OWNER_OR_USER");
    org.create("Account", json!({"Name": "a", "OwnerId": gone}));
}

#[test]
fn records_are_hidden_or_closed_to_the_client() {
    let mut org = Fixture::empty();
    let hidden = org.create("Account", json!({"Name": "a", "Renkei_Id__c": "k"}));
    let closed = org.contact("b");
    org.fault(json!({"hidden_records": [hidden], "read_only_records": [closed]}));
    assert_eq!(org.count("SELECT COUNT() FROM Account"), 0);
    assert_eq!(org.get(&format!("/sobjects/Account/{hidden}")).status, 404);
    assert_eq!(org.patch("Account", &hidden, json!({"Name": "x"})).status, 404);
    let got = org.patch("Contact", &closed, json!({"AccountId": null}));
    assert_eq!((got.status, got.code()), (403, "INSUFFICIENT_ACCESS_OR_READONLY"));
    let body = json!({"LastName": "c", "AccountId": hidden}).to_string();
    let got = org.call("POST", "/sobjects/Contact", &body);
    assert_eq!(got.code(), "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY");
    assert!(got.body[0]["message"].as_str().unwrap().ends_with(hidden.get(..15).unwrap()));
    let got = org.call("PATCH", "/sobjects/Account/Renkei_Id__c/k", r#"{"Name":"c"}"#);
    assert_eq!(got.code(), "DUPLICATE_VALUE", "the key is held by a record that is not seen");
}

#[test]
fn another_org_answers_at_the_same_address() {
    let mut org = Fixture::empty();
    let ids = |org: &mut Fixture| {
        let row =
            org.query("SELECT Id, TimeZoneSidKey FROM Organization").body["records"][0].clone();
        let info = org.send("GET", "/services/oauth2/userinfo", &[], "").body;
        (row["Id"].clone(), info["organization_id"].clone(), row["TimeZoneSidKey"].clone())
    };
    let before = ids(&mut org);
    org.fault(json!({"account_id": 4_711, "time_zone": "Europe/Berlin", "clock_offset_ms": 7_000}));
    let after = ids(&mut org);
    assert_ne!(before.0, after.0);
    assert_eq!(after.0, after.1, "the row is the org of the token");
    assert_eq!(after.2, "Europe/Berlin");
    let id = org.contact("a");
    assert_eq!(org.value("Contact", &id, "CreatedDate"), "2026-09-21T14:13:27.000+0000");
}

#[test]
fn record_types_decide_what_a_picklist_offers() {
    let mut org = Fixture::empty();
    assert_eq!(org.query("SELECT RecordTypeId FROM Lead").code(), "INVALID_FIELD");
    org.fault(json!({"record_types": true}));
    let infos = org.get("/sobjects/Lead/describe").body["recordTypeInfos"].clone();
    assert_eq!(infos.as_array().unwrap().len(), 3);
    let types =
        org.query("SELECT Id, DeveloperName FROM RecordType WHERE SobjectType = 'Lead'").body;
    let of = |name: &str| {
        types["records"].as_array().unwrap().iter().find(|r| r["DeveloperName"] == name).unwrap()["Id"].clone()
    };
    let lead = |kind: &Value, rating: &str| {
        json!({"LastName": "a", "Company": "c", "Rating": rating, "RecordTypeId": kind}).to_string()
    };
    let plain = org.create("Lead", json!({"LastName": "a", "Company": "c", "Rating": "Cold"}));
    assert_eq!(org.value("Lead", &plain, "RecordTypeId"), of("Standard"));
    let got = org.call("POST", "/sobjects/Lead", &lead(&of("Partner"), "Cold"));
    assert_eq!(got.code(), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST");
    let foreign = org.query("SELECT Id FROM RecordType WHERE SobjectType = 'Account'").body["records"][0]["Id"].clone();
    let got = org.call("POST", "/sobjects/Lead", &lead(&foreign, "Hot"));
    assert_eq!(
        (got.code(), &got.body[0]["fields"]),
        ("INVALID_CROSS_REFERENCE_KEY", &json!(["RecordTypeId"]))
    );
}

#[test]
fn a_person_account_is_one_with_its_contact() {
    let mut org = Fixture::empty();
    org.fault(json!({"person_accounts": true}));
    let id = org.create(
        "Account",
        json!({"LastName": "山田", "FirstName": "太郎", "PersonEmail": "a@b.jp"}),
    );
    assert_eq!(org.value("Account", &id, "IsPersonAccount"), true);
    assert_eq!(org.value("Account", &id, "Name"), "太郎 山田");
    let contact = org.value("Account", &id, "PersonContactId").as_str().unwrap().to_owned();
    assert_eq!(org.value("Contact", &contact, "Email"), "a@b.jp");
    org.patch("Account", &id, json!({"PersonEmail": "c@b.jp"}));
    assert_eq!(org.value("Contact", &contact, "Email"), "c@b.jp");
    org.patch("Contact", &contact, json!({"FirstName": "次郎"}));
    assert_eq!(org.value("Account", &id, "Name"), "次郎 山田");
    let business = org.create("Account", json!({"Name": "会社"}));
    assert_eq!(org.value("Account", &business, "IsPersonAccount"), false);
}

#[test]
fn a_custom_object_is_there_only_where_the_org_has_it() {
    let mut org = Fixture::empty();
    assert_eq!(org.get("/sobjects/Project__c/describe").status, 404);
    org.fault(json!({"custom_objects": true, "failing_objects": ["Lead"], "forbidden_objects": ["Campaign"]}));
    let id = org.create("Project__c", json!({"Topics__c": "Sales;Research"}));
    assert_eq!(
        org.value("Project__c", &id, "Name"),
        id.get(..15).unwrap(),
        "an empty name is the id"
    );
    assert_eq!(org.query("SELECT Id FROM Lead").status, 500);
    assert_eq!(org.query("SELECT Id FROM Campaign").code(), "INVALID_TYPE");
}
