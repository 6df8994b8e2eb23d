//! Writes, merges and activities over loopback.
//!
//! Each test counts records behind the API's back, so that a double or a lost one shows.

use renkei_sdk::{Activity, Applied, MergeRequest, Removal};

use super::*;

fn create(intent: &str, mail: &str) -> Operation {
    operation(intent, Action::Create, None, vec![mail.into()])
}

fn applied(outcome: &Outcome) -> &Applied {
    match outcome {
        Outcome::Applied(applied) => applied,
        other => panic!("{other:?}"),
    }
}

#[test]
fn repeated_create_makes_one_record() {
    let sim = Sim::start(10, calm());
    let before = sim.live("contacts").len();
    let all = || vec![create("i-1", "one@example.jp"), create("i-2", "two@example.jp")];
    let first = sim.write(&["email"], all());
    let second = sim.write(&["email"], all());
    assert_eq!(sim.live("contacts").len(), before + 2);
    for (first, second) in first.iter().zip(&second) {
        assert!(applied(first).created && !applied(second).created);
        assert_eq!(applied(first).id, applied(second).id);
    }
    assert_eq!(applied(&first[0]).after, [Some(Value::from("one@example.jp"))]);
    assert!(applied(&first[0]).version.is_some());
}

#[test]
fn create_whose_answer_was_lost_is_found_by_its_intent() {
    let sim = Sim::start(10, Faults { lose_reply_after_write: 1, ..calm() });
    let before = sim.live("contacts").len();
    let outcomes = sim.write(&["email"], vec![create("i-1", "one@example.jp")]);
    assert!(matches!(outcomes[0], Outcome::Uncertain(_)), "{outcomes:?}");
    let found = sim.find(&["renkei_id", "email"], "renkei_id", &["i-1".into()]);
    assert_eq!(found[0].cells, [Some("i-1".into()), Some("one@example.jp".into())]);
    sim.set(&json!({ "lose_reply_after_write": 0 }));
    let again = sim.write(&["email"], vec![create("i-1", "one@example.jp")]);
    assert_eq!(applied(&again[0]).id, found[0].id);
    assert_eq!(sim.live("contacts").len(), before + 1);
}

#[test]
fn each_row_of_a_mixed_batch_has_its_own_outcome() {
    let sim = Sim::start(10, calm());
    let made = sim.write(&["email"], vec![create("i-1", "one@example.jp")]);
    let known = applied(&made[0]).id.clone();
    let outcomes = sim.write(
        &["email", "lifecyclestage"],
        vec![
            operation("i-2", Action::Create, None, vec!["two@example.jp".into(), "lead".into()]),
            operation("i-3", Action::Create, None, vec!["one@example.jp".into(), "lead".into()]),
            operation(
                "i-4",
                Action::Create,
                None,
                vec!["four@example.jp".into(), "no stage".into()],
            ),
            operation("i-5", Action::Update, Some("999999999"), vec![Value::Null, "lead".into()]),
            operation(
                "i-6",
                Action::Update,
                Some(&known),
                vec!["six@example.jp".into(), Value::Null],
            ),
            operation("i-7", Action::Create, None, vec!["two@example.jp".into(), "lead".into()]),
        ],
    );
    assert!(applied(&outcomes[0]).created);
    assert_eq!(outcomes[1], Outcome::exists(&known));
    let Outcome::Rejected(problems) = &outcomes[2] else { panic!("{:?}", outcomes[2]) };
    assert_eq!(problems[0].field.as_deref(), Some("lifecyclestage"));
    assert_eq!(problems[0].remedy, "source-data");
    assert_eq!(outcomes[3], Outcome::Gone);
    assert_eq!(applied(&outcomes[4]).after, [Some("six@example.jp".into()), Some(Value::Null)]);
    assert_eq!(outcomes[5], Outcome::exists(&applied(&outcomes[0]).id));
}

