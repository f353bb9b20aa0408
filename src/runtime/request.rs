//! How accepted arguments become one HTTP request (`spec/actions.md`, section 2); nothing is sent here.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use reqwest::Url;
use serde_json::{Map, Value};

use super::credentials::{Credentials, Place};
use super::error::{Code, ErrorObject};
use super::merge::place;
use super::parts::Parts;
use super::redact::Redactor;
use crate::json;
use crate::manifest::{InvokeApi, Mapping, Method, Piece, Source, Text};

/// A request that is ready to be sent.
#[derive(Clone, PartialEq)]
pub struct Rendered {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: Url,
    /// Headers, credentials among them.
    pub headers: Vec<(String, String)>,
    /// The JSON text of the body.
    pub body: Option<String>,
}

impl std::fmt::Debug for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Rendered")
            .field("method", &self.method)
            .field("target", &target(&self.url))
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

/// Builds the request of one action.
///
/// # Errors
/// `missing_credential` or `invalid_credential` of a variable, `invalid_credential` when the filled endpoint is no URL.
pub fn render(
    parts: &dyn Parts,
    api: &InvokeApi,
    args: &Value,
    credentials: &Credentials,
    idempotency_key: Option<String>,
) -> Result<Rendered, ErrorObject> {
    let endpoint = parts.fill_text(&api.endpoint, credentials, Place::Endpoint)?;
    let mut url = endpoint_url(&endpoint)?;
    for text in api.headers.iter().map(|(_, text)| text).chain(&api.auth) {
        check_bindings(parts, text, credentials, &url)?;
    }
    let mut headers = Vec::new();
    for (name, text) in &api.headers {
        headers.push((
            name.clone(),
            parts.fill_text(text, credentials, Place::Header)?,
        ));
    }
    if let Some(auth) = &api.auth {
        let value = parts.fill_text(auth, credentials, Place::Header)?;
        headers.push(("authorization".to_owned(), value));
    }
    let sent = parts.request_value(api.request_map.as_ref(), args);
    let mut body = None;
    if api.method.sends_query() {
        let pairs = parts.query_pairs(&sent);
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
    } else {
        body = Some(parts.request_body(&sent));
        add_unless_declared(&mut headers, "content-type", "application/json".to_owned());
    }
    add_unless_declared(&mut headers, "accept", "application/json".to_owned());
    if let (Some(key), false) = (idempotency_key, api.method == Method::Get) {
        add_unless_declared(&mut headers, "idempotency-key", key);
    }
    Ok(Rendered {
        method: api.method,
        url,
        headers,
        body,
    })
}

fn check_bindings(
    parts: &dyn Parts,
    text: &Text,
    credentials: &Credentials,
    to: &Url,
) -> Result<(), ErrorObject> {
    text.pieces().iter().try_for_each(|piece| match piece {
        Piece::Variable(name) => parts.access().check_binding(credentials, name, to),
        Piece::Literal(_) => Ok(()),
    })
}

fn add_unless_declared(headers: &mut Vec<(String, String)>, name: &str, value: String) {
    if !headers
        .iter()
        .any(|(declared, _)| declared.eq_ignore_ascii_case(name))
    {
        headers.push((name.to_owned(), value));
    }
}

fn endpoint_url(endpoint: &str) -> Result<Url, ErrorObject> {
    let refused = || {
        ErrorObject::new(
            Code::InvalidCredential,
            "with its variables filled in, the endpoint is no http or https URL, so nothing was sent",
        )
    };
    let url = Url::parse(endpoint).map_err(|_| refused())?;
    let usable = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    if usable { Ok(url) } else { Err(refused()) }
}

/// What is sent: the arguments, or what a request map makes of them.
pub fn mapped(map: Option<&Mapping>, from: &Value) -> Value {
    let Some(Mapping(entries)) = map else {
        return from.clone();
    };
    let mut built = Value::Object(Map::new());
    for (target, source) in entries {
        let value = match source {
            Source::From(pointer) => pointer.find(from).cloned(),
            Source::Constant(constant) => Some(constant.clone()),
        };
        let Some(value) = value else {
            continue;
        };
        if target.is_root() {
            built = value;
        } else {
            // Targets never overlap, so nothing but an object can stand on the way.
            let _ = place(&mut built, target, value);
        }
    }
    built
}

