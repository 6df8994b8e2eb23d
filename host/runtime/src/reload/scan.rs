//! Reads the plugin folder: what changed, whole, still and hashed. What is hashed here is what is
//! copied, compiled and served later: whoever reads a file again ([`FileBytes`]) compares the
//! digest. No file's bytes are kept, so a folder full of large files costs no memory.
//!
//! - **Still.** A file counts only when it holds still: what the system says of it is the same
//!   before and after it was read, and, where it is new, [`STILL`] earlier. A copy that pauses for
//!   longer is found out by its content, which does not parse.
//! - **Stamps.** A look of depth [`LookDepth::Stamps`] does not read a file whose stamp (device,
//!   inode, size, times) is that of its last reading. It opens each file all the same, because a
//!   network file system asks its server then and not before, and so that a link that leads out of
//!   the folder is found out.
//! - **Coarse times.** Two changes within one tick of a file system's clock leave one stamp, so a
//!   stamp is believed only once the file was read [`TICK`] after that stamp was first seen; until
//!   then every look reads it. That compares no clock of a server with ours.
//! - **Safety net.** A change can leave no stamp at all: a write through a memory map, a clock set
//!   back. [`LookDepth::Bytes`] reads every file.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use renkei_package::FILE_BYTES_MAX;

use crate::sandbox::plugin_bytes::{BYTES_MAX, PluginBytes, hash_pieces};

/// The time that a changed file must not change before it is read.
const STILL: Duration = Duration::from_millis(20);

/// The coarsest clock of a file system, FAT's.
const TICK: Duration = Duration::from_secs(2);

/// The files that a look reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookDepth {
    /// Those that changed by their stamps.
    Stamps,
    /// Every file.
    Bytes,
}

/// One plugin file and its content.
pub(crate) struct FoundFile {
    pub(crate) name: String,
    pub(crate) content: FileContent,
}

