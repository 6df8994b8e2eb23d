//! A new plugin crate from `plugins/template`, which is part of the program.
//!
//! The crate stands alone: it builds and passes its own tests outside this repository's workspace.
//! It appears under its name in one step, so that a failure leaves nothing behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::manifest::{ID_FORM, is_id};

/// Which template to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// A connector for a small CRM.
    Connector,
    /// A two-way transform.
    Transform,
}

/// Why no crate was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NewError {
    /// The name is no plugin id.
    #[error("`{0}` cannot be a plugin's name; expected {ID_FORM}")]
    Name(String),
    /// There is something already.
    #[error("{} exists; choose another name or directory", .0.display())]
    Exists(PathBuf),
    /// The crate could not be compiled without the SDK.
    #[error("no SDK in {}; give the path of plugins/sdk of a checkout of Renkei", .0.display())]
    NoSdk(PathBuf),
    /// A file or directory cannot be written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The file's path in the crate and its text with placeholders.
type File = (&'static str, &'static str);

macro_rules! files {
    ($template:literal: $($path:literal)*) => {
        &[$(($path, include_str!(concat!("../../../plugins/template/", $template, "/", $path)))),*]
    };
}

const CONNECTOR: &[File] = files!("connector":
    ".gitignore" "Cargo.toml" "README.md" "plugin.toml" "src/lib.rs" "src/wire.rs" "src/tests.rs");
const TRANSFORM: &[File] = files!("transform":
    ".gitignore" "Cargo.toml" "README.md" "plugin.toml" "src/lib.rs" "src/tests.rs");

impl Template {
    fn files(self) -> &'static [File] {
        match self {
            Self::Connector => CONNECTOR,
            Self::Transform => TRANSFORM,
        }
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "connector" => Ok(Self::Connector),
            "transform" => Ok(Self::Transform),
            _ => Err(format!("`{word}` is no kind of plugin; expected connector or transform")),
        }
    }
}

/// Where the SDK was when this program was compiled; a path that a new crate can depend on while
/// the checkout is there.
pub fn sdk_dir() -> PathBuf {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/sdk"));
    dir.canonicalize().unwrap_or_else(|_| dir.to_owned())
}

/// Makes the crate `<parent>/<name>` that depends on the SDK in `sdk`; gives the paths of its
/// files.
///
/// # Errors
/// See [`NewError`]; nothing is left behind.
pub fn new_crate(
    template: Template,
    name: &str,
    parent: &Path,
    sdk: &Path,
) -> Result<Vec<PathBuf>, NewError> {
    if !is_id(name) {
        return Err(NewError::Name(name.to_owned()));
    }
    if !sdk.join("Cargo.toml").is_file() {
        return Err(NewError::NoSdk(sdk.to_owned()));
    }
    let dir = parent.join(name);
    if dir.exists() {
        return Err(NewError::Exists(dir));
    }
    let draft = parent.join(format!(".{name}.draft"));
    let io = |source| NewError::Io { path: dir.clone(), source };
    write(template, name, sdk, &draft)
        .and_then(|()| fs::rename(&draft, &dir))
        .inspect_err(|_| drop(fs::remove_dir_all(&draft)))
        .map_err(io)?;
    Ok(template.files().iter().map(|(path, _)| dir.join(path)).collect())
}

fn write(template: Template, name: &str, sdk: &Path, dir: &Path) -> std::io::Result<()> {
    // It stands in a TOML string.
    let sdk = sdk.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
    for (path, text) in template.files() {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap_or(dir))?;
        fs::write(path, text.replace("{{name}}", name).replace("{{sdk}}", &sdk))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Manifest;

    #[test]
    fn both_templates_are_whole() {
        let parent = tempfile::tempdir().unwrap();
        for (template, kind) in
            [(Template::Connector, "connector"), (Template::Transform, "transform")]
        {
            let made = new_crate(template, kind, parent.path(), &sdk_dir()).unwrap();
            for path in &made {
                let text = fs::read_to_string(path).unwrap();
                assert!(!text.contains("{{name}}") && !text.contains("{{sdk}}"), "{path:?}");
            }
            let dir = parent.path().join(kind);
            let plugin = fs::read_to_string(dir.join("plugin.toml")).unwrap();
            let manifest = Manifest::from_toml(&plugin, Some("0.1.0")).unwrap();
            assert_eq!((manifest.id.as_str(), manifest.kind.name()), (kind, kind));
            // Every file of the template is part of the program.
            let source = sdk_dir().join("../template").join(kind);
            assert_eq!(count_files(&source), made.len());
        }
    }

    fn count_files(dir: &Path) -> usize {
        let count = |entry: fs::DirEntry| match entry.path() {
            path if path.ends_with("target") => 0,
            path if path.is_dir() => count_files(&path),
            path => usize::from(!path.ends_with("Cargo.lock")),
        };
        fs::read_dir(dir).unwrap().map(|entry| count(entry.unwrap())).sum()
    }

    #[test]
    fn what_is_refused_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        let check = |name: &str, sdk: &Path, expected: &str| {
            let error = new_crate(Template::Transform, name, parent.path(), sdk).unwrap_err();
            let message = error.to_string().replace(&*parent.path().to_string_lossy(), "DIR");
            assert_eq!(message, expected);
        };
        let form = format!("`My CRM` cannot be a plugin's name; expected {ID_FORM}");
        check("My CRM", &sdk_dir(), &form);
        let no_sdk = "no SDK in DIR; give the path of plugins/sdk of a checkout of Renkei";
        check("upper", parent.path(), no_sdk);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
        fs::create_dir(parent.path().join("upper")).unwrap();
        check("upper", &sdk_dir(), "DIR/upper exists; choose another name or directory");
    }
}
