//! Scripted answers of the services, among them replies that echo the caller's credential in many encodings.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use crate::entry::{Entry, Terms};
use crate::journal::Service;
use crate::wire::{Answer, Incoming};

/// The placeholders, for error texts.
pub(crate) const PLACEHOLDERS: &str = "{{credential}}, {{credential:base64}}, {{credential:base64url}}, {{credential:percent}} or {{credential:json}}";

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

const OPEN: &str = "{{credential";
const CLOSE: &str = "}}";

/// One entry of a service's script.
#[derive(Debug, Clone)]
pub(crate) struct ServiceEntry {
    pub(crate) method: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) saw: Vec<String>,
    pub(crate) answer: ServiceAnswer,
    pub(crate) terms: Terms,
}

/// What a service's entry does.
#[derive(Debug, Clone)]
pub(crate) enum ServiceAnswer {
    Reply(Reply),
    Fault(ServiceFault),
    /// To a path of the same origin, or of the named service's.
    Redirect {
        service: Option<Service>,
        path: String,
        status: u16,
    },
}

/// How a service fails below HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ServiceFault {
    Timeout,
    Disconnect,
    Truncated,
}

/// A scripted HTTP answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: ReplyBody,
    pub(crate) content_type: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
}

/// The body of a scripted answer.
#[derive(Debug, Clone)]
pub(crate) enum ReplyBody {
    None,
    Json(Value),
    Text(String),
    Bytes(Vec<u8>),
}

impl Entry for ServiceEntry {
    type Request = Incoming;

    fn terms(&self) -> &Terms {
        &self.terms
    }

    fn objections(&self, request: &Incoming) -> Vec<String> {
        let mut objections = Vec::new();
        if let Some(method) = self
            .method
            .as_ref()
            .filter(|method| **method != request.method)
        {
            objections.push(format!("the method is {}, not {method}", request.method));
        }
        if let Some(path) = self.path.as_ref().filter(|path| **path != request.path) {
            objections.push(format!("the path is {}, not {path}", request.path));
        }
        if !self.saw.is_empty() {
            let text = request.text();
            let missing = self.saw.iter().filter(|word| !text.contains(*word));
            objections.extend(missing.map(|word| format!("the body does not hold {word:?}")));
        }
        objections
    }

    fn summary(&self) -> String {
        let method = self.method.as_deref().unwrap_or("any method");
        let path = self.path.as_deref().unwrap_or("any path");
        let answer = match &self.answer {
            ServiceAnswer::Reply(reply) => format!("reply {}", reply.status),
            ServiceAnswer::Fault(ServiceFault::Timeout) => "fault timeout".to_owned(),
            ServiceAnswer::Fault(ServiceFault::Disconnect) => "fault disconnect".to_owned(),
            ServiceAnswer::Fault(ServiceFault::Truncated) => "fault truncated".to_owned(),
            ServiceAnswer::Redirect {
                service: None,
                path,
                status,
            } => format!("redirect {status} to {path}"),
            ServiceAnswer::Redirect {
                service: Some(service),
                path,
                status,
            } => {
                format!("redirect {status} to {service}:{path}")
            }
        };
        format!("{method} {path}: {answer}")
    }
}

impl ServiceEntry {
    /// The answer to a call whose bearer credential is `credential`; `locate` turns a redirect's target into an address.
    pub(crate) fn answer(
        &self,
        credential: &str,
        locate: impl Fn(Option<Service>, &str) -> String,
    ) -> Answer {
        let answer = match &self.answer {
            ServiceAnswer::Reply(reply) => reply.answer(credential),
            ServiceAnswer::Fault(ServiceFault::Timeout) => return Answer::held(),
            ServiceAnswer::Fault(ServiceFault::Disconnect) => return Answer::dropped(),
            ServiceAnswer::Fault(ServiceFault::Truncated) => {
                Answer::error(200, "cut_short", "the mock cuts this answer in the middle").cut()
            }
            ServiceAnswer::Redirect {
                service,
                path,
                status,
            } => Answer::empty(*status).with_header("location", &locate(*service, path)),
        };
        answer.after(self.terms.delay)
    }
}

impl Reply {
    fn answer(&self, credential: &str) -> Answer {
        let (default_type, body) = match &self.body {
            ReplyBody::None => (None, Vec::new()),
            ReplyBody::Json(value) => (
                Some("application/json"),
                fill_value(value, credential).to_string().into_bytes(),
            ),
            ReplyBody::Text(text) => (
                Some("text/plain; charset=utf-8"),
                fill(text, credential).into_bytes(),
            ),
            ReplyBody::Bytes(bytes) => (Some("application/octet-stream"), bytes.clone()),
        };
        let content_type = match &self.content_type {
            Some(given) => Some(fill(given, credential)),
            None => default_type.map(str::to_owned),
        };
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), fill(value, credential)))
            .collect();
        Answer {
            headers,
            content_type,
            body,
            ..Answer::empty(self.status)
        }
    }
}