/// A property of the account's own that no two records may share.
#[test]
fn holder_of_a_unique_value_is_named_to_new_and_changed_records() {
    let sim = Sim::start(10, calm());
    sim.set(&json!({ "rules": [{ "object": "contacts", "field": "mobilephone",
        "rule": "unique" }] }));
    let columns = ["email", "mobilephone"];
    let row = |intent: &str, mobile: &str| {
        let cells = vec![format!("{intent}@example.jp").into(), mobile.into()];
        operation(intent, Action::Create, None, cells)
    };
    let there = sim.write(&columns, vec![row("i-1", "090-1"), row("i-2", "090-2")]);
    let [one, two] = [0, 1].map(|index| applied(&there[index]).id.clone());
    let mut change = row("i-5", "090-1");
    (change.action, change.id, change.cells[0]) = (Action::Update, Some(two), None);
    let mixed = vec![row("i-3", "090-1"), row("i-4", "090-4"), change];
    let outcomes = sim.write(&columns, mixed);
    assert_eq!(outcomes[0], Outcome::exists(&one));
    assert!(applied(&outcomes[1]).created);
    assert_eq!(outcomes[2], Outcome::exists(one));
}

#[test]
fn unknown_property_fails_only_rows_that_write_it() {
    let sim = Sim::start(10, calm());
    let mut without = create("i-1", "one@example.jp");
    without.cells.push(None);
    let with = operation("i-2", Action::Create, None, vec!["two@example.jp".into(), "x".into()]);
    let outcomes = sim.write(&["email", "no_such_property"], vec![without, with]);
    assert!(applied(&outcomes[0]).created);
    let Outcome::Rejected(problems) = &outcomes[1] else { panic!("{:?}", outcomes[1]) };
    assert_eq!(problems[0].field.as_deref(), Some("no_such_property"));
    assert_eq!(problems[0].remedy, "admin");
}

#[test]
fn thousand_creates_take_eleven_calls() {
    let sim = Sim::start(10, calm());
    let company = sim.live("companies")[0].clone();
    let all = (0..1000).map(|n| {
        let cells =
            vec![format!("n{n}@example.jp").into(), Value::References(vec![company.clone()])];
        operation(&format!("i-{n}"), Action::Create, None, cells)
    });
    sim.reset();
    let outcomes = sim.write(&["email", "associations.companies"], all.collect());
    assert!(outcomes.iter().all(|outcome| applied(outcome).created));
    assert_eq!(sim.calls(), 11);
    let expected = Some(Value::References(vec![company]));
    assert!(outcomes.iter().all(|outcome| applied(outcome).after[1] == expected));
}

#[test]
fn associations_follow_the_column() {
    let sim = Sim::start(20, calm());
    let companies = sim.live("companies");
    let columns = ["email", "associations.companies"];
    let refer =
        |ids: &[usize]| Value::References(ids.iter().map(|one| companies[*one].clone()).collect());
    let id = {
        let cells = vec!["one@example.jp".into(), refer(&[0, 1])];
        let outcomes = sim.write(&columns, vec![operation("i-1", Action::Create, None, cells)]);
        applied(&outcomes[0]).id.clone()
    };
    let check = |wanted: Value, removes: &[usize], expected: Value| {
        let update = Operation {
            cells: vec![None, Some(wanted)],
            ..operation("i-2", Action::Update, Some(&id), Vec::new())
        };
        let goes = removes.iter().map(|one| format!("i-2 {} {}", columns[1], companies[*one]));
        let goes: Vec<String> = goes.collect();
        let options = vec![("removes".to_owned(), Value::Choices(goes))];
        let options = if removes.is_empty() { Vec::new() } else { options };
        let outcomes = sim.write_with(&columns, vec![update], options);
        assert_eq!(applied(&outcomes[0]).after[1], Some(expected.clone()));
        let page = sim.read_records(&columns, std::slice::from_ref(&id));
        assert_eq!(page.batch.rows[0].cells[1], Some(expected));
    };
    check(refer(&[2]), &[0], refer(&[2, 1]));
    check(refer(&[2, 0]), &[], refer(&[2, 0, 1]));
    check(refer(&[0]), &[2], refer(&[0, 1]));
    let Value::References(mut rest) = refer(&[1]) else { panic!() };
    rest.insert(0, String::new());
    check(Value::Null, &[0], Value::References(rest));
    check(Value::Null, &[], Value::Null);
}

