//! A call of `POST /execute` as a pure machine: no clock, no chance, no sockets (`spec/workflows.md`, sections 4 and 7 to 12).
//!
//! [`Workflow::step`] takes an [`Input`] and gives the [`Effect`]s that the edge has to perform; the last of them is an
//! answer, or brings the next input. One node goes through `node` (conditional, templates, defaults, schema), `launch` (key,
//! rate, execution), `landing` (output, state, fallback) and `ending`; `question` and `planning` are the ways out and back.

pub mod answers;
mod ending;
mod landing;
mod launch;
mod node;
mod planning;
mod question;
mod recording;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::approvals::{Question, weight_of};
use super::bound::{Bound, BoundAction, Catalogue};
use super::parts::WorkflowParts;
use crate::manifest::{Manifest, RateLimit};
use crate::model::{Message, ModelFailure, ModelReply};
use crate::requirement::Profile;
use crate::runtime::access::{AccessParts, Caller, RateKey};
use crate::runtime::answer::Answer;
use crate::runtime::error::ErrorObject;
use crate::runtime::held_bytes;
use crate::runtime::idempotency::Ticket;
use crate::runtime::parts::Parts;
use crate::runtime::redact::Redactor;
use crate::runtime::session::{Call, Execution};

pub use node::{Prepared, Ready};
pub use planning::{Judged, Planning, offered};

/// What surrounds every input: the decisions, what is known to the runtime, and the time.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The decisions.
    pub parts: &'a dyn Parts,
    /// The plugins.
    pub plugins: &'a dyn Catalogue,
    /// The declared profiles.
    pub profiles: &'a [Profile],
    /// Finds the secrets that must not leave.
    pub redactor: &'a Redactor,
    /// The time.
    pub now: Timestamp,
}

impl<'a> Around<'a> {
    fn rules(&self) -> &'a dyn WorkflowParts {
        self.parts.workflow()
    }

    fn access(&self) -> &'a dyn AccessParts {
        self.parts.access()
    }

    fn at(&self) -> String {
        self.parts.format_time(self.now)
    }
}

/// What a request says about the whole call; a resumed call goes on under the same terms.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The intent that narrows the manifest.
    pub intent: Option<String>,
    /// The scopes that the request itself demands.
    pub required_scopes: Vec<String>,
    /// The goal that allows new plans.
    pub goal: Option<String>,
    /// How many new plans may be asked for.
    pub replan_max: u32,
    /// How many entries of the history are kept.
    pub prune: Option<usize>,
    /// The seed of sandboxed chance.
    pub seed: Option<u64>,
    /// What clocks of sandboxed code show at their start: the request's `timestamp`, or the time at which it came.
    pub clock: Option<Timestamp>,
    /// What a resumed call must repeat, if it says it at all: digests by member.
    pub members: BTreeMap<String, String>,
}

/// What a call begins with, all checks of section 6 behind it.
#[derive(Debug, Clone)]
pub struct Opening {
    /// A fresh id of this run, for derived keys.
    pub id: String,
    /// A fresh id for the question that the call may ask.
    pub approval_id: String,
    /// Who calls.
    pub caller: Caller,
    /// The manifest.
    pub manifest: Arc<Manifest>,
    /// Whether `open_action` is one node and not an array.
    pub single: bool,
    /// The terms.
    pub terms: Terms,
    /// The state, without secrets.
    pub state: Map<String, Value>,
}

/// How a call goes on once its question is decided: the stored action, then the nodes not yet reached (12.2.1).
#[derive(Debug, Clone)]
pub struct Pause {
    /// The manifest of the call that asked.
    pub manifest: Arc<Manifest>,
    /// Its terms.
    pub terms: Terms,
    /// The node that asked.
    pub node: Bound,
    /// What its action is run with.
    pub ready: Ready,
    /// What its fallback is run with, or why it does not run.
    pub fallback: Option<Prepared>,
    /// The nodes after it.
    pub rest: Vec<Bound>,
    /// New plans that were made so far.
    pub replans: u32,
}

impl Pause {
    /// Roughly the bytes of memory that it holds, the manifest aside.
    pub fn weight(&self) -> usize {
        let inputs = match &self.fallback {
            Some(Prepared::Ready(fallback)) => held_bytes(&fallback.input),
            _ => 0,
        };
        let terms = self.terms.goal.as_ref().map_or(0, String::len);
        weight_of(&self.rest)
            + weight_of(std::slice::from_ref(&self.node))
            + held_bytes(&self.ready.input)
            + inputs
            + terms
    }
}

