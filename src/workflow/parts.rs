//! Every decision about workflows that a requirement pins, as one replaceable method; see [`crate::runtime::parts`].
//!
//! Each default is one call of a pure function of this room, or a constant. The methods say which section of
//! `spec/workflows.md` they serve.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::bound::{Bound, BoundAction, Catalogue};
use super::check::Demand;
use super::history::{self, Entry};
use super::input::{self, Held};
use super::node::{Condition, NodeType};
use super::replan::{self, Contract, Trigger};
use super::request::Decision;
use super::run::answers::{self, Ended, Shown, Status};
use super::{approvals, check, fallback, reading, request, schema, state};
use crate::diagnostic::Violation;
use crate::expression::{self, Expression, Roots, Template, Templates};
use crate::json;
use crate::manifest::vocabulary::Vocabulary;
use crate::manifest::{Action, Intent, Manifest, Verification};
use crate::model::ModelFailure;
use crate::requirement::Profile;
use crate::runtime::access::Caller;
use crate::runtime::answer::Answer;
use crate::runtime::error::ErrorObject;
use crate::runtime::parts::Reference;
use crate::runtime::plugins::{PluginCode, PluginFolder, Plugins};
use crate::runtime::redact::Redactor;
use crate::runtime::{StartError, plan, response, wire};
use approvals::{Repeat, Standing};

/// One of the checks of section 6 that follow shape and identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Manifest, intent, actions and plugins exist.
    Existence,
    /// The caller holds the scopes.
    Scopes,
    /// The state is not too large.
    StateSize,
}

/// The replaceable decisions; see the module.
pub trait WorkflowParts: Send + Sync {
    // === documents and checks: kept by `node`, `request`, `check` and `bound` =================================================

    /// What is wrong with a canonical document by a published schema, its pointers leading into it (3.1, 3.3, 4.1.1, 12.1.4,
    /// 12.1.5, 13.2, 2.5).
    fn check_shape(&self, schema: &str, document: &Value) -> Vec<Violation> {
        schema::check_shape(schema, document)
    }

    /// What `@type` makes of a node (2.1, 2.2, 3.2).
    fn node_type(&self, vocabulary: &Vocabulary<'_>, value: &Value) -> Option<NodeType> {
        schema::node_type(vocabulary, value)
    }

    /// The name in the vocabulary that a node's member goes by (2.2, 2.3).
    fn member_name<'n>(&self, vocabulary: &Vocabulary<'_>, name: &'n str) -> Cow<'n, str> {
        vocabulary.member(name)
    }

    /// Whether a version is spoken, in a request as in a node; absent is "2.0" (5.2, 5.3).
    ///
    /// # Errors
    /// `unsupported_protocol_version`.
    fn check_version(&self, version: Option<&Value>) -> Result<(), ErrorObject> {
        reading::check_version(version)
    }

    /// Whether a member of this profile may be used (2.6).
    fn supports(&self, profiles: &[Profile], needed: Profile) -> bool {
        profiles.contains(&needed)
    }

    /// A conditional (6.3).
    ///
    /// # Errors
    /// Why it does not parse.
    fn parse_condition(&self, text: &str) -> Result<Condition, expression::Error> {
        Ok(Condition {
            text: text.to_owned(),
            expression: Expression::parse(text)?,
        })
    }

    /// The templates of an input (6.3).
    ///
    /// # Errors
    /// Which string does not parse, and why.
    fn parse_templates(&self, input: &Value) -> Result<Templates, expression::Located> {
        Templates::parse(input)
    }

    /// A prompt (6.3).
    ///
    /// # Errors
    /// Why it does not parse.
    fn parse_prompt(&self, text: &str) -> Result<Template, expression::Error> {
        Template::parse(text)
    }

    /// The decision of a resumed call (12.2.8).
    ///
    /// # Errors
    /// `invalid_request`.
    fn read_decision(&self, approval: Option<&Value>) -> Result<Option<Decision>, ErrorObject> {
        request::read_decision(approval)
    }

