//! Writes: idempotent creates, partial failures, locks, lost answers, activities.

use renkei_sdk::{Activity, Error};

use super::*;

fn create(intent: &str, last_name: &str) -> Operation {
    let cells = [("LastName", last_name), ("Company", "連携商事")];
    operation(Action::Create, intent, "Lead", &cells)
}

fn update(id: &str, last_name: impl Into<Value> + Clone) -> Operation {
    operation(Action::Update, id, "Lead", &[("LastName", last_name)])
}

#[test]
fn repeated_intent_makes_one_record() {
    with_org(10, Faults::default(), |session| {
        let before = ids_in_org("Lead").len();
        let first = session.write("Lead", vec![create("intent-1", "山田")]);
        session.restart();
        let second = session.write("Lead", vec![create("intent-1", "山田")]);
        assert_eq!(applied_id(&first[0]), applied_id(&second[0]));
        assert!(matches!(&first[0], Outcome::Applied(applied) if applied.created));
        assert!(matches!(&second[0], Outcome::Applied(applied) if !applied.created));
        assert_eq!(ids_in_org("Lead").len(), before + 1);

        let (columns, intents) = (["LastName", "Renkei_Id__c"], ["intent-1", "intent-2"]);
        let found = session.find(&FindRequest::new("Lead", columns, "Renkei_Id__c", intents));
        assert_eq!(found.rows.len(), 1);
        assert_eq!(found.rows[0].id, applied_id(&first[0]));
    });
}

#[test]
fn writes_travel_two_hundred_at_a_time() {
    with_org(10, Faults::default(), |session| {
        let many: Vec<Operation> =
            (0..450).map(|n| create(&format!("intent-{n}"), "多数")).collect();
        session.connector.discover(&["Lead".to_owned()]).unwrap();
        calls();
        let created = session.write("Lead", many);
        assert_eq!(calls(), (3, 3));
        let updates = created.iter().map(|outcome| update(applied_id(outcome), "変更")).collect();
        let updated = session.write("Lead", updates);
        assert_eq!(calls(), (3, 3));
        let pairs = created.iter().zip(&updated);
        assert!(pairs.clone().all(|(new, old)| applied_id(new) == applied_id(old)));
    });
}

#[test]
fn every_operation_has_its_own_outcome_in_order() {
    with_org(50, Faults::default(), |session| {
        let ids = ids_in_org("Lead");
        control("delete", &json!({"object": "Lead", "id": ids[1]}));
        let outcomes = session.write(
            "Lead",
            vec![
                update(&ids[0], "良い"),
                update(&ids[1], "遅い"),
                update(&ids[2], Value::Null),
                create("intent-long", &"長".repeat(200)),
                create("intent-good", "新規"),
                operation(Action::Archive, &ids[3], "Lead", &[("LastName", "")]),
                operation(Action::Archive, &ids[1], "Lead", &[("LastName", "")]),
            ],
        );
        assert_eq!(applied_id(&outcomes[0]), ids[0]);
        assert_eq!(outcomes[1], Outcome::Gone);
        let rejected = |outcome: &Outcome| match outcome {
            Outcome::Rejected(problems) => problems[0].clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(rejected(&outcomes[2]).code, "REQUIRED_FIELD_MISSING");
        assert_eq!(rejected(&outcomes[2]).field.as_deref(), Some("LastName"));
        assert_eq!(rejected(&outcomes[3]).code, "STRING_TOO_LONG");
        assert_eq!(rejected(&outcomes[3]).remedy, "source-data");
        assert!(matches!(&outcomes[4], Outcome::Applied(applied) if applied.created));
        assert_eq!(applied_id(&outcomes[5]), ids[3]);
        assert_eq!(outcomes[6], Outcome::Gone);
    });
}

#[test]
fn converted_lead_is_gone() {
    with_org(50, Faults::default(), |session| {
        let lead = ids_in_org("Lead")[0].clone();
        control("convert", &json!({"id": lead}));
        assert_eq!(session.write("Lead", vec![update(&lead, "誰")]), [Outcome::Gone]);
    });
}

#[test]
fn locked_row_is_tried_again_later() {
    with_org(50, Faults { lock_error_every: 1, ..Faults::default() }, |session| {
        let updates: Vec<Operation> =
            ids_in_org("Lead").iter().take(6).map(|id| update(id, "鍵")).collect();
        let outcomes = session.write("Lead", updates.clone());
        let again: Vec<Operation> = updates
            .into_iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| matches!(outcome, Outcome::RetryAfter(_)))
            .map(|(operation, _)| operation)
            .collect();
        assert_eq!(again.len(), 2);
        control("faults", &json!({"lock_error_every": 0}));
        let outcomes = session.write("Lead", again);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Applied(_))));
    });
}

