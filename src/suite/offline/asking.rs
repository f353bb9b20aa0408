//! A step beside the question that its action asks by the manifest: it is there, was answered as the result says, and no other was asked
//! (`spec/human.md`; `spec/access.md`, section 5; `spec/workflows.md`, section 15).

use serde_json::json;

use super::findings::Findings;
use super::ledger::{Entry, Step};
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
        shown(
            planned,
            question.index,
            &question.kind,
            &question.prompt,
            found,
        );
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

/// An action that asks has its question, unless its conditional, its prompt or its rate kept it from asking.
fn answer(planned: &Action, number: u64, entry: &Entry, step: &Step, found: &mut Findings<'_>) {
    let is_there = ["answered", "rejected"]
        .iter()
        .any(|outcome| entry.has("human_intervention", outcome));
    let never_asked = step.skipped
        || match step.code() {
            // One that no conditional can fail for is told by itself, and so is one that nobody rejected.
            Some("conditional_error" | "human_rejected") => true,
            Some("template_error") => text(&planned.definition, "prompt").contains("{{"),
            Some("rate_limited") => planned.definition.get("access_control").is_some(),
            _ => false,
        };
    if planned.kind() == "human_intervention" && !never_asked && !is_there {
        let expected = json!(format!("the question of step {number}, and how it ended"));
        let message = "do not have the question that the action of a step asks";
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

/// A question is of the kind that its action asks, and shows the prompt of it; `index`: its place.
pub(super) fn shown(
    planned: &Action,
    index: u64,
    kind: &str,
    prompt: &str,
    found: &mut Findings<'_>,
) {
    let asks = match planned.kind() {
        "human_intervention" => Some("human_intervention"),
        _ if planned.wants_approval() => Some("approval"),
        _ => None,
    };
    // What guards a plugin can stand in its descriptor.
    if planned.kind() != "plugin" && kind != "invalid_plan" && Some(kind) != asks {
        let message = "is of a kind that its action does not ask";
        let place = format!("/interventions/{index}/kind");
        let expected = asks.map_or_else(|| json!({"$absent": true}), |asks| json!(asks));
        found.say("HUM-016", place, expected, Some(&json!(kind)), message);
    }
    let declared = text(&planned.definition, "prompt");
    let is_literal = !declared.is_empty()
        && !declared.contains("{{")
        && !prompt.contains(crate::suite::secrets::REDACTED);
    if kind == "human_intervention" && is_literal && declared != prompt {
        found.say(
            "HUM-002",
            format!("/interventions/{index}/prompt"),
            json!(declared),
            Some(&json!(prompt)),
            "is not the prompt of the action",
        );
    }
}
