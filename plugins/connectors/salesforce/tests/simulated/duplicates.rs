//! Duplicate rules of the org: whatever way a row travels, the record that a rule found is named.

use super::*;

fn lead(action: Action, name: &str, mail: &str) -> Operation {
    let cells = [("LastName", "山田"), ("Company", "連携商事"), ("Email", mail)];
    operation(action, name, "Lead", &cells)
}

/// A rule that lets no two leads, and no lead and contact, have one address.
fn guard_addresses() {
    let rules = ["Lead", "Contact"].map(|against| {
        json!({ "object": "Lead", "against": against, "fields": ["Email"], "blocks": true })
    });
    control("faults", &json!({ "duplicate_rules": rules }));
}

#[test]
fn duplicate_of_new_or_changed_row_is_named() {
    with_org(10, Faults::default(), |session| {
        let there = [lead(Action::Create, "i-1", "1@x.jp"), lead(Action::Create, "i-2", "2@x.jp")];
        let there = session.write("Lead", there.to_vec());
        let [one, two] = [0, 1].map(|row| applied_id(&there[row]).to_owned());
        guard_addresses();
        calls();
        let outcomes = session.write(
            "Lead",
            vec![
                lead(Action::Create, "i-3", "1@x.jp"),
                lead(Action::Create, "i-4", "4@x.jp"),
                lead(Action::Update, &two, "1@x.jp"),
                lead(Action::Create, "i-5", &"長".repeat(200)),
            ],
        );
        assert_eq!(outcomes[0], Outcome::exists(one.clone()));
        assert!(matches!(&outcomes[1], Outcome::Applied(applied) if applied.created));
        assert_eq!(outcomes[2], Outcome::exists(one));
        assert!(matches!(&outcomes[3], Outcome::Rejected(_)), "{:?}", outcomes[3]);
        assert_eq!(calls().0, 3, "a collection each, and one call for what was found");
    });
}

#[test]
fn every_record_that_a_rule_found_is_named() {
    with_org(10, Faults::default(), |session| {
        let twins = [lead(Action::Create, "i-1", "1@x.jp"), lead(Action::Create, "i-2", "1@x.jp")];
        let there = session.write("Lead", twins.to_vec());
        guard_addresses();
        let outcomes = session.write("Lead", vec![lead(Action::Create, "i-3", "1@x.jp")]);
        let Outcome::Exists(mut ids) = outcomes[0].clone() else { panic!("{outcomes:?}") };
        ids.sort_unstable();
        assert_eq!(ids, [0, 1].map(|row| applied_id(&there[row]).to_owned()));
    });
}

#[test]
fn duplicate_of_another_object_is_named_and_is_no_record_of_this_one() {
    with_org(10, Faults::default(), |session| {
        let cells = [("LastName", "山田"), ("Email", "1@x.jp")];
        let made = operation(Action::Create, "i-1", "Contact", &cells);
        let contact = applied_id(&session.write("Contact", vec![made])[0]).to_owned();
        guard_addresses();
        let outcomes = session.write("Lead", vec![lead(Action::Create, "i-2", "1@x.jp")]);
        assert_eq!(outcomes, [Outcome::exists(contact.clone())]);
        let ids = [contact];
        calls();
        let page = session.read_records("Lead", &ids);
        assert!(page.batch.rows.is_empty() && page.removed.is_empty());
        assert_eq!(calls().0, 0, "a contact's id is not asked for among leads");
    });
}

#[test]
fn duplicate_is_named_and_made_once_when_object_has_no_stamp_field() {
    with_org(10, Faults::default(), |session| {
        let settings = vec![("stamp_field".to_owned(), "Not_There__c".into())];
        session.connector = Salesforce::configure(&settings).unwrap();
        let there = session.write("Lead", vec![lead(Action::Create, "i-1", "1@x.jp")]);
        guard_addresses();
        let before = ids_in_org("Lead").len();
        let outcomes = session.write("Lead", vec![lead(Action::Create, "i-2", "1@x.jp")]);
        assert_eq!(outcomes, [Outcome::exists(applied_id(&there[0]))]);
        assert_eq!(ids_in_org("Lead").len(), before);
    });
}

#[test]
fn duplicate_in_a_job_is_named() {
    with_org(10, Faults::default(), |session| {
        let there = session.write("Lead", vec![lead(Action::Create, "i-1", "1@x.jp")]);
        guard_addresses();
        let mut many: Vec<Operation> = (0..2_100)
            .map(|n| lead(Action::Create, &format!("m-{n}"), &format!("m{n}@x.jp")))
            .collect();
        many[7] = lead(Action::Create, "m-7", "1@x.jp");
        let outcomes = session.write("Lead", many);
        let exists = Outcome::exists(applied_id(&there[0]));
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == exists).count(), 1);
        assert_eq!(outcomes[7], exists);
    });
}

#[test]
fn lost_answer_about_a_duplicate_is_uncertain() {
    let lose = |request: &Request| {
        let single = request.path.contains("/composite/batch");
        single.then(|| Failure::NoAnswer("the connection broke".to_owned()))
    };
    with_host(10, Faults::default(), lose, |session| {
        session.write("Lead", vec![lead(Action::Create, "i-1", "1@x.jp")]);
        guard_addresses();
        let outcomes = session.write("Lead", vec![lead(Action::Create, "i-2", "1@x.jp")]);
        assert!(matches!(outcomes[0], Outcome::Uncertain(_)), "{outcomes:?}");
    });
}
