//! An accepted plan on its way to a result, and its end: check, merge, count (`spec/steps.md`, `spec/observations.md`).

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::status::Event;
use super::transcript::Step;
use super::{Effect, Session};
use crate::manifest::{Action, Kind};
use crate::runtime::access::Caller;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::parts::Parts;
use crate::runtime::redact::Site;
use crate::runtime::response;

/// By whose word an action runs; decides which row of the table its outcome is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The model planned it.
    Model,
    /// A person planned it, after the model's replies were refused.
    Person,
    /// It is a question, and a person answered it.
    Answer,
    /// A person approved, or rejected, it.
    Approval,
}

/// An accepted plan on its way to a result.
#[derive(Debug, Clone)]
pub struct Landing {
    /// The action that runs.
    pub action: Arc<Action>,
    /// The action's name in results.
    pub label: String,
    /// Its arguments.
    pub args: Value,
    /// By whose word it runs.
    pub origin: Origin,
    /// Who makes the call in which it runs.
    pub caller: Caller,
    /// The plan as it came.
    pub plan: Value,
    /// When the step call began.
    pub started: Timestamp,
    /// The exchange that brought the plan, unless a person did.
    pub turn: Option<usize>,
    /// The intervention that brought the plan or the answer, if a person did.
    pub intervention: Option<String>,
    /// The attempt in whose place this one runs.
    pub first: Option<FirstAttempt>,
    /// The side effect of the person's plan, whose step this will be.
    pub(super) note: Option<usize>,
    /// What sandboxed code wrote in this step, redacted.
    pub(super) logs: Option<String>,
}

/// An attempt that failed, and a fallback runs in its place.
#[derive(Debug, Clone)]
pub struct FirstAttempt {
    /// What was attempted.
    pub landing: Box<Landing>,
    /// Why it failed.
    pub error: ErrorObject,
    /// Its ActionResult.
    pub result: Value,
}

/// What a step came to, as its event depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Goal,
    Success,
    Failure,
    Rejected,
    Skipped,
}

impl Session {
    /// What an execution gave, fit to be merged: redacted first, then mapped, then validated.
    pub(super) fn outcome_of(
        &self,
        parts: &dyn Parts,
        landing: &Landing,
        outcome: Result<Value, ErrorObject>,
    ) -> Result<Value, ErrorObject> {
        let raw = parts.outcome(&landing.action, outcome)?;
        let map = match &landing.action.kind {
            // A person's answer was redacted and validated when it was taken.
            Kind::HumanIntervention { .. } => return Ok(raw),
            Kind::InvokeApi(api) => api.response_map.as_ref(),
            // The map of a plugin is in its code and was applied when that was called.
            _ => None,
        };
        let clean = parts.redact_value(Site::ServiceReply, &self.redactor, raw);
        let output = parts.response_value(map, clean);
        let violations = parts.check_output(&landing.action, &output);
        if violations.is_empty() {
            Ok(output)
        } else {
            Err(response::invalid_output(&landing.action, &violations))
        }
    }

    /// The step has its output, or its failure: merge, count, answer.
    pub(super) fn finish(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        landing: &Landing,
        settled: Result<Value, ErrorObject>,
    ) -> Vec<Effect> {
        let number = self.steps_done + 1;
        let started_at = parts.format_time(landing.started);
        let rejected = matches!(&settled, Err(error) if error.code == Code::HumanRejected);
        let merged = settled
            .and_then(|output| {
                let merged = parts.merge(&self.observation, &landing.action, &output)?;
                Ok((merged, output))
            })
            .map(|(environment, output)| {
                let result = landing.result(parts, &Ok(output));
                (
                    parts.observe_step(environment, &started_at, number, &result),
                    result,
                )
            })
            .and_then(|(observation, result)| {
                if parts.observation_fits(&observation) {
                    Ok((observation, result))
                } else {
                    Err(observation_too_large())
                }
            });
        let (observation, result, success) = match merged {
            Ok((observation, result)) => (observation, result, true),
            Err(error) => {
                let result = landing.result(parts, &Err(error));
                let unmerged = Value::clone(&self.observation);
                (
                    parts.observe_step(unmerged, &started_at, number, &result),
                    result,
                    false,
                )
            }
        };
        let ended = match (parts.completes(&landing.action, success), success) {
            _ if rejected => Ended::Rejected,
            (true, _) => Ended::Goal,
            (false, true) => Ended::Success,
            (false, false) => Ended::Failure,
        };
        let effects = self.step_taken(parts, now, landing, ended, observation, result);
        if landing.first.is_some() {
            self.steps_done += parts.in_session().steps_of_a_fallback();
        }
        effects
    }

