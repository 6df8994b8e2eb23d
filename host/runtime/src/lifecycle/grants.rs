//! What a plugin asks for and what it is given (TRUST.md 2.5; issue 3, "Egress").
//!
//! A manifest only asks. Each thing is one word: `slot:primary`,
//! `host:primary:https://api.example.com`, `method:primary:GET`, `path:primary:/crm/v3`,
//! `secret:client_secret`, `read:contacts`, `write:contacts:create`. `read:*` and `write:*` are the
//! objects that a manifest does not list, as an org's own (`RULES.md V18`); one of them can be
//! taken away by its name. Whatever decides where a slot's credentials go is a word of that slot:
//! `base:primary:https://api.example.com` (what paths are appended to), `auth:primary:bearer` (a
//! way to authenticate), `token:primary:form:/oauth/token` (how and where tokens are had),
//! `token-base:primary:instance_url` (the field of the token answer that replaces the base). So a
//! change of any of them is something new.
//!
//! The first version of a plugin is given what it asks; a later one that asks for more waits until
//! an admin allows it. What an admin takes away is cut out of the manifest before the plugin
//! serves, so that nothing below need know of it.

use std::collections::BTreeSet;

use renkei_package::{
    AllowedOrigin, AuthMethod, Connection, ConnectorManifest, Manifest, ManifestKind, Method,
    ObjectAction,
};

use super::plugin_state::Page;
use renkei_egress::PRIMARY_SLOT;

/// What a manifest asks for; a transform asks for nothing.
pub(crate) fn asked(manifest: &Manifest) -> BTreeSet<String> {
    let ManifestKind::Connector(connector) = &manifest.kind else { return BTreeSet::new() };
    let mut asked = BTreeSet::new();
    for connection in &connector.connections {
        let of = &connection.slot;
        asked.insert(slot(of));
        asked.extend(connection.allow.iter().map(|origin| host(of, origin)));
        asked.extend(connection.methods.iter().map(|by| method(of, *by)));
        asked.extend(connection.paths.iter().map(|below| path(of, below)));
        asked.extend(connection.auth.iter().map(|way| auth(of, *way)));
        asked.extend(connection.base_url.iter().map(|url| base(of, url)));
        asked.extend(token(connection));
        asked.extend(connection.base_url_field.iter().map(|field| token_base(of, field)));
    }
    asked.extend([READ_OTHERS.to_owned(), WRITE_OTHERS.to_owned()]);
    for object in &connector.objects {
        asked.insert(read(&object.name));
        asked.extend(object.actions.iter().map(|action| write(&object.name, *action)));
    }
    asked.extend(connector.secrets.iter().map(|secret| format!("secret:{}", secret.name)));
    asked
}

/// What is asked and was neither allowed nor taken away. Nothing before the first version.
pub(crate) fn wider(asked: &BTreeSet<String>, page: &Page) -> Vec<String> {
    let Some(allowed) = &page.allowed else { return Vec::new() };
    let known = |word: &&String| allowed.contains(*word) || page.denied.contains(*word);
    asked.iter().filter(|word| !known(word)).cloned().collect()
}

/// The manifest without what was taken away.
pub(crate) fn narrow(manifest: &Manifest, denied: &BTreeSet<String>) -> Manifest {
    let mut manifest = manifest.clone();
    if let ManifestKind::Connector(connector) = &mut manifest.kind {
        cut(connector, |word| !denied.contains(word));
    }
    manifest
}

fn cut(connector: &mut ConnectorManifest, may: impl Fn(&str) -> bool) {
    connector.connections.retain_mut(|connection| {
        narrow_connection(connection, &may);
        // The configuration can give the base of `primary` alone; without one there is no slot.
        let based = connection.base_url.is_some() || connection.slot == PRIMARY_SLOT;
        based && may(&slot(&connection.slot))
    });
    connector.objects.retain(|object| may(&read(&object.name)));
    for object in &mut connector.objects {
        let name = &object.name;
        object.actions.retain(|action| may(&write(name, *action)));
    }
    connector.secrets.retain(|secret| may(&format!("secret:{}", secret.name)));
}

