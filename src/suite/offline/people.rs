//! Questions to people, one after the other, as a transcript tells them (`spec/human.md`; `spec/access.md`, section 6).

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::asking;
use super::findings::Findings;
use super::head::Head;
use super::ledger::{Ledger, WINDOW};
use super::order::Order;
use super::rules::Rules;
use super::times;
use super::turns::{Plan, Turns, plan};
use super::{number, text, time};

/// The ways in which a question can end that leave an effect.
pub(super) const OUTCOMES: [&str; 3] = ["answered", "approved", "rejected"];

/// A plan of a person that has no step.
#[derive(Debug)]
struct Planned {
    /// The place of the question that it answers, and when it did.
    index: u64,
    at: Option<Timestamp>,
    plan: Value,
}

/// The questions so far.
#[derive(Debug, Default)]
pub(super) struct Questions {
    pub count: u64,
    pub order: Order,
    /// Those after three refused replies.
    pub of_refusals: u64,
    /// Whether an action of type `human_intervention` asked.
    of_actions: bool,
    /// Those that wait for no step: they were not answered.
    pub open: u64,
    /// Whether one was open at the close.
    pub waits: bool,
    /// How often each of [`OUTCOMES`] was.
    pub outcomes: [u64; 3],
    /// Whether a person's plan was a finish.
    pub finished: bool,
    /// Whether a person gave the session up in the last one.
    pub given_up: bool,
    /// The first that a person gave the session up with.
    gave_up: bool,
    ids: BTreeSet<String>,
    cancelled: Option<u64>,
    /// The plan of the person who answered last, if it has no step: it must ask, and the question that follows is its own.
    planned: Option<Planned>,
    /// Questions that no step came of, and that a person's plan asked.
    open_of_people: u64,
    /// The last question that no step came of: its place, kind and prompt.
    last_open: (u64, String, String),
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
        self.of_actions |= kind == "human_intervention";
        self.given_up = of_refusals && outcome == "rejected";
        self.gave_up |= self.given_up;
        self.of_a_plan(question, index, step, ledger, rules, found);
        if !of_refusals && step.is_none() {
            self.open += 1;
            self.last_open = (index, kind.to_owned(), text(question, "prompt").to_owned());
        }
        self.waits |= outcome == "cancelled";
        if let Some(at) = OUTCOMES.iter().position(|one| *one == outcome)
            && let Some(count) = self.outcomes.get_mut(at)
        {
            *count += 1;
        }
        // What a person answers to an action's own question is an output, whatever it looks like.
        self.finished |=
            of_refusals && question.pointer("/output/plan/finished") == Some(&Value::Bool(true));
        if of_refusals {
            of_three_refusals(question, step, &pointer, found);
        } else if let Some(requirement) = counting(kind, outcome).filter(|_| step.is_none()) {
            uncounted(requirement, &pointer, None, found);
        }
        if outcome == "cancelled" {
            uncounted("HUM-016", &pointer, step, found);
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

    /// A plan of a person without a step is one that asks: the next question is its own (`spec/human.md`, 4.3).
    fn of_a_plan(
        &mut self,
        question: &Value,
        index: u64,
        step: Option<u64>,
        ledger: &mut Ledger,
        rules: Option<&Rules>,
        found: &mut Findings<'_>,
    ) {
        let of_refusals = text(question, "kind") == "invalid_plan";
        if of_refusals {
            self.unasked(found);
        } else if let Some(before) = self.planned.take() {
            if let (Some(asked), Some(at)) = (time(question, "asked_at"), before.at)
                && asked < at
            {
                let place = format!("/interventions/{index}/asked_at");
                let bound = json!(format!("at least {at}, when a person planned it"));
                let message = "is before the plan that asks";
                let got = question.get("asked_at");
                found.say("HUM-016", place, bound, got, message);
            }
            match step {
                Some(step) => ledger.asked(step, before.index, &before.plan, rules, found),
                None => self.open_of_people += 1,
            }
        }
        if let Some(own) = question.pointer("/output/plan")
            && of_refusals
            && step.is_none()
            && matches!(plan(&own.to_string()), Ok(Plan::Action(_)))
        {
            self.planned = Some(Planned {
                index,
                at: time(question, "answered_at"),
                plan: own.clone(),
            });
        }
    }

    /// A plan of a person that neither counted nor asked.
    fn unasked(&mut self, found: &mut Findings<'_>) {
        if let Some(Planned { index, .. }) = self.planned.take() {
            not_executed(index, found);
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
    pub fn end(
        &mut self,
        turns: &Turns,
        head: &Head,
        rules: Option<&Rules>,
        found: &mut Findings<'_>,
    ) {
        self.unasked(found);
        self.refusals(turns, head, rules, found);
        let of_turns = self.open.saturating_sub(self.open_of_people);
        if of_turns > turns.uncounted_in_all {
            let place = format!("/interventions/{}", self.last_open.0);
            let expected = json!("a turn, or a plan of a person, that asks it");
            found.say("TRN-004", place, expected, None, "was asked by nobody");
        } else if (of_turns, turns.uncounted_in_all, self.open_of_people) == (1, 1, 0) {
            let (index, kind, prompt) = &self.last_open;
            // One that asks nobody is told with its turn.
            if let Some(action) = rules
                .and_then(|rules| rules.actions.get(&turns.asks))
                .filter(|action| action.kind() == "human_intervention" || action.wants_approval())
            {
                asking::shown(action, *index, kind, prompt, found);
            }
        }
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
            .skip(usize::try_from(of_turns).unwrap_or(usize::MAX))
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
    fn refusals(
        &self,
        turns: &Turns,
        head: &Head,
        rules: Option<&Rules>,
        found: &mut Findings<'_>,
    ) {
        let (asked, due) = (self.of_refusals, turns.due);
        // A runtime that asks elsewhere, or has taken an action that asks, declares `human`, and asks here too.
        let has_people = self.of_actions || rules.is_some_and(Rules::asks);
        let unattended = asked == 0 && due == 1 && head.status() == "failed" && !has_people;
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

/// Says of a plan of a person, by the place of its question, that nothing came of it.
pub(super) fn not_executed(index: u64, found: &mut Findings<'_>) {
    let place = format!("/interventions/{index}/step_number");
    let expected = json!("the number of a step, or a question that the plan asks");
    let message = "is missing, though a valid plan of a person is executed at once";
    found.say("HUM-013", place, expected, None, message);
}

/// The requirement by which an answer counts as a step.
fn counting(kind: &str, outcome: &str) -> Option<&'static str> {
    match (kind, outcome) {
        ("human_intervention", "answered") => Some("HUM-005"),
        ("human_intervention", "rejected") => Some("HUM-007"),
        ("approval", "approved") => Some("STP-005"),
        ("approval", "rejected") => Some("ACC-037"),
        _ => None,
    }
}

/// Says that a question has no step and must have one, or the other way round where it has one.
pub(super) fn uncounted(
    requirement: &str,
    pointer: &str,
    step: Option<u64>,
    found: &mut Findings<'_>,
) {
    let counts = matches!(requirement, "HUM-005" | "HUM-007" | "STP-005" | "ACC-037");
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