/// A person's decision on its way into a resumed call.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The question.
    pub id: String,
    /// Whether the action may run.
    pub approve: bool,
    /// How the call goes on.
    pub pause: Arc<Pause>,
    /// The input of the node that the resumed call brought; the stored one is what runs.
    pub sent_input: Option<Value>,
}

/// One call of `POST /execute`.
#[derive(Debug)]
pub struct Workflow {
    id: String,
    approval_id: String,
    caller: Caller,
    manifest: Arc<Manifest>,
    single: bool,
    terms: Terms,
    rest: VecDeque<Bound>,
    first_state: Arc<Value>,
    state: Arc<Value>,
    results: Vec<Value>,
    /// Roughly the bytes of memory of the results.
    held: usize,
    executed: bool,
    replans: u32,
    current: Option<Current>,
    planning: Option<(Planning, Why)>,
    /// The names of actions that the client called otherwise, by what it called them.
    labels: BTreeMap<String, String>,
    /// Why new plans were refused, as long as nobody has asked.
    refused_plans: Vec<ErrorObject>,
    /// What is to be done besides, before anything else.
    aside: Vec<Effect>,
}

/// The node that is under way.
#[derive(Debug)]
struct Current {
    node: Bound,
    /// What the first action is run with; a fallback without own input gets this too.
    ready: Ready,
    /// The fallback under way, if the first action failed.
    substitute: Option<Ready>,
    /// The fallback as it was resolved when a person was asked.
    foreseen: Option<Prepared>,
    /// `{id, by}` of the decision.
    approval: Option<Value>,
    /// Results and entries of the attempts that failed.
    failures: Vec<Failure>,
    /// The key under which the whole node's result will be found again.
    ticket: Option<Ticket>,
    /// The fallback's own key, for what it gives by itself.
    substitute_ticket: Option<Ticket>,
    /// What sandboxed code wrote in the attempt under way, redacted.
    logs: Option<String>,
}

impl Current {
    fn new(node: Bound, ready: Ready) -> Self {
        Self {
            node,
            ready,
            substitute: None,
            foreseen: None,
            approval: None,
            failures: Vec::new(),
            ticket: None,
            substitute_ticket: None,
            logs: None,
        }
    }

    /// The action of the attempt that is under way.
    fn action(&self) -> &BoundAction {
        let first = self.node.action();
        match (&self.substitute, &first.fallback) {
            (Some(_), Some(fallback)) => fallback,
            _ => first,
        }
    }

    /// What that attempt is run with.
    fn ready(&self) -> &Ready {
        self.substitute.as_ref().unwrap_or(&self.ready)
    }
}

/// An attempt that failed.
#[derive(Debug)]
struct Failure {
    result: Value,
    entry: Value,
    error: ErrorObject,
}

/// Why a new plan is asked for.
#[derive(Debug, Clone)]
struct Why {
    trigger: super::replan::Trigger,
    /// The failure, if it was one.
    error: Option<ErrorObject>,
    /// The position of the node's result.
    index: usize,
}

/// What comes in.
#[derive(Debug)]
pub enum Input {
    /// The call begins with these nodes.
    Begin(Vec<Bound>),
    /// The call goes on after a decision.
    Decided(Decided),
    /// What is known under a node's key.
    Recalled(Recollection),
    /// Whether the rate admits the execution; otherwise the seconds to wait.
    Charged(Result<(), u64>),
    /// What came of the execution, its output as the service sent it.
    Executed(Execution),
    /// The question, or the count of a rate, could not be kept.
    NotKept(ErrorObject),
    /// The model replied.
    Replied(ModelReply),
    /// The model did not reply.
    NotReplied(ModelFailure),
    /// Others had their turn.
    Rested,
}

/// What is known under a node's `requestId`.
#[derive(Debug)]
pub enum Recollection {
    /// Nothing: the result will be kept under the ticket.
    Fresh(Ticket),
    /// Nothing is looked up or kept.
    Unkept,
    /// The record of the node that was executed before.
    Stored(Value),
    /// The node fails.
    Refused(ErrorObject),
}

