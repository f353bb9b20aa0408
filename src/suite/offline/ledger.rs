//! What belongs to one step and stands in different places of a transcript: the plan that was proposed, the step, the question to a
//! person, the effects. Each part is kept as little as its checks need until the step is settled.
//!
//! No session takes more than 10 000 steps, so a whole session fits; of a longer one the oldest steps are settled early.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::endpoints::{destination, origin};
use super::findings::Findings;
use super::rules::Rules;
use super::{number, text, time};
use super::{settle, times};
use crate::json;
use crate::suite::replay::brings_output;

/// Most steps that are open at the same time.
pub(super) const WINDOW: usize = 16_384;

/// Most questions of one step that are kept.
const MOST_QUESTIONS: usize = 4;

/// Most plans and answers that are kept whole, so that a finding can show them; of others only the digest is.
const MOST_SHOWN: usize = 256;

/// Longest target of an effect that is kept, in bytes; no endpoint is longer.
const MOST_TARGET: usize = 8_192;

/// Hosts of one step that are kept. Where more are called, one of these is none that an action of fewer grants may call.
pub(super) const MOST_HOSTS: usize = 64;

/// Names that are looked for among those before.
const MOST_NAMES: usize = 32;

/// The open steps by number.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    open: BTreeMap<u64, Box<Entry>>,
    names: Names,
    /// Everything up to this number is settled.
    settled: u64,
    shown: usize,
}

/// One step.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub step: Option<Step>,
    /// How often it was proposed.
    pub proposals: u32,
    pub plan: Proposed,
    /// The plan of a person that asked the question of the step, unless a turn did: the place of its question, and its mark.
    pub of_a_person: Option<(u64, Mark)>,
    /// The turn that asked the model for it.
    pub asked: Option<Asked>,
    pub questions: Vec<Question>,
    pub effects: Effects,
}

/// The turn in which a plan was proposed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// When the model was asked.
    pub at: Option<Timestamp>,
    /// When the step call began, as the model was shown.
    pub began: Option<Timestamp>,
}

/// What was proposed for a step.
#[derive(Debug, Default)]
pub(super) enum Proposed {
    /// Nothing yet.
    #[default]
    Nothing,
    /// A reply that is no plan, which is told with its turn.
    NoPlan,
    /// A plan, by its mark, and itself while there is room.
    Plan(Mark, Option<Box<Value>>),
}

/// What tells one value from another: the first half of the digest.
pub(super) type Mark = u128;

pub(super) fn mark(value: &Value) -> Mark {
    let digest = json::digest(value);
    let half = digest.get("sha256:".len()..39).unwrap_or_default();
    Mark::from_str_radix(half, 16).unwrap_or_default()
}

/// Names that come again and again, kept once.
#[derive(Debug, Default)]
struct Names(VecDeque<Arc<str>>);

impl Names {
    fn of(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| ***known == *name) {
            return Arc::clone(known);
        }
        if self.0.len() >= MOST_NAMES {
            self.0.pop_front();
        }
        let name: Arc<str> = name.into();
        self.0.push_back(Arc::clone(&name));
        name
    }
}

/// What is kept of a step.
#[derive(Debug)]
pub(super) struct Step {
    /// Its place, counted from 0.
    pub index: u64,
    pub plan: Mark,
    /// The action that was planned.
    pub planned: Arc<str>,
    /// The action of its result.
    pub action: Arc<str>,
    /// Whether its result is a success.
    pub success: bool,
    /// What came of it.
    pub end: Attempt,
    /// Whether it was skipped.
    pub skipped: bool,
    /// Whether a fallback ran.
    pub fell_back: bool,
    /// What came of the action and of its fallback, where both ran.
    pub attempts: Option<Box<[Attempt; 2]>>,
    output: Mark,
    /// Whether its output is `null`.
    pub is_null: bool,
    /// When it began, and when it had its result.
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// What an effect on a file must name: that of the planned action, and of the one that ran.
    pub files: [Option<Mark>; 2],
}

/// What came of an execution.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Whether it brought an output.
    pub brought: bool,
    /// The code of its error.
    pub code: Option<Arc<str>>,
    /// The status of a service that its error names.
    pub upstream: Option<u64>,
}

/// What is kept of a question.
#[derive(Debug)]
pub(super) struct Question {
    /// Its place, counted from 0.
    pub index: u64,
    pub kind: Box<str>,
    pub outcome: Box<str>,
    pub prompt: Box<str>,
    /// When it was asked, and when it was answered.
    pub asked: Option<Timestamp>,
    pub answered: Option<Timestamp>,
    output: Mark,
    /// The answer itself, while there is room.
    pub shown: Option<Value>,
}

