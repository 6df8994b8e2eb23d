//! A new plugin from `plugins/template` (Rust) or `plugins/examples` (JavaScript, Python), which
//! are part of the program.
//!
//! A new plugin builds outside this repository's workspace. It appears under its name in one step,
//! so a failure leaves nothing behind. The examples are whole plugins that CI builds and tests; a
//! copy gets the id, title, publisher and version of a new plugin.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::manifest::{ID_FORM, is_id};

/// The kinds of template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginTemplate {
    /// A connector for a small CRM.
    Connector,
    /// A two-way transform.
    Transform,
}

/// The language of a new plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourceLanguage {
    /// A crate on our SDK.
    #[default]
    Rust,
    /// A module for QuickJS, made a component by `componentize-qjs`.
    JavaScript,
    /// A module for CPython, made a component by `componentize-py`.
    Python,
}

/// A reason why no plugin was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NewError {
    /// The name is no plugin id.
    #[error("`{0}` cannot be a plugin's name")]
    Name(String),
    /// There is something already.
    #[error("{} exists", .0.display())]
    Exists(PathBuf),
    /// The crate could not be compiled without the SDK.
    #[error("no SDK in {}", .0.display())]
    NoSdk(PathBuf),
    /// A file or directory cannot be written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

impl NewError {
    /// The next step.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Name(_) => Some(format!("a name has {ID_FORM}")),
            Self::Exists(_) => Some("choose another name or directory".to_owned()),
            Self::NoSdk(_) => {
                Some("give --sdk the directory plugins/sdk of a checkout of Renkei".to_owned())
            }
            Self::Io { .. } => None,
        }
    }
}

/// The file's path in the crate and its text with placeholders.
type TemplateFile = (&'static str, &'static str);

macro_rules! files {
    ($template:literal: $($path:literal)*) => {
        &[$(($path, include_str!(concat!("../../../plugins/", $template, "/", $path)))),*]
    };
}

/// Version of the examples; version and publisher of every new plugin, as in the Rust templates.
const EXAMPLE_VERSION: &str = "1.0.0";
const NEW_VERSION: &str = "0.1.0";
const NEW_PUBLISHER: &str = "my-company";

const CONNECTOR: &[TemplateFile] = files!("template/connector":
    ".gitignore" "API.md" "Cargo.toml" "README.md" "plugin.toml"
    "src/activity.rs" "src/client.rs" "src/client/wire.rs" "src/config.rs" "src/error.rs"
    "src/find.rs" "src/lib.rs" "src/read.rs" "src/schema.rs" "src/value.rs" "src/webhook.rs"
    "src/write.rs" "tests/simulated.rs");
const TRANSFORM: &[TemplateFile] = files!("template/transform":
    ".gitignore" "Cargo.toml" "README.md" "plugin.toml" "src/lib.rs" "src/tests.rs");

const CONNECTOR_JS: &[TemplateFile] = files!("examples/javascript/connector":
    ".gitignore" "package.json" "package-lock.json" "plugin.toml"
    "src/api.js" "src/plugin.js" "src/read.js" "src/schema.js" "src/write.js");
const TRANSFORM_JS: &[TemplateFile] = files!("examples/javascript/transform":
    ".gitignore" "package.json" "package-lock.json" "plugin.js" "plugin.toml");
const CONNECTOR_PY: &[TemplateFile] = files!("examples/python/connector":
    ".gitignore" "plugin.toml" "requirements.txt"
    "src/api.py" "src/plugin.py" "src/read.py" "src/schema.py" "src/write.py");
const TRANSFORM_PY: &[TemplateFile] = files!("examples/python/transform":
    ".gitignore" "plugin.toml" "requirements.txt" "src/plugin.py");

impl PluginTemplate {
    /// The files, and the id in them where they are an example and have no placeholders.
    fn files(self, language: SourceLanguage) -> (&'static [TemplateFile], Option<&'static str>) {
        match (self, language) {
            (Self::Connector, SourceLanguage::Rust) => (CONNECTOR, None),
            (Self::Transform, SourceLanguage::Rust) => (TRANSFORM, None),
            (Self::Connector, SourceLanguage::JavaScript) => (CONNECTOR_JS, Some("contacts-js")),
            (Self::Transform, SourceLanguage::JavaScript) => (TRANSFORM_JS, Some("kana")),
            (Self::Connector, SourceLanguage::Python) => (CONNECTOR_PY, Some("contacts-py")),
            (Self::Transform, SourceLanguage::Python) => (TRANSFORM_PY, Some("wareki")),
        }
    }
}

