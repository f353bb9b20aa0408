//! How a result changes the observation (`spec/observations.md`).

use serde_json::{Map, Value};

use super::error::{Code, ErrorObject};
use crate::manifest::{Action, Pointer, ResultPath};

/// The largest observation, in bytes of compact JSON.
pub const LARGEST_OBSERVATION: usize = 1024 * 1024;

/// The observation with an output laid into its `environment`; nothing else is touched.
///
/// # Errors
/// `output_validation_failed` when a declared source is missing in the output, `result_path_blocked` when a target would
/// lead through an array or a scalar.
pub fn merge(observation: &Value, action: &Action, output: &Value) -> Result<Value, ErrorObject> {
    let mut merged = observation.clone();
    match &action.result_path {
        Some(path) => {
            for (target, value) in result_targets(path, output)? {
                place(&mut merged, target, value.clone())?;
            }
        }
        None => lay_over(environment(&mut merged)?, &action.name, output),
    }
    Ok(merged)
}

/// Which part of the output goes where, for a declared result path.
///
/// # Errors
/// `output_validation_failed` when the output lacks a source.
pub fn result_targets<'p, 'o>(
    path: &'p ResultPath,
    output: &'o Value,
) -> Result<Vec<(&'p Pointer, &'o Value)>, ErrorObject> {
    match path {
        ResultPath::Whole(target) => Ok(vec![(target, output)]),
        ResultPath::Parts(parts) => parts
            .iter()
            .map(|(target, source)| match source.find(output) {
                Some(value) => Ok((target, value)),
                None => Err(ErrorObject::new(
                    Code::OutputValidationFailed,
                    format!("the output has nothing at {source}, which result_path wants"),
                )
                .with("pointer", source.to_string())),
            })
            .collect(),
    }
}

/// The default merge: members of an object replace those of the environment, anything else stands under the action's name.
pub fn lay_over(environment: &mut Map<String, Value>, action_name: &str, output: &Value) {
    match output {
        Value::Object(members) => {
            for (name, member) in members {
                environment.insert(name.clone(), member.clone());
            }
        }
        other => {
            environment.insert(action_name.to_owned(), other.clone());
        }
    }
}

/// Puts a value at a place, making the objects that are missing on the way.
///
/// # Errors
/// `result_path_blocked` when an array or a scalar stands on the way.
pub fn place(document: &mut Value, target: &Pointer, value: Value) -> Result<(), ErrorObject> {
    let blocked = || {
        ErrorObject::new(
            Code::ResultPathBlocked,
            format!("{target} of result_path leads through something that is no object"),
        )
        .with("pointer", target.to_string())
    };
    let Some((last, parents)) = target.tokens().split_last() else {
        return Err(blocked());
    };
    let mut at = document;
    for token in parents {
        let Value::Object(members) = at else {
            return Err(blocked());
        };
        at = members
            .entry(token.as_str())
            .or_insert_with(|| Value::Object(Map::new()));
    }
    let Value::Object(members) = at else {
        return Err(blocked());
    };
    members.insert(last.clone(), value);
    Ok(())
}

fn environment(observation: &mut Value) -> Result<&mut Map<String, Value>, ErrorObject> {
    observation
        .get_mut("environment")
        .and_then(Value::as_object_mut)
        .ok_or_else(|| {
            ErrorObject::new(
                Code::InternalError,
                "the observation has lost its environment",
            )
        })
}

/// The observation as it stands when a step has been taken: its time, its number and its result.
pub fn observe_step(
    mut observation: Value,
    started_at: &str,
    step_number: u64,
    result: &Value,
) -> Value {
    if let Value::Object(members) = &mut observation {
        members.insert("timestamp".to_owned(), Value::from(started_at));
        members.insert("last_result".to_owned(), result.clone());
        members.insert("step".to_owned(), Value::from(step_number));
    }
    observation
}

/// The observation shown to the model: as it stands, at the time the step started.
pub fn observe_now(observation: &Value, started_at: &str) -> Value {
    let mut shown = observation.clone();
    if let Value::Object(members) = &mut shown {
        members.insert("timestamp".to_owned(), Value::from(started_at));
    }
    shown
}

