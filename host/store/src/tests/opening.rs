//! Locks, layouts, damage, copies. Each refusal has one message with the next step.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;

use renkei_model::state::Sweep;
use renkei_model::store::port::{Changes, Store as _, StoreError};
use rusqlite::Connection;

use super::*;
use crate::OpenError;

/// The error of an empty file with its hint.
const EMPTY: (&str, &str) = (
    "renkei.db: empty, its content is lost",
    "put a backup of it in its place, or move it away to start anew",
);

fn check(result: Result<SqliteStore, OpenError>, (message, hint): (&str, &str)) {
    let error = result.unwrap_err();
    let text = error.to_string();
    assert!(text.ends_with(message), "{text}");
    assert_eq!(error.hint(), Some(hint), "{text}");
}

#[tokio::test]
async fn what_was_committed_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let identity = store.identity().to_owned();
    let records = vec![record("1", None, RecordStatus::Live)];
    store.commit(Changes { records: records.clone(), ..Changes::default() }).await.unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.identity(), identity);
    assert_eq!(identity.len(), 32);
    assert_eq!(store.records(&[key("1")]).await.unwrap(), records);
}

/// RULES.md R27.
#[test]
fn a_socket_in_the_place_of_a_file_is_an_error() {
    // A pipe would have to be made by another process, which holds the locks of other tests until
    // it has begun.
    for name in ["renkei.lock", "renkei.db", "renkei.db-wal"] {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join(name);
        let _listens = UnixListener::bind(&socket).unwrap();
        let expected = &format!("{name}: not a regular file");
        let check = |opened: Result<SqliteStore, OpenError>| {
            let error = opened.unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}");
        };
        check(SqliteStore::open(dir.path(), layouts()));
        if name != "renkei.lock" {
            check(SqliteStore::read_only(dir.path(), layouts()));
            let restored = SqliteStore::restore(dir.path(), &socket, None, 0).unwrap_err();
            assert!(restored.to_string().ends_with(expected), "{restored}");
        }
    }
}

#[test]
fn two_stores_have_two_identities() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_ne!(open(one.path()).identity(), open(other.path()).identity());
}

/// RULES.md P1.
#[test]
fn an_opening_has_its_own_epoch_when_the_database_is_the_same_or_a_copy() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = open(one.path()).epoch().to_owned();
    fs::copy(one.path().join("renkei.db"), other.path().join("renkei.db")).unwrap();
    let (again, copy) = (open(one.path()), open(other.path()));
    assert_eq!(again.identity(), copy.identity());
    assert_eq!(first.len(), 12);
    assert!(first != again.epoch() && first != copy.epoch() && again.epoch() != copy.epoch());
}

#[test]
fn a_second_engine_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let expected = format!("is in use by process {}", std::process::id());
    let expected = (expected.as_str(), "stop it or choose another directory");
    check(SqliteStore::open(dir.path(), layouts()), expected);
    // Another folder whose database is a link to this one.
    let other = tempfile::tempdir().unwrap();
    symlink(dir.path().join("renkei.db"), other.path().join("renkei.db")).unwrap();
    check(SqliteStore::open(other.path(), layouts()), expected);
    // Somebody has removed the lock file.
    fs::remove_file(dir.path().join("renkei.lock")).unwrap();
    let expected = ("is in use by another process", expected.1);
    check(SqliteStore::open(dir.path(), layouts()), expected);
    drop(store);
    open(dir.path());
}

#[tokio::test]
async fn database_that_is_removed_or_replaced_under_its_engine_takes_no_commit() {
    for (name, is_replaced) in [("renkei.db", false), ("renkei.db", true), ("renkei.db-wal", false)]
    {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let line = || Changes { dirty_entities: vec!["person".to_owned()], ..Changes::default() };
        store.commit(line()).await.unwrap();
        store.commit(line()).await.unwrap();
        let path = dir.path().join(name);
        if is_replaced {
            fs::copy(&path, dir.path().join("copy")).unwrap();
            fs::rename(dir.path().join("copy"), &path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        for _ in 0..2 {
            let error = store.commit(line()).await.unwrap_err();
            assert!(matches!(error, StoreError::Replaced(_)), "{name}: {error}");
        }
    }
}

#[test]
fn a_lock_file_that_a_killed_process_left_blocks_nobody() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("renkei.lock"), "1\n").unwrap();
    open(dir.path());
}

