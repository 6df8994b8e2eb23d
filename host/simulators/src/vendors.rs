//! The vendors that this crate simulates, each named once. `renkei sim`, the conformance kit and
//! their help texts read this table.

use std::io;

use tokio::net::TcpListener;

use crate::serve::{RunningSimulator, start};
use crate::simulator::{SimOptions, SimulatedSystem};

/// Every vendor, in the order in which help texts list them.
pub const VENDORS: &[VendorEntry] = &[
    #[cfg(feature = "hubspot")]
    VendorEntry {
        name: "hubspot",
        auth: VendorAuth::Bearer { token: "private_app_token" },
        simulator: crate::hubspot::simulator,
    },
    #[cfg(feature = "salesforce")]
    VendorEntry {
        name: "salesforce",
        auth: VendorAuth::ClientCredentials {
            client_id: "client_id",
            client_secret: "client_secret",
        },
        simulator: crate::salesforce::simulator,
    },
];

/// One simulated vendor.
#[derive(Clone, Copy, Debug)]
pub struct VendorEntry {
    /// Name on the command line, in a manifest's `simulator`, and in JSON.
    pub name: &'static str,
    /// The way in which a connector authenticates.
    pub auth: VendorAuth,
    simulator: fn(&SimOptions, &str) -> SimulatedSystem,
}

/// A way to authenticate, with the keys of its parts among the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VendorAuth {
    Bearer { token: &'static str },
    ClientCredentials { client_id: &'static str, client_secret: &'static str },
}

impl VendorEntry {
    /// The vendor of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        VENDORS.iter().find(|vendor| vendor.name == name)
    }

    /// The names of all vendors, joined by `, `.
    pub fn list_names() -> String {
        VENDORS.iter().map(|vendor| vendor.name).collect::<Vec<_>>().join(", ")
    }

    /// A system of this vendor without a socket; `base_url` appears in its answers.
    pub fn simulate(&self, options: &SimOptions, base_url: &str) -> SimulatedSystem {
        (self.simulator)(options, base_url)
    }

    /// Serves a system of this vendor on the listener.
    ///
    /// # Errors
    /// The listener has no local address.
    pub fn serve(
        &self,
        listener: TcpListener,
        options: &SimOptions,
    ) -> io::Result<RunningSimulator> {
        start(listener, |base_url| self.simulate(options, base_url))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::clock::SimClock;
    use crate::faults::Faults;

    #[test]
    fn vendor_gives_the_credentials_that_its_entry_names() {
        let options =
            SimOptions { seed: 1, people: 0, clock: SimClock::manual(0), faults: Faults::none() };
        for vendor in VENDORS {
            assert_eq!(VendorEntry::find(vendor.name).map(|found| found.name), Some(vendor.name));
            let system = vendor.simulate(&options, "http://127.0.0.1:1");
            let keys = match vendor.auth {
                VendorAuth::Bearer { token } => vec![token],
                VendorAuth::ClientCredentials { client_id, client_secret } => {
                    vec![client_id, client_secret]
                }
            };
            for key in keys {
                let credential = system.credentials().get(key).and_then(Value::as_str);
                assert!(credential.is_some_and(|text| !text.is_empty()), "{} {key}", vendor.name);
            }
        }
        assert!(VendorEntry::find("none").is_none());
    }
}
