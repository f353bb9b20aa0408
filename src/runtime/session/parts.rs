//! What workflows and access mean inside a session, as one replaceable method for each requirement; see [`crate::runtime::parts`].
//!
//! Rules that sessions share with workflows (how a conditional is evaluated, after which failures a fallback runs) are methods of
//! [`WorkflowParts`]; what is said of sessions alone is here (`spec/workflows.md` section 15, `spec/access.md` 3.8 to 3.10, 4.9,
//! 5.2, 5.3).

use std::collections::BTreeSet;

use serde_json::Value;

use super::people::{self, Reply};
use super::running::{self, Gate, Limited};
use super::{Landing, Question};
use crate::expression::{Roots, Template};
use crate::manifest::{AccessControl, Action, RateLimit};
use crate::runtime::access::{AccessParts, Caller};
use crate::runtime::error::ErrorObject;
use crate::runtime::parts::Reference;
use crate::runtime::wire;
use crate::workflow::bound::BoundAction;
use crate::workflow::input::Held;
use crate::workflow::node::Condition;
use crate::workflow::parts::WorkflowParts;

/// The replaceable decisions; see the module.
pub trait SessionParts: Send + Sync {
    // --- conditionals: workflows.md 15.1, 15.2 ---

    /// What conditionals and prompts of a step see: the observation and the plan's arguments (15.1, 15.4).
    fn roots<'a>(&self, observation: &'a Value, args: &'a Value) -> Roots<'a> {
        running::roots(observation, args)
    }

    /// The conditionals that must hold before an action is executed (15.1).
    fn conditions(&self, action: &Action) -> Vec<Condition> {
        running::conditions(action)
    }

    /// What a conditional's evaluation means for its step (15.1, 15.2).
    fn gate(&self, held: Result<Held, ErrorObject>) -> Gate {
        running::gate(held)
    }

    /// The result of a step whose conditional is false (15.1).
    fn skipped_result(&self, action_name: &str) -> Value {
        wire::skipped_result(action_name)
    }

    // --- arguments and prompts: 15.4, 15.5 ---

    /// The arguments that an action runs with: the plan's, to the letter (15.5).
    fn arguments(&self, args: Value, roots: &Roots<'_>) -> Value {
        let _ = roots;
        args
    }

    /// What a person is asked (15.4).
    ///
    /// # Errors
    /// `template_error` when a template of the prompt cannot be evaluated, or nothing is left to ask.
    fn prompt(
        &self,
        workflow: &dyn WorkflowParts,
        prompt: &Template,
        text: &str,
        roots: &Roots<'_>,
    ) -> Result<String, ErrorObject> {
        running::prompt(workflow, prompt, text, roots)
    }

    // --- fallbacks: 15.3 ---

    /// What runs in an action's place in this step, if anything does (15.3).
    fn fallback(&self, action: &Action, fallback: Option<BoundAction>) -> Option<BoundAction> {
        let _ = action;
        fallback
    }

    /// The name in the result of a step whose fallback ran (15.3).
    fn name_that_ran(&self, planned: &str, ran: &str) -> String {
        let _ = planned;
        ran.to_owned()
    }

    /// The result of a step whose fallback ran: with both attempts, in order (15.3).
    fn with_attempts(&self, result: Value, attempts: Vec<Value>) -> Value {
        wire::with_attempts(result, attempts)
    }

    /// How many steps a fallback adds to that of its action: none (15.3).
    fn steps_of_a_fallback(&self) -> u64 {
        0
    }

    // --- scopes: access.md 3.8 to 3.10 ---

    /// The scopes that an action needs: its own, those of its fallback, and those of the intent (3, 3.6).
    fn needed_scopes(
        &self,
        guards: &[&AccessControl],
        fallback: Option<&BoundAction>,
        intent: Option<&AccessControl>,
    ) -> BTreeSet<String> {
        running::needed_scopes(guards, fallback, intent)
    }

    /// Whether a plan may name an action that needs these scopes (3.8).
    ///
    /// # Errors
    /// `insufficient_scope`, which refuses the plan.
    fn check_planned(
        &self,
        access: &dyn AccessParts,
        caller: &Caller,
        needed: &BTreeSet<String>,
    ) -> Result<(), ErrorObject> {
        access.check_scopes(caller, needed)
    }

    /// Whether an action that needs these scopes is in the contract (3.9).
    fn offers(&self, access: &dyn AccessParts, caller: &Caller, needed: &BTreeSet<String>) -> bool {
        access.check_scopes(caller, needed).is_ok()
    }

    /// Whose scopes count in a step: those of the call's own token, not of the one that opened the session (2.4, 3.8).
    fn caller_of_step<'c>(&self, opened: &'c Caller, calls: &'c Caller) -> &'c Caller {
        let _ = opened;
        calls
    }

    /// Whether a session with this intent may be opened (3.10).
    ///
    /// # Errors
    /// `insufficient_scope`.
    fn check_opening(
        &self,
        access: &dyn AccessParts,
        caller: &Caller,
        intent: Option<&AccessControl>,
    ) -> Result<(), ErrorObject> {
        access.check_scopes(caller, &running::scopes(intent))
    }

    // --- rates: access.md 4.9 ---

    /// The limits of an action in a session (4.2, 4.9).
    fn limits(&self, access: &dyn AccessParts, guards: &[&AccessControl]) -> Vec<RateLimit> {
        running::limits(access, guards)
    }

    /// What a call beyond the limit is for its step (4.9).
    fn beyond_limit(&self, error: ErrorObject) -> Limited {
        Limited::Failed(error)
    }

    // --- approvals: access.md 5.2, 5.3 ---

    /// Whether a person has to approve an action before it is executed (5.2).
    fn wants_approval(&self, action: &Action, guards: &[&AccessControl]) -> bool {
        running::wants_approval(action, guards)
    }

    /// What the person is asked about an action (5.2).
    fn approval_prompt(&self, landing: &Landing) -> String {
        running::approval_prompt(landing)
    }

    /// Whether a question takes an answer of this form (5.2, human.md 2.1).
    ///
    /// # Errors
    /// `invalid_request`, and the question still waits.
    fn check_reply(&self, question: &Question, reply: &Reply) -> Result<(), ErrorObject> {
        people::check_reply(question, reply)
    }

    /// Whether an action may be executed on the word of this caller (5.2, 3.2).
    ///
    /// # Errors
    /// `insufficient_scope`, and the question still waits.
    fn check_approver(
        &self,
        access: &dyn AccessParts,
        caller: &Caller,
        needed: &BTreeSet<String>,
    ) -> Result<(), ErrorObject> {
        access.check_scopes(caller, needed)
    }

    /// The failure of an action that a person did not approve; `None`: it is executed all the same (5.3).
    fn disapproval(&self) -> Option<ErrorObject> {
        Some(people::disapproved())
    }
}

impl SessionParts for Reference {}
