//! From an accepted plan to its execution: conditional, question, rate, action, fallback (`spec/workflows.md` section 15,
//! `spec/access.md` sections 3 to 5).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::status::Event;
use super::{
    Call, Effect, Execution, FirstAttempt, Flight, Landing, Launch, Origin, Question, Session,
};
use crate::expression::{Roots, Template};
use crate::manifest::{AccessControl, Action, Kind, RateLimit, Verification};
use crate::runtime::access::{AccessParts, Caller, Uncharged};
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::parts::Parts;
use crate::runtime::plan;
use crate::workflow::bound::BoundAction;
use crate::workflow::check;
use crate::workflow::input::Held;
use crate::workflow::node::Condition;
use crate::workflow::parts::WorkflowParts;

/// What a conditional means for its step.
#[derive(Debug, Clone, PartialEq)]
pub enum Gate {
    /// The action is executed.
    Run,
    /// The step's result is `skipped`.
    Skip,
    /// The step's result is this failure.
    Fail(ErrorObject),
}

/// What a call beyond its rate comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Limited {
    /// A failed result, and the step counts.
    Failed(ErrorObject),
    /// A refused step call, as if nothing had been planned.
    Refused(ErrorObject),
}

/// What an accepted plan leads to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Way {
    /// Its conditional is false.
    Skip,
    /// Its conditional or its prompt cannot be evaluated.
    Fail(ErrorObject),
    /// It asks a person this.
    Ask(String),
    /// A person has to approve it.
    Approve,
    /// It is executed.
    Run,
}

/// What is done once a rate is charged.
#[derive(Debug, Clone)]
pub(super) enum Errand {
    /// The action is executed.
    Execute,
    /// A person is asked this.
    Ask(String),
}

/// Whose calls of what are counted.
#[derive(Debug, Clone)]
pub struct Rate {
    /// Who calls.
    pub caller: Caller,
    /// The manifest's name.
    pub manifest: String,
    /// The manifest's version.
    pub version: String,
    /// The action's name.
    pub action: String,
    /// What may not be exceeded; not empty.
    pub limits: Vec<RateLimit>,
}

/// What conditionals and prompts of a step see.
pub fn roots<'a>(observation: &'a Value, args: &'a Value) -> Roots<'a> {
    Roots {
        observation: Some(observation),
        input: Some(args),
        ..Roots::default()
    }
}

/// The conditionals of a definition; there is one at most.
pub fn conditions(action: &Action) -> Vec<Condition> {
    action.conditional.iter().map(Condition::from).collect()
}

/// False skips, and what cannot be evaluated fails; it is never taken as false.
pub fn gate(held: Result<Held, ErrorObject>) -> Gate {
    match held {
        Ok(held) if held.truth => Gate::Run,
        Ok(_) => Gate::Skip,
        Err(error) => Gate::Fail(error),
    }
}

/// The question of an action, its templates resolved.
///
/// # Errors
/// `template_error` when a template cannot be evaluated, or nothing is left to ask.
pub fn prompt(
    workflow: &dyn WorkflowParts,
    prompt: &Template,
    text: &str,
    roots: &Roots<'_>,
) -> Result<String, ErrorObject> {
    let asked = workflow.resolve_prompt(prompt, text, roots)?;
    if asked.is_empty() {
        let message = "the prompt is empty with its templates resolved, so nobody was asked";
        return Err(ErrorObject::new(Code::TemplateError, message));
    }
    Ok(asked)
}

/// The access controls of a definition and of the plugin that it is bound to: what one of them guards, the other does not open.
pub fn guards<'a>(action: &'a Action, plugin: Option<&'a Action>) -> Vec<&'a AccessControl> {
    let declared = [Some(action), plugin].into_iter().flatten();
    declared
        .filter_map(|declared| declared.access_control.as_ref())
        .collect()
}

/// The scopes that an access control demands.
pub fn scopes(control: Option<&AccessControl>) -> BTreeSet<String> {
    let scopes = control.map(|control| control.required_scopes.iter().cloned());
    scopes.into_iter().flatten().collect()
}

