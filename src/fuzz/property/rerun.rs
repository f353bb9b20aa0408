//! Two equal runs give equal answers: the same case under another token, compared without what has to differ.

use serde_json::{Map, Value};

use super::Ground;
use crate::fuzz::oracle::Surprise;
use crate::suite::matcher::same;
use crate::suite::observed::Observed;
use crate::suite::sight::answer_value;
use crate::suite::target::Exchange;

/// An equal input has an equal result; nothing else of a session decides (`spec/sessions.md`, 1.9).
const EQUAL: &str = "SES-011";

/// Members whose values are of one run alone.
const OWN: [&str; 17] = [
    "session_id",
    "id",
    "timestamp",
    "at",
    "started_at",
    "closed_at",
    "created_at",
    "asked_at",
    "answered_at",
    "duration_ms",
    "digest",
    "expires_at",
    "contract",
    "contracts",
    "logs",
    "message",
    "time",
];

/// Where a run and its repetition differ.
pub(super) fn check(ground: &Ground<'_>) -> Vec<Surprise> {
    match ground.again {
        Some(again) => check_pair(ground, ground.observed, again),
        None => Vec::new(),
    }
}

/// Where the answers of two runs of one case differ; of cases with simultaneous calls nothing is said.
fn check_pair(ground: &Ground<'_>, one: &Observed, other: &Observed) -> Vec<Surprise> {
    if one.stop != other.stop || other.harness.is_some() || other.control.obstacle().is_some() {
        return Vec::new();
    }
    let steps = ground.case.steps.iter().zip(&one.steps).zip(&other.steps);
    for (index, ((step, left), right)) in steps.enumerate() {
        if left.exchanges.len() > 1 {
            return Vec::new();
        }
        let (Some(left), Some(right)) = (
            bare(left.exchanges.first(), one),
            bare(right.exchanges.first(), other),
        ) else {
            return Vec::new();
        };
        if let Some(pointer) = difference(&left, &right, "") {
            let at = |value: &Value| {
                value
                    .pointer(&pointer)
                    .cloned()
                    .unwrap_or_else(crate::suite::matcher::absent)
            };
            return vec![Surprise {
                requirement: EQUAL.to_owned(),
                step: Some(index),
                place: step.place(index),
                expected: at(&left),
                got: at(&right),
                pointer,
                message: "was answered otherwise in a second run of the same case".to_owned(),
                expect: None,
            }];
        }
    }
    Vec::new()
}

/// An answer without what is of one run alone.
fn bare(exchange: Option<&Exchange>, observed: &Observed) -> Option<Value> {
    let answer = exchange?.answer()?;
    let mut value = answer_value(answer);
    if let Value::Object(members) = &mut value {
        members.shift_remove("headers");
    }
    Some(without(&value, &observed.token))
}

fn without(value: &Value, token: &str) -> Value {
    match value {
        Value::String(text) => Value::from(text.replace(token, "TOKEN")),
        Value::Array(elements) => elements
            .iter()
            .map(|element| without(element, token))
            .collect(),
        Value::Object(members) => {
            let kept = members
                .iter()
                .filter(|(name, _)| !OWN.contains(&name.as_str()));
            let kept: Map<String, Value> = kept
                .map(|(name, member)| (name.replace(token, "TOKEN"), without(member, token)))
                .collect();
            Value::Object(kept)
        }
        other => other.clone(),
    }
}

/// The first place at which two values differ, other than in texts that hold an id or a time of their run.
fn difference(one: &Value, other: &Value, pointer: &str) -> Option<String> {
    match (one, other) {
        (Value::Object(left), Value::Object(right)) => {
            let names = left
                .keys()
                .chain(right.keys().filter(|name| !left.contains_key(*name)));
            for name in names {
                let here = crate::json::push(pointer, name);
                match (left.get(name), right.get(name)) {
                    (Some(a), Some(b)) => {
                        if let Some(found) = difference(a, b, &here) {
                            return Some(found);
                        }
                    }
                    _ => return Some(here),
                }
            }
            None
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            let mut pairs = left.iter().zip(right).enumerate();
            pairs.find_map(|(index, (a, b))| {
                difference(a, b, &crate::json::push(pointer, &index.to_string()))
            })
        }
        // Prompts and contracts hold times and digests within their texts.
        (Value::String(a), Value::String(b)) => {
            (a != b && a.len() < 40 && b.len() < 40).then(|| pointer.to_owned())
        }
        (a, b) => (!same(a, b)).then(|| pointer.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_of_one_run_is_not_compared() {
        let one = without(
            &json!({"status": 200, "body": {"session_id": "a", "name": "m-T1", "n": [1, 2]}}),
            "T1",
        );
        let other = without(
            &json!({"status": 200, "body": {"session_id": "b", "name": "m-T2", "n": [1, 2.0]}}),
            "T2",
        );
        assert_eq!(difference(&one, &other, ""), None);
        let third = without(
            &json!({"status": 200, "body": {"name": "m-T2", "n": [1, 3]}}),
            "T2",
        );
        assert_eq!(difference(&one, &third, "").as_deref(), Some("/body/n/1"));
    }
}
