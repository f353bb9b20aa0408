//! Mutants of `spec/transcripts.md`.

use std::sync::Arc;

use axum::http::Method;
use reqwest::Url;
use serde_json::{Map, Value, json};

use super::Mutant;
use super::proxy::{Request, Tamper};
use crate::json;
use crate::runtime::session::transcript::{Heading, SideEffect, Step, Turn};
use crate::runtime::{Parts, Reference};

/// The mutants of this section.
pub fn mutants() -> Vec<Mutant> {
    let mut all = head();
    all.extend(record());
    all
}

fn head() -> Vec<Mutant> {
    vec![
        Mutant::proxy(
            "transcript-is-gone",
            "TRN-001",
            "forgets the transcript as soon as it was answered",
            TranscriptIsGone,
        ),
        swap!(
            "empty-members-are-left-out",
            "TRN-002",
            "leaves empty lists and objects out of the transcript",
            fn transcript(&self, heading: &Heading, sections: Map<String, Value>) -> Value {
                let mut transcript = Reference.transcript(heading, sections);
                if let Value::Object(members) = &mut transcript {
                    members.retain(|_, member| *member != json!([]) && *member != json!({}));
                }
                transcript
            }
        )
        .rewriting(),
        swap!(
            "null-members-are-left-out",
            "TRN-002",
            "leaves members that are null out of turns and effects",
            fn transcript_turns(&self, turns: &[Turn]) -> Vec<Value> {
                Reference
                    .transcript_turns(turns)
                    .into_iter()
                    .map(without_nulls)
                    .collect()
            },
            fn transcript_side_effects(&self, effects: &[SideEffect]) -> Vec<Value> {
                Reference
                    .transcript_side_effects(effects)
                    .into_iter()
                    .map(without_nulls)
                    .collect()
            }
        )
        .rewriting(),
        swap!(
            "transcript-says-closed",
            "TRN-003",
            "records the status after the close",
            fn transcript(&self, heading: &Heading, sections: Map<String, Value>) -> Value {
                Reference.transcript(
                    &Heading {
                        status: "closed",
                        ..heading.clone()
                    },
                    sections,
                )
            }
        )
        .rewriting(),
        swap!(
            "transcript-begins-at-the-end",
            "TRN-003",
            "records the last observation as the first one too",
            fn transcript(&self, heading: &Heading, sections: Map<String, Value>) -> Value {
                let initial_observation = Arc::clone(&heading.final_observation);
                Reference.transcript(
                    &Heading {
                        initial_observation,
                        ..heading.clone()
                    },
                    sections,
                )
            }
        ),
        swap!(
            "final-observation-is-the-first",
            "TRN-011",
            "records the first observation as the last one",
            fn transcript(&self, heading: &Heading, sections: Map<String, Value>) -> Value {
                let final_observation = Arc::clone(&heading.initial_observation);
                Reference.transcript(
                    &Heading {
                        final_observation,
                        ..heading.clone()
                    },
                    sections,
                )
            }
        ),
        swap!(
            "contracts-under-other-digests",
            "TRN-006",
            "keeps contracts under the digest of their JSON form",
            fn transcript(&self, heading: &Heading, mut sections: Map<String, Value>) -> Value {
                if let Some(Value::Object(contracts)) = sections.get_mut("contracts") {
                    *contracts = std::mem::take(contracts)
                        .into_values()
                        .map(|text| (json::digest(&text), text))
                        .collect();
                }
                Reference.transcript(heading, sections)
            }
        )
        .rewriting(),
    ]
}

