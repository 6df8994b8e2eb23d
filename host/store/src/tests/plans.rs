//! How SQLite runs the statements that every planned link needs.

use renkei_sync::state::{LinkId, LinkStatus, Status};
use renkei_sync::store::{Changes, Store as _};
use rusqlite::StatementStatus;

use super::{layouts, link, open, record};
use crate::open::connect_to_read;
use crate::{links, records};

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
            .map(|number| record(&number.to_string(), Some(number), Status::Live))
            .collect(),
        ..Changes::default()
    };
    store.commit(changes).await.unwrap();
    let connection = connect_to_read(&dir.path().join("renkei.db")).unwrap();
    for number in numbers {
        let views = links::views(&connection, &layouts(), &[LinkId(number)]).unwrap();
        assert_eq!(views[0].records.len(), 1);
        assert_eq!(records::live_of_link(&connection, LinkId(number)).unwrap().len(), 1);
    }
    for sql in [records::OF_LINK, records::LIVE_OF_LINK, crate::reviews::STOPPING] {
        let statement = connection.prepare_cached(sql).unwrap();
        assert!(statement.get_status(StatementStatus::Run) >= 3, "{sql}");
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
    }
}
