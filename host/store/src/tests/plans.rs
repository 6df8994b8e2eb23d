//! The query plans of the statements that every planned link needs.

use renkei_model::state::{LinkId, LinkStatus, RecordStatus};
use renkei_model::store::port::{Changes, Store as _};
use rusqlite::StatementStatus;

use super::{layouts, link, open, record};
use crate::database_file::connect_to_read;
use crate::{keys, links, outbox, records, reviews};

/// `RULES.md Q3`.
#[tokio::test]
async fn statements_of_a_link_are_compiled_once_however_often_their_values_change() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let numbers = 1..=3;
    let changes = Changes {
        links: numbers.clone().map(|number| link(number, LinkStatus::Active)).collect(),
        records: numbers
            .clone()
            .map(|number| record(&number.to_string(), Some(number), RecordStatus::Live))
            .collect(),
        ..Changes::default()
    };
    store.commit(changes).await.unwrap();
    let connection = connect_to_read(&dir.path().join("renkei.db")).unwrap();
    for number in numbers {
        let views = links::views(&connection, &layouts(), &[LinkId(number)]).unwrap();
        assert_eq!(views[0].records.len(), 1);
        assert_eq!(keys::members(&connection, &[LinkId(number)]).unwrap().len(), 1);
    }
    for (sql, _) in OF_LINKS {
        let statement = connection.prepare_cached(sql).unwrap();
        assert!(statement.get_status(StatementStatus::Run) >= 3, "{sql}");
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
    }
}

/// The statements that a chunk of links needs, each with the index that finds its rows.
const OF_LINKS: [(&str, &str); 6] = [
    (links::OF_NUMBERS, "SEARCH link USING INTEGER PRIMARY KEY (rowid=?)"),
    (links::UNITED, "SEARCH link USING INTEGER PRIMARY KEY (rowid=?)"),
    (records::OF_LINKS, "SEARCH record USING INDEX record_by_link (link=?)"),
    (records::LIVE_OF_LINKS, "SEARCH record USING INDEX record_by_link (link=?)"),
    (reviews::STOPPING, "SEARCH review USING INDEX review_by_link (link=?)"),
    (outbox::BUSY, "SEARCH outbox USING COVERING INDEX outbox_by_link (link=?)"),
];

/// `RULES.md Q1`.
#[tokio::test]
async fn links_are_found_by_their_indexes_however_many_there_are() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let connection = connect_to_read(&dir.path().join("renkei.db")).unwrap();
    for (sql, expected) in OF_LINKS {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = plan.query_map(["[1,2]"], |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert!(steps.iter().any(|step| step == expected), "{sql}: {steps:?}");
    }
}
