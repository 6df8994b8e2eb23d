//! From a host's name to the addresses that a connection may be made to.
//!
//! A name is looked up once per connection, what is not public is dropped, and the connection is
//! made to what is left: there is no second look-up that a hostile name server could answer
//! differently (DNS rebinding, TRUST.md 2.5.3). Names alone come here: hyper-util connects to
//! addresses without asking, so `reach` refuses those before.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::addresses::{NotPublic, public};
use super::reach::LOCALHOST;
use super::refusal::Refusal;

/// More addresses of one name than these are not tried.
const ADDRESSES_MAX: usize = 16;

/// Asks for the addresses of names.
pub(crate) trait Lookup: Send + Sync {
    /// The addresses of `name`, in the order in which they are to be tried.
    fn addresses(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;

    /// Where a connection to an address really goes; port 0 stands for that of the URL. Only tests
    /// lead a public address elsewhere, as a router might.
    fn dial(&self, address: IpAddr) -> SocketAddr {
        SocketAddr::new(address, 0)
    }
}

/// The operating system's resolver.
pub(crate) struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|place| place.ip()).collect())
        })
    }
}

/// How names and certificates are judged.
#[derive(Clone)]
pub(crate) struct Ways {
    pub(crate) lookup: Arc<dyn Lookup>,
    /// Roots besides those of the machine, DER; for tests.
    pub(crate) roots: Vec<Vec<u8>>,
}

impl Default for Ways {
    fn default() -> Self {
        Self { lookup: Arc::new(SystemLookup), roots: Vec::new() }
    }
}

/// Gives a client only addresses that it may connect to.
pub(crate) struct Guarded {
    pub(crate) lookup: Arc<dyn Lookup>,
    /// Whether the admin's base URL names this machine, so that `localhost` may be just that.
    pub(crate) localhost: bool,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, host) = (Arc::clone(&self.lookup), name.as_str().to_owned());
        let own = self.localhost && host == LOCALHOST;
        Box::pin(async move {
            let found = lookup.addresses(host.clone()).await?;
            let passed = passed(&host, &found, own)?;
            let dial = passed.into_iter().map(move |address| lookup.dial(address));
            Ok(Box::new(dial) as Addrs)
        })
    }
}

/// What of `found` may be connected to; `own` is whether `host` is this machine by the admin's
/// word.
fn passed(host: &str, found: &[IpAddr], own: bool) -> Result<Vec<IpAddr>, Refusal> {
    let verdict = |address: IpAddr| match public(address) {
        Err(NotPublic::Loopback) if own => Ok(()),
        Ok(()) if own => Err(NotPublic::Special),
        verdict => verdict,
    };
    let passed = found.iter().copied().filter(|address| verdict(*address).is_ok());
    let passed: Vec<IpAddr> = passed.take(ADDRESSES_MAX).collect();
    match found.iter().find_map(|address| verdict(*address).err()) {
        Some(fault) if passed.is_empty() => Err(Refusal::Address { host: host.to_owned(), fault }),
        _ => Ok(passed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: &[&str], own: bool, expected: Result<&[&str], NotPublic>) {
        let parse = |list: &[&str]| -> Vec<IpAddr> {
            list.iter().map(|address| address.parse().unwrap()).collect()
        };
        let fault = |fault| Refusal::Address { host: "host".to_owned(), fault };
        assert_eq!(
            passed("host", &parse(found), own),
            expected.map(parse).map_err(fault),
            "{found:?}"
        );
    }

    #[test]
    fn only_what_is_public_is_connected_to() {
        check(&["1.1.1.1", "10.0.0.1", "2606:4700::1"], false, Ok(&["1.1.1.1", "2606:4700::1"]));
        check(&["10.0.0.1", "127.0.0.1"], false, Err(NotPublic::Private));
        check(&["::ffff:1.1.1.1"], false, Err(NotPublic::Wrapped));
        check(&[], false, Ok(&[]));
        check(&["127.0.0.1", "::1"], true, Ok(&["127.0.0.1", "::1"]));
        check(&["1.1.1.1"], true, Err(NotPublic::Special));
    }

    #[test]
    fn the_number_of_addresses_is_bounded() {
        let many = vec!["1.1.1.1".parse().unwrap(); 1_000];
        assert_eq!(passed("host", &many, false).unwrap().len(), ADDRESSES_MAX);
    }
}
