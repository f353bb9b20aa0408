//! A transcript replayed: its steps laid over its initial observation must give each step's observation and the final one
//! (`spec/transcripts.md`, 4.5; merge rules of `spec/observations.md`, section 3).
//!
//! A twin of the runtime's merge on purpose, written from the prose: a shared one would hide a shared mistake.

use serde_json::{Map, Value};

use super::matcher::{Difference, absent, same};
use crate::json;

/// Most differences that one replay reports.
const MOST: usize = 5;

/// Replays a transcript against the actions of its manifest (snake_case document) and reports where they part.
///
/// Members of the wrong shape are reported as differences; the schema says more about them.
pub fn check(transcript: &Value, manifest: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut observation = transcript
        .get("initial_observation")
        .cloned()
        .unwrap_or(Value::Null);
    if !observation.is_object() {
        return vec![difference(
            "/initial_observation",
            Value::from("an observation"),
            observation,
            "there is nothing to begin with",
        )];
    }
    let steps = transcript.get("steps").and_then(Value::as_array);
    for (index, step) in steps.into_iter().flatten().enumerate() {
        let pointer = format!("/steps/{index}");
        if let Err(message) = apply(&mut observation, step, manifest) {
            differences.push(difference(
                &pointer,
                Value::from("a step that can be replayed"),
                step.clone(),
                &message,
            ));
            return differences;
        }
        if let Some(recorded) = step.get("observation") {
            compare(
                &observation,
                recorded,
                &format!("{pointer}/observation"),
                &mut differences,
            );
        }
    }
    let recorded = transcript
        .get("final_observation")
        .cloned()
        .unwrap_or_else(absent);
    compare(
        &observation,
        &recorded,
        "/final_observation",
        &mut differences,
    );
    differences.truncate(MOST);
    differences
}

/// One step laid over an observation.
///
/// # Errors
/// When the step has not the shape of one, or its successful output cannot be merged.
pub fn apply(observation: &mut Value, step: &Value, manifest: &Value) -> Result<(), String> {
    let result = step
        .get("result")
        .filter(|result| result.is_object())
        .ok_or("it has no result")?;
    let started = step
        .get("started_at")
        .cloned()
        .ok_or("it has no started_at")?;
    let number = step
        .get("step_number")
        .cloned()
        .ok_or("it has no step_number")?;
    let succeeded = result.get("success") == Some(&Value::Bool(true));
    let skipped = result.get("status").and_then(Value::as_str) == Some("skipped");
    if succeeded && !skipped {
        let name = result
            .get("action_name")
            .and_then(Value::as_str)
            .ok_or("its result names no action")?;
        let output = result.get("output").cloned().unwrap_or(Value::Null);
        merge(observation, name, output, declared_path(manifest, name))?;
    }
    if let Value::Object(members) = observation {
        members.insert("timestamp".to_owned(), started);
        members.insert("last_result".to_owned(), result.clone());
        members.insert("step".to_owned(), number);
    }
    Ok(())
}

fn declared_path<'a>(manifest: &'a Value, action: &str) -> Option<&'a Value> {
    manifest
        .get("actions")
        .and_then(Value::as_array)?
        .iter()
        .find(|one| one.get("name").and_then(Value::as_str) == Some(action))?
        .get("result_path")
}

/// Lays an output into `environment`; the first case that fits decides.
fn merge(
    observation: &mut Value,
    action: &str,
    output: Value,
    path: Option<&Value>,
) -> Result<(), String> {
    match (path, output) {
        (Some(Value::String(target)), output) => put(observation, target, output),
        (Some(Value::Object(parts)), output) => {
            for (target, source) in parts {
                let part = source
                    .as_str()
                    .and_then(|source| output.pointer(source))
                    .ok_or_else(|| {
                        format!("the output has nothing for {target}, so it should have failed")
                    })?;
                put(observation, target, part.clone())?;
            }
            Ok(())
        }
        (_, Value::Object(members)) => {
            let environment = environment(observation)?;
            for (name, member) in members {
                environment.insert(name, member);
            }
            Ok(())
        }
        (_, other) => {
            environment(observation)?.insert(action.to_owned(), other);
            Ok(())
        }
    }
}

