//! Reading the program's own small files: configuration, secrets, tokens, the database's identity.
//!
//! A pipe in the place of a file would keep a command waiting for its writer, and a device or a
//! hole of gigabytes would fill memory; neither is ever meant.

use std::io::{Error, ErrorKind, Read as _, Result};
use std::path::Path;

/// The largest such file, bytes.
const BYTES_MAX: u64 = 16 << 20;

/// The text of a regular file.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?)
        .map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// The bytes of a regular file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    // Asked before opening: opening a pipe would wait for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > BYTES_MAX) {
        let text = format!("it is larger than {} MiB", BYTES_MAX >> 20);
        return Err(Error::new(ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Secrets};

    /// `RULES.md R27`.
    #[test]
    fn a_pipe_or_a_hole_of_gigabytes_is_an_error_and_no_wait() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = |name: &str| {
            let path = dir.path().join(name);
            let made = std::process::Command::new("mkfifo").arg("-m600").arg(&path).status();
            assert!(made.unwrap().success());
            path
        };
        let error = read_text(&pipe("pipe")).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
        pipe("secrets.toml");
        let error = Secrets::open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("secrets.toml") && error.contains("not a regular file"), "{error}");
        pipe("renkei.toml");
        let error = Config::read(dir.path()).err().unwrap().to_string();
        assert!(error.contains("renkei.toml") && error.contains("not a regular file"), "{error}");
        let hole = dir.path().join("hole");
        std::fs::File::create(&hole).unwrap().set_len(3 << 30).unwrap();
        assert!(read(&hole).unwrap_err().to_string().contains("larger than 16 MiB"));
        std::fs::write(&hole, "text").unwrap();
        assert_eq!(read_text(&hole).unwrap(), "text");
    }
}
