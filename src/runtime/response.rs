//! What the reply of a service means (`spec/actions.md`, section 3).

use serde_json::Value;

use super::error::{Code, ErrorObject};
use crate::diagnostic::Violation;
use crate::json::{self, Duplicates, Limits};
use crate::manifest::Action;

/// The largest reply of a service that is read, in bytes.
pub const LARGEST_REPLY: usize = 1024 * 1024;

/// The output that a reply carries, not yet redacted or validated.
///
/// # Errors
/// `upstream_status` for anything but 2xx, `invalid_response` for a body that is not JSON.
pub fn classify(status: u16, body: &[u8]) -> Result<Value, ErrorObject> {
    if !(200..300).contains(&status) {
        return Err(upstream_status(status));
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let limits = Limits {
        bytes: LARGEST_REPLY,
        depth: Limits::DOCUMENT.depth,
    };
    json::read(body, &limits, Duplicates::KeepLast).map_err(|error| {
        let code = if error.code == "too_large" {
            Code::ResponseTooLarge
        } else {
            Code::InvalidResponse
        };
        ErrorObject::new(
            code,
            "the service's reply is not one JSON value of allowed size",
        )
        .with("reason", error.code)
    })
}

/// A status that fails the action; worth another try when the service says it is busy or broken.
pub fn upstream_status(status: u16) -> ErrorObject {
    ErrorObject::new(
        Code::UpstreamStatus,
        format!("the service answered {status}"),
    )
    .with("status", status)
    .retryable(matches!(status, 408 | 429 | 500..=599))
}

/// The service did not finish in time.
pub fn timed_out(limit_ms: u128) -> ErrorObject {
    ErrorObject::new(
        Code::UpstreamTimeout,
        format!("the service did not finish within {limit_ms} ms"),
    )
}

/// The service was not reached, or broke off.
pub fn unreachable() -> ErrorObject {
    ErrorObject::new(
        Code::UpstreamUnreachable,
        "the service could not be reached or broke off its reply",
    )
}

/// The reply is of a kind that is not read.
pub fn unreadable() -> ErrorObject {
    ErrorObject::new(
        Code::InvalidResponse,
        "the service's reply is of a media type that is not read",
    )
}

/// The reply is longer than allowed.
pub fn too_large(limit: usize) -> ErrorObject {
    ErrorObject::new(
        Code::ResponseTooLarge,
        format!("the service's reply is longer than {limit} bytes"),
    )
}

/// A redirect that must not be followed.
pub fn redirect_refused(status: u16) -> ErrorObject {
    ErrorObject::new(
        Code::RedirectRefused,
        "the service redirected to another origin, too often, or for a method other than GET",
    )
    .with("status", status)
}

/// What is wrong with an output; empty when it satisfies the output schema.
pub fn check_output(action: &Action, output: &Value) -> Vec<Violation> {
    if action.output.is_valid(output) {
        Vec::new()
    } else {
        action.output.violations(output)
    }
}

/// The failure of an output that does not satisfy its schema.
pub fn invalid_output(action: &Action, violations: &[Violation]) -> ErrorObject {
    ErrorObject::new(
        Code::OutputValidationFailed,
        format!(
            "the output does not satisfy the output schema of `{}`",
            action.name
        ),
    )
    .with_violations(violations)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::action;
    use super::*;
    use serde_json::json;

    fn code(status: u16, body: &str) -> Result<Value, (Code, bool)> {
        classify(status, body.as_bytes()).map_err(|error| (error.code, error.retryable))
    }

    #[test]
    fn only_2xx_with_json_or_nothing_is_an_output() {
        assert_eq!(code(200, r#"{"a":1}"#), Ok(json!({"a": 1})));
        assert_eq!(code(201, "3"), Ok(json!(3)));
        assert_eq!(code(204, ""), Ok(Value::Null));
        for body in ["<html>", "{\"a\":NaN}", "{} {}", " "] {
            assert_eq!(
                code(200, body),
                Err((Code::InvalidResponse, false)),
                "{body}"
            );
        }
        assert_eq!(
            classify(200, b"\xff").map_err(|e| e.code),
            Err(Code::InvalidResponse)
        );
        let large = format!("\"{}\"", "a".repeat(LARGEST_REPLY));
        assert_eq!(code(200, &large), Err((Code::ResponseTooLarge, false)));
    }

    #[test]
    fn a_busy_or_broken_service_is_worth_another_try() {
        for (status, again) in [
            (304, false),
            (400, false),
            (404, false),
            (408, true),
            (409, false),
            (429, true),
            (500, true),
            (503, true),
        ] {
            assert_eq!(
                code(status, "{}"),
                Err((Code::UpstreamStatus, again)),
                "{status}"
            );
        }
        assert_eq!(upstream_status(418).details["status"], 418);
    }

    #[test]
    fn outputs_are_checked_with_places() {
        let action = action(
            "probe",
            &json!({"output_schema": {"properties": {"n": {"type": "integer"}}}}),
        );
        let violations = check_output(&action, &json!({"n": "x"}));
        assert_eq!(
            invalid_output(&action, &violations).details["violations"][0]["pointer"],
            "/n"
        );
        assert!(check_output(&action, &json!({"n": 1})).is_empty());
    }
}