    /// The intent that a request names; `Ok(None)`: it restricts nothing (6.5).
    ///
    /// # Errors
    /// `intent_not_found`.
    fn find_intent<'m>(
        &self,
        manifest: &'m Manifest,
        name: &str,
    ) -> Result<Option<&'m Intent>, ErrorObject> {
        check::find_intent(manifest, name)
    }

    /// The definition that a node names (6.4).
    fn find_definition(
        &self,
        manifest: &Manifest,
        intent: Option<&Intent>,
        name: &str,
    ) -> Option<Arc<Action>> {
        check::find_definition(manifest, intent, name)
    }

    /// Whether a definition exists for requests, which carry no flags (manifests.md 2.1).
    fn flag_allows(&self, action: &Action) -> bool {
        action.feature_flag.is_none()
    }

    /// Whether a definition can be a node (3.6).
    ///
    /// # Errors
    /// `invalid_request`.
    fn check_usable(&self, action: &Action) -> Result<(), ErrorObject> {
        check::check_usable(action)
    }

    /// Whether a definition may stand beside a `pluginReference` (3.5).
    ///
    /// # Errors
    /// `invalid_request`.
    fn check_both_names(&self, definition: &Action, reference: &str) -> Result<(), ErrorObject> {
        check::check_both_names(definition, reference)
    }

    /// When the clocks of sandboxed code start, in a call that came at `now` (4.1, sandbox.md 5.2).
    fn sandbox_clock(&self, timestamp: Option<&str>, now: Timestamp) -> Timestamp {
        request::sandbox_clock(timestamp, now)
    }

    /// The plugin of a name (6.5, 13.1).
    fn find_plugin(&self, plugins: &dyn Catalogue, name: &str) -> Option<Arc<Action>> {
        plugins.get(name)
    }

    /// The name of the plugin that a definition is bound to (13.6).
    fn plugin_name<'a>(&self, action: &'a Action) -> &'a str {
        check::plugin_name(action)
    }

    /// The plugins of a folder, their code not yet read (13.3, 13.4).
    ///
    /// # Errors
    /// When the folder or a descriptor cannot be used.
    fn install(&self, folder: PluginFolder) -> Result<Plugins, StartError> {
        Plugins::known(folder)
    }

    /// The code of a plugin that is about to run (13.1, 13.5).
    ///
    /// # Errors
    /// `plugin_error`.
    fn plugin_code(&self, plugins: &Plugins, name: &str) -> Result<PluginCode, ErrorObject> {
        plugins.code(name)
    }

    /// Whether a plugin may be used under an intent (13.7).
    fn intent_allows_plugin(&self, intent: Option<&Intent>, name: &str) -> bool {
        intent.is_none_or(|intent| intent.actions.iter().any(|listed| listed == name))
    }

    /// What an action is called in results, state and history (3.4).
    fn label(&self, name: Option<&str>, reference: Option<&str>) -> String {
        name.or(reference).unwrap_or_default().to_owned()
    }

    /// Whether a node's fallback runs where the definition may have one too (3.8).
    fn prefers_nodes_fallback(&self, definition_has_one: bool) -> bool {
        let _ = definition_has_one;
        true
    }

    /// Whether a fallback can run without anybody being asked (access.md 5.5).
    ///
    /// # Errors
    /// `invalid_request`.
    fn check_fallback(&self, fallback: &BoundAction) -> Result<(), ErrorObject> {
        check::check_fallback(fallback)
    }

    /// The scopes of an action by its declaration and its node (access.md 3.5).
    fn action_scopes(&self, declared: &[String], node: &[String]) -> Vec<String> {
        check::action_scopes(declared, node)
    }

    /// Whether the scopes of this part of a request are demanded (access.md 3.3, 3.4, 3.6).
    fn demands(&self, demand: Demand) -> bool {
        let _ = demand;
        true
    }

    /// Whether every call goes through a person, by the declaration and by the node (access.md 5.1, 5.4).
    fn needs_approval(&self, declared: bool, node: Option<Verification>) -> bool {
        declared || node == Some(Verification::Approval)
    }

    /// What a person is asked about an action that always needs approval (access.md 5.1).
    fn approval_prompt(&self, label: &str) -> String {
        format!("May `{label}` be called with this input?")
    }

    // === the call: section 4 =================================================================================================

    /// The largest body of `POST /execute`, in bytes (4.1.2).
    fn largest_body(&self) -> usize {
        request::LARGEST_BODY
    }

    /// The answer of a call that ran to its end (4.1.3).
    fn execute_answer(&self, ended: &Ended) -> Answer {
        answers::execute(ended)
    }

    /// The position of the failed result (4.1.4); `last` is that of the node that ended the call.
    fn failed_index(&self, results: &[Value], last: usize) -> usize {
        let _ = results;
        last
    }

    /// `result` of a call whose `open_action` is one node (4.1.5).
    fn single_result(&self, results: &[Value]) -> Value {
        answers::single_result(results)
    }

    /// `results` of an answer (4.1.6, 9.2).
    fn results(&self, status: Status, results: Vec<Value>) -> Vec<Value> {
        let _ = status;
        results
    }

    /// The nodes in the order in which they run (4.1.7).
    fn order(&self, nodes: Vec<Bound>) -> Vec<Bound> {
        nodes
    }

    /// The state that a node sees: the one that the node before it left (4.1.7, 7.3.1).
    fn seen_state<'s>(&self, first: &'s Value, left: &'s Value) -> &'s Value {
        let _ = first;
        left
    }

    /// Whether the call ends with this failure, which no fallback saved (4.1.8).
    fn stops_after(&self, error: &ErrorObject) -> bool {
        let _ = error;
        true
    }

    /// Whether a failure is answered with its own HTTP status (4.1.9).
    fn refused_by_status(&self, error: &ErrorObject, executed: bool) -> bool {
        answers::refused_by_status(error, executed)
    }

    /// `protocolVersion` of an answer (5.1).
    fn answered_version(&self) -> Option<&'static str> {
        Some(wire::PROTOCOL_VERSION)
    }

    /// The order of the checks after shape and identity (6.2).
    fn check_order(&self) -> [Check; 3] {
        [Check::Existence, Check::Scopes, Check::StateSize]
    }

    // === planning: 4.2 and 11 ================================================================================================

    /// The contract that the model gets (4.2.3).
    fn plan_contract(&self, contract: &Contract<'_>) -> String {
        replan::contract(contract)
    }

    /// Whether an action that needs these scopes is offered to the model (4.2.7).
    fn offers(&self, caller: &Caller, needed: &BTreeSet<String>) -> bool {
        caller.missing(needed).is_empty()
    }

    /// Goal and state as the model gets them (4.2.3, 11.1).
    fn plan_question(&self, goal: &str, state: &Value) -> String {
        replan::question(goal, state)
    }

    /// What the model is told about a reply that was refused (4.2.5).
    fn plan_refusal(&self, error: &ErrorObject) -> String {
        replan::refusal(error)
    }

    /// The refused replies that the next request to the model carries (4.2.5).
    fn shown_refusals(&self, refused: Vec<(String, String)>) -> Vec<(String, String)> {
        refused
    }

    /// The array that a reply is (4.2.4); the form of its nodes is checked like a request's.
    fn read_plan_reply(&self, text: &str) -> Result<Value, ErrorObject> {
        replan::read_reply(text)
    }

    /// Whether a plan of so many nodes is one; `again`: it is to replace an earlier one (4.2.4, 11).
    fn plan_length_allowed(&self, nodes: usize, again: bool) -> bool {
        replan::length_allowed(nodes, again)
    }

    /// Replies that may be refused in one planning (4.2.5).
    fn plan_attempts(&self) -> u32 {
        3
    }

    /// The failure of planning after the last refused reply (4.2.5, 11).
    fn plan_exhausted(&self, refused: u32) -> ErrorObject {
        replan::exhausted(refused)
    }

    /// The answer of `POST /plan` (4.2.1).
    fn plan_answer(&self, nodes: &Value) -> Answer {
        answers::plan(nodes, self.answered_version())
    }

    /// Whether `POST /plan` runs what was planned (4.2.2).
    fn plan_executes(&self) -> bool {
        false
    }

    /// The answer of `POST /plan` whose model failed (4.2.6).
    fn plan_unavailable(&self, failure: &ModelFailure) -> Answer {
        wire::model_failure_answer(failure)
    }

    /// Whether what happened to a node calls for a new plan (11.1).
    fn replans_after(&self, trigger: Trigger) -> bool {
        replan::calls_for_plan(trigger)
    }

    /// Whether a person's rejection calls for a new plan (11.6).
    fn replans_after_rejection(&self) -> bool {
        false
    }

    /// Whether one more new plan may be asked for (11.3).
    fn replans_left(&self, made: u32, most: u32) -> bool {
        made < most
    }

    /// Whether a call plans again at all (7.2.5, 11.5).
    fn may_replan(&self, goal: Option<&str>) -> bool {
        goal.is_some()
    }

    /// The nodes that go on after a new plan (11.2).
    fn replace_rest(&self, rest: Vec<Bound>, planned: Vec<Bound>) -> Vec<Bound> {
        let _ = rest;
        planned
    }

    /// What is wrong with a new plan, by the checks of section 6; `None`: it runs (11.4).
    fn new_plan_refusal(&self, error: ErrorObject) -> Option<ErrorObject> {
        Some(error)
    }

    /// The status when the model had nothing more to do (11).
    fn after_empty_plan(&self, trigger: Trigger) -> Status {
        replan::after_empty(trigger)
    }

    // === one node: section 7 =================================================================================================

    /// Whether the conditional comes before the templates (7.1.1).
    fn conditional_first(&self) -> bool {
        true
    }

    /// The conditionals that must hold (3.7): the definition's, then the node's.
    fn conditions<'c>(&self, all: &'c [Condition]) -> &'c [Condition] {
        all
    }

    /// What a conditional comes to; sessions ask this too (7.2, 15.1).
    ///
    /// # Errors
    /// `conditional_error`.
    fn holds(&self, condition: &Condition, roots: &Roots<'_>) -> Result<Held, ErrorObject> {
        input::holds(condition, roots)
    }

    /// What a conditional whose evaluation failed counts as (7.2.4).
    ///
    /// # Errors
    /// The same error: it never counts as false.
    fn unevaluated(&self, error: ErrorObject) -> Result<Held, ErrorObject> {
        Err(error)
    }

    /// Whether the node runs (7.2.1).
    fn runs(&self, held: &Held) -> bool {
        held.truth
    }

    /// The paths that a skipped node's entry names (7.2.3).
    fn undefined_paths(&self, held: &Held) -> Vec<String> {
        held.undefined.clone()
    }

    /// The result of a skipped node (7.2.1).
    fn skipped_result(&self, label: &str) -> Value {
        answers::skipped(label)
    }

    /// An input with its templates resolved, before anything is filled in (7.3).
    ///
    /// # Errors
    /// `template_error`.
    fn resolve_templates(
        &self,
        templates: &Templates,
        input: &Value,
        roots: &Roots<'_>,
    ) -> Result<Value, ErrorObject> {
        input::resolve(templates, input, roots)
    }

    /// A prompt with its templates resolved; sessions ask this too (12.1.2, 15.4).
    ///
    /// # Errors
    /// `template_error`.
    fn resolve_prompt(
        &self,
        prompt: &Template,
        text: &str,
        roots: &Roots<'_>,
    ) -> Result<String, ErrorObject> {
        let _ = text;
        input::resolve_prompt(prompt, roots)
    }

    /// The failure of a template whose evaluation failed (7.3.2); `Ok` is an input that is used all the same.
    ///
    /// # Errors
    /// The same error.
    fn unresolved(&self, error: ErrorObject, input: &Value) -> Result<Value, ErrorObject> {
        let _ = input;
        Err(error)
    }

    /// The members that may be filled in (7.4.1, 7.4.3).
    fn fillable(&self, input_schema: &Value) -> Vec<String> {
        input::required(input_schema)
    }

    /// Whether an input gives a member itself (7.4.2).
    fn is_given(&self, input: &Map<String, Value>, member: &str) -> bool {
        input.contains_key(member)
    }

    /// What a member is filled with (7.4.1).
    fn default_of(&self, last_result: Option<&Value>, member: &str) -> Option<Value> {
        input::default_of(last_result, member)
    }

    /// `defaulted` of an entry (7.4.4).
    fn defaulted(&self, filled: Vec<String>) -> Vec<String> {
        filled
    }

    /// What is wrong with a resolved input (7.1.2).
    fn check_input(&self, action: &Action, input: &Value) -> Vec<Violation> {
        plan::check_arguments(action, input)
    }

    /// Whether a rate is charged after the input was validated (7.1.3).
    fn charges_after_validation(&self) -> bool {
        true
    }

    /// A raw reply without secrets (7.1.4, 8.1.5).
    fn clean_reply(&self, redactor: &Redactor, reply: Value) -> Value {
        redactor.value(reply)
    }

    /// A caller's nodes without secrets, so that no service is sent one (secrets.md 2.5).
    fn clean_nodes(&self, redactor: &Redactor, nodes: Value) -> Value {
        redactor.value(nodes)
    }

    /// A resolved input without secrets: templates can put one together out of parts (secrets.md 2.5).
    fn clean_input(&self, redactor: &Redactor, input: Value) -> Value {
        redactor.value(input)
    }

    /// A caller's state without secrets, so that no expression reads one (8.1.5).
    fn clean_state(&self, redactor: &Redactor, state: Value) -> Value {
        redactor.value(state)
    }

    /// What is wrong with an output (7.1.5).
    fn check_output(&self, action: &Action, output: &Value) -> Vec<Violation> {
        response::check_output(action, output)
    }

    // === the state: section 8 ================================================================================================

    /// The members of an output over those of `state.lastResult` (8.1.1).
    fn lay_over(
        &self,
        last: &Map<String, Value>,
        output: &Map<String, Value>,
    ) -> Map<String, Value> {
        state::lay_over(last, output)
    }

    /// `state.lastResult` where there are not two objects to lay one over the other (8.1.2).
    fn replace_last(&self, last: Option<&Value>, output: &Value) -> Value {
        let _ = last;
        output.clone()
    }

    /// Puts an action's own output into `state.results` (8.1.3).
    fn store_output(&self, results: &mut Map<String, Value>, label: &str, output: &Value) {
        results.insert(label.to_owned(), output.clone());
    }

    /// The state as it is returned (8.1.4).
    fn returned_state(&self, state: &Value) -> Value {
        state.clone()
    }

    /// What the state takes over from an output that does not satisfy its schema (7.1.5).
    fn kept_of_invalid(&self, output: &Value) -> Option<Value> {
        let _ = output;
        None
    }

    /// What a skipped node makes of the state, its entry aside; `None`: it stays (7.2.2).
    fn state_after_skip(&self, state: &Value) -> Option<Value> {
        let _ = state;
        None
    }

    /// An entry of the history (8.2.1).
    fn history_entry(&self, entry: &Entry<'_>) -> Value {
        history::entry(entry)
    }

    /// The entries of one node, in the order of events (8.2.1, 8.2.2, 7.2.2).
    fn node_entries(&self, entries: Vec<Value>) -> Vec<Value> {
        entries
    }

    /// Puts entries at the end of the history (8.2.1).
    fn append(&self, history: &mut Vec<Value>, entries: Vec<Value>) {
        history.extend(entries);
    }

    /// Drops the entries that `prune` does not keep (8.3.3, 8.3.4).
    fn prune(&self, history: &mut Vec<Value>, keep: Option<usize>) {
        state::prune(history, keep);
    }

    /// Whether a request's state may be run over (8.3.1).
    ///
    /// # Errors
    /// `state_too_large`.
    fn check_state_size(&self, state: &Value) -> Result<(), ErrorObject> {
        state::check_size(state)
    }

    /// Whether a state with an output in it may be kept (8.3.2).
    fn state_fits(&self, state: &Value) -> bool {
        state::fits(state)
    }

    /// The result of a node whose output does not fit into the state (8.3.2).
    fn oversized_result(&self, result: Value) -> Value {
        result
    }

    /// The error in a history entry, as the node's result has it (9.1).
    fn entry_error(&self, error: &Value) -> Value {
        error.clone()
    }

    /// The error of the answer, as the node's result has it (9.1).
    fn answer_error(&self, error: &ErrorObject) -> Value {
        error.to_value()
    }

    // === fallback: section 10 ================================================================================================

    /// Whether a fallback runs after this failure (10.1 to 10.3).
    fn falls_back(&self, error: &ErrorObject) -> bool {
        fallback::runs_after(error.code)
    }

    /// How many fallbacks one node may run (10.4).
    fn fallbacks(&self) -> usize {
        1
    }

    /// The input of a fallback before its templates: its own, or the first action's resolved one (10.5).
    fn fallback_input(&self, own: Option<&Map<String, Value>>, first: &Value) -> Value {
        input::of_fallback(own, first)
    }

    /// What is wrong with a fallback's input (10.6).
    fn check_fallback_input(&self, action: &Action, input: &Value) -> Vec<Violation> {
        plan::check_arguments(action, input)
    }

    /// Whether the fallback runs, by its conditional (10.7).
    fn fallback_runs(&self, held: &Held) -> bool {
        held.truth
    }

    /// The result of an attempt with what its code wrote (sandbox.md 7.5).
    fn with_logs(&self, result: Value, logs: Option<String>) -> Value {
        answers::with_logs(result, logs)
    }

    /// The result of a node whose fallback ran (10.8).
    fn fallback_result(&self, result: Value, attempts: Vec<Value>) -> Value {
        answers::with_attempts(result, attempts)
    }

    /// The error of a node whose fallback was not executed (10.9).
    fn unsaved_error(&self, first: ErrorObject, fallback: Option<&ErrorObject>) -> ErrorObject {
        let _ = fallback;
        first
    }

    // === approval: section 12 ================================================================================================

    /// Whether an approval node asks before its action runs (12.1.1, access.md 5.1).
    fn asks(&self, node: &Bound) -> bool {
        matches!(node, Bound::Approval { .. })
    }

    /// Whether a person is asked about an action that cannot run (12.1.6).
    fn asks_in_vain(&self, error: &ErrorObject) -> bool {
        let _ = error;
        false
    }

    /// The id of a question (12.1.3).
    fn approval_id(&self) -> String {
        wire::session_id()
    }

    /// How long a question can be answered (12.2.6).
    fn approval_lifetime(&self) -> SignedDuration {
        approvals::LIFETIME
    }

    /// The action as the person sees it (12.1.2).
    fn shown_action(&self, action: &Shown<'_>, fallback: Option<&Shown<'_>>) -> Value {
        answers::shown_action(action, fallback)
    }

    /// The answer of a call that waits for a person (12.1.1, 12.1.2).
    fn question_answer(&self, question: &answers::Asked<'_>) -> Answer {
        answers::question(question)
    }

    /// `resume` (12.1).
    fn resume(&self, question: &Value, rest: &[&Value]) -> Value {
        answers::resume(question, rest)
    }

    /// The input that an approved action runs with (12.2.1); `sent` is that of the node which the decision brought.
    fn approved_input(&self, stored: &Value, sent: Option<&Value>) -> Value {
        let _ = sent;
        stored.clone()
    }

    /// The nodes that a call goes on with after the approved action (12.2.1).
    fn goes_on_with(&self, rest: Vec<Bound>) -> Vec<Bound> {
        rest
    }

    /// What a member of a call is compared by when the call is resumed (12.2.2): the digest of its canonical JSON.
    fn kept_digest(&self, value: &Value) -> String {
        json::digest(value)
    }

    /// Whether a member of a resumed call differs from what was kept (12.2.2); both are digests of canonical JSON.
    fn is_changed(&self, member: &str, kept: Option<&str>, sent: Option<&str>) -> bool {
        let _ = member;
        kept != sent
    }

    /// The failure of a rejected action (12.2.3).
    fn rejection(&self) -> ErrorObject {
        approvals::rejected()
    }

    /// What a rejected action does to the call: whether it runs all the same (12.2.3).
    fn runs_rejected(&self) -> bool {
        false
    }

    /// Whether a question takes a decision (12.2.4, 12.2.6).
    ///
    /// # Errors
    /// `approval_used`, `approval_expired`.
    fn admit_decision(&self, standing: Standing) -> Result<(), ErrorObject> {
        approvals::admit(standing)
    }

    /// Whether a caller may decide what another asked (12.2.5).
    fn may_decide(&self, asker: &str, caller: &Caller) -> bool {
        approvals::may_decide(asker, caller)
    }

    /// Whether a question's time is over (12.2.6).
    fn is_expired(&self, expires_at: Timestamp, now: Timestamp) -> bool {
        now > expires_at
    }

    /// Whether the decision's caller must hold the scopes that the call needs (12.2.7).
    fn checks_scopes_again(&self) -> bool {
        true
    }

    /// Whether a question is open again after its decision was answered with this status (12.2.9).
    fn reopens(&self, status: u16) -> bool {
        status >= 400
    }

    // === idempotency: section 14 =============================================================================================

    /// What an identical repeat of a call that was answered 202 comes to (14.2).
    fn repeat_of_question(&self, standing: Standing) -> Repeat {
        approvals::repeat(standing)
    }

    /// What a node's `requestId` is valid for (14.3).
    fn node_scope(&self, subject: &str, request_id: &str) -> String {
        answers::node_scope(subject, request_id)
    }

    /// What two nodes with the same `requestId` are compared by (14.3, 14.4).
    fn node_fingerprint(&self, manifest: &str, action: &[&str], input: &Value) -> String {
        answers::node_fingerprint(manifest, action, input)
    }

    /// Whether a node that was executed before gives its stored result (14.3).
    fn recalls(&self) -> bool {
        true
    }

    /// The failure of a known `requestId` with another action or input; `None`: the node runs (14.4).
    fn node_conflict(&self) -> Option<ErrorObject> {
        Some(answers::node_conflict())
    }

    /// Whether a node waits for one with the same `requestId` that is running (14.5).
    fn nodes_wait(&self) -> bool {
        true
    }
}

impl WorkflowParts for Reference {}
