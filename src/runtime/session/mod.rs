//! The session as a pure state machine: no clock, no chance, no sockets.
//!
//! [`Session::step`] takes an [`Input`] and the time and gives the [`Effect`]s that the edge has to perform; what the edge
//! learns comes back as the next input. What is under way between two inputs travels inside them ([`Attempt`], [`Flight`]),
//! so that the session itself is settled whenever nobody is inside `step`: an edge that dies half way loses its own call only.

mod closing;
pub mod contract;
pub mod entry;
mod landing;
mod machine;
pub mod parts;
pub mod people;
pub mod replay;
pub mod running;
pub mod status;
#[cfg(test)]
mod tests;
pub mod transcript;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::access::{Caller, Uncharged};
use super::answer::Answer;
use super::error::{Code, ErrorObject};
use super::held::held_bytes;
use super::parts::Parts;
use super::plan::Scope;
use super::redact::{Redactor, Site};
use crate::manifest::{Action, Manifest};
use crate::model::{Message, ModelFailure, ModelReply};
use crate::workflow::bound::Catalogue;
use contract::{Contract, Contracts};
pub use landing::{FirstAttempt, Landing, Origin};
use running::{Errand, Rate};
use status::{Event, Status};
use transcript::{Record, SideEffect};

/// What a new session is made of.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The id, unguessable.
    pub id: String,
    /// The manifest version that the session keeps.
    pub manifest: Arc<Manifest>,
    /// `{description, intent?}`.
    pub goal: Value,
    /// The first observation.
    pub observation: Value,
    /// The most steps.
    pub max_steps: u64,
    /// The flags; `None` when the client gave none.
    pub flags: Option<Vec<String>>,
    /// The seed of sandboxed code.
    pub seed: Option<u64>,
    /// Finds the secrets that must not leave.
    pub redactor: Redactor,
    /// Who opens it.
    pub caller: Caller,
    /// The plugins that fallbacks may be.
    pub plugins: Plugins,
    /// Whether a person can be asked (profile `human`).
    pub human: bool,
    /// The most bytes the record may hold before no further step is taken.
    pub heaviest_record: usize,
    /// The contracts that sessions share.
    pub contracts: Contracts,
}

/// The plugins that a session knows.
#[derive(Clone)]
pub struct Plugins(pub Arc<dyn Catalogue>);

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plugins")
    }
}

/// One session. Its fields are read by the edge, and changed by [`Session::step`] alone.
#[derive(Debug, Clone)]
pub struct Session {
    id: String,
    manifest: Arc<Manifest>,
    goal: Value,
    flags: BTreeSet<String>,
    given_flags: Option<Vec<String>>,
    seed: Option<u64>,
    max_steps: u64,
    human: bool,
    heaviest_record: usize,
    redactor: Redactor,
    opener: Caller,
    plugins: Plugins,
    started_at: String,
    contracts: Contracts,
    contract: Contract,
    /// The scopes of whom the contract was made for.
    offered_to: Arc<BTreeSet<String>>,
    initial_observation: Arc<Value>,
    /// Bytes of what it was given at its opening.
    given: usize,
    status: Status,
    steps_done: u64,
    observation: Arc<Value>,
    pending: Option<Pending>,
    /// Until when the model asked to be left alone.
    model_rests_until: Option<Timestamp>,
    record: Record,
}

/// The question a session waits with.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Its id, unique within the session.
    pub id: String,
    /// What is asked.
    pub prompt: String,
    /// What kind of question it is.
    pub kind: Question,
}

/// The kinds of questions to a person.
#[derive(Debug, Clone)]
pub enum Question {
    /// An action of the type `human_intervention` asks.
    Declared(Landing),
    /// An action must not be executed before a person approves it.
    Approval {
        /// The action on its way.
        landing: Landing,
        /// What would run in its place if it failed.
        fallback: Option<String>,
    },
    /// The model's replies were refused too often.
    InvalidPlan {
        /// `{reply, errors}` of each, in order.
        refusals: Vec<Value>,
    },
}

