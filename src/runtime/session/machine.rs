//! The step call: ask the model, check its plan, wait for a person (`spec/steps.md`, `spec/plans.md`).

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::status::Event;
use super::transcript::{Intervention, Turn};
use super::{Attempt, Effect, Landing, Origin, Pending, Question, Session};
use crate::model::{ModelFailure, ModelReply, backoff};
use crate::runtime::access::Caller;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::parts::{Author, Parts};
use crate::runtime::plan::{self, Plan, Wish};
use crate::runtime::prompt;
use crate::runtime::redact::Site;

impl Session {
    /// A step call begins.
    pub(super) fn begin(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        caller: &Caller,
    ) -> Vec<Effect> {
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
        if let Some(seconds) = self.model_rests(now) {
            let answer = parts.model_failure_answer(&ModelFailure {
                retry_after: Some(seconds.to_string()),
                ..ModelFailure::new("the model asked to be left alone for some time")
            });
            return vec![Effect::Reply(answer)];
        }
        let caller = parts
            .in_session()
            .caller_of_step(&self.opener, caller)
            .clone();
        if caller.scopes != self.offered_to {
            self.offer(parts, &caller);
        }
        let shown = parts.observe_now(&self.observation, &parts.format_time(now));
        let question = parts.question(&self.goal, &shown);
        let question = parts.redact_text(Site::Prompt, &self.redactor, &question);
        let attempt = Attempt {
            started: now,
            asked_at: String::new(),
            number: parts.first_attempt(self.refused_so_far()),
            messages: Vec::new(),
            caller,
            question: question.into(),
            refused: Vec::new(),
            refusals: Vec::new(),
        };
        self.ask(parts, now, attempt)
    }

    /// The whole seconds for which the model still asks to be left alone.
    fn model_rests(&self, now: Timestamp) -> Option<u64> {
        backoff::seconds_until(self.model_rests_until?, now)
    }

    /// Replies that were refused in this session.
    fn refused_so_far(&self) -> usize {
        self.record.refused
    }

    fn ask(&self, parts: &dyn Parts, now: Timestamp, mut attempt: Attempt) -> Vec<Effect> {
        attempt.asked_at = parts.format_time(now);
        attempt.messages =
            parts.messages(self.contract.text(), &attempt.question, &attempt.refused);
        let messages = attempt.messages.clone();
        vec![Effect::Ask(attempt, messages)]
    }

    /// The model could not be asked: nothing of the session changes but its record.
    pub(super) fn not_replied(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        attempt: Attempt,
        failure: &ModelFailure,
    ) -> Vec<Effect> {
        let answer = parts.model_failure_answer(failure);
        let error = ErrorObject::new(Code::LlmUnavailable, failure.message.clone()).to_value();
        let turn = self.remember(attempt, None, None);
        if let Some(turn) = self.record.turns.get_mut(turn) {
            turn.error = Some(error);
        }
        self.model_rests_until = parts.model_rests_until(failure, now);
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
        let clean = |text: &str| parts.redact_text(Site::ModelReply, &self.redactor, text);
        let reason = reply.finish_reason.as_deref();
        (reply.text, reply.finish_reason) = (clean(&reply.text), reason.map(clean));
        let judged = plan::check_whole(parts.is_cut_off(&reply))
            .and_then(|()| plan::check_length(&reply.text, parts.longest_reply()))
            .and_then(|()| parts.read_plan(parts.strip_fence(&reply.text)))
            .and_then(|plan| {
                self.check(parts, plan, attempt.started, &attempt.caller, Author::Model)
            });
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
        caller: &Caller,
        author: Author,
    ) -> Result<Option<Landing>, ErrorObject> {
        let (name, args) = match plan.wish {
            Wish::Finish => return Ok(None),
            Wish::Act { action, args } => (action, Value::Object(args)),
        };
        let action = parts
            .find_planned(author, &self.scope(), &name)
            .ok_or_else(|| plan::undeclared(&name))?;
        let needed = self.needed_scopes(parts, &action);
        parts
            .in_session()
            .check_planned(parts.access(), caller, &needed)?;
        let violations = parts.check_arguments(&action, &args, author);
        if !violations.is_empty() {
            return Err(plan::invalid_arguments(&action, &violations));
        }
        Ok(Some(Landing {
            label: action.name.clone(),
            action,
            args,
            origin: match author {
                Author::Model => Origin::Model,
                Author::Person => Origin::Person,
            },
            caller: caller.clone(),
            plan: plan.raw,
            started,
            turn: None,
            intervention: None,
            first: None,
            note: None,
            logs: None,
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
        let way = self.way(parts, &mut landing);
        self.go(parts, now, landing, way)
    }

    /// Too many replies were refused.
    fn give_up(&mut self, parts: &dyn Parts, now: Timestamp, refusals: Vec<Value>) -> Vec<Effect> {
        match parts.after_attempts(self.human) {
            Event::PlanRefusedThrice => {
                let prompt =
                    "the model gave no usable plan; answer with a plan, ask it again, or reject"
                        .to_owned();
                self.wait(parts, now, prompt, Question::InvalidPlan { refusals })
            }
            event => {
                self.change(parts, event);
                self.outcome(parts, None)
            }
        }
    }

    /// Begins to wait for a person.
    pub(super) fn wait(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        prompt: String,
        kind: Question,
    ) -> Vec<Effect> {
        let id = self.next_intervention_id();
        let event = match &kind {
            Question::Declared(landing) | Question::Approval { landing, .. } => {
                Self::asking(landing)
            }
            Question::InvalidPlan { .. } => Event::PlanRefusedThrice,
        };
        self.record.add_intervention(Intervention {
            id: id.clone(),
            kind: kind.kind(),
            prompt: prompt.clone(),
            asked_at: parts.format_time(now),
            answered_at: None,
            answered_by: None,
            output: None,
            outcome: None,
            step_number: None,
        });
        self.pending = Some(Pending { id, prompt, kind });
        self.change(parts, event);
        self.outcome(parts, None)
    }

    fn remember(
        &mut self,
        attempt: Attempt,
        reply: Option<ModelReply>,
        refused: Option<Value>,
    ) -> usize {
        self.record.add_contract(&self.contract);
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
            contract: Arc::clone(self.contract.digest()),
            reply,
            finish_reason,
            usage,
            refused,
            error: None,
            step_number: None,
        })
    }
}
