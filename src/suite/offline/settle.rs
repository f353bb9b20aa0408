//! A step settled: all that belongs to it is there, and must fit together (`spec/actions.md`, `spec/human.md`, `spec/access.md`).

use serde_json::{Value, json};

use super::course;
use super::findings::Findings;
use super::ledger::{Entry, Mark, Question, Step, mark};
use super::rules::Rules;

/// Everything that is wrong with one step.
pub(super) fn settle(number: u64, entry: &Entry, rules: Option<&Rules>, found: &mut Findings<'_>) {
    found.line = None;
    for question in &entry.questions {
        answer(question, entry.step.as_ref(), found);
    }
    let Some(step) = &entry.step else {
        if entry.proposals > 0 {
            let expected = format!("a step {number}, which a turn or a person planned");
            found.say("TRN-009", "/steps", json!(expected), None, "is not there");
        }
        return;
    };
    let place = |member: &str| format!("/steps/{}{member}", step.index);
    match entry.proposals {
        0 => found.say(
            "TRN-004",
            place(""),
            json!("a turn, or a plan of a person, with its number"),
            Some(&json!(number)),
            "was proposed by nobody",
        ),
        1 => {}
        _ => found.say(
            "TRN-009",
            place("/step_number"),
            json!("the number of one turn"),
            Some(&json!(number)),
            "is the number of several turns",
        ),
    }
    unsent(entry, step, found);
    course::check(entry, step, found);
    answers(entry, step, found);
    if step.code.as_deref() == Some("upstream_status")
        && !step.fell_back
        && let Some((index, status)) = &entry.effects.last
        && *status != step.upstream
    {
        found.say(
            "ACT-011",
            place("/result/error/details/status"),
            json!(status),
            Some(&json!(step.upstream)),
            &format!("is not the status of the request /side_effects/{index}"),
        );
    }
    if let Some(rules) = rules {
        rules.settle(number, entry, step, found);
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
    let (requirement, why) = match step.code.as_deref() {
        Some("missing_credential") => ("SEC-003", "the action failed for want of a credential"),
        Some("invalid_credential") => ("SEC-005", "the action failed for want of a credential"),
        Some("rate_limited") => ("ACC-028", "the call was over its limit"),
        Some("conditional_error") => ("WFL-113", "its conditional could not be evaluated"),
        Some("human_rejected") if entry.approval("rejected") => {
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
fn answer(question: &Question, step: Option<&Step>, found: &mut Findings<'_>) {
    let asked = format!("/interventions/{}", question.index);
    let Some(step) = step else {
        let requirement = match (&*question.kind, &*question.outcome) {
            ("human_intervention", "answered") => "HUM-005",
            ("human_intervention", "rejected") => "HUM-007",
            _ => return,
        };
        super::people::uncounted(requirement, &asked, None, found);
        return;
    };
    let place = |member: &str| format!("/steps/{}/result{member}", step.index);
    let code = step.code.as_deref();
    match (&*question.kind, &*question.outcome) {
        ("human_intervention", "answered") if step.success && !question.is_output_of(step) => {
            let expected = question.shown.clone();
            let expected = expected.unwrap_or_else(|| json!("the answer"));
            let message = "is not what the person answered";
            let got = json!("another output");
            found.say("HUM-005", place("/output"), expected, Some(&got), message);
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