/// The credential in the encoding that a placeholder names; `None` for an unknown one.
fn encode(credential: &str, encoding: &str) -> Option<String> {
    Some(match encoding {
        "" => credential.to_owned(),
        ":base64" => STANDARD.encode(credential),
        ":base64url" => URL_SAFE_NO_PAD.encode(credential),
        ":percent" => utf8_percent_encode(credential, RESERVED).to_string(),
        ":json" => {
            let quoted = Value::from(credential).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
        _ => return None,
    })
}

/// Replaces the placeholders of a text in one pass.
fn fill(text: &str, credential: &str) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        filled.push_str(before);
        let replaced = after
            .split_once(CLOSE)
            .and_then(|(encoding, tail)| Some((encode(credential, encoding)?, tail)));
        match replaced {
            Some((encoded, tail)) => {
                filled.push_str(&encoded);
                rest = tail;
            }
            None => {
                filled.push_str(OPEN);
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// Replaces the placeholders in all strings of a value, member names included.
fn fill_value(value: &Value, credential: &str) -> Value {
    match value {
        Value::String(text) => Value::String(fill(text, credential)),
        Value::Array(items) => items
            .iter()
            .map(|item| fill_value(item, credential))
            .collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (fill(name, credential), fill_value(value, credential)))
            .collect(),
        other => other.clone(),
    }
}

/// The first `{{credential…}}` of a reply that means nothing.
pub(crate) fn unknown_placeholder(reply: &Reply) -> Option<String> {
    let unknown = |text: &str| {
        text.split(OPEN).skip(1).find_map(|after| {
            let encoding = after
                .split_once(CLOSE)
                .map_or(after, |(encoding, _)| encoding);
            let known = after.contains(CLOSE) && encode("", encoding).is_some();
            (!known).then(|| {
                format!(
                    "{OPEN}{}{CLOSE}",
                    encoding.chars().take(40).collect::<String>()
                )
            })
        })
    };
    let body = match &reply.body {
        // Placeholders hold no character that JSON escapes, so its text can be searched as a whole.
        ReplyBody::Json(value) => unknown(&value.to_string()),
        ReplyBody::Text(text) => unknown(text),
        ReplyBody::None | ReplyBody::Bytes(_) => None,
    };
    let headers = reply
        .headers
        .iter()
        .map(|(_, value)| value)
        .chain(&reply.content_type);
    body.or_else(|| headers.into_iter().find_map(|value| unknown(value)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CREDENTIAL: &str = "cal-tok+en/3f9a1c77==";

    #[test]
    fn fills_each_encoding() {
        assert_eq!(
            fill("<{{credential}}>", CREDENTIAL),
            "<cal-tok+en/3f9a1c77==>"
        );
        assert_eq!(
            fill("{{credential:base64}}", CREDENTIAL),
            "Y2FsLXRvaytlbi8zZjlhMWM3Nz09"
        );
        assert_eq!(fill("{{credential:base64url}}", "??>>"), "Pz8-Pg");
        assert_eq!(
            fill("{{credential:percent}}", CREDENTIAL),
            "cal-tok%2Ben%2F3f9a1c77%3D%3D"
        );
        assert_eq!(fill("{{credential:json}}", "a\"b\\c\n"), "a\\\"b\\\\c\\n");
        assert_eq!(
            fill("{{credential}}{{credential:percent}} {{other}}", "a+"),
            "a+a%2B {{other}}"
        );
    }

    #[test]
    fn fills_once_only_and_leaves_the_rest() {
        assert_eq!(fill("{{credential}}", "{{credential}}"), "{{credential}}");
        assert_eq!(fill("a {{credential", "x"), "a {{credential");
        assert_eq!(
            fill_value(&json!({"{{credential}}": ["{{credential}}", 1, null]}), "x"),
            json!({"x": ["x", 1, null]})
        );
    }

    #[test]
    fn unknown_placeholders_are_found() {
        let reply = |text: &str| Reply {
            status: 200,
            body: ReplyBody::Json(json!([text])),
            content_type: None,
            headers: Vec::new(),
        };
        assert_eq!(
            unknown_placeholder(&reply("{{credential:rot13}}")).as_deref(),
            Some("{{credential:rot13}}")
        );
        assert_eq!(
            unknown_placeholder(&reply("{{credential:json}} {{else}}")),
            None
        );
        assert!(unknown_placeholder(&reply("{{credential ")).is_some());
    }
}
