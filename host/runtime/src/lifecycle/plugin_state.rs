//! What must be known of plugins after a restart, and beside a running `serve`: `plugins.json`.
//!
//! One JSON object, replaced as a whole under a lock, for this user alone. Which version serves and
//! which served before, which are not to be taken again, what an admin allowed, and what waits for
//! an approval. A file that cannot be understood is an error and never an empty book: the holds and
//! grants in it would be lost.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use renkei_sync::model::plugin::Generation;

use super::stored_permissions::StoredPermissions;

/// Versions per plugin that can serve again, the one that serves among them.
pub(crate) const VERSIONS_KEPT: usize = 3;

/// Versions per plugin that are known to be bad.
const BAD_KEPT: usize = 16;

/// The pages, by plugin id.
pub(crate) type Pages = BTreeMap<String, Page>;

/// What is known of one plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Page {
    /// The file in the plugin folder that it came from.
    pub(crate) file: String,
    /// The digest that serves; none when its file was removed.
    pub(crate) serving: Option<String>,
    /// Those that served last, the last one first: what serves is at the front.
    pub(crate) versions: Vec<Version>,
    /// Digests that are not taken again by themselves, with the reason.
    pub(crate) bad: Vec<(String, String)>,
    /// New versions wait for an approval.
    pub(crate) hold: bool,
    /// The digest that an admin approved before it could serve.
    pub(crate) approved: Option<String>,
    /// The digest that serves again if what serves fails on probation; none when that has passed.
    pub(crate) fallback: Option<String>,
    /// Permissions that it was given; none before its first version.
    pub(crate) allowed: Option<StoredPermissions>,
    /// Permissions that an admin denied.
    pub(crate) denied: StoredPermissions,
}

/// A version whose bytes are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) version: String,
    pub(crate) digest: String,
}

impl Page {
    /// `generation` serves from now on, on probation if there is a fallback.
    pub(crate) fn serve(&mut self, file: &str, generation: &Generation, fallback: Option<String>) {
        let Generation { version, digest, .. } = generation;
        file.clone_into(&mut self.file);
        self.serving = Some(digest.clone());
        self.fallback = fallback;
        self.approved = None;
        let version = Version { version: version.clone(), digest: digest.clone() };
        self.put_first(version);
        while self.versions.len() > VERSIONS_KEPT {
            let Some(at) = self.least_needed() else { break };
            self.versions.remove(at);
        }
    }

    /// Where the version is that can go first: the oldest bad one, or else the oldest, but not what
    /// serves nor what would serve instead.
    fn least_needed(&self) -> Option<usize> {
        let others = || self.versions.iter().enumerate().skip(1).rev();
        let free = |known: &Version| self.fallback.as_deref() != Some(&*known.digest);
        let is_bad = |known: &Version| self.why_bad(&known.digest).is_some();
        let bad = others().find(|(_, known)| free(known) && is_bad(known));
        bad.or_else(|| others().find(|(_, known)| free(known))).map(|(at, _)| at)
    }

    fn put_first(&mut self, version: Version) {
        self.versions.retain(|known| known.digest != version.digest);
        self.versions.insert(0, version);
    }

    /// `to` serves again instead of the version with the digest `from`, which is not taken again by
    /// itself.
    pub(crate) fn retreat(&mut self, from: &str, to: &Generation, reason: &str) {
        let Generation { version, digest, .. } = to;
        self.bad.retain(|(bad, _)| bad != from && bad != digest);
        self.bad.insert(0, (from.to_owned(), reason.to_owned()));
        self.bad.truncate(BAD_KEPT);
        self.put_first(Version { version: version.clone(), digest: digest.clone() });
        self.serving = Some(digest.clone());
        self.approved = None;
        self.fallback = None;
    }

    /// The version that served before the one that serves.
    pub(crate) fn earlier(&self) -> Option<&Version> {
        let serving = self.serving.as_deref();
        let mut older = self.versions.iter().skip_while(|known| Some(&*known.digest) != serving);
        older.next()?;
        older.find(|known| self.why_bad(&known.digest).is_none())
    }

    /// Why a digest is not taken again by itself.
    pub(crate) fn why_bad(&self, digest: &str) -> Option<&str> {
        self.bad.iter().find(|(bad, _)| bad == digest).map(|(_, reason)| reason.as_str())
    }

    /// An admin wants this digest.
    pub(crate) fn approve(&mut self, digest: &str) {
        self.bad.retain(|(bad, _)| bad != digest);
        self.approved = Some(digest.to_owned());
    }
}

/// Why there is no book.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BookError {
    /// The file system refuses.
    #[error("{}: cannot be read or written: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Not what Renkei writes.
    #[error(
        "{}: damaged ({source}); restore it, or remove it: holds and grants are then forgotten and \
         each plugin is taken as if it were new",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// See the module's text.