/// Whether an observation may be kept.
pub fn fits(observation: &Value, limit: usize) -> bool {
    compact_size(observation) <= limit
}

/// Bytes of the compact JSON text.
pub fn compact_size(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Neither the sink nor a `Value` can fail.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::super::fixture::action;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn observation() -> Value {
        json!({"timestamp": "2026-01-01T00:00:00Z", "user_context": {"user_id": "U", "preferences": {}},
               "environment": {"kept": 1, "slots": "old", "list": []}})
    }

    fn merged(result_path: Value, output: Value) -> Result<Value, ErrorObject> {
        let patch = if result_path.is_null() {
            json!({})
        } else {
            json!({"result_path": result_path})
        };
        merge(&observation(), &action("probe", &patch), &output)
            .map(|merged| merged["environment"].clone())
    }

    #[test]
    fn an_object_replaces_members_and_anything_else_stands_under_the_name() {
        assert_eq!(
            merged(Value::Null, json!({"slots": ["new"], "more": {}})),
            Ok(json!({"kept": 1, "slots": ["new"], "list": [], "more": {}}))
        );
        for output in [
            json!("text"),
            json!(3),
            json!(null),
            json!([1]),
            json!(false),
        ] {
            assert_eq!(
                merged(Value::Null, output.clone()).expect("merges")["probe"],
                output
            );
        }
    }

    #[test]
    fn a_result_path_decides_alone() {
        let whole = merged(json!("/environment/a/b"), json!({"slots": 1})).expect("merges");
        assert_eq!(
            whole,
            json!({"kept": 1, "slots": "old", "list": [], "a": {"b": {"slots": 1}}})
        );
        let parts = merged(
            json!({"/environment/calendar/free": "/s/0"}),
            json!({"s": [7], "x": 1}),
        )
        .expect("merges");
        assert_eq!(
            parts,
            json!({"kept": 1, "slots": "old", "list": [], "calendar": {"free": 7}})
        );
    }

    #[test]
    fn missing_sources_and_blocked_targets_fail() {
        let missing = merged(json!({"/environment/a": "/nothing"}), json!({}));
        assert_eq!(
            missing.map_err(|e| e.code),
            Err(Code::OutputValidationFailed)
        );
        for target in [
            "/environment/kept/deeper",
            "/environment/list/first",
            "/environment/slots/a/b",
        ] {
            let blocked = merged(json!(target), json!({}));
            assert_eq!(
                blocked.map_err(|e| e.code),
                Err(Code::ResultPathBlocked),
                "{target}"
            );
        }
    }

    #[test]
    fn a_step_sets_time_number_and_result() {
        let seen = observe_step(
            observation(),
            "2026-02-02T00:00:00Z",
            4,
            &json!({"success": true}),
        );
        assert_eq!(seen["timestamp"], "2026-02-02T00:00:00Z");
        assert_eq!(
            (&seen["step"], &seen["last_result"]["success"]),
            (&json!(4), &json!(true))
        );
        assert_eq!(seen["user_context"], observation()["user_context"]);
        assert_eq!(observe_now(&observation(), "x")["timestamp"], "x");
    }

    #[test]
    fn size_is_counted_in_bytes_of_compact_json() {
        assert_eq!(compact_size(&json!({"a": "é"})), 10);
        assert!(fits(&json!([1]), 3) && !fits(&json!([1]), 2));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c/~]{0,2}", inner, 0..4)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn merging_touches_nothing_outside_the_environment(output in any_json(), environment in any_json(), target in "/environment(/[a-c0-9]{1,2}){1,3}") {
            let before = json!({"user_context": {"x": 1}, "environment": environment});
            for patch in [json!({}), json!({"result_path": target})] {
                if let Ok(after) = merge(&before, &action("probe", &patch), &output) {
                    prop_assert_eq!(&after["user_context"], &before["user_context"]);
                    prop_assert_eq!(after.as_object().map(Map::len), Some(2));
                }
            }
        }
    }
}
