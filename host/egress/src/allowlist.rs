//! Permits requests of one slot: what the manifest asks for and the admin allows (`SECURITY.md`
//! E3, E4). Pure.
//!
//! A permitted place is a method, scheme, host, port and path. Hosts that are addresses must be
//! public, whoever names them: a manifest, a server's redirect, a token answer. The exception is
//! the admin's own base URL on this machine or in the own network: then exactly that scheme, host
//! and port is reachable, and nothing else, so that a test system cannot lead to the real one. URLs
//! hold addresses in one spelling (`url` reads dword, octal and hex forms as what they are), so
//! comparing them parsed covers all.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use reqwest::Method;
use url::{Host, Url};

use renkei_package::{AllowedOrigin, Connection};

use crate::escape::plain;
use crate::method_override;
use crate::public_address::check_public;
use crate::refusal::EgressRefusal;

/// The longest name of a method that an error repeats.
const NAMED_BYTES_MAX: usize = 40;

/// The places that the requests of one slot may reach.
#[derive(Debug, Clone)]
pub(crate) struct Allowlist {
    /// The admin's own base URL, where it is on this machine or in the own network.
    local_base_url: Option<Url>,
    origins: Vec<AllowedOrigin>,
    methods: Vec<renkei_package::Method>,
    paths: Vec<String>,
}

impl Allowlist {
    /// `connection` is what the admin left of what the manifest asks; `configured` is the admin's
    /// base URL for it.
    pub(crate) fn new(connection: &Connection, configured: Option<&Url>) -> Self {
        Self {
            local_base_url: configured.filter(|base| is_local(base)).cloned(),
            origins: connection.allow.clone(),
            methods: connection.methods.clone(),
            paths: connection.paths.clone(),
        }
    }

    /// The one place of a token endpoint: `url`, which the manifest or the admin chose.
    pub(crate) fn of_endpoint(url: &Url) -> Self {
        let origin = AllowedOrigin::parse(&url.origin().ascii_serialization()).ok();
        Self {
            local_base_url: Some(url).filter(|url| is_local(url)).cloned(),
            origins: origin.into_iter().collect(),
            methods: Vec::new(),
            paths: Vec::new(),
        }
    }

    /// An error where a request may not go there.
    pub(crate) fn check(&self, method: &Method, url: &Url) -> Result<(), EgressRefusal> {
        self.check_origin(url)?;
        if !self.methods.iter().any(|allowed| allowed.as_str() == method.as_str()) {
            return Err(EgressRefusal::Method(method.to_string()));
        }
        self.check_named(&method_override::in_query(url.query().unwrap_or_default()))?;
        if !self.paths.iter().any(|prefix| is_below(prefix, url.path())) {
            return Err(EgressRefusal::Ungranted(url.path().to_owned()));
        }
        Ok(())
    }

    /// An error where a body names a method that a request may not have.
    pub(crate) fn check_body(
        &self,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<(), EgressRefusal> {
        self.check_named(&method_override::in_body(content_type, body))
    }

    fn check_named(&self, methods: &[String]) -> Result<(), EgressRefusal> {
        let allowed = |name: &&String| self.methods.iter().any(|one| one.as_str() == name.as_str());
        match methods.iter().find(|name| !allowed(name)) {
            Some(name) => Err(EgressRefusal::NamedMethod(plain(name, NAMED_BYTES_MAX))),
            None => Ok(()),
        }
    }

    /// An error where nothing may be sent to this scheme, host and port.
    pub(crate) fn check_origin(&self, url: &Url) -> Result<(), EgressRefusal> {
        let bare = url.username().is_empty() && url.password().is_none();
        let fits = match &self.local_base_url {
            Some(base) => base.origin() == url.origin(),
            None => {
                check_literal(url)?;
                url.scheme() == "https" && self.origins.iter().any(|origin| origin.allows(url))
            }
        };
        if bare && fits {
            return Ok(());
        }
        let host = url.host_str().unwrap_or("nowhere");
        Err(EgressRefusal::Origin(format!("{}://{host}", url.scheme())))
    }
}

/// An address among the hosts must be public; reqwest asks no resolver about it.
fn check_literal(url: &Url) -> Result<(), EgressRefusal> {
    let Some(address) = address(url) else { return Ok(()) };
    check_public(address)
        .map_err(|fault| EgressRefusal::Address { host: address.to_string(), fault })
}

fn address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
    }
}

/// True where a URL names this machine or the own network literally. Plain HTTP never leaves the
/// machine.
pub(crate) fn is_local(url: &Url) -> bool {
    let fault = match url.host() {
        Some(Host::Domain(name)) => return name == LOCALHOST && is_http(url),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => address(url).and_then(|it| check_public(it).err()),
        None => None,
    };
    let this_machine = address(url).is_some_and(|address| address.is_loopback());
    fault.is_some_and(|fault| fault.may_be_configured())
        && (url.scheme() == "https" || this_machine && is_http(url))
}

/// The one name that stands for this machine.
pub(crate) const LOCALHOST: &str = "localhost";

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// True where `path` is `prefix` or lies below it, compared in one spelling.
fn is_below(prefix: &str, path: &str) -> bool {
    let (prefix, path) = (normal(prefix.trim_end_matches('/')), normal(path));
    path.strip_prefix(&prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path with each `%xy` that stands for an unreserved character undone, once, and the others in
/// upper case (RFC 3986 6.2.2). An encoded `/` stays encoded: it separates nothing.
fn normal(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((plain, encoded)) = rest.split_once('%') {
        normal.push_str(plain);
        let Some((digits, behind)) = encoded.split_at_checked(2) else {
            rest = encoded;
            normal.push('%');
            continue;
        };
        let triple = format!("%{digits}");
        let byte = percent_decode_str(&triple).next().unwrap_or(b'%');
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if unreserved {
            normal.push(char::from(byte));
        } else {
            normal.push_str(&triple.to_ascii_uppercase());
        }
        rest = behind;
    }
    normal.push_str(rest);
    normal
}

#[cfg(test)]
pub(crate) mod tests;