pub(crate) struct Book {
    path: PathBuf,
    pages: Pages,
    /// Plugins whose page could not be written yet. What this process knows of them counts.
    unwritten: BTreeSet<String>,
    /// Nothing is written: what this process does is its own affair.
    passive: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<P> {
    format: u32,
    plugins: P,
}

impl Book {
    /// The book in `home`, empty if there is none yet.
    pub(crate) fn open(home: &Path, passive: bool) -> Result<Self, BookError> {
        if !passive {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(home);
            made.map_err(|source| BookError::Io { path: home.to_owned(), source })?;
        }
        let path = home.join("plugins.json");
        let pages = read(&path)?;
        Ok(Self { path, pages, unwritten: BTreeSet::new(), passive })
    }

    pub(crate) fn pages(&self) -> &Pages {
        &self.pages
    }

    /// A plugin's page; an empty one if it was never seen.
    pub(crate) fn page(&self, id: &str) -> Page {
        self.pages.get(id).cloned().unwrap_or_default()
    }

    /// Reads what others wrote, changes a plugin's page, and writes. On an error the change holds
    /// in this process, and is written with the next one or when the folder is looked at.
    pub(crate) fn change(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Page),
    ) -> Result<(), BookError> {
        let lock = self.open_page();
        let page = self.pages.entry(id.to_owned()).or_default();
        let before = page.clone();
        change(page);
        if *page != before {
            self.unwritten.insert(id.to_owned());
        }
        self.keep(lock)
    }

    /// As [`Book::change`], but on an error nothing is changed.
    pub(crate) fn try_change(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Page),
    ) -> Result<(), BookError> {
        let (before, unwritten) = (self.pages.get(id).cloned(), self.unwritten.clone());
        self.change(id, change).inspect_err(|_| {
            match before {
                Some(before) => self.pages.insert(id.to_owned(), before),
                None => self.pages.remove(id),
            };
            self.unwritten = unwritten;
        })
    }

    /// Reads what another process wrote meanwhile, and writes what could not be written before.
    pub(crate) fn refresh(&mut self) -> Result<(), BookError> {
        let lock = self.open_page();
        self.keep(lock)
    }

    /// Takes the lock and reads what others wrote.
    fn open_page(&mut self) -> Option<Result<File, BookError>> {
        if self.passive {
            return None;
        }
        let lock = self.lock();
        if let Ok(mut pages) = read(&self.path) {
            for id in &self.unwritten {
                if let Some(own) = self.pages.get(id) {
                    pages.insert(id.clone(), own.clone());
                }
            }
            self.pages = pages;
        }
        Some(lock)
    }

    /// Writes what is not written yet, under the lock if there is to be one.
    fn keep(&mut self, lock: Option<Result<File, BookError>>) -> Result<(), BookError> {
        if let Some(lock) = lock
            && !self.unwritten.is_empty()
        {
            let _locked = lock?;
            self.write()?;
            self.unwritten.clear();
        }
        Ok(())
    }

    fn lock(&self) -> Result<File, BookError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let path = self.path.with_extension("lock");
        let file = renkei_files::open(&options, &path).and_then(|file| {
            file.lock()?;
            Ok(file)
        });
        file.map_err(|source| BookError::Io { path, source })
    }

    fn write(&self) -> Result<(), BookError> {
        let written = Written { format: 1, plugins: &self.pages };
        let text = serde_json::to_vec_pretty(&written).map_err(io::Error::other);
        text.and_then(|text| renkei_files::replace(&self.path, &text))
            .map_err(|source| BookError::Io { path: self.path.clone(), source })
    }
}

