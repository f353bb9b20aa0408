//! The bodies of answers, and what else is written on the wire the same way everywhere.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::error::{Code, ErrorObject};
use super::opening::HIGHEST_MAX_STEPS;
use super::sandbox;
use super::session::status::Status;
use super::session::{Outcome, Session, manifest_reference};
use crate::json::Limits;
use crate::manifest::Manifest;
use crate::model::ModelFailure;
use crate::requirement::Profile;

/// The version of the protocol.
pub const PROTOCOL_VERSION: &str = "2.0";

/// RFC 3339 in UTC with milliseconds.
pub fn format_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// 122 random bits as a UUID.
pub fn session_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The answer of `GET /capabilities` (`spec/capabilities.md`, section 3).
pub fn capabilities(
    profiles: &[Profile],
    body: Limits,
    observation_bytes: usize,
    attempts: u32,
) -> Value {
    let names: Vec<&str> = profiles.iter().map(|profile| profile.name()).collect();
    json!({
        "protocol_version": PROTOCOL_VERSION,
        "profiles": names,
        "runtimes": sandbox::asked::runtimes(profiles),
        "limits": {
            "body_bytes": body.bytes, "observation_bytes": observation_bytes, "nesting": body.depth,
            "max_steps": HIGHEST_MAX_STEPS, "model_attempts": attempts,
        },
        "implementation": {"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")},
    })
}

/// The answer of `GET /healthz` while work is accepted.
pub fn health() -> Value {
    json!({"status": "ok"})
}

/// The answer of `GET /manifests`.
pub fn manifest_list(manifests: &[Arc<Manifest>]) -> Value {
    let listed: Vec<Value> = manifests
        .iter()
        .map(|manifest| manifest_reference(manifest))
        .collect();
    json!({"manifests": listed})
}

/// The answer of `GET /manifests/{name@version}`.
pub fn manifest_answer(manifest: &Manifest) -> Value {
    let mut answer = manifest_reference(manifest);
    answer["manifest"] = manifest.document.clone();
    answer
}

/// The answer of `POST /sessions`.
pub fn created_answer(session: &Session) -> Answer {
    Answer::new(
        201,
        json!({
            "session_id": session.id(), "status": session.status().name(),
            "manifest": session.manifest_reference(), "protocol_version": PROTOCOL_VERSION,
        }),
    )
}

/// The answer of `GET /sessions/{id}`, but for the pending question.
pub fn session_answer(session: &Session) -> Value {
    json!({
        "session_id": session.id(), "status": session.status().name(), "steps_done": session.steps_done(),
        "observation": **session.observation(), "manifest": session.manifest_reference(),
    })
}

/// The answer to a step call.
pub fn step_answer(outcome: &Outcome) -> Value {
    let mut answer = Map::new();
    answer.insert(
        "result".to_owned(),
        outcome.result.clone().unwrap_or_default(),
    );
    answer.insert("steps_done".to_owned(), json!(outcome.steps_done));
    answer.insert("status".to_owned(), json!(outcome.status.name()));
    answer.insert(
        "completed".to_owned(),
        json!(outcome.status == Status::Completed),
    );
    if let Some(pending) = &outcome.pending {
        answer.insert("pending".to_owned(), pending.clone());
    }
    Value::Object(answer)
}

/// The answer of closing.
pub fn close_answer(session_id: &str, transcript: &Value) -> Value {
    json!({"session_id": session_id, "status": Status::Closed.name(), "transcript": transcript})
}

/// The answer to a step call whose model failed.
pub fn model_failure_answer(failure: &ModelFailure) -> Answer {
    let mut error = ErrorObject::new(
        Code::LlmUnavailable,
        format!("{}; nothing was done, call again later", failure.message),
    );
    if let Some(status) = failure.status {
        error = error.with("status", status);
    }
    let answer = Answer::new(Code::LlmUnavailable.status(), error.to_value());
    match &failure.retry_after {
        Some(time) => answer.with_header("retry-after", time.clone()),
        None => answer,
    }
}

/// An ActionResult: of an output, or of an error object.
pub fn action_result(action_name: &str, output: Option<&Value>, error: Option<Value>) -> Value {
    json!({
        "action_name": action_name,
        "success": error.is_none(),
        "output": output.filter(|_| error.is_none()),
        "error": error,
    })
}

/// The ActionResult of an action that was skipped.
pub fn skipped_result(action_name: &str) -> Value {
    json!({"action_name": action_name, "success": true, "output": null, "error": null, "status": "skipped"})
}

/// An ActionResult with the results of the attempts that led to it.
pub fn with_attempts(mut result: Value, attempts: Vec<Value>) -> Value {
    if let Value::Object(members) = &mut result {
        members.insert("attempts".to_owned(), Value::Array(attempts));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_a_z() {
        let time = Timestamp::from_millisecond(1_774_708_330_007).expect("in range");
        assert_eq!(format_time(time), "2026-03-28T14:32:10.007Z");
        assert_eq!(
            format_time(Timestamp::UNIX_EPOCH),
            "1970-01-01T00:00:00.000Z"
        );
    }

    #[test]
    fn results_are_either_success_or_failure() {
        let good = action_result("a", Some(&Value::Null), None);
        assert_eq!(
            good,
            json!({"action_name": "a", "success": true, "output": null, "error": null})
        );
        let bad = action_result("a", None, Some(json!({"errorCode": "x"})));
        assert_eq!(
            (&bad["success"], &bad["output"]),
            (&json!(false), &Value::Null)
        );
    }

    #[test]
    fn a_model_failure_passes_the_time_on() {
        let failure = ModelFailure {
            retry_after: Some("7".to_owned()),
            status: Some(429),
            ..ModelFailure::new("busy")
        };
        let answer = model_failure_answer(&failure);
        assert_eq!(
            (answer.status, answer.headers.as_slice()),
            (503, [("retry-after", "7".to_owned())].as_slice())
        );
        assert_eq!(answer.body["retryable"], true);
    }

    #[test]
    fn session_ids_differ_and_have_the_allowed_form() {
        let id = session_id();
        assert_ne!(id, session_id());
        assert!(
            (22..=128).contains(&id.len())
                && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        );
    }
}
