//! Writes by ingest jobs: the same outcomes as by collections, for fewer calls.

use std::collections::BTreeSet;

use renkei_sdk::Error;
use renkei_sdk::http::Method;
use renkei_simulators::salesforce::faults::SalesforceFaults;

use super::*;

/// More rows than `bulk_rows`.
const MANY: usize = 2_100;

fn create(n: usize) -> Operation {
    let cells = [("LastName", "多数"), ("Company", "連携商事")];
    operation(Action::Create, &format!("intent-{n}"), "Lead", &cells)
}

fn creates() -> Vec<Operation> {
    (0..MANY).map(create).collect()
}

fn update(id: &str, last_name: impl Into<Value> + Clone) -> Operation {
    operation(Action::Update, id, "Lead", &[("LastName", last_name)])
}

fn ids(outcomes: &[Outcome]) -> Vec<String> {
    outcomes.iter().map(|outcome| applied_id(outcome).to_owned()).collect()
}

fn count(outcomes: &[Outcome], is: impl Fn(&Outcome) -> bool) -> usize {
    outcomes.iter().filter(|outcome| is(outcome)).count()
}

fn applied(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Applied(_))
}

fn later(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::RetryAfter(_))
}

fn unknown(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Uncertain(_))
}

#[test]
fn many_rows_travel_by_a_job() {
    with_org(10, Faults::default(), |session| {
        let before = ids_in_org("Lead").len();
        session.connector.discover(&["Lead".to_owned()]).unwrap();
        calls();
        let created = session.write("Lead", creates());
        // Start, upload, close, one question, one list of results; collections would take eleven.
        assert_eq!(calls(), (5, 5));
        let ids = ids(&created);
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), MANY);
        let new = |outcome: &Outcome| matches!(outcome, Outcome::Applied(row) if row.created);
        assert_eq!(count(&created, new), MANY);

        let updates = ids.iter().map(|id| update(id, id.as_str())).collect();
        let updated = session.write("Lead", updates);
        assert_eq!(calls(), (5, 5));
        assert_eq!(self::ids(&updated), ids);
        let page = session.read_records("Lead", &ids);
        assert!(page.batch.iter().all(|row| row.text("LastName") == Some(row.row.id.as_str())));

        let archives = ids.iter().map(|id| operation(Action::Archive, id, "Lead", &NO_CELLS));
        calls();
        let archived = session.write("Lead", archives.collect());
        assert_eq!(calls(), (5, 5));
        assert_eq!(self::ids(&archived), ids);
        assert_eq!(ids_in_org("Lead").len(), before);
    });
}

const NO_CELLS: [(&str, &str); 0] = [];

#[test]
fn job_changes_no_editable_record_by_default() {
    with_org(10, Faults::default(), |session| {
        session.connector = Salesforce::configure(&Vec::new()).unwrap();
        session.connector.discover(&["Lead".to_owned()]).unwrap();
        calls();
        let ids = ids(&session.write("Lead", creates()));
        assert_eq!(calls(), (5, 5));
        let updated = session.write("Lead", ids.iter().map(|id| update(id, "変更")).collect());
        assert_eq!(calls(), (11, 11));
        assert_eq!(count(&updated, applied), MANY);
        let archives = ids.iter().map(|id| operation(Action::Archive, id, "Lead", &NO_CELLS));
        let archived = session.write("Lead", archives.collect());
        assert_eq!(calls(), (11, 11));
        assert_eq!(count(&archived, applied), MANY);
    });
}

#[test]
fn repeated_job_makes_no_record_twice() {
    with_org(10, Faults::default(), |session| {
        let first = session.write("Lead", creates());
        let there = ids_in_org("Lead");
        session.restart();
        let second = session.write("Lead", creates());
        assert_eq!(ids(&first), ids(&second));
        assert!(second.iter().all(|outcome| !matches!(outcome, Outcome::Applied(a) if a.created)));
        assert_eq!(ids_in_org("Lead"), there);
    });
}

