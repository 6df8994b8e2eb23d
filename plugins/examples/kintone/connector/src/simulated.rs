//! The connector against the simulator, without a network: what becomes of refused requests.

use std::cell::RefCell;
use std::rc::Rc;

use kintone_simulator::{Access, Server};
use serde_json::{Value as Json, json};

use crate::bindings::exports::renkei::plugin::connector::{
    Action, Operation, Outcome, PageRequest, Scan, WriteRequest,
};
use crate::bindings::renkei::plugin::http::{Failure, Method, Request, Response};
use crate::bindings::renkei::plugin::types::{Error, Value};
use crate::client::Job;
use crate::config::Config;
use crate::{find, read, write};

const DATE: &str = "Thu, 29 Feb 2024 23:59:07 GMT";

/// A job on a simulator of its own, and the requests that it sent.
struct Simulated {
    job: Job,
    sent: Rc<RefCell<Vec<String>>>,
    server: Rc<Server>,
}

fn simulated(token: &str) -> Simulated {
    let access = Access { token: "token".to_owned(), basic: None, log: false };
    let server = Rc::new(Server::new(access));
    let sent = Rc::new(RefCell::new(Vec::new()));
    let (known, log, token) = (Rc::clone(&server), Rc::clone(&sent), token.to_owned());
    let transport = move |request: &Request| -> Result<Response, Failure> {
        let method = method_name(request.method);
        log.borrow_mut().push(format!("{method} {}", request.path));
        let headers = [("X-Cybozu-API-Token".to_owned(), token.clone())];
        let text = String::from_utf8(request.body.clone()).unwrap();
        let (status, body) = known.call(method, &request.path, &headers, &text);
        let headers = vec![("date".to_owned(), DATE.to_owned())];
        Ok(Response { status, headers, body: body.into_bytes(), facts: vec![] })
    };
    let settings = [("customers_app", 1), ("deals_app", 2)]
        .map(|(name, id)| (name.to_owned(), Value::Integer(id)));
    let job = Job::new(Config::read(&settings).unwrap(), Box::new(transport));
    Simulated { job, sent, server }
}

fn method_name(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}

fn text(text: &str) -> Option<Value> {
    Some(Value::Text(text.to_owned()))
}

fn create(intent: &str, name: &str, mail: Option<Value>) -> Operation {
    let cells = vec![text(name), mail];
    let action = Action::Create;
    Operation {
        intent: intent.to_owned(),
        action,
        id: None,
        key: vec![],
        if_version: None,
        cells,
        options: vec![],
    }
}

fn update(id: &str, if_version: Option<&str>, mail: Option<Value>) -> Operation {
    let (id, if_version) = (Some(id.to_owned()), if_version.map(str::to_owned));
    Operation { id, if_version, action: Action::Update, ..create("u", "改名", mail) }
}

impl Simulated {
    fn write(&self, operations: Vec<Operation>) -> Vec<Outcome> {
        let columns = vec!["会社名".to_owned(), "mail".to_owned()];
        let object = "customers".to_owned();
        let request = WriteRequest { object, columns, operations, memo: None, options: vec![] };
        write::write_records(&self.job, &request).unwrap()
    }

    /// Requests of one method so far.
    fn count(&self, method: &str) -> usize {
        self.sent.borrow().iter().filter(|line| line.starts_with(method)).count()
    }

    fn scan(&self, scan: Scan, mut cursor: Option<Vec<u8>>) -> (Vec<String>, Vec<u8>) {
        let mut ids = Vec::new();
        loop {
            let request = PageRequest {
                object: "customers".to_owned(),
                columns: vec![],
                scan: scan.clone(),
                cursor,
                filter: vec![],
                limit: 500,
                memo: None,
                options: vec![],
            };
            let page = read::read_page(&self.job, &request).unwrap();
            ids.extend(page.batch.rows.into_iter().map(|row| row.id));
            if !page.more {
                return (ids, page.cursor);
            }
            cursor = Some(page.cursor);
        }
    }
}

fn applied_id(outcome: &Outcome) -> &str {
    let Outcome::Applied(applied) = outcome else { panic!("{outcome:?}") };
    &applied.id
}

