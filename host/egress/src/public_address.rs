//! Tells public addresses of the Internet from all others (`SECURITY.md` E4). Pure.
//!
//! The lists follow the special-purpose registries of IANA for IPv4 and IPv6. IPv6 is decided the
//! other way round: only the global unicast block is public. Addresses in it that carry an IPv4
//! address or a tunnel (6to4, Teredo) are not, because the address that a packet ends at is then
//! another than the one that was checked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The reason why an address is no place for a plugin's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotPublic {
    #[error("unspecified")]
    Unspecified,
    #[error("loopback")]
    Loopback,
    #[error("private")]
    Private,
    #[error("link-local (cloud metadata among them)")]
    LinkLocal,
    #[error("multicast or broadcast")]
    Multicast,
    #[error("set aside for special use")]
    Special,
    #[error("an IPv4 address inside IPv6")]
    Wrapped,
    #[error("a tunnel")]
    Tunnel,
}

impl NotPublic {
    /// True where an admin may configure such an address: a simulator, a service in the own
    /// network.
    pub(crate) fn may_be_configured(self) -> bool {
        matches!(self, Self::Loopback | Self::Private)
    }
}

/// An error where `address` is not public.
pub(crate) fn check_public(address: IpAddr) -> Result<(), NotPublic> {
    match address {
        IpAddr::V4(address) => public_v4(address),
        IpAddr::V6(address) => public_v6(address),
    }
}

fn public_v4(address: Ipv4Addr) -> Result<(), NotPublic> {
    let [a, b, c, _] = address.octets();
    let fault = match (a, b, c) {
        (0, 0, 0) if address.is_unspecified() => NotPublic::Unspecified,
        (127, _, _) => NotPublic::Loopback,
        (10, _, _) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => NotPublic::Private,
        (169, 254, _) => NotPublic::LinkLocal,
        (224..=239, _, _) | (255, 255, 255) => NotPublic::Multicast,
        (192, 88, 99) => NotPublic::Tunnel,
        // This network, protocol assignments, documentation, benchmarks, reserved.
        (0, _, _)
        | (192, 0, 0 | 2)
        | (198, 18..=19, _)
        | (198, 51, 100)
        | (203, 0, 113)
        | (240..=255, _, _) => NotPublic::Special,
        _ => return Ok(()),
    };
    Err(fault)
}

fn public_v6(address: Ipv6Addr) -> Result<(), NotPublic> {
    let fault = match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => NotPublic::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => NotPublic::Loopback,
        // IPv4-compatible, IPv4-mapped, IPv4-translated, NAT64 and local NAT64.
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _]
        | [0, 0, 0, 0, 0xffff, 0, _, _]
        | [0x64, 0xff9b, 0 | 1, ..] => NotPublic::Wrapped,
        [0xfc00..=0xfdff, ..] => NotPublic::Private,
        [0xfe80..=0xfebf, ..] => NotPublic::LinkLocal,
        [0xff00..=0xffff, ..] => NotPublic::Multicast,
        // Teredo and 6to4.
        [0x2001, 0, ..] | [0x2002, ..] => NotPublic::Tunnel,
        // Protocol assignments (ORCHID among them), documentation.
        [0x2001, 1..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => NotPublic::Special,
        [0x2000..=0x3fff, ..] => return Ok(()),
        _ => NotPublic::Special,
    };
    Err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(addresses: &[&str], expected: Result<(), NotPublic>) {
        for address in addresses {
            assert_eq!(check_public(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn internet_addresses_are_public() {
        check(&["1.1.1.1", "93.184.216.34", "172.15.0.1", "172.32.0.1", "100.63.0.1"], Ok(()));
        check(&["100.128.0.1", "192.0.1.1", "223.255.255.255", "169.253.0.1"], Ok(()));
        check(&["2606:4700::1111", "2a00:1450::1", "2001:200::1", "2001:4860::8888"], Ok(()));
    }

    #[test]
    fn special_addresses_are_not_public() {
        check(&["0.0.0.0", "::"], Err(NotPublic::Unspecified));
        check(&["127.0.0.1", "127.255.255.254", "::1"], Err(NotPublic::Loopback));
        check(&["10.0.0.1", "172.16.0.1", "172.31.255.255"], Err(NotPublic::Private));
        check(&["192.168.1.1", "100.64.0.1", "fc00::1", "fdff::1"], Err(NotPublic::Private));
        check(&["169.254.169.254", "fe80::1", "febf::1"], Err(NotPublic::LinkLocal));
        check(&["224.0.0.1", "255.255.255.255", "ff02::1"], Err(NotPublic::Multicast));
        check(&["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1"], Err(NotPublic::Wrapped));
        check(&["64:ff9b::7f00:1", "64:ff9b:1::1", "::ffff:0:7f00:1"], Err(NotPublic::Wrapped));
        check(&["2002:7f00:1::", "2001::1", "192.88.99.1"], Err(NotPublic::Tunnel));
        check(&["0.1.2.3", "192.0.0.1", "192.0.2.1", "198.18.0.1"], Err(NotPublic::Special));
        check(&["198.51.100.1", "203.0.113.1", "240.0.0.1"], Err(NotPublic::Special));
        check(
            &["2001:db8::1", "2001:10::1", "3fff::1", "fec0::1", "4000::1"],
            Err(NotPublic::Special),
        );
        check(&["100::1", "5f00::1"], Err(NotPublic::Special));
    }

    #[test]
    fn admin_may_configure_only_local_addresses() {
        for (address, expected) in
            [("127.0.0.1", true), ("10.1.2.3", true), ("fd00::1", true), ("169.254.169.254", false)]
        {
            let fault = check_public(address.parse().unwrap()).unwrap_err();
            assert_eq!(fault.may_be_configured(), expected, "{address}");
        }
    }
}