#[test]
fn every_row_of_a_job_has_its_own_outcome() {
    with_org(10, Faults::default(), |session| {
        let ids = ids(&session.write("Lead", creates()));
        control("delete", &json!({"object": "Lead", "id": ids[7]}));
        let mut updates: Vec<Operation> = ids.iter().map(|id| update(id, "変更")).collect();
        updates[3] = update(&ids[3], Value::Null);
        updates[4] = update(&ids[4], "長".repeat(200).as_str());
        // The short form of an id names the same record.
        updates[5].id = Some(ids[5].chars().take(15).collect::<String>());
        updates.push(update(&ids[6], "二度目"));
        let outcomes = session.write("Lead", updates);
        let rejected = |row: usize| match &outcomes[row] {
            Outcome::Rejected(problems) => problems[0].clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(rejected(3).code, "REQUIRED_FIELD_MISSING");
        assert_eq!(rejected(3).field.as_deref(), Some("LastName"));
        assert_eq!(rejected(4).code, "STRING_TOO_LONG");
        assert_eq!(rejected(4).remedy, "source-data");
        assert_eq!(applied_id(&outcomes[5]), ids[5]);
        assert_eq!(outcomes[7], Outcome::Gone);
        assert_eq!(count(&outcomes, applied), MANY - 3 + 1);
        // The same record twice: the second goes after the job.
        let page = session.read_records("Lead", &ids[6..7]);
        assert_eq!(page.batch.iter().next().unwrap().text("LastName"), Some("二度目"));
    });
}

#[test]
fn cell_arrives_as_it_is() {
    const TEXTS: [&str; 9] = [
        "改行\nと\r\n改行",
        "引用\"符\"",
        "読点,コンマ",
        "00123",
        "#N/A",
        "'=1+1",
        "a;b|c\td",
        "\"",
        "𠮷野家",
    ];
    with_org(10, Faults::default(), |session| {
        let text = |n: usize| TEXTS[n % TEXTS.len()];
        let many = (0..MANY).map(|n| {
            let cells = [("LastName", "氏"), ("Company", "社"), ("Description", text(n))];
            operation(Action::Create, &format!("intent-{n}"), "Lead", &cells)
        });
        let ids = ids(&session.write("Lead", many.collect()));
        let page = session.read_records("Lead", &ids);
        for row in page.batch.iter() {
            let n = ids.iter().position(|id| *id == row.row.id).unwrap();
            assert_eq!(row.text("Description"), Some(text(n)));
        }
        // An even row is cleared, by null or by an empty text; the cells of an odd one are absent.
        let clear = |n: usize| -> Vec<(&str, Value)> {
            match n % 4 {
                0 => vec![("Description", Value::Null)],
                2 => vec![("Description", "".into())],
                _ => vec![("Company", "別社".into())],
            }
        };
        let updates = ids.iter().enumerate();
        let updates = updates.map(|(n, id)| operation(Action::Update, id, "Lead", &clear(n)));
        assert_eq!(count(&session.write("Lead", updates.collect()), applied), MANY);
        let page = session.read_records("Lead", &ids);
        for row in page.batch.iter() {
            let n = ids.iter().position(|id| *id == row.row.id).unwrap();
            let expected = if n % 2 == 0 { None } else { Some(text(n)) };
            assert_eq!(row.text("Description"), expected, "{n}");
        }
    });
}

#[test]
fn contacts_keep_their_accounts() {
    with_org(50, Faults::default(), |session| {
        let account = ids_in_org("Account")[0].clone();
        let of_account = Value::References(vec![account.clone()]);
        let cells = [("LastName", Value::from("氏")), ("AccountId", of_account.clone())];
        let many =
            (0..MANY).map(|n| operation(Action::Create, &format!("intent-{n}"), "Contact", &cells));
        let ids = ids(&session.write("Contact", many.collect()));
        let page = session.read_records("Contact", &ids);
        assert_eq!(page.batch.rows.len(), MANY);
        assert!(page.batch.rows.iter().all(|row| row.cells[1] == Some(of_account.clone())));
    });
}

#[test]
fn locked_rows_are_tried_again_later() {
    with_org(10, Faults { lock_error_every: 2, ..Faults::default() }, |session| {
        let outcomes = session.write("Lead", creates());
        let locked = count(&outcomes, later);
        assert!(locked > 100, "{locked}");
        assert_eq!(count(&outcomes, applied), MANY - locked);
    });
}

#[test]
fn rest_of_stopped_job_is_tried_again_later() {
    let salesforce = SalesforceFaults { ingest_stops_after: 1_500, ..SalesforceFaults::default() };
    with_org(10, Faults { salesforce, ..Faults::default() }, |session| {
        let before = ids_in_org("Lead").len();
        let outcomes = session.write("Lead", creates());
        assert_eq!((count(&outcomes, applied), count(&outcomes, later)), (1_500, MANY - 1_500));
        control("faults", &json!({"ingest_stops_after": 0}));
        assert_eq!(count(&session.write("Lead", creates()), applied), MANY);
        assert_eq!(ids_in_org("Lead").len(), before + MANY);
    });
}

#[test]
fn upload_that_is_wrong_as_a_whole_goes_by_collections() {
    with_org(10, Faults::default(), |session| {
        let mut request = written("Lead", creates());
        request.columns[3] = "Nope__c".to_owned();
        for operation in request.operations.iter_mut().skip(1) {
            operation.cells[3] = Some("x".into());
        }
        let outcomes = session.connector.write(&request).unwrap();
        assert!(applied(&outcomes[0]), "{:?}", outcomes[0]);
        let Outcome::Rejected(problems) = &outcomes[1] else { panic!("{:?}", outcomes[1]) };
        assert_eq!(problems[0].code, "INVALID_FIELD");
        assert_eq!(count(&outcomes, applied), 1);
    });
}

#[test]
fn creates_do_not_go_by_jobs_when_object_has_no_stamp_field() {
    with_org(10, Faults::default(), |session| {
        let settings = vec![("stamp_field".to_owned(), "Not_There__c".into())];
        session.connector = Salesforce::configure(&settings).unwrap();
        session.connector.discover(&["Lead".to_owned()]).unwrap();
        calls();
        let outcomes = session.write("Lead", creates());
        assert_eq!((count(&outcomes, applied), calls().0), (MANY, 11));
    });
}

/// Writes the creates while answers to these requests are lost, each after it had its effect.
fn with_losses(
    lost: impl Fn(&Request) -> bool + 'static,
    test: impl FnOnce(&mut OrgSession, Result<Vec<Outcome>, Error>, usize),
) {
    let fails = move |request: &Request| {
        let lose = !request.path.starts_with("/_sim") && lost(request);
        lose.then(|| Failure::NoAnswer("broken pipe".into()))
    };
    with_host(10, Faults::default(), fails, |session| {
        let before = ids_in_org("Lead").len();
        let outcomes = session.connector.write(&written("Lead", creates()));
        let made = ids_in_org("Lead").len() - before;
        test(session, outcomes, made);
    });
}

fn sends(request: &Request, text: &str) -> bool {
    String::from_utf8_lossy(&request.body).contains(text)
}

#[test]
fn answer_lost_before_the_close_leaves_nothing_behind() {
    with_losses(
        |request| request.path.ends_with("/jobs/ingest"),
        |_, outcomes, made| {
            assert!(matches!(outcomes, Err(Error::Host(_))), "{outcomes:?}");
            assert_eq!(made, 0);
        },
    );
    with_losses(
        |request| request.path.ends_with("/batches"),
        |session, outcomes, made| {
            assert!(matches!(outcomes, Err(Error::RetryAfter(_))), "{outcomes:?}");
            let there = ids_in_org("Lead");
            session.clock.advance(600_000);
            assert_eq!((made, ids_in_org("Lead")), (0, there));
        },
    );
}

#[test]
fn lost_answer_to_the_close_is_asked_for() {
    with_losses(
        |request| sends(request, "UploadComplete"),
        |_, outcomes, made| {
            assert_eq!((count(&outcomes.unwrap(), applied), made), (MANY, MANY));
        },
    );
}

#[test]
fn rows_are_uncertain_when_lost_after_the_close() {
    // Whether the job is done.
    with_losses(
        |request| request.method == Method::Get && request.path.contains("/jobs/"),
        |_, outcomes, _| assert_eq!(count(&outcomes.unwrap(), unknown), MANY),
    );
    // What came of its rows.
    with_losses(
        |request| request.path.ends_with("/successfulResults"),
        |_, outcomes, made| assert_eq!((count(&outcomes.unwrap(), unknown), made), (MANY, MANY)),
    );
}

#[test]
fn job_that_takes_too_long_is_stopped() {
    // Not begun: nothing was written, and nothing will be.
    with_org(10, Faults::default(), |session| {
        let before = ids_in_org("Lead").len();
        let outcomes = with_wait(|_| Err(Failure::Timeout), || session.write("Lead", creates()));
        assert_eq!(count(&outcomes, later), MANY);
        session.clock.advance(600_000);
        assert_eq!(ids_in_org("Lead").len(), before);
    });
    // Half way: what it did is known.
    with_org(10, Faults::default(), |session| {
        let clock = session.clock.clone();
        let sleeper = move |_: u64| {
            clock.advance(1_400);
            Err(Failure::Timeout)
        };
        let outcomes = with_wait(sleeper, || session.write("Lead", creates()));
        assert_eq!((count(&outcomes, applied), count(&outcomes, later)), (800, MANY - 800));
    });
    // And where it cannot be stopped for certain, the host must find out.
    let fails = |request: &Request| {
        sends(request, "Aborted").then(|| Failure::NoAnswer("broken pipe".into()))
    };
    with_host(10, Faults::default(), fails, |session| {
        let outcomes = with_wait(|_| Err(Failure::Timeout), || session.write("Lead", creates()));
        assert_eq!(count(&outcomes, unknown), MANY);
    });
}
