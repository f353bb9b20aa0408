//! Asking the model for nodes: for `POST /plan`, and when a call plans again (`spec/workflows.md`, 4.2 and 11).

use std::sync::Arc;

use serde_json::Value;

use super::answers::Status;
use super::{Around, Effect, Flow, ON, Why, Workflow};
use crate::manifest::{Action, Kind, Manifest};
use crate::model::{Message, ModelFailure, ModelReply};
use crate::requirement::Profile;
use crate::runtime::access::Caller;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::redact::Site;
use crate::runtime::{plan, prompt};
use crate::workflow::bound::Bound;
use crate::workflow::check;
use crate::workflow::replan::{self, Contract};
use crate::workflow::request;

/// One planning: what the model was told, and the replies that were refused.
#[derive(Debug, Clone)]
pub struct Planning {
    contract: Arc<str>,
    question: Arc<str>,
    refused: Vec<(String, String)>,
    last_refusal: Option<ErrorObject>,
    again: bool,
}

/// What a reply came to.
#[derive(Debug)]
pub enum Judged {
    /// A plan: as it was written, and ready to run.
    Plan(Value, Vec<Bound>),
    /// It was refused, and the model is asked once more.
    AskAgain,
    /// It was refused, and it was the last.
    GaveUp(ErrorObject),
}

impl Planning {
    /// The beginning; `again`: for a call that is under way.
    pub fn new(
        around: &Around<'_>,
        caller: &Caller,
        manifest: &Manifest,
        intent: Option<&str>,
        (goal, state): (&str, &Value),
        again: bool,
    ) -> Self {
        let rules = around.rules();
        let actions = offered(around, caller, manifest, intent);
        let contract = rules.plan_contract(&Contract {
            manifest,
            actions: &actions,
            human: around.profiles.contains(&Profile::Human),
            again,
        });
        let clean = |text: &str| {
            let text = around
                .parts
                .redact_text(Site::Prompt, around.redactor, text);
            Arc::from(text)
        };
        Self {
            contract: clean(&contract),
            question: clean(&rules.plan_question(goal, state)),
            refused: Vec::new(),
            last_refusal: None,
            again,
        }
    }

    /// Why the last reply was refused, if it was.
    pub fn last_refusal(&self) -> Option<&ErrorObject> {
        self.last_refusal.as_ref()
    }

    /// The next request to the model.
    pub fn messages(&self, around: &Around<'_>) -> Vec<Message> {
        let refused = around.rules().shown_refusals(self.refused.clone());
        around
            .parts
            .messages(&self.contract, &self.question, &refused)
    }

    /// Judges a reply by the checks that a request's nodes have to pass.
    pub fn judge(
        &mut self,
        around: &Around<'_>,
        reply: &ModelReply,
        manifest: &Manifest,
        intent: Option<&str>,
        check_scopes: impl FnOnce(&[Bound]) -> Result<(), ErrorObject>,
    ) -> Judged {
        let text = around
            .parts
            .redact_text(Site::ModelReply, around.redactor, &reply.text);
        let judged = plan::check_whole(around.parts.is_cut_off(reply))
            .and_then(|()| self.read(around, &text, manifest, intent))
            .and_then(|plan| match check_scopes(&plan.1).err() {
                Some(error) => match around.rules().new_plan_refusal(error) {
                    Some(error) => Err(error),
                    None => Ok(plan),
                },
                None => Ok(plan),
            });
        let error = match judged {
            Ok((nodes, bound)) => {
                self.last_refusal = None;
                return Judged::Plan(nodes, bound);
            }
            Err(error) => error,
        };
        self.last_refusal = Some(error.clone());
        let refusal = around.rules().plan_refusal(&error);
        self.refused.push((prompt::shown_reply(&text), refusal));
        let refused = u32::try_from(self.refused.len()).unwrap_or(u32::MAX);
        if refused >= around.rules().plan_attempts() {
            Judged::GaveUp(around.rules().plan_exhausted(refused))
        } else {
            Judged::AskAgain
        }
    }

