//! Processes beside each other, damage, odd files, and the file of an older Renkei.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use tempfile::TempDir;

use super::*;

fn database(folder: &TempDir) -> PluginDatabase {
    PluginDatabase::in_folder(folder.path())
}

fn texts(pairs: &[(&str, &str)]) -> TextsById {
    pairs.iter().map(|(id, text)| ((*id).to_owned(), (*text).to_owned())).collect()
}

/// Keeps texts, and returns those that the change saw.
fn update(
    database: &PluginDatabase,
    pairs: &[(&str, &str)],
) -> Result<Option<TextsById>, PluginRecordsError> {
    let mut seen = None;
    database.update(&mut |shown| {
        assert!(seen.is_none(), "shown once");
        seen = Some(shown.map(|shown| shown.by_id.clone()));
        Ok(texts(pairs))
    })?;
    Ok(seen.unwrap())
}

fn read(database: &PluginDatabase) -> TextsById {
    database.read().unwrap().by_id
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn process_sees_what_another_wrote_in_a_file_for_this_user_alone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let [one, other, looker] = [(); 3].map(|()| PluginDatabase::in_folder(&folder));
    assert_eq!(read(&looker), texts(&[]));
    assert!(!folder.exists(), "who only looks makes nothing");
    assert_eq!(update(&one, &[("a", "1"), ("b", "1")]), Ok(Some(texts(&[]))));
    assert_eq!(update(&other, &[("b", "2")]), Ok(Some(texts(&[("a", "1"), ("b", "1")]))));
    assert_eq!(update(&one, &[]), Ok(Some(texts(&[("a", "1"), ("b", "2")]))));
    assert_eq!(looker.read().unwrap().file, folder.join("plugins.db"));
    assert_eq!(read(&looker), texts(&[("a", "1"), ("b", "2")]));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let entries = fs::read_dir(&folder).unwrap().flatten();
    let modes: Vec<_> = entries.map(|entry| mode(&entry.path())).collect();
    assert_eq!(modes, [0o600, 0o600], "the database and its lock, and nothing beside them");
}

#[test]
fn change_that_fails_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    update(&database(&folder), &[("a", "1")]).unwrap();
    let failure = PluginRecordsError::Failed { file: None, message: "no".to_owned(), hint: None };
    let failed = database(&folder).update(&mut |_| Err(failure.clone()));
    assert_eq!(failed, Err(failure));
    assert_eq!(read(&database(&folder)), texts(&[("a", "1")]));
}

#[test]
fn reader_does_not_wait_for_a_writer_and_a_writer_does() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    update(&database, &[("a", "1")]).unwrap();
    let writer = Connection::open(folder.path().join("plugins.db")).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE plugin SET state = '2'").unwrap();
    let before = names(&folder);
    assert_eq!(read(&database), texts(&[("a", "1")]));
    assert_eq!(names(&folder), before);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| update(&database, &[("b", "1")]));
        writer.execute_batch("COMMIT").unwrap();
        assert_eq!(waiting.join().unwrap(), Ok(Some(texts(&[("a", "2")]))));
    });
    assert_eq!(read(&database), texts(&[("a", "2"), ("b", "1")]));
}

#[test]
fn removed_or_replaced_file_is_noticed() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (running, place) = (database(&folder), folder.path().join("plugins.db"));
    update(&running, &[("a", "1")]).unwrap();
    update(&database(&other), &[("b", "1")]).unwrap();
    fs::rename(other.path().join("plugins.db"), &place).unwrap();
    assert_eq!(update(&running, &[("c", "1")]), Ok(Some(texts(&[("b", "1")]))));
    fs::remove_file(&place).unwrap();
    assert_eq!(update(&running, &[("d", "1")]), Ok(Some(texts(&[]))));
    assert_eq!(read(&database(&folder)), texts(&[("d", "1")]));
}

/// The volume with the file may come back.
#[test]
fn link_to_a_file_that_is_not_there_is_an_error() {
    for name in ["plugins.db", "plugins.json"] {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join(name);
        std::os::unix::fs::symlink(folder.path().join("unmounted/file"), &place).unwrap();
        let states = database(&folder);
        for error in [states.read().unwrap_err(), update(&states, &[("a", "1")]).unwrap_err()] {
            assert!(error.to_string().contains("a link to a file that is not there"), "{error}");
        }
        assert!(place.is_symlink());
    }
}

