//! One connection of a manifest with the base URL and the credentials that the admin configured.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use renkei_package::{AuthMethod, Connection, PRIMARY_SLOT};
use url::Url;

use crate::allowlist::{Allowlist, is_local};
use crate::audit::EgressAudit;
use crate::credentials::SlotCredentials;
use crate::fixed_credentials::PlacedCredential;
use crate::policy;
use crate::refusal::EgressRefusal;
use crate::system::{SystemAuth, SystemConfig};
use crate::system_egress::SystemEgress;
use crate::token::TokenEndpoint;

/// One connection of a manifest as configured.
pub(crate) struct ConfiguredSlot {
    pub(crate) connection: Connection,
    pub(crate) base: Url,
    pub(crate) allowlist: Arc<Allowlist>,
    pub(crate) credentials: Arc<SlotCredentials>,
    pub(crate) endpoint: Option<TokenEndpoint>,
    /// The text before a token.
    pub(crate) prefix: String,
    pub(crate) fixed: Vec<PlacedCredential>,
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
        let endpoint = find_endpoint(system, connection, &base, &allowlist, audit)?;
        let credentials = if primary { &system.credentials } else { &system.no_credentials };
        Ok(Self {
            connection: connection.clone(),
            base,
            allowlist,
            credentials: Arc::clone(credentials),
            endpoint,
            prefix: prefix(system.config(), connection).to_owned(),
            fixed: match primary {
                true => PlacedCredential::find_all(connection, system.config())?,
                false => Vec::new(),
            },
            serial: AtomicU64::new(0),
        })
    }

    /// The names of the headers that carry credentials.
    pub(crate) fn own_headers(&self) -> Vec<&str> {
        let fixed = self.fixed.iter().filter_map(PlacedCredential::header);
        self.credentials.header_name().into_iter().chain(fixed).collect()
    }
}

/// The text before the slot's token in its header.
fn prefix<'a>(config: &'a SystemConfig, connection: &'a Connection) -> &'a str {
    match (&config.auth_options.prefix, &config.auth) {
        (Some(prefix), _) => prefix,
        (None, SystemAuth::Header { .. }) => "",
        (None, _) => &connection.token_prefix,
    }
}

/// The token endpoint of a slot: the admin's, or the manifest's.
fn find_endpoint(
    system: &SystemEgress,
    connection: &Connection,
    base: &Url,
    allowlist: &Arc<Allowlist>,
    audit: &EgressAudit,
) -> Result<Option<TokenEndpoint>, String> {
    let config = system.config();
    let Some(declared) = connection.token_url.as_ref().filter(|_| config.auth.needs_tokens())
    else {
        return Ok(None);
    };
    let configured = config.auth_options.token_url.as_deref();
    let place = Endpoint { key: "token_url", declared, configured };
    let url = place.find_url(connection, base)?;
    Ok(Some(TokenEndpoint {
        client: system.client.clone(),
        audit: audit.clone(),
        own_place: Arc::new(Allowlist::of_endpoint(&url)),
        url,
        style: connection.token_style,
        base_url_field: connection.base_url_field.clone(),
        allowlist: Arc::clone(allowlist),
    }))
}

/// The place of tokens or logins, as a manifest declares it and an admin may say otherwise.
pub(crate) struct Endpoint<'a> {
    pub(crate) key: &'static str,
    /// A path below the base URL, or a URL.
    pub(crate) declared: &'a str,
    pub(crate) configured: Option<&'a str>,
}

impl Endpoint<'_> {
    /// The URL. That of an admin must be the manifest's host, or one of its `allow`, or on the
    /// admin's own machine or network; a trial there does not lead to the real system.
    pub(crate) fn find_url(&self, connection: &Connection, base: &Url) -> Result<Url, String> {
        let Self { key, declared, configured } = self;
        let below = declared.starts_with('/');
        let of_manifest = match below {
            true => policy::join(base, declared).map_err(|_| format!("`{declared}` is no path"))?,
            false => declared.parse().map_err(|_| format!("`{declared}` is not a URL"))?,
        };
        let Some(configured) = configured else {
            if !below && is_local(base) {
                return Err(format!(
                    "`base_url` is on this machine or in the own network, and `{key}` would be \
                     {declared}: set `{key}` in `auth` too"
                ));
            }
            return Ok(of_manifest);
        };
        let url: Url = configured.parse().map_err(|_| format!("`{configured}` is not a URL"))?;
        let known = url.origin() == of_manifest.origin()
            || connection.allow.iter().any(|origin| origin.allows(&url));
        if is_local(&url) || (known && url.scheme() == "https") {
            return Ok(url);
        }
        let allow = connection.allow.iter().map(ToString::to_string).collect::<Vec<_>>();
        let origin = of_manifest.origin().ascii_serialization();
        let allow = allow.join(", ");
        Err(format!("the `{key}` `{configured}` is neither at {origin} nor among {allow}"))
    }
}

fn check_auth(auth: &SystemAuth, connection: &Connection) -> Result<(), String> {
    let kind = match auth {
        SystemAuth::None => return Ok(()),
        SystemAuth::Bearer(_) => AuthMethod::Bearer,
        SystemAuth::Basic { .. } => AuthMethod::Basic,
        SystemAuth::Fixed => AuthMethod::Fixed,
        SystemAuth::Header { name, .. } if !policy::may_authenticate(name) => {
            return Err(format!("the header `{name}` carries no credentials"));
        }
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
