//! Configurations of a system that tests share.

use std::collections::BTreeMap;

use renkei_egress::{SystemAuth, SystemConfig};
use renkei_fixtures::Fixture;

/// The system `acme`, served by a fixture.
pub(crate) fn system(fixture: Fixture, base_url: &str, auth: SystemAuth) -> SystemConfig {
    SystemConfig {
        name: "acme".to_owned(),
        plugin: fixture.id().to_owned(),
        base_url: Some(base_url.to_owned()),
        auth,
        settings: vec![],
        auth_options: Default::default(),
        secrets: BTreeMap::new(),
    }
}

pub(crate) fn client_credentials() -> SystemAuth {
    SystemAuth::ClientCredentials {
        client_id: "client".to_owned(),
        client_secret: "client-secret-1".into(),
        scope: None,
    }
}

pub(crate) fn refresh_token(token: &str) -> SystemAuth {
    SystemAuth::RefreshToken {
        client_id: "client".to_owned(),
        client_secret: Some("client-secret-1".into()),
        refresh_token: Some(token.into()),
    }
}