/// The content of a file.
pub(crate) enum FileContent {
    /// That of the last look, by its stamp; it was not read.
    Same,
    /// Its SHA-256.
    Whole(String),
    /// Somebody writes it now.
    Moving,
    /// It cannot be read: the reason, and the next step where there is one.
    Refused(String, Option<&'static str>),
}

/// The system's description of a file; another one when somebody writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileStamp {
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

/// A stamp, and how far it is believed.
struct StampedFile {
    stamp: FileStamp,
    /// No change that left this stamp is later.
    seen: Instant,
    /// The file was read at least [`TICK`] later: another change leaves another stamp.
    is_settled: bool,
}

/// The stamps of the last look, by file name.
#[derive(Default)]
pub(crate) struct KnownStamps(BTreeMap<String, StampedFile>);

impl KnownStamps {
    /// The next look reads this file, whatever its stamp.
    pub(crate) fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Takes the stamps of the files that are there now; true where one is new.
    fn replace(&mut self, stamps: BTreeMap<String, FileStamp>, seen: Instant) -> bool {
        let mut before = std::mem::take(&mut self.0);
        let mut is_new = false;
        for (name, stamp) in stamps {
            let known = before.remove(&name).filter(|known| known.stamp == stamp);
            is_new |= known.is_none();
            let known = known.unwrap_or(StampedFile { stamp, seen, is_settled: false });
            self.0.insert(name, known);
        }
        is_new
    }
}

/// Finds all `*.wasm` of `folder` in order of their names, and reads them as far as `depth` says.
/// Hidden files and drafts (`x.wasm.tmp`) are not plugins yet. `known` are the stamps of the last
/// look, and of this one afterwards.
pub(crate) fn read(
    folder: &Path,
    depth: LookDepth,
    known: &mut KnownStamps,
    clock: &dyn Fn() -> Instant,
) -> io::Result<Vec<FoundFile>> {
    let folder = folder.canonicalize()?;
    let (mut names, mut found) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(&folder)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if name.ends_with(".wasm") && !name.starts_with('.') {
            names.push(name);
        } else if name.ends_with(".cwasm") {
            let reason = format!("{name}: precompiled native code, which is never loaded");
            found.push(FoundFile {
                content: FileContent::Refused(reason, Some("give the .wasm")),
                name,
            });
        }
    }
    let stamps = names.iter().filter_map(|name| Some((name.clone(), stamp(&folder, name)?)));
    let stamps = stamps.collect();
    if known.replace(stamps, clock()) {
        std::thread::sleep(STILL);
    }
    for name in names {
        let content = content(&folder, &name, depth, known.0.get_mut(&name), clock());
        let content = content
            .unwrap_or_else(|reason| FileContent::Refused(format!("{name}: {reason}"), None));
        found.push(FoundFile { name, content });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Fills in what was read a moment ago for each file of `found` that did not change since.
pub(crate) fn fill_in(found: &mut [FoundFile], earlier: Vec<FoundFile>) {
    let mut earlier: BTreeMap<String, FileContent> =
        earlier.into_iter().map(|file| (file.name, file.content)).collect();
    for file in found.iter_mut().filter(|file| matches!(file.content, FileContent::Same)) {
        if let Some(content) = earlier.remove(&file.name) {
            file.content = content;
        }
    }
}

fn stamp(folder: &Path, name: &str) -> Option<FileStamp> {
    fs::metadata(folder.join(name)).ok().map(|metadata| FileStamp::from_metadata(&metadata))
}

/// The content of a file at `now`, which is before it is read.
fn content(
    folder: &Path,
    name: &str,
    depth: LookDepth,
    known: Option<&mut StampedFile>,
    now: Instant,
) -> Result<FileContent, String> {
    let Some(known) = known else {
        // It went after it was listed, or nothing can be said of it, which opening it does.
        return open_plugin(folder, name).map(|_| FileContent::Moving);
    };
    let was_settled = std::mem::replace(&mut known.is_settled, false);
    let Some((file, metadata)) = open_plugin(folder, name)? else {
        return Ok(FileContent::Moving);
    };
    if known.stamp != FileStamp::from_metadata(&metadata) {
        return Ok(FileContent::Moving);
    }
    if was_settled && depth == LookDepth::Stamps {
        known.is_settled = true;
        return Ok(FileContent::Same);
    }
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let most = BYTES_MAX.saturating_add(1);
    let (digest, bytes) = hash_pieces((&file).take(most), |_| Ok(())).map_err(unreadable)?;
    let after = FileStamp::from_metadata(&file.metadata().map_err(unreadable)?);
    // What was read is what stood there all the time, and what stands there now.
    let is_still =
        known.stamp == after && stamp(folder, name) == Some(after) && bytes == after.bytes;
    if !is_still {
        return Ok(FileContent::Moving);
    }
    known.is_settled = now.saturating_duration_since(known.seen) >= TICK;
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
        return Err(format!("{} bytes, and the most is {FILE_BYTES_MAX}", metadata.len()));
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

    /// Looks at a folder at a moment of the test's own.
    struct Looks {
        known: KnownStamps,
        now: Instant,
    }

    impl Looks {
        fn new() -> Self {
            Self { known: KnownStamps::default(), now: Instant::now() }
        }

        fn at(&mut self, folder: &Path, depth: LookDepth) -> Vec<(String, &'static str)> {
            let word = |content: &FileContent| match content {
                FileContent::Same => "same",
                FileContent::Whole(..) => "whole",
                FileContent::Moving => "moving",
                FileContent::Refused(..) => "refused",
            };
            let now = self.now;
            let found = read(folder, depth, &mut self.known, &|| now).unwrap();
            found.iter().map(|found| (found.name.clone(), word(&found.content))).collect()
        }

        /// The word for the only file of the folder.
        fn one(&mut self, folder: &Path, depth: LookDepth) -> &'static str {
            self.at(folder, depth)[0].1
        }
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
        let mut looks = Looks::new();
        assert_eq!(looks.at(folder.path(), LookDepth::Stamps), expected);
        // What is refused is refused at each look, without being read.
        looks.now += TICK;
        looks.at(folder.path(), LookDepth::Stamps);
        let same = |(name, word)| (name, if word == "whole" { "same" } else { word });
        assert_eq!(looks.at(folder.path(), LookDepth::Stamps), expected.map(same));
    }

    #[test]
    fn only_a_file_with_another_stamp_is_read_once_its_stamp_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let (folder, place) = (folder.path(), folder.path().join("a.wasm"));
        let mut looks = Looks::new();
        fs::write(&place, "one").unwrap();
        for (after, word) in [(0, "whole"), (1, "whole"), (1, "whole"), (1, "same"), (9, "same")] {
            looks.now += Duration::from_secs(after);
            assert_eq!(looks.one(folder, LookDepth::Stamps), word);
        }
        assert_eq!(looks.one(folder, LookDepth::Bytes), "whole");
        assert_eq!(looks.one(folder, LookDepth::Stamps), "same");
        // As long, with the same times but for the one that nobody can set.
        let times = fs::metadata(&place).unwrap().modified().unwrap();
        fs::write(&place, "two").unwrap();
        File::options().write(true).open(&place).unwrap().set_modified(times).unwrap();
        assert_eq!(looks.one(folder, LookDepth::Stamps), "whole");
        looks.now += TICK;
        assert_eq!(looks.one(folder, LookDepth::Stamps), "whole");
        assert_eq!(looks.one(folder, LookDepth::Stamps), "same");
        looks.known.forget("a.wasm");
        assert_eq!(looks.one(folder, LookDepth::Stamps), "whole");
    }