#[test]
fn archived_record_is_gone_for_the_next_write() {
    let sim = Sim::start(10, calm());
    let id = sim.live("contacts")[0].clone();
    let archive = || vec![operation("i-1", Action::Archive, Some(&id), Vec::new())];
    assert_eq!(applied(&sim.write(&[], archive())[0]).id, id);
    assert!(!sim.live("contacts").contains(&id));
    assert!(matches!(sim.write(&[], archive())[0], Outcome::Applied(_)));
    let update = operation("i-2", Action::Update, Some(&id), vec!["x@example.jp".into()]);
    assert_eq!(sim.write(&["email"], vec![update])[0], Outcome::Gone);
}

#[test]
fn merge_gives_the_id_of_the_survivor() {
    let sim = Sim::start(20, calm());
    let all = sim.live("contacts");
    let losers = texts(&[&all[1], &all[2]]);
    let request = MergeRequest::new("contacts", &all[0], &losers);
    let outcome = sim.with(|hubspot| hubspot.merge(&request)).unwrap();
    let survivor = applied(&outcome).id.clone();
    assert_eq!(sim.live("contacts").len(), all.len() - 2);
    let page = sim.read_records(&["email"], &losers);
    let into = Removal::MergedInto(survivor);
    assert_eq!(page.removed.len(), 2);
    assert!(page.removed.iter().all(|one| one.removal == into));
    let request = MergeRequest::new("contacts", &all[0], &losers[..1]);
    let again = sim.with(|hubspot| hubspot.merge(&request)).unwrap();
    assert!(matches!(again, Outcome::Rejected(_)), "{again:?}");
}

#[test]
fn note_is_added_once_where_its_intent_can_be_kept() {
    let sim = Sim::start(10, calm());
    let note = Activity {
        intent: "n-1".into(),
        object: "contacts".into(),
        ids: vec![sim.live("contacts")[0].clone()],
        kind: "note".into(),
        at: START_MS,
        subject: String::new(),
        body: "estimate sent".into(),
        facts: Vec::new(),
    };
    let add = || sim.with(|hubspot| hubspot.add_activities(std::slice::from_ref(&note))).unwrap();
    if let Outcome::Rejected(problems) = &add()[0] {
        assert_eq!(problems[0].code, "stamp-missing");
        let property = json!({ "name": "renkei_id", "label": "Renkei ID", "type": "string",
            "fieldType": "text", "groupName": "noteinformation", "hasUniqueValue": true });
        sim.post("/crm/v3/properties/notes", &property);
    }
    let (first, second) = (add(), add());
    assert_eq!(applied(&first[0]).id, applied(&second[0]).id);
    assert_eq!(sim.live("notes").len(), 1);
}

#[test]
fn locks_and_server_errors_lose_and_double_nothing() {
    let sim = Sim::start(10, Faults { server_error_every: 3, lock_error_every: 2, ..calm() });
    let before = sim.live("contacts").len();
    let mut open: Vec<Operation> =
        (0..250).map(|n| create(&format!("i-{n}"), &format!("n{n}@example.jp"))).collect();
    for _ in 0..40 {
        let request = WriteRequest::new("contacts", ["email"], open.clone());
        // A host asks again after whatever stopped the call.
        if let Ok(outcomes) = sim.with(|hubspot| hubspot.write(&request)) {
            let both = open.into_iter().zip(outcomes);
            let failed = both.filter(|(_, outcome)| !matches!(outcome, Outcome::Applied(_)));
            open = failed.map(|(operation, _)| operation).collect();
        }
        if open.is_empty() {
            break;
        }
    }
    assert!(open.is_empty(), "{} left", open.len());
    assert_eq!(sim.live("contacts").len(), before + 250);
}
