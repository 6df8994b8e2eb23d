//! Decides which version of a plugin serves. Pure.
//!
//! Two questions: which of the files that say they are a plugin is it ([`incumbent`]), and whether
//! what that file holds may serve now ([`may_serve`]).

use std::collections::BTreeSet;

use renkei_model::plugin::Generation;
use renkei_package::Permission;

use super::plugin_state::PluginState;

/// Digits of a digest that tell a version from all others of a plugin.
const DIGEST_SHOWN: usize = 12;

/// The reason why a good file waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WaitReason {
    /// It was rolled back, for this reason.
    Bad(String),
    /// It asks for more than the plugin was given.
    Asks(Vec<Permission>),
    /// An admin wants to look first.
    Held,
}

impl WaitReason {
    /// In one word, for scripts.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Bad(_) => "rolled-back",
            Self::Asks(_) => "asks-more",
            Self::Held => "held",
        }
    }

    /// The reason and the next step, for people.
    /// The command names the digest, so that nothing else is approved that came meanwhile.
    pub(crate) fn reason(&self, generation: &Generation) -> String {
        let Generation { plugin: id, digest, .. } = generation;
        let this = format!("{id}@{}", digest.get(..DIGEST_SHOWN).unwrap_or(digest));
        match self {
            Self::Bad(reason) => format!(
                "rolled back: {reason}; put another version there, or run \
                 `renkei plugin reload {this}` to try it again"
            ),
            Self::Asks(more) => format!(
                "it asks for more than it was given: {}; `renkei plugin grants {id}` shows it, \
                 `renkei plugin reload {this}` allows it",
                more.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
            Self::Held => format!(
                "on hold: see `renkei plugin preview`, then `renkei plugin reload {this}` \
                 approves it"
            ),
        }
    }
}

/// True where the version with this digest, which asks for this, may serve.
pub(crate) fn may_serve(
    plugin_state: &PluginState,
    digest: &str,
    asked: &BTreeSet<Permission>,
) -> Result<(), WaitReason> {
    if plugin_state.approved.as_deref() == Some(digest) {
        return Ok(());
    }
    if let Some(reason) = plugin_state.why_bad(digest) {
        return Err(WaitReason::Bad(reason.to_owned()));
    }
    // Where it serves already, the question was answered.
    if plugin_state.serving.as_deref() == Some(digest) {
        return Ok(());
    }
    let more = undecided(asked, plugin_state);
    if !more.is_empty() {
        return Err(WaitReason::Asks(more));
    }
    // A first version is not a new version of anything.
    if plugin_state.hold && !plugin_state.versions.is_empty() {
        return Err(WaitReason::Held);
    }
    Ok(())
}

/// The permissions that are asked and were neither allowed nor denied; none before the first
/// version.
pub(crate) fn undecided(
    asked: &BTreeSet<Permission>,
    plugin_state: &PluginState,
) -> Vec<Permission> {
    let Some(allowed) = &plugin_state.allowed else { return Vec::new() };
    let decided = |permission: &&Permission| {
        allowed.known.contains(*permission) || plugin_state.denied.known.contains(*permission)
    };
    asked.iter().filter(|permission| !decided(permission)).cloned().collect()
}

/// A file that says it is a plugin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileClaim<'a> {
    pub(crate) file: &'a str,
    /// It served at the last look.
    pub(crate) served: bool,
    /// It is not there any more, but perhaps only for a moment.
    pub(crate) vanished: bool,
    /// It holds the very bytes that serve.
    pub(crate) same: bool,
}

/// The file that is the plugin: the one that was it before, also while it is gone for a moment,
/// unless it was only renamed. Where none was, the only one; of several, taking one would be a
/// guess.
pub(crate) fn incumbent<'a>(claims: &[FileClaim<'a>]) -> Option<FileClaim<'a>> {
    let present = || claims.iter().filter(|claim| !claim.vanished);
    let found = match claims.iter().find(|claim| claim.served) {
        Some(served) if served.vanished => present().find(|claim| claim.same).or(Some(served)),
        Some(served) => Some(served),
        None => present().next().filter(|_| present().count() == 1),
    };
    found.copied()
}