    #[test]
    fn what_a_first_try_read_is_not_lost_in_the_second() {
        let file = |name: &str, content| FoundFile { name: name.to_owned(), content };
        let whole = |digest: &str| FileContent::Whole(digest.to_owned());
        let first = vec![file("a", whole("1")), file("b", FileContent::Moving)];
        let mut second = vec![file("a", FileContent::Same), file("b", whole("2"))];
        fill_in(&mut second, first);
        let digests = second.iter().map(|file| match &file.content {
            FileContent::Whole(digest) => digest.as_str(),
            _ => "none",
        });
        assert!(digests.eq(["1", "2"]));
    }

    /// Kubernetes turns the link `..data` from one folder to the next.
    #[test]
    fn a_link_that_is_turned_is_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let turn = |to: &str| {
            std::os::unix::fs::symlink(to, folder.join("..data.tmp")).unwrap();
            fs::rename(folder.join("..data.tmp"), folder.join("..data")).unwrap();
        };
        for version in ["..1", "..2"] {
            fs::create_dir(folder.join(version)).unwrap();
            fs::write(folder.join(version).join("a.wasm"), version).unwrap();
        }
        std::os::unix::fs::symlink("..data/a.wasm", folder.join("a.wasm")).unwrap();
        let mut looks = Looks::new();
        for version in ["..1", "..2"] {
            turn(version);
            assert_eq!(looks.one(folder, LookDepth::Stamps), "whole");
            looks.now += TICK;
            assert_eq!(looks.one(folder, LookDepth::Stamps), "whole");
            assert_eq!(looks.one(folder, LookDepth::Stamps), "same");
        }
        // Out of the folder, and back.
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("a.wasm"), "..2").unwrap();
        turn(outside.path().to_str().unwrap());
        assert_eq!(looks.one(folder, LookDepth::Stamps), "refused");
        turn("..2");
        assert_eq!(looks.one(folder, LookDepth::Stamps), "whole");
    }

    #[test]
    fn a_file_that_changes_under_its_reader_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a.wasm");
        fs::write(&place, "half").unwrap();
        let now = Instant::now();
        let known = || {
            let stamp = stamp(folder.path(), "a.wasm").unwrap();
            StampedFile { stamp, seen: now, is_settled: true }
        };
        let taken = |mut known: StampedFile| {
            content(folder.path(), "a.wasm", LookDepth::Stamps, Some(&mut known), now).unwrap()
        };
        let before = known();
        fs::write(&place, "whole of it").unwrap();
        assert!(matches!(taken(before), FileContent::Moving));
        let taken = taken(StampedFile { is_settled: false, ..known() });
        let digest = hex::encode(Sha256::digest(b"whole of it"));
        assert!(matches!(taken, FileContent::Whole(found) if found == digest));
    }
}
