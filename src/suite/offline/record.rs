//! A transcript against itself: turns, steps and their order, plans and the replies they come from, error objects, the limit
//! (`spec/transcripts.md`, sections 3 and 4).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{array, finding, number, text, time};
use crate::json::{self, Duplicates, Limits};
use crate::suite::matcher::same;
use crate::suite::wire::{Finding, Wire};

/// Codes with which a reply can be refused (`spec/plans.md`; `spec/access.md`, 3.8).
const REFUSALS: [&str; 4] = [
    "invalid_plan",
    "undeclared_action",
    "input_validation_failed",
    "insufficient_scope",
];

/// Largest observation, in bytes of its compact JSON.
const MOST_OBSERVATION: usize = 1 << 20;

/// What a reply can be at most (`spec/plans.md`, 1.8).
const REPLY: Limits = Limits {
    bytes: 256 * 1024,
    depth: 64,
};

/// Everything that is wrong; the replay of single observations too where there is no `manifest` to replay them with.
pub(super) fn check(transcript: &Value, manifest: Option<&Value>, wire: &Wire) -> Vec<Finding> {
    let mut found = Vec::new();
    turns(transcript, &mut found);
    steps(transcript, &mut found);
    errors(transcript, wire, &mut found);
    if manifest.is_none() {
        observations(transcript, &mut found);
    }
    for member in ["last_result", "step"] {
        let pointer = format!("/initial_observation/{member}");
        if let Some(got) = transcript.pointer(&pointer) {
            let message = "is set by the runtime, never by the client";
            let none = json!({"$absent": true});
            found.push(finding("OBS-002", pointer, none, Some(got), message));
        }
    }
    found
}

/// What a reply proposes.
pub(super) enum Plan {
    /// An action with its arguments.
    Action(Value),
    /// That the work is done.
    Finish,
}

/// The plan that a reply is, or the requirement that makes it none.
pub(super) fn plan(reply: &str) -> Result<Plan, &'static str> {
    let read = json::read(unfenced(reply).as_bytes(), &REPLY, Duplicates::Refuse);
    let plan = read.map_err(|error| match error.code {
        "duplicate_key" => "PLN-005",
        "too_large" | "too_deep" => "PLN-008",
        _ => "PLN-002",
    })?;
    let Value::Object(members) = &plan else {
        return Err("PLN-004");
    };
    let (action, args) = (members.get("action"), members.get("args"));
    match members.get("finished") {
        Some(_) if action.is_some() || args.is_some() => Err("PLN-007"),
        Some(Value::Bool(true)) => Ok(Plan::Finish),
        Some(_) => Err("PLN-007"),
        None => match (action, args) {
            (Some(Value::String(_)), Some(Value::Object(_))) => Ok(Plan::Action(plan)),
            (Some(_), _) => Err("PLN-006"),
            (None, _) => Err("PLN-001"),
        },
    }
}

/// A reply without the one code fence that may surround it.
fn unfenced(reply: &str) -> &str {
    let trimmed = reply.trim();
    trimmed
        .strip_prefix("```")
        .and_then(|rest| rest.strip_suffix("```"))
        .and_then(|rest| rest.split_once('\n'))
        .map_or(trimmed, |(_, inner)| inner)
}

/// Whether a turn's reply was neither refused nor missing for a failure of the model.
pub(super) fn accepted(turn: &Value) -> bool {
    let none = |member: &str| turn.get(member).is_none_or(Value::is_null);
    none("refused") && none("error")
}

