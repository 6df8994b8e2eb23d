//! Reads the plugin folder: every plugin file once, whole, still and hashed. What is hashed here is
//! what is copied, compiled and served later: whoever reads a file again ([`FileBytes`]) compares
//! the digest. No file's bytes are kept, so a folder full of large files costs no memory.
//!
//! A file counts only when it holds still: what the system says of it is the same before and after
//! it was read, and, where it is new, [`STILL`] earlier. A copy that pauses for longer is found out
//! by its content, which does not parse.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use renkei_package::FILE_BYTES_MAX;

use crate::sandbox::plugin_bytes::{BYTES_MAX, PluginBytes, hash_pieces};

/// The time that a changed file must not change before it is read.
const STILL: Duration = Duration::from_millis(20);

/// One plugin file and its content.
pub(crate) struct FoundFile {
    pub(crate) name: String,
    pub(crate) content: FileContent,
}

/// The content of a file.
pub(crate) enum FileContent {
    /// Its SHA-256.
    Whole(String),
    /// Somebody writes it now.
    Moving,
    /// It cannot be read, for this reason.
    Refused(String),
}

/// The system's description of a file; another one when somebody writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStamp {
    place: (u64, u64),
    bytes: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

impl FileStamp {
    fn from_metadata(metadata: &Metadata) -> Self {
        Self {
            place: (metadata.dev(), metadata.ino()),
            bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// Stamps of the last look, by file name.
pub(crate) type FileStamps = BTreeMap<String, FileStamp>;

/// Reads all `*.wasm` of `folder` in order of their names. Hidden files and drafts (`x.wasm.tmp`)
/// are not plugins yet. `stamps` are those of the last look, and of this one afterwards.
pub(crate) fn read(folder: &Path, stamps: &mut FileStamps) -> io::Result<Vec<FoundFile>> {
    let folder = folder.canonicalize()?;
    let (mut names, mut found) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(&folder)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if name.ends_with(".wasm") && !name.starts_with('.') {
            names.push(name);
        } else if name.ends_with(".cwasm") {
            let reason = "precompiled native code, which is never loaded; give the .wasm";
            found.push(FoundFile {
                content: FileContent::Refused(format!("{name}: {reason}")),
                name,
            });
        }
    }
    let seen: FileStamps =
        names.iter().filter_map(|name| Some((name.clone(), stamp(&folder, name)?))).collect();
    if seen.iter().any(|(name, stamp)| stamps.get(name) != Some(stamp)) {
        std::thread::sleep(STILL);
    }
    for name in names {
        let content = content(&folder, &name, seen.get(&name))
            .unwrap_or_else(|reason| FileContent::Refused(format!("{name}: {reason}")));
        found.push(FoundFile { name, content });
    }
    *stamps = seen;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn stamp(folder: &Path, name: &str) -> Option<FileStamp> {
    fs::metadata(folder.join(name)).ok().map(|metadata| FileStamp::from_metadata(&metadata))
}

fn content(folder: &Path, name: &str, seen: Option<&FileStamp>) -> Result<FileContent, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let Some((mut file, metadata)) = open_plugin(folder, name)? else {
        return Ok(FileContent::Moving);
    };
    let most = BYTES_MAX.saturating_add(1);
    let (digest, bytes) = hash_pieces((&mut file).take(most), |_| Ok(())).map_err(unreadable)?;
    let after = FileStamp::from_metadata(&file.metadata().map_err(unreadable)?);
    // What was read is what stood there all the time, and what stands there now.
    let still = seen == Some(&FileStamp::from_metadata(&metadata))
        && seen == Some(&after)
        && stamp(folder, name) == Some(after)
        && bytes == after.bytes;
    if !still {
        return Ok(FileContent::Moving);
    }
    Ok(FileContent::Whole(digest))
}

/// The bytes of a file of the plugin folder, read when they are needed.
pub(crate) struct FileBytes {
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
}

impl PluginBytes for FileBytes {
    fn open(self: Arc<Self>) -> io::Result<Box<dyn Read + Send>> {
        let folder = self.folder.canonicalize()?;
        let opened = open_plugin(&folder, &self.name).map_err(io::Error::other)?;
        let (file, _) = opened.ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(file.take(BYTES_MAX)))
    }
}

/// A regular file of the folder that is not too large. `None`: it has just gone.
fn open_plugin(folder: &Path, name: &str) -> Result<Option<(File, Metadata)>, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let Some(place) = place(folder, name)? else { return Ok(None) };
    let Some(file) = open(&place).map_err(unreadable)? else { return Ok(None) };
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.len() > BYTES_MAX {
        return Err(format!("{} bytes; the most is {FILE_BYTES_MAX}", metadata.len()));
    }
    Ok(Some((file, metadata)))
}