fn narrow_connection(connection: &mut Connection, may: impl Fn(&str) -> bool) {
    if token(connection).is_some_and(|word| !may(&word)) {
        connection.token_path = None;
    }
    let slot = &connection.slot;
    connection.allow.retain(|origin| may(&host(slot, origin)));
    connection.methods.retain(|by| may(&method(slot, *by)));
    connection.paths.retain(|below| may(&path(slot, below)));
    connection.auth.retain(|way| may(&auth(slot, *way)));
    connection.base_url.take_if(|url| !may(&base(slot, url)));
    connection.base_url_field.take_if(|field| !may(&token_base(slot, field)));
}

fn slot(slot: &str) -> String {
    format!("slot:{slot}")
}

fn host(slot: &str, origin: &AllowedOrigin) -> String {
    format!("host:{slot}:{origin}")
}

fn auth(slot: &str, way: AuthMethod) -> String {
    format!("auth:{slot}:{}", way.as_str())
}

fn base(slot: &str, url: &str) -> String {
    format!("base:{slot}:{url}")
}

/// Style and path are one thing: what is sent, and where.
fn token(connection: &Connection) -> Option<String> {
    let Connection { slot, token_style, .. } = connection;
    let path = connection.token_path.as_ref()?;
    Some(format!("token:{slot}:{}:{path}", token_style.as_str()))
}

fn token_base(slot: &str, field: &str) -> String {
    format!("token-base:{slot}:{field}")
}

fn method(slot: &str, method: Method) -> String {
    format!("method:{slot}:{}", method.as_str())
}

fn path(slot: &str, below: &str) -> String {
    format!("path:{slot}:{below}")
}

/// Reading the objects that the manifest does not list.
const READ_OTHERS: &str = "read:*";
/// Every action on the objects that the manifest does not list.
const WRITE_OTHERS: &str = "write:*";

/// The words of which each must be left to read this object.
pub(crate) fn to_read(manifest: &Manifest, object: &str) -> Vec<String> {
    let others = (!lists(manifest, object)).then(|| READ_OTHERS.to_owned());
    [read(object)].into_iter().chain(others).collect()
}

/// The words of which each must be left to do this to a record of this object, besides reading it.
pub(crate) fn to_write(manifest: &Manifest, object: &str, action: ObjectAction) -> Vec<String> {
    let others = (!lists(manifest, object)).then(|| WRITE_OTHERS.to_owned());
    [write(object, action)].into_iter().chain(others).collect()
}

/// Whether an admin can take this away although the manifest does not ask for it: reading, or an
/// action on, an object that the manifest does not list.
pub(crate) fn is_of_another_object(manifest: &Manifest, word: &str) -> bool {
    let object = match word.split(':').collect::<Vec<_>>()[..] {
        ["read", object] => object,
        ["write", object, action] if ACTIONS.iter().any(|known| name(*known) == action) => object,
        _ => return false,
    };
    let is_connector = matches!(manifest.kind, ManifestKind::Connector(_));
    is_connector && !object.is_empty() && object != "*" && !lists(manifest, object)
}

fn lists(manifest: &Manifest, object: &str) -> bool {
    let ManifestKind::Connector(connector) = &manifest.kind else { return false };
    connector.objects.iter().any(|listed| listed.name == object)
}

const ACTIONS: [ObjectAction; 6] = [
    ObjectAction::Create,
    ObjectAction::Update,
    ObjectAction::Upsert,
    ObjectAction::Archive,
    ObjectAction::Restore,
    ObjectAction::Merge,
];

fn name(action: ObjectAction) -> &'static str {
    match action {
        ObjectAction::Create => "create",
        ObjectAction::Update => "update",
        ObjectAction::Upsert => "upsert",
        ObjectAction::Archive => "archive",
        ObjectAction::Restore => "restore",
        ObjectAction::Merge => "merge",
    }
}