/// The status of a request whose process died before an answer was known.
const INTERRUPTED: &str = "interrupted";

/// What is kept of the effects of a step.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Requests over HTTP.
    pub requests: u64,
    /// The first effect that is no person's answer, and when it was.
    pub first: Option<(u64, Option<Timestamp>)>,
    pub first_request: Option<Request>,
    pub second_request: Option<Request>,
    /// The first with another method than the first of all, and the first at another origin.
    pub other_method: Option<Request>,
    pub other_origin: Option<Request>,
    /// Every host and port that was called, with the place of the first request to it.
    pub hosts: Vec<(u64, Arc<str>)>,
    /// The status of the first request.
    pub first_status: Option<u64>,
    /// The status of the last request, and its place.
    pub last: Option<(u64, Option<u64>)>,
    /// The first on a file.
    pub file: Option<File>,
    /// How many on files.
    pub files: u64,
    /// The first request after one that was not redirected.
    pub repeated: Option<u64>,
    /// When the first request was sent.
    pub sent: Option<Timestamp>,
    /// The places of answers of people, with what their targets name.
    pub answers: Vec<(u64, Mark)>,
    /// The latest that is no person's answer.
    pub latest: Option<(u64, Timestamp)>,
}

/// An effect on a file.
#[derive(Debug)]
pub(super) struct File {
    /// Its place, counted from 0.
    pub index: u64,
    pub writes: bool,
    pub target: Mark,
    pub status: Arc<str>,
}

/// A request over HTTP.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Its place, counted from 0.
    pub index: u64,
    pub method: Arc<str>,
    pub target: Arc<str>,
    /// Host and port, as a grant has them; empty where the target is no URL.
    pub host: Arc<str>,
}

impl Ledger {
    /// The entry of a number, unless that is settled already.
    fn entry(
        &mut self,
        number: u64,
        rules: Option<&Rules>,
        found: &mut Findings<'_>,
    ) -> Option<&mut Entry> {
        if number <= self.settled {
            return None;
        }
        while self.open.len() >= WINDOW && !self.open.contains_key(&number) {
            let (oldest, entry) = self.open.pop_first()?;
            self.settled = oldest;
            settle::settle(oldest, &entry, rules, found);
            if number <= oldest {
                return None;
            }
        }
        Some(self.open.entry(number).or_default())
    }

    /// Settles all that is open.
    pub fn close(&mut self, rules: Option<&Rules>, found: &mut Findings<'_>) {
        for (number, entry) in std::mem::take(&mut self.open) {
            settle::settle(number, &entry, rules, found);
        }
    }

    /// A plan is proposed for a step; `None`: the reply is no plan.
    pub fn propose(
        &mut self,
        number: u64,
        plan: Option<Value>,
        asked: Option<Asked>,
        rules: Option<&Rules>,
        found: &mut Findings<'_>,
    ) {
        let room = self.shown < MOST_SHOWN;
        let Some(entry) = self.entry(number, rules, found) else {
            return;
        };
        entry.proposals = entry.proposals.saturating_add(1);
        entry.asked = asked.or(entry.asked);
        let Some(plan) = plan else {
            entry.plan = Proposed::NoPlan;
            return;
        };
        let digest = mark(&plan);
        if let Some(step) = &entry.step {
            if step.plan != digest {
                let place = format!("/steps/{}/plan", step.index);
                let message = "is not the plan that was proposed";
                found.say(
                    "TRN-010",
                    place,
                    plan,
                    Some(&json!("another plan")),
                    message,
                );
            }
            entry.plan = Proposed::Plan(digest, None);
        } else {
            entry.plan = Proposed::Plan(digest, room.then(|| Box::new(plan)));
            self.shown += usize::from(room);
        }
    }

    /// The question of a step follows a plan of a person that has no step of its own.
    pub fn asked(
        &mut self,
        number: u64,
        index: u64,
        plan: &Value,
        rules: Option<&Rules>,
        found: &mut Findings<'_>,
    ) {
        if let Some(entry) = self.entry(number, rules, found) {
            entry.of_a_person = Some((index, mark(plan)));
        }
    }