fn turns(transcript: &Value, found: &mut Vec<Finding>) {
    let goal = transcript
        .pointer("/goal/description")
        .and_then(Value::as_str)
        .filter(|goal| is_plain(goal));
    let mut before = None;
    let mut finished = false;
    for (index, turn) in array(transcript, "turns").enumerate() {
        let pointer = format!("/turns/{index}");
        let mut say = |requirement: &str, member: &str, expected: Value, message: &str| {
            let place = format!("{pointer}{member}");
            let got = turn.pointer(member);
            found.push(finding(requirement, place, expected, got, message));
        };
        if number(turn, "turn_number") != Some(index as u64 + 1) {
            let message = "leaves a gap or repeats a number";
            say("TRN-004", "/turn_number", json!(index + 1), message);
        }
        let at = time(turn, "at");
        if at.is_some_and(|at| before.is_some_and(|before| at < before)) {
            let message = "is before the turn that stands before it";
            say("TRN-004", "/at", json!("a later time"), message);
        }
        before = at.or(before);
        if finished {
            let message = "follows the reply that finished the session";
            say("SES-016", "", json!({"$absent": true}), message);
        }
        if !shows(turn, &format!("[contract {}]", text(turn, "contract")))
            && !contract(transcript, turn).is_some_and(|contract| shows(turn, contract))
        {
            let message = "have no place for the contract";
            let mark = json!({"$has": format!("[contract {}]", text(turn, "contract"))});
            say("TRN-007", "/messages", mark, message);
        }
        if goal.is_some_and(|goal| !shows(turn, goal)) {
            let message = "do not hold the goal";
            say("MOD-004", "/messages", json!({"$has": goal}), message);
        }
        let step = number(turn, "step_number");
        for (at, refusal) in array(turn, "refused").enumerate() {
            if !REFUSALS.contains(&text(refusal, "errorCode")) {
                let message = "is no code with which a reply is refused";
                let member = format!("/refused/{at}/errorCode");
                say("TRN-005", &member, json!({"$any_of": REFUSALS}), message);
            }
        }
        if turn
            .get("refused")
            .is_some_and(|refused| !refused.is_null())
            && step.is_some()
        {
            let message = "belongs to a reply that was refused";
            say("PLN-015", "/step_number", json!({"$absent": true}), message);
        }
        if let Some(error) = turn.get("error").filter(|error| !error.is_null()) {
            if text(error, "errorCode") != "llm_unavailable" {
                let message = "is not the error of a model that failed";
                say(
                    "MOD-012",
                    "/error/errorCode",
                    json!("llm_unavailable"),
                    message,
                );
            }
            if step.is_some() {
                let message = "belongs to a request in which the model failed";
                say("STP-017", "/step_number", json!({"$absent": true}), message);
            }
        }
        if accepted(turn) {
            match turn.get("reply").and_then(Value::as_str).map(plan) {
                Some(Ok(Plan::Finish)) => {
                    finished = true;
                    if step.is_some() {
                        let message = "belongs to a finish, which is no step";
                        say("STP-007", "/step_number", json!({"$absent": true}), message);
                    }
                }
                Some(Ok(Plan::Action(_))) => {}
                Some(Err(requirement)) => {
                    let expected = json!("a plan, or why the reply was refused");
                    say(requirement, "/reply", expected, "was taken as a plan");
                }
                None => {
                    let expected = json!("a plan, or why the reply was refused");
                    say("PLN-004", "/reply", expected, "was taken as a plan");
                }
            }
        }
    }
}