#[test]
fn values_come_back_as_they_were_written() {
    with_org(50, Faults::default(), |session| {
        let account = ids_in_org("Account")[0].clone();
        let cells = [
            ("LastName", Value::from("髙橋 \"O'Brien\" \\ 山田")),
            ("AccountId", Value::References(vec![account.clone()])),
            ("Description", Value::from("一行目\n二行目")),
        ];
        let created = session
            .write("Contact", vec![operation(Action::Create, "intent-1", "Contact", &cells)]);
        let id = applied_id(&created[0]).to_owned();
        let read = |session: &mut OrgSession| {
            let ids = [id.clone()];
            let page = session.read_records("Contact", &ids);
            page.batch.rows[0].cells.clone()
        };
        let before = read(session);
        assert_eq!(before[0], Some(cells[0].1.clone()));
        assert_eq!(before[1], Some(cells[1].1.clone()));
        assert_eq!(before[3], Some(cells[2].1.clone()));
        let clear = [("AccountId", Value::Null), ("Description", Value::Null)];
        session.write("Contact", vec![operation(Action::Update, &id, "Contact", &clear)]);
        let after = read(session);
        assert_eq!(after[0], before[0]);
        assert_eq!((&after[1], &after[3]), (&Some(Value::Null), &Some(Value::Null)));
    });
}

#[test]
fn lost_answer_is_uncertain_and_probed_by_the_stamp() {
    let lose = |request: &Request| {
        let write = request.path.contains("/composite/sobjects");
        write.then(|| Failure::NoAnswer("the connection broke".to_owned()))
    };
    with_host(10, Faults::default(), lose, |session| {
        let outcomes = session.write("Lead", vec![create("intent-1", "山田")]);
        assert!(matches!(outcomes[0], Outcome::Uncertain(_)), "{outcomes:?}");
        let columns = columns("Lead");
        let found = session.find(&FindRequest::new("Lead", columns, "Renkei_Id__c", ["intent-1"]));
        assert_eq!(found.rows.len(), 1);
    });
}

#[test]
fn write_tells_what_was_written_before_quota_ran_out() {
    with_org(10, Faults::default(), |session| {
        session.connector.discover(&["Lead".to_owned()]).unwrap();
        let used = session.connector.check().unwrap();
        let daily = used.facts.integer("daily-calls").unwrap();
        let left = used.facts.integer("daily-calls-left").unwrap();
        control("faults", &json!({"daily_limit": daily - left + 1}));
        let many: Vec<Operation> = (0..400).map(|n| create(&format!("i-{n}"), "多数")).collect();
        let outcomes = session.write("Lead", many.clone());
        let (first, second) = outcomes.split_at(200);
        assert!(first.iter().all(|outcome| matches!(outcome, Outcome::Applied(_))));
        assert!(
            second.iter().all(|outcome| matches!(outcome, Outcome::RetryAfter(ms) if *ms > 60_000))
        );
        let error = session.connector.write(&written("Lead", many)).unwrap_err();
        assert!(matches!(error, Error::RetryAfter(_)), "{error:?}");
    });
}

fn call(intent: &str, contact: &str) -> Activity {
    Activity {
        intent: intent.into(),
        object: "Contact".into(),
        ids: vec![contact.to_owned()],
        kind: "call".into(),
        at: 1_789_999_000_000,
        subject: "電話".into(),
        body: "折り返し".into(),
        facts: Vec::new(),
    }
}

/// Adds two activities twice, under settings that name this stamp field.
fn check_added_once(stamp_field: &str) {
    with_org(50, Faults::default(), |session| {
        let contact = ids_in_org("Contact")[0].clone();
        let before = ids_in_org("Task").len();
        let mut add = |intents: [&str; 2]| {
            let settings = vec![("stamp_field".to_owned(), stamp_field.into())];
            session.connector = Salesforce::configure(&settings).unwrap();
            session.connector.add_activities(&intents.map(|intent| call(intent, &contact))).unwrap()
        };
        let (first, again) = (add(["a-1", "a-2"]), add(["a-2", "a-1"]));
        assert_eq!(applied_id(&first[0]), applied_id(&again[1]));
        assert_eq!(applied_id(&first[1]), applied_id(&again[0]));
        assert_eq!(ids_in_org("Task").len(), before + 2);
    });
}

#[test]
fn activity_is_added_once() {
    check_added_once("Renkei_Id__c");
}

#[test]
fn activity_is_added_once_without_a_stamp_field() {
    check_added_once("Not_There__c");
}