fn record() -> Vec<Mutant> {
    vec![
        swap!(
            "failed-requests-leave-no-turn",
            "TRN-004",
            "records only requests that the model replied to",
            fn transcript_turns(&self, turns: &[Turn]) -> Vec<Value> {
                turns_where(turns, |turn| turn.error.is_none())
            }
        ),
        swap!(
            "refused-replies-leave-no-turn",
            "TRN-004",
            "records only requests whose reply was accepted",
            fn transcript_turns(&self, turns: &[Turn]) -> Vec<Value> {
                turns_where(turns, |turn| turn.refused.is_none())
            }
        ),
        swap!(
            "refused-replies-are-forgotten",
            "TRN-005",
            "records that a reply was refused, but not the reply",
            fn transcript_turns(&self, turns: &[Turn]) -> Vec<Value> {
                turns_with(turns, |turn| {
                    if turn["refused"].is_array() {
                        turn["reply"] = Value::Null;
                    }
                })
            }
        ),
        swap!(
            "refusals-have-one-code",
            "TRN-005",
            "records every refusal as an invalid plan",
            fn transcript_turns(&self, turns: &[Turn]) -> Vec<Value> {
                turns_with(turns, |turn| {
                    for error in turn["refused"].as_array_mut().into_iter().flatten() {
                        error["errorCode"] = Value::from("invalid_plan");
                    }
                })
            }
        ),
        swap!(
            "first-messages-only",
            "TRN-007",
            "records the contract and the question, but not what followed them",
            fn transcript_turns(&self, turns: &[Turn]) -> Vec<Value> {
                turns_with(turns, |turn| {
                    if let Some(messages) = turn["messages"].as_array_mut() {
                        messages.truncate(2);
                    }
                })
            }
        ),
        swap!(
            "goal-is-left-out-of-messages",
            "TRN-007",
            "records the messages without the question",
            fn transcript_turns(&self, turns: &[Turn]) -> Vec<Value> {
                turns_with(turns, |turn| {
                    if let Some(messages) = turn["messages"].as_array_mut() {
                        messages.truncate(1);
                    }
                })
            }
        ),
        swap!(
            "usage-of-accepted-replies",
            "TRN-008",
            "sums up the tokens of accepted replies only",
            fn transcript_usage(&self, turns: &[Turn]) -> Value {
                let accepted: Vec<Turn> = turns
                    .iter()
                    .filter(|turn| turn.refused.is_none())
                    .cloned()
                    .collect();
                Reference.transcript_usage(&accepted)
            }
        ),
        swap!(
            "failed-steps-are-left-out",
            "TRN-009",
            "records successful steps only",
            fn transcript_steps(&self, steps: &[Step]) -> Vec<Value> {
                let mut steps = Reference.transcript_steps(steps);
                steps.retain(|step| step["result"]["success"] == Value::Bool(true));
                steps
            }
        ),
        swap!(
            "steps-begin-at-zero",
            "TRN-009",
            "numbers the steps of the transcript from 0",
            fn transcript_steps(&self, steps: &[Step]) -> Vec<Value> {
                steps_with(steps, |step| {
                    step["step_number"] = Value::from(step["step_number"].as_u64().unwrap_or(1) - 1)
                })
            }
        )
        .rewriting(),
        swap!(
            "plans-are-tidied",
            "TRN-010",
            "records the action and arguments of a plan and nothing else",
            fn transcript_steps(&self, steps: &[Step]) -> Vec<Value> {
                steps_with(
                    steps,
                    |step| {
                        step["plan"] =
                            json!({"action": step["plan"]["action"], "args": step["plan"]["args"]})
                    },
                )
            }
        ),
        swap!(
            "plans-without-arguments",
            "TRN-010",
            "records plans without their arguments",
            fn transcript_steps(&self, steps: &[Step]) -> Vec<Value> {
                steps_with(steps, |step| step["plan"]["args"] = json!({}))
            }
        ),
        swap!(
            "observations-lag-behind",
            "TRN-011",
            "records with each step the observation before it",
            fn transcript(&self, heading: &Heading, mut sections: Map<String, Value>) -> Value {
                let mut before = Value::clone(&heading.initial_observation);
                for step in sections
                    .get_mut("steps")
                    .and_then(Value::as_array_mut)
                    .into_iter()
                    .flatten()
                {
                    std::mem::swap(&mut step["observation"], &mut before);
                }
                Reference.transcript(heading, sections)
            }
        ),
        swap!(
            "only-successes-are-effects",
            "TRN-012",
            "records only requests that were answered 2xx",
            fn transcript_side_effects(&self, effects: &[SideEffect]) -> Vec<Value> {
                effects_where(effects, |effect| {
                    effect.kind != "http"
                        || effect
                            .status
                            .as_u64()
                            .is_some_and(|status| (200..300).contains(&status))
                })
            }
        ),
        swap!(
            "people-are-no-effects",
            "TRN-012",
            "records requests, but nothing that people did",
            fn transcript_side_effects(&self, effects: &[SideEffect]) -> Vec<Value> {
                effects_where(effects, |effect| effect.kind != "person")
            }
        ),
        swap!(
            "effects-in-alphabetical-order",
            "TRN-012",
            "records effects by their target and not by their time",
            fn transcript_side_effects(&self, effects: &[SideEffect]) -> Vec<Value> {
                let path = |effect: &SideEffect| {
                    effect
                        .target
                        .rsplit("/v1/")
                        .next()
                        .unwrap_or_default()
                        .to_owned()
                };
                let mut sorted = effects.to_vec();
                sorted.sort_by_key(path);
                Reference.transcript_side_effects(&sorted)
            }
        ),
        swap!(
            "targets-keep-their-query",
            "TRN-013",
            "records the query of a URL with it",
            fn effect_target(&self, url: &Url) -> String {
                url.to_string()
            }
        ),
        swap!(
            "targets-are-origins",
            "TRN-013",
            "records only the origin of a URL",
            fn effect_target(&self, url: &Url) -> String {
                url.origin().ascii_serialization()
            }
        )
        .rewriting(),
    ]
}

struct TranscriptIsGone;
impl Tamper for TranscriptIsGone {
    fn request(&self, request: &mut Request) {
        if request.is(Method::GET, "/sessions/*/transcript") {
            request.path = "/sessions/none/transcript".to_owned();
        }
    }
}

fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(members) = &mut value {
        members.retain(|_, member| !member.is_null());
    }
    value
}

/// The turns that pass, numbered anew.
fn turns_where(turns: &[Turn], pass: impl Fn(&Turn) -> bool) -> Vec<Value> {
    let kept: Vec<Turn> = turns.iter().filter(|turn| pass(turn)).cloned().collect();
    Reference.transcript_turns(&kept)
}

/// The turns with something changed in each.
fn turns_with(turns: &[Turn], change: impl Fn(&mut Value)) -> Vec<Value> {
    let mut turns = Reference.transcript_turns(turns);
    turns.iter_mut().for_each(change);
    turns
}

/// The steps with something changed in each.
fn steps_with(steps: &[Step], change: impl Fn(&mut Value)) -> Vec<Value> {
    let mut steps = Reference.transcript_steps(steps);
    steps.iter_mut().for_each(change);
    steps
}

/// The effects that pass.
fn effects_where(effects: &[SideEffect], pass: impl Fn(&SideEffect) -> bool) -> Vec<Value> {
    let kept: Vec<SideEffect> = effects
        .iter()
        .filter(|effect| pass(effect))
        .cloned()
        .collect();
    Reference.transcript_side_effects(&kept)
}
