//! What the scripted model said and what the scripted services answered, looked up in the script by the entry that the journal names.

use mock_services::{Call, ModelWire, Service};
use serde_json::Value;

use crate::json::{self, Duplicates, Limits};
use crate::suite::case::Case;
use crate::suite::secrets::Secrets;
use crate::suite::substitute::substitute_token;

/// Longest delay of a reply of the model of which it is known that a runtime waits so long, in milliseconds.
const PATIENT: u64 = 300;

/// A service's reply may be so long, in bytes.
const MOST_REPLY: usize = 1024 * 1024;

/// Deeper texts are not read here: what a runtime does with them it may say itself.
const DEPTH: usize = 60;

/// The marks under which a service echoes a credential.
const ECHO: &str = "{{credential";

/// The scripts of one run.
#[derive(Debug)]
pub struct Scripts {
    script: Value,
    wire: ModelWire,
}

/// What the model did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It said this.
    Text(String),
    /// It said something that was cut off at its longest length.
    CutOff(String),
    /// It failed; whether it asked to be left alone for a while.
    Failed(bool),
    /// The spec leaves it to the runtime what this is.
    Free,
}

/// What a service answered, as far as an action is concerned.
#[derive(Debug, Clone, PartialEq)]
pub enum Got {
    /// An output, before any `response_map`.
    Output(Value),
    /// It fails the action so.
    Failure(Failure),
    /// A redirect within the origin.
    Redirect,
    /// A redirect to another origin.
    Elsewhere,
    /// The script does not say what.
    Unknown,
}

/// How an action fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The code.
    pub code: &'static str,
    /// The rule.
    pub requirement: &'static str,
    /// The status of the service, where the error names it.
    pub status: Option<u16>,
}

impl Failure {
    /// A failure without a status.
    pub const fn of(code: &'static str, requirement: &'static str) -> Self {
        Self {
            code,
            requirement,
            status: None,
        }
    }
}

impl Scripts {
    /// Those of a case that ran under a token.
    pub fn new(case: &Case, token: &str, wire: ModelWire) -> Self {
        Self {
            script: substitute_token(&case.script(), token),
            wire,
        }
    }

    /// What the model did about a call.
    pub fn said(&self, call: &Call) -> Said {
        let Some(entry) = call.entry else {
            return Said::Failed(false);
        };
        let Some(entry) = self.script.pointer(&format!("/model/{entry}")) else {
            return Said::Free;
        };
        if number(entry, "delay_ms") > PATIENT {
            return Said::Free;
        }
        if let Some(fault) = entry.get("fault").and_then(Value::as_str) {
            return match fault {
                // Its body is whole and well-formed, only announced as something else.
                "wrong_type" => Said::Free,
                _ => Said::Failed(entry.get("retry_after").is_some()),
            };
        }
        let text = match (entry.get("emit"), entry.get("text").and_then(Value::as_str)) {
            (Some(value), None) => value.to_string(),
            (None, Some(text)) => text.to_owned(),
            _ => return Said::Free,
        };
        match entry.get("finish_reason").and_then(Value::as_str) {
            None | Some("stop") => Said::Text(text),
            Some("length") => Said::CutOff(text),
            Some("max_tokens" | "MAX_TOKENS") if self.wire != ModelWire::OpenAi => Said::Free,
            Some(_) => Said::Text(text),
        }
    }