impl Question {
    /// The kind on the wire.
    pub fn kind(&self) -> &'static str {
        match self {
            Question::Declared(_) => "human_intervention",
            Question::Approval { .. } => "approval",
            Question::InvalidPlan { .. } => "invalid_plan",
        }
    }
}

/// What comes in.
#[derive(Debug, Clone)]
pub enum Input {
    /// A step call, and who makes it.
    Step(Caller),
    /// The model replied to an attempt.
    Replied(Attempt, ModelReply),
    /// The model did not reply to an attempt.
    NotReplied(Attempt, ModelFailure),
    /// A rate was charged, or the seconds after which it can be.
    Charged(Launch, Result<(), u64>),
    /// The calls of a flight are done.
    Executed(Flight, Execution),
    /// A person answers.
    Answered {
        /// Who answers.
        caller: Caller,
        /// The intervention's id as the client wrote it.
        id: String,
        /// The body.
        body: Value,
    },
    /// The client closes the session.
    Close,
    /// Nothing was called for too long.
    LeftAlone,
}

/// What the edge has to do, in order; the last one of a call is a reply, or asks for more input.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Ask the model; comes back as [`Input::Replied`] or [`Input::NotReplied`].
    Ask(Attempt, Vec<Message>),
    /// Charge a rate; comes back as [`Input::Charged`].
    Charge(Rate, Launch),
    /// A call that is not executed, and so not charged.
    Spare(Rate, Uncharged),
    /// Execute the calls; comes back as [`Input::Executed`].
    Execute(Flight),
    /// Answer the client.
    Reply(Answer),
    /// Keep this transcript; the session is over.
    Archive(Arc<Value>),
}

/// One request to the model within a step call.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When the step call began.
    pub started: Timestamp,
    /// When the model was asked.
    pub asked_at: String,
    /// From 1.
    pub number: u32,
    /// The messages, kept for the record.
    pub messages: Vec<Message>,
    caller: Caller,
    question: Arc<str>,
    refused: Vec<(String, String)>,
    refusals: Vec<Value>,
}

/// An action that waits for its rate to be charged.
#[derive(Debug, Clone)]
pub struct Launch {
    landing: Landing,
    errand: Errand,
}

/// An accepted plan whose action is being executed.
#[derive(Debug, Clone)]
pub struct Flight {
    /// What is to be called; one, unless a part of the runtime says otherwise.
    pub calls: Vec<Call>,
    landing: Landing,
}

/// One execution of an action.
#[derive(Debug, Clone)]
pub struct Call {
    /// The session, for derived keys only.
    pub session_id: String,
    /// The step that this will be.
    pub step_number: u64,
    /// The action.
    pub action: Arc<Action>,
    /// Its validated arguments.
    pub args: Value,
    /// The name of the manifest that declares it.
    pub manifest: String,
    /// The digest of that manifest.
    pub digest: String,
    /// Who makes the call.
    pub subject: String,
    /// What the clock of sandboxed code shows at its start.
    pub clock: Timestamp,
    /// The seed of sandboxed chance, if one was given.
    pub seed: Option<u64>,
}

/// What came of a flight.
#[derive(Debug, Clone)]
pub struct Execution {
    /// The output as the service sent it, or why there is none.
    pub outcome: Result<Value, ErrorObject>,
    /// What happened outside.
    pub side_effects: Vec<SideEffect>,
    /// What sandboxed code wrote, redacted; none when it wrote nothing.
    pub logs: Option<String>,
}

impl Execution {
    /// An execution that was refused before anything was sent.
    pub fn refused(error: ErrorObject) -> Self {
        Self {
            outcome: Err(error),
            side_effects: Vec::new(),
            logs: None,
        }
    }
}

/// What a step call, or a person's answer, led to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The ActionResult, if a step counted.
    pub result: Option<Value>,
    /// Steps so far.
    pub steps_done: u64,
    /// The status afterwards.
    pub status: Status,
    /// The question that waits.
    pub pending: Option<Value>,
}