/// The pairs of a query: strings bare, arrays repeat their key, objects as compact JSON, null and empty arrays not at all.
pub fn query_pairs(sent: &Value) -> Vec<(String, String)> {
    let Value::Object(members) = sent else {
        return Vec::new();
    };
    let mut pairs = Vec::new();
    for (name, value) in members {
        match value {
            Value::Array(elements) => {
                for element in elements {
                    push_pair(&mut pairs, name, element);
                }
            }
            single => push_pair(&mut pairs, name, single),
        }
    }
    pairs
}

fn push_pair(pairs: &mut Vec<(String, String)>, name: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::String(text) => pairs.push((name.to_owned(), text.clone())),
        other => pairs.push((name.to_owned(), other.to_string())),
    }
}

/// A URL as it may be shown and recorded: without query, fragment and user information.
pub fn target(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    // A URL that cannot have a user has none to be removed.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.to_string()
}

/// A key that is the same whenever this step of this session is sent, and tells nothing of the session's id.
pub fn derived_key(session_id: &str, step_number: u64, action_name: &str) -> String {
    let digest = json::digest(&serde_json::json!([session_id, step_number, action_name]));
    let hex = digest.strip_prefix("sha256:").unwrap_or(&digest);
    format!("oap-{}", hex.get(..32).unwrap_or(hex))
}

/// Whether a redirect may be followed: for GET only, to the same origin, at most five in a row.
pub fn follow_redirect(method: Method, from: &Url, to: &Url, followed: u32) -> bool {
    method == Method::Get && from.origin() == to.origin() && followed < 5
}