/// The decisions of an admin are in it.
#[test]
fn damaged_file_is_an_error_and_is_made_anew_by_what_runs() {
    type Damage = fn(&mut Vec<u8>);
    let faults: [(&str, Damage); 5] = [
        ("first page", |bytes| bytes[..100].fill(0xA5)),
        ("rows", |bytes| bytes[4096..].fill(0xA5)),
        ("half a page", |bytes| bytes.truncate(bytes.len() - 2048)),
        ("a page", |bytes| bytes.truncate(bytes.len() - 4096)),
        ("empty", Vec::clear),
    ];
    for (fault, damage) in faults {
        let folder = tempfile::tempdir().unwrap();
        let (running, place) = (database(&folder), folder.path().join("plugins.db"));
        update(&running, &[("a", "1"), ("b", "1")]).unwrap();
        let mut bytes = fs::read(&place).unwrap();
        damage(&mut bytes);
        fs::write(&place, &bytes).unwrap();
        let error = database(&folder).read().unwrap_err();
        assert!(matches!(&error, PluginRecordsError::Damaged { .. }), "{fault}: {error}");
        assert!(error.to_string().contains("plugins.db: damaged ("), "{fault}: {error}");
        assert!(error.hint().unwrap().starts_with("restore it, or remove it"), "{error}");
        assert_eq!(update(&running, &[]), Ok(None), "{fault}");
        assert_eq!(fs::read(&place).unwrap(), bytes, "{fault}: what runs has nothing to write");
        assert_eq!(update(&running, &[("a", "2")]), Ok(None), "{fault}");
        assert_eq!(read(&database(&folder)), texts(&[("a", "2")]), "{fault}");
        assert_eq!(names(&folder), ["plugins.db", "plugins.db.lock"], "{fault}");
    }
}

#[test]
fn file_of_another_program_or_a_newer_renkei_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("plugins.db");
    let refuses = |expected: &str, hint: &str| {
        let before = fs::read(&place).unwrap();
        let written = database(&folder).update(&mut |_| panic!("it is not shown"));
        for refused in [database(&folder).read().map(drop), written] {
            let error = refused.unwrap_err();
            assert!(matches!(&error, PluginRecordsError::Failed { .. }), "{error}");
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(error.hint(), Some(hint));
        }
        assert_eq!(fs::read(&place).unwrap(), before);
        fs::remove_file(&place).unwrap();
    };
    Connection::open(&place).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    refuses("not a store of Renkei", "choose another directory or file");
    update(&database(&folder), &[("a", "1")]).unwrap();
    Connection::open(&place).unwrap().pragma_update(None, "user_version", 99).unwrap();
    refuses("of layout 99, this Renkei knows 1", "update Renkei");
}

