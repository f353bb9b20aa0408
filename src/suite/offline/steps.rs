//! The steps of a transcript, one after the other: numbers and times, the action that ran, sizes, the replay
//! (`spec/transcripts.md`, section 4; `spec/actions.md`; `spec/workflows.md`, section 10).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::errors;
use super::findings::Findings;
use super::head::Head;
use super::ledger::Ledger;
use super::order::Order;
use super::rules::Rules;
use super::times;
use super::{array, text, time};
use crate::suite::replay::{Replay, brings_output};
use crate::suite::transcript::entries;
use crate::suite::wire::{Finding, Wire};

/// Largest observation, in bytes of its compact JSON (`spec/observations.md`).
const MOST_OBSERVATION: usize = 1 << 20;

/// Most of what code wrote that is kept, in bytes (`spec/sandbox.md`, 7.5): of each attempt, so twice that where a fallback ran.
const MOST_LOGS: usize = 2 * 64 * 1024;

/// The replay gives each observation.
pub(super) const REPLAY: &str = "TRN-011";

/// The result of a fallback, with both attempts.
const FALLBACK: &str = "WFL-077";

/// The steps so far.
#[derive(Debug, Default)]
pub(super) struct Steps {
    pub count: u64,
    pub order: Order,
    /// Whether the last one is a success.
    pub succeeded: bool,
    /// Whether the last one brought an output and completes the goal.
    pub completes: bool,
    /// The first that did so.
    pub completed: Option<u64>,
    pub replay: Option<Replay>,
    /// When the last one ended, and the latest end of all with its place.
    ended: Option<Timestamp>,
    pub latest: Option<(u64, Timestamp)>,
}

impl Steps {
    /// Looks at the next step.
    pub fn take(
        &mut self,
        step: &Value,
        head: &Head,
        ledger: &mut Ledger,
        wire: &Wire,
        rules: Option<&Rules>,
        found: &mut Findings<'_>,
    ) {
        let index = self.count;
        self.count += 1;
        let pointer = format!("/steps/{index}");
        found.extend(entries::number(index, step));
        let place = || format!("{pointer}/started_at");
        let started = time(step, "started_at");
        if let Some(wrong) = self.order.take(started, head.started, place) {
            let got = step.get("started_at");
            found.say("TRN-009", place(), json!("a later time"), got, wrong);
        }
        times::forms(step, &["started_at"], &pointer, found);
        self.course(index, step, &pointer, found);
        let result = step.get("result").unwrap_or(&Value::Null);
        ran(step, result, &pointer, found);
        errors::of_result(result, &format!("{pointer}/result"), wire, found);
        size(step, &pointer, found);
        self.succeeded = result.get("success") == Some(&Value::Bool(true));
        self.completes = false;
        if let Some(rules) = rules {
            rules.step(step, head, &pointer, found);
            self.completes = brings_output(result) && rules.completes(text(result, "action_name"));
            if self.completes && self.completed.is_none() {
                self.completed = Some(index);
            }
        }
        if let Some(replay) = &mut self.replay {
            let differences = replay.step(index, step, rules.map(Rules::document));
            found.extend(differences.into_iter().map(|difference| Finding {
                requirement: REPLAY.to_owned(),
                difference,
            }));
        }
        ledger.step(index, step, rules, found);
    }
}

impl Steps {
    /// Steps are taken one after the other (`spec/steps.md`, section 5).
    fn course(&mut self, index: u64, step: &Value, pointer: &str, found: &mut Findings<'_>) {
        let (started, ended) = (time(step, "started_at"), times::ended(step));
        if let (Some(before), Some(started)) = (self.ended, started)
            && times::latest(started) < before
        {
            let place = format!("{pointer}/started_at");
            let expected = json!(format!(
                "at least {before}, when the step before had its result"
            ));
            let message = "is before the end of the step that stands before it";
            found.say("STP-015", place, expected, step.get("started_at"), message);
        }
        self.ended = ended;
        if let Some(ended) = ended
            && self.latest.is_none_or(|(_, latest)| latest < ended)
        {
            self.latest = Some((index, ended));
        }
    }
}

fn size(step: &Value, pointer: &str, found: &mut Findings<'_>) {
    let logs = text(step, "logs").len();
    if logs > MOST_LOGS {
        found.say(
            "SBX-044",
            format!("{pointer}/logs"),
            json!(format!("at most {MOST_LOGS} bytes")),
            Some(&json!(format!("{logs} bytes"))),
            "are longer than what of an output is kept",
        );
    }
    let size = step
        .get("observation")
        .map_or(0, |observation| observation.to_string().len());
    if size > MOST_OBSERVATION {
        found.say(
            "OBS-015",
            format!("{pointer}/observation"),
            json!(format!("at most {MOST_OBSERVATION} bytes")),
            Some(&json!(format!("{size} bytes"))),
            "is larger than an observation can be",
        );
    }
}

/// The action of a result is that of the plan, or its fallback.
fn ran(step: &Value, result: &Value, pointer: &str, found: &mut Findings<'_>) {
    let planned = step.pointer("/plan/action").unwrap_or(&Value::Null);
    let named = result.get("action_name");
    let attempts: Vec<&Value> = array(result, "attempts").collect();
    match attempts.as_slice() {
        [] => {
            if named != Some(planned) {
                found.say(
                    "ACT-001",
                    format!("{pointer}/result/action_name"),
                    planned.clone(),
                    named,
                    "is not the action that was planned",
                );
            }
        }
        [first, .., last] if last.get("action_name") == named => {
            if first.get("action_name") != Some(planned) {
                found.say(
                    FALLBACK,
                    format!("{pointer}/result/attempts/0/action_name"),
                    planned.clone(),
                    first.get("action_name"),
                    "is not the action that was planned",
                );
            }
            fell_back(first, attempts.len(), pointer, found);
        }
        _ => found.say(
            FALLBACK,
            format!("{pointer}/result/action_name"),
            json!("the action of the last attempt"),
            named,
            "is not the fallback that ran",
        ),
    }
}

/// A fallback runs once, and only after failures that allow it (`spec/workflows.md`, section 7).
fn fell_back(first: &Value, attempts: usize, pointer: &str, found: &mut Findings<'_>) {
    if attempts > 2 {
        found.say(
            "WFL-073",
            format!("{pointer}/result/attempts"),
            json!("two attempts"),
            Some(&json!(format!("{attempts} attempts"))),
            "are more than an action and its fallback",
        );
    }
    let code = first.pointer("/error/errorCode");
    let requirement = match code.and_then(Value::as_str) {
        Some("output_validation_failed" | "invalid_response") => "WFL-071",
        Some(
            "input_validation_failed"
            | "template_error"
            | "conditional_error"
            | "insufficient_scope"
            | "rate_limited"
            | "missing_credential"
            | "human_rejected",
        ) => "WFL-072",
        _ => return,
    };
    let place = format!("{pointer}/result/attempts/0/error/errorCode");
    let expected = json!("a failure after which a fallback runs");
    let message = "is none after which a fallback runs, and one ran";
    found.say(requirement, place, expected, code, message);
}
