//! The console: a small page for people, served with the runtime, and what keeps other pages from acting in its place.
//!
//! The page has no rights of its own. Whoever uses it gives it a token, which it sends in the `Authorization` header; there are
//! no cookies, so no other page can make a browser send it. Where the operator has configured no tokens, one is made at each
//! start and needed for every call.

use std::borrow::Cow;
use std::net::SocketAddr;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::Response;

use super::StartError;
use super::access::TableEntry;
use super::access::caller::ANONYMOUS;
use super::error::{Code, ErrorObject};
use crate::embedded;

/// What the page may load, and from where: its own files alone, and it stands in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The console of one runtime.
pub(super) struct Console {
    own: Option<TableEntry>,
}

impl Console {
    /// A console on this address; without auth it makes its own token.
    ///
    /// # Errors
    /// Without auth, where others than this machine could reach the address.
    pub(super) fn open(listen: SocketAddr, auth: bool) -> Result<Self, StartError> {
        if auth {
            return Ok(Self { own: None });
        }
        if !listen.ip().is_loopback() {
            return Err(StartError::Console(listen));
        }
        let token = uuid::Uuid::new_v4().simple().to_string();
        Ok(Self {
            own: Some(TableEntry {
                token,
                subject: ANONYMOUS.to_owned(),
                scopes: Default::default(),
            }),
        })
    }

    /// Whether there is a token of its own.
    pub(super) fn has_token(&self) -> bool {
        self.own.is_some()
    }

    /// The token of its own.
    pub(super) fn token(&self) -> Option<&str> {
        self.own.as_ref().map(|own| own.token.as_str())
    }

    /// Whether this is the token of its own.
    pub(super) fn is_token(&self, token: &str) -> bool {
        self.own.as_ref().is_some_and(|own| own.is(token))
    }
}

/// A file of the page by its path below `/console`; the empty path is the page itself.
pub(super) fn file(path: &str) -> Option<Response> {
    let path = match path {
        "" => "index.html",
        path => path,
    };
    let media_type = media_type(path)?;
    let bytes = embedded::asset(&format!("assets/console/{path}"))?;
    let mut response = Response::new(match bytes {
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    });
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

fn media_type(path: &str) -> Option<&'static str> {
    let (_, ending) = path.rsplit_once('.')?;
    Some(match ending {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

/// Refuses a call that a page of another origin has a browser make, and that could change something.
///
/// # Errors
/// `insufficient_scope`.
pub(super) fn check_origin(method: &Method, headers: &HeaderMap) -> Result<(), ErrorObject> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let all = |name: &str| -> Vec<&str> {
        let values = headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap_or("")).collect()
    };
    let sites = all("sec-fetch-site");
    let own_site = sites
        .iter()
        .all(|site| matches!(*site, "same-origin" | "none"));
    let hosts = all("host");
    let own_origin = all("origin").iter().all(|origin| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_some_and(
            |authority| matches!(hosts.as_slice(), [host] if host.eq_ignore_ascii_case(authority)),
        )
    });
    if own_site && own_origin {
        return Ok(());
    }
    Err(ErrorObject::new(
        Code::InsufficientScope,
        "a page of another origin asked for this; while the console is served, browsers change something from its own page only",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: Method, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            let name = header::HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        check_origin(&method, &headers.collect()).is_err()
    }

    #[test]
    fn pages_of_other_origins_change_nothing() {
        let host = ("host", "127.0.0.1:8080");
        for own in [
            &[host][..],
            &[host, ("sec-fetch-site", "same-origin")],
            &[host, ("sec-fetch-site", "none")],
            &[host, ("origin", "http://127.0.0.1:8080")],
            &[("host", "A.example"), ("origin", "https://a.example")],
        ] {
            assert!(!refused(Method::POST, own), "{own:?}");
        }
        for other in [
            &[host, ("sec-fetch-site", "cross-site")][..],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("sec-fetch-site", "")],
            &[host, ("origin", "null")],
            &[host, ("origin", "http://127.0.0.1:9090")],
            &[host, ("origin", "http://evil.example")],
            &[host, ("origin", "http://127.0.0.1:8080.evil.example")],
            &[host, ("origin", "")],
            &[("origin", "http://127.0.0.1:8080")],
            &[
                host,
                ("sec-fetch-site", "same-origin"),
                ("origin", "http://evil.example"),
            ],
        ] {
            assert!(refused(Method::POST, other), "{other:?}");
            assert!(refused(Method::DELETE, other), "{other:?}");
            assert!(!refused(Method::GET, other), "reading is harmless");
        }
    }

    #[test]
    fn without_auth_the_console_has_a_token_and_stays_on_this_machine() {
        let loopback = "127.0.0.1:0".parse().expect("an address");
        let console = Console::open(loopback, false).expect("opens");
        let token = console.token().expect("a token").to_owned();
        assert!(token.len() == 32 && console.is_token(&token) && !console.is_token("x"));
        let other = Console::open(loopback, false).expect("opens");
        assert!(!other.is_token(&token), "each start makes its own");
        let all = "0.0.0.0:0".parse().expect("an address");
        assert!(matches!(
            Console::open(all, false),
            Err(StartError::Console(_))
        ));
        let known = Console::open(all, true).expect("opens");
        assert!(!known.has_token() && known.token().is_none());
    }

    #[test]
    fn only_files_of_the_page_are_served() {
        for none in ["..", "../Cargo.toml", "/etc/passwd", "absent.js", "app"] {
            assert!(file(none).is_none(), "{none}");
        }
    }
}