fn environment(observation: &mut Value) -> Result<&mut Map<String, Value>, String> {
    observation
        .get_mut("environment")
        .and_then(Value::as_object_mut)
        .ok_or_else(|| "the observation has no object environment".to_owned())
}

/// Puts a value at a pointer, making the objects on the way.
fn put(root: &mut Value, pointer: &str, value: Value) -> Result<(), String> {
    let tokens: Vec<String> = pointer
        .strip_prefix('/')
        .ok_or_else(|| format!("'{pointer}' is no target"))?
        .split('/')
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
        .collect();
    let mut here = root;
    for token in &tokens[..tokens.len() - 1] {
        let Value::Object(members) = here else {
            return Err(format!(
                "{pointer} leads through what is no object, so it should have failed"
            ));
        };
        here = members
            .entry(token.clone())
            .or_insert_with(|| Value::Object(Map::new()));
    }
    match (here, tokens.last()) {
        (Value::Object(members), Some(last)) => {
            members.insert(last.clone(), value);
            Ok(())
        }
        _ => Err(format!(
            "{pointer} leads through what is no object, so it should have failed"
        )),
    }
}

/// The deepest places at which two values differ.
fn compare(expected: &Value, got: &Value, pointer: &str, differences: &mut Vec<Difference>) {
    if differences.len() >= MOST || same(expected, got) {
        return;
    }
    if let (Value::Object(wanted), Value::Object(own)) = (expected, got) {
        for (name, value) in wanted {
            let here = json::push(pointer, name);
            match own.get(name) {
                Some(other) => compare(value, other, &here, differences),
                None => differences.push(difference(
                    &here,
                    value.clone(),
                    absent(),
                    "the replay has it",
                )),
            }
        }
        for (name, value) in own.iter().filter(|(name, _)| !wanted.contains_key(*name)) {
            differences.push(difference(
                &json::push(pointer, name),
                absent(),
                value.clone(),
                "the replay has it not",
            ));
        }
        return;
    }
    differences.push(difference(
        pointer,
        expected.clone(),
        got.clone(),
        "the replay gives another value",
    ));
}

