//! Marks, versions, damage under a process that runs, and the files of an older Renkei.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use async_trait::async_trait;
use renkei_model::ports::RecordText;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::*;

/// A clock that stands at 7,000 ms.
struct StillClock;

#[async_trait]
impl Clock for StillClock {
    fn now_ms(&self) -> i64 {
        7_000
    }

    async fn sleep_ms(&self, _: u64) {}
}

fn counters(folder: &TempDir) -> CounterDatabase {
    CounterDatabase::in_folder(folder.path(), Arc::new(StillClock))
}

/// The record that a change meets: its content, and this process.
fn look(counters: &CounterDatabase, known: Option<i64>) -> (String, u64) {
    let mut seen = None;
    let change = &mut |record: CallRecord<'_>| {
        seen = Some((format!("{:?}", record.content), record.process));
        None
    };
    counters.update("Acme", known, change).unwrap();
    seen.unwrap()
}

fn write(counters: &CounterDatabase, text: &str) -> Option<i64> {
    let text = RecordText { text: text.to_owned(), is_durable: false };
    counters.update("Acme", None, &mut |_| Some(text.clone())).unwrap()
}

fn is_alive(counters: &CounterDatabase, process: u64) -> bool {
    let mut alive = false;
    let change = &mut |record: CallRecord<'_>| {
        alive = (record.is_alive)(process);
        None
    };
    counters.update("Acme", None, change).unwrap();
    alive
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn process_sees_what_another_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (counters(&folder), counters(&folder));
    assert!(!one.has_calls("Acme").unwrap());
    assert_eq!(names(&folder), Vec::<String>::new(), "a question makes nothing");
    assert_eq!(look(&one, None).0, "Nothing");
    let first = write(&one, "a");
    assert_eq!(look(&one, first).0, "Known");
    assert_eq!(look(&other, None).0, "Text(\"a\")");
    let second = write(&other, "b");
    assert_ne!(first, second);
    assert_eq!(look(&one, first).0, "Text(\"b\")");
    assert!(other.has_calls("Acme").unwrap() && !other.has_calls("acme").unwrap());
}

#[test]
fn process_has_a_number_of_its_own_and_lives_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (counters(&folder), counters(&folder));
    let (first, second) = (look(&one, None).1, look(&other, None).1);
    assert!(first > 0 && first != second);
    assert!(is_alive(&one, second) && is_alive(&one, first) && !is_alive(&one, 0));
    for entry in fs::read_dir(folder.path()).unwrap().flatten() {
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{entry:?}");
    }
    drop(other);
    assert!(!is_alive(&one, second));
    // A killed process leaves its mark, and nobody holds the lock.
    fs::write(folder.path().join("counters.9.mark"), "").unwrap();
    assert!(!is_alive(&one, 9));
    let third = counters(&folder);
    assert!(look(&third, None).1 > second, "numbers are not given twice");
    drop((one, third));
    assert_eq!(names(&folder), ["counters.db", "counters.lock"]);
}

/// Folds the log in and overwrites the file from a place on.
fn spoil(folder: &TempDir, from: usize) {
    let path = folder.path().join("counters.db");
    let fold = "PRAGMA wal_checkpoint(TRUNCATE)";
    Connection::open(&path).unwrap().query_row(fold, [], |_| Ok(())).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 20_000);
    bytes[from..].fill(0xA5);
    fs::write(&path, bytes).unwrap();
}

#[test]
fn process_that_runs_notices_the_damage_itself() {
    let folder = tempfile::tempdir().unwrap();
    let living = counters(&folder);
    let known = write(&living, "a");
    spoil(&folder, 0);
    assert_eq!(look(&living, known).0, "Lost(7000)");
    assert_eq!(look(&counters(&folder), None).0, "Lost(7000)");
}

#[test]
fn damage_is_found_and_all_processes_go_on_with_the_emptied_file() {
    let folder = tempfile::tempdir().unwrap();
    let living = counters(&folder);
    let known = write(&living, "a");
    let process = look(&living, None).1;
    spoil(&folder, 8_192);
    let next = counters(&folder);
    assert_eq!(look(&next, None).0, "Lost(7000)");
    assert_eq!(look(&living, known).0, "Lost(7000)");
    let version = write(&next, "b");
    assert_ne!(version, known);
    assert_eq!(look(&living, known), ("Text(\"b\")".to_owned(), process));
    drop((living, next));
    let later = counters(&folder);
    assert_eq!(look(&later, None).0, "Text(\"b\")");
    assert!(
        look(&later, None).1 > process,
        "the number of a process that lived is not given again"
    );
    let change = &mut |record: CallRecord<'_>| {
        assert_eq!(record.content, RecordContent::Lost(7_000), "its calls are not known either");
        None
    };
    later.update("new", None, change).unwrap();
}

/// SQLite itself goes on in a file that has no name any more, apart from those that come later.
#[test]
fn removed_file_is_noticed_and_no_process_counts_apart() {
    for removed in [&[""][..], &["-shm"], &["-wal", "-shm"], &["", "-wal", "-shm"]] {
        let folder = tempfile::tempdir().unwrap();
        let living = counters(&folder);
        let known = write(&living, "a");
        for suffix in removed {
            fs::remove_file(folder.path().join(format!("counters.db{suffix}"))).unwrap();
        }
        // Without its log the database still gets what this process wrote, when that closes it.
        let is_lost = removed.contains(&"");
        let seen = look(&living, known).0;
        assert_eq!(seen, if is_lost { "Lost(7000)" } else { "Known" }, "{removed:?}");
        write(&living, "b");
        assert_eq!(look(&counters(&folder), None).0, "Text(\"b\")", "{removed:?}");
    }
}