fn steps(transcript: &Value, found: &mut Vec<Finding>) {
    let mut proposals: BTreeMap<u64, Vec<Option<Value>>> = BTreeMap::new();
    for turn in array(transcript, "turns") {
        if let Some(step) = number(turn, "step_number") {
            let plan = turn.get("reply").and_then(Value::as_str).map(plan);
            let plan = match plan {
                Some(Ok(Plan::Action(plan))) => Some(plan),
                _ => None,
            };
            proposals.entry(step).or_default().push(plan);
        }
    }
    for question in array(transcript, "interventions") {
        if let Some(step) = number(question, "step_number")
            && text(question, "kind") == "invalid_plan"
        {
            let plan = question.pointer("/output/plan").cloned();
            proposals.entry(step).or_default().push(plan);
        }
    }
    let mut unclaimed = proposals.clone();
    for (index, step) in array(transcript, "steps").enumerate() {
        let pointer = format!("/steps/{index}");
        let step_number = number(step, "step_number").unwrap_or_default();
        unclaimed.remove(&step_number);
        let own = proposals
            .get(&step_number)
            .map(Vec::as_slice)
            .unwrap_or_default();
        match own {
            [] => found.push(finding(
                "TRN-004",
                pointer.clone(),
                json!("a turn, or a plan of a person, with its number"),
                step.get("step_number"),
                "was proposed by nobody",
            )),
            [Some(plan)] => {
                if !step.get("plan").is_some_and(|own| same(own, plan)) {
                    found.push(finding(
                        "TRN-010",
                        format!("{pointer}/plan"),
                        plan.clone(),
                        step.get("plan"),
                        "is not the plan that was proposed",
                    ));
                }
            }
            // A reply that is no plan is told with its turn.
            [None] => {}
            _ => found.push(finding(
                "TRN-009",
                format!("{pointer}/step_number"),
                json!("the number of one turn"),
                step.get("step_number"),
                "is the number of several turns",
            )),
        }
        ran(step, &pointer, found);
        let size = step
            .get("observation")
            .map_or(0, |observation| observation.to_string().len());
        if size > MOST_OBSERVATION {
            found.push(finding(
                "OBS-015",
                format!("{pointer}/observation"),
                json!(format!("at most {MOST_OBSERVATION} bytes")),
                Some(&json!(format!("{size} bytes"))),
                "is larger than an observation can be",
            ));
        }
    }
    for number in unclaimed.keys() {
        found.push(finding(
            "TRN-009",
            "/steps",
            json!(format!("a step {number}, which a turn or a person planned")),
            None,
            "is not there",
        ));
    }
    let most = number(transcript, "max_steps");
    let taken = array(transcript, "steps").len() as u64;
    if most.is_some_and(|most| taken > most) {
        found.push(finding(
            "STP-011",
            "/steps",
            json!(format!("at most {} steps", most.unwrap_or_default())),
            Some(&json!(format!("{taken} steps"))),
            "are more than the session may take",
        ));
    }
}

/// The action of a result is that of the plan, or its fallback.
fn ran(step: &Value, pointer: &str, found: &mut Vec<Finding>) {
    let planned = step.pointer("/plan/action").unwrap_or(&Value::Null);
    let named = step.pointer("/result/action_name");
    let attempts: Vec<&Value> = step
        .get("result")
        .map(|result| array(result, "attempts").collect())
        .unwrap_or_default();
    match attempts.as_slice() {
        [] => {
            if named != Some(planned) {
                found.push(finding(
                    "ACT-001",
                    format!("{pointer}/result/action_name"),
                    planned.clone(),
                    named,
                    "is not the action that was planned",
                ));
            }
        }
        [first, .., last] if last.get("action_name") == named => {
            if first.get("action_name") != Some(planned) {
                found.push(finding(
                    FALLBACK,
                    format!("{pointer}/result/attempts/0/action_name"),
                    planned.clone(),
                    first.get("action_name"),
                    "is not the action that was planned",
                ));
            }
        }
        _ => found.push(finding(
            FALLBACK,
            format!("{pointer}/result/action_name"),
            json!("the action of the last attempt"),
            named,
            "is not the fallback that ran",
        )),
    }
}

/// The result of a fallback, with both attempts.
const FALLBACK: &str = "WFL-077";

