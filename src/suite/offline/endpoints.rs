//! Endpoints beside the targets of effects: what a URL must be that was called for an action, its variables left open
//! (`spec/transcripts.md`, 6.2; `spec/secrets.md`, 1.1), and the hosts that code may call (`spec/sandbox.md`, section 4).

use regex::Regex;
use reqwest::Url;

use crate::suite::secrets::REDACTED;

/// An address that actions are called at.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// As the manifest has it, without query and fragment.
    shown: String,
    scheme: String,
    /// The host; what stands for a variable in it can be anything, a port too where the host ends with it.
    host: Regex,
    /// The port; `None`: a variable stands in it, or may bring it.
    port: Option<u16>,
    /// The path; what stands for a variable in it is a part of one segment.
    path: Regex,
}

impl Endpoint {
    /// Reads an endpoint; `None`: it is none, which a manifest that was registered does not have.
    pub fn read(text: &str) -> Option<Self> {
        let end = text.find(['?', '#']).unwrap_or(text.len());
        let shown = text.get(..end)?;
        let (scheme, rest) = shown.split_once("://")?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let scheme = scheme.to_ascii_lowercase();
        let usual = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            // A variable may stand for the whole begin of a URL.
            _ => return None,
        };
        let port = match port {
            // A port that is no number is a variable.
            Some(port) => port.parse().ok(),
            None if host.ends_with('}') => None,
            None => Some(usual),
        };
        let host = if host.contains("${") {
            pattern(&host.to_ascii_lowercase(), ".*")?
        } else {
            let url = Url::parse(&format!("{scheme}://{host}/")).ok()?;
            pattern(url.host_str()?, "")?
        };
        let stand_in = stand_in(path);
        let url = format!("{scheme}://host{}", with(path, &stand_in)?);
        let path = Url::parse(&url).ok()?.path().replace(&stand_in, "${}");
        Some(Self {
            shown: shown.to_owned(),
            scheme,
            host,
            port,
            path: pattern(&path, "[^/]*")?,
        })
    }

    /// As the manifest has it, without query and fragment.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether a host and port, as a grant has them, can be those of this endpoint.
    pub fn is_at(&self, destination: &str) -> bool {
        destination.rsplit_once(':').is_some_and(|(host, port)| {
            self.host.is_match(host) && self.port.is_none_or(|own| port.parse() == Ok(own))
        })
    }

    /// Whether a target can be a URL of this endpoint.
    pub fn is(&self, target: &str) -> bool {
        // A secret can stand in a path by chance, and is taken out of the record then.
        let concealed = target.contains(REDACTED);
        self.is_origin_of(target)
            && Url::parse(target).is_ok_and(|target| concealed || self.path.is_match(target.path()))
    }

    /// Whether a target has the scheme, the host and the port of this endpoint.
    pub fn is_origin_of(&self, target: &str) -> bool {
        let Ok(target) = Url::parse(target) else {
            return false;
        };
        let port = target.port_or_known_default();
        target.scheme() == self.scheme
            && self.port.is_none_or(|own| port == Some(own))
            && target
                .host_str()
                .is_some_and(|host| self.host.is_match(host))
    }
}

/// What stands between the variables of a text; `None`: one of them has no end.
fn pieces(text: &str) -> Option<Vec<&str>> {
    let mut literals = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        literals.push(before);
        rest = after.split_once('}')?.1;
    }
    literals.push(rest);
    Some(literals)
}

/// A text that stands for the variables of a path while it is brought into the one spelling of URLs.
fn stand_in(path: &str) -> String {
    let mut stand_in = "variable".to_owned();
    while path.contains(&stand_in) {
        stand_in.push('x');
    }
    stand_in
}

fn with(text: &str, stand_in: &str) -> Option<String> {
    Some(pieces(text)?.join(stand_in))
}

/// What a text with variables can be; `any`: what stands for one of them.
fn pattern(text: &str, any: &str) -> Option<Regex> {
    let literals: Vec<String> = pieces(text)?.into_iter().map(regex::escape).collect();
    Regex::new(&format!("^(?s:{})$", literals.join(any))).ok()
}