    /// What a service answered to a call of an action with this limit of time.
    pub fn got(&self, call: &Call, timeout_ms: u64, secrets: &Secrets) -> Got {
        let Some(entry) = call.entry else {
            return match call.status {
                200..=299 => Got::Unknown,
                0 => Got::Unknown,
                status => of_status(status),
            };
        };
        let pointer = format!("/services/{}/script/{entry}", call.service.name());
        let Some(entry) = self.script.pointer(&pointer) else {
            return Got::Unknown;
        };
        let delay = number(entry, "delay_ms");
        // Between the two a loaded machine decides.
        if delay > 0 && delay.saturating_mul(3) > timeout_ms {
            return if delay >= timeout_ms.saturating_mul(2) {
                Got::Failure(Failure::of("upstream_timeout", "ACT-016"))
            } else {
                Got::Unknown
            };
        }
        if let Some(fault) = entry.get("fault").and_then(Value::as_str) {
            return match fault {
                "timeout" => Got::Failure(Failure::of("upstream_timeout", "ACT-016")),
                _ => Got::Failure(Failure::of("upstream_unreachable", "ACT-017")),
            };
        }
        if let Some(redirect) = entry.get("redirect") {
            let to = redirect
                .get("to")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let here = to.starts_with('/') || to.starts_with(&format!("{}:", call.service.name()));
            return if here { Got::Redirect } else { Got::Elsewhere };
        }
        let Some(reply) = entry.get("reply") else {
            return Got::Unknown;
        };
        of_reply(reply, secrets)
    }
}

fn of_reply(reply: &Value, secrets: &Secrets) -> Got {
    let status = reply.get("status").and_then(Value::as_u64).unwrap_or(200);
    let status = u16::try_from(status).unwrap_or(u16::MAX);
    if !(200..300).contains(&status) {
        let located = |headers: &serde_json::Map<String, Value>| {
            headers
                .keys()
                .any(|name| name.eq_ignore_ascii_case("location"))
        };
        if reply
            .get("headers")
            .and_then(Value::as_object)
            .is_some_and(located)
        {
            return Got::Unknown;
        }
        return of_status(status);
    }
    if reply.to_string().contains(ECHO) || reply.get("base64").is_some() {
        return Got::Unknown;
    }
    let text = match (reply.get("json"), reply.get("text").and_then(Value::as_str)) {
        (Some(value), None) => value.to_string(),
        (None, Some(text)) => text.to_owned(),
        (None, None) => return Got::Output(Value::Null),
        _ => return Got::Unknown,
    };
    if text.is_empty() {
        return Got::Output(Value::Null);
    }
    if text.len() > MOST_REPLY {
        return Got::Failure(Failure::of("response_too_large", "ACT-015"));
    }
    let limits = Limits {
        bytes: MOST_REPLY,
        depth: DEPTH,
    };
    let redacted = secrets.redact_text(&text);
    match json::read(redacted.as_bytes(), &limits, Duplicates::Refuse) {
        Ok(value) => Got::Output(value),
        Err(error) if error.code == "malformed_json" => {
            Got::Failure(Failure::of("invalid_response", "ACT-013"))
        }
        Err(_) => Got::Unknown,
    }
}

fn of_status(status: u16) -> Got {
    Got::Failure(Failure {
        code: "upstream_status",
        requirement: "ACT-011",
        status: Some(status),
    })
}

fn number(entry: &Value, member: &str) -> u64 {
    entry
        .get(member)
        .and_then(Value::as_u64)
        .unwrap_or_default()
}

/// Whether a call was one to the model.
pub fn is_model(call: &Call) -> bool {
    call.service == Service::Model
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn got(reply: Value) -> Got {
        of_reply(&reply, &Secrets::default())
    }

    #[test]
    fn replies_are_outputs_or_failures() {
        assert_eq!(got(json!({"json": {"a": 1}})), Got::Output(json!({"a": 1})));
        assert_eq!(got(json!({"status": 204})), Got::Output(Value::Null));
        let code = |reply| match got(reply) {
            Got::Failure(failure) => (failure.code, failure.status),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            code(json!({"status": 500, "json": {}})),
            ("upstream_status", Some(500))
        );
        assert_eq!(code(json!({"text": "<p>"})), ("invalid_response", None));
        let long = format!("\"{}\"", "x".repeat(MOST_REPLY));
        assert_eq!(code(json!({"text": long})), ("response_too_large", None));
        assert_eq!(got(json!({"json": "{{credential}}"})), Got::Unknown);
        assert_eq!(got(json!({"text": "{\"a\":1,\"a\":2}"})), Got::Unknown);
    }
}