/// Every error object in a transcript, with the closed list of codes.
fn errors(transcript: &Value, wire: &Wire, found: &mut Vec<Finding>) {
    let mut look = |pointer: String, error: &Value| {
        if let Some(mut wrong) = wire.error(None, error) {
            wrong.difference.pointer.insert_str(0, &pointer);
            found.push(wrong);
        }
    };
    for (index, turn) in array(transcript, "turns").enumerate() {
        for (at, refusal) in array(turn, "refused").enumerate() {
            look(format!("/turns/{index}/refused/{at}"), refusal);
        }
        if let Some(error) = turn.get("error") {
            look(format!("/turns/{index}/error"), error);
        }
    }
    for (index, step) in array(transcript, "steps").enumerate() {
        let Some(result) = step.get("result") else {
            continue;
        };
        if let Some(error) = result.get("error") {
            look(format!("/steps/{index}/result/error"), error);
        }
        for (at, attempt) in array(result, "attempts").enumerate() {
            if let Some(error) = attempt.get("error") {
                look(format!("/steps/{index}/result/attempts/{at}/error"), error);
            }
        }
    }
}

/// What a step does to an observation whatever the manifest says: the members that the runtime sets, and those that nobody changes.
fn observations(transcript: &Value, found: &mut Vec<Finding>) {
    let mut before = transcript
        .get("initial_observation")
        .cloned()
        .unwrap_or_default();
    for (index, step) in array(transcript, "steps").enumerate() {
        let recorded = step.get("observation").unwrap_or(&Value::Null);
        let result = step.get("result").unwrap_or(&Value::Null);
        let Value::Object(members) = &mut before else {
            return;
        };
        for (name, member) in [
            ("timestamp", "/started_at"),
            ("last_result", "/result"),
            ("step", "/step_number"),
        ] {
            let value = step.pointer(member).cloned().unwrap_or_default();
            members.insert(name.to_owned(), value);
        }
        let merged = result.get("success") == Some(&Value::Bool(true))
            && text(result, "status") != "skipped";
        // Where an output lands only the manifest tells.
        if merged && let Some(environment) = recorded.get("environment") {
            members.insert("environment".to_owned(), environment.clone());
        }
        if !same(&before, recorded) {
            found.push(finding(
                "TRN-011",
                format!("/steps/{index}/observation"),
                before,
                Some(recorded),
                "is not what the step makes of the one before it",
            ));
            return;
        }
    }
    let last = transcript.get("final_observation");
    if !last.is_some_and(|last| same(last, &before)) {
        found.push(finding(
            "TRN-011",
            "/final_observation",
            before,
            last,
            "is not the observation of the last step",
        ));
    }
}

fn contract<'a>(transcript: &'a Value, turn: &Value) -> Option<&'a str> {
    let contracts = transcript.get("contracts")?;
    contracts.get(text(turn, "contract"))?.as_str()
}

/// Whether a message of the turn holds a text.
fn shows(turn: &Value, wanted: &str) -> bool {
    array(turn, "messages").any(|message| text(message, "content").contains(wanted))
}

/// Whether every way to write a text is the same, inside JSON too.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b" .,:;-_()[]@".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_a_plan_or_breaks_one_rule() {
        for (reply, broken) in [
            (r#"{"action": "a", "args": {}}"#, None),
            ("```json\n{\"action\": \"a\", \"args\": {}}\n```", None),
            (r#"{"finished": true, "summary": "s"}"#, None),
            (r#"{"action": "a"}"#, Some("PLN-006")),
            (r#"{"action": 5, "args": {}}"#, Some("PLN-006")),
            (r#"{"finished": true, "args": {}}"#, Some("PLN-007")),
            (r#"{"finished": false}"#, Some("PLN-007")),
            (
                r#"{"action": "a", "action": "b", "args": {}}"#,
                Some("PLN-005"),
            ),
            ("{}", Some("PLN-001")),
            ("[]", Some("PLN-004")),
            ("sure: {}", Some("PLN-002")),
            ("", Some("PLN-002")),
        ] {
            assert_eq!(plan(reply).err(), broken, "{reply}");
        }
        assert_eq!(plan(&"[".repeat(65)).err(), Some("PLN-008"));
    }
}
