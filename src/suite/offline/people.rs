//! Questions, refusals and the end of a session, as its transcript tells them (`spec/human.md`; `spec/transitions.toml`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::record::{Plan, accepted, plan};
use super::{array, finding, number, text, time};
use crate::suite::matcher::same;
use crate::suite::wire::Finding;

/// Replies of one step call that can be refused.
const ATTEMPTS: usize = 3;

/// Everything that is wrong.
pub(super) fn check(transcript: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    refusals(transcript, &mut found);
    questions(transcript, &mut found);
    unrecorded(transcript, &mut found);
    effects(transcript, &mut found);
    end(transcript, &mut found);
    found
}

/// How many replies were refused in a row, each time that this ended.
fn rows(transcript: &Value) -> Vec<usize> {
    let mut rows = vec![0];
    for turn in array(transcript, "turns") {
        if turn.get("refused").is_some_and(Value::is_array) {
            if let Some(last) = rows.last_mut() {
                *last += 1;
            }
        } else {
            rows.push(0);
        }
    }
    rows
}

/// After each third refusal a person is asked, or the session has failed.
fn refusals(transcript: &Value, found: &mut Vec<Finding>) {
    let rows = rows(transcript);
    let due: usize = rows.iter().map(|row| row / ATTEMPTS).sum();
    let asked = array(transcript, "interventions")
        .filter(|question| text(question, "kind") == "invalid_plan")
        .count();
    let unattended = asked == 0 && due == 1 && text(transcript, "status") == "failed";
    let last = rows.last().copied().unwrap_or_default();
    if asked < due && !(unattended && last == ATTEMPTS) {
        // With a fourth refusal somebody went on, without one only the question is missing.
        let requirement = if rows.iter().any(|row| *row > ATTEMPTS) {
            "PLN-020"
        } else {
            "PLN-021"
        };
        let message = "do not have a question for each third reply that was refused";
        let got = json!(format!("{asked} questions"));
        let expected = json!(format!("{due} of kind invalid_plan"));
        found.push(finding(
            requirement,
            "/interventions",
            expected,
            Some(&got),
            message,
        ));
    }
    if asked > due {
        let message = "have a question that no three refused replies led to";
        let got = json!(format!("{asked} questions"));
        let expected = json!(format!("{due} of kind invalid_plan"));
        found.push(finding(
            "PLN-017",
            "/interventions",
            expected,
            Some(&got),
            message,
        ));
    }
}

