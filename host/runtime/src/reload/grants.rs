//! What a plugin asks for and what it is given (TRUST.md 2.5; issue 3, "Egress").
//!
//! A manifest only asks. Each thing is one word: `slot:primary`, `host:https://api.example.com`,
//! `method:primary:GET`, `path:primary:/crm/v3`, `secret:client_secret`, `read:contacts`,
//! `write:contacts:create`. The first version of a plugin is given what it asks; a later one that
//! asks for more waits until an admin allows it. What an admin takes away is cut out of the
//! manifest before the plugin serves, so that nothing below need know of it.

use std::collections::BTreeSet;

use renkei_package::{Connection, ConnectorManifest, Kind, Manifest, Method, ObjectAction};

use super::book::Page;

/// What a manifest asks for; a transform asks for nothing.
pub(crate) fn asked(manifest: &Manifest) -> BTreeSet<String> {
    let Kind::Connector(connector) = &manifest.kind else { return BTreeSet::new() };
    let mut asked = BTreeSet::new();
    for connection in &connector.connections {
        asked.insert(slot(connection));
        asked.extend(connection.allow.iter().map(|origin| host(&origin.to_string())));
        asked.extend(connection.methods.iter().map(|by| method(&connection.slot, *by)));
        asked.extend(connection.paths.iter().map(|below| path(&connection.slot, below)));
    }
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
    if let Kind::Connector(connector) = &mut manifest.kind {
        cut(connector, |word| !denied.contains(word));
    }
    manifest
}

fn cut(connector: &mut ConnectorManifest, may: impl Fn(&str) -> bool) {
    connector.connections.retain(|connection| may(&slot(connection)));
    for connection in &mut connector.connections {
        connection.allow.retain(|origin| may(&host(&origin.to_string())));
        let slot = &connection.slot;
        connection.methods.retain(|by| may(&method(slot, *by)));
        connection.paths.retain(|below| may(&path(slot, below)));
    }
    connector.objects.retain(|object| may(&read(&object.name)));
    for object in &mut connector.objects {
        let name = &object.name;
        object.actions.retain(|action| may(&write(name, *action)));
    }
    connector.secrets.retain(|secret| may(&format!("secret:{}", secret.name)));
}

fn slot(connection: &Connection) -> String {
    format!("slot:{}", connection.slot)
}

fn host(origin: &str) -> String {
    format!("host:{origin}")
}

fn method(slot: &str, method: Method) -> String {
    format!("method:{slot}:{}", method.as_str())
}

fn path(slot: &str, below: &str) -> String {
    format!("path:{slot}:{below}")
}

/// The word for reading an object.
pub(crate) fn read(object: &str) -> String {
    format!("read:{object}")
}

/// The word for an action on an object.
pub(crate) fn write(object: &str, action: ObjectAction) -> String {
    let action = match action {
        ObjectAction::Create => "create",
        ObjectAction::Update => "update",
        ObjectAction::Upsert => "upsert",
        ObjectAction::Archive => "archive",
        ObjectAction::Restore => "restore",
        ObjectAction::Merge => "merge",
    };
    format!("write:{object}:{action}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use renkei_fixtures::{Fixture, plugin};
    use renkei_package::Package;

    fn manifest(fixture: Fixture) -> Manifest {
        Package::read("x.wasm", plugin(fixture)).unwrap().manifest
    }

    fn words(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    const ASKED: [&str; 15] = [
        "host:https://*.pods.example.com",
        "host:https://api.example.com",
        "method:primary:DELETE",
        "method:primary:GET",
        "method:primary:HEAD",
        "method:primary:PATCH",
        "method:primary:POST",
        "method:primary:PUT",
        "path:primary:/",
        "read:things",
        "secret:client_secret",
        "slot:primary",
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
        for word in ASKED {
            let left = asked(&narrow(&manifest, &words(&[word])));
            assert!(!left.contains(word), "{word}");
            let with_it = match word {
                "slot:primary" => 10,
                "read:things" => 4,
                _ => 1,
            };
            assert_eq!(left.len(), ASKED.len() - with_it, "{word}: {left:?}");
        }
    }
}