/// The path of the bytes. A link may point at another file of the folder (Kubernetes mounts do),
/// but not out of it. `None`: it has just gone.
fn place(folder: &Path, name: &str) -> Result<Option<PathBuf>, String> {
    match folder.join(name).canonicalize() {
        Ok(path) if path.starts_with(folder) => Ok(Some(path)),
        Ok(_) => Err("a link out of the plugin folder".to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("cannot be read: {error}"))
        }
        Err(_) if fs::symlink_metadata(folder.join(name)).is_ok() => {
            Err("a link to nothing".to_owned())
        }
        Err(_) => Ok(None),
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match renkei_files::open(OpenOptions::new().read(true), path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use sha2::{Digest as _, Sha256};

    use super::*;

    fn look(folder: &Path, stamps: &mut FileStamps) -> Vec<(String, &'static str)> {
        let word = |content: &FileContent| match content {
            FileContent::Whole(..) => "whole",
            FileContent::Moving => "moving",
            FileContent::Refused(_) => "refused",
        };
        let found = read(folder, stamps).unwrap();
        found.iter().map(|found| (found.name.clone(), word(&found.content))).collect()
    }

    #[test]
    fn scan_takes_plugin_files_only() {
        let outside = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        for name in ["b.wasm", "a.wasm", ".c.wasm", "d.wasm.tmp", "README.md", "x.cwasm"] {
            fs::write(place(name), name).unwrap();
        }
        fs::create_dir(place("e.wasm")).unwrap();
        fs::write(outside.path().join("f"), "x").unwrap();
        std::os::unix::fs::symlink(outside.path().join("f"), place("f.wasm")).unwrap();
        std::os::unix::fs::symlink(place("README.md"), place("g.wasm")).unwrap();
        assert!(Command::new("mkfifo").arg(place("h.wasm")).status().unwrap().success());
        std::os::unix::fs::symlink("/dev/zero", place("i.wasm")).unwrap();
        let file = File::create(place("j.wasm")).unwrap();
        file.set_len(u64::try_from(FILE_BYTES_MAX).unwrap() + 1).unwrap();
        std::os::unix::fs::symlink(place("nowhere"), place("k.wasm")).unwrap();
        let expected = [
            ("a.wasm", "whole"),
            ("b.wasm", "whole"),
            ("e.wasm", "refused"),
            ("f.wasm", "refused"),
            ("g.wasm", "whole"),
            ("h.wasm", "refused"),
            ("i.wasm", "refused"),
            ("j.wasm", "refused"),
            ("k.wasm", "refused"),
            ("x.cwasm", "refused"),
        ];
        let expected = expected.map(|(name, word)| (name.to_owned(), word));
        assert_eq!(look(folder.path(), &mut FileStamps::new()), expected);
    }

    #[test]
    fn a_file_that_changes_under_its_reader_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a.wasm");
        fs::write(&place, "half").unwrap();
        let seen = stamp(folder.path(), "a.wasm").unwrap();
        fs::write(&place, "whole of it").unwrap();
        let taken = content(folder.path(), "a.wasm", Some(&seen)).unwrap();
        assert!(matches!(taken, FileContent::Moving));
        let now = stamp(folder.path(), "a.wasm").unwrap();
        let taken = content(folder.path(), "a.wasm", Some(&now)).unwrap();
        let digest = hex::encode(Sha256::digest(b"whole of it"));
        assert!(matches!(taken, FileContent::Whole(found) if found == digest));
    }
}
