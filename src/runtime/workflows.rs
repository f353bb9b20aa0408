//! The edge of workflows: the checks before anything runs, and the effects that a call asks for (`spec/workflows.md`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::access::Caller;
use super::answer::Answer;
use super::config::Limits;
use super::error::{Code, ErrorObject};
use super::held_bytes;
use super::idempotency::{Admission, Idempotency, Keyed};
use super::invoke;
use super::registry;
use super::runtime::Runtime;
use super::session::{Call, Execution};
use super::telemetry;
use crate::manifest::Manifest;
use crate::model::ModelFailure;
use crate::workflow::approvals::{self, Approvals, Claim, Kept, Known, Repeat, RepeatKey};
use crate::workflow::bound::Bound;
use crate::workflow::check;
use crate::workflow::parts::{Check, WorkflowParts};
use crate::workflow::request::{self, Decision, ExecuteRequest};
use crate::workflow::run::{
    Around, Decided, Effect, Input, Judged, Opening, Planning, Recollection, Terms, Workflow,
};

/// How long a node waits for one with the same key in another call, which may wait for a node in turn.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// What outlives a call: questions, and results of nodes with a key.
pub(super) struct Workflows {
    approvals: Approvals,
    nodes: Idempotency,
    under_way: UnderWay,
}

impl Workflows {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            approvals: Approvals::new(limits.questions, limits.question_bytes),
            nodes: Idempotency::new(limits.node_results, limits.node_result_bytes),
            under_way: UnderWay {
                bytes: Arc::default(),
                most: limits.workflow_bytes,
            },
        }
    }
}

/// What the calls under way hold together; a call lasts as long as its services let it.
struct UnderWay {
    bytes: Arc<AtomicUsize>,
    most: usize,
}

impl UnderWay {
    /// Counts a call that is about to begin.
    ///
    /// # Errors
    /// `capacity_exceeded` when those under way take up all the room.
    fn take(&self, own: usize) -> Result<Load, ErrorObject> {
        let load = Load {
            bytes: Arc::clone(&self.bytes),
            own,
            counted: own,
        };
        let before = self.bytes.fetch_add(own, Ordering::Relaxed);
        // One alone always fits: its body is bounded.
        if before > 0 && before.saturating_add(own) > self.most {
            return Err(ErrorObject::new(
                Code::CapacityExceeded,
                "the workflows under way are as large as this runtime allows; send this one again later",
            ));
        }
        Ok(load)
    }
}

/// One call's share, given back when it is dropped.
struct Load {
    bytes: Arc<AtomicUsize>,
    own: usize,
    counted: usize,
}

