//! What a person answers (`spec/human.md`).

use jiff::Timestamp;
use serde_json::Value;

use super::running::Errand;
use super::status::{Event, Status};
use super::transcript::SideEffect;
use super::{Effect, Landing, Origin, Question, Session, not_found};
use crate::diagnostic::Violation;
use crate::runtime::access::Caller;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::held_bytes;
use crate::runtime::parts::{Author, Parts};
use crate::runtime::plan;
use crate::runtime::redact::Site;

/// The form of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// An output, not yet validated.
    Output(Value),
    /// The person declines.
    Reject,
    /// The person lets the action run.
    Approve,
}

/// What a person wants after refused plans.
#[derive(Debug, Clone, PartialEq)]
pub enum Rescue {
    /// Run this plan; not yet checked.
    Plan(Value),
    /// Ask the model again.
    Retry,
}

/// Reads the body of an answer: exactly one of `output` and `decision`. Which of them a question takes, [`check_reply`] says.
///
/// # Errors
/// `invalid_request` for anything else.
pub fn read_reply(body: &Value) -> Result<Reply, ErrorObject> {
    match (body.get("output"), body.get("decision")) {
        (Some(output), None) => Ok(Reply::Output(output.clone())),
        (None, Some(Value::String(decision))) if decision == "reject" => Ok(Reply::Reject),
        (None, Some(Value::String(decision))) if decision == "approve" => Ok(Reply::Approve),
        (None, Some(_)) => Err(invalid(
            "/decision",
            "enum",
            "`decision` is \"reject\", or \"approve\" where an approval is asked for",
        )),
        (Some(_), Some(_)) => Err(invalid(
            "",
            "oneOf",
            "an answer has `output` or `decision`, not both",
        )),
        (None, None) => Err(invalid("", "oneOf", "an answer has `output` or `decision`")),
    }
}

fn invalid(pointer: &str, rule: &str, message: &str) -> ErrorObject {
    ErrorObject::new(Code::InvalidRequest, message)
        .with_violations(&[Violation::new(pointer, rule, message)])
}

/// Whether a question takes an answer of this form: approvals take decisions alone, and nothing else can be approved.
///
/// # Errors
/// `invalid_request`; the question goes on waiting.
pub fn check_reply(question: &Question, reply: &Reply) -> Result<(), ErrorObject> {
    match (question, reply) {
        (Question::Approval { .. }, Reply::Output(_)) => Err(invalid(
            "/output",
            "not",
            "an approval is decided: send `decision`, \"approve\" or \"reject\"",
        )),
        (Question::Declared(_) | Question::InvalidPlan { .. }, Reply::Approve) => Err(invalid(
            "/decision",
            "const",
            "nothing is to be approved here: send `output`, or `decision` \"reject\"",
        )),
        _ => Ok(()),
    }
}

/// Reads what is wanted after refused plans: `{plan}` or `{retry: true}`.
///
/// # Errors
/// `invalid_answer` for anything else.
pub fn read_rescue(output: &Value) -> Result<Rescue, ErrorObject> {
    match (output.get("plan"), output.get("retry")) {
        (Some(plan), None) => Ok(Rescue::Plan(plan.clone())),
        (None, Some(Value::Bool(true))) => Ok(Rescue::Retry),
        _ => Err(invalid_answer(&[Violation::new(
            "/output",
            "oneOf",
            "answer with {\"plan\": ...} or {\"retry\": true}",
        )])),
    }
}

/// An answer that does not satisfy what was asked; the question goes on waiting.
pub fn invalid_answer(violations: &[Violation]) -> ErrorObject {
    ErrorObject::new(
        Code::InvalidAnswer,
        "the answer does not satisfy what was asked; the question still waits",
    )
    .with_violations(violations)
}

/// The failure of a question that was rejected.
pub fn rejected() -> ErrorObject {
    ErrorObject::new(Code::HumanRejected, "the person rejected the question")
}

/// The failure of an action that a person did not approve.
pub fn disapproved() -> ErrorObject {
    ErrorObject::new(
        Code::HumanRejected,
        "the person did not approve the action, so nothing was sent",
    )
}

