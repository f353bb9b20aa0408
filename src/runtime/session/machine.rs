//! The step call: ask, check, execute, merge (`spec/steps.md`).

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::status::Event;
use super::transcript::{Intervention, Step, Turn};
use super::{Attempt, Call, Effect, Flight, Landing, Pending, Question, Session};
use crate::manifest::Kind;
use crate::model::{ModelFailure, ModelReply};
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::parts::{Author, Parts};
use crate::runtime::plan::{self, Plan, Wish};
use crate::runtime::prompt;
use crate::runtime::redact::Site;
use crate::runtime::response;

impl Session {
    /// A step call begins.
    pub(super) fn begin(&mut self, parts: &dyn Parts, now: Timestamp) -> Vec<Effect> {
        if let Err(error) = parts.admit_step(self.status) {
            self.change(parts, Event::StepCalled);
            return Self::refuse(parts, &error);
        }
        if parts.max_steps_reached(self.steps_done, self.max_steps) {
            self.change(parts, Event::LimitReached);
            return self.outcome(parts, None);
        }
        if self.record.weight > self.heaviest_record {
            let full = ErrorObject::new(
                Code::CapacityExceeded,
                "the transcript of this session is as large as this runtime allows; close the session",
            );
            return Self::refuse(parts, &full);
        }
        let shown = parts.observe_now(&self.observation, &parts.format_time(now));
        let question = parts.question(&self.goal, &shown);
        let question = parts.redact_text(Site::Prompt, &self.redactor, &question);
        let attempt = Attempt {
            started: now,
            asked_at: String::new(),
            number: parts.first_attempt(self.refused_so_far()),
            messages: Vec::new(),
            question: question.into(),
            refused: Vec::new(),
            refusals: Vec::new(),
        };
        self.ask(parts, now, attempt)
    }

    /// Replies that were refused in this session.
    fn refused_so_far(&self) -> usize {
        let turns = self.record.turns.iter();
        turns.filter(|turn| turn.refused.is_some()).count()
    }

    fn ask(&self, parts: &dyn Parts, now: Timestamp, mut attempt: Attempt) -> Vec<Effect> {
        attempt.asked_at = parts.format_time(now);
        attempt.messages = parts.messages(&self.contract, &attempt.question, &attempt.refused);
        let messages = attempt.messages.clone();
        vec![Effect::Ask(attempt, messages)]
    }

    /// The model could not be asked: nothing of the session changes but its record.
    pub(super) fn not_replied(
        &mut self,
        parts: &dyn Parts,
        attempt: Attempt,
        failure: &ModelFailure,
    ) -> Vec<Effect> {
        let answer = parts.model_failure_answer(failure);
        let error = ErrorObject::new(Code::LlmUnavailable, failure.message.clone()).to_value();
        let turn = self.remember(attempt, None, None);
        if let Some(turn) = self.record.turns.get_mut(turn) {
            turn.error = Some(error);
        }
        self.change(parts, Event::ModelFailed);
        vec![Effect::Reply(answer)]
    }

    /// The model replied.
    pub(super) fn replied(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        mut attempt: Attempt,
        mut reply: ModelReply,
    ) -> Vec<Effect> {
        reply.text = parts.redact_text(Site::ModelReply, &self.redactor, &reply.text);
        let judged = plan::check_length(&reply.text, parts.longest_reply())
            .and_then(|()| parts.read_plan(parts.strip_fence(&reply.text)))
            .and_then(|plan| self.check(parts, plan, attempt.started, Author::Model));
        let error = match judged {
            Ok(accepted) => {
                let turn = self.remember(attempt, Some(reply), None);
                return self.accept(parts, now, accepted, Some(turn));
            }
            Err(error) => error,
        };
        let refused = json!([error.to_value()]);
        let shown = prompt::shown_reply(&reply.text);
        attempt
            .refusals
            .push(json!({"reply": shown, "errors": refused}));
        attempt.refused.push((shown, parts.refusal(&error)));
        self.remember(attempt.clone(), Some(reply), Some(refused));
        if attempt.number >= parts.attempts_allowed() {
            return self.give_up(parts, now, attempt.refusals);
        }
        attempt.number += 1;
        self.ask(parts, now, attempt)
    }

