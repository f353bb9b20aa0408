//! Every decision of the runtime that a requirement pins, as one replaceable method.
//!
//! The reference implements none of them itself: each default is one call of a pure function of this room. Whoever wants a
//! runtime that breaks exactly one rule overrides exactly one method; nothing in here knows that such runtimes exist.
//! The methods say which section of `spec/` they serve.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;
use serde_json::{Map, Value};

use super::access::AccessParts;
use super::answer::Answer;
use super::credentials::{self, Credentials, Place};
use super::error::ErrorObject;
use super::files::StorageParts;
use super::idempotency::{self, Keyed};
use super::plan::{self, Plan, Scope};
use super::reads::ReadsParts;
use super::redact::{self, Redactor, Site};
use super::registry::{self, Registered, Registry};
use super::request::{self, Rendered};
use super::sandbox::SandboxParts;
use super::session::parts::SessionParts;
use super::session::people::{self, Reply};
use super::session::status::{self, Event, Status};
use super::session::transcript::{self, Heading, Intervention, SideEffect, Step, Turn};
use super::session::{self, Call, Outcome, Pending, Session};
use super::telemetry::TelemetryParts;
use super::{extensions, http, merge, opening, prompt, response, wire};
use crate::diagnostic::Violation;
use crate::json::{self, Duplicates, Limits, ReadError};
use crate::manifest::{self, Action, InvokeApi, Manifest, Mapping, Method, Text};
use crate::model::{self, Message, ModelConfig, ModelFailure, ModelReply, Wire, backoff};
use crate::requirement::{Extension, Profile};
use crate::workflow::parts::WorkflowParts;

/// Who wrote a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The model.
    Model,
    /// A person, after the model's replies were refused.
    Person,
}

