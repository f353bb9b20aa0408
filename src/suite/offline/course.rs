//! The course of one step in time: the call, the request to the model, the question, the effects, the result
//! (`spec/transcripts.md`, sections 3 to 6).

use jiff::Timestamp;
use serde_json::json;

use super::findings::Findings;
use super::ledger::{Entry, Question, Step};
use super::times::latest;

/// Everything of a step that stands at a time at which it cannot have been.
pub(super) fn check(entry: &Entry, step: &Step, found: &mut Findings<'_>) {
    let mut say =
        |requirement: &str, place: String, at: Timestamp, bound: String, message: &str| {
            let got = json!(at.to_string());
            found.say(requirement, place, json!(bound), Some(&got), message);
        };
    let began = |member: &str| format!("/steps/{}{member}", step.index);
    let asked = entry.asked.and_then(|asked| asked.at);
    if let (Some(asked), Some(started)) = (asked, step.started)
        && asked < started
    {
        let bound = format!("at most {asked}, when the model was asked for its plan");
        let message = "is not when the step call began";
        say("OBS-004", began("/started_at"), started, bound, message);
    } else if let (Some(shown), Some(started)) =
        (entry.asked.and_then(|asked| asked.began), step.started)
        && shown != started
    {
        let bound = format!("{shown}, the time that the model was shown");
        let message = "is not when the step call began";
        say("OBS-004", began("/started_at"), started, bound, message);
    }
    if let (Some(asked), Some(ended)) = (asked, step.ended)
        && latest(ended) < asked
    {
        let bound = format!("so long that the step ended after {asked}, when the model was asked");
        let message = "ends the step before its turn";
        say("TRN-009", began("/duration_ms"), ended, bound, message);
    }
    for question in &entry.questions {
        asked_within(question, asked, step, &mut say);
    }
    if let Some((index, Some(first))) = entry.effects.first {
        let place = || format!("/side_effects/{index}/at");
        let approved = entry
            .questions
            .iter()
            .find(|question| &*question.kind == "approval" && &*question.outcome == "approved");
        let approved = approved.and_then(|question| question.answered);
        if let Some(started) = step.started.filter(|started| first < *started) {
            let bound = format!("at least {started}, when its step began");
            say("TRN-012", place(), first, bound, "is before its step");
        } else if let Some(asked) = asked.filter(|asked| first < *asked) {
            let bound = format!("at least {asked}, when the model was asked for the plan");
            say("TRN-012", place(), first, bound, "is before its plan");
        } else if let Some(approved) = approved.filter(|approved| latest(first) < *approved) {
            let bound = format!("at least {approved}, when it was approved");
            say("ACC-036", place(), first, bound, "is before its approval");
        }
    }
    if let (Some((index, at)), Some(ended)) = (entry.effects.latest, step.ended)
        && at > latest(ended)
    {
        let bound = format!("at most {ended}, when its step had its result");
        let place = format!("/side_effects/{index}/at");
        say("TRN-012", place, at, bound, "is after the end of its step");
    }
}

/// A question is asked after the model's plan, and answered before the result.
fn asked_within(
    question: &Question,
    turn: Option<Timestamp>,
    step: &Step,
    say: &mut dyn FnMut(&str, String, Timestamp, String, &str),
) {
    let place = |member: &str| format!("/interventions/{}{member}", question.index);
    let from = turn.max(step.started);
    if let (Some(asked), Some(from)) = (question.asked, from)
        // A person's plan begins a step of its own.
        && &*question.kind != "invalid_plan"
        && asked < from
    {
        let bound = format!("at least {from}, when the step was planned");
        let message = "is before the plan that asks";
        say("HUM-016", place("/asked_at"), asked, bound, message);
    }
    let of_refusals = &*question.kind == "invalid_plan";
    if let (Some(answered), Some(ended)) = (question.answered, step.ended)
        // What a model planned is no person's plan, which is told already.
        && !(of_refusals && turn.is_some())
        && answered > latest(ended)
    {
        let bound = format!("at most {ended}, when its step had its result");
        let message = "is after the end of its step";
        say("HUM-016", place("/answered_at"), answered, bound, message);
    }
}