/// The host and the port of a URL in the form of a grant, in lower case.
pub(super) fn destination(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let (host, port) = (url.host_str()?, url.port_or_known_default()?);
    Some(format!("{}:{port}", host.to_ascii_lowercase()))
}

/// Scheme, host and port of a URL.
pub(super) fn origin(url: &str) -> Option<String> {
    Some(Url::parse(url).ok()?.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(endpoint: &str, target: &str) -> bool {
        Endpoint::read(endpoint).expect("an endpoint").is(target)
    }

    #[test]
    fn a_target_is_that_of_an_endpoint_in_any_spelling_of_urls() {
        for (endpoint, target) in [
            (
                "https://api.example.com/v1/x",
                "https://api.example.com/v1/x",
            ),
            (
                "HTTPS://API.example.com:443/v1/x?y=1",
                "https://api.example.com/v1/x",
            ),
            ("https://api.example.com", "https://api.example.com/"),
            ("https://api.example.com?q=${Q}", "https://api.example.com/"),
            ("http://127.0.0.1:8080/a/../b", "http://127.0.0.1:8080/b"),
            ("http://[::1]:80/a", "http://[::1]/a"),
            (
                "https://api.example.com/v1/${REGION}/x",
                "https://api.example.com/v1/eu/x",
            ),
            (
                "https://api.example.com/v1/a-${A}-${B}.json",
                "https://api.example.com/v1/a-1-2.json",
            ),
            (
                "https://api.example.com/variable/${A}",
                "https://api.example.com/variable/1",
            ),
            (
                "https://${REGION}.example.com/v1",
                "https://eu.west.example.com/v1",
            ),
            (
                "https://api.${DOMAIN}/v1",
                "https://api.example.com:8443/v1",
            ),
            (
                "https://api.example.com:${PORT}/v1",
                "https://api.example.com:8443/v1",
            ),
            (
                "https://api.example.com/v1/x",
                "https://api.example.com/v1/[REDACTED]",
            ),
        ] {
            assert!(is(endpoint, target), "{endpoint} {target}");
        }
    }

    #[test]
    fn a_variable_frees_nothing_but_its_own_place() {
        for (endpoint, target) in [
            (
                "https://api.example.com/v1/x",
                "https://api.example.com/v1/y",
            ),
            (
                "https://api.example.com/v1/x",
                "http://api.example.com/v1/x",
            ),
            (
                "https://api.example.com/v1/x",
                "https://evil.example/v1/[REDACTED]",
            ),
            ("https://api.example.com/v1/x", "api.example.com"),
            (
                "https://api.example.com?q=${Q}",
                "https://api.example.com/other",
            ),
            (
                "https://api.example.com/v1/${REGION}/x",
                "https://evil.example/v1/eu/x",
            ),
            (
                "https://api.example.com/v1/${REGION}/x",
                "https://api.example.com:8443/v1/eu/x",
            ),
            (
                "https://api.example.com/v1/${REGION}/x",
                "https://api.example.com/v1/eu/y",
            ),
            (
                "https://api.example.com/v1/${REGION}/x",
                "https://api.example.com/v1/eu/de/x",
            ),
            (
                "https://${REGION}.example.com/v1",
                "https://example.com.evil.example/v1",
            ),
            (
                "https://${REGION}.example.com/v1",
                "https://eu.example.com:8443/v1",
            ),
            ("https://${HOST}/v1/x", "https://any.example/v1/y"),
            (
                "https://api.example.com:${PORT}/v1",
                "https://evil.example:8443/v1",
            ),
        ] {
            assert!(!is(endpoint, target), "{endpoint} {target}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_not_read() {
        for text in [
            "",
            "x",
            "ftp://a/b",
            "${BASE}/v1",
            "https:///x",
            "https://a/${b",
        ] {
            assert!(Endpoint::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_destination_has_the_form_of_a_grant() {
        for (url, expected) in [
            ("https://API.example.com/x", "api.example.com:443"),
            ("http://api.example.com:8080", "api.example.com:8080"),
            ("http://[::1]/x", "[::1]:80"),
        ] {
            assert_eq!(destination(url).as_deref(), Some(expected));
        }
        assert_eq!(destination("nothing"), None);
    }
}