fn difference(pointer: &str, expected: Value, got: Value, message: &str) -> Difference {
    Difference {
        pointer: pointer.to_owned(),
        expected,
        got,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest() -> Value {
        json!({"actions": [
            {"name": "plain"},
            {"name": "whole", "result_path": "/environment/a/b"},
            {"name": "parts", "result_path": {"/environment/calendar/free_slots": "/slots", "/environment/n~1m": "/deep/0"}}
        ]})
    }

    fn step(number: u64, action: &str, output: Value) -> Value {
        json!({"step_number": number, "started_at": format!("2026-04-01T09:00:0{number}Z"), "plan": {},
               "result": {"action_name": action, "success": true, "output": output, "error": null}})
    }

    fn replayed(steps: &[Value]) -> Value {
        let mut observation = json!({"timestamp": "t", "user_context": {}, "environment": {"kept": 1, "x": {"old": 1}}});
        for step in steps {
            apply(&mut observation, step, &manifest()).expect("replays");
        }
        observation
    }

    #[test]
    fn objects_lay_their_members_over_the_environment() {
        let after = replayed(&[step(1, "plain", json!({"x": {"new": 2}}))]);
        assert_eq!(after["environment"], json!({"kept": 1, "x": {"new": 2}}));
        assert_eq!(after["timestamp"], "2026-04-01T09:00:01Z");
        assert_eq!(after["step"], 1);
        assert_eq!(after["last_result"]["action_name"], "plain");
    }

    #[test]
    fn other_values_stand_under_the_actions_name() {
        for output in [json!(null), json!(5), json!([1]), json!("s")] {
            let after = replayed(&[step(1, "plain", output.clone())]);
            assert_eq!(after["environment"]["plain"], output);
        }
    }

    #[test]
    fn a_result_path_takes_the_whole_or_the_named_parts() {
        let after = replayed(&[step(1, "whole", json!({"o": 1}))]);
        assert_eq!(
            after["environment"],
            json!({"kept": 1, "x": {"old": 1}, "a": {"b": {"o": 1}}})
        );
        let after = replayed(&[step(
            1,
            "parts",
            json!({"slots": [1], "deep": [7], "rest": 0}),
        )]);
        assert_eq!(after["environment"]["calendar"]["free_slots"], json!([1]));
        assert_eq!(after["environment"]["n/m"], 7);
        assert_eq!(after["environment"].get("rest"), None);
    }

    #[test]
    fn a_fallback_is_merged_as_what_it_is() {
        let mut saved = step(1, "whole", json!({"o": 1}));
        saved["result"]["attempts"] = json!([
            {"action_name": "plain", "success": false, "output": null, "error": {}},
            {"action_name": "whole", "success": true, "output": {"o": 1}, "error": null},
        ]);
        let after = replayed(&[saved]);
        assert_eq!(after["environment"]["a"], json!({"b": {"o": 1}}));
        let plugin = replayed(&[step(1, "tools.note", json!("x"))]);
        assert_eq!(plugin["environment"]["tools.note"], "x");
    }

    #[test]
    fn failures_and_skips_change_only_what_the_runtime_sets() {
        for result in [
            json!({"action_name": "plain", "success": false, "output": null, "error": {}}),
            json!({"action_name": "plain", "success": true, "output": null, "error": null, "status": "skipped"}),
        ] {
            let mut failed = step(1, "plain", json!(null));
            failed["result"] = result;
            let after = replayed(&[failed]);
            assert_eq!(after["environment"], json!({"kept": 1, "x": {"old": 1}}));
            assert_eq!(after["step"], 1);
        }
    }

    fn transcript() -> Value {
        let steps = [
            step(1, "plain", json!({"x": 2})),
            step(2, "whole", json!(3)),
        ];
        let mut recorded: Vec<Value> = steps.to_vec();
        recorded[0]["observation"] = replayed(&steps[..1]);
        recorded[1]["observation"] = replayed(&steps);
        json!({
            "initial_observation": replayed(&[]),
            "steps": recorded,
            "final_observation": replayed(&steps)
        })
    }

    #[test]
    fn a_true_transcript_has_no_differences() {
        assert_eq!(check(&transcript(), &manifest()), []);
    }

    #[test]
    fn a_false_one_is_caught_at_its_place() {
        let mut lying = transcript();
        lying["final_observation"]["environment"]["x"] = json!(5);
        assert_eq!(
            check(&lying, &manifest())[0].pointer,
            "/final_observation/environment/x"
        );
        let mut lying = transcript();
        lying["steps"][0]["observation"]["step"] = json!(9);
        assert_eq!(
            check(&lying, &manifest())[0].pointer,
            "/steps/0/observation/step"
        );
        let mut lying = transcript();
        lying["final_observation"]["environment"]["smuggled"] = json!(1);
        assert_eq!(check(&lying, &manifest())[0].expected, absent());
        let mut lying = transcript();
        lying["steps"][1]["result"]["output"] = json!(4);
        assert!(!check(&lying, &manifest()).is_empty());
    }

    #[test]
    fn what_has_no_shape_is_a_difference_not_a_panic() {
        for nonsense in [
            json!(null),
            json!({}),
            json!({"initial_observation": {}, "steps": [5]}),
            json!({"initial_observation": {}, "steps": 5}),
        ] {
            assert!(!check(&nonsense, &manifest()).is_empty(), "{nonsense}");
        }
        let through = json!({"initial_observation": {"environment": {"a": 5}}, "steps": [step(1, "whole", json!(1))]});
        assert!(
            check(&through, &manifest())[0]
                .message
                .contains("no object")
        );
    }
}
