//! Looks up the addresses that a connection may be made to (`SECURITY.md` E5).
//!
//! A name is looked up once per connection, what is not public is dropped, and the connection is
//! made to what is left: there is no second look-up that a hostile name server could answer
//! differently. Names alone come here: hyper-util connects to addresses without asking, so
//! `allowlist` refuses those before.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::allowlist::LOCALHOST;
use crate::public_address::{NotPublic, check_public};
use crate::refusal::EgressRefusal;

/// More addresses of one name than these are not tried.
const ADDRESSES_MAX: usize = 16;

/// Looks up the addresses of a name, in the order in which they are to be tried.
pub type LookUp = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync;

/// Maps an address to the place that a connection really goes to; port 0 is that of the URL.
pub type Dial = dyn Fn(IpAddr) -> SocketAddr + Send + Sync;

/// The parts of the network that tests replace. Default: those of this machine.
#[derive(Clone)]
pub struct NetworkOverrides {
    /// The name server.
    pub look_up: Arc<LookUp>,
    /// Leads a public address elsewhere, as a router might.
    pub dial: Arc<Dial>,
    /// Certificate roots besides those of the machine, DER.
    pub roots: Vec<Vec<u8>>,
}

impl NetworkOverrides {
    /// A network in which every address leads to `place`, and only `look_up` knows names. Were an
    /// address dialled that must be refused, the request would arrive at `place`.
    pub fn to_one_place(
        look_up: impl Fn(String) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
        place: SocketAddr,
        roots: Vec<Vec<u8>>,
    ) -> Self {
        Self {
            look_up: Arc::new(move |name| Box::pin(std::future::ready(look_up(name)))),
            dial: Arc::new(move |_| place),
            roots,
        }
    }
}

impl Default for NetworkOverrides {
    fn default() -> Self {
        Self {
            look_up: Arc::new(|name| Box::pin(look_up_by_system(name))),
            dial: Arc::new(|address| SocketAddr::new(address, 0)),
            roots: Vec::new(),
        }
    }
}

/// Asks the operating system's resolver.
async fn look_up_by_system(name: String) -> io::Result<Vec<IpAddr>> {
    let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
    Ok(found.map(|place| place.ip()).collect())
}

/// Gives a client only addresses that it may connect to.
pub(crate) struct PublicResolver {
    pub(crate) network: NetworkOverrides,
    /// The admin's base URL names this machine, so that `localhost` may be just that.
    pub(crate) localhost: bool,
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (network, host) = (self.network.clone(), name.as_str().to_owned());
        let own = self.localhost && host == LOCALHOST;
        Box::pin(async move {
            let found = (network.look_up)(host.clone()).await?;
            let passed = permitted(&host, &found, own)?;
            let dial = passed.into_iter().map(move |address| (network.dial)(address));
            Ok(Box::new(dial) as Addrs)
        })
    }
}

/// The addresses among `found` that may be connected to. `own`: `host` is this machine by the
/// admin's configuration.
fn permitted(host: &str, found: &[IpAddr], own: bool) -> Result<Vec<IpAddr>, EgressRefusal> {
    let verdict = |address: IpAddr| match check_public(address) {
        Err(NotPublic::Loopback) if own => Ok(()),
        Ok(()) if own => Err(NotPublic::Special),
        verdict => verdict,
    };
    let passed = found.iter().copied().filter(|address| verdict(*address).is_ok());
    let passed: Vec<IpAddr> = passed.take(ADDRESSES_MAX).collect();
    match found.iter().find_map(|address| verdict(*address).err()) {
        Some(fault) if passed.is_empty() => {
            Err(EgressRefusal::Address { host: host.to_owned(), fault })
        }
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
        let fault = |fault| EgressRefusal::Address { host: "host".to_owned(), fault };
        assert_eq!(
            permitted("host", &parse(found), own),
            expected.map(parse).map_err(fault),
            "{found:?}"
        );
    }

    #[test]
    fn only_public_addresses_are_connected_to() {
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
        assert_eq!(permitted("host", &many, false).unwrap().len(), ADDRESSES_MAX);
    }
}
