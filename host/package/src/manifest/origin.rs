//! One entry of an allowlist: scheme, host and port that a connector may send to, never a path.
//!
//! A pattern is exact, or `https://*.example.com` for every host strictly below `example.com` at a
//! label boundary, so that `evil-example.com` never matches. Plain `http` is for loopback only.

use std::fmt;

use url::{Host, Url};

/// One entry of a connection's `allow` list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedOrigin {
    scheme: String,
    /// As a URL holds it: lower case, IPv6 in brackets.
    host: String,
    below: bool,
    port: u16,
}

impl AllowedOrigin {
    /// Reads `scheme://host[:port]`; the error says what was expected.
    ///
    /// ```
    /// use renkei_package::AllowedOrigin;
    ///
    /// let allow = AllowedOrigin::parse("https://*.my.salesforce.com")?;
    /// assert!(allow.allows(&"https://acme.my.salesforce.com/services".parse()?));
    /// assert!(!allow.allows(&"https://evil-my.salesforce.com/".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse(pattern: &str) -> Result<Self, &'static str> {
        let exact = pattern.replacen("://*.", "://", 1);
        let below = exact != pattern;
        let url = Url::parse(&exact).map_err(|_| EXPECTED)?;
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(EXPECTED);
        };
        if is_more_than_origin(&url) || exact.contains('*') || exact.ends_with('/') {
            return Err(EXPECTED);
        }
        let wide = match &host {
            Host::Domain(name) => !name.contains('.'),
            Host::Ipv4(_) | Host::Ipv6(_) => true,
        };
        if below && wide {
            return Err("a domain of at least two labels after `*.`");
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&host) => {}
            _ => return Err("`https` (`http` is for loopback only)"),
        }
        Ok(Self { scheme: url.scheme().to_owned(), host: host.to_string(), below, port })
    }

    /// True where a request to `url` may leave; its path and query do not matter.
    pub fn allows(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let host_fits = match host.strip_suffix(&self.host) {
            Some("") => !self.below,
            Some(rest) => self.below && rest.len() > 1 && rest.ends_with('.'),
            None => false,
        };
        host_fits
            && url.scheme() == self.scheme
            && url.port_or_known_default() == Some(self.port)
            && url.username().is_empty()
            && url.password().is_none()
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.below { "*." } else { "" };
        write!(f, "{}://{star}{}", self.scheme, self.host)?;
        match (self.scheme.as_str(), self.port) {
            ("https", 443) | ("http", 80) => Ok(()),
            (_, port) => write!(f, ":{port}"),
        }
    }
}

const EXPECTED: &str =
    "scheme, host and perhaps a port, such as `https://api.example.com` or `https://*.example.com`";

fn is_more_than_origin(url: &Url) -> bool {
    url.path() != "/"
        || url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}
