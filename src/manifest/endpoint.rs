//! What an endpoint may look like, judged by its text: `http` or `https`, a host, no user information, no fragment.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Says what is wrong with an endpoint whose `${VAR}` were replaced by digits, or nothing.
pub(super) fn defect(url: &str) -> Option<&'static str> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Some("write an absolute URL that begins with http:// or https://");
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Some("write an absolute URL that begins with http:// or https://");
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if authority.contains('@') {
        return Some("leave user name and password out of the URL; use \"auth\"");
    }
    if tail.contains('#') {
        return Some("leave the fragment out; it is never sent");
    }
    if !is_authority(authority) {
        return Some("write a host name or address, and a port from 1 to 65535 if any");
    }
    if !is_plain(tail) {
        return Some(
            "percent-encode what a URL cannot hold, such as blanks and letters beyond ASCII",
        );
    }
    None
}

/// Whether a text is `host:port`, with a host as in an endpoint.
pub(super) fn is_host_and_port(text: &str) -> bool {
    let port = text.rsplit_once(':').map(|(_, port)| port);
    port.is_some_and(|port| !port.is_empty() && !port.ends_with(']')) && is_authority(text)
}

/// Whether a URL can have this `host:port` as it stands. URLs are read before they are compared with a destination, and
/// addresses and ports have one form then; a destination in another one would never match.
pub(super) fn is_as_read(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let host_fits = match address {
        Some(address) => address
            .parse()
            .is_ok_and(|read| shown(read).eq_ignore_ascii_case(address)),
        // A name whose last label is a number is an address of four numbers.
        None => !ends_in_number(host) || host.parse::<Ipv4Addr>().is_ok(),
    };
    host_fits && !port.starts_with('0')
}

/// An address as URLs have it: Rust alone writes the last two groups of some as four numbers.
fn shown(address: Ipv6Addr) -> String {
    match (address.to_ipv4_mapped(), address.segments()) {
        (Some(_), [.., high, low]) => format!("::ffff:{high:x}:{low:x}"),
        _ => address.to_string(),
    }
}

/// Whether the last label is of digits, or of hexadecimal ones after `0x`, so that a URL's host is read as an address.
fn ends_in_number(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit_once('.').map_or(host, |(_, last)| last);
    let hexadecimal = last
        .strip_prefix("0x")
        .or_else(|| last.strip_prefix("0X"))
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hexadecimal || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, after)) if address.parse::<Ipv6Addr>().is_ok() => {
                return after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
            }
            _ => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    is_host(host) && port.is_none_or(is_port)
}

/// Letters, digits, `-`, `_` in labels between dots, one dot allowed at the end; names beyond ASCII come in their `xn--` form.
fn is_host(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    host.len() <= 253 && host.split('.').all(label)
}

fn is_port(port: &str) -> bool {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    digits && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Whether path and query hold only what RFC 3986 lets them hold, with every `%` encoding an octet.
fn is_plain(tail: &str) -> bool {
    let mut bytes = tail.bytes();
    while let Some(byte) = bytes.next() {
        let fine = match byte {
            b'%' => {
                let mut digit = || bytes.next().is_some_and(|next| next.is_ascii_hexdigit());
                digit() && digit()
            }
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?[]".contains(&byte),
        };
        if !fine {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{defect, is_as_read, is_host_and_port};
    use proptest::prelude::*;

    #[test]
    fn accepts_absolute_http_urls() {
        for url in [
            "https://api.example.com",
            "http://127.0.0.1:8080/t/oapt0123/v1/x?y=1&z=%20a",
            "HTTPS://API.example.com./",
            "http://[::1]:80/a",
            "http://[::1]",
            "http://localhost",
            "http://my_host?x=[1]",
            "https://1.api.example.com/1/a:b@c",
        ] {
            assert_eq!(defect(url), None, "{url}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for url in [
            "",
            "/v1/x",
            "//api.example.com/x",
            "api.example.com/x",
            "ftp://api.example.com",
            "file:///etc/passwd",
            "s3://bucket/x",
            "javascript:alert(1)",
            "http:/api.example.com",
            "http://",
            "http:///x",
            "http://?x",
            "http://:80/",
            "http://a:/",
            "http://a:0/",
            "http://a:65536/",
            "http://a:+80/",
            "http://a:8o/",
            "http://user@a/",
            "http://user:pass@a/",
            "http://@a/",
            "http://a/x#y",
            "http://a#",
            "http://a b/",
            "http://a/b c",
            "http://a/\u{e9}",
            "http://\u{e9}.com/",
            "http://a/%zz",
            "http://a/%2",
            "http://a\\b/",
            "http://a/\r\nX: y",
            " http://a/",
            "http://[::g]/",
            "http://[::1/",
            "http://[::1]x/",
            "http://a..b/",
            "http://.a/",
            "http://::1/",
        ] {
            assert!(defect(url).is_some(), "{url}");
        }
    }

    #[test]
    fn a_destination_has_host_and_port() {
        for fine in ["a.example.com:443", "127.0.0.1:1", "[::1]:80"] {
            assert!(is_host_and_port(fine), "{fine}");
        }
        for wrong in [
            "a",
            "a:",
            ":1",
            "a:b",
            "http://a:1",
            "a:1/x",
            "[::1]",
            "*:443",
            "u@a:1",
        ] {
            assert!(!is_host_and_port(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_destination_is_written_as_urls_have_it() {
        for fine in [
            "a.example.com:443",
            "A.Example.com:443",
            "a.example.com.:80",
            "1.api.example.com:80",
            "0x7f.example:80",
            "127.0.0.1:1",
            "[::1]:80",
            "[::]:80",
            "[2001:DB8::1]:80",
            "[2001:db8:0:1:1:1:1:1]:80",
            "[::ffff:7f00:1]:80",
        ] {
            assert!(is_host_and_port(fine) && is_as_read(fine), "{fine}");
        }
        for never in [
            "a:080",
            "127.0.0.1.:80",
            "127.1:80",
            "127.0.0.01:80",
            "0x7f.1:80",
            "a.0x7F:80",
            "a.0x:80",
            "2130706433:80",
            "a.1:80",
            "256.0.0.1:80",
            "[::ffff:127.0.0.1]:80",
            "[::0.0.0.1]:80",
            "[0:0:0:0:0:0:0:1]:80",
            "[2001:db8::1:1:1:1:1]:80",
            "[2001:0db8::1]:80",
        ] {
            assert!(is_host_and_port(never) && !is_as_read(never), "{never}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}") {
            let _ = defect(&text);
            let _ = defect(&format!("http://{text}"));
            let _ = is_host_and_port(&text);
            let _ = is_as_read(&text);
        }
    }
}