/// The scopes of an action, of what may run in its place, and of the session's intent.
pub fn needed_scopes(
    guards: &[&AccessControl],
    fallback: Option<&BoundAction>,
    intent: Option<&AccessControl>,
) -> BTreeSet<String> {
    let mut needed = scopes(intent);
    needed.extend(guards.iter().flat_map(|guard| scopes(Some(*guard))));
    let fallback = fallback.map(|bound| bound.scopes.iter().cloned());
    needed.extend(fallback.into_iter().flatten());
    needed
}

/// The limits that hold for an action: all that are declared.
pub fn limits(access: &dyn AccessParts, guards: &[&AccessControl]) -> Vec<RateLimit> {
    let rates = guards.iter().map(|guard| guard.rate_limit);
    rates.flat_map(|rate| access.limits(rate, None)).collect()
}

/// Whether every call goes through a person. A question does so anyway: nobody is asked twice.
pub fn wants_approval(action: &Action, guards: &[&AccessControl]) -> bool {
    let guarded = |guard: &&AccessControl| guard.verification == Verification::Approval;
    guards.iter().any(guarded) && !is_question(action)
}

/// What a person is asked about an action; its arguments stand beside it.
pub fn approval_prompt(landing: &Landing) -> String {
    format!("run `{}` with these arguments?", landing.label)
}

fn is_question(action: &Action) -> bool {
    matches!(action.kind, Kind::HumanIntervention { .. })
}

impl Session {
    /// The scopes that an action needs in this session.
    pub(super) fn needed_scopes(&self, parts: &dyn Parts, action: &Action) -> BTreeSet<String> {
        let fallback = self.fallback(parts, action);
        let intent = self
            .scope()
            .intent
            .and_then(|name| self.manifest.intent(name));
        let intent = intent.and_then(|intent| intent.access_control.as_ref());
        let plugin = self.plugin(parts, action);
        let guards = guards(action, plugin.as_deref());
        parts
            .in_session()
            .needed_scopes(&guards, fallback.as_ref(), intent)
    }

    /// The plugin that a definition is bound to.
    fn plugin(&self, parts: &dyn Parts, action: &Action) -> Option<Arc<Action>> {
        let Kind::Plugin(_) = action.kind else {
            return None;
        };
        let name = parts.workflow().plugin_name(action);
        parts.workflow().find_plugin(&*self.plugins.0, name)
    }

    fn limits(&self, parts: &dyn Parts, action: &Action) -> Vec<RateLimit> {
        let plugin = self.plugin(parts, action);
        let guards = guards(action, plugin.as_deref());
        parts.in_session().limits(parts.access(), &guards)
    }

    fn wants_approval(&self, parts: &dyn Parts, action: &Action) -> bool {
        let plugin = self.plugin(parts, action);
        let guards = guards(action, plugin.as_deref());
        parts.in_session().wants_approval(action, &guards)
    }

    /// What runs in an action's place when it fails.
    fn fallback(&self, parts: &dyn Parts, action: &Action) -> Option<BoundAction> {
        let bound =
            check::bind_fallback(parts.workflow(), action, &self.manifest, &*self.plugins.0);
        parts.in_session().fallback(action, bound)
    }

    /// Looks at the conditional and the question of an accepted plan; nothing is done yet.
    pub(super) fn way(&self, parts: &dyn Parts, landing: &mut Landing) -> Way {
        let conditions = parts.in_session().conditions(&landing.action);
        let observation = if conditions.is_empty() && !is_question(&landing.action) {
            Cow::Borrowed(&*self.observation)
        } else {
            Cow::Owned(self.shown(parts, landing))
        };
        let roots = parts.in_session().roots(&observation, &landing.args);
        for condition in &conditions {
            let held = parts.workflow().holds(condition, &roots);
            match parts.in_session().gate(held) {
                Gate::Run => {}
                Gate::Skip => return Way::Skip,
                Gate::Fail(error) => return Way::Fail(error),
            }
        }
        let way = match &landing.action.kind {
            Kind::HumanIntervention { prompt, template } => {
                let workflow = parts.workflow();
                let asked = parts
                    .in_session()
                    .prompt(workflow, template, prompt, &roots);
                asked.map_or_else(Way::Fail, Way::Ask)
            }
            _ if self.wants_approval(parts, &landing.action) => Way::Approve,
            _ => Way::Run,
        };
        landing.args = parts.in_session().arguments(landing.args.clone(), &roots);
        way
    }

