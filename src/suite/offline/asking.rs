//! A step beside the question that its action asks by the manifest: it is there, was answered as the result says, and no other was asked
//! (`spec/human.md`; `spec/access.md`, section 5; `spec/workflows.md`, section 15).

use serde_json::json;

use super::findings::Findings;
use super::ledger::{Entry, Question, Step};
use super::rules::Action;
use super::text;

/// Failures that only an action has which was executed.
const EXECUTED: [&str; 11] = [
    "upstream_unreachable",
    "upstream_timeout",
    "upstream_status",
    "redirect_refused",
    "invalid_response",
    "response_too_large",
    "output_validation_failed",
    "result_path_blocked",
    "observation_too_large",
    "file_not_found",
    "storage_unavailable",
];

/// Failures of an output that is there.
const OF_AN_OUTPUT: [&str; 2] = ["result_path_blocked", "observation_too_large"];

/// Everything about the questions of a step that its action contradicts.
pub(super) fn check(
    planned: &Action,
    number: u64,
    entry: &Entry,
    step: &Step,
    found: &mut Findings<'_>,
) {
    approval(planned, entry, step, found);
    answer(planned, number, entry, step, found);
    conditional(planned, step, found);
    for question in &entry.questions {
        kind(planned, question, found);
        prompt(planned, question, found);
    }
}

/// An action that wants an approval is not executed without one.
fn approval(planned: &Action, entry: &Entry, step: &Step, found: &mut Findings<'_>) {
    let code = step.code().unwrap_or_default();
    let executed = step.end.brought
        || step.fell_back
        || entry.effects.first.is_some()
        || EXECUTED.contains(&code)
        || code.starts_with("sandbox_");
    let decided = |outcome: &str| entry.has("approval", outcome);
    // One that was rejected has its own requirement.
    if planned.wants_approval() && executed && !decided("approved") && !decided("rejected") {
        found.say(
            "ACC-036",
            format!("/steps/{}", step.index),
            json!("a question of kind approval that was approved"),
            None,
            "was executed, though nobody approved it",
        );
    }
}

/// The output of a question is what a person answered.
fn answer(planned: &Action, number: u64, entry: &Entry, step: &Step, found: &mut Findings<'_>) {
    let is_output =
        step.end.brought || step.code().is_some_and(|code| OF_AN_OUTPUT.contains(&code));
    let is_there = ["answered", "rejected"]
        .iter()
        .any(|outcome| entry.has("human_intervention", outcome));
    if planned.kind() == "human_intervention" && is_output && !is_there {
        let expected = json!(format!("the answered question of step {number}"));
        let message = "do not have the question whose answer is the output of a step";
        found.say("HUM-016", "/interventions", expected, None, message);
    }
}

/// What no conditional guards is neither skipped nor fails for one.
fn conditional(planned: &Action, step: &Step, found: &mut Findings<'_>) {
    if planned.definition.get("conditional").is_some() || planned.kind() == "plugin" {
        return;
    }
    let (requirement, member, got) = if step.skipped {
        ("WFL-112", "status", "skipped")
    } else if step.code() == Some("conditional_error") {
        ("WFL-113", "error/errorCode", "conditional_error")
    } else {
        return;
    };
    let place = format!("/steps/{}/result/{member}", step.index);
    let message = "speaks of a conditional, and the action has none";
    let none = json!({"$not": got});
    found.say(requirement, place, none, Some(&json!(got)), message);
}

/// A question is of the kind that its action asks.
fn kind(planned: &Action, question: &Question, found: &mut Findings<'_>) {
    let asks = match planned.kind() {
        "human_intervention" => "human_intervention",
        // What guards a plugin can stand in its descriptor.
        "plugin" => return,
        _ if planned.wants_approval() => "approval",
        _ => "invalid_plan",
    };
    if &*question.kind != "invalid_plan" && *question.kind != *asks {
        let message = "is of a kind that the action of its step does not ask";
        let place = format!("/interventions/{}/kind", question.index);
        let expected = match asks {
            "invalid_plan" => json!({"$absent": true}),
            asks => json!(asks),
        };
        let got = json!(&*question.kind);
        found.say("HUM-016", place, expected, Some(&got), message);
    }
}

/// A question shows the prompt of its action.
fn prompt(planned: &Action, question: &Question, found: &mut Findings<'_>) {
    let declared = text(&planned.definition, "prompt");
    let is_literal = !declared.is_empty()
        && !declared.contains("{{")
        && !question.prompt.contains(crate::suite::secrets::REDACTED);
    if &*question.kind == "human_intervention" && is_literal && *declared != *question.prompt {
        found.say(
            "HUM-002",
            format!("/interventions/{}/prompt", question.index),
            json!(declared),
            Some(&json!(question.prompt)),
            "is not the prompt of the action",
        );
    }
}