/// The error of a plan by a person, with its places below `/output/plan`.
fn invalid_rescue(error: &ErrorObject) -> ErrorObject {
    let found = error.details.get("violations").and_then(Value::as_array);
    // Violations of arguments lead into the arguments, all others into the plan.
    let base = if error.code == Code::InputValidationFailed {
        "/output/plan/args"
    } else {
        "/output/plan"
    };
    let placed: Vec<Violation> = found
        .into_iter()
        .flatten()
        .map(|violation| {
            let text = |name: &str| {
                violation
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            Violation::new(
                format!("{base}{}", text("pointer")),
                text("rule"),
                text("message"),
            )
        })
        .collect();
    invalid_answer(&placed).with("reason", error.code.name())
}

impl Session {
    /// A person answers an intervention.
    pub(super) fn answered(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        caller: &Caller,
        id: &str,
        body: &Value,
    ) -> Vec<Effect> {
        match self.take_answer(parts, now, caller, id, body) {
            Ok(effects) => effects,
            Err(error) => {
                match (
                    error.code,
                    self.pending.as_ref().map(|pending| &pending.kind),
                ) {
                    (Code::InterventionAnswered, _) => self.change(parts, Event::LateAnswer),
                    (Code::InvalidAnswer, Some(Question::Declared(_))) => {
                        self.change(parts, Event::AnswerInvalid);
                    }
                    (Code::InvalidAnswer, _) => self.change(parts, Event::PersonPlanInvalid),
                    _ => {}
                }
                Self::refuse(parts, &error)
            }
        }
    }

    fn take_answer(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        caller: &Caller,
        id: &str,
        body: &Value,
    ) -> Result<Vec<Effect>, ErrorObject> {
        let known = self.record.interventions.iter().any(|asked| asked.id == id);
        let waiting = self
            .pending
            .as_ref()
            .filter(|pending| pending.id == id)
            .cloned();
        let pending = parts.admit_answer(self.status, known, waiting)?;
        let reply = parts.read_reply(body)?;
        parts.in_session().check_reply(&pending.kind, &reply)?;
        if let (Question::Approval { landing, .. }, Reply::Approve | Reply::Output(_)) =
            (&pending.kind, &reply)
        {
            let needed = self.needed_scopes(parts, &landing.action);
            parts
                .in_session()
                .check_approver(parts.access(), caller, &needed)?;
        }
        if matches!(reply, Reply::Reject) {
            self.settle_question(parts, now, caller, id, None, "rejected");
        }
        match (pending.kind, reply) {
            (Question::Declared(landing), Reply::Output(output)) => {
                self.take_output(parts, now, caller, id, landing, output)
            }
            (Question::Declared(landing), Reply::Reject | Reply::Approve) => {
                Ok(self.after_question(parts, now, id, landing, parts.rejection()))
            }
            (Question::Approval { landing, .. }, reply) => {
                let approved = !matches!(reply, Reply::Reject);
                Ok(self.decided(parts, now, caller, id, landing, approved))
            }
            (Question::InvalidPlan { .. }, Reply::Output(output)) => {
                self.rescue(parts, now, caller, id, output)
            }
            (Question::InvalidPlan { .. }, Reply::Reject | Reply::Approve) => {
                self.note_person(parts, now, None, "invalid_plan", "rejected");
                self.pending = None;
                self.change(parts, Event::PlanRejected);
                Ok(self.outcome(parts, None))
            }
        }
    }

    /// An approval is decided: the action is executed now, or fails.
    fn decided(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        caller: &Caller,
        id: &str,
        landing: Landing,
        approved: bool,
    ) -> Vec<Effect> {
        let how = if approved { "approved" } else { "rejected" };
        if approved {
            self.settle_question(parts, now, caller, id, None, how);
        }
        let step_number = Some(self.steps_done + 1);
        self.note_person(parts, now, step_number, &landing.label, how);
        let landing = Landing {
            origin: Origin::Approval,
            caller: caller.clone(),
            intervention: Some(id.to_owned()),
            note: None,
            ..landing
        };
        match parts.in_session().disapproval() {
            Some(error) if !approved => self.finish(parts, now, &landing, Err(error)),
            _ => self.launch(parts, now, landing, Errand::Execute),
        }
    }

    fn take_output(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        caller: &Caller,
        id: &str,
        landing: Landing,
        output: Value,
    ) -> Result<Vec<Effect>, ErrorObject> {
        let output = parts.redact_value(Site::HumanAnswer, &self.redactor, output);
        let violations: Vec<Violation> = parts
            .check_answer(&landing.action, &output)
            .into_iter()
            .map(|found| {
                Violation::new(
                    format!("/output{}", found.pointer),
                    found.rule,
                    found.message,
                )
            })
            .collect();
        if !violations.is_empty() {
            return Err(invalid_answer(&violations));
        }
        self.settle_question(parts, now, caller, id, Some(output.clone()), "answered");
        Ok(self.after_question(parts, now, id, landing, Ok(output)))
    }

    /// A declared question is settled: its step is taken now.
    fn after_question(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        id: &str,
        mut landing: Landing,
        outcome: Result<Value, ErrorObject>,
    ) -> Vec<Effect> {
        landing.intervention = Some(id.to_owned());
        landing.origin = Origin::Answer;
        landing.note = None;
        let how = if outcome.is_ok() {
            "answered"
        } else {
            "rejected"
        };
        self.note_person(
            parts,
            now,
            Some(self.steps_done + 1),
            &landing.action.name,
            how,
        );
        let settled = self.outcome_of(parts, &landing, outcome);
        self.finish(parts, now, &landing, settled)
    }

    /// A person helps out after refused plans.
    fn rescue(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        caller: &Caller,
        id: &str,
        output: Value,
    ) -> Result<Vec<Effect>, ErrorObject> {
        let output = parts.redact_value(Site::HumanAnswer, &self.redactor, output);
        match parts.read_rescue(&output)? {
            Rescue::Retry => {
                self.settle_question(parts, now, caller, id, Some(output.clone()), "answered");
                self.note_person(parts, now, None, "invalid_plan", "answered");
                self.pending = None;
                self.change(parts, Event::RetryChosen);
                Ok(self.outcome(parts, None))
            }
            Rescue::Plan(plan) => {
                let accepted = plan::plan_of(plan)
                    .and_then(|plan| self.check(parts, plan, now, caller, Author::Person))
                    .map_err(|error| invalid_rescue(&error))?;
                self.settle_question(parts, now, caller, id, Some(output.clone()), "answered");
                let note = self.record.side_effects.len();
                self.note_person(parts, now, None, "invalid_plan", "answered");
                let accepted = accepted.map(|landing| Landing {
                    intervention: Some(id.to_owned()),
                    note: Some(note),
                    ..landing
                });
                Ok(self.accept(parts, now, accepted, None))
            }
        }
    }

    fn settle_question(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        caller: &Caller,
        id: &str,
        output: Option<Value>,
        outcome: &'static str,
    ) {
        let at = parts.format_time(now);
        self.record.weight += output.as_ref().map_or(0, held_bytes);
        if let Some(asked) = self.record.intervention(id) {
            asked.answered_at = Some(at);
            asked.answered_by = Some(caller.subject.clone());
            asked.output = output;
            asked.outcome = Some(outcome);
        }
    }

    /// What a person did is an effect on the world too.
    fn note_person(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        step_number: Option<u64>,
        target: &str,
        how: &str,
    ) {
        self.record.add_side_effects([SideEffect {
            step_number,
            kind: "person",
            method: "ASK".to_owned(),
            target: target.to_owned(),
            status: Value::from(how),
            at: parts.format_time(now),
        }]);
    }

    /// Whoever asked is gone.
    pub(super) fn cancel_question(&mut self) {
        if let Some(pending) = self.pending.take()
            && let Some(asked) = self.record.intervention(&pending.id)
        {
            asked.outcome = Some("cancelled");
        }
    }
}

/// Whether an answer to a question may be taken.
///
/// # Errors
/// `session_not_found` once the session is closed, `intervention_answered` when the question was settled before,
/// `intervention_not_found` when it never was asked.
pub fn admit_answer<P>(status: Status, known: bool, waiting: Option<P>) -> Result<P, ErrorObject> {
    if status == Status::Closed {
        return Err(not_found());
    }
    waiting.ok_or_else(|| {
        if known {
            ErrorObject::new(
                Code::InterventionAnswered,
                "the question was answered before",
            )
        } else {
            ErrorObject::new(
                Code::InterventionNotFound,
                "the session has no question of this id",
            )
        }
    })
}
