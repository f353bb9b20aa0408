//! What holds for every answer of `POST /execute`, whatever the case is about: the caller's own state, the history, and that a failure
//! is told alike wherever it stands (`spec/workflows.md`, sections 4, 8 and 9).

use serde_json::{Map, Value};

use super::matcher::{Difference, absent};
use super::target::Exchange;
use super::wire::Finding;
use crate::json;

/// An error and its position stand in the answer.
const ERROR_IN_ANSWER: &str = "WFL-018";
/// One node that is no array has its output in the answer.
const RESULT_OF_ONE: &str = "WFL-019";
/// What belongs to the caller comes back as it came.
const OWN_MEMBERS: &str = "WFL-060";
/// `prune` keeps so many entries.
const PRUNED: &str = "WFL-066";
/// Nothing is dropped from the history.
const HISTORY_KEPT: &str = "WFL-067";
/// One failure has one error object.
const SAME_ERROR: &str = "WFL-068";

/// Members of the state that the runtime writes.
const RUNTIMES_OWN: [&str; 3] = ["lastResult", "results", "history"];

/// Everything that is wrong with the answer to a `POST /execute`; nothing for any other exchange.
pub fn check(exchange: &Exchange) -> Vec<Finding> {
    let request = &exchange.request;
    let Some(answer) = exchange
        .answer()
        .filter(|answer| matches!(answer.status, 200 | 202))
        .filter(|_| request.method == "POST" && request.path == "/execute")
    else {
        return Vec::new();
    };
    let sent: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let got = answer.json().unwrap_or_default();
    let mut found = state(&sent, &got);
    if answer.status == 200 {
        found.extend(outcome(&sent, &got));
    }
    found
}

fn state(sent: &Value, got: &Value) -> Vec<Finding> {
    let none = Map::new();
    let before = sent
        .get("state")
        .and_then(Value::as_object)
        .unwrap_or(&none);
    let after = got.get("state").and_then(Value::as_object).unwrap_or(&none);
    let mut found = Vec::new();
    for (name, value) in before {
        let is_own = !RUNTIMES_OWN.contains(&name.as_str());
        let now = after.get(name);
        if is_own && !now.is_some_and(|now| same(now, value)) {
            found.push(finding(
                OWN_MEMBERS,
                json::push("/state", name),
                value.clone(),
                now.cloned(),
                "is a member of the caller's that did not come back as it went",
            ));
        }
    }
    found.extend(history(sent, before, after));
    found
}