#[test]
fn bad_records_are_taken_out_of_a_request() {
    let sim = simulated("token");
    let outcomes = sim.write(vec![
        create("a", "一", None),
        create("b", "", None),
        create("c", "三", text("info7@sample7.example.jp")),
        create("d", "四", text("new@example.jp")),
        create("e", "五", text("new@example.jp")),
    ]);
    assert_eq!(applied_id(&outcomes[0]), "731");
    let Outcome::Rejected(problems) = &outcomes[1] else { panic!("{outcomes:?}") };
    assert_eq!(problems[0].field.as_deref(), Some("会社名"));
    assert_eq!(outcomes[2], Outcome::Exists(vec!["7".to_owned()]));
    // Two of one request with the same value: the first is made, the second exists.
    assert_eq!(outcomes[4], Outcome::Exists(vec![applied_id(&outcomes[3]).to_owned()]));
    assert_eq!(sim.count("POST"), 3, "{:?}", sim.sent);
}

#[test]
fn repeated_create_makes_no_second_record() {
    let sim = simulated("token");
    let operations: Vec<Operation> =
        (0..230).map(|n| create(&format!("intent-{n}"), "同", None)).collect();
    let first = sim.write(operations.clone());
    assert_eq!(sim.count("POST"), 3);
    let second = sim.write(operations);
    let id = |outcome| applied_id(outcome).to_owned();
    assert_eq!(first.iter().map(id).collect::<Vec<_>>(), second.iter().map(id).collect::<Vec<_>>());
    let (ids, _) = sim.scan(Scan::Sweep, None);
    assert_eq!(ids.len(), 730 + 230);
}

#[test]
fn stale_and_missing_records_are_told_apart() {
    let sim = simulated("token");
    let outcomes = sim.write(vec![
        update("1", Some("1"), None),
        update("2", Some("9"), None),
        update("99999", None, None),
        update("3", None, text("info7@sample7.example.jp")),
        update("4", None, None),
    ]);
    assert_eq!(applied_id(&outcomes[0]), "1");
    assert_eq!(outcomes[1], Outcome::Conflict);
    assert_eq!(outcomes[2], Outcome::Gone);
    let Outcome::Rejected(problems) = &outcomes[3] else { panic!("{outcomes:?}") };
    assert_eq!((&*problems[0].code, problems[0].field.as_deref()), ("duplicate", Some("mail")));
    assert_eq!(applied_id(&outcomes[4]), "4");
}

#[test]
fn wrong_token_and_busy_server_stop_the_call() {
    let wrong = simulated("other");
    let read = find::read_records(&wrong.job, "customers", &[], &["1".to_owned()]);
    assert!(matches!(read, Err(Error::Unauthorized(_))), "{read:?}");
    let busy = simulated("token");
    let faults = json!({ "rate_limits": true, "daily_limit": 1 });
    busy.server.call("POST", "/_sim/faults", &[], &faults.to_string());
    let outcomes = busy.write(vec![create("a", "一", None)]);
    assert!(matches!(outcomes[..], [Outcome::RetryAfter(_)]), "{outcomes:?}");
}

#[test]
fn hundreds_with_one_stamp_are_read_and_changes_show_what_came_since() {
    let sim = simulated("token");
    let (all, cursor) = sim.scan(Scan::Backfill, None);
    assert_eq!(all.len(), 730);
    assert_eq!(sim.count("GET"), 3, "the form and two pages");
    // The clock of the first answer minus two minutes: the seeds are younger.
    let (changed, _) = sim.scan(Scan::Changes, Some(cursor));
    assert_eq!(changed.len(), 730);
    let later = json!({ "form": 1, "after": 0, "since": 1_711_962_060_000_i64, "next": null });
    let (changed, _) = sim.scan(Scan::Changes, Some(later.to_string().into_bytes()));
    assert_eq!(changed.len(), 7, "{changed:?}");
    sim.write(vec![update("5", None, None)]);
    let (changed, _) = sim.scan(Scan::Changes, Some(later.to_string().into_bytes()));
    assert!(changed.contains(&"5".to_owned()), "{changed:?}");
}

#[test]
fn deleted_records_are_found_by_id_only() {
    let sim = simulated("token");
    let delete = Operation { action: Action::Archive, ..update("6", None, None) };
    assert_eq!(applied_id(&sim.write(vec![delete.clone()])[0]), "6");
    assert_eq!(sim.write(vec![delete]), [Outcome::Gone]);
    let ids = ["5", "6", "never"].map(str::to_owned);
    let page = find::read_records(&sim.job, "customers", &["会社名".to_owned()], &ids).unwrap();
    assert_eq!(page.batch.rows.len(), 1);
    assert_eq!(page.removed.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["6"]);
    let records: Json =
        serde_json::from_str(&sim.server.call("GET", "/_sim/records?object=customers", &[], "").1)
            .unwrap();
    assert!(records.as_array().unwrap().contains(&json!({ "id": "6", "archived": true })));
}
