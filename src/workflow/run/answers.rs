//! What a call is answered with (`spec/workflows.md`, sections 4, 10.8 and 12).

use serde_json::{Map, Value, json};

use crate::json;
use crate::runtime::answer::Answer;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::idempotency::Keyed;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Every node was reached, and none failed for good.
    Completed,
    /// A node failed, or a new plan did.
    Failed,
}

impl Status {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Status::Completed => "completed",
            Status::Failed => "failed",
        }
    }
}

/// A call that ran to its end.
#[derive(Debug, Clone)]
pub struct Ended {
    /// How.
    pub status: Status,
    /// The state afterwards.
    pub state: Value,
    /// The results of the nodes that were reached.
    pub results: Vec<Value>,
    /// The error object, when it failed.
    pub error: Option<Value>,
    /// The position of the failed result, when it failed.
    pub failed_index: Option<usize>,
    /// The output, when `open_action` was one node.
    pub result: Option<Value>,
    /// `protocolVersion`.
    pub version: Option<&'static str>,
}

/// The 200 of a call that ran to its end.
pub fn execute(ended: &Ended) -> Answer {
    let mut body = versioned(ended.version);
    body.insert("status".to_owned(), json!(ended.status.name()));
    body.insert("state".to_owned(), ended.state.clone());
    body.insert("results".to_owned(), json!(ended.results));
    if let Some(result) = &ended.result {
        body.insert("result".to_owned(), result.clone());
    }
    if let Some(error) = &ended.error {
        body.insert("error".to_owned(), error.clone());
    }
    if let Some(index) = ended.failed_index {
        body.insert("failed_index".to_owned(), json!(index));
    }
    Answer::ok(Value::Object(body))
}

fn versioned(version: Option<&str>) -> Map<String, Value> {
    let version = version.map(|version| ("protocolVersion".to_owned(), json!(version)));
    version.into_iter().collect()
}

/// The output of a call's one node; whatever a new plan brought after it has its own results.
pub fn single_result(results: &[Value]) -> Value {
    let output = results.first().and_then(|result| result.get("output"));
    output.cloned().unwrap_or_default()
}

/// Whether a failure is answered with its own status: nothing was executed, so nothing can be lost.
pub fn refused_by_status(error: &ErrorObject, executed: bool) -> bool {
    !executed && matches!(error.code, Code::RateLimited | Code::StateTooLarge)
}

/// The 200 of `POST /plan`.
pub fn plan(nodes: &Value, version: Option<&str>) -> Answer {
    let mut body = versioned(version);
    body.insert("plan".to_owned(), nodes.clone());
    Answer::ok(Value::Object(body))
}

/// The result of a skipped node.
pub fn skipped(label: &str) -> Value {
    json!({"action_name": label, "success": true, "output": null, "error": null, "status": "skipped"})
}

/// The result of an attempt with what its code wrote (sandbox.md 7.5).
pub fn with_logs(mut result: Value, logs: Option<String>) -> Value {
    if let (Value::Object(members), Some(logs)) = (&mut result, logs) {
        members.insert("logs".to_owned(), Value::String(logs));
    }
    result
}

/// The result of a node whose fallback ran, with the result of each attempt.
pub fn with_attempts(mut result: Value, attempts: Vec<Value>) -> Value {
    if let Value::Object(members) = &mut result {
        members.insert("attempts".to_owned(), Value::Array(attempts));
    }
    result
}

/// A question to a person, as the caller gets it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The question's id.
    pub id: &'a str,
    /// The prompt, resolved.
    pub prompt: &'a str,
    /// The action, resolved, with its fallback.
    pub action: &'a Value,
    /// RFC 3339.
    pub expires_at: &'a str,
    /// The results so far.
    pub results: &'a [Value],
    /// The state so far.
    pub state: &'a Value,
    /// What the caller sends again with the decision.
    pub resume: &'a Value,
    /// `protocolVersion`.
    pub version: Option<&'static str>,
}

/// The 202 of a call that waits for a person.
pub fn question(asked: &Asked<'_>) -> Answer {
    let mut body = versioned(asked.version);
    body.insert("status".to_owned(), json!("awaiting_approval"));
    body.insert(
        "approval".to_owned(),
        json!({"id": asked.id, "prompt": asked.prompt, "action": asked.action, "expires_at": asked.expires_at}),
    );
    body.insert("state".to_owned(), asked.state.clone());
    body.insert("results".to_owned(), json!(asked.results));
    body.insert("resume".to_owned(), asked.resume.clone());
    Answer::new(202, Value::Object(body))
}