fn questions(transcript: &Value, found: &mut Vec<Finding>) {
    let steps: Vec<&Value> = array(transcript, "steps").collect();
    let mut ids = BTreeSet::new();
    let mut before = None;
    let all = array(transcript, "interventions").len();
    for (index, question) in array(transcript, "interventions").enumerate() {
        let pointer = format!("/interventions/{index}");
        let mut say = |requirement: &str,
                       place: String,
                       expected: Value,
                       got: Option<&Value>,
                       message: &str| {
            found.push(finding(requirement, place, expected, got, message));
        };
        if !ids.insert(text(question, "id")) {
            let expected = json!("an id of its own");
            let message = "is that of another question";
            say(
                "HUM-016",
                format!("{pointer}/id"),
                expected,
                question.get("id"),
                message,
            );
        }
        let asked = time(question, "asked_at");
        let answered = time(question, "answered_at");
        if asked.is_some_and(|asked| before.is_some_and(|before| asked < before)) {
            let expected = json!("a later time");
            let message = "is before the question that stands before it";
            say(
                "HUM-016",
                format!("{pointer}/asked_at"),
                expected,
                question.get("asked_at"),
                message,
            );
        }
        before = asked.or(before);
        if answered.is_some_and(|answered| asked.is_some_and(|asked| answered < asked)) {
            let expected = json!("a time after asked_at");
            let message = "is before the question";
            say(
                "HUM-016",
                format!("{pointer}/answered_at"),
                expected,
                question.get("answered_at"),
                message,
            );
        }
        let outcome = text(question, "outcome");
        if outcome == "cancelled" && index + 1 < all {
            let message = "is that of a question after which another was asked";
            say(
                "HUM-016",
                format!("{pointer}/outcome"),
                json!("answered, approved or rejected"),
                question.get("outcome"),
                message,
            );
        }
        let step = number(question, "step_number");
        let place = |member: &str| {
            let at = step.unwrap_or_default().saturating_sub(1);
            format!("/steps/{at}/result{member}")
        };
        let result = step
            .and_then(|step| steps.get(usize::try_from(step).ok()?.checked_sub(1)?))
            .and_then(|step| step.get("result"));
        match (text(question, "kind"), outcome) {
            ("human_intervention", "answered" | "rejected") if result.is_none() => {
                let requirement = if outcome == "answered" {
                    "HUM-005"
                } else {
                    "HUM-007"
                };
                let message = "is not that of a step, and each answer counts as one";
                say(
                    requirement,
                    format!("{pointer}/step_number"),
                    json!("the number of a step"),
                    question.get("step_number"),
                    message,
                );
            }
            ("human_intervention", "answered") => {
                let output = question.get("output").unwrap_or(&Value::Null);
                let result = result.unwrap_or(&Value::Null);
                let merged = result.get("success") == Some(&Value::Bool(true));
                if merged && !result.get("output").is_some_and(|own| same(own, output)) {
                    let message = "is not what the person answered";
                    say(
                        "HUM-005",
                        place("/output"),
                        output.clone(),
                        result.get("output"),
                        message,
                    );
                }
            }
            ("human_intervention", "rejected") => {
                let code = result.and_then(|result| result.pointer("/error/errorCode"));
                if code != Some(&json!("human_rejected")) {
                    let message = "is not that of a question which was rejected";
                    say(
                        "HUM-007",
                        place("/error/errorCode"),
                        json!("human_rejected"),
                        code,
                        message,
                    );
                }
            }
            ("invalid_plan", "answered") => {
                let output = question.get("output").unwrap_or(&Value::Null);
                let retry = output.get("retry") == Some(&Value::Bool(true));
                let planned = output
                    .get("plan")
                    .is_some_and(|own| plan(&own.to_string()).is_ok());
                if !retry && !planned {
                    let message = "is neither a plan nor a retry, and was accepted";
                    let expected = json!({"$any_of": [{"plan": {}}, {"retry": true}]});
                    say(
                        "HUM-012",
                        format!("{pointer}/output"),
                        expected,
                        question.get("output"),
                        message,
                    );
                }
            }
            ("invalid_plan", "rejected") => {
                let got = transcript.get("status");
                if got != Some(&json!("failed")) {
                    let message = "is not failed, though a person gave the session up";
                    say(
                        "HUM-015",
                        "/status".to_owned(),
                        json!("failed"),
                        got,
                        message,
                    );
                }
            }
            _ => {}
        }
    }
}

/// A plan that was accepted has its step, unless its question was never answered.
fn unrecorded(transcript: &Value, found: &mut Vec<Finding>) {
    let mut open = array(transcript, "interventions")
        .filter(|question| text(question, "kind") != "invalid_plan")
        .filter(|question| number(question, "step_number").is_none())
        .count();
    for (index, turn) in array(transcript, "turns").enumerate() {
        let plan = turn.get("reply").and_then(Value::as_str).map(plan);
        let is_action = matches!(plan, Some(Ok(Plan::Action(_))));
        if !accepted(turn) || !is_action || number(turn, "step_number").is_some() {
            continue;
        }
        if open == 0 {
            found.push(finding(
                "TRN-009",
                format!("/turns/{index}/step_number"),
                json!("the number of a step"),
                None,
                "is missing, though the plan was accepted and no question waits",
            ));
        }
        open = open.saturating_sub(1);
    }
}

