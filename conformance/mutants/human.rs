//! Mutants of `spec/human.md`: questions and answers.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::Mutant;
use super::proxy::{Request, Response, Tamper};
use crate::diagnostic::Violation;
use crate::manifest::{self, Action, Kind};
use crate::runtime::error::ErrorObject;
use crate::runtime::parts::Author;
use crate::runtime::plan::{self, Scope};
use crate::runtime::session::people::{self, Reply, Rescue};
use crate::runtime::session::status::{self, Event, Status};
use crate::runtime::session::transcript::{self, Intervention};
use crate::runtime::session::{self, Pending};
use crate::runtime::{Parts, merge};

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [questions(), answers(), late_answers(), refusals(), record()]
        .into_iter()
        .flatten()
        .collect()
}

fn is_question(action: &Action) -> bool {
    matches!(action.kind, Kind::HumanIntervention { .. })
}

fn questions() -> Vec<Mutant> {
    vec![
        swap!(
            "asks-without-pausing",
            "HUM-001",
            "asks a person and leaves the session active",
            fn status_after(&self, status: Status, event: Event) -> Option<Status> {
                match event {
                    Event::PersonAsked => Some(Status::Active),
                    other => status::after(status, other),
                }
            }
        ),
        swap!(
            "questions-unchecked",
            "HUM-001",
            "asks a person without looking at the plan's arguments",
            fn check_arguments(&self, action: &Action, args: &Value, _: Author) -> Vec<Violation> {
                if is_question(action) {
                    Vec::new()
                } else {
                    plan::check_arguments(action, args)
                }
            }
        ),
        swap!(
            "prompts-are-filled",
            "HUM-002",
            "takes what stands in braces out of a prompt",
            fn pending(&self, pending: &Pending) -> Value {
                let mut shown = session::pending_value(pending);
                shown["prompt"] = Value::from(pending.prompt.replace(['{', '}', '$'], ""));
                shown
            }
        )
        .rewriting(),
        swap!(
            "questions-without-schema",
            "HUM-002",
            "shows a question with a schema that anything satisfies",
            fn pending(&self, pending: &Pending) -> Value {
                let mut shown = session::pending_value(pending);
                if shown.get("output_schema").is_some() {
                    shown["output_schema"] = json!({});
                }
                shown
            }
        )
        .rewriting(),
        swap!(
            "undeclared-questions",
            "HUM-003",
            "asks a person by an action that nobody declared, if its name says human",
            fn find_action(&self, scope: &Scope<'_>, name: &str) -> Option<Arc<Action>> {
                let declared = scope.manifest.action(name);
                let declared = declared
                    .filter(|action| plan::may_use_action(scope, action))
                    .cloned();
                declared.or_else(|| name.contains("human").then(|| undeclared_question(name))?)
            }
        ),
    ]
}

fn undeclared_question(name: &str) -> Option<Arc<Action>> {
    let document = json!({"name": "m", "version": "1.0.0", "actions": [{
        "name": name, "type": "human_intervention", "prompt": "Well?", "input_schema": {}, "output_schema": {},
    }]});
    let manifest = manifest::load(&document).ok()?;
    manifest.actions.first().cloned()
}

