//! `renkei init`: an example configuration for HubSpot and Salesforce, ready to be edited.
//!
//! Nothing that exists is overwritten: a directory that already has a `renkei.toml` is refused.

use std::io;
use std::path::Path;

use renkei_files::FileAccess;
use serde_json::json;

use crate::cli::DirArgs;
use crate::command_error::CommandError;
use crate::output::Output;

/// The example's files, relative to the configuration's directory.
pub(crate) const FILES: [(&str, &str); 4] = [
    ("renkei.toml", include_str!("../../example/renkei.toml")),
    ("entities/company.toml", include_str!("../../example/entities/company.toml")),
    ("entities/person.toml", include_str!("../../example/entities/person.toml")),
    ("entities/deal.toml", include_str!("../../example/entities/deal.toml")),
];

/// Writes the example into the directory.
pub(crate) fn run(args: &DirArgs, output: Output) -> Result<(), CommandError> {
    let root = args.dir.join("renkei.toml");
    if root.exists() {
        let error = CommandError::usage("the file exists already").at(root.display());
        return Err(error.hint("choose another --dir or edit it"));
    }
    write_files(&args.dir, |_, text| text.to_owned())?;
    let dir = args.dir.display().to_string();
    output.result(&json!({ "dir": dir, "files": FILES.map(|(name, _)| name) }), || {
        format!(
            "wrote {}\nNext: edit {dir}/renkei.toml, copy plugins into {dir}/plugins, set the secrets that it names, then \
             `renkei check --dir {dir}`",
            FILES.map(|(name, _)| format!("{dir}/{name}")).join(", ")
        )
    })?;
    Ok(())
}

/// Writes the files of the example, each as `edit` makes it of its name and text; the plugin folder
/// is made and left as it is. `renkei.toml` comes last: with it the directory is a configuration.
pub(crate) fn write_files(
    dir: &Path,
    edit: impl Fn(&str, &str) -> String,
) -> Result<(), CommandError> {
    let explain = |path: &Path, error: io::Error| CommandError::from(error).at(path.display());
    for sub in ["entities", "plugins"] {
        let path = dir.join(sub);
        std::fs::create_dir_all(&path).map_err(|error| explain(&path, error))?;
    }
    for (name, text) in FILES.into_iter().rev() {
        let path = dir.join(name);
        renkei_files::replace_with(&path, FileAccess::Umask, &[edit(name, text).as_bytes()])
            .map_err(|error| explain(&path, error))?;
    }
    Ok(())
}