/// What the edge has to do.
#[derive(Debug)]
pub enum Effect {
    /// Look up a node's key; comes back as [`Input::Recalled`].
    Recall {
        /// What the key is valid for.
        scope: String,
        /// What nodes with the same key are compared by.
        fingerprint: String,
    },
    /// Charge a rate; comes back as [`Input::Charged`] or [`Input::NotKept`].
    Charge(RateKey, Vec<RateLimit>),
    /// Charge a rate for a call that is not executed; nothing comes back.
    ChargeInVain(RateKey, Vec<RateLimit>),
    /// Execute; comes back as [`Input::Executed`].
    Execute(Call),
    /// Keep the record of an executed node under its key.
    Keep(Ticket, Value),
    /// Keep a question and answer the client, or come back with [`Input::NotKept`].
    Hold(Box<Question>),
    /// Ask the model; comes back as [`Input::Replied`] or [`Input::NotReplied`].
    Ask(Vec<Message>),
    /// Let others have a turn; comes back as [`Input::Rested`].
    Rest,
    /// Answer the client.
    Answer(Answer),
}

/// Either the next node's turn, or an effect to be performed.
type Flow = ControlFlow<Effect>;

/// Goes on with the next node.
const ON: Flow = ControlFlow::Continue(());

impl Workflow {
    /// A call whose checks are behind it; nothing has run.
    pub fn open(opening: Opening) -> Self {
        let state = Arc::new(Value::Object(opening.state));
        Self {
            id: opening.id,
            approval_id: opening.approval_id,
            caller: opening.caller,
            manifest: opening.manifest,
            single: opening.single,
            terms: opening.terms,
            rest: VecDeque::new(),
            first_state: Arc::clone(&state),
            state,
            results: Vec::new(),
            held: 0,
            executed: false,
            replans: 0,
            current: None,
            planning: None,
            labels: BTreeMap::new(),
            refused_plans: Vec::new(),
            aside: Vec::new(),
        }
    }

    /// Takes one input; see the module.
    pub fn step(&mut self, around: &Around<'_>, input: Input) -> Vec<Effect> {
        let flow = match input {
            Input::Begin(nodes) => {
                self.rest = around.rules().order(nodes).into();
                ON
            }
            Input::Decided(decided) => self.decided(around, decided),
            Input::Recalled(recollection) => self.recalled(around, recollection),
            Input::Charged(charged) => self.charged(around, charged),
            Input::Executed(execution) => self.executed(around, execution),
            Input::NotKept(error) => self.not_kept(around, error),
            Input::Replied(reply) => self.replied(around, &reply),
            Input::NotReplied(failure) => self.not_replied(around, &failure),
            Input::Rested => ON,
        };
        let last = match flow {
            ControlFlow::Break(effect) => effect,
            ControlFlow::Continue(()) => self.go_on(around),
        };
        let mut effects = std::mem::take(&mut self.aside);
        effects.push(last);
        effects
    }

    /// Enters the next node. One that is over without anything done outside is followed by a rest: a hundred such nodes, each
    /// with an expression as costly as its limits allow, would hold up everybody else.
    fn go_on(&mut self, around: &Around<'_>) -> Effect {
        let flow = match self.rest.pop_front() {
            Some(node) => self.enter(around, node),
            None => self.end(around),
        };
        match flow {
            ControlFlow::Break(effect) => effect,
            ControlFlow::Continue(()) => Effect::Rest,
        }
    }

    /// The results of the nodes that were reached.
    pub fn results(&self) -> &[Value] {
        &self.results
    }

    /// The name of an action that the client called so, where it has another one.
    pub fn declared(&self, label: &str) -> Option<&str> {
        self.labels.get(label).map(String::as_str)
    }

    /// Notes what the client calls an action and its fallback.
    fn learn(&mut self, action: &BoundAction) {
        for action in std::iter::once(action).chain(action.fallback.as_deref()) {
            if action.label != action.action.name {
                let name = action.action.name.clone();
                self.labels.insert(action.label.clone(), name);
            }
        }
    }

    /// Why new plans were refused since this was asked last.
    pub fn refused_plans(&mut self) -> Vec<ErrorObject> {
        std::mem::take(&mut self.refused_plans)
    }

    /// Roughly the bytes of memory of the results so far.
    pub fn held(&self) -> usize {
        self.held
    }
}