fn answers() -> Vec<Mutant> {
    vec![
        swap!(
            "sloppy-answers",
            "HUM-004",
            "takes an output beside a decision, any decision as a rejection, and nothing as null",
            fn read_reply(&self, body: &Value) -> Result<Reply, ErrorObject> {
                Ok(match (body.get("output"), body.get("decision")) {
                    (Some(output), _) => Reply::Output(output.clone()),
                    (None, Some(_)) => Reply::Reject,
                    (None, None) => Reply::Output(Value::Null),
                })
            }
        ),
        swap!(
            "answers-are-not-merged",
            "HUM-005",
            "records a person's answer and does not merge it",
            fn merge(
                &self,
                observation: &Value,
                action: &Action,
                output: &Value,
            ) -> Result<Value, ErrorObject> {
                if is_question(action) {
                    return Ok(observation.clone());
                }
                merge::merge(observation, action, output)
            }
        ),
        swap!(
            "null-is-no-answer",
            "HUM-005",
            "takes an output of null for none",
            fn read_reply(&self, body: &Value) -> Result<Reply, ErrorObject> {
                let mut body = body.clone();
                if let Some(members) = body.as_object_mut() {
                    members.retain(|_, member| !member.is_null());
                }
                people::read_reply(&body)
            }
        ),
        swap!(
            "answers-never-complete",
            "HUM-005",
            "ignores completes_goal of a question",
            fn completes(&self, action: &Action, success: bool) -> bool {
                success && action.completes_goal && !is_question(action)
            }
        ),
        swap!(
            "answers-unchecked",
            "HUM-006",
            "takes any answer, whatever the output schema says",
            fn check_answer(&self, _: &Action, _: &Value) -> Vec<Violation> {
                Vec::new()
            }
        ),
        swap!(
            "rejection-is-success",
            "HUM-007",
            "takes a rejection for the answer null",
            fn rejection(&self) -> Result<Value, ErrorObject> {
                Ok(Value::Null)
            }
        ),
        swap!(
            "rejection-ends-the-session",
            "HUM-007",
            "fails the session when a question is rejected",
            fn status_after(&self, status: Status, event: Event) -> Option<Status> {
                match event {
                    Event::QuestionRejected => Some(Status::Failed),
                    other => status::after(status, other),
                }
            }
        ),
        Mutant::proxy(
            "answer-without-progress",
            "HUM-017",
            "answers a person with the result alone",
            ResultAlone,
        )
        .rewriting(),
    ]
}

/// An answer to a person that says neither where the session stands nor what waits next.
struct ResultAlone;

impl Tamper for ResultAlone {
    fn response(&self, request: &Request, response: &mut Response) {
        if request.path.contains("/interventions/") && response.status == 200 {
            response.edit(|body| {
                if let Some(members) = body.as_object_mut() {
                    members.retain(|name, _| matches!(name.as_str(), "result" | "status"));
                }
            });
        }
    }
}

fn late_answers() -> Vec<Mutant> {
    vec![
        Mutant::proxy(
            "any-question-will-do",
            "HUM-008",
            "takes an answer to whatever id for one to the question that waits",
            AnyQuestion::default(),
        ),
        swap!(
            "unknown-is-answered",
            "HUM-008",
            "says of an id that it never gave out that its question was answered",
            fn admit_answer(
                &self,
                status: Status,
                _: bool,
                waiting: Option<Pending>,
            ) -> Result<Pending, ErrorObject> {
                people::admit_answer(status, true, waiting)
            }
        ),
        swap!(
            "answered-again-and-again",
            "HUM-009",
            "takes a question's answer as often as it comes",
            fn settles_question(&self, _: &str) -> bool {
                false
            }
        ),
        swap!(
            "answered-is-forgotten",
            "HUM-009",
            "says of a question that was answered that it never was asked",
            fn admit_answer(
                &self,
                status: Status,
                _: bool,
                waiting: Option<Pending>,
            ) -> Result<Pending, ErrorObject> {
                people::admit_answer(status, false, waiting)
            }
        ),
        Mutant::part(
            "two-answers-at-once",
            "HUM-010",
            "accepts two answers to one question if they come close together",
            TwoAnswers::default(),
        ),
        swap!(
            "plans-of-people-race",
            "HUM-010",
            "executes each of several plans that people hand in at the same time",
            fn serialise_steps(&self) -> bool {
                false
            }
        ),
    ]
}

/// Remembers the question that each session waits with, and sends every answer there.
#[derive(Default)]
struct AnyQuestion(Mutex<Vec<(String, String)>>);

impl AnyQuestion {
    /// The part of a session's path before its calls, such as `/sessions/x`.
    fn session(path: &str) -> String {
        path.split('/').take(3).collect::<Vec<_>>().join("/")
    }
}

impl Tamper for AnyQuestion {
    fn request(&self, request: &mut Request) {
        let session = Self::session(&request.path);
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = waiting.iter().rev().find(|(own, _)| *own == session);
        if let (true, Some((_, id))) = (request.path.contains("/interventions/"), asked) {
            request.path = format!("{session}/interventions/{id}");
        }
    }

    fn response(&self, request: &Request, response: &mut Response) {
        let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        if let Some(id) = body.pointer("/pending/id").and_then(Value::as_str) {
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push((Self::session(&request.path), id.to_owned()));
        }
    }
}