#[cfg(test)]
mod permission_tests;

#[cfg(test)]
mod tests {
    use super::super::plugin_state::KeptVersion;
    use super::*;

    fn permissions(objects: &[&str]) -> BTreeSet<Permission> {
        objects.iter().map(|object| Permission::read(object)).collect()
    }

    /// A plugin of which `old` serves, with reading `a` allowed.
    fn plugin_state(change: impl FnOnce(&mut PluginState)) -> PluginState {
        let version = KeptVersion { version: "1.0.0".to_owned(), digest: "old".to_owned() };
        let mut plugin_state = PluginState {
            serving: Some("old".to_owned()),
            versions: vec![version],
            allowed: Some(permissions(&["a"]).into_iter().collect()),
            ..PluginState::default()
        };
        change(&mut plugin_state);
        plugin_state
    }

    #[test]
    fn version_serves_by_approval_blame_and_permissions() {
        let bad = |plugin_state: &mut PluginState| {
            plugin_state.bad = vec![("new".to_owned(), "it trapped".to_owned())]
        };
        let approved =
            |plugin_state: &mut PluginState| plugin_state.approved = Some("new".to_owned());
        let hold = |plugin_state: &mut PluginState| plugin_state.hold = true;
        let more = || Err(WaitReason::Asks(vec![Permission::read("b")]));
        for (plugin_state, digest, asked, expected) in [
            (PluginState::default(), "new", &["a", "b"][..], Ok(())),
            (PluginState { hold: true, ..PluginState::default() }, "new", &["a"], Ok(())),
            (plugin_state(|_| {}), "new", &["a"], Ok(())),
            (plugin_state(|_| {}), "new", &[], Ok(())),
            (plugin_state(|_| {}), "new", &["a", "b"], more()),
            (plugin_state(|_| {}), "old", &["a", "b"], Ok(())),
            (plugin_state(hold), "new", &["a"], Err(WaitReason::Held)),
            (plugin_state(hold), "new", &["a", "b"], more()),
            (plugin_state(hold), "old", &["a"], Ok(())),
            (plugin_state(bad), "new", &["a"], Err(WaitReason::Bad("it trapped".to_owned()))),
            (plugin_state(bad), "newer", &["a"], Ok(())),
            (plugin_state(approved), "new", &["a", "b"], Ok(())),
            (
                plugin_state(|plugin_state| (hold(plugin_state), approved(plugin_state)).0),
                "new",
                &["a"],
                Ok(()),
            ),
            (
                plugin_state(|plugin_state| (hold(plugin_state), approved(plugin_state)).0),
                "newer",
                &["a"],
                Err(WaitReason::Held),
            ),
        ] {
            let found = may_serve(&plugin_state, digest, &permissions(asked));
            assert_eq!(found, expected, "{digest} {asked:?} {plugin_state:?}");
        }
    }

    #[test]
    fn one_file_is_the_plugin_or_none() {
        let claim = |word: &'static str| FileClaim {
            file: word.get(..1).unwrap(),
            served: word.contains('s'),
            vanished: word.contains('v'),
            same: word.contains('='),
        };
        for (claims, expected) in [
            (&["1"][..], Some("1")),
            (&["1", "2"], None),
            (&["1", "2s"], Some("2")),
            (&["1=", "2s"], Some("2")),
            (&["1v", "2"], Some("2")),
            (&["1v"], None),
            (&["1sv", "2"], Some("1")),
            (&["1sv=", "2", "3="], Some("3")),
            (&["1sv"], Some("1")),
            (&[], None),
        ] {
            let claims: Vec<FileClaim<'_>> = claims.iter().map(|word| claim(word)).collect();
            assert_eq!(incumbent(&claims).map(|claim| claim.file), expected, "{claims:?}");
        }
    }
}
