//! The edge of workflows: the checks before anything runs, and the effects that a call asks for (`spec/workflows.md`).

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::access::Caller;
use super::answer::Answer;
use super::config::Limits;
use super::error::{Code, ErrorObject};
use super::held_bytes;
use super::idempotency::{Idempotency, Keyed};
use super::invoke;
use super::keeping;
use super::load::{Load, UnderWay};
use super::questions::{Decision, Hands, Journal, Reached};
use super::registry;
use super::runtime::Runtime;
use super::session::entry::{CallKey, Who};
use super::session::{Call, Execution};
use super::telemetry;
use crate::manifest::Manifest;
use crate::model::ModelFailure;
use crate::workflow::approvals::{self, Approvals, Claim, Kept, Known, Repeat, RepeatKey};
use crate::workflow::bound::Bound;
use crate::workflow::check;
use crate::workflow::parts::{Check, WorkflowParts};
use crate::workflow::request::{self, ExecuteRequest};
use crate::workflow::run::{
    Around, Decided, Effect, Input, Judged, Opening, Planning, Recollection, Terms, Workflow,
};

/// What outlives a call: questions, and results of nodes with a key.
pub(super) struct Workflows {
    approvals: Approvals,
    hands: Hands,
    nodes: Idempotency,
    under_way: UnderWay,
}

impl Workflows {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            approvals: Approvals::new(limits.questions, limits.question_bytes),
            hands: Hands::default(),
            nodes: Idempotency::new(limits.node_results, limits.node_result_bytes),
            under_way: UnderWay::new(limits.workflow_bytes),
        }
    }

    /// The questions in memory.
    pub(super) fn approvals(&self) -> &Approvals {
        &self.approvals
    }

    /// The questions that somebody here goes on with.
    pub(super) fn hands(&self) -> &Hands {
        &self.hands
    }

    /// The results of nodes with a key, in memory.
    pub(super) fn nodes(&self) -> &Idempotency {
        &self.nodes
    }

    /// Counts a call that is about to begin.
    ///
    /// # Errors
    /// `capacity_exceeded` when those under way take up all the room.
    pub(super) fn take_load(&self, own: usize) -> Result<Load, ErrorObject> {
        self.under_way.take(own)
    }
}

/// The key of a call, by which a repeat of it is known in memory, and by which it is known in the ledger.
type Keys = (Option<RepeatKey>, Option<CallKey>);

/// What a call under way has with it.
pub(super) struct Driven<'r> {
    /// The key of the call, by which a repeat of it is known in memory.
    pub(super) repeat: Option<RepeatKey>,
    /// The same key, as the ledger knows it.
    pub(super) key: Option<CallKey>,
    /// The decision that it resumes.
    pub(super) claim: Option<Claim>,
    /// What the ledger is told of a resumed call.
    pub(super) journal: Option<Journal<'r>>,
    /// Its share of what the calls under way hold.
    pub(super) load: Load,
}

/// What a call begins with here.
pub(super) enum First {
    /// An input.
    Input(Input),
    /// What it waited for when its process died.
    Effect(Effect),
}

impl Runtime {
    fn rules(&self) -> &dyn WorkflowParts {
        self.parts().workflow()
    }