    /// The observation as the model was shown it in this step.
    fn shown(&self, parts: &dyn Parts, landing: &Landing) -> Value {
        parts.observe_now(&self.observation, &parts.format_time(landing.started))
    }

    /// The `timestamp` of that observation, at which the clock of sandboxed code starts (sandbox.md 5.2).
    fn shown_time(&self, parts: &dyn Parts, landing: &Landing) -> Timestamp {
        let written = parts.format_time(landing.started).parse();
        written.unwrap_or(landing.started)
    }

    /// Goes the way of an accepted plan.
    pub(super) fn go(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        landing: Landing,
        way: Way,
    ) -> Vec<Effect> {
        match way {
            Way::Skip => {
                let mut effects = self.spared(parts, &landing, Uncharged::Skipped);
                effects.extend(self.skip(parts, now, &landing));
                effects
            }
            Way::Fail(error) => {
                let mut effects = self.spared(parts, &landing, Uncharged::Invalid);
                effects.extend(self.finish(parts, now, &landing, Err(error)));
                effects
            }
            Way::Ask(prompt) => self.launch(parts, now, landing, Errand::Ask(prompt)),
            Way::Approve => {
                let prompt = parts.in_session().approval_prompt(&landing);
                let fallback = self
                    .fallback(parts, &landing.action)
                    .map(|bound| bound.label);
                self.wait(parts, now, prompt, Question::Approval { landing, fallback })
            }
            Way::Run => self.launch(parts, now, landing, Errand::Execute),
        }
    }

    fn spared(&self, parts: &dyn Parts, landing: &Landing, why: Uncharged) -> Vec<Effect> {
        let limits = self.limits(parts, &landing.action);
        if limits.is_empty() {
            return Vec::new();
        }
        vec![Effect::Spare(self.rate(landing, limits), why)]
    }

    /// Executes an action, or asks its question, as soon as its rate allows.
    pub(super) fn launch(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        landing: Landing,
        errand: Errand,
    ) -> Vec<Effect> {
        let limits = self.limits(parts, &landing.action);
        self.launch_within(parts, now, Launch { landing, errand }, limits)
    }

    fn launch_within(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        launch: Launch,
        limits: Vec<RateLimit>,
    ) -> Vec<Effect> {
        if limits.is_empty() {
            return self.launched(parts, now, launch);
        }
        vec![Effect::Charge(self.rate(&launch.landing, limits), launch)]
    }

    fn rate(&self, landing: &Landing, limits: Vec<RateLimit>) -> Rate {
        Rate {
            caller: landing.caller.clone(),
            manifest: self.manifest.name.clone(),
            version: self.manifest.version.to_string(),
            action: landing.action.name.clone(),
            limits,
        }
    }

    /// The rate was charged, or refused the call.
    pub(super) fn charged(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        launch: Launch,
        charged: Result<(), u64>,
    ) -> Vec<Effect> {
        let Err(seconds) = charged else {
            return self.launched(parts, now, launch);
        };
        let error = parts.access().rate_limited(seconds);
        let Launch { landing, .. } = launch;
        if let Some(first) = landing.first {
            return self.unsaved(parts, now, &first.landing, first.error, &error);
        }
        match parts.in_session().beyond_limit(error) {
            Limited::Failed(error) => self.finish(parts, now, &landing, Err(error)),
            Limited::Refused(error) => Self::refuse(parts, &error),
        }
    }

    fn launched(&mut self, parts: &dyn Parts, now: Timestamp, launch: Launch) -> Vec<Effect> {
        let Launch { landing, errand } = launch;
        match errand {
            Errand::Ask(prompt) => self.wait(parts, now, prompt, Question::Declared(landing)),
            Errand::Execute => {
                let calls = parts.calls(Call {
                    session_id: self.id.clone(),
                    step_number: self.steps_done + 1,
                    action: landing.action.clone(),
                    args: landing.args.clone(),
                    manifest: self.manifest.name.clone(),
                    digest: self.manifest.digest.clone(),
                    subject: landing.caller.subject.clone(),
                    clock: self.shown_time(parts, &landing),
                    seed: self.seed,
                });
                vec![Effect::Execute(Flight { calls, landing })]
            }
        }
    }

