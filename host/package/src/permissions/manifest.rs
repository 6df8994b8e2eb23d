//! The permissions that a manifest asks for, and a manifest without those that an admin denied.

use std::collections::BTreeSet;

use super::Permission;
use crate::manifest::{
    Connection, ConnectorManifest, FixedCredential, Manifest, ManifestKind, ObjectAction,
    PRIMARY_SLOT,
};

impl Manifest {
    /// The permissions that it asks for; a transform asks for none.
    pub fn permissions(&self) -> BTreeSet<Permission> {
        let Some(connector) = self.connector() else { return BTreeSet::new() };
        let mut asked = BTreeSet::from([Permission::ReadUnlisted, Permission::WriteUnlisted]);
        for connection in &connector.connections {
            asked.extend(slot_permissions(connection));
        }
        for object in &connector.objects {
            let write = |action: &ObjectAction| Permission::write(&object.name, *action);
            asked.insert(Permission::read(&object.name));
            asked.extend(object.actions.iter().map(write));
        }
        let secrets = connector.secrets.iter();
        asked.extend(secrets.map(|secret| Permission::Secret { name: secret.name.clone() }));
        asked
    }

    /// The manifest without what `denied` takes away, so that nothing that serves need know of
    /// denials. Calls on objects that it does not list look at the permissions themselves.
    #[must_use]
    pub fn without(&self, denied: &BTreeSet<Permission>) -> Self {
        let mut manifest = self.clone();
        if let ManifestKind::Connector(connector) = &mut manifest.kind {
            narrow(connector, |permission| !denied.contains(permission));
        }
        manifest
    }

    /// The permissions of which each must be left to read this object.
    pub fn permissions_to_read(&self, object: &str) -> Vec<Permission> {
        let unlisted = (!lists(self, object)).then_some(Permission::ReadUnlisted);
        [Permission::read(object)].into_iter().chain(unlisted).collect()
    }

    /// The permissions of which each must be left to do this to a record of this object, besides
    /// reading it.
    pub fn permissions_to_write(&self, object: &str, action: ObjectAction) -> Vec<Permission> {
        let unlisted = (!lists(self, object)).then_some(Permission::WriteUnlisted);
        [Permission::write(object, action)].into_iter().chain(unlisted).collect()
    }

    /// True where the manifest leaves this action out of the object's list: then the host never
    /// asks the plugin for it.
    pub fn leaves_out(&self, object: &str, action: ObjectAction) -> bool {
        let objects = self.connector().into_iter().flat_map(|connector| &connector.objects);
        let mut listed = objects.filter(|listed| listed.name == object);
        listed.any(|listed| !listed.actions.contains(&action))
    }

    /// True for reading, or an action on, an object that the manifest does not list: an admin can
    /// deny it although the manifest does not ask for it by name.
    pub fn covers_unlisted(&self, permission: &Permission) -> bool {
        let (Permission::Read { object } | Permission::Write { object, .. }) = permission else {
            return false;
        };
        let is_connector = matches!(self.kind, ManifestKind::Connector(_));
        is_connector && object != super::UNLISTED && !lists(self, object)
    }
}

/// The permissions of one slot that a connection asks for.
fn slot_permissions(connection: &Connection) -> Vec<Permission> {
    let slot = || connection.slot.clone();
    let mut asked = vec![Permission::Slot { slot: slot() }];
    let hosts = connection.allow.iter().cloned();
    asked.extend(hosts.map(|origin| Permission::Host { slot: slot(), origin }));
    let methods = connection.methods.iter().copied();
    asked.extend(methods.map(|method| Permission::Method { slot: slot(), method }));
    let paths = connection.paths.iter().cloned();
    asked.extend(paths.map(|prefix| Permission::Path { slot: slot(), prefix }));
    let auth = connection.auth.iter().copied();
    asked.extend(auth.map(|method| Permission::Auth { slot: slot(), method }));
    asked.extend(connection.base_url.clone().map(|url| Permission::BaseUrl { slot: slot(), url }));
    asked.extend(token(connection));
    asked.extend(connection.credentials.iter().map(|one| credential(slot(), one)));
    asked.extend(connection.login_url.clone().map(|url| Permission::Login { slot: slot(), url }));
    let field = connection.base_url_field.clone();
    asked.extend(field.map(|field| Permission::TokenBase { slot: slot(), field }));
    asked
}

fn token(connection: &Connection) -> Option<Permission> {
    let Connection { slot, token_style, token_url, .. } = connection;
    let (slot, url) = (slot.clone(), token_url.clone()?);
    Some(Permission::Token { slot, style: *token_style, url })
}

fn credential(slot: String, credential: &FixedCredential) -> Permission {
    let FixedCredential { name, place, field, .. } = credential;
    Permission::Credential { slot, place: *place, field: field.clone(), name: name.clone() }
}

fn narrow(connector: &mut ConnectorManifest, may: impl Fn(&Permission) -> bool) {
    connector.connections.retain_mut(|connection| {
        narrow_connection(connection, &may);
        // The configuration can give the base URL of the primary slot alone; another slot without
        // one leads nowhere.
        let based = connection.base_url.is_some() || connection.slot == PRIMARY_SLOT;
        based && may(&Permission::Slot { slot: connection.slot.clone() })
    });
    connector.objects.retain(|object| may(&Permission::read(&object.name)));
    for object in &mut connector.objects {
        let name = &object.name;
        object.actions.retain(|action| may(&Permission::write(name, *action)));
    }
    let secret = |name: &String| Permission::Secret { name: name.clone() };
    connector.secrets.retain(|kept| may(&secret(&kept.name)));
}

fn narrow_connection(connection: &mut Connection, may: impl Fn(&Permission) -> bool) {
    if token(connection).is_some_and(|permission| !may(&permission)) {
        connection.token_url = None;
    }
    let slot = connection.slot.clone();
    let slot = || slot.clone();
    connection
        .allow
        .retain(|origin| may(&Permission::Host { slot: slot(), origin: origin.clone() }));
    connection.methods.retain(|method| may(&Permission::Method { slot: slot(), method: *method }));
    connection
        .paths
        .retain(|prefix| may(&Permission::Path { slot: slot(), prefix: prefix.clone() }));
    connection.auth.retain(|method| may(&Permission::Auth { slot: slot(), method: *method }));
    connection.credentials.retain(|one| may(&credential(slot(), one)));
    connection.login_url.take_if(|url| !may(&Permission::Login { slot: slot(), url: url.clone() }));
    connection
        .base_url
        .take_if(|url| !may(&Permission::BaseUrl { slot: slot(), url: url.clone() }));
    connection
        .base_url_field
        .take_if(|field| !may(&Permission::TokenBase { slot: slot(), field: field.clone() }));
}

fn lists(manifest: &Manifest, object: &str) -> bool {
    manifest.connector().is_some_and(|c| c.objects.iter().any(|listed| listed.name == object))
}