/// Whether a URL holds a known secret, in any spelling of its characters: a service that redirects to where its credential
/// stands in the URL would have it written into logs.
pub fn tells_secret(url: &Url, redactor: &Redactor) -> bool {
    let text = url.as_str();
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    [text, &decoded]
        .iter()
        .any(|spelling| matches!(redactor.text(spelling), Cow::Owned(_)))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::action;
    use super::super::parts::Reference;
    use super::*;
    use crate::manifest::{Action, Kind};
    use serde_json::json;
    use std::collections::BTreeMap;

    fn rendered(patch: Value, args: Value) -> Result<Rendered, ErrorObject> {
        let action = action("probe", &patch);
        let credentials = Credentials::new(
            BTreeMap::from([
                ("TOKEN".to_owned(), "tok-0123456789".to_owned()),
                (
                    "LINES".to_owned(),
                    "first-line\r\nX-Injected: yes".to_owned(),
                ),
            ]),
            BTreeMap::from([("REGION".to_owned(), "eu".to_owned())]),
            "",
        );
        render(
            &Reference,
            api(&action),
            &args,
            &credentials,
            Some("key".to_owned()),
        )
    }

    fn api(action: &Action) -> &InvokeApi {
        match &action.kind {
            Kind::InvokeApi(api) => api,
            _ => panic!("an API action"),
        }
    }

    fn header<'r>(request: &'r Rendered, name: &str) -> Option<&'r str> {
        request
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    #[test]
    fn bodies_hold_exactly_the_arguments() {
        let request = rendered(
            json!({"auth": "Bearer ${TOKEN}"}),
            json!({"a": [1], "b": "${TOKEN}"}),
        )
        .expect("renders");
        assert_eq!(request.body.as_deref(), Some(r#"{"a":[1],"b":"${TOKEN}"}"#));
        assert_eq!(
            header(&request, "authorization"),
            Some("Bearer tok-0123456789")
        );
        assert_eq!(header(&request, "content-type"), Some("application/json"));
        assert_eq!(header(&request, "idempotency-key"), Some("key"));
        assert_eq!(
            request.url.as_str(),
            "https://service.example.com/v1/things"
        );
        assert!(!format!("{request:?}").contains("tok-"));
    }

    #[test]
    fn queries_are_encoded_by_the_table() {
        let args = json!({"s": "a b&c", "n": 1.5, "t": true, "l": ["x", 2, ["y"], null], "e": [], "o": {"k": 1}, "z": null});
        let patch =
            json!({"method": "GET", "endpoint": "https://service.example.com/${REGION}?fixed=1"});
        let request = rendered(patch, args).expect("renders");
        assert_eq!(request.url.path(), "/eu");
        assert_eq!(
            request.url.query(),
            Some("fixed=1&s=a+b%26c&n=1.5&t=true&l=x&l=2&l=%5B%22y%22%5D&o=%7B%22k%22%3A1%7D")
        );
        assert_eq!(
            (&request.body, header(&request, "idempotency-key")),
            (&None, None)
        );
        let bare = rendered(json!({"method": "DELETE"}), json!({})).expect("renders");
        assert_eq!(bare.url.query(), None);
        assert_eq!(header(&bare, "idempotency-key"), Some("key"));
    }

    #[test]
    fn a_request_map_decides_what_is_sent() {
        let map = json!({"/duration": "/duration_minutes", "/deep/er": "/who", "/from": {"const": "bot"}, "/gone": "/missing"});
        let request = rendered(
            json!({"request_map": map}),
            json!({"duration_minutes": 45, "who": ["a"], "x": 1}),
        )
        .expect("renders");
        let body: Value = serde_json::from_str(&request.body.expect("a body")).expect("json");
        assert_eq!(
            body,
            json!({"duration": 45, "deep": {"er": ["a"]}, "from": "bot"})
        );
    }

    #[test]
    fn credentials_that_cannot_be_sent_stop_the_request() {
        let code = |patch: Value| {
            rendered(patch, json!({}))
                .map_err(|error| error.code)
                .map(|_| ())
        };
        assert_eq!(
            code(json!({"auth": "${UNSET}"})),
            Err(Code::MissingCredential)
        );
        assert_eq!(
            code(json!({"headers": {"X-A": "${LINES}"}})),
            Err(Code::InvalidCredential)
        );
        assert_eq!(
            code(json!({"endpoint": "https://service.example.com/${TOKEN}"})),
            Err(Code::MissingCredential)
        );
    }

    #[test]
    fn redirects_stay_within_the_origin_and_are_counted() {
        let url = |text: &str| Url::parse(text).expect("a URL");
        let (here, there) = (url("https://a.example/x"), url("https://a.example:443/y"));
        assert!(follow_redirect(Method::Get, &here, &there, 4));
        assert!(!follow_redirect(Method::Get, &here, &there, 5));
        assert!(!follow_redirect(Method::Post, &here, &there, 0));
        for other in [
            "http://a.example/y",
            "https://a.example:444/y",
            "https://b.example/y",
        ] {
            assert!(
                !follow_redirect(Method::Get, &here, &url(other), 0),
                "{other}"
            );
        }
    }

    #[test]
    fn a_secret_in_a_url_is_seen_in_any_spelling() {
        let redactor = Redactor::new(&super::super::redact::encodings("cal-tok+en/3f9a1c77=="));
        let tells = |text: &str| tells_secret(&Url::parse(text).expect("a URL"), &redactor);
        for told in [
            "https://a.example/x?t=cal-tok+en/3f9a1c77==",
            "https://a.example/cal-tok+en/3f9a1c77==/y",
            "https://a.example/%63al-tok%2ben/3f9a1c77==",
        ] {
            assert!(tells(told), "{told}");
        }
        assert!(!tells("https://a.example/cal-tok?x=%63al"));
    }

    #[test]
    fn derived_keys_repeat_and_differ() {
        assert_eq!(derived_key("s", 1, "a"), derived_key("s", 1, "a"));
        assert_ne!(derived_key("s", 1, "a"), derived_key("s", 2, "a"));
        assert_eq!(
            target(&Url::parse("http://u:p@h/p?q=1#f").expect("a URL")),
            "http://h/p"
        );
    }
}
