//! Each permission's text, a connector's list, what is left without one of them, any text at all.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::Permission;
use crate::manifest::{ConnectorManifest, Manifest, ObjectAction};

const COURIER: &str = r#"
id = "courier"
title = "Courier"
publisher = "acme"
kind = "connector"
contract = "0.2"
version = "1.0.0"

[[connection]]
slot = "primary"
base_url = "https://api.example.com"
base_url_field = "instance_url"
allow = ["https://api.example.com", "https://*.pods.example.com"]
auth = ["bearer", "header", "oauth2-client-credentials", "oauth2-refresh-token"]
token_path = "/token"
login_url = "https://login.example.com/consent"

[[connection.credential]]
name = "api_key"
place = "header"
field = "x-api-key"

[[connection]]
slot = "status-page"
base_url = "https://status.example.com"
allow = ["https://status.example.com"]
methods = ["GET"]
auth = ["bearer"]

[[object]]
name = "things"
actions = ["create", "update", "archive"]

[[secret]]
name = "client_secret"
"#;

/// In the order of the texts. `read:*` and `write:*` are not in the manifest's own words.
const ASKED: [&str; 32] = [
    "auth:primary:bearer",
    "auth:primary:header",
    "auth:primary:oauth2-client-credentials",
    "auth:primary:oauth2-refresh-token",
    "auth:status-page:bearer",
    "base:primary:https://api.example.com",
    "base:status-page:https://status.example.com",
    "credential:primary:header:x-api-key:api_key",
    "host:primary:https://*.pods.example.com",
    "host:primary:https://api.example.com",
    "host:status-page:https://status.example.com",
    "login:primary:https://login.example.com/consent",
    "method:primary:DELETE",
    "method:primary:GET",
    "method:primary:HEAD",
    "method:primary:PATCH",
    "method:primary:POST",
    "method:primary:PUT",
    "method:status-page:GET",
    "path:primary:/",
    "path:status-page:/",
    "read:*",
    "read:things",
    "secret:client_secret",
    "slot:primary",
    "slot:status-page",
    "token-base:primary:instance_url",
    "token:primary:form:/token",
    "write:*",
    "write:things:archive",
    "write:things:create",
    "write:things:update",
];

fn courier() -> Manifest {
    Manifest::from_toml(COURIER, None).unwrap()
}

fn connector(manifest: &Manifest) -> &ConnectorManifest {
    manifest.connector().unwrap()
}

fn permission(text: &str) -> Permission {
    text.parse().unwrap()
}

fn texts(permissions: &BTreeSet<Permission>) -> Vec<String> {
    permissions.iter().map(ToString::to_string).collect()
}

/// The courier's manifest after an admin denied this.
fn without(denied: &str) -> Manifest {
    courier().without(&BTreeSet::from([permission(denied)]))
}

#[test]
fn connector_asks_for_each_thing_of_its_manifest() {
    assert_eq!(texts(&courier().permissions()), ASKED);
}

#[test]
fn transform_asks_for_nothing() {
    let text = "id = \"up\"\ntitle = \"Up\"\npublisher = \"acme\"\nkind = \"transform\"\n\
                contract = \"0.2\"\nversion = \"1.0.0\"\n[[function]]\nname = \"up\"\n\
                shape = \"one-way\"\ninput = [\"a\"]\noutput = [\"b\"]\n";
    let manifest = Manifest::from_toml(text, None).unwrap();
    assert!(manifest.permissions().is_empty());
    assert!(!manifest.covers_unlisted(&Permission::read("contacts")));
}

#[test]
fn permission_is_parsed_from_its_own_text_only() {
    for text in ASKED {
        assert_eq!(permission(text).to_string(), text);
    }
    for text in [
        "",
        "slot",
        "slot:",
        "slot:Primary",
        "slot:a:b",
        "host:https://api.example.com",
        "host:primary:https://API.example.com",
        "host:primary:https://api.example.com/",
        "method:primary:get",
        "method:primary:",
        "path:primary",
        "auth:primary:digest",
        "credential:primary:cookie:a:b",
        "credential:primary:header:a",
        "token:primary:/token",
        "token:primary:json:/token",
        "read:",
        "write:things",
        "write:things:burn",
        "write::create",
        "burn:things",
        " read:things",
    ] {
        let error = text.parse::<Permission>().unwrap_err();
        assert_eq!(error.to_string(), format!("`{text}` is no permission"));
    }
}

