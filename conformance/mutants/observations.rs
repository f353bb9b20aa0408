//! Mutants of `spec/observations.md`: first observations that are let in, and outputs that land elsewhere.

use serde_json::{Map, Value, json};

use super::Mutant;
use crate::diagnostic::Violation;
use crate::manifest::{Action, ResultPath};
use crate::runtime::Parts;
use crate::runtime::error::ErrorObject;
use crate::runtime::session::status::Event;
use crate::runtime::{merge, opening};

/// All mutants of this section.
pub fn mutants() -> Vec<Mutant> {
    let mut all = first_observations();
    all.extend(steps());
    all.extend(merges());
    all
}

/// A mutant that overlooks violations of a first observation.
fn lenient(
    name: &'static str,
    requirement: &'static str,
    behaviour: &'static str,
    overlooks: fn(&Violation) -> bool,
) -> Mutant {
    struct Lenient(fn(&Violation) -> bool);
    impl Parts for Lenient {
        fn check_observation(&self, observation: &Value) -> Vec<Violation> {
            let mut found = opening::check_observation(observation);
            found.retain(|violation| !(self.0)(violation));
            found
        }
    }
    Mutant::part(name, requirement, behaviour, Lenient(overlooks))
}

fn first_observations() -> Vec<Mutant> {
    vec![
        lenient(
            "opens-with-any-observation",
            "OBS-001",
            "Opens a session whatever its observation looks like, or without one.",
            |violation| violation.rule != "runtime_member",
        ),
        lenient(
            "takes-any-timestamp",
            "OBS-001",
            "Takes any text for the time of an observation.",
            |violation| violation.rule == "format",
        ),
        lenient(
            "checks-the-presence-of-members-only",
            "OBS-001",
            "Sees that the members of an observation are there and does not look at them.",
            |violation| violation.rule != "required" && violation.rule != "runtime_member",
        ),
        lenient(
            "takes-results-from-clients",
            "OBS-002",
            "Lets a client say what the last result and the step were.",
            |violation| violation.rule == "runtime_member",
        ),
    ]
}

/// What a step makes of the merged observation: time, number, result.
type Observe = fn(Value, &str, u64, &Value) -> Value;

/// A mutant whose steps leave another observation behind.
fn observer(
    name: &'static str,
    requirement: &'static str,
    behaviour: &'static str,
    observe: Observe,
) -> Mutant {
    struct Observer(Observe);
    impl Parts for Observer {
        fn observe_step(
            &self,
            observation: Value,
            started_at: &str,
            step_number: u64,
            result: &Value,
        ) -> Value {
            (self.0)(observation, started_at, step_number, result)
        }
    }
    Mutant::part(name, requirement, behaviour, Observer(observe))
}

