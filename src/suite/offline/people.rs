//! Questions to people, one after the other, as a transcript tells them (`spec/human.md`; `spec/access.md`, section 6).

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::findings::Findings;
use super::head::Head;
use super::ledger::{Ledger, WINDOW};
use super::order::Order;
use super::rules::Rules;
use super::times;
use super::turns::{Turns, plan};
use super::{number, text, time};

/// The ways in which a question can end that leave an effect.
pub(super) const OUTCOMES: [&str; 3] = ["answered", "approved", "rejected"];

/// The questions so far.
#[derive(Debug, Default)]
pub(super) struct Questions {
    pub count: u64,
    pub order: Order,
    /// Those after three refused replies.
    pub of_refusals: u64,
    /// Those that wait for no step: they were not answered.
    pub open: u64,
    /// Whether one was open at the close.
    pub waits: bool,
    /// How often each of [`OUTCOMES`] was.
    pub outcomes: [u64; 3],
    /// Whether a person's plan was a finish.
    pub finished: bool,
    /// Whether the last is of refusals, and whether a person then gave the session up.
    pub last_of_refusals: bool,
    pub given_up: bool,
    /// The first that a person gave the session up with.
    gave_up: bool,
    ids: BTreeSet<String>,
    cancelled: Option<u64>,
    /// When the session waited: from, to, and what forbids a turn in between.
    waits_from: Vec<(Timestamp, Option<Timestamp>, &'static str)>,
}

impl Questions {
    /// Looks at the next question.
    pub fn take(
        &mut self,
        question: &Value,
        head: &Head,
        ledger: &mut Ledger,
        rules: Option<&Rules>,
        found: &mut Findings<'_>,
    ) {
        let index = self.count;
        self.count += 1;
        let pointer = format!("/interventions/{index}");
        let (kind, outcome) = (text(question, "kind"), text(question, "outcome"));
        self.place(index, question, &pointer, head, found);
        times::forms(question, &["asked_at", "answered_at"], &pointer, found);
        self.asked_and_answered(index, question, &pointer, found);
        let step = number(question, "step_number");
        let of_refusals = kind == "invalid_plan";
        self.of_refusals += u64::from(of_refusals);
        self.last_of_refusals = of_refusals;
        self.given_up = of_refusals && outcome == "rejected";
        self.gave_up |= self.given_up;
        self.open += u64::from(!of_refusals && step.is_none());
        self.waits |= outcome == "cancelled";
        if let Some(at) = OUTCOMES.iter().position(|one| *one == outcome)
            && let Some(count) = self.outcomes.get_mut(at)
        {
            *count += 1;
        }
        self.finished |= question.pointer("/output/plan/finished") == Some(&Value::Bool(true));
        if of_refusals {
            of_three_refusals(question, step, &pointer, found);
        } else if kind == "human_intervention" && step.is_none() {
            match outcome {
                "answered" => uncounted("HUM-005", &pointer, None, found),
                "rejected" => uncounted("HUM-007", &pointer, None, found),
                _ => {}
            }
        }
        let fits = match kind {
            "approval" => outcome != "answered",
            _ => outcome != "approved",
        };
        if !fits {
            let message = "is no way in which a question of this kind can end";
            let expected = json!("an outcome of its kind");
            let got = question.get("outcome");
            found.say(
                "HUM-016",
                format!("{pointer}/outcome"),
                expected,
                got,
                message,
            );
        }
        if let Some(step) = step {
            if let Some(plan) = question.pointer("/output/plan").filter(|_| of_refusals) {
                ledger.propose(step, Some(plan.clone()), None, rules, found);
            }
            ledger.question(step, index, question, rules, found);
        }
    }

    /// Id, times and the question before.
    fn place(
        &mut self,
        index: u64,
        question: &Value,
        pointer: &str,
        head: &Head,
        found: &mut Findings<'_>,
    ) {
        let id = text(question, "id");
        let known = self.ids.contains(id);
        if known {
            let expected = json!("an id of its own");
            let message = "is that of another question";
            let got = question.get("id");
            found.say("HUM-016", format!("{pointer}/id"), expected, got, message);
        } else if self.ids.len() < WINDOW && id.len() <= 128 {
            self.ids.insert(id.to_owned());
        }
        let place = || format!("{pointer}/asked_at");
        let asked = time(question, "asked_at");
        if let Some(wrong) = self.order.take(asked, head.started, place) {
            let got = question.get("asked_at");
            found.say("HUM-016", place(), json!("a later time"), got, wrong);
        }
        if let Some(before) = self.cancelled.take() {
            let message = "is that of a question after which another was asked";
            let place = format!("/interventions/{before}/outcome");
            let expected = json!("answered, approved or rejected");
            found.say(
                "HUM-016",
                place,
                expected,
                Some(&json!("cancelled")),
                message,
            );
        }
        if text(question, "outcome") == "cancelled" {
            self.cancelled = Some(index);
        }
    }