impl Session {
    /// A new session; nothing is called.
    pub fn open(parts: &dyn Parts, now: Timestamp, opening: Opening) -> Self {
        let clean = |value| parts.redact_value(Site::Request, &opening.redactor, value);
        let goal = clean(opening.goal.clone());
        let initial = Arc::new(clean(opening.observation.clone()));
        let flags: BTreeSet<String> = opening.flags.iter().flatten().cloned().collect();
        let mut session = Self {
            id: opening.id,
            manifest: Arc::clone(&opening.manifest),
            flags,
            given_flags: opening.flags,
            seed: opening.seed,
            max_steps: opening.max_steps,
            human: opening.human,
            heaviest_record: opening.heaviest_record,
            redactor: opening.redactor,
            opener: opening.caller,
            plugins: opening.plugins,
            started_at: parts.format_time(now),
            contract: opening.contracts.share(String::new()),
            contracts: opening.contracts,
            offered_to: Arc::default(),
            given: held_bytes(&goal) + held_bytes(&initial),
            initial_observation: Arc::clone(&initial),
            goal,
            status: Status::Active,
            steps_done: 0,
            observation: initial,
            pending: None,
            model_rests_until: None,
            record: Record::default(),
        };
        let opener = session.opener.clone();
        session.offer(parts, &opener);
        session
    }

    /// Takes one input; see the module.
    pub fn step(&mut self, parts: &dyn Parts, now: Timestamp, input: Input) -> Vec<Effect> {
        match input {
            Input::Step(caller) => self.begin(parts, now, &caller),
            Input::Replied(attempt, reply) => self.replied(parts, now, attempt, reply),
            Input::NotReplied(attempt, failure) => self.not_replied(parts, now, attempt, &failure),
            Input::Charged(launch, charged) => self.charged(parts, now, launch, charged),
            Input::Executed(flight, execution) => self.executed(parts, now, flight, execution),
            Input::Answered { caller, id, body } => self.answered(parts, now, &caller, &id, &body),
            Input::Close => self.close(parts, now),
            Input::LeftAlone => {
                if self.status == Status::AwaitingHuman {
                    self.cancel_question();
                }
                self.change(parts, Event::TimePassed);
                Vec::new()
            }
        }
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// What it remembers of its past.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Who opened it.
    pub fn opener(&self) -> &Caller {
        &self.opener
    }

    /// The goal, as the client gave it.
    pub fn goal(&self) -> &Value {
        &self.goal
    }

    /// The most steps.
    pub fn max_steps(&self) -> u64 {
        self.max_steps
    }

    /// When it was opened, as the transcript has it.
    pub fn started_at(&self) -> &str {
        &self.started_at
    }

    /// The observation that it began with.
    pub fn initial_observation(&self) -> &Arc<Value> {
        &self.initial_observation
    }

    /// Steps counted so far.
    pub fn steps_done(&self) -> u64 {
        self.steps_done
    }

    /// Roughly the bytes of memory that it holds alone: what it shares with others, its manifest and its contract, aside.
    pub fn held_bytes(&self) -> usize {
        self.given + self.record.weight
    }

    /// The observation as it stands.
    pub fn observation(&self) -> &Arc<Value> {
        &self.observation
    }

    /// The manifest version the session keeps.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The question that waits, as clients see it.
    pub fn pending(&self, parts: &dyn Parts) -> Option<Value> {
        self.pending.as_ref().map(|pending| parts.pending(pending))
    }

    /// Name, version and digest of the manifest.
    pub fn manifest_reference(&self) -> Value {
        manifest_reference(&self.manifest)
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            manifest: &self.manifest,
            intent: self.goal.get("intent").and_then(Value::as_str),
            flags: &self.flags,
        }
    }

