//! Asking a person, and going on with the decision (`spec/workflows.md`, section 12).

use std::sync::Arc;

use serde_json::{Value, json};

use super::answers::{Asked, Shown};
use super::node::{Prepared, Ready};
use super::{Around, Current, Decided, Effect, Flow, ON, Pause, Why, Workflow};
use crate::expression::Roots;
use crate::manifest::Kind;
use crate::runtime::answer::Answer;
use crate::runtime::error::ErrorObject;
use crate::runtime::redact::Site;
use crate::workflow::approvals::{Kept, Question};
use crate::workflow::bound::{Bound, BoundAction};
use crate::workflow::history::Happened;
use crate::workflow::replan::Trigger;

impl Workflow {
    /// An action that could run waits for a person instead.
    pub(super) fn ask_person(&mut self, around: &Around<'_>, node: Bound, ready: Ready) -> Flow {
        let rules = around.rules();
        let roots = Roots {
            state: Some(&self.state),
            input: Some(&ready.input),
            observation: None,
        };
        let prompt = match &node {
            Bound::Approval {
                prompt,
                prompt_text,
                ..
            } => rules.resolve_prompt(prompt, prompt_text, &roots),
            Bound::Action(action) => Ok(format!("run {}?", action.label)),
        };
        let prompt = match prompt {
            Ok(prompt) => prompt,
            Err(error) => return self.failed(around, Current::new(node, ready), error, false),
        };
        let action = node.action();
        let fallback = action.fallback.as_deref();
        let foreseen = fallback.map(|fallback| self.fallback_for(around, fallback, &ready));
        let shown_fallback = match (fallback, &foreseen) {
            (Some(fallback), Some(Prepared::Ready(ready))) => Some(shown(fallback, ready)),
            _ => None,
        };
        let shown = rules.shown_action(&shown(action, &ready), shown_fallback.as_ref());
        let expires_at = around
            .now
            .checked_add(rules.approval_lifetime())
            .unwrap_or(around.now);
        let clean = |value| {
            around
                .parts
                .redact_value(Site::Answer, around.redactor, value)
        };
        let rest: Vec<&Value> = self.rest.iter().map(Bound::source).collect();
        // Digests of what leaves, since that is what comes back.
        let resume = clean(rules.resume(node.source(), &rest));
        let state = clean(rules.returned_state(&self.state));
        let answer = rules.question_answer(&Asked {
            id: &self.approval_id,
            prompt: &prompt,
            action: &shown,
            expires_at: &around.parts.format_time(expires_at),
            results: &self.results,
            state: &state,
            resume: &resume,
            version: rules.answered_version(),
        });
        let answer = Answer {
            body: Arc::new(clean(Arc::unwrap_or_clone(answer.body))),
            ..answer
        };
        let kept = Kept {
            open_action: rules.kept_digest(&resume),
            state: rules.kept_digest(&state),
            members: self.terms.members.clone(),
        };
        let pause = Pause {
            manifest: Arc::clone(&self.manifest),
            terms: self.terms.clone(),
            node: node.clone(),
            ready: ready.clone(),
            fallback: foreseen,
            rest: self.rest.iter().cloned().collect(),
            replans: self.replans,
        };
        self.current = Some(Current::new(node, ready));
        Flow::Break(Effect::Hold(Box::new(Question {
            id: self.approval_id.clone(),
            asker: self.caller.subject.clone(),
            expires_at,
            kept,
            pause,
            answer,
        })))
    }

    /// There is no room for the question, or the count was not kept: nobody is asked, and nothing is executed.
    pub(super) fn not_kept(&mut self, around: &Around<'_>, error: ErrorObject) -> Flow {
        self.attempt_failed(around, error)
    }

    /// A person has decided: the stored action runs, or fails.
    pub(super) fn decided(&mut self, around: &Around<'_>, decided: Decided) -> Flow {
        let rules = around.rules();
        let pause = Pause::clone(&decided.pause);
        self.replans = pause.replans;
        self.rest = rules.goes_on_with(pause.rest).into();
        let ready = Ready {
            input: rules.approved_input(&pause.ready.input, decided.sent_input.as_ref()),
            defaulted: pause.ready.defaulted,
        };
        self.learn(pause.node.action());
        let mut current = Current::new(pause.node, ready);
        current.foreseen = pause.fallback;
        current.approval = Some(json!({"id": decided.id, "by": self.caller.subject}));
        if decided.approve || rules.runs_rejected() {
            return self.launch(around, current);
        }
        let error = rules.rejection();
        let wire = around.parts.error_object(&error);
        let entry = self.entry(around, &current, Happened::Rejected, None, Some(&wire));
        let result = around
            .parts
            .action_result(&current.action().label, &Err(error.clone()));
        let index = self.push_result(result);
        let _ = self.note(around, vec![entry]);
        let why = Why {
            trigger: Trigger::Failed,
            error: Some(error.clone()),
            index,
        };
        if rules.replans_after_rejection() && self.may_plan(around) {
            return self.plan_again(around, why);
        }
        if rules.stops_after(&error) {
            return self.fail_call(around, error, index);
        }
        ON
    }
}

/// An action with what it is run with.
fn shown<'a>(action: &'a BoundAction, ready: &'a Ready) -> Shown<'a> {
    Shown {
        label: &action.label,
        plugin: match &action.action.kind {
            Kind::Plugin(_) => Some(&action.action.name),
            _ => None,
        },
        input: &ready.input,
    }
}
