//! What must be known of plugins after a restart, and beside a running `serve`: `plugins.json`.
//!
//! One JSON object, replaced as a whole under a lock, for this user alone. Which version serves and
//! which served before, which are not to be taken again, what an admin allowed, and what waits for
//! an approval. A file that cannot be understood is an error and never an empty book: the holds and
//! grants in it would be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use renkei_sync::plugin::Generation;

use super::versions;

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
    /// Since when what serves is on probation, ms since 1970; none when it has passed.
    pub(crate) proving_ms: Option<i64>,
    /// What it may, in the words of `grants`; none before its first version.
    pub(crate) allowed: Option<BTreeSet<String>>,
    /// What it asks for and an admin took away.
    pub(crate) denied: BTreeSet<String>,
}

/// A version whose bytes are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) version: String,
    pub(crate) digest: String,
}

impl Page {
    /// `generation` serves from now on.
    pub(crate) fn serve(&mut self, file: &str, generation: &Generation) {
        let Generation { version, digest, .. } = generation;
        file.clone_into(&mut self.file);
        self.serving = Some(digest.clone());
        self.approved = None;
        let version = Version { version: version.clone(), digest: digest.clone() };
        self.put_first(version);
        while self.versions.len() > VERSIONS_KEPT {
            // A bad one is not gone back to, so it goes before a good one does.
            let is_bad = |known: &Version| self.why_bad(&known.digest).is_some();
            let last_bad = self.versions.iter().skip(1).rposition(is_bad).map(|at| at + 1);
            self.versions.remove(last_bad.unwrap_or(VERSIONS_KEPT));
        }
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
        self.proving_ms = None;
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
        Ok(Self { path, pages, passive })
    }

    pub(crate) fn pages(&self) -> &Pages {
        &self.pages
    }

    /// A plugin's page; an empty one if it was never seen.
    pub(crate) fn page(&self, id: &str) -> Page {
        self.pages.get(id).cloned().unwrap_or_default()
    }

    /// Reads what others wrote, changes a plugin's page, and writes. On an error the change holds
    /// in this process only.
    pub(crate) fn change(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Page),
    ) -> Result<(), BookError> {
        let own = |pages: &mut Pages| {
            let page = pages.entry(id.to_owned()).or_default();
            let before = page.clone();
            change(page);
            *page != before
        };
        if self.passive {
            own(&mut self.pages);
            return Ok(());
        }
        let lock = self.lock();
        if lock.is_ok()
            && let Ok(pages) = read(&self.path)
        {
            self.pages = pages;
        }
        if own(&mut self.pages) {
            lock?;
            return self.write();
        }
        Ok(())
    }

    /// Reads what another process wrote meanwhile.
    pub(crate) fn refresh(&mut self) {
        if !self.passive
            && let Ok(pages) = read(&self.path)
        {
            self.pages = pages;
        }
    }

    fn lock(&self) -> Result<File, BookError> {
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(self.path.with_extension("lock")).and_then(|file| {
            file.lock()?;
            Ok(file)
        });
        file.map_err(|source| BookError::Io { path: self.path.clone(), source })
    }

    fn write(&self) -> Result<(), BookError> {
        let written = Written { format: 1, plugins: &self.pages };
        let text = serde_json::to_vec_pretty(&written).map_err(io::Error::other);
        text.and_then(|text| versions::replace(&self.path, &text))
            .map_err(|source| BookError::Io { path: self.path.clone(), source })
    }
}

fn read(path: &Path) -> Result<Pages, BookError> {
    let text = match fs::read(path) {
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
            page.serve("echo.wasm", &generation(digest));
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
        page.serve("echo.wasm", &generation("b"));
        assert_eq!(page.approved, None);
        assert_eq!(page.earlier().unwrap().digest, "c", "d is bad");
    }

    #[test]
    fn what_serves_is_kept_however_many_bad_ones_come() {
        let mut page = Page::default();
        page.serve("echo.wasm", &generation("older"));
        page.serve("echo.wasm", &generation("good"));
        for bad in ["b", "c", "d", "e"] {
            page.serve("echo.wasm", &generation(bad));
            assert_eq!(page.earlier().unwrap().digest, "good");
            page.retreat(bad, &generation("good"), "it failed");
            assert_eq!(page.serving.as_deref(), Some("good"));
            assert_eq!(digests(&page), ["good", bad, "older"]);
            assert_eq!(page.earlier().unwrap().digest, "older");
        }
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
