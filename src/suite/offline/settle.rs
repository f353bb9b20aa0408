//! A step settled: all that belongs to it is there, and must fit together (`spec/actions.md`, `spec/human.md`, `spec/access.md`).

use serde_json::{Value, json};

use super::course;
use super::findings::Findings;
use super::ledger::{Entry, Mark, Question, Step, mark};
use super::people;
use super::rules::Rules;

/// Failures of an answer that could not be merged. That nobody rejected a rejection is told by itself.
const OF_AN_OUTPUT: [&str; 3] = [
    "result_path_blocked",
    "observation_too_large",
    "human_rejected",
];

/// Everything that is wrong with one step.
pub(super) fn settle(number: u64, entry: &Entry, rules: Option<&Rules>, found: &mut Findings<'_>) {
    found.line = None;
    for question in &entry.questions {
        answer(question, entry.step.as_ref(), rules, found);
    }
    let Some(step) = &entry.step else {
        if entry.proposals > 0 || entry.of_a_person.is_some() {
            let expected = format!("a step {number}, which a turn or a person planned");
            found.say("TRN-009", "/steps", json!(expected), None, "is not there");
        }
        return;
    };
    let place = |member: &str| format!("/steps/{}{member}", step.index);
    match (entry.proposals, entry.of_a_person) {
        (0, Some((_, plan))) if plan != step.plan => {
            let message = "is not the plan that a person proposed";
            let expected = json!("the plan of the person");
            found.say("TRN-010", place("/plan"), expected, None, message);
        }
        (0, Some(_)) | (1, None) => {}
        // The question is that of the turn's plan.
        (1, Some((index, _))) => people::not_executed(index, found),
        (0, None) => found.say(
            "TRN-004",
            place(""),
            json!("a turn, or a plan of a person, with its number"),
            Some(&json!(number)),
            "was proposed by nobody",
        ),
        _ => found.say(
            "TRN-009",
            place("/step_number"),
            json!("the number of one turn"),
            Some(&json!(number)),
            "is the number of several turns",
        ),
    }
    unsent(entry, step, found);
    asked(number, entry, step, found);
    course::check(entry, step, found);
    answers(entry, step, found);
    if step.code() == Some("upstream_status")
        && !step.fell_back
        && let Some((index, status)) = &entry.effects.last
        && *status != step.end.upstream
    {
        found.say(
            "ACT-011",
            place("/result/error/details/status"),
            json!(status),
            Some(&json!(step.end.upstream)),
            &format!("is not the status of the request /side_effects/{index}"),
        );
    }
    if let Some(rules) = rules {
        rules.settle(number, entry, step, found);
    }
}

/// A rejection was somebody's, and a step is that of one question.
fn asked(number: u64, entry: &Entry, step: &Step, found: &mut Findings<'_>) {
    let of_refusals = |question: &&Question| &*question.kind == "invalid_plan";
    let rejected = entry
        .questions
        .iter()
        .any(|question| !of_refusals(&question) && &*question.outcome == "rejected");
    if step.code() == Some("human_rejected") && !rejected {
        let expected = json!(format!("the rejected question of step {number}"));
        let message = "do not have the question whose rejection is the result of a step";
        found.say("HUM-016", "/interventions", expected, None, message);
    }
    for alike in [true, false] {
        let mut own = entry.questions.iter();
        if let Some(second) = own.by_ref().filter(|one| of_refusals(one) == alike).nth(1) {
            let place = format!("/interventions/{}/step_number", second.index);
            let expected = json!("the number of a step of its own");
            let message = "is that of another question too, and each answer counts as one step";
            found.say("TRN-009", place, expected, Some(&json!(number)), message);
        }
    }
}

/// The target of a person's answer is the action that asked, or `invalid_plan`.
fn answers(entry: &Entry, step: &Step, found: &mut Findings<'_>) {
    let of_refusals = |question: &Question| &*question.kind == "invalid_plan";
    if entry.questions.is_empty() {
        // Whose answer it is, is judged elsewhere.
        return;
    }
    let mut targets = Vec::new();
    // The plan of a person can ask a question of its own, which the step then belongs to.
    if entry.asked.is_none() || entry.questions.iter().any(of_refusals) {
        targets.push("invalid_plan");
    }
    if !entry.questions.iter().all(of_refusals) {
        targets.push(&*step.planned);
    }
    let marks: Vec<Mark> = targets.iter().map(|target| mark(&json!(target))).collect();
    for (index, _) in entry
        .effects
        .answers
        .iter()
        .filter(|(_, target)| !marks.contains(target))
    {
        let place = format!("/side_effects/{index}/target");
        let expected = json!({"$any_of": targets});
        let message = "is not what a person was asked about";
        found.say("TRN-013", place, expected, None, message);
    }
}