    /// The step's action is not executed, since its conditional is false.
    pub(super) fn skip(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        landing: &Landing,
    ) -> Vec<Effect> {
        let result = parts.in_session().skipped_result(&landing.label);
        let unmerged = Value::clone(&self.observation);
        let started_at = parts.format_time(landing.started);
        let number = self.steps_done + 1;
        let observation = parts.observe_step(unmerged, &started_at, number, &result);
        self.step_taken(parts, now, landing, Ended::Skipped, observation, result)
    }

    fn step_taken(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        landing: &Landing,
        ended: Ended,
        observation: Value,
        result: Value,
    ) -> Vec<Effect> {
        self.pending = self
            .pending
            .take()
            .filter(|pending| !parts.settles_question(&pending.id));
        let event = landing.event(ended);
        if parts.counts_as_step(event) {
            self.count(parts, now, landing, observation, &result);
        }
        self.change(parts, event);
        self.outcome(parts, Some(result))
    }

    fn count(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        landing: &Landing,
        observation: Value,
        result: &Value,
    ) {
        let number = self.steps_done + 1;
        let elapsed = now
            .as_millisecond()
            .saturating_sub(landing.started.as_millisecond());
        self.observation = Arc::new(observation);
        let step = Step {
            step_number: number,
            started_at: parts.format_time(landing.started),
            duration_ms: u64::try_from(elapsed).unwrap_or(0),
            plan: landing.plan.clone(),
            result: result.clone(),
            logs: landing.logs.clone(),
            observation: Arc::clone(&self.observation),
        };
        if let Some(turn) = landing.turn.and_then(|index| self.record.turn(index)) {
            turn.step_number = Some(number);
        }
        if let Some(asked) = landing
            .intervention
            .as_deref()
            .and_then(|id| self.record.intervention(id))
        {
            asked.step_number = Some(number);
        }
        if let Some(note) = landing
            .note
            .and_then(|index| self.record.side_effect(index))
        {
            note.step_number = Some(number);
        }
        // Last, as it is what the others led to.
        self.record.add_step(step);
    }
}

impl Landing {
    /// Adds what an attempt wrote to what the one before it did; both together are as bounded as one.
    pub(super) fn add_logs(&mut self, parts: &dyn Parts, more: Option<String>) {
        let Some(more) = more else {
            return;
        };
        let mut logs = self.logs.take().unwrap_or_default();
        logs.push_str(&more);
        self.logs = parts.sandbox().logs(logs);
    }

    /// The ActionResult of the step, with both attempts if there were two.
    fn result(&self, parts: &dyn Parts, outcome: &Result<Value, ErrorObject>) -> Value {
        let Some(first) = &self.first else {
            return parts.action_result(&self.label, outcome);
        };
        let own = parts.action_result(&self.label, outcome);
        let name = parts
            .in_session()
            .name_that_ran(&first.landing.label, &self.label);
        let result = parts.action_result(&name, outcome);
        parts
            .in_session()
            .with_attempts(result, vec![first.result.clone(), own])
    }

    /// What an outcome means for the session, by whose word the action ran.
    fn event(&self, ended: Ended) -> Event {
        match (self.origin, ended) {
            (Origin::Answer | Origin::Approval, Ended::Rejected) => Event::QuestionRejected,
            (Origin::Answer, Ended::Goal) => Event::AnswerAcceptedGoal,
            (Origin::Answer, Ended::Success | Ended::Skipped) => Event::AnswerAccepted,
            (Origin::Answer, Ended::Failure) => Event::AnswerFailed,
            (Origin::Approval, Ended::Goal) => Event::ApprovedActionSucceededGoal,
            (Origin::Approval, Ended::Success | Ended::Skipped) => Event::ApprovedActionSucceeded,
            (Origin::Approval, Ended::Failure) => Event::ApprovedActionFailed,
            (Origin::Person, Ended::Goal) => Event::PersonPlanSucceededGoal,
            (Origin::Person, Ended::Success) => Event::PersonPlanSucceeded,
            (Origin::Person, Ended::Failure | Ended::Rejected) => Event::PersonPlanFailed,
            (Origin::Person, Ended::Skipped) => Event::PersonPlanSkipped,
            (Origin::Model, Ended::Goal) => Event::GoalActionSucceeded,
            (Origin::Model, Ended::Success) => Event::ActionSucceeded,
            (Origin::Model, Ended::Failure | Ended::Rejected) => Event::ActionFailed,
            (Origin::Model, Ended::Skipped) => Event::ActionSkipped,
        }
    }
}

fn observation_too_large() -> ErrorObject {
    ErrorObject::new(
        Code::ObservationTooLarge,
        "with this output the observation would be larger than 1 MiB, so nothing was merged",
    )
}
