//! Where calls of actions may go: each host is resolved once, and the connection goes to an address that was checked
//! (`spec/access.md`, section 6).

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::network::Network;
use super::refusal;
use crate::runtime::credentials::Credentials;
use crate::runtime::error::ErrorObject;
use crate::runtime::parts::Parts;

/// Resolves names to the addresses that may be called; a client that uses it connects to nothing else.
///
/// Names come here only: an address that stands in a URL itself is never resolved, see [`check_target`].
pub struct Guard {
    parts: Arc<dyn Parts>,
    allowed: Arc<[Network]>,
}

impl Guard {
    /// A guard that lets through what is out on the internet, and the blocks that the operator allows.
    pub fn new(parts: Arc<dyn Parts>, allowed: Arc<[Network]>) -> Self {
        Self { parts, allowed }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (parts, allowed) = (Arc::clone(&self.parts), Arc::clone(&self.allowed));
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let checked: Vec<SocketAddr> = found
                .filter(|address| parts.access().address_allowed(address.ip(), &allowed))
                .collect();
            if checked.is_empty() {
                return Err(Refused.into());
            }
            let checked: Addrs = Box::new(checked.into_iter());
            Ok(checked)
        })
    }
}

/// None of a host's addresses may be called.
#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host has no address that may be called")
    }
}

impl Error for Refused {}

/// Whether a call failed because the guard let none of the addresses through.
pub fn was_refused(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<Refused>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Refuses a URL whose host is an address that may not be called, in any of the spellings that the parser takes for one.
///
/// # Errors
/// `address_refused`.
pub fn check_target(parts: &dyn Parts, url: &Url, allowed: &[Network]) -> Result<(), ErrorObject> {
    let host = url.host_str().unwrap_or_default();
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match bare.unwrap_or(host).parse() {
        Ok(address) if !parts.access().address_allowed(address, allowed) => {
            Err(refusal::address_refused())
        }
        _ => Ok(()),
    }
}

/// Refuses to put a secret into a request to a host that the operator has not bound it to; one that is bound to none may
/// go anywhere.
///
/// A binding is a host, or a host with a port.
///
/// # Errors
/// `missing_credential`.
pub fn check_binding(credentials: &Credentials, name: &str, to: &Url) -> Result<(), ErrorObject> {
    let Some(hosts) = credentials.bound_hosts(name) else {
        return Ok(());
    };
    let host = to.host_str().unwrap_or_default().trim_end_matches('.');
    let port = to.port_or_known_default().unwrap_or_default();
    let with_port = format!("{host}:{port}");
    let is_host = |bound: &String| {
        [host, &with_port]
            .iter()
            .any(|host| bound.trim_end_matches('.').eq_ignore_ascii_case(host))
    };
    if hosts.iter().any(is_host) {
        Ok(())
    } else {
        Err(refusal::bound_elsewhere(name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::error::Code;
    use super::super::super::parts::Reference;
    use super::*;
    use std::collections::BTreeMap;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[test]
    fn every_spelling_of_an_address_is_seen() {
        let code = |text: &str, allowed: &[Network]| {
            check_target(&Reference, &url(text), allowed).map_err(|error| error.code)
        };
        for spelled in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://[::1]:80/",
            "http://[::ffff:7f00:1]/",
            "http://0/",
            "http://127.0.0.1./",
            "http://１２７.0.0.1/",
            "http://169.254.169.254/latest",
        ] {
            assert_eq!(code(spelled, &[]), Err(Code::AddressRefused), "{spelled}");
        }
        assert_eq!(code("http://127.0.0.1:8080/", &Network::loopback()), Ok(()));
        assert_eq!(code("http://8.8.8.8/", &[]), Ok(()));
        assert_eq!(
            code("http://localhost/", &[]),
            Ok(()),
            "names go to the guard"
        );
    }

    #[tokio::test]
    async fn names_are_resolved_to_allowed_addresses_only() {
        let client = |allowed: &[Network]| {
            let _ = rustls::crypto::ring::default_provider().install_default();
            reqwest::Client::builder()
                .no_proxy()
                .dns_resolver(Arc::new(Guard::new(Arc::new(Reference), allowed.into())))
                .build()
                .expect("a client")
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let target = format!("http://localhost:{port}/");
        let refused = client(&[]).get(&target).send().await.expect_err("refused");
        assert!(was_refused(&refused), "{refused:?}");
        let tried = client(&Network::loopback()).get(&target).send().await;
        assert!(!was_refused(&tried.expect_err("nobody listens")));
    }

    /// Notes which addresses were looked at.
    #[derive(Default)]
    struct Noting(std::sync::Mutex<Vec<std::net::IpAddr>>);

    impl super::super::AccessParts for Noting {
        fn address_allowed(&self, address: std::net::IpAddr, _: &[Network]) -> bool {
            self.0.lock().expect("a lock").push(address);
            address.is_ipv4()
        }
    }

    impl Parts for Noting {
        fn access(&self) -> &dyn super::super::AccessParts {
            self
        }
    }

    /// ACC-042: a host is resolved once, and the connection goes to the very address that was checked.
    #[tokio::test]
    async fn the_address_that_was_checked_is_the_one_that_is_called() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let noting = Arc::new(Noting::default());
        let parts: Arc<dyn Parts> = Arc::clone(&noting) as Arc<dyn Parts>;
        let client = reqwest::Client::builder()
            .no_proxy()
            .dns_resolver(Arc::new(Guard::new(parts, Vec::new().into())))
            .build()
            .expect("a client");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let call = tokio::spawn(client.get(format!("http://localhost:{port}/")).send());
        let (connection, _) = listener.accept().await.expect("a connection");
        let reached = connection.local_addr().expect("an address").ip();
        drop(connection);
        let _ = call.await.expect("no panic");
        let checked = noting.0.lock().expect("a lock").clone();
        assert!(checked.contains(&reached), "{reached} of {checked:?}");
        let once: std::collections::BTreeSet<_> = checked.iter().collect();
        assert_eq!(
            once.len(),
            checked.len(),
            "resolved more than once: {checked:?}"
        );
    }

    #[test]
    fn bound_secrets_stay_with_their_hosts() {
        let secrets = ["BOUND", "FREE"].map(|name| (name.to_owned(), "long-enough".to_owned()));
        let hosts = ["api.example.com", "other.example.com:8443"].map(str::to_owned);
        let credentials = Credentials::new(secrets.into(), BTreeMap::new(), "")
            .bind(BTreeMap::from([("BOUND".to_owned(), hosts.to_vec())]));
        let code = |name: &str, to: &str| {
            check_binding(&credentials, name, &url(to)).map_err(|error| error.code)
        };
        for right in [
            "https://api.example.com/x",
            "http://API.example.com:81/",
            "https://api.example.com./",
            "https://other.example.com:8443/",
        ] {
            assert_eq!(code("BOUND", right), Ok(()), "{right}");
        }
        for wrong in [
            "https://example.com/",
            "https://api.example.com.evil.test/",
            "https://other.example.com/",
            "https://x.api.example.com/",
        ] {
            assert_eq!(
                code("BOUND", wrong),
                Err(Code::MissingCredential),
                "{wrong}"
            );
            assert_eq!(code("FREE", wrong), Ok(()));
        }
    }
}
