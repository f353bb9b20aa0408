//! Hosts as endpoints and grants have them, and where they lead, as far as their text tells.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An endpoint taken apart; its variables still stand in the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lint::rules) struct Parts<'v> {
    pub(in crate::lint::rules) scheme: &'v str,
    pub(in crate::lint::rules) host: &'v str,
    pub(in crate::lint::rules) tail: &'v str,
}

/// Takes an absolute URL apart.
pub(in crate::lint::rules) fn parts(url: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end)?;
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, after)| after);
    Some(Parts {
        scheme,
        host: host(authority),
        tail,
    })
}

/// The host of `host:port`.
pub(in crate::lint::rules) fn host(authority: &str) -> &str {
    if let Some((address, _)) = authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        return address;
    }
    authority
        .split_once(':')
        .map_or(authority, |(host, _)| host)
}

/// Where a host leads that is not for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lint::rules) enum Inside {
    /// The machine itself.
    Loopback,
    /// Where clouds give the machine its credentials.
    Metadata,
    /// A network of its own, or no single machine.
    Private(&'static str),
}

/// Where a host leads, when that is not the open network; of names only those that are defined so.
pub(in crate::lint::rules) fn inside(host: &str) -> Option<Inside> {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if name == "localhost" || name.ends_with(".localhost") {
        return Some(Inside::Loopback);
    }
    if name == "metadata.google.internal" {
        return Some(Inside::Metadata);
    }
    if let Ok(address) = name.parse::<Ipv6Addr>() {
        return of_v6(address);
    }
    of_v4(numbers(&name)?)
}

/// An address in any spelling that URLs have for one: fewer than four numbers, octal and hexadecimal ones.
fn numbers(name: &str) -> Option<Ipv4Addr> {
    let mut parts = Vec::new();
    for part in name.split('.') {
        let (digits, radix) = match part.strip_prefix("0x") {
            Some(digits) => (digits, 16),
            None if part.len() > 1 && part.starts_with('0') => (part, 8),
            None => (part, 10),
        };
        parts.push(u32::from_str_radix(digits, radix).ok()?);
    }
    let (last, front) = parts.split_last()?;
    if front.len() > 3 || front.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 32 - 8 * u32::try_from(front.len()).ok()?;
    if room < 32 && *last >= 1 << room {
        return None;
    }
    let high = front.iter().fold(0_u32, |sum, part| (sum << 8) | part);
    let high = if room == 32 { 0 } else { high << room };
    Some(Ipv4Addr::from(high | last))
}

fn of_v6(address: Ipv6Addr) -> Option<Inside> {
    if let Some(inner) = address.to_ipv4_mapped() {
        return of_v4(inner);
    }
    let [first, ..] = address.segments();
    if address == Ipv6Addr::LOCALHOST {
        Some(Inside::Loopback)
    } else if address == Ipv6Addr::UNSPECIFIED {
        Some(Inside::Private("every address of the machine"))
    } else if address.to_string() == "fd00:ec2::254" {
        Some(Inside::Metadata)
    } else if first & 0xfe00 == 0xfc00 {
        Some(Inside::Private("a private network"))
    } else if first & 0xffc0 == 0xfe80 {
        Some(Inside::Private("the local link"))
    } else if IpAddr::V6(address).is_multicast() {
        Some(Inside::Private("a group of machines"))
    } else {
        None
    }
}

fn of_v4(address: Ipv4Addr) -> Option<Inside> {
    let [first, second, ..] = address.octets();
    Some(match (first, second) {
        (127, _) => Inside::Loopback,
        _ if address == Ipv4Addr::new(169, 254, 169, 254) => Inside::Metadata,
        (0, _) => Inside::Private("every address of the machine"),
        (169, 254) => Inside::Private("the local link"),
        (10, _) | (192, 168) | (172, 16..=31) | (100, 64..=127) => {
            Inside::Private("a private network")
        }
        (224..=239, _) => Inside::Private("a group of machines"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Inside, inside, parts};

    #[test]
    fn tells_where_hosts_lead() {
        for host in [
            "127.0.0.1",
            "localhost",
            "LOCALHOST.",
            "::1",
            "0x7f.1",
            "2130706433",
            "017700000001",
            "::ffff:127.0.0.1",
        ] {
            assert_eq!(inside(host), Some(Inside::Loopback), "{host}");
        }
        for host in ["169.254.169.254", "metadata.google.internal", "0xa9fea9fe"] {
            assert_eq!(inside(host), Some(Inside::Metadata), "{host}");
        }
        for host in [
            "10.1.2.3",
            "192.168.0.1",
            "172.31.255.1",
            "0.0.0.0",
            "fe80::1",
            "fd00::1",
            "100.64.0.1",
        ] {
            assert!(matches!(inside(host), Some(Inside::Private(_))), "{host}");
        }
        for host in [
            "",
            "api.example.com",
            "172.32.0.1",
            "11.0.0.1",
            "1.2.3.4.5",
            "256.1.1.1",
            "2001:db8::1",
            "${HOST}",
            "10.example.com",
        ] {
            assert_eq!(inside(host), None, "{host}");
        }
    }

    #[test]
    fn takes_urls_apart() {
        let url = parts("https://u:p@[::1]:80/a?b").expect("a URL");
        assert_eq!((url.scheme, url.host, url.tail), ("https", "::1", "/a?b"));
        let url = parts("http://${HOST}:8080").expect("a URL");
        assert_eq!((url.host, url.tail), ("${HOST}", ""));
        assert_eq!(parts("/v1"), None);
    }
}