/// An action as it will run.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Its name in the results.
    pub label: &'a str,
    /// The plugin that it is.
    pub plugin: Option<&'a str>,
    /// The resolved input.
    pub input: &'a Value,
}

/// An action node as a person sees it: what will run, and with what; its conditional has been decided.
pub fn shown_action(action: &Shown<'_>, fallback: Option<&Shown<'_>>) -> Value {
    let node = |shown: &Shown<'_>| {
        let mut members = Map::new();
        members.insert("@type".to_owned(), json!("OpenAction:Action"));
        members.insert("name".to_owned(), json!(shown.label));
        if let Some(plugin) = shown.plugin {
            members.insert("pluginReference".to_owned(), json!(plugin));
        }
        members.insert("input".to_owned(), shown.input.clone());
        members
    };
    let mut members = node(action);
    if let Some(fallback) = fallback {
        members.insert("fallbackAction".to_owned(), Value::Object(node(fallback)));
    }
    Value::Object(members)
}

/// What is sent again with a decision: the question's node, then those not yet reached.
pub fn resume(question: &Value, rest: &[&Value]) -> Value {
    std::iter::once(question)
        .chain(rest.iter().copied())
        .cloned()
        .collect()
}

/// What a node's key is valid for: whoever sent it, whichever call it came in.
pub fn node_scope(subject: &str, request_id: &str) -> String {
    crate::runtime::idempotency::scope(&Keyed {
        subject,
        method: "node",
        path: "",
        key: request_id,
    })
}

/// What two nodes with one key are compared by; `action` is its definition and its name in the results.
pub fn node_fingerprint(manifest: &str, action: &[&str], input: &Value) -> String {
    json::digest(&json!([manifest, action, input]))
}

/// The failure of a known key with another action or input.
pub fn node_conflict() -> ErrorObject {
    ErrorObject::new(
        Code::IdempotencyConflict,
        "the node's requestId was used with another action or input; use a new one",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_what_belongs_to_its_status() {
        let ended = Ended {
            status: Status::Completed,
            state: json!({}),
            results: Vec::new(),
            error: None,
            failed_index: None,
            result: None,
            version: Some("2.0"),
        };
        assert_eq!(
            *execute(&ended).body,
            json!({"protocolVersion": "2.0", "status": "completed", "state": {}, "results": []})
        );
        let failed = Ended {
            status: Status::Failed,
            results: vec![skipped("a")],
            error: Some(json!({"errorCode": "x"})),
            failed_index: Some(0),
            result: Some(Value::Null),
            version: None,
            ..ended
        };
        let body = execute(&failed).body;
        assert_eq!(
            (&body["status"], &body["failed_index"]),
            (&json!("failed"), &json!(0))
        );
        assert_eq!(body.get("result"), Some(&Value::Null));
    }

    #[test]
    fn only_two_refusals_are_statuses_and_only_before_the_first_action() {
        for code in Code::ALL {
            let error = ErrorObject::new(*code, "m");
            let expected = matches!(code.name(), "rate_limited" | "state_too_large");
            assert_eq!(
                refused_by_status(&error, false),
                expected,
                "{}",
                code.name()
            );
            assert!(!refused_by_status(&error, true));
        }
    }

    #[test]
    fn a_person_sees_the_resolved_action_with_its_fallback() {
        let (given, none) = (json!({"to": "a"}), json!({}));
        let send = Shown {
            label: "send",
            plugin: Some("mail.send"),
            input: &given,
        };
        let text = Shown {
            label: "text",
            plugin: None,
            input: &none,
        };
        assert_eq!(
            shown_action(&send, Some(&text)),
            json!({"@type": "OpenAction:Action", "name": "send", "pluginReference": "mail.send", "input": {"to": "a"},
                   "fallbackAction": {"@type": "OpenAction:Action", "name": "text", "input": {}}})
        );
        assert_eq!(resume(&json!(1), &[&json!(2), &json!(3)]), json!([1, 2, 3]));
    }

    #[test]
    fn nodes_of_different_subjects_manifests_and_inputs_are_different() {
        assert_ne!(node_scope("a", "k"), node_scope("b", "k"));
        let one = node_fingerprint("m", &["a", "a"], &json!({"x": 1, "y": 2}));
        assert_eq!(
            one,
            node_fingerprint("m", &["a", "a"], &json!({"y": 2, "x": 1.0}))
        );
        assert_ne!(
            one,
            node_fingerprint("m", &["b", "a"], &json!({"x": 1, "y": 2}))
        );
        assert_ne!(
            one,
            node_fingerprint("n", &["a", "a"], &json!({"x": 1, "y": 2}))
        );
        assert_ne!(one, node_fingerprint("m", &["a", "a"], &json!({"x": 1})));
    }
}