impl FromStr for PluginTemplate {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "connector" => Ok(Self::Connector),
            "transform" => Ok(Self::Transform),
            _ => Err(format!("`{word}` is neither connector nor transform")),
        }
    }
}

/// The folder of the SDK when this program was compiled. A new crate can depend on that path while
/// the checkout is there.
pub fn sdk_dir() -> PathBuf {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/sdk"));
    dir.canonicalize().unwrap_or_else(|_| dir.to_owned())
}

/// Makes `<parent>/<name>`, in Rust a crate that depends on the SDK in `sdk`; gives the paths of
/// its files.
///
/// # Errors
/// See [`NewError`]; nothing is left behind.
pub fn new_plugin(
    template: PluginTemplate,
    language: SourceLanguage,
    name: &str,
    parent: &Path,
    sdk: &Path,
) -> Result<Vec<PathBuf>, NewError> {
    if !is_id(name) {
        return Err(NewError::Name(name.to_owned()));
    }
    if language == SourceLanguage::Rust && !sdk.join("Cargo.toml").is_file() {
        return Err(NewError::NoSdk(sdk.to_owned()));
    }
    let dir = parent.join(name);
    if dir.exists() {
        return Err(NewError::Exists(dir));
    }
    let draft = parent.join(format!(".{name}.draft"));
    let io = |source| NewError::Io { path: dir.clone(), source };
    let (files, example) = template.files(language);
    let fill = |path: &str, text: &str| match example {
        None => text.replace("{{name}}", name).replace("{{crate}}", &name.replace('-', "_")),
        Some(id) => renamed(path, text, id, name),
    };
    write(files, fill, sdk, &draft)
        .and_then(|()| fs::rename(&draft, &dir))
        .inspect_err(|_| drop(fs::remove_dir_all(&draft)))
        .map_err(io)?;
    Ok(files.iter().map(|(path, _)| dir.join(path)).collect())
}

/// A file of the example `id` as one of the plugin `name`: in its manifest who it is, in npm's
/// files the name and version of the package itself, which come before those of what it uses.
fn renamed(path: &str, text: &str, id: &str, name: &str) -> String {
    match path {
        "plugin.toml" => manifest_of(text, name),
        "package.json" | "package-lock.json" => {
            let version = |version: &str| format!("{:?}: {version:?}", "version");
            let named = format!("\"name\": \"{id}\"");
            // npm's lock file says both twice: at its top and of the folder itself.
            let times = text.matches(&named).count();
            text.replace(&named, &format!("\"name\": \"{name}\"")).replacen(
                &version(EXAMPLE_VERSION),
                &version(NEW_VERSION),
                times,
            )
        }
        _ => text.to_owned(),
    }
}

/// The head of a manifest, which is what stands before its first table, with these four keys as the
/// Rust templates have them.
fn manifest_of(text: &str, name: &str) -> String {
    let head = text.find("\n[").unwrap_or(text.len());
    let (head, rest) = text.split_at_checked(head).unwrap_or((text, ""));
    let line = |line: &str| match line.split_once(" = ").map(|(key, _)| key) {
        Some(key @ ("id" | "title")) => format!("{key} = \"{name}\"\n"),
        Some(key @ "publisher") => format!("{key} = \"{NEW_PUBLISHER}\"\n"),
        Some(key @ "version") => format!("{key} = \"{NEW_VERSION}\"\n"),
        _ => format!("{line}\n"),
    };
    let head: String = head.lines().map(line).collect();
    head + rest
}