    /// A step was taken.
    pub fn step(
        &mut self,
        index: u64,
        step: &Value,
        rules: Option<&Rules>,
        found: &mut Findings<'_>,
    ) {
        let Some(number) = number(step, "step_number") else {
            return;
        };
        let mut freed = false;
        let facts = Step::of(index, step, rules, &mut self.names);
        let Some(entry) = self.entry(number, rules, found) else {
            return;
        };
        if entry.step.is_some() {
            // Its number is told already.
            return;
        }
        if let Proposed::Plan(digest, shown) = &mut entry.plan {
            let shown = shown.take();
            freed = shown.is_some();
            // One of several is told as such.
            if *digest != facts.plan && entry.proposals == 1 {
                let expected = shown.map_or_else(|| json!("the plan of the turn"), |plan| *plan);
                let place = format!("/steps/{index}/plan");
                let message = "is not the plan that was proposed";
                found.say("TRN-010", place, expected, step.get("plan"), message);
            }
        }
        entry.step = Some(facts);
        self.shown = self.shown.saturating_sub(usize::from(freed));
    }

    /// A question counted with a step.
    pub fn question(
        &mut self,
        number: u64,
        index: u64,
        question: &Value,
        rules: Option<&Rules>,
        found: &mut Findings<'_>,
    ) {
        let room = self.shown < MOST_SHOWN;
        let Some(entry) = self.entry(number, rules, found) else {
            return;
        };
        if entry.questions.len() >= MOST_QUESTIONS {
            return;
        }
        let output = question.get("output").unwrap_or(&Value::Null);
        entry.questions.push(Question {
            index,
            kind: text(question, "kind").into(),
            outcome: text(question, "outcome").into(),
            prompt: text(question, "prompt").into(),
            asked: time(question, "asked_at"),
            answered: time(question, "answered_at"),
            output: mark(output),
            shown: room.then(|| output.clone()),
        });
        self.shown += usize::from(room);
    }

    /// Something was sent, read, written or answered.
    pub fn effect(
        &mut self,
        number: u64,
        index: u64,
        effect: &Value,
        rules: Option<&Rules>,
        found: &mut Findings<'_>,
    ) {
        let request = (text(effect, "kind") == "http").then(|| {
            let target = text(effect, "target");
            let target = &target[..target.floor_char_boundary(MOST_TARGET)];
            Request {
                index,
                method: self.names.of(text(effect, "method")),
                target: self.names.of(target),
                host: self.names.of(&destination(target).unwrap_or_default()),
            }
        });
        let file = (text(effect, "kind") == "file").then(|| File {
            index,
            writes: text(effect, "method") == "write",
            target: mark(effect.get("target").unwrap_or(&Value::Null)),
            status: self.names.of(text(effect, "status")),
        });
        if let Some(entry) = self.entry(number, rules, found) {
            entry.effects.take(index, effect, request, file);
        }
    }
}

impl Step {
    fn of(index: u64, step: &Value, rules: Option<&Rules>, names: &mut Names) -> Self {
        let result = step.get("result").unwrap_or(&Value::Null);
        let planned = step.pointer("/plan/action").and_then(Value::as_str);
        let attempts = match result.get("attempts").and_then(Value::as_array) {
            Some(attempts) => match attempts.as_slice() {
                [first, second] => Some(Box::new(
                    [first, second].map(|result| Attempt::of(result, names)),
                )),
                _ => None,
            },
            None => None,
        };
        Self {
            index,
            plan: mark(step.get("plan").unwrap_or(&Value::Null)),
            planned: names.of(planned.unwrap_or_default()),
            action: names.of(text(result, "action_name")),
            success: result.get("success") == Some(&Value::Bool(true)),
            end: Attempt::of(result, names),
            skipped: text(result, "status") == "skipped",
            fell_back: result.get("attempts").is_some(),
            attempts,
            output: mark(result.get("output").unwrap_or(&Value::Null)),
            is_null: result.get("output").is_none_or(Value::is_null),
            started: time(step, "started_at"),
            ended: times::ended(step),
            files: ["/plan/action", "/result/action_name"].map(|name| {
                let name = step.pointer(name)?.as_str()?;
                let file = rules?.file(name, step.get("plan")?)?;
                Some(mark(&json!(file)))
            }),
        }
    }
}

impl Attempt {
    fn of(result: &Value, names: &mut Names) -> Self {
        let error = result.get("error").unwrap_or(&Value::Null);
        let code = error.get("errorCode").and_then(Value::as_str);
        Self {
            brought: brings_output(result),
            code: code.map(|code| names.of(code)),
            upstream: error.pointer("/details/status").and_then(Value::as_u64),
        }
    }
}

