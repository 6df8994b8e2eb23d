//! The permissions that a plugin asks for, and those that it was given.
//!
//! A manifest only asks. The first version of a plugin is given what it asks for; a later version
//! that asks for more waits until an admin allows it. What an admin denies is cut out of the
//! manifest before the plugin serves, so that nothing below need know of it.
//!
//! The state file keeps the texts of permissions, and not permissions: a text that an older
//! Renkei wrote may be none any more, and then it allows nothing.

use std::collections::BTreeSet;

use renkei_package::{Manifest, Permission};

use crate::lifecycle::plugin_state::PluginState;

/// The texts that are asked for and were neither allowed nor denied. Nothing before the first
/// version.
pub(crate) fn undecided(asked: &BTreeSet<String>, plugin_state: &PluginState) -> Vec<String> {
    let Some(allowed) = &plugin_state.allowed else { return Vec::new() };
    let is_decided =
        |text: &&String| allowed.contains(*text) || plugin_state.denied.contains(*text);
    asked.iter().filter(|text| !is_decided(text)).cloned().collect()
}

/// True for the permission to read, or to write to, an object that the manifest does not list: an
/// admin can deny it although the manifest does not ask for it by name.
pub(crate) fn is_of_unlisted_object(manifest: &Manifest, text: &str) -> bool {
    text.parse().is_ok_and(|permission: Permission| manifest.covers_unlisted(&permission))
}

#[cfg(test)]
mod tests {
    use super::*;
    use renkei_fixtures::{Fixture, plugin, plugin_with};
    use renkei_package::{ConnectorManifest, ManifestKind, PRIMARY_SLOT, Package};

    use super::super::decide::{WaitReason, may_serve};

    fn manifest(fixture: Fixture) -> Manifest {
        Package::read("x.wasm", plugin(fixture)).unwrap().manifest
    }

