//! The turns of a transcript, one after the other: numbers and times, what the model was shown, what it replied and what came of it
//! (`spec/transcripts.md`, section 3; `spec/plans.md`).

use std::collections::VecDeque;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::findings::Findings;
use super::head::Head;
use super::ledger::{Asked, Ledger, WINDOW};
use super::order::Order;
use super::prompts::{Prompts, holds};
use super::refusals::{self, Owed};
use super::rules::Rules;
use super::times;
use super::{array, number, text, time};
use crate::json::{self, Duplicates, Limits};
use crate::suite::transcript::entries::{Contracts, Usage};

/// Replies of one step call that can be refused.
pub(super) const ATTEMPTS: u64 = 3;

/// What a model says of a reply that the bound on its length ended (`spec/model.md`, 3.5).
const CUT_OFF: [&str; 3] = ["length", "max_tokens", "MAX_TOKENS"];

/// What a reply can be at most (`spec/plans.md`, 1.8).
const REPLY: Limits = Limits {
    bytes: 256 * 1024,
    depth: 64,
};

/// What a reply proposes.
pub(super) enum Plan {
    /// An action with its arguments.
    Action(Value),
    /// That the work is done.
    Finish,
}

/// The turns so far.
#[derive(Debug, Default)]
pub(super) struct Turns {
    pub count: u64,
    pub usage: Usage,
    pub order: Order,
    /// Whether a reply finished the session.
    pub finished: bool,
    /// Replies refused in a row, up to the last turn.
    pub row: u64,
    /// The longest such row.
    pub longest: u64,
    /// Third refusals, each of which asks for a person.
    pub due: u64,
    /// Whether the last reply is no plan and was accepted, which is told with its turn.
    pub unread: bool,
    /// Turns whose plan was accepted and became no step: the first of them, and how many.
    pub uncounted: Vec<u64>,
    pub uncounted_in_all: u64,
    /// The action of the last of them.
    pub asks: String,
    /// When the last turns were.
    pub times: VecDeque<(u64, Timestamp)>,
    /// What the next prompt of the same step call must hold: codes, and places within the arguments.
    owed: Owed,
    /// What the prompts show.
    pub prompts: Prompts,
    /// Whether the last step that the session may take was planned.
    exhausted: bool,
}

impl Turns {
    /// Looks at the next turn.
    pub fn take(
        &mut self,
        turn: &Value,
        head: &Head,
        contracts: &Contracts,
        ledger: &mut Ledger,
        rules: Option<&Rules>,
        found: &mut Findings<'_>,
    ) {
        let index = self.count;
        self.count += 1;
        let pointer = format!("/turns/{index}");
        self.usage.add(turn);
        found.extend(contracts.check(index, turn));
        self.place(index, turn, &pointer, head, found);
        times::forms(turn, &["at"], &pointer, found);
        self.prompt(turn, &pointer, head, contracts, found);
        let answered = self.prompts.turn(index, turn, head, contracts, found);
        let plan = turn.get("reply").and_then(Value::as_str).map(|reply| {
            let plan = plan(reply);
            let is_cut = CUT_OFF.contains(&text(turn, "finish_reason"));
            plan.and_then(|plan| if is_cut { Err("MOD-015") } else { Ok(plan) })
        });
        let owed = refusals::check(turn, plan.as_ref(), head, rules, &pointer, found);
        let goes_on = self.refusal(turn, owed, &pointer, found);
        let began = answered.began;
        self.prompts.reply(turn, answered, goes_on);
        self.failure(turn, &pointer, found);
        let step = number(turn, "step_number");
        self.unread = accepted(turn) && !matches!(plan, Some(Ok(_)));
        if accepted(turn) && !matches!(plan, Some(Ok(Plan::Action(_)))) {
            self.prompts.misread();
        }
        if accepted(turn) {
            self.outcome(index, &plan, step, &pointer, found);
            if let (Some(Ok(Plan::Action(plan))), None, Some(rules)) = (&plan, step, rules) {
                rules.uncounted(plan, head, &pointer, found);
            }
        }
        // A finish is no step, which is told already.
        if let Some(step) = step.filter(|_| !matches!(plan, Some(Ok(Plan::Finish)))) {
            let plan = match plan {
                Some(Ok(Plan::Action(plan))) => Some(plan),
                _ => None,
            };
            self.exhausted |= head.max_steps.is_some_and(|most| step >= most);
            let asked = Asked {
                at: time(turn, "at"),
                began,
            };
            ledger.propose(step, plan, Some(asked), rules, found);
        }
    }

    /// Number and time.
    fn place(
        &mut self,
        index: u64,
        turn: &Value,
        pointer: &str,
        head: &Head,
        found: &mut Findings<'_>,
    ) {
        let mut say = |requirement: &str, member: &str, expected: Value, message: &str| {
            let got = turn.pointer(member);
            found.say(
                requirement,
                format!("{pointer}{member}"),
                expected,
                got,
                message,
            );
        };
        if number(turn, "turn_number") != Some(index + 1) {
            let message = "leaves a gap or repeats a number";
            say("TRN-004", "/turn_number", json!(index + 1), message);
        }
        if self.finished {
            let message = "follows the reply that finished the session";
            say("SES-016", "", json!({"$absent": true}), message);
        } else if self.exhausted && number(turn, "step_number").is_none() {
            let message = "follows the last step that the session may take";
            say("STP-013", "", json!({"$absent": true}), message);
        }
        let at = time(turn, "at");
        if let Some(wrong) = self
            .order
            .take(at, head.started, || format!("{pointer}/at"))
        {
            say("TRN-004", "/at", json!("a later time"), wrong);
        }
        if let Some(at) = at {
            if self.times.len() >= WINDOW {
                self.times.pop_front();
            }
            self.times.push_back((index, at));
        }
    }