/// An opening that was cut off leaves a draft, which is no record that was lost.
#[test]
fn opening_that_was_cut_off_costs_no_window() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("counters.db.new"), "half").unwrap();
    assert_eq!(look(&counters(&folder), None).0, "Nothing");
    assert_eq!(names(&folder), ["counters.db", "counters.lock"]);
}

#[test]
fn folder_that_cannot_be_written_is_named_with_a_next_step() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let counters =
        CounterDatabase::in_folder(&folder.path().join("file/data"), Arc::new(StillClock));
    let error = counters.update("Acme", None, &mut |_| None).unwrap_err();
    assert!(error.to_string().contains("file/data/counters.db"), "{error}");
}

#[test]
fn file_without_an_origin_has_lost_its_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("counters.db");
    Connection::open(&path).unwrap().execute_batch("VACUUM").unwrap();
    assert_eq!(look(&counters(&folder), None).0, "Lost(7000)");
    fs::write(&path, "").unwrap();
    assert_eq!(look(&counters(&folder), None).0, "Nothing");
}

#[test]
fn file_of_another_program_or_a_newer_renkei_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("counters.db");
    let refuses = |expected: &str| {
        let error = counters(&folder).update("Acme", None, &mut |_| None).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        fs::remove_file(&path).unwrap();
    };
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    refuses("not a store of Renkei");
    write(&counters(&folder), "a");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    refuses("of layout 99, this Renkei knows 1");
    let _socket = UnixListener::bind(&path).unwrap();
    refuses("not a regular file");
}

const OLD: &str = r#"{"seen_ms":1,"past":{},"in_flight":[{"process":3,"call":1,"began_ms":1,"names":["all"]}],"not_before_ms":{},"full_at_ms":[5,null],"unsaved":2,"processes":3}"#;
const TAKEN_OVER: &str = r#"{"seen_ms":1,"past":{},"in_flight":[{"process":0,"call":1,"began_ms":1,"names":["all"]}],"not_before_ms":{},"full_at_ms":null,"unsaved":2}"#;

/// A file of the version before the database: slots with sequence, length, checksum, text.
fn old_file(slots: &[(u64, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (position, (sequence, text)) in slots.iter().enumerate() {
        bytes.resize(position * (128 << 10), 0);
        bytes.extend_from_slice(b"rkcalls1");
        bytes.extend_from_slice(&sequence.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(text.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&Sha256::digest(text)[..8]);
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

#[test]
fn record_of_an_older_renkei_is_taken_over_once() {
    let folder = tempfile::tempdir().unwrap();
    let quotas = folder.path().join("quotas");
    fs::create_dir(&quotas).unwrap();
    // A name that is no plain file name stands for its digest.
    let file = quotas.join(hex::encode(Sha256::digest("Acme")));
    fs::write(&file, old_file(&[(4, "{}"), (5, OLD), (3, "{}")])).unwrap();
    fs::write(file.with_extension("3.mark"), "").unwrap();
    let counters = counters(&folder);
    assert!(counters.has_calls("Acme").unwrap());
    let sees = |expected: RecordContent<'_>, text: Option<&str>| {
        let change = &mut |record: CallRecord<'_>| {
            match (record.content, expected) {
                (RecordContent::Text(found), RecordContent::Text(expected)) => {
                    let parse = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
                    assert_eq!(parse(found), parse(expected));
                }
                (found, expected) => assert_eq!(found, expected),
            }
            text.map(|text| RecordText { text: text.to_owned(), is_durable: false })
        };
        counters.update("Acme", None, change).unwrap();
    };
    sees(RecordContent::Text(TAKEN_OVER), None);
    sees(RecordContent::Text(TAKEN_OVER), Some("{\"a\":1}"));
    assert!(!quotas.exists(), "what is taken over is gone");
    sees(RecordContent::Text("{\"a\":1}"), None);
}

/// Both would count alone.
#[test]
fn record_of_an_older_renkei_that_runs_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let quotas = folder.path().join("quotas");
    fs::create_dir(&quotas).unwrap();
    let name = hex::encode(Sha256::digest("Acme"));
    fs::write(quotas.join(&name), old_file(&[(1, OLD)])).unwrap();
    let mark = fs::File::create(quotas.join(format!("{name}.3.mark"))).unwrap();
    mark.lock().unwrap();
    let error = counters(&folder).update("Acme", None, &mut |_| None).unwrap_err();
    assert!(error.to_string().contains("an older Renkei counts its calls there"), "{error}");
    drop(mark);
    assert!(look(&counters(&folder), None).0.starts_with("Text("));
}

#[test]
fn old_record_that_is_damaged_has_lost_its_counts() {
    for (bytes, expected) in [
        (b"rkcalls1 garbage".to_vec(), "Lost(7000)"),
        (vec![0; 700_000], "Lost(7000)"),
        (old_file(&[(1, "{}")]), "Lost(7000)"),
        (Vec::new(), "Nothing"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let quotas = folder.path().join("quotas");
        fs::create_dir(&quotas).unwrap();
        fs::write(quotas.join(hex::encode(Sha256::digest("Acme"))), bytes).unwrap();
        assert_eq!(look(&counters(&folder), None).0, expected);
    }
}