fn steps() -> Vec<Mutant> {
    vec![
        observer(
            "drops-unknown-members",
            "OBS-003",
            "Keeps the members of an observation that it knows and no others.",
            |observation, started_at, number, result| {
                let mut kept = merge::observe_step(observation, started_at, number, result);
                if let Value::Object(members) = &mut kept {
                    members.retain(|name, _| {
                        let known = [
                            "timestamp",
                            "user_context",
                            "environment",
                            "last_result",
                            "step",
                        ];
                        known.contains(&name.as_str())
                    });
                }
                kept
            },
        ),
        Mutant::part(
            "shows-the-time-of-the-last-step",
            "OBS-004",
            "Shows the model the observation with the time at which it was stored.",
            Frozen,
        ),
        observer(
            "stops-the-clock",
            "OBS-004",
            "Leaves the first timestamp in the observation that a step leaves behind.",
            |observation, _, number, result| {
                let time = observation["timestamp"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                merge::observe_step(observation, &time, number, result)
            },
        ),
        observer(
            "forgets-failures",
            "OBS-005",
            "Sets the last result after a success only.",
            |observation, started_at, number, result| {
                let before = observation.get("last_result").cloned();
                let mut observed = merge::observe_step(observation, started_at, number, result);
                if result["success"] == false
                    && let Value::Object(members) = &mut observed
                {
                    members.shift_remove("last_result");
                    members.extend(before.map(|before| ("last_result".to_owned(), before)));
                }
                observed
            },
        ),
        observer(
            "counts-steps-from-zero",
            "OBS-006",
            "Gives the first step the number 0 in the observation.",
            |observation, started_at, number, result| {
                merge::observe_step(observation, started_at, number.saturating_sub(1), result)
            },
        ),
        Mutant::part(
            "every-call-changes-the-observation",
            "OBS-007",
            "Notes in the observation that a step call ended without a step.",
            Restless,
        ),
    ]
}

struct Frozen;

impl Parts for Frozen {
    fn observe_now(&self, observation: &Value, _: &str) -> Value {
        observation.clone()
    }
}

struct Restless;

impl Parts for Restless {
    fn observation_without_step(&self, event: Event, observation: &Value) -> Option<Value> {
        let stepless = matches!(
            event,
            Event::PlanFinished | Event::ModelFailed | Event::PersonAsked
        );
        stepless.then(|| {
            let mut noted = observation.clone();
            noted["environment"]["last_call"] = event.name().into();
            noted
        })
    }
}

/// How an output is laid into an observation.
type Merge = fn(&Value, &Action, &Value) -> Result<Value, ErrorObject>;

/// A mutant that merges in its own way.
fn merger(
    name: &'static str,
    requirement: &'static str,
    behaviour: &'static str,
    merge: Merge,
) -> Mutant {
    struct Merger(Merge);
    impl Parts for Merger {
        fn merge(
            &self,
            observation: &Value,
            action: &Action,
            output: &Value,
        ) -> Result<Value, ErrorObject> {
            (self.0)(observation, action, output)
        }
    }
    Mutant::part(name, requirement, behaviour, Merger(merge))
}

fn merges() -> Vec<Mutant> {
    vec![
        merger(
            "outputs-reach-the-user",
            "OBS-008",
            "Lays members of an output over the user context that is named like them.",
            |observation, action, output| {
                let mut merged = merge::merge(observation, action, output)?;
                if let Some(context) = output.get("user_context") {
                    merged["user_context"] = context.clone();
                }
                Ok(merged)
            },
        ),
        merger(
            "merges-deeply",
            "OBS-009",
            "Mixes an object of the output with its namesake in the environment.",
            |observation, action, output| {
                if action.result_path.is_some() || !output.is_object() {
                    return merge::merge(observation, action, output);
                }
                let mut merged = observation.clone();
                mix(&mut merged["environment"], output, false);
                Ok(merged)
            },
        ),
        merger(
            "null-removes-members",
            "OBS-009",
            "Takes null in an output for the wish to remove a member, as a merge patch does.",
            |observation, action, output| {
                let mut merged = merge::merge(observation, action, output)?;
                if action.result_path.is_none()
                    && let Some(members) = merged["environment"].as_object_mut()
                {
                    members.retain(|name, member| !member.is_null() || output.get(name).is_none());
                }
                Ok(merged)
            },
        ),
        merger(
            "other-outputs-have-one-place",
            "OBS-010",
            "Puts every output that is no object under one name, whatever the action.",
            |observation, action, output| {
                if action.result_path.is_some() || output.is_object() {
                    return merge::merge(observation, action, output);
                }
                merge::merge(observation, action, &json!({"result": output}))
            },
        ),
        merger(
            "null-is-no-output",
            "OBS-010",
            "Merges nothing when the output is null.",
            |observation, action, output| match output {
                Value::Null if action.result_path.is_none() => Ok(observation.clone()),
                output => merge::merge(observation, action, output),
            },
        ),
        merger(
            "ignores-the-result-path",
            "OBS-011",
            "Lays every output over the environment, whatever result_path says.",
            |observation, action, output| {
                let mut merged = observation.clone();
                if let Some(environment) = merged["environment"].as_object_mut() {
                    merge::lay_over(environment, &action.name, output);
                }
                Ok(merged)
            },
        ),
        merger(
            "result-path-and-all-the-rest",
            "OBS-011",
            "Puts parts where result_path wants them and the whole output into the environment as well.",
            |observation, action, output| {
                let mut merged = merge::merge(observation, action, output)?;
                if let (Some(ResultPath::Parts(_)), Some(environment)) =
                    (&action.result_path, merged["environment"].as_object_mut())
                {
                    merge::lay_over(environment, &action.name, output);
                }
                Ok(merged)
            },
        ),
        merger(
            "makes-no-objects",
            "OBS-012",
            "Drops what would lie below an object that is not there.",
            |observation, action, output| {
                let Some(path) = &action.result_path else {
                    return merge::merge(observation, action, output);
                };
                let mut merged = observation.clone();
                for (target, value) in merge::result_targets(path, output)? {
                    let pointer = target.to_string();
                    let parent = pointer.rfind('/').map_or("", |end| &pointer[..end]);
                    if merged.pointer(parent).is_some() {
                        merge::place(&mut merged, target, value.clone())?;
                    }
                }
                Ok(merged)
            },
        ),
        merger(
            "targets-lose-their-neighbours",
            "OBS-012",
            "Makes every object on the way to a target anew.",
            |observation, action, output| {
                let Some(path) = &action.result_path else {
                    return merge::merge(observation, action, output);
                };
                let mut merged = observation.clone();
                for (target, _) in merge::result_targets(path, output)? {
                    if let [_, first, _, ..] = target.tokens()
                        && merged["environment"][first].is_object()
                    {
                        merged["environment"][first] = json!({});
                    }
                }
                merge::merge(&merged, action, output)
            },
        ),
        merger(
            "overwrites-what-blocks",
            "OBS-013",
            "Replaces an array or a scalar on the way to a target by an object.",
            |observation, action, output| {
                let Some(path) = &action.result_path else {
                    return merge::merge(observation, action, output);
                };
                let mut merged = observation.clone();
                for (target, value) in merge::result_targets(path, output)? {
                    let mut at = &mut merged;
                    for token in target.tokens() {
                        if !at.is_object() {
                            *at = Value::Object(Map::new());
                        }
                        at = &mut at[token.as_str()];
                    }
                    *at = value.clone();
                }
                Ok(merged)
            },
        ),
        merger(
            "lays-down-what-it-finds",
            "OBS-014",
            "Leaves a part out that the output lacks and lays down the others.",
            |observation, action, output| {
                let Some(ResultPath::Parts(parts)) = &action.result_path else {
                    return merge::merge(observation, action, output);
                };
                let mut merged = observation.clone();
                for (target, source) in parts {
                    if let Some(value) = source.find(output) {
                        merge::place(&mut merged, target, value.clone())?;
                    }
                }
                Ok(merged)
            },
        ),
        Mutant::part(
            "observations-grow-without-end",
            "OBS-015",
            "Merges outputs of any size.",
            Boundless,
        ),
    ]
}

fn mix(into: &mut Value, from: &Value, inside: bool) {
    match (into, from) {
        (Value::Object(members), Value::Object(others)) => {
            for (name, other) in others {
                mix(
                    members.entry(name.clone()).or_insert(Value::Null),
                    other,
                    true,
                );
            }
        }
        (into, from) if inside => *into = from.clone(),
        _ => {}
    }
}

struct Boundless;

impl Parts for Boundless {
    fn observation_fits(&self, _: &Value) -> bool {
        true
    }
}
