//! The permissions that a new version waits for.

use std::collections::BTreeSet;

use renkei_fixtures::{Fixture, plugin, plugin_with};
use renkei_package::{Manifest, Package, Permission};

use super::{WaitReason, may_serve, undecided};
use crate::lifecycle::plugin_state::PluginState;
use crate::lifecycle::stored_permissions::StoredPermissions;

fn manifest(fixture: Fixture) -> Manifest {
    Package::read("x.wasm", plugin(fixture)).unwrap().manifest
}

fn permissions(texts: &[&str]) -> BTreeSet<Permission> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn stored(texts: &[&str]) -> StoredPermissions {
    let texts: BTreeSet<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    texts.into()
}

fn texts(permissions: Vec<Permission>) -> Vec<String> {
    permissions.into_iter().map(String::from).collect()
}

/// The courier with a change of its manifest.
fn changed(change: impl FnOnce(String) -> String) -> Manifest {
    Package::read("x.wasm", plugin_with(Fixture::Courier, "2.0.0", change)).unwrap().manifest
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
fn connector_asks_and_transform_does_not() {
    assert_eq!(manifest(Fixture::Courier).permissions(), permissions(&ASKED));
    assert_eq!(manifest(Fixture::Echo).permissions(), permissions(&[]));
}

#[test]
fn permission_that_was_not_decided_waits() {
    let all = permissions(&ASKED);
    let plugin_state = |allowed: Option<&[&str]>, denied: &[&str]| PluginState {
        allowed: allowed.map(stored),
        denied: stored(denied),
        ..PluginState::default()
    };
    for (plugin_state, expected) in [
        (plugin_state(None, &[]), vec![]),
        (plugin_state(Some(&ASKED), &[]), vec![]),
        (plugin_state(Some(&ASKED[1..]), &[]), vec![ASKED[0]]),
        (plugin_state(Some(&ASKED[1..]), &ASKED[..1]), vec![]),
        (plugin_state(Some(&[]), &ASKED[2..]), vec![ASKED[0], ASKED[1]]),
    ] {
        assert_eq!(texts(undecided(&all, &plugin_state)), expected, "{plugin_state:?}");
    }
}

/// The permissions that a first version is given.
fn granted_to(one: &Manifest) -> StoredPermissions {
    StoredPermissions::from_iter(one.permissions())
}

/// A slot without credentials at a host of its own.
const STATUS: &str = "https://status.evil.example";

fn with_status(manifest: String) -> String {
    let slot = format!(
        "[[connection]]\nslot = \"status-page\"\nbase_url = \"{STATUS}\"\n\
         allow = [\"{STATUS}\"]\nauth = [\"bearer\"]\n"
    );
    manifest.replacen("[[quota]]", &format!("{slot}[[quota]]"), 1)
}

/// The permissions that version 2 waits for.
fn awaited(allowed: StoredPermissions, two: &Manifest) -> Vec<String> {
    let plugin_state = PluginState {
        allowed: Some(allowed),
        serving: Some("one".to_owned()),
        ..PluginState::default()
    };
    match may_serve(&plugin_state, "two", &two.permissions()) {
        Ok(()) => Vec::new(),
        Err(WaitReason::Asks(more)) => texts(more),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn change_of_where_credentials_go_waits() {
    let one = changed(with_status);
    assert!(awaited(granted_to(&one), &one).is_empty());
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
            &["token:status-page:form:/t"],
        ),
    ];
    for (from, to, more) in cases {
        let two = changed(|manifest| with_status(manifest).replacen(from, to, 1));
        assert_eq!(awaited(granted_to(&one), &two), more, "{to}");
    }
    let bearer_only = |manifest: String| {
        let (before, after) = manifest.split_once("auth = [").unwrap();
        let (_, after) = after.split_once(']').unwrap();
        format!("{before}auth = [\"bearer\"]{after}")
    };
    let fewer = changed(bearer_only);
    assert!(awaited(granted_to(&changed(|m| m)), &fewer).is_empty(), "less is never asked");
    let more = awaited(granted_to(&fewer), &changed(|m| m));
    assert_eq!(more, &ASKED[1..4], "more ways to authenticate");
}

#[test]
fn host_of_another_slot_waits_for_the_slot_with_credentials() {
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
    assert_eq!(awaited(granted_to(&changed(with_status)), &two), more);
}

#[test]
fn stored_permissions_without_slots_allow_nothing() {
    let old = stored(&["slot:primary", "host:https://api.example.com", "read:things"]);
    let plugin_state = PluginState {
        allowed: Some(old.clone()),
        denied: stored(&["host:https://*.pods.example.com"]),
        serving: Some("one".to_owned()),
        ..PluginState::default()
    };
    let one = changed(|manifest| manifest);
    assert_eq!(may_serve(&plugin_state, "one", &one.permissions()), Ok(()), "what serves goes on");
    let more = awaited(old, &one);
    assert!(more.iter().any(|text| text == "host:primary:https://api.example.com"), "{more:?}");
}