fn write(
    files: &[TemplateFile],
    fill: impl Fn(&str, &str) -> String,
    sdk: &Path,
    dir: &Path,
) -> std::io::Result<()> {
    // It stands in a TOML string.
    let sdk = sdk.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap_or(dir))?;
        fs::write(path, fill(name, text).replace("{{sdk}}", &sdk))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Manifest;

    #[test]
    fn new_plugin_copies_every_file_of_its_template() {
        for (language, folder) in [
            (SourceLanguage::Rust, "template"),
            (SourceLanguage::JavaScript, "examples/javascript"),
            (SourceLanguage::Python, "examples/python"),
        ] {
            check(language, folder, PluginTemplate::Connector, "connector");
            check(language, folder, PluginTemplate::Transform, "transform");
        }
    }

    fn check(language: SourceLanguage, folder: &str, template: PluginTemplate, kind: &str) {
        let parent = tempfile::tempdir().unwrap();
        let made = new_plugin(template, language, "my-own", parent.path(), &sdk_dir()).unwrap();
        let mut named = 0;
        for path in &made {
            let text = fs::read_to_string(path).unwrap();
            for placeholder in ["{{name}}", "{{crate}}", "{{sdk}}"] {
                assert!(!text.contains(placeholder), "{path:?}");
            }
            named += text.matches("\"my-own\"").count();
        }
        let dir = parent.path().join("my-own");
        let plugin = fs::read_to_string(dir.join("plugin.toml")).unwrap();
        // As a build has it: that of `Cargo.toml` or `package.json`, if the manifest has none.
        let version = ["Cargo.toml", "package.json"].iter().find_map(|name| {
            let text = fs::read_to_string(dir.join(name)).ok()?;
            let of_version = |line: &&str| line.trim_matches([' ', '"']).starts_with("version");
            let line = text.lines().find(of_version)?;
            Some(line.split('"').rev().nth(1)?.to_owned())
        });
        assert!(version.as_deref().is_none_or(|version| version == "0.1.0"), "{version:?}");
        let manifest = Manifest::from_toml(&plugin, version.as_deref()).unwrap();
        assert_eq!((manifest.id.as_str(), manifest.kind.name()), ("my-own", kind));
        let (title, publisher) = (manifest.title.as_str(), manifest.publisher.as_str());
        assert_eq!((title, publisher, &*manifest.version), ("my-own", "my-company", "0.1.0"));
        // Id and title, and npm's three copies of the id, each with the version.
        assert!(language != SourceLanguage::JavaScript || named == 5, "{named}");
        if language == SourceLanguage::JavaScript {
            let lock = fs::read_to_string(dir.join("package-lock.json")).unwrap();
            let both = lock.matches("\"name\": \"my-own\",\n").count();
            let lines: Vec<_> = lock.lines().collect();
            let beside = lines.windows(2).filter(|two| {
                two[0].contains("\"my-own\"") && two[1].trim() == "\"version\": \"0.1.0\","
            });
            assert_eq!((both, beside.count()), (2, 2));
            // What it uses keeps its versions.
            assert!(lock.contains("\"version\": \"0.4.5\""));
        }
        // Every file of the template is part of the program.
        assert_eq!(count_files(&sdk_dir().join("..").join(folder).join(kind)), made.len());
    }

    fn count_files(dir: &Path) -> usize {
        let count = |entry: fs::DirEntry| match entry.path() {
            path if is_made(&path) => 0,
            path if path.is_dir() => count_files(&path),
            path => usize::from(!path.ends_with("Cargo.lock")),
        };
        fs::read_dir(dir).unwrap().map(|entry| count(entry.unwrap())).sum()
    }

    /// True for a folder that a build makes.
    fn is_made(path: &Path) -> bool {
        ["target", "build", "node_modules", "__pycache__"].iter().any(|name| path.ends_with(name))
    }

    #[test]
    fn refused_new_plugin_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        let check = |name: &str, sdk: &Path, expected: &str, hint: &str| {
            let (kind, language) = (PluginTemplate::Transform, SourceLanguage::Rust);
            let error = new_plugin(kind, language, name, parent.path(), sdk).unwrap_err();
            let message = error.to_string().replace(&*parent.path().to_string_lossy(), "DIR");
            assert_eq!((message.as_str(), error.hint().as_deref()), (expected, Some(hint)));
        };
        let form = format!("a name has {ID_FORM}");
        check("My CRM", &sdk_dir(), "`My CRM` cannot be a plugin's name", &form);
        let no_sdk = "give --sdk the directory plugins/sdk of a checkout of Renkei";
        check("upper", parent.path(), "no SDK in DIR", no_sdk);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
        fs::create_dir(parent.path().join("upper")).unwrap();
        let another = "choose another name or directory";
        check("upper", &sdk_dir(), "DIR/upper exists", another);
    }
}