    /// The calls of an action are done; what failed for a reason outside the plan may have a fallback.
    pub(super) fn executed(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        flight: Flight,
        execution: Execution,
    ) -> Vec<Effect> {
        self.record.add_side_effects(execution.side_effects);
        let Flight { mut landing, .. } = flight;
        landing.add_logs(parts, execution.logs);
        match self.outcome_of(parts, &landing, execution.outcome) {
            Err(error) if landing.first.is_none() && parts.workflow().falls_back(&error) => {
                self.fall_back(parts, now, landing, error)
            }
            settled => self.finish(parts, now, &landing, settled),
        }
    }

    fn fall_back(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        landing: Landing,
        error: ErrorObject,
    ) -> Vec<Effect> {
        let Some(fallback) = self.fallback(parts, &landing.action) else {
            return self.finish(parts, now, &landing, Err(error));
        };
        let args = match self.ready(parts, &landing, &fallback) {
            Ok(args) => args,
            Err(reason) => return self.unsaved(parts, now, &landing, error, &reason),
        };
        let result = parts.action_result(&landing.label, &Err(error.clone()));
        let BoundAction {
            action,
            label,
            rate,
            other_rate,
            node_rate,
            ..
        } = fallback;
        let next = Landing {
            action,
            label,
            args,
            first: Some(FirstAttempt {
                landing: Box::new(landing.clone()),
                error,
                result,
            }),
            ..landing
        };
        let launch = Launch {
            landing: next,
            errand: Errand::Execute,
        };
        let mut limits = parts.access().limits(rate, node_rate);
        limits.extend(parts.access().limits(other_rate, None));
        self.launch_within(parts, now, launch, limits)
    }

    /// The input that a fallback runs with, or why it is not executed.
    fn ready(
        &self,
        parts: &dyn Parts,
        landing: &Landing,
        fallback: &BoundAction,
    ) -> Result<Value, ErrorObject> {
        let action = &fallback.action;
        if is_question(action) || !parts.may_use_action(&self.scope(), action) {
            return Err(plan::undeclared(&fallback.label));
        }
        let workflow = parts.workflow();
        workflow.check_fallback(fallback)?;
        let observation = self.shown(parts, landing);
        let roots = parts.in_session().roots(&observation, &landing.args);
        for condition in workflow.conditions(&fallback.conditions) {
            let held = workflow.holds(condition, &roots)?;
            if !workflow.fallback_runs(&held) {
                let message = "the conditional of the fallback is false";
                return Err(ErrorObject::new(Code::ConditionalError, message));
            }
        }
        let own = fallback.input.as_ref();
        let mut args = workflow.fallback_input(own, &landing.args);
        if own.is_some() {
            args = workflow.resolve_templates(&fallback.templates, &args, &roots)?;
            args = workflow.clean_input(&self.redactor, args);
        }
        let violations = workflow.check_fallback_input(action, &args);
        if violations.is_empty() {
            Ok(args)
        } else {
            Err(plan::invalid_arguments(action, &violations))
        }
    }

    /// The fallback was not executed: the step has the first action's failure.
    fn unsaved(
        &mut self,
        parts: &dyn Parts,
        now: Timestamp,
        landing: &Landing,
        error: ErrorObject,
        reason: &ErrorObject,
    ) -> Vec<Effect> {
        let error = parts.workflow().unsaved_error(error, Some(reason));
        self.finish(parts, now, landing, Err(error))
    }

    /// The event of a question that begins to wait.
    pub(super) fn asking(landing: &Landing) -> Event {
        match landing.origin {
            Origin::Model => Event::PersonAsked,
            Origin::Person | Origin::Answer | Origin::Approval => Event::PersonPlanAsked,
        }
    }
}