impl Load {
    /// The results of the call came to so many bytes.
    fn grow_to(&mut self, results: usize) {
        let wanted = self.own.saturating_add(results);
        let more = wanted.saturating_sub(self.counted);
        self.bytes.fetch_add(more, Ordering::Relaxed);
        self.counted += more;
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.bytes.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

impl Runtime {
    fn rules(&self) -> &dyn WorkflowParts {
        self.parts().workflow()
    }

    fn around(&self) -> Around<'_> {
        Around {
            parts: self.parts(),
            plugins: &**self.plugins(),
            profiles: self.profiles(),
            redactor: self.redactor(),
            now: self.now(),
        }
    }

    /// Whether a body has the shape of its call at all: what is checked before anybody asks who calls.
    pub(super) fn check_execute(&self, body: &Value) -> Result<(), ErrorObject> {
        request::read_execute(self.rules(), body, self.profiles())?;
        // What the key may look like belongs to the shape too (6, row 2).
        let key = body.get("requestId");
        self.parts().idempotency_key(None, key).map(|_| ())
    }

    /// The same for `POST /plan`.
    pub(super) fn check_plan(&self, body: &Value) -> Result<(), ErrorObject> {
        request::read_plan_request(self.rules(), body, self.profiles()).map(|_| ())
    }

    /// `POST /execute`; `key` is the call's idempotency key.
    pub(super) async fn execute_workflow(
        &self,
        caller: Caller,
        body: Value,
        key: Option<String>,
    ) -> Result<Answer, ErrorObject> {
        let repeat = key.map(|key| self.repeat_key(&caller, &body, &key));
        let cleaned = self.without_secrets(body);
        let request = request::read_execute(self.rules(), &cleaned, self.profiles())?;
        // A call may last long; it keeps no more of its body than it needs.
        drop(cleaned);
        if let Some(answer) = self.answered_before(repeat.as_ref())? {
            return Ok(answer);
        }
        match request.approval.clone() {
            None => self.start_workflow(caller, request, repeat).await,
            Some(decision) => {
                self.resume_workflow(caller, request, repeat, decision)
                    .await
            }
        }
    }

    /// A body whose nodes recite no credential to a service (secrets.md 2.5); its state is cleaned when the call opens.
    fn without_secrets(&self, mut cleaned: Value) -> Value {
        if let Some(nodes) = cleaned.get_mut("open_action") {
            *nodes = self.rules().clean_nodes(self.redactor(), nodes.take());
        }
        cleaned
    }

    fn repeat_key(&self, caller: &Caller, body: &Value, key: &str) -> RepeatKey {
        let parts = self.parts();
        RepeatKey {
            scope: parts.idempotency_scope(&Keyed {
                subject: &parts.access().key_subject(caller),
                method: "POST",
                path: "/execute",
                key,
            }),
            fingerprint: parts.fingerprint(body),
        }
    }

    /// The 202 of an identical call whose question is open: the nodes before it must not run twice.
    fn answered_before(&self, repeat: Option<&RepeatKey>) -> Result<Option<Answer>, ErrorObject> {
        let Some(key) = repeat else {
            return Ok(None);
        };
        let approvals = &self.workflows().approvals;
        match approvals.repeated(self.rules(), key, self.now()) {
            Known::No => Ok(None),
            Known::Other => self.parts().idempotency_conflict().map_or(Ok(None), Err),
            Known::Asked(standing, answer) => match self.rules().repeat_of_question(standing) {
                Repeat::Same => Ok(Some(answer)),
                Repeat::Refuse(error) => Err(error),
                Repeat::Run => Ok(None),
            },
        }
    }

    async fn start_workflow(
        &self,
        caller: Caller,
        mut request: ExecuteRequest,
        repeat: Option<RepeatKey>,
    ) -> Result<Answer, ErrorObject> {
        let (manifest, nodes) = self.check_workflow(&caller, &mut request)?;
        let load = self.workflows().under_way.take(
            approvals::weight_of(&nodes) + 2 * request.body.get("state").map_or(0, held_bytes),
        )?;
        let workflow = self.open_requested(caller, manifest, request);
        Ok(self
            .drive_workflow(workflow, Input::Begin(nodes), repeat, None, load)
            .await)
    }

    fn open_requested(
        &self,
        caller: Caller,
        manifest: Arc<Manifest>,
        request: ExecuteRequest,
    ) -> Workflow {
        let terms = Terms {
            members: approvals::kept_members(self.rules(), &request),
            seed: request.seed,
            clock: Some(
                self.rules()
                    .sandbox_clock(request.timestamp.as_deref(), self.now()),
            ),
            intent: request.intent,
            required_scopes: request.required_scopes,
            goal: request.goal,
            replan_max: request.replan_max,
            prune: request.prune,
        };
        let state = Value::Object(request.state);
        self.open_workflow(caller, manifest, request.single, terms, state)
    }

    /// Checks 4 to 6 of section 6.
    fn check_workflow(
        &self,
        caller: &Caller,
        request: &mut ExecuteRequest,
    ) -> Result<(Arc<Manifest>, Vec<Bound>), ErrorObject> {
        let rules = self.rules();
        let found = self.bind_workflow(request);
        let intent = request.intent.as_deref();
        for check in rules.check_order() {
            match (check, &found) {
                (Check::Existence, Err(error)) => return Err(error.clone()),
                (Check::Scopes, Ok((manifest, nodes))) => {
                    let scopes = &request.required_scopes;
                    let needed = check::required_scopes(rules, nodes, manifest, intent, scopes);
                    self.parts().access().check_scopes(caller, &needed)?;
                }
                (Check::StateSize, _) => {
                    rules.check_state_size(&Value::Object(request.state.clone()))?;
                }
                (Check::Existence, Ok(_)) | (Check::Scopes, Err(_)) => {}
            }
        }
        found
    }

    fn bind_workflow(
        &self,
        request: &mut ExecuteRequest,
    ) -> Result<(Arc<Manifest>, Vec<Bound>), ErrorObject> {
        let reference = request.manifest.as_deref();
        let manifest = registry::resolve(self.parts(), &self.registry(), reference)?;
        let nodes = check::bind(
            self.rules(),
            std::mem::take(&mut request.nodes),
            &manifest,
            request.intent.as_deref(),
            &**self.plugins(),
        )?;
        Ok((manifest, nodes))
    }

    /// A call with a decision about the question of an earlier one.
    async fn resume_workflow(
        &self,
        caller: Caller,
        request: ExecuteRequest,
        repeat: Option<RepeatKey>,
        decision: Decision,
    ) -> Result<Answer, ErrorObject> {
        let rules = self.rules();
        let approvals = &self.workflows().approvals;
        let sent = Kept::sent(rules, &request);
        let pause = approvals.find(rules, &decision.id, &caller, &sent, self.now())?;
        if rules.checks_scopes_again() {
            let scopes_of = |nodes: &[Bound]| {
                let intent = pause.terms.intent.as_deref();
                let request = &pause.terms.required_scopes;
                check::required_scopes(rules, nodes, &pause.manifest, intent, request)
            };
            let mut needed = scopes_of(std::slice::from_ref(&pause.node));
            needed.extend(scopes_of(&pause.rest));
            self.parts().access().check_scopes(&caller, &needed)?;
        }
        let state = Value::Object(request.state);
        rules.check_state_size(&state)?;
        let load = self
            .workflows()
            .under_way
            .take(pause.weight() + 2 * held_bytes(&state))?;
        let claim = approvals.claim(rules, &decision.id, self.now())?;
        let workflow = self.open_workflow(
            caller,
            Arc::clone(&pause.manifest),
            request.single,
            pause.terms.clone(),
            state,
        );
        let sent_input = request.nodes.first().map(|node| {
            let input = node.action().input.clone();
            Value::Object(input.unwrap_or_default())
        });
        let decided = Decided {
            id: decision.id,
            approve: decision.approve,
            pause,
            sent_input,
        };
        let answer = self
            .drive_workflow(
                workflow,
                Input::Decided(decided),
                repeat,
                Some(&claim),
                load,
            )
            .await;
        if !rules.reopens(answer.status) {
            claim.use_up();
        }
        Ok(answer)
    }

    fn open_workflow(
        &self,
        caller: Caller,
        manifest: Arc<Manifest>,
        single: bool,
        terms: Terms,
        state: Value,
    ) -> Workflow {
        let state = match self.rules().clean_state(self.redactor(), state) {
            Value::Object(members) => members,
            _ => serde_json::Map::new(),
        };
        Workflow::open(Opening {
            id: self.parts().session_id(),
            approval_id: self.rules().approval_id(),
            caller,
            manifest,
            single,
            terms,
            state,
        })
    }

    /// Performs effects until there is an answer.
    async fn drive_workflow(
        &self,
        mut workflow: Workflow,
        first: Input,
        repeat: Option<RepeatKey>,
        claim: Option<&Claim>,
        mut load: Load,
    ) -> Answer {
        let parts = self.parts();
        let mut input = Some(first);
        let mut executed = false;
        let mut reached = 0;
        if self.telemetry().is_some() {
            telemetry::node_begins();
        }
        while let Some(taken) = input.take() {
            let effects = workflow.step(&self.around(), taken);
            load.grow_to(workflow.held());
            if let Some(telemetry) = self.telemetry() {
                telemetry.nodes_reached(workflow.results(), &mut reached);
                for error in workflow.refused_plans() {
                    telemetry.plan_refused(None, error.code.name(), Some(&error.message));
                }
            }
            for effect in effects {
                match effect {
                    Effect::Answer(answer) => return answer,
                    Effect::Hold(question) => {
                        let answer = question.answer.clone();
                        let approvals = &self.workflows().approvals;
                        match approvals.hold(*question, repeat.clone(), self.now()) {
                            Ok(()) => return answer,
                            Err(error) => input = Some(Input::NotHeld(error)),
                        }
                    }
                    Effect::Recall { scope, fingerprint } => {
                        input = Some(Input::Recalled(self.recall(scope, fingerprint).await));
                    }
                    Effect::Keep(ticket, record) => ticket.complete(parts, &Answer::ok(record)),
                    Effect::Charge(key, limits) => {
                        let rates = self.rates();
                        let charged = rates.charge(parts.access(), key, &limits, self.now());
                        input = Some(Input::Charged(charged));
                    }
                    Effect::ChargeInVain(key, limits) => {
                        // What it comes to concerns nobody: the call is not executed.
                        let _ = self
                            .rates()
                            .charge(parts.access(), key, &limits, self.now());
                    }
                    Effect::Rest => {
                        tokio::task::yield_now().await;
                        input = Some(Input::Rested);
                    }
                    Effect::Execute(_) if self.draining() => {
                        let error = ErrorObject::new(
                            Code::CapacityExceeded,
                            "the runtime shuts down, so this was not executed; go on with another",
                        );
                        if !executed {
                            return Answer::error(parts, &error);
                        }
                        // What was executed before is not lost: the call ends here, and is answered in time.
                        input = Some(Input::Executed(Execution::refused(error)));
                    }
                    Effect::Execute(call) => {
                        executed = true;
                        // From here on the decision has acted, whatever becomes of this call.
                        if let Some(claim) = claim {
                            claim.use_up();
                        }
                        input = Some(Input::Executed(self.execute_node(call).await));
                    }
                    Effect::Ask(_) if self.draining() => {
                        let why = "the runtime shuts down, so the model was not asked";
                        input = Some(Input::NotReplied(ModelFailure::new(why)));
                    }
                    Effect::Ask(messages) => {
                        input = Some(match invoke::ask(self, &messages).await {
                            Ok(reply) => Input::Replied(reply),
                            Err(failure) => Input::NotReplied(failure),
                        });
                        if self.telemetry().is_some() {
                            telemetry::node_begins();
                        }
                    }
                }
            }
        }
        let defect = ErrorObject::new(Code::InternalError, "the call ended without an answer");
        Answer::error(parts, &defect)
    }

    async fn execute_node(&self, call: Call) -> Execution {
        let mut execution = Execution {
            outcome: Ok(Value::Null),
            side_effects: Vec::new(),
            logs: None,
        };
        for call in self.parts().calls(call) {
            execution = invoke::invoke(self, &call).await;
        }
        execution
    }

    /// What is known under a node's key; waits for one that is running in another call.
    async fn recall(&self, scope: String, fingerprint: String) -> Recollection {
        let rules = self.rules();
        let look = async {
            loop {
                let nodes = &self.workflows().nodes;
                let mut running = match nodes.admit(scope.clone(), fingerprint.clone(), self.now())
                {
                    Admission::Run(ticket) => return Recollection::Fresh(ticket),
                    Admission::Repeat(answer) if rules.recalls() => {
                        return Recollection::Stored(Value::clone(&answer.body));
                    }
                    Admission::Wait(running) if rules.nodes_wait() => running,
                    Admission::Repeat(_) | Admission::Wait(_) => return Recollection::Unkept,
                    Admission::Conflict => {
                        let conflict = rules.node_conflict();
                        return conflict.map_or(Recollection::Unkept, Recollection::Refused);
                    }
                };
                let answer = running.wait_for(Option::is_some).await;
                let answer = answer.ok().and_then(|answer| answer.clone());
                // Without an answer the other one failed, and it is this one's turn.
                if let Some(answer) = answer {
                    return Recollection::Stored(Value::clone(&answer.body));
                }
            }
        };
        timeout(LONGEST_WAIT, look).await.unwrap_or_else(|_| {
            Recollection::Refused(ErrorObject::new(
                Code::Conflict,
                "a node with the same requestId is still running; send it again later",
            ))
        })
    }

    /// `POST /plan`: nothing is executed.
    pub(super) async fn plan_workflow(
        &self,
        caller: Caller,
        body: &Value,
    ) -> Result<Answer, ErrorObject> {
        let rules = self.rules();
        let request = request::read_plan_request(rules, body, self.profiles())?;
        let reference = request.manifest.as_deref();
        let manifest = registry::resolve(self.parts(), &self.registry(), reference)?;
        let intent = request.intent.as_deref();
        if let Some(intent) = intent {
            let goal = json!({"intent": intent});
            self.parts().check_intent(&manifest, &goal)?;
        }
        let state = Value::Object(request.state);
        let asked = (request.goal.as_str(), &state);
        let mut planning = Planning::new(&self.around(), &caller, &manifest, intent, asked, false);
        loop {
            let messages = planning.messages(&self.around());
            let reply = match invoke::ask(self, &messages).await {
                Ok(reply) => reply,
                Err(failure) => return Ok(rules.plan_unavailable(&failure)),
            };
            let judged = planning.judge(&self.around(), &reply, &manifest, intent, |_| Ok(()));
            if let (Some(telemetry), Some(error)) = (self.telemetry(), planning.last_refusal()) {
                telemetry.plan_refused(None, error.code.name(), Some(&error.message));
            }
            match judged {
                Judged::AskAgain => {}
                Judged::GaveUp(error) => return Err(error),
                Judged::Plan(nodes, bound) => {
                    if rules.plan_executes() {
                        let terms = Terms::default();
                        let workflow = self.open_workflow(caller, manifest, false, terms, state);
                        let first = Input::Begin(bound);
                        let load = self.workflows().under_way.take(0)?;
                        let _ = self.drive_workflow(workflow, first, None, None, load).await;
                    }
                    return Ok(rules.plan_answer(&nodes));
                }
            }
        }
    }
}