/// `host/sync/RULES.md` R27.
#[test]
fn pipes_and_holes_in_the_place_of_its_files_are_errors_and_no_waits() {
    for (name, reads) in [
        ("plugins.db", true),
        ("plugins.db-journal", true),
        ("plugins.db-wal", true),
        ("plugins.db.lock", false),
        ("plugins.json", true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join(name);
        if name.starts_with("plugins.db-") {
            update(&database(&folder), &[("a", "1")]).unwrap();
        }
        assert!(Command::new("mkfifo").arg("-m600").arg(&pipe).status().unwrap().success());
        let is_refused = |error: PluginRecordsError| {
            let error = error.to_string();
            assert!(error.contains(name) && error.contains("not a regular file"), "{error}");
        };
        is_refused(update(&database(&folder), &[]).unwrap_err());
        match database(&folder).read() {
            Err(error) => is_refused(error),
            Ok(_) => assert!(!reads, "{name}"),
        }
    }
    let folder = tempfile::tempdir().unwrap();
    File::create(folder.path().join("plugins.json")).unwrap().set_len(3 << 30).unwrap();
    let error = database(&folder).read().unwrap_err().to_string();
    assert!(error.contains("larger than 16 MiB"), "{error}");
}

/// A database and its journal as a crash leaves them in the middle of a commit.
fn cut_off_commit() -> TempDir {
    let (folder, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    update(&database(&folder), &[("a", "1")]).unwrap();
    let copy = |name: &str| {
        fs::copy(folder.path().join(name), crashed.path().join(name)).map(drop).unwrap()
    };
    let writer = Connection::open(folder.path().join("plugins.db")).unwrap();
    // Otherwise the journal counts only from the commit on.
    writer.pragma_update(None, "synchronous", "OFF").unwrap();
    writer.execute_batch("BEGIN; UPDATE plugin SET state = '2'").unwrap();
    copy("plugins.db-journal");
    writer.execute_batch("COMMIT").unwrap();
    copy("plugins.db");
    crashed
}

#[test]
fn commit_that_a_crash_cut_off_is_taken_back() {
    let crashed = cut_off_commit();
    assert_eq!(read(&database(&crashed)), texts(&[("a", "1")]));
    assert_eq!(names(&crashed), ["plugins.db"]);
    let crashed = cut_off_commit();
    assert_eq!(update(&database(&crashed), &[]), Ok(Some(texts(&[("a", "1")]))));
}

#[test]
fn files_that_a_crash_left_spoil_no_new_file() {
    let crashed = cut_off_commit();
    fs::write(crashed.path().join("plugins.db.new"), "half").unwrap();
    fs::remove_file(crashed.path().join("plugins.db")).unwrap();
    assert_eq!(update(&database(&crashed), &[("b", "1")]), Ok(Some(texts(&[]))));
    assert_eq!(read(&database(&crashed)), texts(&[("b", "1")]));
    assert_eq!(names(&crashed), ["plugins.db", "plugins.db.lock"]);
}

const OLD: &str = r#"{"format": 1, "plugins": {"a": {"hold": true}, "b": {}}}"#;

fn write_old(folder: &TempDir, text: &str) {
    fs::write(folder.path().join("plugins.json"), text).unwrap();
    fs::write(folder.path().join("plugins.lock"), "").unwrap();
}

#[test]
fn states_of_an_older_renkei_are_taken_over_once() {
    let folder = tempfile::tempdir().unwrap();
    write_old(&folder, OLD);
    let old = texts(&[("a", r#"{"hold":true}"#), ("b", "{}")]);
    let found = database(&folder).read().unwrap();
    assert_eq!((found.by_id, found.file), (old.clone(), folder.path().join("plugins.json")));
    assert_eq!(names(&folder), ["plugins.json", "plugins.lock"], "who only looks takes nothing");
    assert_eq!(update(&database(&folder), &[("a", "{}")]), Ok(Some(old)));
    assert_eq!(names(&folder), ["plugins.db", "plugins.db.lock"]);
    // A crash before the old file was removed.
    write_old(&folder, OLD);
    let taken_over = texts(&[("a", "{}"), ("b", "{}")]);
    assert_eq!(read(&database(&folder)), taken_over);
    assert_eq!(update(&database(&folder), &[]), Ok(Some(taken_over)));
    assert_eq!(names(&folder), ["plugins.db", "plugins.db.lock"]);
}

#[test]
fn damaged_file_of_an_older_renkei_is_an_error() {
    for damaged in ["", OLD.get(..20).unwrap(), r#"{"format": 1, "plugins": {}, "more": 1}"#] {
        let folder = tempfile::tempdir().unwrap();
        write_old(&folder, damaged);
        let error = database(&folder).read().unwrap_err();
        assert!(error.to_string().contains("plugins.json: damaged ("), "{error}");
        assert!(error.hint().unwrap().starts_with("restore it, or remove it"), "{error}");
        assert_eq!(update(&database(&folder), &[]), Ok(None));
        assert_eq!(names(&folder), ["plugins.db.lock", "plugins.json", "plugins.lock"]);
        assert_eq!(update(&database(&folder), &[("a", "{}")]), Ok(None));
        assert_eq!(update(&database(&folder), &[]), Ok(Some(texts(&[("a", "{}")]))));
        assert_eq!(names(&folder), ["plugins.db", "plugins.db.lock"]);
    }
}