#[test]
fn only_the_owner_may_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(&dir.path().join("state"));
    for (path, expected) in
        [("state", 0o700), ("state/renkei.db", 0o600), ("state/renkei.db-wal", 0o600)]
    {
        let mode = fs::metadata(dir.path().join(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, expected, "{path}");
    }
}

#[test]
fn files_that_are_left_alone() {
    fn check_file(make: impl FnOnce(&Path), expected: (&str, &str)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("renkei.db");
        make(&path);
        let before = fs::read(&path).unwrap();
        check(SqliteStore::open(dir.path(), layouts()), expected);
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    let newer = |path: &Path| {
        drop(open(path.parent().unwrap()));
        Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    };
    let steps = crate::migrate::STORE.steps.len();
    let expected = format!("renkei.db: of layout 99, this Renkei knows {steps}");
    check_file(newer, (&expected, "update Renkei"));
    let foreign = |path: &Path| {
        Connection::open(path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    };
    let not_ours = ("renkei.db: not a store of Renkei", "choose another directory or file");
    check_file(foreign, not_ours);
    let nobodys = |path: &Path| {
        Connection::open(path).unwrap().execute_batch("VACUUM").unwrap();
    };
    check_file(nobodys, not_ours);
    let garbage = |path: &Path| fs::write(path, "garbage ".repeat(1000)).unwrap();
    check_file(garbage, (")", "put a backup of it in its place"));
    let empty = |path: &Path| fs::write(path, "").unwrap();
    check_file(empty, EMPTY);
}

#[test]
fn an_empty_file_is_nobodys_new_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("renkei.db");
    fs::write(&path, "").unwrap();
    check(SqliteStore::read_only(dir.path(), layouts()), EMPTY);
    check(SqliteStore::scratch(dir.path(), layouts()), EMPTY);
    check(SqliteStore::open(dir.path(), layouts()), EMPTY);
    fs::remove_file(&path).unwrap();
    open(dir.path());
}

#[tokio::test]
async fn a_copy_that_was_cut_off_is_refused_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let records = (0..500).map(|id| record(&id.to_string(), None, RecordStatus::Live)).collect();
    store.commit(Changes { records, ..Changes::default() }).await.unwrap();
    drop(store);
    let whole = fs::read(dir.path().join("renkei.db")).unwrap();
    let lengths = [1, 15, 16, 99, 100, 511, 512, 4096, 8191, 8192, 8193, 65_536, whole.len() / 2];
    for length in lengths.into_iter().chain([whole.len() - 8192, whole.len() - 1]) {
        let cut = tempfile::tempdir().unwrap();
        let path = cut.path().join("renkei.db");
        fs::write(&path, &whole[..length]).unwrap();
        let opened = SqliteStore::open(cut.path(), layouts());
        let error = opened.err().unwrap_or_else(|| panic!("{length} opened"));
        let known = matches!(error, OpenError::Corrupt { .. } | OpenError::Foreign { .. });
        assert!(known, "{length}: {error}");
        assert_eq!(fs::read(&path).unwrap(), whole[..length], "{length} bytes were changed");
    }
}

#[test]
fn a_store_whose_making_was_cut_off_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    assert_eq!(files(dir.path()), ["renkei.db", "renkei.lock"]);
    let whole = fs::read(dir.path().join("renkei.db")).unwrap();
    for length in [0, 1, 100, 8192, whole.len()] {
        let crashed = tempfile::tempdir().unwrap();
        fs::write(crashed.path().join("renkei.db.new"), &whole[..length]).unwrap();
        fs::write(crashed.path().join("renkei.db.new-wal"), &whole[..length]).unwrap();
        drop(open(crashed.path()));
        assert_eq!(files(crashed.path()), ["renkei.db", "renkei.lock"], "{length}");
    }
}

fn files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_log_without_its_database_is_never_folded_into_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let changes = Changes { cursors: vec![(stream(), cursor("p1"))], ..Changes::default() };
    store.commit(changes).await.unwrap();
    let crashed = tempfile::tempdir().unwrap();
    fs::copy(dir.path().join("renkei.db-wal"), crashed.path().join("renkei.db-wal")).unwrap();
    let expected = (
        "renkei.db: gone, but its log renkei.db-wal is there",
        "put both back from a backup, or move the log away to start anew",
    );
    check(SqliteStore::open(crashed.path(), layouts()), expected);
    check(SqliteStore::read_only(crashed.path(), layouts()), expected);
    check(SqliteStore::scratch(crashed.path(), layouts()), expected);
}

