//! The set-up of the demo: a directory, built plugins, running simulators, a
//! configuration that names them.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use renkei_admin::ErrorReport;
use renkei_package::{BuildOptions, BuildProgress, build_many};

use super::simulators::Simulators;
use crate::command::init;
use crate::command_error::CommandError;
use crate::config::simulated::HEAD;
use crate::output::Output;

/// The plugins that the example configuration names.
const PLUGINS: [&str; 4] = [
    "renkei-connector-hubspot",
    "renkei-connector-salesforce",
    "renkei-transform-matchkeys",
    "renkei-transform-names",
];

/// Builds the plugins from this checkout into `into`.
pub(crate) fn build_plugins(into: &Path, output: Output) -> Result<(), CommandError> {
    let workspace = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let workspace = workspace.canonicalize().unwrap_or(workspace);
    let bar = output.progress("plugins");
    let options = BuildOptions { out_dir: Some(into.to_owned()), ..BuildOptions::default() };
    let built = build_many(&workspace, &PLUGINS, &options, &mut |progress: BuildProgress| {
        bar.set_message(progress.to_string());
        bar.tick();
    });
    bar.finish_and_clear();
    let needs = "the demo builds its plugins from the checkout that this program was built in, with \
                 cargo: keep both, or follow the README's steps with plugin files";
    built.map_err(|error| CommandError::plugin(error).hint(needs))?;
    Ok(())
}

/// Copies the plugin files of a folder beside the built ones.
pub(crate) fn add_plugins(from: &Path, into: &Path) -> Result<(), CommandError> {
    let files = std::fs::read_dir(from).map_err(|error| {
        let error = CommandError::usage(error).at(from.display());
        error.hint("give --plugins a directory that can be read")
    })?;
    for file in files {
        let path = file?.path();
        if let (Some("wasm"), Some(name)) =
            (path.extension().and_then(std::ffi::OsStr::to_str), path.file_name())
        {
            std::fs::copy(&path, into.join(name))?;
        }
    }
    Ok(())
}

/// Compiles the plugins' code into the host's cache, in a process of its own: compiling takes more
/// memory than the host does, and the demo tells what the host takes.
pub(crate) async fn warm_cache(dir: &Path) -> Result<(), CommandError> {
    let program = std::env::current_exe()?;
    let mut list = tokio::process::Command::new(program);
    let list = list.args(["plugin", "list", "--json", "--dir"]).arg(dir).output().await?;
    if list.status.success() {
        return Ok(());
    }
    Err(explain_list(&list))
}

/// The failure of `renkei plugin list --json`, as that reported it.
fn explain_list(list: &std::process::Output) -> CommandError {
    let text = String::from_utf8_lossy(&list.stdout);
    let report = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let ErrorReport { error, hint, .. } = report.unwrap_or_else(|| ErrorReport {
        error: String::from_utf8_lossy(&list.stderr).into_owned(),
        place: None,
        hint: None,
    });
    let hint = hint.unwrap_or_else(|| {
        "run the demo with --dir, then `renkei plugin list` on that directory".to_owned()
    });
    CommandError::plugin(anyhow::anyhow!("the plugins do not load: {error}")).hint(hint)
}

/// Refuses a directory that is a configuration already, before anything is built for it. A demo
/// that failed before it had one can be run again in the same directory.
pub(crate) fn require_new(dir: &Path) -> Result<(), CommandError> {
    let root = dir.join("renkei.toml");
    if !root.exists() && !dir.join("secrets.toml").exists() {
        return Ok(());
    }
    let text = renkei_files::read_text(&root).unwrap_or_default();
    let place = dir.display();
    let error = if text.starts_with(HEAD) {
        CommandError::usage("the directory holds an earlier demo, which cannot go on")
            .hint(format!(
                "its simulators ended with it; `renkei why` and `renkei status --dir {place}` \
                 still tell what it did"
            ))
            .hint(format!(
                "for a new demo give another --dir, or end the earlier one and remove {place}"
            ))
    } else {
        CommandError::usage("the directory holds a configuration that is no demo's")
            .hint("give another --dir")
    };
    Err(error.at(place))
}

/// Writes the example configuration, pointed at the simulators, with their credentials as secrets.
pub(crate) fn configure(dir: &Path, simulators: &Simulators) -> Result<(), CommandError> {
    let mut secrets = std::fs::OpenOptions::new();
    let secrets =
        secrets.write(true).create_new(true).mode(0o600).open(dir.join("secrets.toml"))?;
    std::io::Write::write_all(&mut { secrets }, secrets_file(simulators)?.as_bytes())?;
    let root = root_file(simulators)?;
    init::write_files(dir, |name, text| match name {
        "renkei.toml" => root.clone(),
        _ => text.to_owned(),
    })
}

fn root_file(simulators: &Simulators) -> anyhow::Result<String> {
    let Simulators { hubspot, salesforce, .. } = simulators;
    Ok(format!(
        r#"{HEAD} The entities are the example's, unchanged.
[systems.hubspot]
plugin = "hubspot"
base_url = "{hubspot}"

[systems.hubspot.auth]
scheme = "bearer"
token_secret = "hubspot_token"

[systems.salesforce]
plugin = "salesforce"
base_url = "{salesforce}"

[systems.salesforce.auth]
scheme = "oauth2-client-credentials"
client_id = "{client}"
client_secret = "salesforce_client_secret"
"#,
        hubspot = hubspot.base_url,
        salesforce = salesforce.base_url,
        client = salesforce.credential("client_id")?,
    ))
}

fn secrets_file(simulators: &Simulators) -> anyhow::Result<String> {
    let token = simulators.hubspot.credential("private_app_token").context("HubSpot")?;
    let secret = simulators.salesforce.credential("client_secret").context("Salesforce")?;
    Ok(format!("hubspot_token = \"{token}\"\nsalesforce_client_secret = \"{secret}\"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::simulated::ended_hint;

    fn check(files: &[(&str, &str)], expected: Option<&str>) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let said = require_new(dir.path()).err().map(|refused| {
            let hints = refused.hints().map(|hint| format!(" {hint}"));
            format!("{refused}{}", hints.collect::<String>())
        });
        let is_demos = said.as_ref().is_some_and(|said| said.contains("an earlier demo"));
        assert_eq!(ended_hint(dir.path()).is_some(), is_demos);
        match expected {
            None => assert_eq!(said, None),
            Some(words) => assert!(said.as_ref().is_some_and(|s| s.contains(words)), "{said:?}"),
        }
    }

    #[test]
    fn demo_refuses_a_directory_only_when_it_holds_a_configuration() {
        check(&[], None);
        // What a demo leaves that failed while it built its plugins.
        check(&[("hubspot.wasm", "")], None);
        check(&[("renkei.toml", &format!("{HEAD} ..."))], Some("holds an earlier demo"));
        check(&[("renkei.toml", "plugins = \"p\"")], Some("a configuration that is no demo's"));
        check(&[("secrets.toml", "")], Some("give another --dir"));
    }
}
