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
    let begun = Replay::begin(transcript.get("initial_observation"), true);
    let mut replay = match begun {
        Ok(replay) => replay,
        Err(difference) => return vec![*difference],
    };
    let mut differences = Vec::new();
    let steps = transcript.get("steps").and_then(Value::as_array);
    for (index, step) in (0..).zip(steps.into_iter().flatten()) {
        differences.extend(replay.step(index, step, Some(manifest)));
    }
    differences.extend(replay.end(transcript.get("final_observation")));
    differences
}

/// A replay that goes from step to step and has only the present observation in memory.
#[derive(Debug)]
pub(super) struct Replay {
    observation: Value,
    /// Differences that may still be told; none: the replay has ended.
    left: usize,
}

impl Replay {
    /// Begins with the observation of the creation; `strict`: with the manifest, which alone tells where outputs land.
    ///
    /// # Errors
    /// When it is none.
    pub fn begin(initial: Option<&Value>, strict: bool) -> Result<Self, Box<Difference>> {
        match initial {
            Some(observation @ Value::Object(_)) => Ok(Self {
                observation: observation.clone(),
                left: if strict { MOST } else { 1 },
            }),
            other => Err(Box::new(difference(
                "/initial_observation",
                Value::from("an observation"),
                other.cloned().unwrap_or_default(),
                "there is nothing to begin with",
            ))),
        }
    }

    /// Lays the next step over the observation, and says where that is not the one it recorded.
    ///
    /// Without a manifest what an output changed in `environment` is taken as recorded, and all else is replayed.
    pub fn step(&mut self, index: u64, step: &Value, manifest: Option<&Value>) -> Vec<Difference> {
        let mut differences = Vec::new();
        if self.left == 0 {
            return differences;
        }
        let pointer = format!("/steps/{index}");
        let done = match manifest {
            Some(manifest) => apply(&mut self.observation, step, manifest),
            None => recorded(&mut self.observation, step),
        };
        if let Err(message) = done {
            self.left = 0;
            let expected = Value::from("a step that can be replayed");
            return vec![difference(&pointer, expected, step.clone(), &message)];
        }
        if let Some(recorded) = step.get("observation") {
            let pointer = format!("{pointer}/observation");
            compare(&self.observation, recorded, &pointer, &mut differences);
        }
        self.told(differences)
    }

    /// The observation after the last step; `None`: the replay has ended, because a step could not be replayed.
    pub fn observation(&self) -> Option<&Value> {
        (self.left > 0).then_some(&self.observation)
    }

    /// Says where the last observation is not the final one.
    pub fn end(mut self, last: Option<&Value>) -> Vec<Difference> {
        let mut differences = Vec::new();
        if self.left > 0 {
            let last = last.cloned().unwrap_or_else(absent);
            let pointer = "/final_observation";
            compare(&self.observation, &last, pointer, &mut differences);
        }
        self.told(differences)
    }

    fn told(&mut self, mut differences: Vec<Difference>) -> Vec<Difference> {
        differences.truncate(self.left);
        self.left -= differences.len();
        differences
    }
}

/// What a step does to an observation whatever the manifest says.
fn recorded(observation: &mut Value, step: &Value) -> Result<(), String> {
    let result = step.get("result").unwrap_or(&Value::Null);
    if brings_output(result)
        && let Some(own) = step.pointer("/observation/environment")
        && let Value::Object(members) = &mut *observation
    {
        members.insert("environment".to_owned(), own.clone());
    }
    set(observation, step)
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
    if brings_output(result) {
        let name = result
            .get("action_name")
            .and_then(Value::as_str)
            .ok_or("its result names no action")?;
        let output = result.get("output").cloned().unwrap_or(Value::Null);
        merge(observation, name, output, declared_path(manifest, name))?;
    }
    set(observation, step)
}

/// Sets the members that are the runtime's.
fn set(observation: &mut Value, step: &Value) -> Result<(), String> {
    let own = |member: &str| {
        let value = step.get(member).cloned();
        value.ok_or_else(|| format!("it has no {member}"))
    };
    let (started, result, number) = (own("started_at")?, own("result")?, own("step_number")?);
    if let Value::Object(members) = observation {
        members.insert("timestamp".to_owned(), started);
        members.insert("last_result".to_owned(), result);
        members.insert("step".to_owned(), number);
    }
    Ok(())
}

/// Whether a result brought an output: it succeeded and was not skipped.
pub(super) fn brings_output(result: &Value) -> bool {
    result.get("success") == Some(&Value::Bool(true))
        && result.get("status").and_then(Value::as_str) != Some("skipped")
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