fn history(
    sent: &Value,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Option<Finding> {
    let entries = |state: &Map<String, Value>| -> Vec<Value> {
        let history = state.get("history").and_then(Value::as_array);
        history.cloned().unwrap_or_default()
    };
    let (before, after) = (entries(before), entries(after));
    // What a resumed call prunes was said in the call before it.
    if sent.get("approval").is_some() {
        return None;
    }
    match sent.get("prune").and_then(Value::as_u64) {
        Some(most) => {
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let grew = after.len() > before.len().max(most);
            grew.then(|| {
                finding(
                    PRUNED,
                    "/state/history".to_owned(),
                    Value::from(most),
                    Some(Value::from(after.len())),
                    "has more entries than prune keeps",
                )
            })
        }
        None => {
            let at = before
                .iter()
                .zip(after.iter().map(Some).chain(std::iter::repeat(None)))
                .position(|(old, now)| !now.is_some_and(|now| same(now, old)))?;
            Some(finding(
                HISTORY_KEPT,
                format!("/state/history/{at}"),
                before[at].clone(),
                after.get(at).cloned(),
                "is an entry that the request brought and the answer does not have in its place",
            ))
        }
    }
}

fn outcome(sent: &Value, got: &Value) -> Vec<Finding> {
    let results = got.get("results").and_then(Value::as_array);
    let results = results.map(Vec::as_slice).unwrap_or_default();
    let mut found = Vec::new();
    if sent.get("open_action").is_some_and(Value::is_object)
        && let [only] = results
    {
        let output = only.get("output").cloned().unwrap_or_default();
        if !got
            .get("result")
            .is_some_and(|result| same(result, &output))
        {
            found.push(finding(
                RESULT_OF_ONE,
                "/result".to_owned(),
                output,
                got.get("result").cloned(),
                "is not the output of the one node",
            ));
        }
    }
    // A new plan may fail where no node did, and a resumed call may have been made with a goal.
    if sent.get("goal").is_some() || sent.get("approval").is_some() {
        return found;
    }
    let failed = |result: &Value| result.get("success") == Some(&Value::Bool(false));
    let first = results.iter().position(failed);
    if got.get("status").and_then(Value::as_str) != Some("failed") {
        found.extend(first.map(|at| {
            finding(
                ERROR_IN_ANSWER,
                "/status".to_owned(),
                Value::from("failed"),
                got.get("status").cloned(),
                &format!("hides that result {at} failed"),
            )
        }));
        return found;
    }
    let Some(error) = got.get("error") else {
        return found;
    };
    let index = got.get("failed_index").and_then(Value::as_u64);
    let named = index.and_then(|index| results.get(usize::try_from(index).ok()?));
    match named {
        Some(result) => {
            let own = result.get("error").cloned().unwrap_or_default();
            // An output that the state could not take is a success whose state failed.
            if failed(result) && !same(&own, error) {
                found.push(finding(
                    SAME_ERROR,
                    "/error".to_owned(),
                    own,
                    Some(error.clone()),
                    "is not the error of the result that failed",
                ));
            }
        }
        None => found.push(finding(
            ERROR_IN_ANSWER,
            "/failed_index".to_owned(),
            Value::from("the position of a result"),
            got.get("failed_index").cloned(),
            "names no result",
        )),
    }
    let last = got.pointer("/state/history").and_then(Value::as_array);
    let told = last
        .and_then(|entries| entries.last())
        .and_then(|entry| entry.get("error"));
    if let Some(told) = told.filter(|told| !same(told, error)) {
        // After a fallback that was refused the entry of the first action is the last one with an error of its own.
        let any = last.into_iter().flatten().any(|entry| {
            let own = entry.get("error");
            own.is_some_and(|own| same(own, error))
        });
        if !any {
            found.push(finding(
                SAME_ERROR,
                "/state/history".to_owned(),
                error.clone(),
                Some(told.clone()),
                "has no entry with the error that the answer tells",
            ));
        }
    }
    found
}

fn same(a: &Value, b: &Value) -> bool {
    a == b || json::canonical(a) == json::canonical(b)
}

fn finding(
    requirement: &str,
    pointer: String,
    expected: Value,
    got: Option<Value>,
    message: &str,
) -> Finding {
    Finding {
        requirement: requirement.to_owned(),
        difference: Difference {
            pointer,
            expected,
            got: got.unwrap_or_else(absent),
            message: message.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::target::{Answer, HttpRequest};
    use serde_json::json;
    use std::time::Duration;

    fn found(sent: Value, got: Value) -> Vec<String> {
        let exchange = Exchange {
            request: HttpRequest::new("POST", "/execute").json(&sent),
            outcome: Ok(Answer {
                status: 200,
                headers: Vec::new(),
                body: got.to_string().into_bytes(),
            }),
            duration: Duration::ZERO,
            answered: None,
        };
        check(&exchange)
            .into_iter()
            .map(|finding| format!("{} {}", finding.requirement, finding.difference.pointer))
            .collect()
    }

    #[test]
    fn an_honest_answer_has_nothing_wrong() {
        let sent = json!({"open_action": [{}, {}], "state": {"mine": 1.0, "history": [{"a": 1}]}});
        let error = json!({"errorCode": "x"});
        let got = json!({"state": {"mine": 1, "history": [{"a": 1}, {"status": "failed", "error": error}]},
            "results": [{"success": true}, {"success": false, "error": error}], "status": "failed", "error": error, "failed_index": 1});
        assert_eq!(found(sent, got), Vec::<String>::new());
    }

    #[test]
    fn each_lie_is_found() {
        let state = json!({"mine": {"a": 1}, "history": [{"a": 1}, {"b": 2}]});
        let sent = json!({"open_action": {}, "state": state});
        let got = json!({"state": {"mine": {"a": 2}, "history": [{"b": 2}]}, "results": [{"success": false, "output": 1}], "status": "completed", "result": 2});
        assert_eq!(
            found(sent.clone(), got),
            [
                "WFL-060 /state/mine",
                "WFL-067 /state/history/0",
                "WFL-019 /result",
                "WFL-018 /status"
            ]
        );
        let got = json!({"state": state, "results": [{"success": false, "output": null, "error": {"errorCode": "a"}}], "result": null,
            "status": "failed", "error": {"errorCode": "b"}, "failed_index": 0});
        assert_eq!(found(sent, got), ["WFL-068 /error"]);
        let sent = json!({"open_action": [{}], "prune": 1});
        let got =
            json!({"state": {"history": [{}, {}]}, "results": [], "status": "failed", "error": {}});
        assert_eq!(
            found(sent, got),
            ["WFL-066 /state/history", "WFL-018 /failed_index"]
        );
    }

    #[test]
    fn other_exchanges_are_left_alone() {
        let exchange = Exchange {
            request: HttpRequest::new("POST", "/plan").json(&json!({"state": {"a": 1}})),
            outcome: Ok(Answer {
                status: 200,
                headers: Vec::new(),
                body: b"{}".to_vec(),
            }),
            duration: Duration::ZERO,
            answered: None,
        };
        assert!(check(&exchange).is_empty());
    }
}
