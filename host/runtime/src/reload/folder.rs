//! Reads the plugin folder: every plugin file once, whole and hashed. What is hashed here is what
//! is compiled later.

use std::fs;
use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use renkei_package::FILE_BYTES_MAX;

/// One plugin file and its content: digest and bytes, or why it cannot be read.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) content: Result<(String, Vec<u8>), String>,
}

/// Reads all `*.wasm` of `folder` in order of their names. Hidden files and drafts (`x.wasm.tmp`)
/// are not plugins yet.
pub(crate) fn read(folder: &Path) -> io::Result<Vec<Found>> {
    let folder = folder.canonicalize()?;
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if name.ends_with(".wasm") && !name.starts_with('.') {
            let content = content(&folder, &name).map_err(|reason| format!("{name}: {reason}"));
            found.push(Found { name, content });
        } else if name.ends_with(".cwasm") {
            let reason =
                "precompiled native code, which is never loaded; give the .wasm".to_owned();
            found.push(Found { content: Err(format!("{name}: {reason}")), name });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn content(folder: &Path, name: &str) -> Result<(String, Vec<u8>), String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    // A link may point at another file of the folder (Kubernetes mounts do), but not out of it.
    let path = folder.join(name).canonicalize().map_err(unreadable)?;
    if !path.starts_with(folder) {
        return Err("a link out of the plugin folder".to_owned());
    }
    // Asked before opening: opening a pipe would wait for its writer.
    let metadata = fs::metadata(&path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("not a regular file".to_owned());
    }
    if metadata.len() > u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX) {
        return Err(format!("{} bytes; the most is {FILE_BYTES_MAX}", metadata.len()));
    }
    let bytes = fs::read(&path).map_err(unreadable)?;
    Ok((hex::encode(Sha256::digest(&bytes)), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_plugin_files_only() {
        let outside = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        for name in ["b.wasm", "a.wasm", ".c.wasm", "d.wasm.tmp", "README.md"] {
            fs::write(place(name), name).unwrap();
        }
        fs::create_dir(place("e.wasm")).unwrap();
        fs::write(outside.path().join("f"), "x").unwrap();
        std::os::unix::fs::symlink(outside.path().join("f"), place("f.wasm")).unwrap();
        std::os::unix::fs::symlink(place("README.md"), place("g.wasm")).unwrap();
        let read = read(folder.path()).unwrap();
        let seen = read.iter().map(|found| (found.name.as_str(), found.content.is_ok()));
        let expected = [
            ("a.wasm", true),
            ("b.wasm", true),
            ("e.wasm", false),
            ("f.wasm", false),
            ("g.wasm", true),
        ];
        assert_eq!(seen.collect::<Vec<_>>(), expected);
    }
}