    /// What the model was shown.
    fn prompt(
        &mut self,
        turn: &Value,
        pointer: &str,
        head: &Head,
        contracts: &Contracts,
        found: &mut Findings<'_>,
    ) {
        let messages = turn.get("messages");
        let place = || format!("{pointer}/messages");
        let digest = text(turn, "contract");
        let mark = format!("[contract {digest}]");
        if !shows(turn, &mark)
            && !contracts
                .text(digest)
                .is_some_and(|contract| shows(turn, contract))
        {
            let message = "have no place for the contract";
            found.say("TRN-007", place(), json!({"$has": mark}), messages, message);
        }
        let mut contents = array(turn, "messages").map(|message| text(message, "content"));
        if let Some(goal) = head.goal.as_deref()
            && !contents.any(|content| holds(content, goal))
        {
            let message = "do not hold the goal";
            found.say("MOD-004", place(), json!({"$has": goal}), messages, message);
        }
        for (requirement, owed) in &self.owed {
            // Some writers of JSON escape the slash.
            if !shows(turn, owed) && !shows(turn, &owed.replace('/', "\\/")) {
                let message = "do not say why the reply before was refused";
                let expected = json!({"$has": owed});
                found.say(requirement, place(), expected, messages, message);
            }
        }
    }

    /// Counts refusals; back comes whether the model is asked again in the same step call.
    fn refusal(
        &mut self,
        turn: &Value,
        owed: Owed,
        pointer: &str,
        found: &mut Findings<'_>,
    ) -> bool {
        // Places are owed to the very next prompt, codes to all of the step call.
        self.owed
            .retain(|(requirement, _)| *requirement == "PLN-018");
        if !turn.get("refused").is_some_and(Value::is_array) {
            self.row = 0;
            self.owed.clear();
            return false;
        }
        let counts = number(turn, "step_number");
        if counts.is_some() {
            let message = "belongs to a reply that was refused";
            let place = format!("{pointer}/step_number");
            let none = json!({"$absent": true});
            found.say("PLN-015", place, none, Some(&json!(counts)), message);
        }
        self.row += 1;
        self.longest = self.longest.max(self.row);
        if self.row.is_multiple_of(ATTEMPTS) {
            self.due += 1;
        }
        let goes_on = !self.row.is_multiple_of(ATTEMPTS) && counts.is_none();
        if goes_on {
            self.owed.extend(owed);
        } else {
            self.owed.clear();
        }
        goes_on
    }

    /// How the model failed, if it did.
    fn failure(&mut self, turn: &Value, pointer: &str, found: &mut Findings<'_>) {
        let mut say = |requirement: &str, member: &str, expected: Value, message: &str| {
            let got = turn.pointer(member);
            found.say(
                requirement,
                format!("{pointer}{member}"),
                expected,
                got,
                message,
            );
        };
        let Some(error) = turn.get("error").filter(|error| !error.is_null()) else {
            return;
        };
        if text(error, "errorCode") != "llm_unavailable" {
            let message = "is not the error of a model that failed";
            let expected = json!("llm_unavailable");
            say("MOD-012", "/error/errorCode", expected, message);
        }
        if turn.get("reply").is_some_and(Value::is_string) {
            let message = "is there, though the model failed";
            say("TRN-004", "/reply", json!(null), message);
        }
        if number(turn, "step_number").is_some() {
            let message = "belongs to a request in which the model failed";
            say("STP-017", "/step_number", json!({"$absent": true}), message);
        }
    }

    /// What came of a reply that was accepted.
    fn outcome(
        &mut self,
        index: u64,
        plan: &Option<Result<Plan, &'static str>>,
        step: Option<u64>,
        pointer: &str,
        found: &mut Findings<'_>,
    ) {
        match plan {
            Some(Ok(Plan::Finish)) => {
                self.finished = true;
                if step.is_some() {
                    let message = "belongs to a finish, which is no step";
                    let place = format!("{pointer}/step_number");
                    let (none, got) = (json!({"$absent": true}), json!(step));
                    found.say("STP-007", place, none, Some(&got), message);
                }
            }
            Some(Ok(Plan::Action(plan))) if step.is_none() => {
                self.uncounted_in_all += 1;
                text(plan, "action").clone_into(&mut self.asks);
                if self.uncounted.len() < WINDOW {
                    self.uncounted.push(index);
                }
            }
            Some(Ok(Plan::Action(_))) => {}
            Some(Err(_)) | None => {
                let requirement = plan
                    .as_ref()
                    .and_then(|plan| plan.as_ref().err())
                    .unwrap_or(&"PLN-004");
                let expected = json!("a plan, or why the reply was refused");
                let got = json!("a reply that is no plan");
                let place = format!("{pointer}/reply");
                found.say(
                    requirement,
                    place,
                    expected,
                    Some(&got),
                    "was taken as a plan",
                );
            }
        }
    }
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
        Some(Value::Bool(true))
            if members
                .get("summary")
                .is_none_or(|summary| summary.is_string()) =>
        {
            Ok(Plan::Finish)
        }
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
fn accepted(turn: &Value) -> bool {
    let none = |member: &str| turn.get(member).is_none_or(Value::is_null);
    none("refused") && none("error")
}

/// Whether a message of the turn holds a text.
fn shows(turn: &Value, wanted: &str) -> bool {
    array(turn, "messages").any(|message| text(message, "content").contains(wanted))
}

/// Whether every way to write a text is the same, inside JSON too.
pub(super) fn is_plain(text: &str) -> bool {
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
            (r#"{"finished": true, "summary": 5}"#, Some("PLN-007")),
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
