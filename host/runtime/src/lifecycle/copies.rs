//! Private copies of plugin files: `versions/<sha256>.wasm`, for this user alone
//! (`SECURITY.md` S3).
//!
//! The bytes that were hashed and checked are kept; the plugin folder cannot change them any more.
//! A copy is never changed: it is written aside, made to last, and renamed. What is read back must
//! still have its digest.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use renkei_files::FileAccess;
use sha2::{Digest as _, Sha256};

use crate::sandbox::plugin_bytes::{BYTES_MAX, PluginBytes, hash_pieces};

/// The folder of private copies.
#[derive(Debug, Clone)]
pub(crate) struct PrivateCopies(PathBuf);

impl PrivateCopies {
    /// The copies in `folder`, which need not be there yet.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Keeps the bytes whose SHA-256 is `digest`. Nothing is read where they are kept already.
    pub(crate) fn keep(&self, digest: &str, bytes: Arc<dyn PluginBytes>) -> io::Result<()> {
        if self.has(digest) {
            return Ok(());
        }
        let bytes = bytes.open()?;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        fs::set_permissions(&self.0, Permissions::from_mode(0o700))?;
        renkei_files::replace_by(&self.place(digest), FileAccess::Private, |copy| {
            let (found, _) = hash_pieces(bytes, |piece| copy.write_all(piece))?;
            if found == digest { Ok(()) } else { Err(io::Error::other("the file has changed")) }
        })
    }

    /// True where the bytes with this digest are kept.
    fn has(&self, digest: &str) -> bool {
        let open = renkei_files::open(OpenOptions::new().read(true), &self.place(digest));
        let hashed = open.and_then(|copy| hash_pieces(copy.take(BYTES_MAX), |_| Ok(())));
        hashed.is_ok_and(|(found, _)| found == digest)
    }

    /// The bytes with this digest.
    pub(crate) fn read(&self, digest: &str) -> io::Result<Vec<u8>> {
        let bytes = renkei_files::read_at_most(&self.place(digest), BYTES_MAX)?;
        if hex::encode(Sha256::digest(&bytes)) == digest {
            return Ok(bytes);
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "the private copy was changed"))
    }

    /// Removes all copies but these. What cannot be removed stays for the next time.
    pub(crate) fn retain(&self, digests: impl Fn(&str) -> bool) {
        let Ok(entries) = fs::read_dir(&self.0) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let digest = name.to_str().and_then(|name| name.strip_suffix(".wasm"));
            if digest.is_some_and(|digest| !digests(digest)) {
                fs::remove_file(entry.path()).ok();
            }
        }
    }

    fn place(&self, digest: &str) -> PathBuf {
        self.0.join(format!("{digest}.wasm"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn copy_is_kept_by_its_digest_for_this_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let versions = PrivateCopies::new(folder.path().join("versions"));
        let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        let (one, two) = (digest(b"one"), digest(b"two"));
        assert!(versions.read(&one).is_err());
        let keep = |digest: &str, bytes: &[u8]| versions.keep(digest, Arc::new(bytes.to_vec()));
        keep(&one, b"one").unwrap();
        keep(&two, b"two").unwrap();
        assert!(keep(&digest(b"three"), b"other bytes").is_err());
        assert_eq!(fs::read_dir(&versions.0).unwrap().count(), 2, "nothing is left of a failure");
        assert_eq!(versions.read(&one).unwrap(), b"one");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&versions.0), mode(&versions.place(&one))), (0o700, 0o600));

        fs::write(versions.place(&one), b"changed").unwrap();
        assert!(versions.read(&one).is_err(), "a changed copy is none");
        keep(&one, b"one").unwrap();
        assert_eq!(versions.read(&one).unwrap(), b"one", "and is made anew");

        versions.retain(|digest| digest == two);
        assert_eq!(fs::read_dir(&versions.0).unwrap().count(), 1);
        assert_eq!(versions.read(&two).unwrap(), b"two");
    }
}