    fn read(
        &self,
        around: &Around<'_>,
        text: &str,
        manifest: &Manifest,
        intent: Option<&str>,
    ) -> Result<(Value, Vec<Bound>), ErrorObject> {
        let rules = around.rules();
        plan::check_length(text, around.parts.longest_reply())?;
        let nodes = rules.read_plan_reply(around.parts.strip_fence(text))?;
        let count = nodes.as_array().map_or(0, Vec::len);
        if !rules.plan_length_allowed(count, self.again) {
            return Err(replan::wrong_length(self.again));
        }
        if count == 0 {
            return Ok((nodes, Vec::new()));
        }
        let read = request::read_nodes(rules, &nodes, around.profiles)?;
        let bound = check::bind(rules, read, manifest, intent, around.plugins)?;
        Ok((nodes, bound))
    }
}

/// The actions that the model may use: those of the intent that need no person to answer, and whose scopes the caller holds.
pub fn offered<'m>(
    around: &Around<'_>,
    caller: &Caller,
    manifest: &'m Manifest,
    intent: Option<&str>,
) -> Vec<&'m Action> {
    let listed = intent.and_then(|name| manifest.intent(name));
    let actions = manifest.actions.iter().map(AsRef::as_ref);
    actions
        .filter(|action: &&Action| {
            let needed = action.access_control.iter();
            let needed = needed
                .flat_map(|access| access.required_scopes.iter().cloned())
                .collect();
            !matches!(action.kind, Kind::HumanIntervention { .. })
                && listed.is_none_or(|intent| intent.actions.contains(&action.name))
                && around.rules().offers(caller, &needed)
        })
        .collect()
}

impl Workflow {
    /// Asks for a new plan in the place of the nodes not yet reached.
    pub(super) fn plan_again(&mut self, around: &Around<'_>, why: Why) -> Flow {
        self.replans += 1;
        let goal = self.terms.goal.as_deref().unwrap_or_default();
        let planning = Planning::new(
            around,
            &self.caller,
            &self.manifest,
            self.terms.intent.as_deref(),
            (goal, &self.state),
            true,
        );
        self.ask(around, planning, why)
    }

    fn ask(&mut self, around: &Around<'_>, planning: Planning, why: Why) -> Flow {
        let messages = planning.messages(around);
        self.planning = Some((planning, why));
        Flow::Break(Effect::Ask(messages))
    }

    /// The model replied.
    pub(super) fn replied(&mut self, around: &Around<'_>, reply: &ModelReply) -> Flow {
        let Some((mut planning, why)) = self.planning.take() else {
            return ON;
        };
        let manifest = Arc::clone(&self.manifest);
        let judged = planning.judge(
            around,
            reply,
            &manifest,
            self.terms.intent.as_deref(),
            |bound| self.check_new_scopes(around, bound),
        );
        self.refused_plans.extend(planning.last_refusal().cloned());
        match judged {
            Judged::AskAgain => self.ask(around, planning, why),
            Judged::GaveUp(error) => self.fail_call(around, error, why.index),
            Judged::Plan(_, planned) if planned.is_empty() => self.nothing_more(around, why),
            Judged::Plan(_, planned) => {
                let rest = std::mem::take(&mut self.rest).into();
                self.rest = around.rules().replace_rest(rest, planned).into();
                ON
            }
        }
    }

    fn check_new_scopes(&self, around: &Around<'_>, bound: &[Bound]) -> Result<(), ErrorObject> {
        let needed = check::required_scopes(
            around.rules(),
            bound,
            &self.manifest,
            self.terms.intent.as_deref(),
            &self.terms.required_scopes,
        );
        around.access().check_scopes(&self.caller, &needed)
    }

    /// The model has nothing more to do.
    fn nothing_more(&mut self, around: &Around<'_>, why: Why) -> Flow {
        self.rest.clear();
        match (around.rules().after_empty_plan(why.trigger), why.error) {
            (Status::Failed, Some(error)) => self.fail_call(around, error, why.index),
            _ => self.end(around),
        }
    }

    /// The model did not reply.
    pub(super) fn not_replied(&mut self, around: &Around<'_>, failure: &ModelFailure) -> Flow {
        let Some((_, why)) = self.planning.take() else {
            return ON;
        };
        let mut error = ErrorObject::new(Code::LlmUnavailable, failure.message.clone());
        if let Some(status) = failure.status {
            error = error.with("status", status);
        }
        self.fail_call(around, error, why.index)
    }
}