#[test]
fn object_name_may_hold_a_colon() {
    let create = Permission::write("a:b", ObjectAction::Create);
    assert_eq!(permission("write:a:b:create"), create);
    assert_eq!(permission("read:a:b"), Permission::read("a:b"));
}

#[test]
fn every_unlisted_object_has_one_text() {
    assert_eq!(Permission::read("*"), Permission::ReadUnlisted);
    assert_eq!(permission("read:*"), Permission::ReadUnlisted);
    assert_eq!(permission("write:*"), Permission::WriteUnlisted);
}

#[test]
fn permission_names_its_slot() {
    for text in ASKED {
        let named = text.split(':').nth(1).filter(|_| !text.starts_with(['r', 'w']));
        let named = named.filter(|name| *name != "client_secret");
        assert_eq!(permission(text).slot(), named, "{text}");
    }
}

#[test]
fn permissions_are_stored_as_their_texts() {
    let json = serde_json::to_value(courier().permissions()).unwrap();
    assert_eq!(json, serde_json::json!(ASKED));
    let read: BTreeSet<Permission> = serde_json::from_value(json).unwrap();
    assert_eq!(read, courier().permissions());
    assert!(serde_json::from_str::<Permission>("\"host:https://x.example\"").is_err());
}

#[test]
fn denied_permission_leaves_the_manifest_with_what_hangs_on_it() {
    // A manifest lists no `*`; calls on other objects look at the permissions themselves.
    for denied in ASKED.into_iter().filter(|text| !text.ends_with('*')) {
        let left = without(denied).permissions();
        assert!(!left.contains(&permission(denied)), "{denied}");
        let lost = match denied {
            "slot:primary" => 19,
            "slot:status-page" | "base:status-page:https://status.example.com" => 6,
            "read:things" => 4,
            _ => 1,
        };
        assert_eq!(left.len(), ASKED.len() - lost, "{denied}: {left:?}");
    }
}

#[test]
fn denied_credentials_are_not_sent() {
    let denied = without("token:primary:form:/token");
    assert_eq!(connector(&denied).connections[0].token_url, None);
    let denied = without("credential:primary:header:x-api-key:api_key");
    assert_eq!(connector(&denied).connections[0].credentials, []);
    let denied = without("login:primary:https://login.example.com/consent");
    assert_eq!(connector(&denied).connections[0].login_url, None);
    let denied = without("token-base:primary:instance_url");
    assert_eq!(connector(&denied).connections[0].base_url_field, None);
    let denied = without("base:primary:https://api.example.com");
    let slots = &connector(&denied).connections;
    assert_eq!((slots.len(), &slots[0].base_url), (2, &None), "the configuration can give it");
    let denied = without("base:status-page:https://status.example.com");
    assert_eq!(connector(&denied).connections.len(), 1, "a slot without a base leads nowhere");
}

#[test]
fn unlisted_object_needs_its_own_permission_and_the_one_for_all() {
    let texts = |all: Vec<Permission>| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (create, manifest) = (ObjectAction::Create, courier());
    assert_eq!(texts(manifest.permissions_to_read("things")), ["read:things"]);
    assert_eq!(texts(manifest.permissions_to_read("Order__c")), ["read:Order__c", "read:*"]);
    assert_eq!(texts(manifest.permissions_to_write("things", create)), ["write:things:create"]);
    assert_eq!(
        texts(manifest.permissions_to_write("Order__c", create)),
        ["write:Order__c:create", "write:*"]
    );
    assert!(manifest.covers_unlisted(&permission("read:Order__c")));
    assert!(manifest.covers_unlisted(&permission("write:Order__c:merge")));
    for text in ["read:things", "write:things:create", "read:*", "write:*:create", "slot:primary"] {
        assert!(!manifest.covers_unlisted(&permission(text)), "{text}");
    }
}

proptest! {
    /// A text of a permission's form is parsed to what prints it again, or refused; never a panic.
    #[test]
    fn any_text_is_refused_or_printed_again(
        kind in prop::sample::select(vec!["slot", "host", "method", "path", "base", "auth", "token",
            "login", "credential", "token-base", "secret", "read", "write"]),
        rest in "[a-z:/.*-]{0,24}|primary:\\PC{0,20}",
    ) {
        let text = format!("{kind}:{rest}");
        if let Ok(permission) = text.parse::<Permission>() {
            prop_assert_eq!(permission.to_string(), text);
        }
    }
}