    /// What must hold before a plan may have any effect.
    pub(super) fn check(
        &self,
        parts: &dyn Parts,
        plan: Plan,
        started: Timestamp,
        author: Author,
    ) -> Result<Option<Landing>, ErrorObject> {
        let (name, args) = match plan.wish {
            Wish::Finish => return Ok(None),
            Wish::Act { action, args } => (action, Value::Object(args)),
        };
        let action = parts
            .find_planned(author, &self.scope(), &name)
            .ok_or_else(|| plan::undeclared(&name))?;
        let violations = parts.check_arguments(&action, &args, author);
        if !violations.is_empty() {
            return Err(plan::invalid_arguments(&action, &violations));
        }
        Ok(Some(Landing {
            action,
            args,
            plan: plan.raw,
            started,
            turn: None,
            intervention: None,
        }))
    }

    /// Acts on a plan that passed every check; `None` is a finish.
    pub(super) fn accept(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        accepted: Option<Landing>,
        turn: Option<usize>,
    ) -> Vec<Effect> {
        let Some(mut landing) = accepted else {
            self.pending = None;
            self.change(
                parts,
                if turn.is_some() {
                    Event::PlanFinished
                } else {
                    Event::PersonPlanFinished
                },
            );
            return self.outcome(parts, None);
        };
        landing.turn = turn;
        if let Kind::HumanIntervention { prompt } = &landing.action.kind {
            let prompt = prompt.clone();
            let event = if turn.is_some() {
                Event::PersonAsked
            } else {
                Event::PersonPlanAsked
            };
            return self.wait(parts, now, prompt, Question::Declared(landing), event);
        }
        let calls = parts.calls(Call {
            session_id: self.id.clone(),
            step_number: self.steps_done + 1,
            action: Arc::clone(&landing.action),
            args: landing.args.clone(),
        });
        vec![Effect::Execute(Flight { calls, landing })]
    }

    /// Too many replies were refused.
    fn give_up(&mut self, parts: &dyn Parts, now: Timestamp, refusals: Vec<Value>) -> Vec<Effect> {
        match parts.after_attempts(self.human) {
            Event::PlanRefusedThrice => {
                let prompt =
                    "the model gave no usable plan; answer with a plan, ask it again, or reject"
                        .to_owned();
                self.wait(
                    parts,
                    now,
                    prompt,
                    Question::InvalidPlan { refusals },
                    Event::PlanRefusedThrice,
                )
            }
            event => {
                self.change(parts, event);
                self.outcome(parts, None)
            }
        }
    }

    /// Begins to wait for a person.
    fn wait(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        prompt: String,
        kind: Question,
        event: Event,
    ) -> Vec<Effect> {
        let id = self.next_intervention_id();
        self.record.interventions.push(Intervention {
            id: id.clone(),
            kind: match kind {
                Question::Declared(_) => "human_intervention",
                Question::InvalidPlan { .. } => "invalid_plan",
            },
            prompt: prompt.clone(),
            asked_at: parts.format_time(now),
            answered_at: None,
            output: None,
            outcome: None,
            step_number: None,
        });
        self.pending = Some(Pending { id, prompt, kind });
        self.change(parts, event);
        self.outcome(parts, None)
    }

