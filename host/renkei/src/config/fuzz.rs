//! No text makes the parser of the configuration or its checks panic: a million inputs.

use std::path::Path;

use renkei_mutate::run;
use renkei_package::Manifest;

use super::available_plugins::AvailablePlugins;
use super::file::{EntityFile, RootFile};
use super::source::SourceFile;
use super::{limits, mapping, systems};
use crate::command::init::FILES;

const LIMITS: &str = "[limits.connector]\nmemory_mb = 512\n[limits.plugin.hubspot]\nrun_ms = 60\n\
                      [limits.compile]\nseconds = 60\n[schedule]\ninterval_seconds = 60\n";

/// The manifests of our own plugins.
pub(super) fn manifests() -> Vec<Manifest> {
    [
        include_str!("../../../../plugins/connectors/hubspot/plugin.toml"),
        include_str!("../../../../plugins/connectors/salesforce/plugin.toml"),
        include_str!("../../../../plugins/transforms/names/plugin.toml"),
        include_str!("../../../../plugins/transforms/matchkeys/plugin.toml"),
    ]
    .map(|text| Manifest::from_toml(text, Some("1.0.0")).unwrap())
    .into()
}

/// Nothing but them.
pub(super) fn loaded(manifests: &[Manifest]) -> AvailablePlugins<'_> {
    AvailablePlugins { manifests: manifests.iter().collect(), ..AvailablePlugins::default() }
}

pub(super) fn root(text: &str) -> Result<SourceFile<RootFile>, super::ConfigError> {
    SourceFile::parse(Path::new("renkei.toml"), text.to_owned())
}

#[test]
fn configuration_does_not_panic_on_any_text() {
    let manifests = manifests();
    let loaded = loaded(&manifests);
    let good = root(FILES[0].1).unwrap();
    let mut seeds = vec![LIMITS.as_bytes().to_vec()];
    for (_, text) in FILES {
        // Whole files would take minutes; a table with the file's head reaches as much.
        let tables: Vec<&str> = text.split("\n\n").collect();
        let head = tables.first().copied().unwrap_or_default();
        seeds.extend(tables.iter().map(|table| format!("{head}\n{table}\n").into_bytes()));
    }
    run(&seeds, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(root) = root(&text) {
            let _checked = (limits::resolve(&root), systems::check(&root, &loaded));
        }
        let entity = SourceFile::<EntityFile>::parse(Path::new("entity.toml"), text.into_owned());
        if let Ok(entity) = entity {
            let _checked = mapping::resolve(&good, &[entity], &loaded);
        }
    });
}

/// The seeds are what they seem: the example as a whole is taken.
#[test]
fn example_is_accepted_as_a_whole() {
    let manifests = manifests();
    let loaded = loaded(&manifests);
    let good = root(FILES[0].1).unwrap();
    systems::check(&good, &loaded).unwrap();
    limits::resolve(&root(LIMITS).unwrap()).unwrap();
    let entities: Vec<SourceFile<EntityFile>> = FILES[1..]
        .iter()
        .map(|(name, text)| SourceFile::parse(Path::new(name), (*text).to_owned()).unwrap())
        .collect();
    mapping::resolve(&good, &entities, &loaded).unwrap();
}
