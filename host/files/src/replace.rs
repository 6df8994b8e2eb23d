//! Replacing a file in one step, so that a reader or a crash meets the old file or the new one.
//!
//! Steps: write a draft beside the file, flush the draft, rename it over the file, flush the
//! folder. Without the first flush a power cut can leave an empty file under the right name,
//! without the second the old one. A draft is hidden and ends in `.draft`, so no reader of a folder
//! takes it for the file. A failure removes the draft. A crash leaves it, and nobody reads it.

use std::fs::{File, Permissions};
use std::io::{Error, ErrorKind, Result, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::{Builder, TempPath};

use crate::refuse_special;

/// The users who may read a file that [`replace`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileAccess {
    /// This user only: whatever holds secrets or customers' data.
    Private,
    /// As the process's umask says: what is made to be handed on.
    Umask,
}

impl FileAccess {
    fn mode(self) -> u32 {
        match self {
            Self::Private => 0o600,
            Self::Umask => 0o666,
        }
    }
}

/// Puts `bytes` at `place` in one step, readable by this user only.
///
/// # Errors
/// As [`replace_with`].
pub fn replace(place: &Path, bytes: &[u8]) -> Result<()> {
    replace_with(place, FileAccess::Private, &[bytes])
}

/// Puts `parts`, one after another, at `place` in one step. Writers do not meet: each draft has a
/// random name.
///
/// # Errors
/// The system's error; [`ErrorKind::InvalidInput`] where something else than a regular file is at
/// `place`. The file that was at `place` is still there; only where the last step, the flush of the
/// folder, fails can it be the new one.
pub fn replace_with(place: &Path, access: FileAccess, parts: &[&[u8]]) -> Result<()> {
    replace_by(place, access, |draft| parts.iter().try_for_each(|part| draft.write_all(part)))
}

/// Puts what `write` writes at `place` in one step: content that is too large to be held.
///
/// # Errors
/// As [`replace_with`]; the error of `write`, which leaves the file that was there.
pub fn replace_by(
    place: &Path,
    access: FileAccess,
    write: impl FnOnce(&mut File) -> Result<()>,
) -> Result<()> {
    refuse_special(place)?;
    let name = place.file_name().ok_or_else(no_file_name)?.to_string_lossy();
    let mut draft = Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(".draft")
        .permissions(Permissions::from_mode(access.mode()))
        .tempfile_in(folder_of(place))?;
    write(draft.as_file_mut())?;
    draft.as_file().sync_all()?;
    persist(draft.into_temp_path(), place)
}

/// Puts the finished file `draft`, of the same folder, at `place` in one step.
///
/// # Errors
/// As [`replace_with`]; `draft` is gone then.
pub fn publish(draft: &Path, place: &Path) -> Result<()> {
    let draft = TempPath::try_from_path(draft)?;
    refuse_special(place)?;
    File::open(&draft)?.sync_all()?;
    persist(draft, place)
}

/// Makes the names in a folder survive a power cut.
///
/// # Errors
/// The system's error.
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)?.sync_all()
}

fn persist(draft: TempPath, place: &Path) -> Result<()> {
    draft.persist(place)?;
    sync_folder(folder_of(place))
}

/// The folder of a path; a bare name is in the working directory.
fn folder_of(place: &Path) -> &Path {
    let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn no_file_name() -> Error {
    Error::new(ErrorKind::InvalidInput, "the path names no file")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn names_in(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn file_is_replaced_whole_and_for_this_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("file.json");
        for parts in [&[&b"one"[..]][..], &[b"t", b"", b"wo"]] {
            replace_with(&place, FileAccess::Private, parts).unwrap();
            assert_eq!(crate::read(&place).unwrap(), parts.concat());
        }
        assert_eq!(mode_of(&place), 0o600);
        assert_eq!(names_in(dir.path()), ["file.json"]);
    }

    #[test]
    fn file_to_be_handed_on_has_the_mode_of_any_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let (place, plain) = (dir.path().join("a.wasm"), dir.path().join("plain"));
        replace_with(&place, FileAccess::Umask, &[b"a"]).unwrap();
        std::fs::write(&plain, "b").unwrap();
        assert_eq!(mode_of(&place), mode_of(&plain));
    }

    #[test]
    fn failed_replacement_leaves_the_file_and_no_draft() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("folder");
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join("kept"), "kept").unwrap();
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        for special in [&*place, &*pipe, Path::new("/dev/null")] {
            assert_eq!(replace(special, b"new").unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        std::fs::remove_file(&pipe).unwrap();
        assert_eq!(names_in(dir.path()), ["folder"]);
        let refuse = |draft: &mut File| {
            draft.write_all(b"half")?;
            Err(Error::other("no more"))
        };
        let refused = replace_by(&dir.path().join("file"), FileAccess::Private, refuse);
        assert_eq!(refused.unwrap_err().to_string(), "no more");
        assert_eq!(names_in(dir.path()), ["folder"]);
        assert!(replace(&dir.path().join("none/file"), b"").is_err());
        assert!(replace(Path::new("/"), b"").is_err());
    }

    #[test]
    fn finished_draft_takes_the_place_with_its_own_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (draft, place) = (dir.path().join("draft"), dir.path().join("place"));
        std::fs::write(&place, "old").unwrap();
        std::fs::write(&draft, "new").unwrap();
        std::fs::set_permissions(&draft, Permissions::from_mode(0o640)).unwrap();
        publish(&draft, &place).unwrap();
        assert_eq!((crate::read(&place).unwrap(), mode_of(&place)), (b"new".to_vec(), 0o640));
        assert_eq!(names_in(dir.path()), ["place"]);
        assert!(publish(&draft, &place).is_err(), "there is no draft");
        assert_eq!(crate::read(&place).unwrap(), b"new");
    }
}
