//! The members of `invoke_api`.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;

use super::members::{Members, read_text};
use super::report::Report;
use super::{InvokeApi, Mapping, Method, Text, endpoint};
use crate::json;

/// The members that only actions of this type have.
pub(super) const KNOWN: &[&str] = &[
    "endpoint",
    "method",
    "auth",
    "headers",
    "timeout_ms",
    "request_map",
    "response_map",
    "cache",
    "batch",
];

const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 1..=600_000;
const DEFAULT_TIMEOUT_MS: u64 = 10_000;

/// Headers that belong to the connection or to the framing of the message, so the runtime alone writes them.
const FORBIDDEN: [&str; 11] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header, its name in lower case, is the connection's or the framing's, and so for the runtime alone to write.
pub fn belongs_to_connection(name: &str) -> bool {
    FORBIDDEN.contains(&name)
}

/// Reads the members; none when one that is required is missing or wrong.
pub(super) fn read(members: &Members<'_>, report: &mut Report) -> Option<InvokeApi> {
    let endpoint = read_endpoint(members, report);
    let method = read_method(members, report);
    let auth = read_auth(members, report);
    let headers = read_headers(members, report);
    let timeout = members.integer("timeout_ms", TIMEOUT_MS, DEFAULT_TIMEOUT_MS, report);
    let mut map = |name| {
        let value = members.get(name)?;
        Mapping::read(value, &members.place(name), report)
    };
    let request_map = map("request_map");
    let response_map = map("response_map");
    Some(InvokeApi {
        endpoint: endpoint?,
        method: method?,
        auth,
        headers,
        timeout: Duration::from_millis(timeout),
        request_map,
        response_map,
        cache: None,
        batch: None,
    })
}

fn read_endpoint(members: &Members<'_>, report: &mut Report) -> Option<Text> {
    let source = members.required_text("endpoint", report)?;
    let place = members.place("endpoint");
    let text = parse(source, &place, report)?;
    // A digit may stand in a host, a port, a path and a query alike.
    if let Some(why) = endpoint::defect(&text.with_placeholder("1")) {
        report.refuse(&place, "invalid_endpoint", why);
        return None;
    }
    Some(text)
}

fn read_auth(members: &Members<'_>, report: &mut Report) -> Option<Text> {
    let source = members.text("auth", report)?;
    let place = members.place("auth");
    let auth = read_header_value(source, &place, report)?;
    if auth.variables().next().is_none() {
        report.warn(
            &place,
            "literal_credential",
            "refer to a credential by its name, as in \"Bearer ${TOKEN}\"; a manifest is no place for one",
        );
    }
    Some(auth)
}

fn read_method(members: &Members<'_>, report: &mut Report) -> Option<Method> {
    let (value, place) = members.require("method", report)?;
    let Value::String(name) = value else {
        report.wrong_type(&place, "the name of an HTTP method", value);
        return None;
    };
    let method = Method::ALL
        .into_iter()
        .find(|method| method.as_str() == name);
    if method.is_none() {
        let names = Method::ALL.map(Method::as_str).join(", ");
        report.refuse(&place, "enum", format!("write one of {names}, in capitals"));
    }
    method
}

fn read_headers(members: &Members<'_>, report: &mut Report) -> Vec<(String, Text)> {
    let Some(value) = members.get("headers") else {
        return Vec::new();
    };
    let pointer = members.place("headers");
    let Value::Object(fields) = value else {
        report.wrong_type(&pointer, "an object of header names and values", value);
        return Vec::new();
    };
    let mut seen = HashSet::new();
    let mut headers = Vec::new();
    for (name, value) in fields {
        let place = json::push(&pointer, name);
        let folded = name.to_ascii_lowercase();
        if !is_token(name) {
            report.refuse(
                &place,
                "invalid_header",
                "write an HTTP field name: letters, digits and !#$%&'*+-.^_`|~",
            );
        } else if belongs_to_connection(&folded) {
            report.refuse(
                &place,
                "forbidden_header",
                "leave this header out; it belongs to the connection",
            );
        } else if folded == "authorization" && members.get("auth").is_some() {
            report.refuse(
                &place,
                "forbidden_header",
                "leave this header out, or leave out \"auth\", which sets the same one",
            );
        } else if !seen.insert(folded) {
            report.refuse(
                &place,
                "duplicate_header",
                "give each header once; case makes no difference in its name",
            );
        }
        let text = match value {
            // Unlike other texts, a header's value may be empty.
            Value::String(source) if source.is_empty() => parse(source, &place, report),
            value => read_text(value, &place, report)
                .and_then(|source| read_header_value(source, &place, report)),
        };
        headers.extend(text.map(|text| (name.clone(), text)));
    }
    headers
}

fn read_header_value(source: &str, place: &str, report: &mut Report) -> Option<Text> {
    let fits = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte);
    if !source.bytes().all(fits) {
        report.refuse(
            place,
            "invalid_header",
            "write printable ASCII without line breaks, as a header's value holds it",
        );
        return None;
    }
    parse(source, place, report)
}

fn parse(source: &str, place: &str, report: &mut Report) -> Option<Text> {
    Text::parse(source)
        .map_err(|why| report.refuse(place, "invalid_variable", why))
        .ok()
}

/// A token of RFC 9110.
fn is_token(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}
