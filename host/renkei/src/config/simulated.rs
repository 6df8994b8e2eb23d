//! Configurations whose systems are simulators that end with the process that started them.
//!
//! `renkei demo` writes such a configuration. Its first line tells it apart, so that a command
//! which finds nobody at home can say why.

use std::path::Path;

/// The first line of such a `renkei.toml`.
pub(crate) const HEAD: &str = "# The demo's systems: simulators on loopback.";

/// The hint for systems that do not answer; nothing for any other configuration.
pub(crate) fn ended_hint(dir: &Path) -> Option<String> {
    let text = renkei_files::read_text(&dir.join("renkei.toml")).unwrap_or_default();
    let place = dir.display();
    text.starts_with(HEAD).then(|| {
        format!(
            "{place} is a demo's, whose simulators ended with it and do not come back; `renkei why` \
             and `renkei status --dir {place}` still tell what it did. For simulators that go on, \
             run `renkei demo --dir NEW` without --once and try this beside it"
        )
    })
}
