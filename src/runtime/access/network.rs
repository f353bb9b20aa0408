//! Addresses that calls may go to (`spec/access.md`, section 6).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A block of addresses, such as `10.0.0.0/8` or `::1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The block of all addresses that share the first `prefix` bits with this one; a longer prefix is cut.
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        let prefix = prefix.min(width(address));
        Self { address, prefix }
    }

    /// The loopback addresses of both families, for tests on one machine.
    pub fn loopback() -> Vec<Self> {
        vec![
            Self::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8),
            Self::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
        ]
    }

    /// Whether an address is in the block.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.prefix.min(32));
                let cut = |address: Ipv4Addr| address.to_bits().checked_shr(shift).unwrap_or(0);
                cut(own) == cut(other)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.prefix.min(128));
                let cut = |address: Ipv6Addr| address.to_bits().checked_shr(shift).unwrap_or(0);
                cut(own) == cut(other)
            }
            _ => false,
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused =
            || format!("{text:?} is no block of addresses; write it as 10.0.0.0/8 or ::1");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let prefix = prefix.map_or(Ok(width(address)), str::parse);
        let prefix = prefix.map_err(|_| refused())?;
        if prefix > width(address) {
            return Err(refused());
        }
        Ok(Self::new(address, prefix))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Blocks of IPv4 addresses that are nobody's on the internet, as address and prefix.
const CLOSED_V4: [(Ipv4Addr, u8); 9] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    // Reserved, and the broadcast address among them.
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The same for IPv6.
const CLOSED_V6: [(Ipv6Addr, u8); 7] = [
    (Ipv6Addr::UNSPECIFIED, 128),
    (Ipv6Addr::LOCALHOST, 128),
    // Translation inside one's own network.
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    // Site-local, given up but still routed in places.
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// Whether a call may go to an address: one that the operator allows, or one out on the internet.
pub fn address_allowed(address: IpAddr, allowed: &[Network]) -> bool {
    let meant: Vec<IpAddr> = std::iter::once(address).chain(inner(address)).collect();
    let is_allowed = |address: &IpAddr| allowed.iter().any(|network| network.contains(*address));
    meant.iter().any(is_allowed) || !meant.iter().copied().any(is_closed)
}

fn is_closed(address: IpAddr) -> bool {
    let within = |(block, prefix): (IpAddr, u8)| Network::new(block, prefix).contains(address);
    match address {
        IpAddr::V4(_) => CLOSED_V4.iter().any(|(a, p)| within((IpAddr::V4(*a), *p))),
        IpAddr::V6(_) => CLOSED_V6.iter().any(|(a, p)| within((IpAddr::V6(*a), *p))),
    }
}

/// The IPv4 address that an IPv6 one stands for: mapped, compatible, translated (NAT64) or tunnelled (6to4, Teredo).
fn inner(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    let bits = address.to_bits();
    let low = |bits: u128| Ipv4Addr::from_bits(u32::try_from(bits & 0xffff_ffff).unwrap_or(0));
    let inner = match address.segments() {
        // `::` and `::1` are no IPv4 addresses, but closed themselves.
        [0, 0, 0, 0, 0, 0, ..] if bits > 1 => low(bits),
        [0, 0, 0, 0, 0, 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..] => low(bits),
        [0x2002, ..] => low(bits >> 80),
        [0x2001, 0, ..] => low(!bits),
        _ => return None,
    };
    Some(IpAddr::V4(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(address: &str, allowed: &[&str]) -> bool {
        let allowed: Vec<Network> = allowed
            .iter()
            .map(|n| n.parse().expect("a block"))
            .collect();
        address_allowed(address.parse().expect("an address"), &allowed)
    }

    #[test]
    fn closed_addresses_in_every_wrapping() {
        for closed in [
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "239.1.1.1",
            "255.255.255.255",
            "::1",
            "::",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2001::ffff:ffff:80ff:fffe",
        ] {
            assert!(!open(closed, &[]), "{closed}");
        }
        for public in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "192.169.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(open(public, &[]), "{public}");
        }
    }

    #[test]
    fn the_operator_allows_blocks() {
        assert!(open("127.0.0.1", &["127.0.0.0/8"]) && open("::ffff:127.0.0.1", &["127.0.0.0/8"]));
        assert!(!open("::1", &["127.0.0.0/8"]) && open("::1", &["::1"]));
        assert!(!open("10.0.0.1", &["10.0.0.2"]) && open("10.0.0.1", &["0.0.0.0/0"]));
        assert!(open("fd00::5", &["fd00::/8"]) && !open("fd00::5", &["fe00::/8"]));
        for bad in [
            "",
            "10.0.0.0/33",
            "::/129",
            "a/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "localhost",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        assert_eq!(
            "10.0.0.0/8".parse::<Network>().map(|n| n.to_string()),
            Ok("10.0.0.0/8".to_owned())
        );
    }
}