    fn words(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn asked(manifest: &Manifest) -> BTreeSet<String> {
        manifest.permissions().iter().map(ToString::to_string).collect()
    }

    fn narrow(manifest: &Manifest, denied: &[&str]) -> Manifest {
        manifest.without(&denied.iter().map(|text| text.parse().unwrap()).collect())
    }

    /// The courier with a change of its manifest in TOML.
    fn changed(change: impl FnOnce(String) -> String) -> Manifest {
        Package::read("x.wasm", plugin_with(Fixture::Courier, "2.0.0", change)).unwrap().manifest
    }

    fn connector(manifest: &Manifest) -> &ConnectorManifest {
        let ManifestKind::Connector(connector) = &manifest.kind else { panic!("a transform") };
        connector
    }

    const ASKED: [&str; 24] = [
        "auth:primary:bearer",
        "auth:primary:header",
        "auth:primary:oauth2-client-credentials",
        "auth:primary:oauth2-refresh-token",
        "base:primary:https://api.example.com",
        "host:primary:https://*.pods.example.com",
        "host:primary:https://api.example.com",
        "method:primary:DELETE",
        "method:primary:GET",
        "method:primary:HEAD",
        "method:primary:PATCH",
        "method:primary:POST",
        "method:primary:PUT",
        "path:primary:/",
        "read:*",
        "read:things",
        "secret:client_secret",
        "slot:primary",
        "token-base:primary:instance_url",
        "token:primary:form:/token",
        "write:*",
        "write:things:archive",
        "write:things:create",
        "write:things:update",
    ];

    #[test]
    fn a_connector_asks_and_a_transform_does_not() {
        assert_eq!(asked(&manifest(Fixture::Courier)), words(&ASKED));
        assert_eq!(asked(&manifest(Fixture::Echo)), words(&[]));
    }

    #[test]
    fn more_than_was_decided_waits() {
        let all = words(&ASKED);
        let plugin_state = |allowed: Option<&[&str]>, denied: &[&str]| PluginState {
            allowed: allowed.map(words),
            denied: words(denied),
            ..PluginState::default()
        };
        for (plugin_state, expected) in [
            (plugin_state(None, &[]), vec![]),
            (plugin_state(Some(&ASKED), &[]), vec![]),
            (plugin_state(Some(&ASKED[1..]), &[]), vec![ASKED[0]]),
            (plugin_state(Some(&ASKED[1..]), &ASKED[..1]), vec![]),
            (plugin_state(Some(&[]), &ASKED[2..]), vec![ASKED[0], ASKED[1]]),
        ] {
            assert_eq!(undecided(&all, &plugin_state), expected, "{plugin_state:?}");
        }
    }

    #[test]
    fn denied_permission_is_cut_out_of_the_manifest() {
        let manifest = manifest(Fixture::Courier);
        // What a manifest does not list is not in it either way; calls look at the words.
        for word in ASKED.into_iter().filter(|word| !word.ends_with('*')) {
            let left = asked(&narrow(&manifest, &[word]));
            assert!(!left.contains(word), "{word}");
            let with_it = match word {
                "slot:primary" => 17,
                "read:things" => 4,
                _ => 1,
            };
            assert_eq!(left.len(), ASKED.len() - with_it, "{word}: {left:?}");
        }
    }

    /// A slot without credentials at a host of its own.
    const STATUS: &str = "https://status.evil.example";

    fn with_status(manifest: String) -> String {
        let slot = format!(
            "[[connection]]\nslot = \"status-plugin_state\"\nbase_url = \"{STATUS}\"\n\
             allow = [\"{STATUS}\"]\nauth = [\"bearer\"]\n"
        );
        manifest.replacen("[[quota]]", &format!("{slot}[[quota]]"), 1)
    }

    /// The words that version 2 waits for.
    fn awaited(allowed: BTreeSet<String>, two: &Manifest) -> Vec<String> {
        let plugin_state = PluginState {
            allowed: Some(allowed),
            serving: Some("one".to_owned()),
            ..PluginState::default()
        };
        match may_serve(&plugin_state, "two", &asked(two)) {
            Ok(()) => Vec::new(),
            Err(WaitReason::Asks(more)) => more,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn where_a_slots_credentials_go_does_not_change_unasked() {
        let one = changed(with_status);
        assert!(awaited(asked(&one), &one).is_empty());
        let cases: [(&str, &str, &[&str]); 6] = [
            (
                "allow = [\"https://api.example.com\"",
                "allow = [\"https://status.evil.example\", \"https://api.example.com\"",
                &["host:primary:https://status.evil.example"],
            ),
            (
                "base_url = \"https://api.example.com\"",
                "base_url = \"https://x.pods.example.com/v2\"",
                &["base:primary:https://x.pods.example.com/v2"],
            ),
            ("\"/token\"", "\"/collect\"", &["token:primary:form:/collect"]),
            ("\"/token\"", "\"/token\"\ntoken_style = \"basic\"", &["token:primary:basic:/token"]),
            ("\"instance_url\"", "\"other_url\"", &["token-base:primary:other_url"]),
            (
                "[[quota]]",
                "token_path = \"/t\"\nmethods = [\"GET\"]\n[[quota]]",
                &["token:status-plugin_state:form:/t"],
            ),
        ];
        for (from, to, more) in cases {
            let two = changed(|manifest| with_status(manifest).replacen(from, to, 1));
            assert_eq!(awaited(asked(&one), &two), more, "{to}");
        }
        let bearer_only = |manifest: String| {
            let (before, after) = manifest.split_once("auth = [").unwrap();
            let (_, after) = after.split_once(']').unwrap();
            format!("{before}auth = [\"bearer\"]{after}")
        };
        let fewer = changed(bearer_only);
        assert!(awaited(asked(&changed(|m| m)), &fewer).is_empty(), "less is never asked");
        let more = awaited(asked(&fewer), &changed(|m| m));
        assert_eq!(more, &ASKED[1..4], "more ways to authenticate");
    }

    #[test]
    fn a_host_of_another_slot_is_no_host_of_the_one_with_credentials() {
        let two = changed(|manifest| {
            let moved = manifest
                .replacen(
                    "base_url = \"https://api.example.com\"",
                    &format!("base_url = \"{STATUS}\""),
                    1,
                )
                .replacen("allow = [", &format!("allow = [\"{STATUS}\", "), 1)
                .replacen("\"/token\"", "\"/collect\"\ntoken_style = \"basic\"", 1);
            with_status(moved)
        });
        let more = [
            "base:primary:https://status.evil.example",
            "host:primary:https://status.evil.example",
            "token:primary:basic:/collect",
        ];
        assert_eq!(awaited(asked(&changed(with_status)), &two), more);
    }

    #[test]
    fn denied_permission_cannot_be_used() {
        let one = changed(with_status);
        let without = |word: &str| narrow(&one, &[word]);
        let denied = without("token:primary:form:/token");
        assert_eq!(connector(&denied).connections[0].token_path, None);
        let denied = without("token-base:primary:instance_url");
        assert_eq!(connector(&denied).connections[0].base_url_field, None);
        let denied = without("base:primary:https://api.example.com");
        let slots = &connector(&denied).connections;
        assert_eq!((slots.len(), &slots[0].base_url), (2, &None), "the configuration can give it");
        let denied = without(&format!("base:status-plugin_state:{STATUS}"));
        let slots = &connector(&denied).connections;
        assert_eq!((slots.len(), slots[0].slot.as_str()), (1, PRIMARY_SLOT));
    }

    #[test]
    fn permissions_of_a_state_that_knew_no_slots_allow_nothing() {
        let old = words(&["slot:primary", "host:https://api.example.com", "read:things"]);
        let plugin_state = PluginState {
            allowed: Some(old.clone()),
            denied: words(&["host:https://*.pods.example.com"]),
            serving: Some("one".to_owned()),
            ..PluginState::default()
        };
        let one = changed(|manifest| manifest);
        assert_eq!(may_serve(&plugin_state, "one", &asked(&one)), Ok(()), "what serves goes on");
        let more = awaited(old, &one);
        assert!(more.iter().any(|word| word == "host:primary:https://api.example.com"), "{more:?}");
    }
}