fn read(path: &Path) -> Result<Pages, BookError> {
    let text = match renkei_files::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Pages::new()),
        Err(source) => return Err(BookError::Io { path: path.to_owned(), source }),
    };
    let damaged = |source| BookError::Damaged { path: path.to_owned(), source };
    let written: Written<Pages> = serde_json::from_slice(&text).map_err(damaged)?;
    Ok(written.plugins)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn generation(digest: &str) -> Generation {
        let (plugin, version) = ("echo".to_owned(), format!("1.{digest}"));
        Generation { plugin, version, digest: digest.to_owned() }
    }

    fn digests(page: &Page) -> Vec<&str> {
        page.versions.iter().map(|version| version.digest.as_str()).collect()
    }

    #[test]
    fn three_versions_are_kept_and_a_bad_one_is_not_gone_back_to() {
        let mut page = Page::default();
        assert_eq!(page.earlier(), None);
        for digest in ["a", "b", "c", "d", "b"] {
            page.serve("echo.wasm", &generation(digest), None);
        }
        assert_eq!(digests(&page), ["b", "d", "c"]);
        page.retreat("b", &generation("d"), "it failed");
        assert_eq!(page.serving.as_deref(), Some("d"));
        assert_eq!(page.why_bad("b"), Some("it failed"));
        assert_eq!(page.earlier().unwrap().digest, "c");
        page.retreat("d", &generation("c"), "it failed too");
        assert_eq!(page.earlier(), None);
        page.approve("b");
        assert_eq!((page.why_bad("b"), page.approved.as_deref()), (None, Some("b")));
        page.serve("echo.wasm", &generation("b"), None);
        assert_eq!(page.approved, None);
        assert_eq!(page.earlier().unwrap().digest, "c", "d is bad");
    }

    #[test]
    fn what_serves_is_kept_however_many_bad_ones_come() {
        let mut page = Page::default();
        page.serve("echo.wasm", &generation("older"), None);
        page.serve("echo.wasm", &generation("good"), None);
        for bad in ["b", "c", "d", "e"] {
            page.serve("echo.wasm", &generation(bad), Some("good".to_owned()));
            assert_eq!(page.earlier().unwrap().digest, "good");
            page.retreat(bad, &generation("good"), "it failed");
            assert_eq!(page.serving.as_deref(), Some("good"));
            assert_eq!(digests(&page), ["good", bad, "older"]);
            assert_eq!(page.earlier().unwrap().digest, "older");
        }
    }

    #[test]
    fn what_would_serve_again_is_kept_however_many_untried_ones_come() {
        let mut page = Page::default();
        page.serve("echo.wasm", &generation("good"), None);
        for untried in ["b", "c", "d", "e"] {
            page.serve("echo.wasm", &generation(untried), Some("good".to_owned()));
        }
        assert_eq!(digests(&page), ["e", "d", "good"]);
    }

    #[test]
    fn what_cannot_be_written_is_not_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let mut book = Book::open(home.path(), false).unwrap();
        book.change("a", |page| page.serve("a.wasm", &generation("one"), None)).unwrap();
        let lock = home.path().join("plugins.lock");
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        let bad = |page: &mut Page| page.bad = vec![("two".to_owned(), "it failed".to_owned())];
        book.change("a", bad).unwrap_err();
        book.try_change("a", |page| page.hold = true).unwrap_err();
        book.refresh().unwrap_err();
        assert!(book.page("a").why_bad("two").is_some() && !book.page("a").hold);
        fs::remove_dir(&lock).unwrap();
        book.refresh().unwrap();
        let page = Book::open(home.path(), true).unwrap().page("a");
        assert!(page.why_bad("two").is_some() && !page.hold && page.versions.len() == 1);
    }

    /// `RULES.md R27`.
    #[test]
    fn pipes_in_the_place_of_its_files_are_errors_and_no_waits() {
        let home = tempfile::tempdir().unwrap();
        let pipe = |name| {
            let path = home.path().join(name);
            let made = std::process::Command::new("mkfifo").arg("-m600").arg(&path).status();
            assert!(made.unwrap().success());
            path
        };
        let lock = pipe("plugins.lock");
        let mut book = Book::open(home.path(), false).unwrap();
        let error = book.change("a", |page| page.hold = true).unwrap_err().to_string();
        assert!(error.contains("plugins.lock") && error.contains("not a regular file"), "{error}");
        fs::remove_file(&lock).unwrap();
        pipe("plugins.json");
        let error = Book::open(home.path(), true).err().unwrap().to_string();
        assert!(error.contains("plugins.json") && error.contains("not a regular file"), "{error}");
        fs::remove_file(home.path().join("plugins.json")).unwrap();
        File::create(home.path().join("plugins.json")).unwrap().set_len(3 << 30).unwrap();
        let error = Book::open(home.path(), true).err().unwrap().to_string();
        assert!(error.contains("larger than 16 MiB"), "{error}");
    }

    #[test]
    fn two_processes_write_one_book() {
        let home = tempfile::tempdir().unwrap();
        let mut one = Book::open(home.path(), false).unwrap();
        let mut two = Book::open(home.path(), false).unwrap();
        let mut looker = Book::open(home.path(), true).unwrap();
        one.change("a", |page| page.hold = true).unwrap();
        two.change("b", |page| page.hold = true).unwrap();
        looker.change("c", |page| page.hold = true).unwrap();
        assert!(two.page("a").hold && looker.page("c").hold);
        let read = Book::open(home.path(), false).unwrap();
        assert_eq!(read.pages().keys().collect::<Vec<_>>(), ["a", "b"]);

        fs::write(home.path().join("plugins.json"), b"{\"format\":1,\"plugins\":{\"a\":").unwrap();
        let refused = Book::open(home.path(), false).err().unwrap();
        assert!(matches!(&refused, BookError::Damaged { .. }), "{refused}");
        one.change("a", |page| page.hold = false).unwrap();
        assert!(Book::open(home.path(), false).is_ok(), "what runs knows better than the file");
    }
}
