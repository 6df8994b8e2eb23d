//! Private copies of plugin files: `versions/<sha256>.wasm`, for this user alone
//! (`SECURITY.md` S3).
//!
//! The bytes that were hashed and checked are kept; the plugin folder cannot change them any more.
//! A copy is never changed: it is written aside, made to last, and renamed. What is read back must
//! still have its digest.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::PathBuf;

use renkei_package::FILE_BYTES_MAX;
use sha2::{Digest as _, Sha256};

use crate::sandbox::loader::PluginBytes;

/// The folder of private copies.
#[derive(Debug, Clone)]
pub(crate) struct PrivateCopies(PathBuf);

impl PrivateCopies {
    /// The copies in `folder`, which need not be there yet.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Keeps the bytes whose SHA-256 is `digest`. Nothing is read where they are kept already.
    pub(crate) fn keep(&self, digest: &str, bytes: &dyn PluginBytes) -> io::Result<()> {
        let place = self.place(digest);
        if self.read(digest).is_ok() {
            return Ok(());
        }
        let bytes = bytes.read()?;
        if hex::encode(Sha256::digest(&bytes)) != digest {
            return Err(io::Error::other("the file has changed"));
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        fs::set_permissions(&self.0, Permissions::from_mode(0o700))?;
        renkei_files::replace(&place, &bytes)
    }

    /// The bytes with this digest.
    pub(crate) fn read(&self, digest: &str) -> io::Result<Vec<u8>> {
        let most = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
        let bytes = renkei_files::read_at_most(&self.place(digest), most)?;
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
        versions.keep(&one, &b"one".to_vec()).unwrap();
        versions.keep(&two, &b"two".to_vec()).unwrap();
        assert_eq!(versions.read(&one).unwrap(), b"one");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&versions.0), mode(&versions.place(&one))), (0o700, 0o600));

        fs::write(versions.place(&one), b"changed").unwrap();
        assert!(versions.read(&one).is_err(), "a changed copy is none");
        versions.keep(&one, &b"one".to_vec()).unwrap();
        assert_eq!(versions.read(&one).unwrap(), b"one", "and is made anew");

        versions.retain(|digest| digest == two);
        assert_eq!(fs::read_dir(&versions.0).unwrap().count(), 1);
        assert_eq!(versions.read(&two).unwrap(), b"two");
    }
}
