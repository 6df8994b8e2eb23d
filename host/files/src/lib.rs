//! The program's own files: configuration, secrets, tokens, caches, locks.
//!
//! A pipe in the place of a file keeps a command waiting for its other end, and a device or a hole
//! of gigabytes fills memory. So only regular files are opened, opening never waits, and reading is
//! bounded. A crash in the middle of writing leaves half a file. So a file is replaced in one step
//! ([`replace`]).

mod replace;

pub use replace::{FileAccess, publish, replace, replace_by, replace_with, sync_folder};

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read as _, Result};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The largest small file, bytes.
pub const SMALL_BYTES_MAX: u64 = 16 << 20;

/// Opens a regular file as `options` say; they must set no custom flags.
///
/// # Errors
/// The system's error; [`ErrorKind::InvalidInput`] for a path that holds no regular file.
pub fn open(options: &OpenOptions, path: &Path) -> Result<File> {
    // The path is checked before too: a pipe without a reader has an error of its own, and opening
    // a device can do something.
    refuse_special(path)?;
    let file = options.clone().custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular()) }
}

/// Refuses a path at which there is a directory, pipe or device.
fn refuse_special(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(not_regular()),
        _ => Ok(()),
    }
}

fn not_regular() -> Error {
    Error::new(ErrorKind::InvalidInput, "not a regular file")
}

/// The bytes of a regular file of at most [`SMALL_BYTES_MAX`].
///
/// # Errors
/// As [`read_at_most`].
pub fn read(path: &Path) -> Result<Vec<u8>> {
    read_at_most(path, SMALL_BYTES_MAX)
}

/// The text of a regular file of at most [`SMALL_BYTES_MAX`].
///
/// # Errors
/// As [`read`]; [`ErrorKind::InvalidData`] for bytes that are no text.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|_| Error::new(ErrorKind::InvalidData, "not UTF-8 text"))
}

/// The bytes of a regular file of at most `bytes_max`.
///
/// # Errors
/// As [`open`]; [`ErrorKind::FileTooLarge`] for a larger one, of which nothing is kept.
pub fn read_at_most(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let too_large = || {
        let most = match bytes_max >> 20 {
            0 => format!("{bytes_max} bytes"),
            mib => format!("{mib} MiB"),
        };
        Error::new(ErrorKind::FileTooLarge, format!("larger than {most}"))
    };
    let file = open(OpenOptions::new().read(true), path)?;
    let length = file.metadata()?.len();
    if length > bytes_max {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    // The file may have grown meanwhile.
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= bytes_max) {
        Ok(bytes)
    } else {
        Err(too_large())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `host/sync/RULES.md` R27.
    #[test]
    fn pipe_or_hole_of_gigabytes_is_refused_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg("-m600").arg(&pipe).status();
        assert!(made.unwrap().success());
        for (read, write) in [(true, false), (false, true), (true, true)] {
            let mut options = OpenOptions::new();
            let error = open(options.read(read).write(write).create(write), &pipe).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
        let error = read_text(&pipe).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
        assert!(read(dir.path()).unwrap_err().to_string().contains("not a regular file"));
        assert_eq!(read(&dir.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
        let hole = dir.path().join("hole");
        File::create(&hole).unwrap().set_len(3 << 30).unwrap();
        assert!(read(&hole).unwrap_err().to_string().contains("larger than 16 MiB"));
        assert!(read_at_most(&hole, 32).unwrap_err().to_string().contains("larger than 32 bytes"));
        std::fs::write(&hole, "text").unwrap();
        assert_eq!(read_text(&hole).unwrap(), "text");
        assert_eq!(read_at_most(&hole, 4).unwrap(), b"text");
    }
}
