//! Mutants of section 6: where calls may go, and which secrets with them.

use std::net::{IpAddr, Ipv4Addr};

use reqwest::Url;

use crate::manifest::Method;
use crate::mutants::Mutant;
use crate::runtime::access::{AccessParts, Network, dial, network};
use crate::runtime::credentials::{self, Credentials, Place};
use crate::runtime::error::ErrorObject;
use crate::runtime::{Parts, request};

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [addresses(), bindings()].into_iter().flatten().collect()
}

fn addresses() -> Vec<Mutant> {
    vec![
        swap_access!(
            "any-address-is-called",
            "ACC-041",
            "calls whatever address an endpoint has",
            fn address_allowed(&self, _: IpAddr, _: &[Network]) -> bool {
                true
            }
        ),
        swap_access!(
            "only-ten-is-private",
            "ACC-041",
            "knows one block of private addresses",
            fn address_allowed(&self, address: IpAddr, allowed: &[Network]) -> bool {
                let ten = Network::new(Ipv4Addr::new(10, 0, 0, 0).into(), 8);
                network::address_allowed(address, allowed) || !ten.contains(address)
            }
        ),
        swap_access!(
            "ipv6-is-not-looked-at",
            "ACC-041",
            "checks addresses of IPv4 only",
            fn address_allowed(&self, address: IpAddr, allowed: &[Network]) -> bool {
                address.is_ipv6() || network::address_allowed(address, allowed)
            }
        ),
        swap_access!(
            "addresses-inside-others-pass",
            "ACC-041",
            "does not look for an IPv4 address inside one of IPv6",
            fn address_allowed(&self, address: IpAddr, allowed: &[Network]) -> bool {
                let wraps = |address: IpAddr| match address {
                    IpAddr::V6(address) => {
                        let nat64 = address.segments().starts_with(&[0x64, 0xff9b, 0, 0]);
                        nat64 || address.to_ipv4_mapped().is_some()
                    }
                    IpAddr::V4(_) => false,
                };
                wraps(address) || network::address_allowed(address, allowed)
            }
        ),
        Mutant::part(
            "redirects-go-anywhere",
            "ACC-043",
            "follows a redirect to an address without looking where it is",
            Following,
        ),
    ]
}

/// Follows redirects wherever they lead.
struct Following;

impl AccessParts for Following {
    fn checks_redirects(&self) -> bool {
        false
    }
}

impl Parts for Following {
    fn access(&self) -> &dyn AccessParts {
        self
    }

    fn follow_redirect(&self, method: Method, from: &Url, to: &Url, followed: u32) -> bool {
        let names_an_address = to.domain().is_none();
        request::follow_redirect(method, from, to, followed)
            || names_an_address && to.port_or_known_default() == Some(80)
    }
}

type Bound = Result<(), ErrorObject>;

fn bindings() -> Vec<Mutant> {
    vec![
        swap_access!(
            "bindings-are-ignored",
            "ACC-045",
            "sends a bound secret to any host",
            fn check_binding(&self, _: &Credentials, _: &str, _: &Url) -> Bound {
                Ok(())
            }
        ),
        swap_access!(
            "bindings-match-anywhere",
            "ACC-045",
            "looks for the bound host anywhere in the address",
            fn check_binding(&self, credentials: &Credentials, name: &str, to: &Url) -> Bound {
                let hosts = credentials.bound_hosts(name).unwrap_or_default();
                if hosts.iter().any(|host| to.as_str().contains(host)) {
                    return Ok(());
                }
                dial::check_binding(credentials, name, to)
            }
        ),
        Mutant::part(
            "bound-secrets-are-left-out",
            "ACC-045",
            "sends the request without the secret that is bound to another host",
            LeavingOut,
        ),
    ]
}

/// Sends nothing in the place of a bound secret.
struct LeavingOut;

impl AccessParts for LeavingOut {
    fn check_binding(&self, _: &Credentials, _: &str, _: &Url) -> Bound {
        Ok(())
    }
}

impl Parts for LeavingOut {
    fn access(&self) -> &dyn AccessParts {
        self
    }

    fn resolve_variable(
        &self,
        credentials: &Credentials,
        name: &str,
        place: Place,
    ) -> Result<String, ErrorObject> {
        if credentials.bound_hosts(name).is_some() {
            return Ok("none".to_owned());
        }
        credentials::resolve_variable(credentials, name, place)
    }
}
