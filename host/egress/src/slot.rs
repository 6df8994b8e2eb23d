//! One connection of a manifest with the base URL and the credentials that the admin configured.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use renkei_package::{AuthMethod, Connection, PRIMARY_SLOT};
use url::Url;

use crate::allowlist::Allowlist;
use crate::audit::EgressAudit;
use crate::credentials::SlotCredentials;
use crate::policy;
use crate::refusal::EgressRefusal;
use crate::system::SystemAuth;
use crate::system_egress::SystemEgress;
use crate::token::TokenEndpoint;

/// One connection of a manifest as configured.
pub(crate) struct ConfiguredSlot {
    pub(crate) connection: Connection,
    pub(crate) base: Url,
    pub(crate) allowlist: Arc<Allowlist>,
    pub(crate) credentials: Arc<SlotCredentials>,
    pub(crate) endpoint: Option<TokenEndpoint>,
    /// The serial of the token last used by this job.
    pub(crate) serial: AtomicU64,
}

impl ConfiguredSlot {
    /// Checks the configuration of `system` against `connection`, as the admin left it.
    pub(crate) fn new(
        system: &SystemEgress,
        connection: &Connection,
        audit: &EgressAudit,
    ) -> Result<Self, String> {
        let primary = connection.slot == PRIMARY_SLOT;
        let configured = system.config().base_url.as_deref().filter(|_| primary);
        let base = configured.or(connection.base_url.as_deref()).ok_or_else(|| {
            format!("the slot `{}` has no base URL, and `base_url` is not set", connection.slot)
        })?;
        let base: Url = base.parse().map_err(|_| format!("`{base}` is not a URL"))?;
        let allowlist = Arc::new(Allowlist::new(connection, configured.map(|_| &base)));
        allowlist.check_origin(&base).map_err(|refusal| {
            audit.record_refusal(&refusal);
            let allow = connection.allow.iter().map(ToString::to_string).collect::<Vec<_>>();
            match refusal {
                EgressRefusal::Origin(_) => {
                    format!("the base URL `{base}` is not among {}", allow.join(", "))
                }
                refusal => format!("the base URL `{base}`: {refusal}"),
            }
        })?;
        if primary {
            check_auth(&system.config().auth, connection)?;
        }
        let endpoint = match &connection.token_path {
            Some(path) => Some(TokenEndpoint {
                client: system.client.clone(),
                audit: audit.clone(),
                url: policy::join(&base, path).map_err(|_| format!("`{path}` is no path"))?,
                style: connection.token_style,
                base_url_field: connection.base_url_field.clone(),
                allowlist: Arc::clone(&allowlist),
            }),
            None => None,
        };
        let credentials = if primary { &system.credentials } else { &system.no_credentials };
        Ok(Self {
            connection: connection.clone(),
            base,
            allowlist,
            credentials: Arc::clone(credentials),
            endpoint,
            serial: AtomicU64::new(0),
        })
    }
}

fn check_auth(auth: &SystemAuth, connection: &Connection) -> Result<(), String> {
    let kind = match auth {
        SystemAuth::None => return Ok(()),
        SystemAuth::Bearer(_) => AuthMethod::Bearer,
        SystemAuth::Header { .. } => AuthMethod::Header,
        SystemAuth::ClientCredentials { .. } => AuthMethod::Oauth2ClientCredentials,
        SystemAuth::RefreshToken { .. } => AuthMethod::Oauth2RefreshToken,
    };
    if connection.auth.contains(&kind) {
        return Ok(());
    }
    let (kind, slot) = (kind.as_str(), &connection.slot);
    Err(format!("the plugin does not authenticate by `{kind}` on slot `{slot}`"))
}

/// The slot of that name, or the refusal that there is none.
pub(crate) fn find_slot<'a>(
    slots: &'a BTreeMap<String, ConfiguredSlot>,
    name: &str,
) -> Result<&'a ConfiguredSlot, EgressRefusal> {
    slots.get(name).ok_or_else(|| EgressRefusal::Slot(name.to_owned()))
}