    /// Makes the contract for what this caller may do.
    fn offer(&mut self, parts: &dyn Parts, caller: &Caller) {
        let scope = self.scope();
        let offered = |action: &Action| {
            let needed = self.needed_scopes(parts, action);
            let access = parts.access();
            parts.may_use_action(&scope, action)
                && parts.in_session().offers(access, caller, &needed)
        };
        let actions = self.manifest.actions.iter().map(AsRef::as_ref);
        let allowed: Vec<&Action> = actions.filter(|action| offered(action)).collect();
        let contract = parts.contract(&scope, &allowed);
        let contract = parts.redact_text(Site::Prompt, &self.redactor, &contract);
        self.contract = self.contracts.share(contract);
        self.offered_to = Arc::clone(&caller.scopes);
    }

    /// Changes the status by the table and counts; an event that cannot happen leaves the status.
    fn change(&mut self, parts: &dyn Parts, event: Event) {
        self.steps_done = parts.steps_after(event, self.steps_done);
        if let Some(next) = parts.status_after(self.status, event) {
            self.status = next;
        }
        if let Some(changed) = parts.observation_without_step(event, &self.observation) {
            self.observation = Arc::new(changed);
        }
    }

    /// Goes on with another version of the manifest than the session was opened with.
    pub fn follow(&mut self, manifest: Arc<Manifest>) {
        self.manifest = manifest;
    }

    fn outcome(&self, parts: &dyn Parts, result: Option<Value>) -> Vec<Effect> {
        let outcome = Outcome {
            result,
            steps_done: self.steps_done,
            status: self.status,
            pending: self.pending(parts),
        };
        vec![Effect::Reply(Answer::ok(parts.step_answer(&outcome)))]
    }

    fn refuse(parts: &dyn Parts, error: &ErrorObject) -> Vec<Effect> {
        vec![Effect::Reply(Answer::error(parts, error))]
    }

    /// The next id of an intervention: made of the session's own unguessable id, so that the machine needs no chance.
    fn next_intervention_id(&self) -> String {
        let number = self.record.interventions.len() + 1;
        let digest = transcript::text_digest(&format!("{}/{number}", self.id));
        format!("iv_{}", digest.get(7..31).unwrap_or_default())
    }
}

/// Name, version and digest of a manifest, as several answers carry them.
pub fn manifest_reference(manifest: &Manifest) -> Value {
    json!({"name": manifest.name, "version": manifest.version.to_string(), "digest": manifest.digest})
}

/// A waiting question as clients see it.
pub fn pending_value(pending: &Pending) -> Value {
    match &pending.kind {
        Question::Declared(landing) => json!({
            "id": pending.id, "kind": "human_intervention", "prompt": pending.prompt,
            "action_name": landing.label, "args": landing.args, "output_schema": landing.action.output_schema,
        }),
        Question::Approval { landing, fallback } => {
            let mut shown = json!({
                "id": pending.id, "kind": "approval", "prompt": pending.prompt,
                "action_name": landing.label, "args": landing.args,
            });
            if let Some(fallback) = fallback {
                shown["fallback_action"] = Value::from(fallback.as_str());
            }
            shown
        }
        Question::InvalidPlan { refusals } => json!({
            "id": pending.id, "kind": "invalid_plan", "prompt": pending.prompt, "refusals": refusals,
        }),
    }
}

/// Whether a step call may go on in this status.
///
/// # Errors
/// `awaiting_human`, `session_finished`, or `session_not_found` once closed.
pub fn admit_step(status: Status) -> Result<(), ErrorObject> {
    match status {
        Status::Active => Ok(()),
        Status::AwaitingHuman => Err(ErrorObject::new(
            Code::AwaitingHuman,
            "the session waits for a person; answer its pending question first",
        )),
        Status::Closed => Err(not_found()),
        Status::Completed | Status::MaxStepsReached | Status::Failed | Status::Expired => {
            Err(ErrorObject::new(
                Code::SessionFinished,
                "the session has ended; close it to get its transcript",
            )
            .with("status", status.name()))
        }
    }
}

/// No open session has the id.
pub fn not_found() -> ErrorObject {
    ErrorObject::new(Code::SessionNotFound, "no open session has this id")
}