/// The word for reading an object.
fn read(object: &str) -> String {
    format!("read:{object}")
}

/// The word for an action on an object.
fn write(object: &str, action: ObjectAction) -> String {
    format!("write:{object}:{}", name(action))
}

#[cfg(test)]
mod tests {
    use super::*;
    use renkei_fixtures::{Fixture, plugin, plugin_with};
    use renkei_package::Package;

    use super::super::decide::{Wait, may_serve};

    fn manifest(fixture: Fixture) -> Manifest {
        Package::read("x.wasm", plugin(fixture)).unwrap().manifest
    }

    fn words(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
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
        let page = |allowed: Option<&[&str]>, denied: &[&str]| Page {
            allowed: allowed.map(words),
            denied: words(denied),
            ..Page::default()
        };
        for (page, expected) in [
            (page(None, &[]), vec![]),
            (page(Some(&ASKED), &[]), vec![]),
            (page(Some(&ASKED[1..]), &[]), vec![ASKED[0]]),
            (page(Some(&ASKED[1..]), &ASKED[..1]), vec![]),
            (page(Some(&[]), &ASKED[2..]), vec![ASKED[0], ASKED[1]]),
        ] {
            assert_eq!(wider(&all, &page), expected, "{page:?}");
        }
    }

    #[test]
    fn what_is_taken_away_is_not_in_the_manifest() {
        let manifest = manifest(Fixture::Courier);
        // What a manifest does not list is not in it either way; calls look at the words.
        for word in ASKED.into_iter().filter(|word| !word.ends_with('*')) {
            let left = asked(&narrow(&manifest, &words(&[word])));
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
            "[[connection]]\nslot = \"status-page\"\nbase_url = \"{STATUS}\"\n\
             allow = [\"{STATUS}\"]\nauth = [\"bearer\"]\n"
        );
        manifest.replacen("[[quota]]", &format!("{slot}[[quota]]"), 1)
    }

    /// The words that version 2 waits for.
    fn awaited(allowed: BTreeSet<String>, two: &Manifest) -> Vec<String> {
        let page =
            Page { allowed: Some(allowed), serving: Some("one".to_owned()), ..Page::default() };
        match may_serve(&page, "two", &asked(two)) {
            Ok(()) => Vec::new(),
            Err(Wait::Asks(more)) => more,
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
                &["token:status-page:form:/t"],
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
    fn what_is_denied_cannot_be_done() {
        let one = changed(with_status);
        let without = |word: &str| narrow(&one, &words(&[word]));
        let denied = without("token:primary:form:/token");
        assert_eq!(connector(&denied).connections[0].token_path, None);
        let denied = without("token-base:primary:instance_url");
        assert_eq!(connector(&denied).connections[0].base_url_field, None);
        let denied = without("base:primary:https://api.example.com");
        let slots = &connector(&denied).connections;
        assert_eq!((slots.len(), &slots[0].base_url), (2, &None), "the configuration can give it");
        let denied = without(&format!("base:status-page:{STATUS}"));
        let slots = &connector(&denied).connections;
        assert_eq!((slots.len(), slots[0].slot.as_str()), (1, PRIMARY_SLOT));
    }

    #[test]
    fn words_of_a_book_that_knew_no_slots_allow_nothing() {
        let old = words(&["slot:primary", "host:https://api.example.com", "read:things"]);
        let page = Page {
            allowed: Some(old.clone()),
            denied: words(&["host:https://*.pods.example.com"]),
            serving: Some("one".to_owned()),
            ..Page::default()
        };
        let one = changed(|manifest| manifest);
        assert_eq!(may_serve(&page, "one", &asked(&one)), Ok(()), "what serves goes on");
        let more = awaited(old, &one);
        assert!(more.iter().any(|word| word == "host:primary:https://api.example.com"), "{more:?}");
    }
}