impl Effects {
    fn take(&mut self, index: u64, effect: &Value, request: Option<Request>, file: Option<File>) {
        let at = time(effect, "at");
        // A person's answer is judged with its question.
        if let Some(at) = at.filter(|_| text(effect, "kind") != "person")
            && self.latest.is_none_or(|(_, latest)| latest < at)
        {
            self.latest = Some((index, at));
        }
        self.files += u64::from(file.is_some());
        if self.file.is_none() {
            self.file = file;
        }
        if text(effect, "kind") == "person" {
            if self.answers.len() < MOST_QUESTIONS {
                let target = effect.get("target").unwrap_or(&Value::Null);
                self.answers.push((index, mark(target)));
            }
            return;
        }
        if let Some(request) = &request {
            self.sent_to(request);
        }
        if request.is_some() && text(effect, "status") == INTERRUPTED {
            // Made by a process that died: the same request may stand once more (sessions.md 5.3).
            if self.requests == 0 {
                self.sent = at;
                self.first_request = request;
            }
        } else if request.is_some() {
            let is_first = self.requests == 0;
            self.requests = self.requests.saturating_add(1);
            let redirects = |status: Option<u64>| matches!(status, Some(301..=303 | 307 | 308));
            if self.last.is_some_and(|(_, status)| !redirects(status)) && self.repeated.is_none() {
                self.repeated = Some(index);
            }
            // What is no status is the schema's business.
            self.last = Some((index, number(effect, "status")));
            if is_first {
                self.sent = at;
                self.first_status = number(effect, "status");
                let interrupted = std::mem::replace(&mut self.first_request, request);
                // What was made again is the same request.
                let same = |one: &Request, other: &Request| {
                    (&one.method, &one.target) == (&other.method, &other.target)
                };
                self.second_request = interrupted.filter(|interrupted| {
                    !self
                        .first_request
                        .as_ref()
                        .is_some_and(|made| same(interrupted, made))
                });
            } else if self.second_request.is_none() {
                self.second_request = request;
            }
        }
        if self.first.is_none() {
            self.first = Some((index, at));
        }
    }
}

impl Effects {
    /// Where a request went, and how, beside those before it.
    fn sent_to(&mut self, request: &Request) {
        let is_known = self.hosts.iter().any(|(_, own)| *own == request.host);
        if !is_known && self.hosts.len() < MOST_HOSTS {
            self.hosts.push((request.index, Arc::clone(&request.host)));
        }
        let Some(first) = &self.first_request else {
            return;
        };
        if self.other_method.is_none() && first.method != request.method {
            self.other_method = Some(request.clone());
        }
        if self.other_origin.is_none() && origin(&first.target) != origin(&request.target) {
            self.other_origin = Some(request.clone());
        }
    }
}

impl Entry {
    /// Whether a question of the step, of a kind, ended so.
    pub fn has(&self, kind: &str, outcome: &str) -> bool {
        self.questions
            .iter()
            .any(|question| *question.kind == *kind && *question.outcome == *outcome)
    }
}

impl Step {
    /// The code of its error.
    pub fn code(&self) -> Option<&str> {
        self.end.code.as_deref()
    }
}

impl Question {
    /// Whether the answer is the output of a step.
    pub fn is_output_of(&self, step: &Step) -> bool {
        self.output == step.output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::matcher::same;

    #[test]
    fn digests_compare_as_values_do() {
        for (one, other) in [
            (json!({"a": 1, "b": [2]}), json!({"b": [2], "a": 1})),
            (json!({"a": 1.0}), json!({"a": 1})),
            (json!({"a": 1}), json!({"a": 2})),
            (json!([1, 2]), json!([2, 1])),
            (json!(null), json!(false)),
        ] {
            let digests = json::digest(&one) == json::digest(&other);
            assert_eq!(same(&one, &other), digests, "{one} {other}");
        }
    }

    #[test]
    fn more_steps_than_a_session_can_have_are_not_kept() {
        let secrets = crate::suite::secrets::Secrets::default();
        let mut found = Findings::new(&secrets, None);
        let mut ledger = Ledger::default();
        for number in 1..=20_000 {
            ledger.propose(number, Some(json!({"action": "a"})), None, None, &mut found);
            let step = json!({"step_number": number, "plan": {"action": "a"}});
            ledger.step(number - 1, &step, None, &mut found);
        }
        assert_eq!(ledger.open.len(), WINDOW);
        // Far ahead and far behind.
        ledger.propose(u64::MAX, None, None, None, &mut found);
        ledger.propose(1, None, None, None, &mut found);
        assert_eq!(ledger.open.len(), WINDOW);
        ledger.close(None, &mut found);
        let told = found.all();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].finding.requirement, "TRN-009");
    }
}