/// A store as the first release left it.
#[tokio::test]
async fn an_older_layout_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let old = Connection::open(dir.path().join("renkei.db")).unwrap();
    old.execute_batch(include_str!("../../migrations/001_start.sql")).unwrap();
    old.execute_batch(
        "INSERT INTO link (number, entity, status, version, truth, failing, restored)
         VALUES (1, 'person', 'active', 0, '[]', 0, 0)",
    )
    .unwrap();
    old.pragma_update(None, "application_id", 0x524e_4b49).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    drop(old);
    let store = open(dir.path());
    // Links from before the question about a first sync count as approved.
    assert_eq!(store.begun("person").await.unwrap(), Some(0));
    assert_eq!(store.begun("deal").await.unwrap(), None);
    let sweep = Sweep { round: 7, ..Sweep::default() };
    let (records, swept) = (vec![record("1", None, RecordStatus::Live)], vec![(key("1"), 7)]);
    let sweeps = vec![(stream(), sweep.clone())];
    store.commit(Changes { records, swept, sweeps, ..Changes::default() }).await.unwrap();
    assert_eq!(store.sweep(&stream()).await.unwrap(), Some(sweep));
    assert_eq!(store.unswept(&stream(), 7, None, 9).await.unwrap(), []);
    assert_eq!(store.unswept(&stream(), 8, None, 9).await.unwrap(), [key("1")]);
}

#[tokio::test]
async fn damage_is_found_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let records = (0..500).map(|id| record(&id.to_string(), None, RecordStatus::Live)).collect();
    store.commit(Changes { records, ..Changes::default() }).await.unwrap();
    drop(store);
    let path = dir.path().join("renkei.db");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    assert!(middle > 100_000, "the log was not folded in");
    bytes[middle..middle + 8192].fill(0xA5);
    fs::write(&path, bytes).unwrap();
    check(SqliteStore::open(dir.path(), layouts()), (")", "put a backup of it in its place"));
}

#[tokio::test]
async fn others_may_look_while_an_engine_works() {
    let dir = tempfile::tempdir().unwrap();
    let missing = format!("{}: no database there", dir.path().display());
    check(SqliteStore::read_only(dir.path(), layouts()), (&missing, "run `renkei sync` first"));
    let store = open(dir.path());
    let onlooker = SqliteStore::read_only(dir.path(), layouts()).unwrap();
    let changes = Changes { cursors: vec![(stream(), cursor("p1"))], ..Changes::default() };
    store.commit(changes.clone()).await.unwrap();
    assert_eq!(onlooker.cursor(&stream()).await.unwrap(), Some(cursor("p1")));
    let message = onlooker.commit(changes).await.unwrap_err().to_string();
    assert_eq!(message, "the store failed: opened for reading only");
    drop((store, onlooker));
    let onlooker = SqliteStore::read_only(dir.path(), layouts()).unwrap();
    assert_eq!(onlooker.cursor(&stream()).await.unwrap(), Some(cursor("p1")));
}

#[tokio::test]
async fn a_scratch_copy_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let changes =
        |position| Changes { cursors: vec![(stream(), cursor(position))], ..Changes::default() };
    store.commit(changes("p1")).await.unwrap();

    let scratch = SqliteStore::scratch(dir.path(), layouts()).unwrap();
    assert_eq!(scratch.identity(), store.identity());
    assert_eq!(scratch.cursor(&stream()).await.unwrap(), Some(cursor("p1")));
    scratch.commit(changes("p2")).await.unwrap();
    assert_eq!(scratch.cursor(&stream()).await.unwrap(), Some(cursor("p2")));
    assert_eq!(store.cursor(&stream()).await.unwrap(), Some(cursor("p1")));

    let place = scratch.scratch.as_ref().unwrap().path().to_owned();
    drop(scratch);
    assert!(!place.exists());
}

#[tokio::test]
async fn a_scratch_copy_of_nothing_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let scratch = SqliteStore::scratch(&dir.path().join("none"), layouts()).unwrap();
    assert_eq!(scratch.cursor(&stream()).await.unwrap(), None);
    assert!(!dir.path().join("none").exists());
}
