//! Which version of a plugin serves: pure (DESIGN.md 4, WASM.md 5.1).
//!
//! Two questions: which of the files that say they are a plugin is it ([`incumbent`]), and whether
//! what that file holds may serve now ([`may_serve`]).

use std::collections::BTreeSet;

use renkei_sync::model::plugin::Generation;

use renkei_package::Permission;

use super::plugin_state::Page;

/// Digits of a digest that tell a version from all others of a plugin.
const DIGEST_SHOWN: usize = 12;

/// Why a good file waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It was rolled back, for this reason.
    Bad(String),
    /// It asks for more than the plugin was given.
    Asks(Vec<Permission>),
    /// An admin wants to look first.
    Held,
}

impl Wait {
    /// In one word, for scripts.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Bad(_) => "rolled-back",
            Self::Asks(_) => "asks-more",
            Self::Held => "held",
        }
    }

    /// What is the matter and what to do, for people.
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
                "held: see `renkei plugin preview`, then `renkei plugin reload {this}` approves it"
            ),
        }
    }
}

/// Whether the version with this digest, which asks for this, may serve.
pub(crate) fn may_serve(
    page: &Page,
    digest: &str,
    asked: &BTreeSet<Permission>,
) -> Result<(), Wait> {
    if page.approved.as_deref() == Some(digest) {
        return Ok(());
    }
    if let Some(reason) = page.why_bad(digest) {
        return Err(Wait::Bad(reason.to_owned()));
    }
    // Where it serves already, the question was answered.
    if page.serving.as_deref() == Some(digest) {
        return Ok(());
    }
    let more = undecided(asked, page);
    if !more.is_empty() {
        return Err(Wait::Asks(more));
    }
    // A first version is not a new version of anything.
    if page.hold && !page.versions.is_empty() {
        return Err(Wait::Held);
    }
    Ok(())
}

/// The permissions that are asked and were neither allowed nor denied; none before the first
/// version.
pub(crate) fn undecided(asked: &BTreeSet<Permission>, page: &Page) -> Vec<Permission> {
    let Some(allowed) = &page.allowed else { return Vec::new() };
    let decided = |permission: &&Permission| {
        allowed.known.contains(*permission) || page.denied.known.contains(*permission)
    };
    asked.iter().filter(|permission| !decided(permission)).cloned().collect()
}

/// A file that says it is a plugin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
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
pub(crate) fn incumbent<'a>(claims: &[Claim<'a>]) -> Option<Claim<'a>> {
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
    use super::super::plugin_state::Version;
    use super::*;

    fn permissions(objects: &[&str]) -> BTreeSet<Permission> {
        objects.iter().map(|object| Permission::read(object)).collect()
    }

    /// A plugin of which `old` serves, with reading `a` allowed.
    fn page(change: impl FnOnce(&mut Page)) -> Page {
        let version = Version { version: "1.0.0".to_owned(), digest: "old".to_owned() };
        let mut page = Page {
            serving: Some("old".to_owned()),
            versions: vec![version],
            allowed: Some(permissions(&["a"]).into_iter().collect()),
            ..Page::default()
        };
        change(&mut page);
        page
    }

    #[test]
    fn what_may_serve() {
        let bad = |page: &mut Page| page.bad = vec![("new".to_owned(), "it trapped".to_owned())];
        let approved = |page: &mut Page| page.approved = Some("new".to_owned());
        let hold = |page: &mut Page| page.hold = true;
        let more = || Err(Wait::Asks(vec![Permission::read("b")]));
        for (page, digest, asked, expected) in [
            (Page::default(), "new", &["a", "b"][..], Ok(())),
            (Page { hold: true, ..Page::default() }, "new", &["a"], Ok(())),
            (page(|_| {}), "new", &["a"], Ok(())),
            (page(|_| {}), "new", &[], Ok(())),
            (page(|_| {}), "new", &["a", "b"], more()),
            (page(|_| {}), "old", &["a", "b"], Ok(())),
            (page(hold), "new", &["a"], Err(Wait::Held)),
            (page(hold), "new", &["a", "b"], more()),
            (page(hold), "old", &["a"], Ok(())),
            (page(bad), "new", &["a"], Err(Wait::Bad("it trapped".to_owned()))),
            (page(bad), "newer", &["a"], Ok(())),
            (page(approved), "new", &["a", "b"], Ok(())),
            (page(|page| (hold(page), approved(page)).0), "new", &["a"], Ok(())),
            (page(|page| (hold(page), approved(page)).0), "newer", &["a"], Err(Wait::Held)),
        ] {
            let found = may_serve(&page, digest, &permissions(asked));
            assert_eq!(found, expected, "{digest} {asked:?} {page:?}");
        }
    }

    #[test]
    fn one_file_is_the_plugin_or_none() {
        let claim = |word: &'static str| Claim {
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
            let claims: Vec<Claim<'_>> = claims.iter().map(|word| claim(word)).collect();
            assert_eq!(incumbent(&claims).map(|claim| claim.file), expected, "{claims:?}");
        }
    }
}
