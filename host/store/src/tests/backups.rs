//! Backups, restores and moved accounts, by files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use renkei_model::state::Doubt;
use renkei_model::store::port::{Changes, Store as _};

use super::*;

async fn with_record(dir: &Path, id: &str, number: u64) -> SqliteStore {
    let store = open(dir);
    let changes = Changes {
        links: vec![link(number, LinkStatus::Active)],
        records: vec![record(id, Some(number), RecordStatus::Live)],
        accounts: vec![("hubspot".to_owned(), "portal-1".to_owned())],
        ..Changes::default()
    };
    store.commit(changes).await.unwrap();
    store
}

/// RULES.md P14.
#[tokio::test]
async fn a_backup_holds_what_was_committed_while_an_engine_works() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_record(dir.path(), "1", 1).await;
    let file = dir.path().join("monday.db");
    let contents = SqliteStore::back_up(dir.path(), &file).unwrap();
    assert_eq!((contents.links, contents.records), (1, 1));
    assert_eq!(contents.identity, store.identity());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!SqliteStore::part_of(&file).exists());
    let again = SqliteStore::back_up(dir.path(), &file).unwrap_err();
    assert!(again.to_string().ends_with("monday.db: there already"), "{again}");
    assert_eq!(again.hint(), Some("give the backup another name"));
    let nothing = dir.path().join("nothing");
    let missing = SqliteStore::back_up(&nothing, &file).unwrap_err();
    assert!(matches!(missing, crate::OpenError::Missing { .. }), "{missing}");
}

/// RULES.md P14.
#[tokio::test]
async fn a_restored_database_is_as_it_was_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_record(dir.path(), "1", 1).await;
    let identity = store.identity().to_owned();
    let file = dir.path().join("monday.db");
    SqliteStore::back_up(dir.path(), &file).unwrap();
    let changes =
        Changes { records: vec![record("2", None, RecordStatus::Live)], ..Changes::default() };
    store.commit(changes).await.unwrap();
    let restore = || SqliteStore::restore(dir.path(), &file, Some(&identity), 77);
    let in_use = restore().unwrap_err();
    assert!(matches!(in_use, crate::OpenError::InUse { .. }), "{in_use}");
    drop(store);

    let (contents, aside) = restore().unwrap();
    assert_eq!((contents.links, contents.records), (1, 1));
    let store = open(dir.path());
    assert_eq!(store.records(&[key("1"), key("2")]).await.unwrap().len(), 1);
    assert_eq!(store.restored_ms().await.unwrap(), Some(77));
    assert!(store.links(&[LinkId(1)]).await.unwrap()[0].link.restored);
    assert_eq!(store.dirty("person", LinkId(0), 9).await.unwrap(), [LinkId(1)]);
    let replaced = open(&aside.unwrap());
    assert_eq!(replaced.records(&[key("1"), key("2")]).await.unwrap().len(), 2);
    assert_eq!(replaced.restored_ms().await.unwrap(), None);
}

#[tokio::test]
async fn a_file_that_is_no_backup_of_this_database_is_not_put_back() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(with_record(dir.path(), "1", 1).await);
    drop(with_record(other.path(), "2", 2).await);
    let file = dir.path().join("file");
    let check = |expected: &str| {
        let refused = SqliteStore::restore(dir.path(), &file, Some("an identity"), 1).unwrap_err();
        let message = refused.to_string();
        assert!(message.contains(expected), "{message}");
    };
    check("No such file");
    fs::write(&file, "").unwrap();
    check("empty");
    fs::write(&file, "not a database, however long this text may be").unwrap();
    check("");
    fs::remove_file(&file).unwrap();
    SqliteStore::back_up(other.path(), &file).unwrap();
    check("a backup of another database");
    let store = open(dir.path());
    assert_eq!(store.records(&[key("1")]).await.unwrap().len(), 1);
    assert_eq!(store.restored_ms().await.unwrap(), None);
}

/// RULES.md V4.
#[tokio::test]
async fn a_moved_account_takes_its_records_out_of_their_links() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_record(dir.path(), "1", 1).await;
    let lead = RecordState {
        key: RecordKey { system: "salesforce".to_owned(), ..key("9") },
        ..record("9", Some(1), RecordStatus::Live)
    };
    let changes = Changes {
        links: vec![link(3, LinkStatus::Active)],
        records: vec![lead.clone(), record("3", Some(3), RecordStatus::Live)],
        cursors: vec![(stream(), cursor("7"))],
        doubts: vec![(key("1"), Some(Doubt::default())), (key("3"), Some(Doubt::default()))],
        ..Changes::default()
    };
    store.commit(changes).await.unwrap();
    drop(store);
    // To the account that it is, nothing is forgotten.
    SqliteStore::move_account(dir.path(), "hubspot", "portal-1").unwrap();
    let store = open(dir.path());
    assert_eq!(store.cursor(&stream()).await.unwrap(), Some(cursor("7")));
    drop(store);
    let before = SqliteStore::move_account(dir.path(), "hubspot", "portal-2").unwrap();
    assert_eq!(before.as_deref(), Some("portal-1"));
    let store = open(dir.path());
    assert_eq!(store.account("hubspot").await.unwrap().as_deref(), Some("portal-2"));
    assert_eq!(store.cursor(&stream()).await.unwrap(), None);
    let views = store.links(&[LinkId(1), LinkId(3)]).await.unwrap();
    let records: Vec<_> = views[0].records.iter().map(|record| record.key.clone()).collect();
    assert_eq!(records, [lead.key]);
    assert_eq!(views[1].link.status, LinkStatus::Ended);
    assert_eq!(store.dirty("person", LinkId(0), 9).await.unwrap(), [LinkId(1)]);
    // A record that is stored later has no doubt of one that was forgotten.
    let new = ["1", "3", "5"].map(|id| record(id, None, RecordStatus::Live));
    store.commit(Changes { records: new.to_vec(), ..Changes::default() }).await.unwrap();
    assert_eq!(store.doubts(&["1", "3", "5"].map(key)).await.unwrap(), []);
}