    fn asked_and_answered(
        &mut self,
        index: u64,
        question: &Value,
        pointer: &str,
        found: &mut Findings<'_>,
    ) {
        let (asked, answered) = (time(question, "asked_at"), time(question, "answered_at"));
        let Some(asked) = asked else { return };
        if answered.is_some_and(|answered| answered < asked) {
            let expected = json!("a time after asked_at");
            let place = format!("{pointer}/answered_at");
            let got = question.get("answered_at");
            found.say("HUM-016", place, expected, got, "is before the question");
        } else if index < WINDOW as u64 {
            self.waits_from.push((asked, answered, "STP-010"));
            let given_up =
                text(question, "kind") == "invalid_plan" && text(question, "outcome") == "rejected";
            if let Some(answered) = answered.filter(|_| given_up) {
                self.waits_from.push((answered, None, "SES-016"));
            }
        }
    }

    /// What can be said when all turns and questions are known.
    pub fn end(&self, turns: &Turns, head: &Head, found: &mut Findings<'_>) {
        self.refusals(turns, head, found);
        for (from, to, requirement) in &self.waits_from {
            let first = turns.times.partition_point(|(_, at)| at <= from);
            let Some((index, at)) = turns.times.get(first) else {
                continue;
            };
            if to.is_none_or(|to| *at < to) {
                let message = if *requirement == "STP-010" {
                    "asks the model while the session waits for a person"
                } else {
                    "asks the model after a person gave the session up"
                };
                let got = json!(at.to_string());
                let none = json!({"$absent": true});
                found.say(
                    requirement,
                    format!("/turns/{index}"),
                    none,
                    Some(&got),
                    message,
                );
            }
        }
        if self.gave_up && head.status() != "failed" {
            let message = "is not failed, though a person gave the session up";
            found.say(
                "HUM-015",
                "/status",
                json!("failed"),
                head.get("status"),
                message,
            );
        }
        for index in turns
            .uncounted
            .iter()
            .skip(usize::try_from(self.open).unwrap_or(usize::MAX))
        {
            found.say(
                "TRN-009",
                format!("/turns/{index}/step_number"),
                json!("the number of a step"),
                None,
                "is missing, though the plan was accepted and no question waits",
            );
        }
    }

    /// After each third refusal a person is asked, or the session has failed.
    fn refusals(&self, turns: &Turns, head: &Head, found: &mut Findings<'_>) {
        let (asked, due) = (self.of_refusals, turns.due);
        let unattended = asked == 0 && due == 1 && head.status() == "failed";
        let mut say = |requirement: &str, message: &str| {
            let got = json!(format!("{asked} questions"));
            let expected = json!(format!("{due} of kind invalid_plan"));
            found.say(requirement, "/interventions", expected, Some(&got), message);
        };
        if asked < due && !(unattended && turns.row == super::turns::ATTEMPTS) {
            // With a fourth refusal somebody went on, without one only the question is missing.
            let went_on = turns.longest > super::turns::ATTEMPTS;
            let message = "do not have a question for each third reply that was refused";
            say(if went_on { "PLN-020" } else { "PLN-021" }, message);
        }
        if asked > due {
            say(
                "PLN-017",
                "have a question that no three refused replies led to",
            );
        }
    }
}

/// What a person can say to three refused replies.
fn of_three_refusals(question: &Value, step: Option<u64>, pointer: &str, found: &mut Findings<'_>) {
    let output = question.get("output").unwrap_or(&Value::Null);
    let retry = output.get("retry") == Some(&Value::Bool(true));
    match text(question, "outcome") {
        "answered" => {
            let planned = output
                .get("plan")
                .is_some_and(|own| plan(&own.to_string()).is_ok());
            if !retry && !planned {
                let message = "is neither a plan nor a retry, and was accepted";
                let expected = json!({"$any_of": [{"plan": {}}, {"retry": true}]});
                let got = question.get("output");
                found.say(
                    "HUM-012",
                    format!("{pointer}/output"),
                    expected,
                    got,
                    message,
                );
            }
            if retry {
                uncounted("HUM-014", pointer, step, found);
            }
        }
        "rejected" => uncounted("HUM-015", pointer, step, found),
        _ => {}
    }
}

/// Says that a question has no step and must have one, or the other way round where it has one.
pub(super) fn uncounted(
    requirement: &str,
    pointer: &str,
    step: Option<u64>,
    found: &mut Findings<'_>,
) {
    let counts = matches!(requirement, "HUM-005" | "HUM-007");
    let place = format!("{pointer}/step_number");
    if counts {
        let message = "is not that of a step, and each answer counts as one";
        found.say(
            requirement,
            place,
            json!("the number of a step"),
            None,
            message,
        );
    } else if let Some(step) = step {
        let message = "belongs to an answer that is no step";
        let none = json!({"$absent": true});
        found.say(requirement, place, none, Some(&json!(step)), message);
    }
}
