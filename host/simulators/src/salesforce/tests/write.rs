//! Writing (S-record-1 to S-record-4, S-error-1 to S-error-5).

use super::*;

/// A body of contacts; keys are spelled out since `json!` sorts them and `attributes` come first.
fn people(lasts: &[&str], all_or_none: bool) -> String {
    let record =
        |last: &&str| format!(r#"{{"attributes":{{"type":"Contact"}},"LastName":"{last}"}}"#);
    let records: Vec<String> = lasts.iter().map(record).collect();
    format!(r#"{{"allOrNone":{all_or_none},"records":[{}]}}"#, records.join(","))
}

/// The error code of each row, `ok` where there is none.
fn codes(got: &Got) -> Vec<&str> {
    let rows = got.body.as_array().unwrap().iter();
    rows.map(|row| row["errors"][0]["statusCode"].as_str().unwrap_or("ok")).collect()
}

#[test]
fn a_record_is_created_changed_and_deleted() {
    let mut org = Fixture::empty();
    let got = org.call("POST", "/sobjects/Contact", r#"{"LastName":" 山田 ","FirstName":"太郎"}"#);
    assert_eq!(got.status, 201);
    let id = got.id();
    assert_eq!(got.header("location"), format!("{BASE}/sobjects/Contact/{id}"));
    assert_eq!(org.value("Contact", &id, "Name"), "太郎 山田");
    let got = org.call("PATCH", &format!("/sobjects/Contact/{id}"), r#"{"FirstName":null}"#);
    assert_eq!((got.status, got.text.as_str()), (204, ""));
    assert_eq!(org.value("Contact", &id, "FirstName"), Value::Null);
    assert_eq!(org.call("DELETE", &format!("/sobjects/Contact/{id}"), "").status, 204);
    let again = org.call("DELETE", &format!("/sobjects/Contact/{id}"), "");
    assert_eq!((again.status, again.code()), (404, "ENTITY_IS_DELETED"));
    assert_eq!(again.body[0]["fields"], json!([]));
}

#[test]
fn refusals_have_the_recorded_codes() {
    let mut org = Fixture::empty();
    let taken = org.create("Account", json!({"Name": "a", "Renkei_Id__c": "K"}));
    let cases = [
        ("Contact", r#"{"FirstName":"x"}"#, "REQUIRED_FIELD_MISSING"),
        ("Contact", r#"{"LastName":"x","Nope":1}"#, "INVALID_FIELD"),
        ("Contact", r#"{"LastName":"x","Name":"y"}"#, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ("Contact", r#"{"LastName":"x","MailingAddress":{}}"#, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ("Contact", r#"{"LastName":"x","AccountId":"zzz"}"#, "MALFORMED_ID"),
        (
            "Contact",
            r#"{"LastName":"x","AccountId":"0015g00000000zzAAA"}"#,
            "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
        ),
        ("Contact", r#"{"LastName":"x","Email":"no"}"#, "INVALID_EMAIL_ADDRESS"),
        ("Contact", r#"{"LastName":"x""#, "JSON_PARSER_ERROR"),
        ("Account", r#"{"Name":"b","Renkei_Id__c":"k"}"#, "DUPLICATE_VALUE"),
        (
            "Opportunity",
            r#"{"Name":"d","StageName":"Nope","CloseDate":"2026-01-01"}"#,
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        ),
        ("User", r#"{"LastName":"x"}"#, "INVALID_TYPE_FOR_OPERATION"),
    ];
    for (object, body, code) in cases {
        let got = org.call("POST", &format!("/sobjects/{object}"), body);
        assert_eq!((got.status, got.code()), (400, code), "{body}");
    }
    let long = json!({"LastName": "x".repeat(81)}).to_string();
    let got = org.call("POST", "/sobjects/Contact", &long);
    assert_eq!((got.code(), &got.body[0]["fields"]), ("STRING_TOO_LONG", &json!(["LastName"])));
    let got = org.call("POST", "/sobjects/Contact", "{}");
    assert_eq!(got.body[0]["message"], "Required fields are missing: [LastName]");
    let got = org.call("POST", "/sobjects/Account", r#"{"Name":"b","Renkei_Id__c":"k"}"#);
    let text =
        format!("duplicate value found: Renkei_Id__c duplicates value on record with id: {taken}");
    assert_eq!(got.body[0]["message"], text);
    assert_eq!(org.call("POST", "/sobjects/Nope", "{}").status, 404);
    assert_eq!(org.call("PUT", "/sobjects/Contact", "{}").status, 405);
}

#[test]
fn upsert_tells_created_updated_and_ambiguous() {
    let mut org = Fixture::empty();
    let path = "/sobjects/Account/Renkei_Id__c/a%2Fb";
    let first = org.call("PATCH", path, r#"{"Name":"a"}"#);
    assert_eq!((first.status, &first.body["created"]), (201, &json!(true)));
    let second = org.call("PATCH", path, r#"{"Name":"b"}"#);
    assert_eq!((second.status, &second.body["created"]), (200, &json!(false)));
    assert_eq!(first.id(), second.id());
    let old = org.send("PATCH", &format!("/services/data/v45.0{path}"), &[], r#"{"Name":"c"}"#);
    assert_eq!(old.status, 204);
    let got = org.call("PATCH", path, r#"{"Name":"b","Renkei_Id__c":"z"}"#);
    assert_eq!((got.status, got.code()), (400, "INVALID_FIELD"));
    let got = org.call("PATCH", "/sobjects/Account/Renkei_Id__c/no?updateOnly=true", "{}");
    assert_eq!(got.status, 404);
    let got = org.call("PATCH", "/sobjects/Account/Website/x", "{}");
    assert_eq!((got.status, got.code()), (404, "NOT_FOUND"));
    for last in ["x", "y"] {
        org.create("Contact", json!({"LastName": last, "Email": "twin@example.jp"}));
    }
    let got = org.call("PATCH", "/sobjects/Contact/Email/TWIN@example.jp", r#"{"Title":"t"}"#);
    assert_eq!((got.status, got.body.as_array().unwrap().len()), (300, 2));
    let got = org.call("PATCH", "/sobjects/Contact/Email/new@example.jp", r#"{"LastName":"t"}"#);
    assert_eq!(got.status, 201);
}

#[test]
fn a_collection_answers_for_each_record() {
    let mut org = Fixture::empty();
    let got = org.call("POST", "/composite/sobjects", &people(&["a", "", "c"], false));
    assert_eq!(got.status, 200);
    assert_eq!(codes(&got), ["ok", "REQUIRED_FIELD_MISSING", "ok"]);
    assert_eq!(got.body[1]["errors"][0]["fields"], json!(["LastName"]));
    let id = got.body[0]["id"].as_str().unwrap();
    let update = r#"{"records":[
        {"id":"ID","attributes":{"type":"Contact"},"Title":"t"},
        {"attributes":{"type":"Contact"},"Title":"t"},
        {"attributes":{"type":"Contact"},"id":"001x","Title":"t"},
        {"Title":"t","id":"ID"}]}"#;
    let got = org.call("PATCH", "/composite/sobjects", &update.replace("ID", id));
    assert_eq!(codes(&got), ["ok", "MISSING_ARGUMENT", "MALFORMED_ID", "JSON_PARSER_ERROR"]);
    let deleted = org.call("DELETE", &format!("/composite/sobjects?ids={id},{id},nope"), "");
    assert_eq!(codes(&deleted), ["ok", "ENTITY_IS_DELETED", "MALFORMED_ID"]);
}

#[test]
fn a_collection_is_refused_as_a_whole_only_when_malformed() {
    let mut org = Fixture::empty();
    let got = org.call("POST", "/composite/sobjects", r#"{"records":[]}"#);
    assert_eq!((got.status, got.code()), (400, "REQUIRED_FIELD_MISSING"));
    assert_eq!(got.body[0]["message"], "At least 1 record is required");
    let got = org.call("POST", "/composite/sobjects", &people(&["a"; 201], false));
    assert_eq!(got.status, 400);
    for (runs, status) in [(10, 200), (11, 400)] {
        let records: Vec<&str> = (0..runs)
            .map(|at| match at % 2 {
                0 => r#"{"attributes":{"type":"Contact"},"LastName":"a"}"#,
                _ => r#"{"attributes":{"type":"Account"},"Name":"a"}"#,
            })
            .collect();
        let body = format!(r#"{{"records":[{}]}}"#, records.join(","));
        assert_eq!(org.call("POST", "/composite/sobjects", &body).status, status, "{runs}");
    }
}

#[test]
fn all_or_none_takes_back_the_good_ones() {
    let mut org = Fixture::empty();
    let got = org.call("POST", "/composite/sobjects", &people(&["a", ""], true));
    assert_eq!(codes(&got), ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]);
    assert_eq!(org.query("SELECT COUNT() FROM Contact").body["totalSize"], 0);
}

#[test]
fn collections_upsert_by_external_id_and_refer_by_it() {
    let mut org = Fixture::empty();
    org.create("Account", json!({"Name": "a", "Renkei_Id__c": "co"}));
    let body = r#"{"records":[
        {"attributes":{"type":"Contact"},"Renkei_Id__c":"p1","LastName":"x",
         "Account":{"Renkei_Id__c":"co"}},
        {"Renkei_Id__c":"p1","attributes":{"type":"Contact"},"FirstName":"y"},
        {"attributes":{"type":"Contact"},"Renkei_Id__c":"p2","LastName":"x",
         "Account":{"Renkei_Id__c":"no"}},
        {"attributes":{"type":"Contact"},"LastName":"x"}]}"#;
    let got = org.call("PATCH", "/composite/sobjects/Contact/Renkei_Id__c", body);
    assert_eq!(got.body[0]["created"], true);
    assert_eq!(got.body[1]["created"], false);
    assert_eq!(got.body[0]["id"], got.body[1]["id"]);
    let message = &got.body[2]["errors"][0]["message"];
    assert!(
        message.as_str().unwrap().contains("Foreign key external ID: no not found"),
        "{message}"
    );
    assert_eq!(got.body[3]["errors"][0]["statusCode"], "MISSING_ARGUMENT");
    let found = org.query("SELECT Name, Account.Name FROM Contact");
    assert_eq!(found.body["records"][0]["Account"]["Name"], "a");
    assert_eq!(found.body["records"][0]["Name"], "y x");
}

#[test]
fn every_nth_batch_meets_a_lock() {
    let mut org = Fixture::empty();
    org.fault(json!({"lock_error_every": 2}));
    let body = people(&["a", "b"], false);
    assert_eq!(codes(&org.call("POST", "/composite/sobjects", &body)), ["ok", "ok"]);
    let got = org.call("POST", "/composite/sobjects", &body);
    assert_eq!(codes(&got), ["UNABLE_TO_LOCK_ROW", "ok"]);
}

#[test]
fn a_precondition_guards_an_update() {
    let mut org = Fixture::empty();
    let id = org.contact("a");
    let path = format!("{BASE}/sobjects/Contact/{id}");
    let seen = org.send("GET", &path, &[], "").header("last-modified").to_owned();
    org.clock.advance(2_000);
    let guard = [("if-unmodified-since", seen.as_str())];
    assert_eq!(org.send("PATCH", &path, &guard, r#"{"Title":"a"}"#).status, 204);
    assert_eq!(org.send("PATCH", &path, &guard, r#"{"Title":"b"}"#).status, 412);
    let etag = org.send("GET", &path, &[], "").header("etag").to_owned();
    let send = |org: &mut Fixture, etag: &str| {
        org.send("PATCH", &path, &[("if-match", etag)], r#"{"FirstName":"a"}"#).status
    };
    assert_eq!((send(&mut org, &etag), send(&mut org, "\"0\"")), (204, 412));
    assert_eq!(org.value("Contact", &id, "Title"), "a");
}

#[test]
fn the_stage_decides_what_follows_from_it() {
    let mut org = Fixture::empty();
    let id = org.create(
        "Opportunity",
        json!({"Name": "d", "StageName": "Prospecting", "CloseDate": "2026-12-01"}),
    );
    assert_eq!(org.value("Opportunity", &id, "Probability"), 10.0);
    org.call("PATCH", &format!("/sobjects/Opportunity/{id}"), r#"{"StageName":"Closed Won"}"#);
    assert_eq!(org.value("Opportunity", &id, "Probability"), 100.0);
    assert_eq!(org.value("Opportunity", &id, "IsWon"), true);
}

#[test]
fn a_merge_deletes_the_loser_and_moves_its_children() {
    let mut org = Fixture::empty();
    let winner = org.create("Account", json!({"Name": "w"}));
    let loser = org.create("Account", json!({"Name": "l", "Phone": "1"}));
    let child = org.create("Contact", json!({"LastName": "c", "AccountId": loser}));
    let before = org.value("Contact", &child, "SystemModstamp");
    org.clock.advance(5_000);
    assert_eq!(org.org.merge("Account", &winner, &loser).unwrap(), winner);
    assert_eq!(org.value("Contact", &child, "AccountId"), winner.as_str());
    assert_ne!(org.value("Contact", &child, "SystemModstamp"), before);
    assert_eq!(org.value("Account", &winner, "Phone"), Value::Null);
    let q = "/queryAll?q=SELECT+Id,MasterRecordId+FROM+Account+WHERE+IsDeleted=true";
    assert_eq!(org.get(q).body["records"][0]["MasterRecordId"], winner.as_str());
    let listed = org.org.records("Account").unwrap().collect::<Vec<_>>();
    assert_eq!(listed.iter().map(|view| &view.id).collect::<Vec<_>>(), [&winner]);
    assert!(org.org.merge("Account", &winner, &loser).is_err());
}

#[test]
fn a_conversion_makes_a_contact_of_the_lead() {
    let mut org = Fixture::empty();
    let known = org.create("Account", json!({"Name": "さくら"}));
    let lead = json!({"LastName": "山田", "Company": "さくら", "Email": "y@example.jp", "City": "千代田区"});
    let lead = org.create("Lead", lead);
    let task = org.create("Task", json!({"Subject": "s", "WhoId": lead}));
    let made = org.org.convert(&lead).unwrap();
    assert_eq!(made["account"], known.as_str());
    assert_eq!(made["opportunity"], Value::Null);
    let contact = made["contact"].as_str().unwrap().to_owned();
    assert_eq!(org.value("Contact", &contact, "Email"), "y@example.jp");
    assert_eq!(org.value("Contact", &contact, "MailingCity"), "千代田区");
    assert_eq!(org.value("Contact", &contact, "AccountId"), known.as_str());
    assert_eq!(org.value("Lead", &lead, "ConvertedContactId"), contact.as_str());
    assert_eq!(org.value("Task", &task, "WhoId"), contact.as_str());
    let got = org.call("PATCH", &format!("/sobjects/Lead/{lead}"), r#"{"Title":"x"}"#);
    assert_eq!(got.code(), "CANNOT_UPDATE_CONVERTED_LEAD");
    assert!(org.org.convert(&lead).is_err());
    let other = org.create("Lead", json!({"LastName": "a", "Company": "新会社"}));
    let made = org.org.convert(&other).unwrap();
    let account = made["account"].as_str().unwrap().to_owned();
    assert_eq!(org.value("Account", &account, "Name"), "新会社");
}

#[test]
fn deleting_an_account_deletes_its_contacts() {
    let mut org = Fixture::empty();
    let account = org.create("Account", json!({"Name": "a"}));
    let contact = org.create("Contact", json!({"LastName": "c", "AccountId": account}));
    org.call("DELETE", &format!("/sobjects/Account/{account}"), "");
    assert_eq!(org.get(&format!("/sobjects/Contact/{contact}")).code(), "ENTITY_IS_DELETED");
}

#[test]
fn composite_parts_refer_to_earlier_answers() {
    let mut org = Fixture::empty();
    let url = |path: &str| format!("{BASE}{path}");
    let body = json!({"allOrNone": true, "compositeRequest": [
        {"method": "POST", "url": url("/sobjects/Account"), "referenceId": "a",
         "body": {"Name": "x"}},
        {"method": "POST", "url": url("/sobjects/Contact"), "referenceId": "c",
         "body": {"LastName": "y", "AccountId": "@{a.id}"}},
        {"method": "GET", "url": url("/sobjects/Account/@{a.id}?fields=Name"), "referenceId": "r"},
    ]});
    let got = org.call("POST", "/composite", &body.to_string());
    let codes: Vec<_> =
        (0..3).map(|at| got.body["compositeResponse"][at]["httpStatusCode"].clone()).collect();
    assert_eq!(codes, [201, 201, 200]);
    assert_eq!(got.body["compositeResponse"][2]["body"]["Name"], "x");
    let failing = body.to_string().replace("\"LastName\":\"y\"", "\"FirstName\":\"y\"");
    let got = org.call("POST", "/composite", &failing);
    assert_eq!(got.body["compositeResponse"][0]["body"][0]["errorCode"], "PROCESSING_HALTED");
    assert_eq!(org.query("SELECT COUNT() FROM Account").body["totalSize"], 1);
    let batch = json!({"batchRequests": [
        {"method": "GET", "url": "v60.0/sobjects/Account/describe"},
        {"method": "GET", "url": "v60.0/sobjects/Nope/describe"},
    ]});
    let got = org.call("POST", "/composite/batch", &batch.to_string());
    assert_eq!(
        (&got.body["hasErrors"], &got.body["results"][1]["statusCode"]),
        (&json!(true), &json!(404))
    );
    assert_eq!(got.body["results"][0]["result"]["name"], "Account");
}

#[test]
fn a_campaign_has_a_person_once() {
    let mut org = Fixture::empty();
    let campaign = org.create("Campaign", json!({"Name": "c"}));
    let contact = org.contact("a");
    let member = json!({"CampaignId": campaign, "ContactId": contact, "Status": "Responded"});
    let id = org.create("CampaignMember", member.clone());
    assert_eq!(org.value("CampaignMember", &id, "HasResponded"), true);
    let got = org.call("POST", "/sobjects/CampaignMember", &member.to_string());
    assert_eq!(got.code(), "DUPLICATE_VALUE");
}
