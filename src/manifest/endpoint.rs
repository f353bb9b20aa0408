//! What an endpoint may look like, judged by its text: `http` or `https`, a host, no user information, no fragment.

use std::net::Ipv6Addr;

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
    use super::{defect, is_host_and_port};
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

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}") {
            let _ = defect(&text);
            let _ = defect(&format!("http://{text}"));
            let _ = is_host_and_port(&text);
        }
    }
}