    /// An attempted action has its outcome: check, merge, count.
    pub(super) fn land(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        landing: Landing,
        outcome: Result<Value, ErrorObject>,
    ) -> Vec<Effect> {
        let number = self.steps_done + 1;
        let started_at = parts.format_time(landing.started);
        let rejected = matches!(&outcome, Err(error) if error.code == Code::HumanRejected);
        let merged = parts
            .outcome(&landing.action, outcome)
            .and_then(|raw| self.output(parts, &landing, raw))
            .and_then(|output| {
                Ok((
                    parts.merge(&self.observation, &landing.action, &output)?,
                    output,
                ))
            })
            .map(|(environment, output)| {
                let result = parts.action_result(&landing.action.name, &Ok(output));
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
                let result = parts.action_result(&landing.action.name, &Err(error));
                let unmerged = Value::clone(&self.observation);
                (
                    parts.observe_step(unmerged, &started_at, number, &result),
                    result,
                    false,
                )
            }
        };
        self.pending = self
            .pending
            .take()
            .filter(|pending| !parts.settles_question(&pending.id));
        let event = landing.event(parts.completes(&landing.action, success), success, rejected);
        if parts.counts_as_step(event) {
            self.count(parts, now, &landing, number, observation, &result);
        }
        self.change(parts, event);
        self.outcome(parts, Some(result))
    }

    /// What an action gave, fit to be merged: redacted first, then mapped, then validated.
    fn output(
        &self,
        parts: &dyn Parts,
        landing: &Landing,
        raw: Value,
    ) -> Result<Value, ErrorObject> {
        let Kind::InvokeApi(api) = &landing.action.kind else {
            // A person's answer was redacted and validated when it was taken.
            return Ok(raw);
        };
        let clean = parts.redact_value(Site::ServiceReply, &self.redactor, raw);
        let output = parts.response_value(api.response_map.as_ref(), clean);
        let violations = parts.check_output(&landing.action, &output);
        if violations.is_empty() {
            Ok(output)
        } else {
            Err(response::invalid_output(&landing.action, &violations))
        }
    }

    fn count(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        landing: &Landing,
        number: u64,
        observation: Value,
        result: &Value,
    ) {
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
            observation: Arc::clone(&self.observation),
        };
        self.record.add_step(step);
        if let Some(turn) = landing
            .turn
            .and_then(|index| self.record.turns.get_mut(index))
        {
            turn.step_number = Some(number);
        }
        if let Some(asked) = landing
            .intervention
            .as_deref()
            .and_then(|id| self.record.intervention(id))
        {
            asked.step_number = Some(number);
        }
    }

    fn remember(
        &mut self,
        attempt: Attempt,
        reply: Option<ModelReply>,
        refused: Option<Value>,
    ) -> usize {
        self.record
            .contracts
            .entry(self.contract_digest.clone())
            .or_insert_with(|| Arc::clone(&self.contract));
        let (reply, finish_reason, usage) = match reply {
            Some(reply) => {
                let text = Some(reply.text).filter(|text| !text.is_empty());
                (text, reply.finish_reason, reply.usage)
            }
            None => (None, None, None),
        };
        self.record.add_turn(Turn {
            at: attempt.asked_at,
            messages: attempt.messages,
            contract: self.contract_digest.clone(),
            reply,
            finish_reason,
            usage,
            refused,
            error: None,
            step_number: None,
        })
    }
}

impl Landing {
    /// What an outcome means for the session, by who planned and who acted.
    fn event(&self, completes: bool, success: bool, rejected: bool) -> Event {
        let asked = matches!(self.action.kind, Kind::HumanIntervention { .. });
        match (asked, self.intervention.is_some(), completes, success) {
            (true, ..) if rejected => Event::QuestionRejected,
            (true, _, true, _) => Event::AnswerAcceptedGoal,
            (true, _, false, true) => Event::AnswerAccepted,
            (true, _, false, false) => Event::AnswerFailed,
            (false, true, true, _) => Event::PersonPlanSucceededGoal,
            (false, true, false, true) => Event::PersonPlanSucceeded,
            (false, true, false, false) => Event::PersonPlanFailed,
            (false, false, true, _) => Event::GoalActionSucceeded,
            (false, false, false, true) => Event::ActionSucceeded,
            (false, false, false, false) => Event::ActionFailed,
        }
    }
}

fn observation_too_large() -> ErrorObject {
    ErrorObject::new(
        Code::ObservationTooLarge,
        "with this output the observation would be larger than 1 MiB, so nothing was merged",
    )
}
