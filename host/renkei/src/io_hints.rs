//! The next step after an error of the operating system.

use std::io;

/// The next step on a full disk.
pub(crate) const FREE_SPACE: &str =
    "free some space and run the command again: nothing is half-written";

/// The next step, where no error of ours knows a better one.
pub(crate) fn hint_of_io(error: &io::Error) -> Option<String> {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "check the path, and make its directory if that is missing",
        io::ErrorKind::PermissionDenied => {
            "let the user who runs Renkei read and write it, or run as its owner"
        }
        io::ErrorKind::ReadOnlyFilesystem => "choose a place on a file system for writing",
        io::ErrorKind::IsADirectory => "give a file, not a directory",
        io::ErrorKind::NotADirectory => "check the path: a part of it is no directory",
        io::ErrorKind::InvalidInput => "give a regular file, no directory, pipe or device",
        io::ErrorKind::InvalidFilename => "give a shorter path",
        io::ErrorKind::InvalidData => "check the file: it is no text, or damaged",
        io::ErrorKind::FileTooLarge => "check the file: it is larger than any of its kind",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FREE_SPACE,
        io::ErrorKind::AddrInUse => "end what listens there, or choose another port",
        _ if error.raw_os_error() == Some(libc::ELOOP) => {
            "check the path: its links lead in a circle"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
