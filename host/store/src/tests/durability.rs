//! The state after a crash or a full disk: whole commits, in order, and nothing of any other.

use std::fs;

use renkei_model::store::port::{Changes, Store, StoreError};

use super::*;

/// The commit with this number: a cursor, three records and a line, all of which name it.
fn commit(number: u64) -> Changes {
    let records = (0..3).map(|i| record(&format!("{number}.{i}"), None, RecordStatus::Live));
    Changes {
        cursors: vec![(stream(), cursor(&number.to_string()))],
        records: records.collect(),
        journal: vec![line(1, number, "x")],
        ..Changes::default()
    }
}

/// The number of commits; fails if there is a part of one.
async fn check_whole(store: &dyn Store, most: u64) -> u64 {
    let cursor = store.cursor(&stream()).await.unwrap();
    let last = cursor
        .map_or(0, |cursor| String::from_utf8(cursor.position.unwrap()).unwrap().parse().unwrap());
    let ids = |n: u64| (0..3).map(move |i| key(&format!("{n}.{i}"))).collect::<Vec<_>>();
    for number in 1..=most {
        let found = store.records(&ids(number)).await.unwrap().len();
        assert_eq!(found, if number <= last { 3 } else { 0 }, "commit {number} of {last}");
    }
    assert_eq!(store.counts().await.unwrap().journal, last);
    last
}

#[tokio::test]
async fn a_log_that_is_cut_anywhere_holds_whole_commits() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for number in 1..=12 {
        store.commit(commit(number)).await.unwrap();
    }
    // The files as a killed process leaves them, with the end of the log lost or torn.
    let database = fs::read(dir.path().join("renkei.db")).unwrap();
    let log = fs::read(dir.path().join("renkei.db-wal")).unwrap();
    let mut seen = Vec::new();
    for cut in (0..=log.len()).rev().step_by(log.len() / 40) {
        let crashed = tempfile::tempdir().unwrap();
        fs::write(crashed.path().join("renkei.db"), &database).unwrap();
        fs::write(crashed.path().join("renkei.db-wal"), &log[..cut]).unwrap();
        let reopened = open(crashed.path());
        seen.push(check_whole(&reopened, 12).await);
        // The store takes a further commit.
        reopened.commit(commit(seen.last().unwrap() + 1)).await.unwrap();
    }
    assert_eq!(seen.first(), Some(&12));
    assert!(seen.contains(&3) && seen.is_sorted_by(|a, b| a >= b), "{seen:?}");
}

#[tokio::test]
async fn onlookers_and_plans_see_what_a_killed_process_had_committed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for number in 1..=3 {
        store.commit(commit(number)).await.unwrap();
    }
    let crashed = tempfile::tempdir().unwrap();
    for file in ["renkei.db", "renkei.db-wal", "renkei.lock"] {
        fs::copy(dir.path().join(file), crashed.path().join(file)).unwrap();
    }
    let onlooker = SqliteStore::read_only(crashed.path(), layouts()).unwrap();
    assert_eq!(check_whole(&onlooker, 3).await, 3);
    let scratch = SqliteStore::scratch(crashed.path(), layouts()).unwrap();
    assert_eq!(check_whole(&scratch, 3).await, 3);
}

#[tokio::test]
async fn a_full_disk_is_a_typed_error_that_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let full = |connection: &rusqlite::Connection| {
        connection.pragma_update_and_check(None, "max_page_count", 40, |_| Ok(()))
    };
    let store = SqliteStore::open_with(dir.path(), layouts(), full).unwrap();
    let mut number = 0;
    let error = loop {
        number += 1;
        match store.commit(commit(number)).await {
            Ok(()) => assert!(number < 1000, "the disk is never full"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    let path = dir.path().join("renkei.db");
    assert_eq!(error.to_string(), format!("the store's disk is full: {}", path.display()));
    assert_eq!(error.hint(), Some("free some room and run again"));
    assert_eq!(check_whole(&store, number).await, number - 1);
    drop(store);

    let roomy = open(dir.path());
    assert_eq!(check_whole(&roomy, number).await, number - 1);
    roomy.commit(commit(number)).await.unwrap();
    assert_eq!(check_whole(&roomy, number).await, number);
}

#[tokio::test]
async fn commits_that_wait_together_all_arrive() {
    let dir = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(open(dir.path()));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 1..=200 {
        let store = std::sync::Arc::clone(&store);
        let changes = Changes { cursors: Vec::new(), ..commit(number) };
        tasks.spawn(async move { store.commit(changes).await });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap().unwrap();
    }
    assert_eq!(store.counts().await.unwrap().journal, 200);
}