/// The replaceable decisions; see the module.
pub trait Parts: Send + Sync + 'static {
    // --- time and chance: the machine has neither ---

    /// The time of the system; everything asks the runtime's clock, which a test may have moved ahead of it.
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// A time on the wire: RFC 3339, UTC, milliseconds (transcripts.md 2.1).
    fn format_time(&self, time: Timestamp) -> String {
        wire::format_time(time)
    }

    /// The id of a new session (sessions.md 1.3).
    fn session_id(&self) -> String {
        wire::session_id()
    }

    /// The decisions about who calls, what they may do and how often (access.md).
    fn access(&self) -> &dyn AccessParts {
        &Reference
    }

    /// The decisions about workflows (workflows.md).
    fn workflow(&self) -> &dyn WorkflowParts {
        &Reference
    }

    /// What workflows and access mean inside a session (workflows.md 15, access.md).
    fn in_session(&self) -> &dyn SessionParts {
        &Reference
    }

    /// The decisions about sandboxed code (sandbox.md).
    fn sandbox(&self) -> &dyn SandboxParts {
        &Reference
    }

    /// The decisions about files (storage.md).
    fn storage(&self) -> &dyn StorageParts {
        &Reference
    }

    /// The decisions about replies that are given again and calls that share a request (extensions.md 5).
    fn reads(&self) -> &dyn ReadsParts {
        &Reference
    }

    /// The decisions about telemetry (observability.md).
    fn telemetry(&self) -> &dyn TelemetryParts {
        &Reference
    }

    // --- requests of clients (errors.md 2, 3) ---

    /// The largest body, in bytes, and the deepest nesting (errors.md 2.4, 2.5).
    fn body_limits(&self) -> Limits {
        Limits::DOCUMENT
    }

    /// What happens to a body that names a member twice (errors.md 2.3, registration.md 2.5).
    fn duplicate_keys(&self) -> Duplicates {
        Duplicates::Refuse
    }

    /// The JSON value of a body (errors.md 2.1 to 2.5).
    fn read_json(&self, bytes: &[u8]) -> Result<Value, ReadError> {
        json::read(bytes, &self.body_limits(), self.duplicate_keys())
    }

    /// Whether the value of a body has the shape of its call at all (errors.md 2.7).
    fn check_shape(&self, value: &Value) -> Result<(), ErrorObject> {
        http::body::check_shape(value)
    }

    /// Whether a body of this declared type is read (errors.md 2.6).
    fn content_type_allowed(&self, content_type: Option<&str>) -> bool {
        http::body::content_type_allowed(content_type)
    }

    /// The error object in a result (errors.md 1).
    fn error_object(&self, error: &ErrorObject) -> Value {
        error.to_value()
    }

    /// The body of an answer with an error (errors.md 1).
    fn error_answer(&self, error: &ErrorObject) -> Value {
        error.to_value()
    }

    /// The last look at an answer before it is sent; `route` is such as `POST /sessions/{id}/step`.
    fn finish_answer(&self, route: &str, answer: Answer) -> Answer {
        let _ = route;
        answer
    }

    // --- capabilities.md ---

    /// The profiles that are declared and offered.
    fn profiles(&self, configured: &[Profile]) -> Vec<Profile> {
        configured.to_vec()
    }

    /// The answer of `GET /capabilities`.
    fn capabilities(&self, profiles: &[Profile]) -> Value {
        let mut said = wire::capabilities(
            profiles,
            self.body_limits(),
            self.observation_limit(),
            self.attempts_allowed(),
        );
        said["runtimes"] = Value::from(self.sandbox().runtimes(profiles));
        said
    }

    /// What is named in `extensions` (extensions.md .1).
    fn named_extensions(&self, offered: &BTreeSet<Extension>) -> Value {
        extensions::named(offered)
    }

    /// The answer of `GET /healthz` while work is accepted.
    fn health(&self) -> Value {
        wire::health()
    }

    // --- registration.md ---

    /// A manifest out of a document, or everything wrong with it (2.1 to 2.3, manifests.md).
    fn read_manifest(&self, document: &Value) -> Result<Manifest, Vec<Violation>> {
        manifest::load(document)
    }

    /// The refusal of a document with violations (2.1, 2.6).
    fn manifest_refusal(&self, violations: &[Violation]) -> ErrorObject {
        registry::refusal(violations)
    }

    /// The members that need a profile which is not declared (manifests.md, capabilities.md 2).
    fn unsupported_members(&self, manifest: &Manifest, profiles: &[Profile]) -> Vec<Violation> {
        registry::unsupported_members(manifest, profiles)
    }

    /// The members of a manifest that need an extension which is not offered (extensions.md .2).
    fn unoffered_members(
        &self,
        manifest: &Manifest,
        offered: &BTreeSet<Extension>,
    ) -> Vec<Violation> {
        extensions::unoffered_members(manifest, offered)
    }

    /// The members of a request for a session that need an extension which is not offered (extensions.md .2).
    fn unoffered_wishes(&self, body: &Value, offered: &BTreeSet<Extension>) -> Vec<Violation> {
        extensions::unoffered_wishes(body, offered)
    }

    /// What a registration does to the registry, and what it is answered with (1.1, 2.4, 3.1, 3.2).
    fn register(
        &self,
        registry: &Mutex<Registry>,
        document: &Value,
        profiles: &[Profile],
    ) -> Result<(Registered, Arc<Manifest>), ErrorObject> {
        registry::register(self, registry, document, profiles)
    }

    /// Whether a manifest may take a name and version that is taken (3.2).
    fn check_conflict(&self, known: &Manifest, other: &Manifest) -> Result<(), ErrorObject> {
        registry::check_conflict(known, other)
    }

    /// The version that a bare name means (5.2).
    fn pick_version(&self, versions: &[&Arc<Manifest>]) -> Option<Arc<Manifest>> {
        registry::pick_version(versions)
    }

    /// How a reference is read (5.1, 5.3).
    fn parse_reference(&self, text: &str) -> Option<registry::Reference> {
        registry::parse_reference(text)
    }

    /// The answer to a registration, or to a deletion (1.1, 4.3).
    fn registered_answer(&self, manifest: &Manifest) -> Value {
        registry::registered_answer(manifest)
    }

    /// The answer of `GET /manifests` (4.1).
    fn manifest_list(&self, manifests: &[Arc<Manifest>]) -> Value {
        wire::manifest_list(manifests)
    }

    /// The answer of `GET /manifests/{name@version}` (4.2).
    fn manifest_answer(&self, manifest: &Manifest) -> Value {
        wire::manifest_answer(manifest)
    }

    /// The manifest that a session goes on with: its own, whatever is registered by now (6.1, 6.2).
    fn session_manifest(&self, own: &Arc<Manifest>, registry: &Registry) -> Option<Arc<Manifest>> {
        let _ = registry;
        Some(Arc::clone(own))
    }

    // --- opening a session: sessions.md 1, observations.md 1 ---

    /// What is wrong with a goal.
    fn check_goal(&self, goal: Option<&Value>) -> Vec<Violation> {
        opening::check_goal(goal)
    }

    /// What is wrong with an initial observation.
    fn check_observation(&self, observation: &Value) -> Vec<Violation> {
        opening::check_observation(observation)
    }

    /// The limit of steps.
    fn read_max_steps(&self, given: Option<&Value>) -> Result<u64, Violation> {
        opening::read_max_steps(given)
    }

    /// The flags.
    fn read_flags(&self, given: Option<&Value>) -> Result<Option<Vec<String>>, Violation> {
        opening::read_flags(given)
    }

    /// Whether the protocol version of a request is spoken (capabilities.md 5.2).
    fn check_protocol_version(&self, version: &str) -> Result<(), ErrorObject> {
        opening::check_protocol_version(version)
    }

    /// Whether the manifest declares the goal's intent.
    fn check_intent(&self, manifest: &Manifest, goal: &Value) -> Result<(), ErrorObject> {
        opening::check_intent(manifest, goal)
    }

    /// The answer of `POST /sessions` and its status (sessions.md 1.1, 1.2).
    fn created_answer(&self, session: &Session) -> Answer {
        wire::created_answer(session)
    }

    /// Whether opening a session takes its first step at once (sessions.md 1.8: it calls nobody).
    fn steps_on_open(&self) -> bool {
        false
    }

    /// The answer of `GET /sessions/{id}` (sessions.md 2.1).
    fn session_answer(&self, session: &Session) -> Value {
        wire::session_answer(session)
    }

    // --- the loop: steps.md, sessions.md 3 ---

    /// Whether a step call may go on in this status.
    fn admit_step(&self, status: Status) -> Result<(), ErrorObject> {
        session::admit_step(status)
    }

    /// Whether calls on one session run one after another (steps.md 5.1).
    fn serialise_steps(&self) -> bool {
        true
    }

    /// Whether a step call waits for those of other sessions (steps.md 5.3).
    fn sessions_wait_for_each_other(&self) -> bool {
        false
    }

    /// Whether closing waits for a step in flight (sessions.md 4.2).
    fn close_waits(&self) -> bool {
        true
    }

    /// Whether no further step is allowed (steps.md 4).
    fn max_steps_reached(&self, steps_done: u64, max_steps: u64) -> bool {
        steps_done >= max_steps
    }

    /// The transition table (sessions.md 3.2); `None` where the event cannot happen.
    fn status_after(&self, status: Status, event: Event) -> Option<Status> {
        status::after(status, event)
    }

    /// Whether an event is a step, which changes the observation and is recorded (steps.md 2.1, 2.2).
    fn counts_as_step(&self, event: Event) -> bool {
        status::counts(event)
    }

    /// `steps_done` after an event (steps.md 2.1, 2.2).
    fn steps_after(&self, event: Event, steps_done: u64) -> u64 {
        if self.counts_as_step(event) {
            steps_done + 1
        } else {
            steps_done
        }
    }

    /// What an event that is no step makes of the stored observation; `None`: it stays (observations.md 2.4).
    fn observation_without_step(&self, event: Event, observation: &Value) -> Option<Value> {
        let _ = (event, observation);
        None
    }

    /// Whether an action ends the session (steps.md 3.2).
    fn completes(&self, action: &Action, success: bool) -> bool {
        success && action.completes_goal
    }

    /// The answer to a step call or to a person's answer (steps.md 1.2).
    fn step_answer(&self, outcome: &Outcome) -> Value {
        wire::step_answer(outcome)
    }

    // --- the prompt and the model: model.md ---

    /// The contract (1.1).
    fn contract(&self, scope: &Scope<'_>, allowed: &[&Action]) -> String {
        prompt::contract(scope, allowed)
    }

    /// The observation that the model is shown (observations.md 2.1).
    fn observe_now(&self, observation: &Value, started_at: &str) -> Value {
        merge::observe_now(observation, started_at)
    }

    /// Goal and observation as one text (1.2, 1.3).
    fn question(&self, goal: &Value, observation: &Value) -> String {
        prompt::question(goal, observation)
    }

    /// What the model is told about a refused reply (plans.md 3.2).
    fn refusal(&self, error: &ErrorObject) -> String {
        prompt::refusal(error)
    }

    /// All messages of a request to the model (1.1 to 1.4); `refused` has each refused reply with its refusal.
    fn messages(
        &self,
        contract: &Arc<str>,
        question: &Arc<str>,
        refused: &[(String, String)],
    ) -> Vec<Message> {
        prompt::messages(contract, question, refused)
    }

    /// Temperature and length limit (2.3).
    fn model_parameters(&self) -> Map<String, Value> {
        model::parameters()
    }

    /// The body of a request to the model (2.1).
    fn model_request(
        &self,
        model: &ModelConfig,
        messages: &[Message],
        parameters: Map<String, Value>,
    ) -> Value {
        model
            .wire
            .request(&model.model, messages, parameters, model.stream)
    }

    /// The headers of a request to the model, its key among them (2.1).
    fn model_headers(&self, model: &ModelConfig) -> Vec<(String, String)> {
        model.wire.headers(&model.api_key)
    }

    /// What the model's HTTP answer means (3.1).
    fn read_model_reply(
        &self,
        wire: Wire,
        status: u16,
        retry_after: Option<&str>,
        body: &[u8],
    ) -> Result<ModelReply, ModelFailure> {
        wire.read_reply(status, retry_after, body)
    }

    /// Whether a reply was cut off, so that it is no plan even if it reads like one (3.5).
    fn is_cut_off(&self, reply: &ModelReply) -> bool {
        reply.is_cut_off()
    }

    /// Until when the model asks to be left alone (3.6).
    fn model_rests_until(&self, failure: &ModelFailure, now: Timestamp) -> Option<Timestamp> {
        let rest = backoff::rest_of(failure.retry_after.as_deref()?, now)?;
        now.checked_add(rest).ok()
    }

    /// How often a failing model is asked within one call (3.1).
    fn model_tries(&self) -> u32 {
        1
    }

    /// The answer to a step call whose model failed (3.1, 3.3).
    fn model_failure_answer(&self, failure: &ModelFailure) -> Answer {
        wire::model_failure_answer(failure)
    }

    // --- plans.md ---

    /// The reply without a surrounding code fence (1.3).
    fn strip_fence<'r>(&self, reply: &'r str) -> &'r str {
        plan::strip_fence(reply)
    }

    /// The longest reply that is read, in bytes (1.8).
    fn longest_reply(&self) -> usize {
        plan::LONGEST_REPLY
    }

    /// The form of a plan (1).
    fn read_plan(&self, text: &str) -> Result<Plan, ErrorObject> {
        plan::read_plan(text)
    }

    /// The declared action of exactly this name that the session may use (2.1, 2.2).
    fn find_action(&self, scope: &Scope<'_>, name: &str) -> Option<Arc<Action>> {
        scope
            .manifest
            .action(name)
            .filter(|action| self.may_use_action(scope, action))
            .cloned()
    }

    /// The action that a plan of this author names, if it may be used (2.1, 2.2, human.md 4.3).
    fn find_planned(&self, author: Author, scope: &Scope<'_>, name: &str) -> Option<Arc<Action>> {
        let _ = author;
        self.find_action(scope, name)
    }

    /// Whether intent and flags allow an action (2.2).
    fn may_use_action(&self, scope: &Scope<'_>, action: &Action) -> bool {
        plan::may_use_action(scope, action)
    }

    /// What is wrong with the arguments, by the input schema (2.3, human.md 4.3).
    fn check_arguments(&self, action: &Action, args: &Value, author: Author) -> Vec<Violation> {
        let _ = author;
        plan::check_arguments(action, args)
    }

    /// Replies that one step call may have refused (3.1, 3.3).
    fn attempts_allowed(&self) -> u32 {
        3
    }

    /// The number of the first attempt of a step call, after `refused` refused replies of the session (3.5).
    fn first_attempt(&self, refused: usize) -> u32 {
        let _ = refused;
        1
    }

    /// What follows when all attempts were refused (3.4); `human`: a person can be asked.
    fn after_attempts(&self, human: bool) -> Event {
        if human {
            Event::PlanRefusedThrice
        } else {
            Event::PlanRefusedThriceUnattended
        }
    }

    /// The executions that an accepted plan leads to (steps.md 1.4, actions.md 2.2).
    fn calls(&self, call: Call) -> Vec<Call> {
        vec![call]
    }

    // --- the request of an action: actions.md 2, secrets.md 1 ---

    /// The value of a variable (secrets.md 1.1 to 1.3).
    fn resolve_variable(
        &self,
        credentials: &Credentials,
        name: &str,
        place: Place,
    ) -> Result<String, ErrorObject> {
        credentials::resolve_variable(credentials, name, place)
    }

    /// Whether a value may stand in a request (secrets.md 1.4).
    fn check_variable(&self, name: &str, value: &str) -> Result<(), ErrorObject> {
        credentials::check_value(name, value)
    }

    /// A text with its variables replaced (secrets.md 1.6).
    fn fill_text(
        &self,
        text: &Text,
        credentials: &Credentials,
        place: Place,
    ) -> Result<String, ErrorObject> {
        credentials::fill(text, |name, before| {
            let value = self.resolve_variable(credentials, name, place)?;
            self.check_variable(name, &value)?;
            if place == Place::Endpoint {
                credentials::check_part(name, &value, before)?;
            }
            Ok(value)
        })
    }

    /// What is sent for the arguments (2.6).
    fn request_value(&self, map: Option<&Mapping>, args: &Value) -> Value {
        request::mapped(map, args)
    }

    /// The text of a JSON body (2.3).
    fn request_body(&self, sent: &Value) -> String {
        sent.to_string()
    }

    /// The pairs of a query (2.4).
    fn query_pairs(&self, sent: &Value) -> Vec<(String, String)> {
        request::query_pairs(sent)
    }

    /// The key that calls of services carry (idempotency.md 3.1).
    fn outgoing_key(&self, call: &Call) -> Option<String> {
        Some(request::derived_key(
            &call.session_id,
            call.step_number,
            &call.action.name,
        ))
    }

    /// The last look at a request before it is sent (2.1, 2.5).
    fn finish_request(&self, request: Rendered, api: &InvokeApi) -> Rendered {
        let _ = api;
        request
    }

    /// Whether a redirect is followed (4).
    fn follow_redirect(&self, method: Method, from: &Url, to: &Url, followed: u32) -> bool {
        request::follow_redirect(method, from, to, followed)
    }

    /// Whether a call that failed is sent again, `tries` having been made (2.2).
    fn tries_again(&self, error: &ErrorObject, tries: u32) -> bool {
        let _ = (error, tries);
        false
    }

    /// The time limit of an action (3.5).
    fn action_timeout(&self, api: &InvokeApi) -> Duration {
        api.timeout
    }

    // --- the reply of a service: actions.md 3, 5 ---

    /// The largest reply, in bytes (3.4).
    fn reply_limit(&self) -> usize {
        response::LARGEST_REPLY
    }

    /// Whether a reply of this declared media type is read (3.2).
    fn reads_media_type(&self, content_type: Option<&str>) -> bool {
        let _ = content_type;
        true
    }

    /// What status and body mean (3.1 to 3.3).
    fn classify_response(&self, status: u16, body: &[u8]) -> Result<Value, ErrorObject> {
        response::classify(status, body)
    }

    /// The output that a reply becomes (3.7).
    fn response_value(&self, map: Option<&Mapping>, reply: Value) -> Value {
        request::mapped(map, &reply)
    }

    /// The outcome of an execution, before anything looks at it (3, 5.4).
    fn outcome(
        &self,
        action: &Action,
        outcome: Result<Value, ErrorObject>,
    ) -> Result<Value, ErrorObject> {
        let _ = action;
        outcome
    }

    /// What is wrong with an output, by the output schema (5.1).
    fn check_output(&self, action: &Action, output: &Value) -> Vec<Violation> {
        response::check_output(action, output)
    }

    /// The ActionResult (1).
    fn action_result(&self, action_name: &str, outcome: &Result<Value, ErrorObject>) -> Value {
        let error = outcome.as_ref().err().map(|error| self.error_object(error));
        wire::action_result(action_name, outcome.as_ref().ok(), error)
    }

    // --- the observation: observations.md 2 to 4 ---

    /// The observation with an output merged (3).
    fn merge(
        &self,
        observation: &Value,
        action: &Action,
        output: &Value,
    ) -> Result<Value, ErrorObject> {
        merge::merge(observation, action, output)
    }

    /// The observation with time, number and result of a step (2.1 to 2.3).
    fn observe_step(
        &self,
        observation: Value,
        started_at: &str,
        step_number: u64,
        result: &Value,
    ) -> Value {
        merge::observe_step(observation, started_at, step_number, result)
    }

    /// The largest observation, in bytes of compact JSON (4.1).
    fn observation_limit(&self) -> usize {
        merge::LARGEST_OBSERVATION
    }

    /// Whether an observation may be kept (4.1).
    fn observation_fits(&self, observation: &Value) -> bool {
        merge::fits(observation, self.observation_limit())
    }

    // --- people: human.md ---

    /// The waiting question as clients see it (1.1, 1.2).
    fn pending(&self, pending: &Pending) -> Value {
        session::pending_value(pending)
    }

    /// Whether an answer to a question may be taken; `known`: the session has asked it (2.6, 2.7).
    fn admit_answer(
        &self,
        status: Status,
        known: bool,
        waiting: Option<Pending>,
    ) -> Result<Pending, ErrorObject> {
        people::admit_answer(status, known, waiting)
    }

    /// Whether a question is settled once its answer led to a result (2.7).
    fn settles_question(&self, id: &str) -> bool {
        let _ = id;
        true
    }

    /// The form of an answer (2.1).
    fn read_reply(&self, body: &Value) -> Result<Reply, ErrorObject> {
        people::read_reply(body)
    }

    /// What is wrong with a person's output (2.4).
    fn check_answer(&self, action: &Action, output: &Value) -> Vec<Violation> {
        response::check_output(action, output)
    }

    /// The outcome of a rejected question (2.5).
    fn rejection(&self) -> Result<Value, ErrorObject> {
        Err(people::rejected())
    }

    /// What a person wants after refused plans (4.2).
    fn read_rescue(&self, output: &Value) -> Result<people::Rescue, ErrorObject> {
        people::read_rescue(output)
    }

    // --- redaction: secrets.md 2 ---

    /// The forms of a secret that are searched for (2.1).
    fn secret_forms(&self, secret: &str) -> Vec<String> {
        redact::encodings(secret)
    }

    /// A text without secrets (2.2 to 2.5).
    fn redact_text(&self, site: Site, redactor: &Redactor, text: &str) -> String {
        let _ = site;
        redactor.text(text).into_owned()
    }

    /// A value without secrets (2.2 to 2.5).
    fn redact_value(&self, site: Site, redactor: &Redactor, value: Value) -> Value {
        let _ = site;
        redactor.value(value)
    }

    // --- the end: sessions.md 4, transcripts.md ---

    /// Whether closing cancels a question that waits (sessions.md 4.3).
    fn close_cancels(&self) -> bool {
        true
    }

    /// Whether a closed session is gone (sessions.md 4.3, 4.4).
    fn close_removes(&self) -> bool {
        true
    }

    /// The answer of closing (sessions.md 4.1).
    fn close_answer(&self, session_id: &str, transcript: &Value) -> Value {
        wire::close_answer(session_id, transcript)
    }

    /// The answer to a second close; `None`: the session is not found any more (sessions.md 4.5).
    fn second_close(&self, session_id: &str, transcript: &Value) -> Option<Value> {
        let _ = (session_id, transcript);
        None
    }

    /// The turns (3).
    fn transcript_turns(&self, turns: &[Turn]) -> Vec<Value> {
        transcript::turns(turns)
    }

    /// The steps (4).
    fn transcript_steps(&self, steps: &[Step]) -> Vec<Value> {
        transcript::steps(steps)
    }

    /// The interventions (5).
    fn transcript_interventions(&self, interventions: &[Intervention]) -> Vec<Value> {
        transcript::interventions(interventions)
    }

    /// What an effect on a service is recorded under (6.2).
    fn effect_target(&self, url: &Url) -> String {
        request::target(url)
    }

    /// The side effects (6).
    fn transcript_side_effects(&self, effects: &[SideEffect]) -> Vec<Value> {
        transcript::side_effects(effects)
    }

    /// Tokens and model calls (3.5).
    fn transcript_usage(&self, turns: &[Turn]) -> Value {
        transcript::usage(turns)
    }

    /// The whole (2).
    fn transcript(&self, heading: &Heading, sections: Map<String, Value>) -> Value {
        transcript::assemble(heading, sections)
    }

    // --- idempotency.md ---

    /// The key of a request (1.1, 1.2).
    fn idempotency_key(
        &self,
        header: Option<&str>,
        member: Option<&Value>,
    ) -> Result<Option<String>, ErrorObject> {
        idempotency::key(header, member)
    }

    /// What a key is valid for (1.3).
    fn idempotency_scope(&self, keyed: &Keyed<'_>) -> String {
        idempotency::scope(keyed)
    }

    /// What two requests with one key are compared by (2.2).
    fn fingerprint(&self, body: &Value) -> String {
        idempotency::fingerprint(body)
    }

    /// Whether an answer is final (2.3).
    fn storable(&self, answer: &Answer) -> bool {
        idempotency::storable(answer)
    }

    /// Whether a stored answer is repeated instead of running the request again (2.1).
    fn repeats(&self) -> bool {
        true
    }

    /// The refusal of a known key with another body; `None`: the request runs (2.2).
    fn idempotency_conflict(&self) -> Option<ErrorObject> {
        Some(idempotency::conflict())
    }

    /// Whether a duplicate of a running request waits for its answer (2.4).
    fn duplicates_wait(&self) -> bool {
        true
    }
}

/// The reference: every part as the specification has it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reference;

impl Parts for Reference {}