/// Effects are in order, belong to steps, and have each question that somebody answered.
fn effects(transcript: &Value, found: &mut Vec<Finding>) {
    let steps = array(transcript, "steps").len() as u64;
    let mut before = None;
    for (index, effect) in array(transcript, "side_effects").enumerate() {
        let pointer = format!("/side_effects/{index}");
        let at = time(effect, "at");
        if at.is_some_and(|at| before.is_some_and(|before| at < before)) {
            found.push(finding(
                "TRN-012",
                format!("{pointer}/at"),
                json!("a later time"),
                effect.get("at"),
                "is before the effect that stands before it",
            ));
        }
        before = at.or(before);
        if number(effect, "step_number").is_some_and(|step| step == 0 || step > steps) {
            found.push(finding(
                "TRN-012",
                format!("{pointer}/step_number"),
                json!("the number of a step, or null"),
                effect.get("step_number"),
                "is the number of no step",
            ));
        }
    }
    let mut expected: Vec<&str> = array(transcript, "interventions")
        .map(|question| text(question, "outcome"))
        .filter(|outcome| *outcome != "cancelled")
        .collect();
    let mut told: Vec<&str> = array(transcript, "side_effects")
        .filter(|effect| text(effect, "kind") == "person")
        .map(|effect| text(effect, "status"))
        .collect();
    expected.sort_unstable();
    told.sort_unstable();
    if expected != told {
        found.push(finding(
            "TRN-012",
            "/side_effects",
            json!(expected),
            Some(&json!(told)),
            "do not have one entry for each question that a person answered or rejected",
        ));
    }
}

/// The status at the close follows from what came before it.
fn end(transcript: &Value, found: &mut Vec<Finding>) {
    let status = text(transcript, "status");
    let mut say = |requirement: &str, expected: Value, message: &str| {
        let got = transcript.get("status");
        found.push(finding(requirement, "/status", expected, got, message));
    };
    let finished = array(transcript, "turns")
        .filter(|turn| accepted(turn))
        .filter_map(|turn| turn.get("reply")?.as_str())
        .any(|reply| matches!(plan(reply), Ok(Plan::Finish)))
        || array(transcript, "interventions")
            .any(|question| question.pointer("/output/plan/finished") == Some(&json!(true)));
    let last_succeeded = array(transcript, "steps")
        .next_back()
        .is_some_and(|step| step.pointer("/result/success") == Some(&json!(true)));
    let waits =
        array(transcript, "interventions").any(|question| text(question, "outcome") == "cancelled");
    let taken = array(transcript, "steps").len() as u64;
    match status {
        _ if finished && status != "completed" => {
            say(
                "PLN-024",
                json!("completed"),
                "is another, though the session was finished",
            );
        }
        "completed" if !finished && !last_succeeded => {
            let message =
                "is completed, though nothing finished the session and no action succeeded last";
            say("STP-009", json!("active"), message);
        }
        "awaiting_human" if !waits => {
            let message = "waits for a person, though no question was open at the close";
            say("HUM-016", json!("a question that was cancelled"), message);
        }
        "active" | "completed" | "max_steps_reached" | "failed" if waits => {
            let message = "does not wait for a person, though a question was open at the close";
            say("HUM-016", json!("awaiting_human"), message);
        }
        "max_steps_reached" if number(transcript, "max_steps").is_some_and(|most| taken < most) => {
            let message = "is reached with fewer steps than the session may take";
            say("STP-013", json!("active"), message);
        }
        "failed" if !given_up(transcript) => {
            let message =
                "is failed, though neither a person gave up nor a third reply was refused last";
            say("PLN-021", json!("active"), message);
        }
        _ => {}
    }
}

/// Whether a person rejected the question of three refused replies, or nobody could be asked it.
fn given_up(transcript: &Value) -> bool {
    let rejected = array(transcript, "interventions")
        .next_back()
        .is_some_and(|last| {
            text(last, "kind") == "invalid_plan" && text(last, "outcome") == "rejected"
        });
    rejected || rows(transcript).last().is_some_and(|row| *row == ATTEMPTS)
}
