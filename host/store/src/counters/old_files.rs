//! Reads the record of calls of an older Renkei: one file per account in the folder `quotas`, with
//! four slots of JSON text, of which the newest whole one counts.
//!
//! A record is taken over when its account is first looked at, and its file is removed once the
//! row is on the disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::counters::marks::is_locked;
use crate::error::OpenError;

const MAGIC: &[u8] = b"rkcalls1";
const SLOTS: usize = 4;
const SLOT_BYTES: usize = 128 << 10;
const SUM_BYTES: usize = 8;

/// The record of an account in an old file.
pub(super) enum OldRecord {
    Text(String),
    /// No slot is whole.
    Damaged,
}

/// True where an old file has a record of the account.
pub(super) fn is_there(folder: &Path, account: &str) -> bool {
    fs::metadata(place(folder, account)).is_ok_and(|found| found.len() > 0)
}

/// The record of the account in an old file, in the form of a row.
pub(super) fn read(folder: &Path, account: &str) -> io::Result<Option<OldRecord>> {
    let bytes = match renkei_files::read(&place(folder, account)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if bytes.is_empty() {
        return Ok(None);
    }
    if let Some(path) = living_mark(folder, account) {
        return Err(io::Error::other(OpenError::OlderRuns { path }));
    }
    let slots = bytes.chunks(SLOT_BYTES).take(SLOTS).filter_map(read_slot);
    let newest = slots.max_by_key(|(sequence, _)| *sequence);
    let text = newest.and_then(|(_, text)| convert(text));
    Ok(Some(text.map_or(OldRecord::Damaged, OldRecord::Text)))
}

/// The mark of a process of the older Renkei that lives.
fn living_mark(folder: &Path, account: &str) -> Option<PathBuf> {
    marks_of(folder, account).find(|mark| is_locked(mark))
}

fn marks_of(folder: &Path, account: &str) -> impl Iterator<Item = PathBuf> {
    let marks = format!("{}.", file_name(account));
    let entries = fs::read_dir(folder.join("quotas")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(move |path| {
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        name.starts_with(&marks) && name.ends_with(".mark")
    })
}

/// Removes the old file of an account with its marks, and the folder after the last. One that
/// stays is not read again, because its account has a row.
pub(super) fn remove(folder: &Path, account: &str) {
    let (file, quotas) = (place(folder, account), folder.join("quotas"));
    fs::remove_file(&file).ok();
    for mark in marks_of(folder, account) {
        fs::remove_file(mark).ok();
    }
    fs::remove_dir(&quotas).ok();
}

/// Sequence number and text of a whole slot: mark, number, length, checksum, text.
fn read_slot(slot: &[u8]) -> Option<(u64, &[u8])> {
    let (sequence, rest) = slot.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<SUM_BYTES>()?;
    let text = rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    let is_whole = Sha256::digest(text).starts_with(sum);
    is_whole.then_some((u64::from_le_bytes(*sequence), text))
}

/// The text of a row. The processes of the older Renkei are gone ([`living_mark`]): number 0 never
/// lives.
fn convert(text: &[u8]) -> Option<String> {
    let mut windows: Map<String, Value> = serde_json::from_slice(text).ok()?;
    windows.remove("processes");
    for call in windows.get_mut("in_flight")?.as_array_mut()? {
        call.as_object_mut()?.insert("process".to_owned(), Value::from(0));
    }
    // Short windows, the first, are over within a minute.
    let full = windows.get("full_at_ms")?.as_array()?.get(1)?.clone();
    windows.insert("full_at_ms".to_owned(), full);
    serde_json::to_string(&windows).ok()
}

fn place(folder: &Path, account: &str) -> PathBuf {
    folder.join("quotas").join(file_name(account))
}

/// An account's name, or what stands for one that is no plain file name.
fn file_name(account: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !account.is_empty() && account.len() <= 100 && account.chars().all(plain) {
        return account.to_owned();
    }
    hex::encode(Sha256::digest(account))
}
