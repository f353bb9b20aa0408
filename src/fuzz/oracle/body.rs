//! Bodies that have to be refused, by `spec/errors.md` section 2 and the schemas of the messages.

use serde_json::Value;

use crate::json::{self, Duplicates, Limits};
use crate::suite::target::HttpRequest;
use crate::suite::wire::Wire;

/// Why a body has to be refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// The code of the refusal; `None`: one of several.
    pub code: Option<&'static str>,
    /// The rule.
    pub requirement: &'static str,
}

/// What a body is.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// One that can be read: an object, `{}` where there is none.
    Good(Value),
    /// One that has to be refused.
    Bad(Objection),
    /// One that the spec leaves to the runtime.
    Free,
}

/// Reads the body of a request to a call that takes an object or nothing.
pub fn read(request: &HttpRequest, wire: &Wire) -> Body {
    let bad = |code, requirement| {
        Body::Bad(Objection {
            code: Some(code),
            requirement,
        })
    };
    if request.body.is_empty() {
        // Only a creation and an answer need something.
        let empty = Value::Object(serde_json::Map::new());
        return match shape(request, &empty, wire) {
            Some(_) => Body::Bad(Objection {
                code: None,
                requirement: "ERR-012",
            }),
            None => Body::Good(empty),
        };
    }
    let mut kinds = request
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let essence = kinds.next().map(|(_, kind)| {
        let essence = kind.split(';').next().unwrap_or_default();
        essence.trim().to_ascii_lowercase()
    });
    if kinds.next().is_some() {
        return Body::Free;
    }
    let is_json = essence.as_deref() == Some("application/json");
    let read = json::read(&request.body, &Limits::DOCUMENT, Duplicates::Refuse);
    if !is_json {
        return match read {
            Ok(_) => bad("unsupported_media_type", "ERR-011"),
            // Both are true of it.
            Err(_) => Body::Bad(Objection {
                code: None,
                requirement: "ERR-011",
            }),
        };
    }
    let body = match read {
        Ok(body) => body,
        Err(error) => {
            return match error.code {
                "too_large" => bad("too_large", "ERR-009"),
                "too_deep" => bad("too_deep", "ERR-010"),
                "invalid_utf8" => bad("invalid_utf8", "ERR-007"),
                "duplicate_key" => Body::Free,
                _ => bad("malformed_json", "ERR-006"),
            };
        }
    };
    if !body.is_object() {
        return bad("invalid_request", "ERR-012");
    }
    match shape(request, &body, wire) {
        Some(objection) => Body::Bad(objection),
        None => Body::Good(body),
    }
}

/// Why an object does not have the shape that its call wants.
fn shape(request: &HttpRequest, body: &Value, wire: &Wire) -> Option<Objection> {
    let findings = wire.request(&request.method, &request.path, Some(body));
    let first = findings.first()?;
    let pointer = first.difference.pointer.as_str();
    let about = |name: &str| pointer.starts_with(name) || body.get(&name[1..]).is_none();
    let requirement = if request.path.contains("/interventions/") {
        "HUM-004"
    } else if pointer.starts_with("/protocol") {
        "CAP-009"
    } else if pointer.starts_with("/max_steps") {
        "SES-006"
    } else if pointer.starts_with("/observation") {
        "OBS-001"
    } else if pointer.starts_with("/goal") || about("/goal") {
        "SES-005"
    } else {
        "ERR-012"
    };
    // Which of several is told, and whether a version is looked at first, is not said.
    let is_of_version = pointer.starts_with("/protocol");
    let single = findings.len() == 1 && !is_of_version && !body_names_a_version(body);
    Some(Objection {
        code: single.then_some("invalid_request"),
        requirement,
    })
}

fn body_names_a_version(body: &Value) -> bool {
    ["protocol_version", "protocolVersion"]
        .iter()
        .any(|name| body.get(name).is_some())
}

/// The keys that a request brings: in its header and in its body.
pub fn keys(request: &HttpRequest, body: &Value) -> (Option<String>, Option<Value>) {
    let header = request
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("idempotency-key"))
        .map(|(_, value)| value.clone());
    (header, body.get("requestId").cloned())
}

/// Whether a text can be a key.
pub fn is_key(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(path: &str, kind: Option<&str>, body: &[u8]) -> Body {
        let mut request = HttpRequest::new("POST", path);
        request.body = body.to_vec();
        if let Some(kind) = kind {
            request.default_header("content-type", kind);
        }
        read(&request, Wire::embedded().expect("the spec parses"))
    }

    fn requirement(path: &str, kind: Option<&str>, body: &[u8]) -> &'static str {
        match of(path, kind, body) {
            Body::Bad(objection) => objection.requirement,
            other => panic!("{other:?}"),
        }
    }

    const STEP: &str = "/sessions/a/step";
    const JSON: Option<&str> = Some("application/json; charset=utf-8");

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert_eq!(of(STEP, None, b""), Body::Good(json!({})));
        assert_eq!(of(STEP, JSON, b"{\"x\":1}"), Body::Good(json!({"x": 1})));
        assert_eq!(of(STEP, JSON, b"{\"x\":1,\"x\":2}"), Body::Free);
        assert_eq!(requirement(STEP, None, b"{}"), "ERR-011");
        assert_eq!(requirement(STEP, Some("text/plain"), b"{}"), "ERR-011");
        assert_eq!(requirement(STEP, JSON, b"{,}"), "ERR-006");
        assert_eq!(requirement(STEP, JSON, b"{\"a\":\"\xff\"}"), "ERR-007");
        assert_eq!(requirement(STEP, JSON, b"[]"), "ERR-012");
        assert_eq!(
            requirement(STEP, JSON, "[".repeat(65).as_bytes()),
            "ERR-010"
        );
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
        assert_eq!(requirement(STEP, JSON, long.as_bytes()), "ERR-009");
    }

    #[test]
    fn a_creation_has_its_shape() {
        let observation = json!({"timestamp": "2026-04-01T09:00:00Z", "user_context": {"user_id": "u", "preferences": {}}, "environment": {}});
        let body = |extra: Value| {
            let mut body = json!({"goal": {"description": "g"}, "observation": observation});
            if let (Value::Object(own), Value::Object(extra)) = (&mut body, extra) {
                own.extend(extra);
            }
            body.to_string().into_bytes()
        };
        assert!(matches!(
            of("/sessions", JSON, &body(json!({}))),
            Body::Good(_)
        ));
        for (extra, requirement_) in [
            (json!({"max_steps": 0}), "SES-006"),
            (json!({"goal": {}}), "SES-005"),
            (json!({"observation": {}}), "OBS-001"),
            (json!({"flags": 1}), "ERR-012"),
            (json!({"protocol_version": 2}), "CAP-009"),
        ] {
            assert_eq!(requirement("/sessions", JSON, &body(extra)), requirement_);
        }
        assert_eq!(
            requirement("/sessions/a/interventions/b", JSON, b"{}"),
            "HUM-004"
        );
    }
}