/// Lets go of a question at its second answer.
#[derive(Default)]
struct TwoAnswers(Mutex<HashSet<String>>);

impl Parts for TwoAnswers {
    fn settles_question(&self, id: &str) -> bool {
        let mut once = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !once.insert(id.to_owned())
    }
}

fn refusals() -> Vec<Mutant> {
    vec![
        swap!(
            "refusals-without-replies",
            "HUM-011",
            "asks a person without showing what the model had replied",
            fn pending(&self, pending: &Pending) -> Value {
                let mut shown = session::pending_value(pending);
                for refusal in shown
                    .get_mut("refusals")
                    .and_then(Value::as_array_mut)
                    .into_iter()
                    .flatten()
                {
                    refusal["reply"] = Value::Null;
                }
                shown
            }
        )
        .rewriting(),
        swap!(
            "fails-without-asking",
            "HUM-011",
            "fails the session after three refused replies, though a person could be asked",
            fn after_attempts(&self, _: bool) -> Event {
                Event::PlanRefusedThriceUnattended
            }
        ),
        swap!(
            "people-unchecked",
            "HUM-012",
            "executes the plan of a person with whatever arguments",
            fn check_arguments(
                &self,
                action: &Action,
                args: &Value,
                author: Author,
            ) -> Vec<Violation> {
                match author {
                    Author::Person => Vec::new(),
                    Author::Model => plan::check_arguments(action, args),
                }
            }
        ),
        swap!(
            "people-use-everything",
            "HUM-012",
            "lets a person use actions outside intent and flags",
            fn find_planned(
                &self,
                author: Author,
                scope: &Scope<'_>,
                name: &str,
            ) -> Option<Arc<Action>> {
                match author {
                    Author::Person => scope.manifest.action(name).cloned(),
                    Author::Model => self.find_action(scope, name),
                }
            }
        ),
        swap!(
            "plans-of-people-wait",
            "HUM-013",
            "takes a person's plan for the wish to ask the model again",
            fn read_rescue(&self, output: &Value) -> Result<Rescue, ErrorObject> {
                people::read_rescue(output).map(|_| Rescue::Retry)
            }
        ),
        swap!(
            "plans-of-people-are-free",
            "HUM-013",
            "does not count the step of a person's plan",
            fn counts_as_step(&self, event: Event) -> bool {
                status::counts(event) && !by_person(event)
            },
            fn steps_after(&self, event: Event, steps_done: u64) -> u64 {
                steps_done + u64::from(self.counts_as_step(event))
            }
        ),
        swap!(
            "retry-is-a-step",
            "HUM-014",
            "counts the wish to ask again as a step",
            fn steps_after(&self, event: Event, steps_done: u64) -> u64 {
                steps_done + u64::from(status::counts(event) || event == Event::RetryChosen)
            }
        ),
        swap!(
            "given-up-goes-on",
            "HUM-015",
            "leaves a session active whose plan a person gave up",
            fn status_after(&self, status: Status, event: Event) -> Option<Status> {
                match event {
                    Event::PlanRejected => Some(Status::Active),
                    other => status::after(status, other),
                }
            }
        ),
    ]
}

fn by_person(event: Event) -> bool {
    matches!(
        event,
        Event::PersonPlanSucceeded | Event::PersonPlanSucceededGoal | Event::PersonPlanFailed
    )
}

fn record() -> Vec<Mutant> {
    vec![
        swap!(
            "only-answers-are-recorded",
            "HUM-016",
            "keeps no record of questions that were rejected or cancelled",
            fn transcript_interventions(&self, interventions: &[Intervention]) -> Vec<Value> {
                let answered: Vec<Intervention> = interventions
                    .iter()
                    .filter(|asked| asked.outcome == Some("answered"))
                    .cloned()
                    .collect();
                transcript::interventions(&answered)
            }
        )
        .rewriting(),
        swap!(
            "answers-are-not-recorded",
            "HUM-016",
            "records that a question was answered, and not what was said",
            fn transcript_interventions(&self, interventions: &[Intervention]) -> Vec<Value> {
                let mut silent = interventions.to_vec();
                for asked in &mut silent {
                    asked.output = asked.output.as_ref().map(|_| Value::Null);
                }
                transcript::interventions(&silent)
            }
        )
        .rewriting(),
    ]
}