    pub(super) fn around(&self, now: Timestamp) -> Around<'_> {
        Around {
            parts: self.parts(),
            plugins: &**self.plugins(),
            profiles: self.profiles(),
            redactor: self.redactor(),
            now,
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
        let kept = repeat
            .as_ref()
            .map(|key| keeping::call_key(&key.scope, key.fingerprint.clone()));
        let keys = (repeat, kept);
        if let Some(answer) = self.answered_before(&keys).await? {
            return Ok(answer);
        }
        match request.approval.clone() {
            None => self.start_workflow(caller, request, keys).await,
            Some(decision) => self.resume_workflow(caller, request, keys, decision).await,
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
    async fn answered_before(&self, keys: &Keys) -> Result<Option<Answer>, ErrorObject> {
        let (Some(repeat), Some(key)) = keys else {
            return Ok(None);
        };
        let known = match self.ledger() {
            Some(_) => match self.asked_before(key).await? {
                Some((standing, answer)) => Known::Asked(standing, answer),
                None => Known::No,
            },
            None => {
                let approvals = &self.workflows().approvals;
                approvals.repeated(self.rules(), repeat, self.now())
            }
        };
        match known {
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
        (repeat, key): Keys,
    ) -> Result<Answer, ErrorObject> {
        let (manifest, nodes) = self.check_workflow(&caller, &mut request)?;
        let load = self.workflows().take_load(
            approvals::weight_of(&nodes) + 2 * request.body.get("state").map_or(0, held_bytes),
        )?;
        let workflow = self.open_requested(caller, manifest, request);
        let mut driven = Driven {
            repeat,
            key,
            claim: None,
            journal: None,
            load,
        };
        let first = First::Input(Input::Begin(nodes));
        self.drive_workflow(workflow, first, &mut driven).await
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
        let state = self.cleaned_state(state);
        Workflow::open(self.opening(caller, manifest, request.single, terms, state))
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
        (repeat, key): Keys,
        decision: request::Decision,
    ) -> Result<Answer, ErrorObject> {
        let rules = self.rules();
        let approvals = &self.workflows().approvals;
        let reached = self.reach_question(&decision.id, &caller).await?;
        if matches!(reached, Reached::Over) {
            // It may have been this very call, sent again after its process died.
            let answer = match self.kept_answer(key.as_ref()).await? {
                Some(answer) => Some(answer),
                None => self.answered_before(&(repeat, key)).await?,
            };
            return answer.ok_or_else(approvals::used);
        }
        let sent = Kept::sent(rules, &request);
        let pause = approvals.find(rules, &decision.id, &caller, &sent, self.now())?;
        if matches!(reached, Reached::Busy) {
            return Err(approvals::used());
        }
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
            .take_load(pause.weight() + 2 * held_bytes(&state))?;
        let claim = approvals.claim(rules, &decision.id, self.now())?;
        let opening = self.opening(
            caller,
            Arc::clone(&pause.manifest),
            request.single,
            pause.terms.clone(),
            self.cleaned_state(state),
        );
        let sent_input = request.nodes.first().map(|node| {
            let input = node.action().input.clone();
            Value::Object(input.unwrap_or_default())
        });
        let journal = match reached {
            Reached::Open(turn) => {
                let row = Decision {
                    at: self.now(),
                    by: Who::from(&opening.caller),
                    approve: decision.approve,
                    sent_input: sent_input.clone(),
                    run: opening.id.clone(),
                    next: opening.approval_id.clone(),
                    single: opening.single,
                    state: opening.state.clone(),
                    key: key.clone(),
                };
                let asker = approvals.asker(&decision.id).unwrap_or_default();
                Some(Journal::begin(self, turn, asker, row))
            }
            Reached::Memory | Reached::Busy | Reached::Over => None,
        };
        let id = decision.id;
        let decided = Input::Decided(Decided {
            id: id.clone(),
            approve: decision.approve,
            pause,
            sent_input,
        });
        let mut driven = Driven {
            repeat,
            key,
            claim: Some(claim),
            journal,
            load,
        };
        let driving = async {
            let workflow = Workflow::open(opening);
            let first = First::Input(decided);
            let answer = self.drive_workflow(workflow, first, &mut driven).await?;
            let (journal, claim) = (driven.journal.as_ref(), driven.claim.as_ref());
            self.conclude(journal, claim, answer).await
        };
        // What the ledger did not take it may have taken nevertheless: it is asked anew.
        driving.await.inspect_err(|_| approvals.let_go(&id))
    }

    fn opening(
        &self,
        caller: Caller,
        manifest: Arc<Manifest>,
        single: bool,
        terms: Terms,
        state: Map<String, Value>,
    ) -> Opening {
        Opening {
            id: self.parts().session_id(),
            approval_id: self.rules().approval_id(),
            caller,
            manifest,
            single,
            terms,
            state,
        }
    }

    fn cleaned_state(&self, state: Value) -> Map<String, Value> {
        match self.rules().clean_state(self.redactor(), state) {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// Performs effects until there is an answer.
    ///
    /// # Errors
    /// When the ledger could not keep what it has to keep before an effect, or the result of a node under its key.
    pub(super) async fn drive_workflow(
        &self,
        mut workflow: Workflow,
        first: First,
        driven: &mut Driven<'_>,
    ) -> Result<Answer, ErrorObject> {
        // A call that goes on where another process left it has executed something, or was about to.
        let mut executed = driven.journal.as_ref().is_some_and(Journal::acts);
        let mut reached = workflow.results().len();
        if self.telemetry().is_some() {
            telemetry::node_begins();
        }
        let (mut input, mut waiting) = match first {
            First::Input(input) => (Some(input), None),
            First::Effect(effect) => (None, Some(effect)),
        };
        loop {
            let effects = match (input.take(), waiting.take()) {
                (None, None) => break,
                (None, Some(effect)) => vec![effect],
                (Some(taken), _) => {
                    let now = self.now();
                    if let Some(journal) = &mut driven.journal {
                        journal.note(self, &taken, now);
                    }
                    workflow.step(&self.around(now), taken)
                }
            };
            driven.load.grow_to(workflow.held());
            if let Some(telemetry) = self.telemetry() {
                let declared = |label: &str| workflow.declared(label);
                telemetry.nodes_reached(workflow.results(), &mut reached, declared);
                for error in workflow.refused_plans() {
                    telemetry.plan_refused(None, error.code.name(), Some(&error.message));
                }
            }
            for effect in effects {
                match effect {
                    Effect::Answer(answer) => return Ok(answer),
                    Effect::Hold(question) => {
                        if let Some(journal) = driven.journal.as_mut().filter(|j| j.acts()) {
                            // So that whoever may have to end this call asks the same question, and does nothing again.
                            journal.intend(self).await?;
                        }
                        let (repeat, key) = (driven.repeat.as_ref(), driven.key.as_ref());
                        match self.hold_question(*question, repeat, key).await {
                            Ok(answer) => return Ok(answer),
                            Err(error) => input = Some(Input::NotKept(error)),
                        }
                    }
                    Effect::Recall { scope, fingerprint } => {
                        let recalled = self.recall_node(scope, fingerprint).await;
                        let recalled = recalled.unwrap_or_else(Recollection::Refused);
                        input = Some(Input::Recalled(recalled));
                    }
                    Effect::Keep(ticket, record) => {
                        let (scope, fingerprint) = ticket.place();
                        let kept = self.keep_node(scope, fingerprint, &record).await;
                        ticket.complete(self.parts(), &Answer::ok(record));
                        kept?;
                    }
                    Effect::Charge(key, limits) => {
                        input = Some(match self.charge(key, &limits).await {
                            Ok(charged) => Input::Charged(charged),
                            // Whoever takes the call up counts anew.
                            Err(error) if driven.journal.is_some() => return Err(error),
                            Err(error) => Input::NotKept(error),
                        });
                    }
                    Effect::ChargeInVain(key, limits) => {
                        // What it comes to concerns nobody: the call is not executed.
                        let _ = self.charge(key, &limits).await;
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
                            return Ok(Answer::error(self.parts(), &error));
                        }
                        // What was executed before is not lost: the call ends here, and is answered in time.
                        input = Some(Input::Executed(Execution::refused(error)));
                    }
                    Effect::Execute(call) => {
                        if let Some(journal) = &mut driven.journal {
                            journal.intend(self).await?;
                        }
                        executed = true;
                        // From here on the decision has acted, whatever becomes of this call.
                        if let Some(claim) = &driven.claim {
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
        Ok(Answer::error(self.parts(), &defect))
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
        let mut planning = Planning::new(
            &self.around(self.now()),
            &caller,
            &manifest,
            intent,
            asked,
            false,
        );
        loop {
            let messages = planning.messages(&self.around(self.now()));
            let reply = match invoke::ask(self, &messages).await {
                Ok(reply) => reply,
                Err(failure) => return Ok(rules.plan_unavailable(&failure)),
            };
            let judged =
                planning.judge(&self.around(self.now()), &reply, &manifest, intent, |_| {
                    Ok(())
                });
            if let (Some(telemetry), Some(error)) = (self.telemetry(), planning.last_refusal()) {
                telemetry.plan_refused(None, error.code.name(), Some(&error.message));
            }
            match judged {
                Judged::AskAgain => {}
                Judged::GaveUp(error) => return Err(error),
                Judged::Plan(nodes, bound) => {
                    if rules.plan_executes() {
                        let terms = Terms::default();
                        let state = self.cleaned_state(state);
                        let opening = self.opening(caller, manifest, false, terms, state);
                        let mut driven = Driven {
                            repeat: None,
                            key: None,
                            claim: None,
                            journal: None,
                            load: self.workflows().take_load(0)?,
                        };
                        let first = First::Input(Input::Begin(bound));
                        let workflow = Workflow::open(opening);
                        let _ = self.drive_workflow(workflow, first, &mut driven).await;
                    }
                    return Ok(rules.plan_answer(&nodes));
                }
            }
        }
    }
}
