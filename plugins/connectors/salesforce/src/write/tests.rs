//! Operations become requests, and results become outcomes.

use renkei_sdk::{Action, Applied, Attributes, Operation, Value};

use crate::config::Config;

use super::call::WriteVerb;
use super::collections::{CollectionRecord, assign_results};
use super::*;

fn config() -> Config {
    Config::read(&Attributes::new()).unwrap()
}

fn operation(action: Action, name: &str, cells: Vec<Option<Value>>) -> Operation {
    let id = (action != Action::Create).then_some(name);
    Operation::new(format!("intent-{name}"), action, id, cells)
}

fn request(operations: Vec<Operation>) -> WriteRequest {
    WriteRequest::new("Contact", ["LastName", "AccountId"], operations)
}

fn rows(calls: &[WriteCall]) -> Vec<Vec<usize>> {
    calls.iter().map(|call| call.rows.clone()).collect()
}

fn of_account(id: &str) -> Vec<Option<Value>> {
    vec![Some("山田".into()), Some(Value::References(vec![id.into()]))]
}

#[test]
fn rows_of_one_parent_stay_together() {
    let request = request(
        ["A2", "A1", "A2", "A1"]
            .iter()
            .enumerate()
            .map(|(n, account)| operation(Action::Update, &n.to_string(), of_account(account)))
            .collect(),
    );
    let calls = plan_calls(&request, None, &config(), &mut BTreeMap::new());
    assert_eq!(rows(&calls), [[1, 3, 0, 2]]);
}

#[test]
fn requests_hold_two_hundred_rows_and_no_record_twice() {
    let many = (0..450).map(|n| operation(Action::Create, &n.to_string(), vec![None, None]));
    let calls =
        plan_calls(&request(many.collect()), Some("Renkei_Id__c"), &config(), &mut BTreeMap::new());
    assert_eq!(calls.iter().map(|call| call.rows.len()).collect::<Vec<_>>(), [200, 200, 50]);
    assert_eq!(calls[0].verb, WriteVerb::Upsert("Renkei_Id__c".into()));

    let twice = ["x", "y", "x"].map(|id| operation(Action::Update, id, vec![None, None]));
    let calls = plan_calls(&request(twice.to_vec()), None, &config(), &mut BTreeMap::new());
    assert_eq!(rows(&calls), [vec![0, 1], vec![2]]);
}

#[test]
fn unsendable_operation_is_refused_alone() {
    let mut lost = operation(Action::Update, "x", vec![None, None]);
    lost.id = None;
    let restore = operation(Action::Restore, "y", vec![None, None]);
    let archive = operation(Action::Archive, "z", vec![None, None]);
    let mut outcomes = BTreeMap::new();
    let calls = plan_calls(&request(vec![lost, restore, archive]), None, &config(), &mut outcomes);
    assert_eq!(rows(&calls), [[2]]);
    assert!(matches!(outcomes[&0], Outcome::Rejected(_)));
    assert!(matches!(outcomes[&1], Outcome::Rejected(_)));
}

#[test]
fn record_begins_with_its_attributes_and_key() {
    let name = Value::Text("山田".into());
    let other = Value::Text("someone else's".into());
    let record = CollectionRecord {
        object: "Contact",
        key: Some(("Renkei_Id__c", "intent-1")),
        fields: vec![("LastName", &name), ("Renkei_Id__c", &other), ("Phone", &Value::Null)],
    };
    assert_eq!(
        serde_json::to_string(&record).unwrap(),
        concat!(
            r#"{"attributes":{"type":"Contact"},"Renkei_Id__c":"intent-1","#,
            r#""LastName":"山田","Phone":null}"#
        )
    );
}

#[test]
fn results_go_to_their_operations() {
    let request = request(
        ["0031", "0032"].map(|id| operation(Action::Update, id, vec![None, None])).to_vec(),
    );
    let results = r#"[
        {"success":false,"errors":[{"statusCode":"ENTITY_IS_DELETED","message":"entity is deleted",
                                    "fields":[]}]},
        {"id":"0031","success":true,"errors":[]}]"#;
    let call = WriteCall { verb: WriteVerb::Update, rows: vec![1, 0], by_job: false };
    let mut outcomes = BTreeMap::new();
    assign_results(&request, &call, serde_json::from_str(results).unwrap(), &mut outcomes);
    assert_eq!(outcomes[&1], Outcome::Gone);
    assert_eq!(outcomes[&0], Outcome::Applied(Applied::updated("0031")));
}