/// What ends a step before anything is sent, and yet something was.
fn unsent(entry: &Entry, step: &Step, found: &mut Findings<'_>) {
    let Some((index, _)) = entry.effects.first else {
        return;
    };
    // Of a fallback's two attempts nobody can tell whose effect is whose.
    if step.fell_back {
        return;
    }
    let (requirement, why) = match step.code() {
        Some("missing_credential") => ("SEC-003", "the action failed for want of a credential"),
        Some("invalid_credential") => ("SEC-005", "the action failed for want of a credential"),
        Some("rate_limited") => ("ACC-028", "the call was over its limit"),
        Some("conditional_error") => ("WFL-113", "its conditional could not be evaluated"),
        Some("human_rejected") if entry.has("approval", "rejected") => {
            ("ACC-037", "a person rejected the action")
        }
        _ if step.skipped => ("WFL-112", "the action was skipped"),
        _ => return,
    };
    found.say(
        requirement,
        format!("/side_effects/{index}"),
        json!({"$absent": true}),
        Some(&json!("an effect of the step")),
        &format!("was sent, though {why}"),
    );
}

/// The step of an answer has what the person said.
fn answer(
    question: &Question,
    step: Option<&Step>,
    rules: Option<&Rules>,
    found: &mut Findings<'_>,
) {
    let asked = format!("/interventions/{}", question.index);
    let Some(step) = step else {
        let requirement = match (&*question.kind, &*question.outcome) {
            ("human_intervention", "answered") => "HUM-005",
            ("human_intervention", "rejected") => "HUM-007",
            _ => return,
        };
        people::uncounted(requirement, &asked, None, found);
        return;
    };
    let place = |member: &str| format!("/steps/{}/result{member}", step.index);
    let code = step.code();
    let failed = code.unwrap_or_default();
    let unmerged = OF_AN_OUTPUT.contains(&failed)
        || (failed == "output_validation_failed" && can_miss(rules, &step.planned));
    match (&*question.kind, &*question.outcome) {
        ("human_intervention", "answered") if step.success && !question.is_output_of(step) => {
            let expected = question.shown.clone();
            let expected = expected.unwrap_or_else(|| json!("the answer"));
            let message = "is not what the person answered";
            let got = json!("another output");
            found.say("HUM-005", place("/output"), expected, Some(&got), message);
        }
        ("human_intervention", "answered") if !step.success && !unmerged => {
            let message = "is not that of a question which was answered";
            let expected = json!({"$absent": true});
            let got: Option<Value> = code.map(Value::from);
            let place = place("/error/errorCode");
            found.say("HUM-005", place, expected, got.as_ref(), message);
        }
        (kind @ ("human_intervention" | "approval"), "rejected")
            if code != Some("human_rejected") =>
        {
            let requirement = if kind == "approval" {
                "ACC-037"
            } else {
                "HUM-007"
            };
            let message = "is not that of a question which was rejected";
            let expected = json!("human_rejected");
            let got: Option<Value> = code.map(Value::from);
            let place = place("/error/errorCode");
            found.say(requirement, place, expected, got.as_ref(), message);
        }
        _ => {}
    }
}

/// Whether an output that satisfies its schema can still lack what `result_path` takes from it (`spec/observations.md`, 3.7): where
/// that names parts, or where the manifest is not there to say.
fn can_miss(rules: Option<&Rules>, action: &str) -> bool {
    rules.is_none_or(|rules| {
        let declared = rules.actions.get(action);
        declared.is_some_and(|action| {
            let path = action.definition.get("result_path");
            path.is_some_and(Value::is_object)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_of_parts_misses_one() {
        let rules = Rules::new(json!({"actions": [
            {"name": "parts", "type": "human_intervention", "result_path": {"/environment/zone": "/time_zone"}},
            {"name": "whole", "type": "human_intervention", "result_path": "/environment/zone"},
            {"name": "none", "type": "human_intervention"},
        ]}));
        assert!(can_miss(None, "whole"));
        assert!(can_miss(Some(&rules), "parts"));
        for action in ["whole", "none", "unknown"] {
            assert!(!can_miss(Some(&rules), action), "{action}");
        }
    }
}
