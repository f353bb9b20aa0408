//! What happened when a case was run: plain data, and all that the judge is given.

use std::collections::BTreeMap;
use std::time::Duration;

use mock_services::{Call, UnusedEntry};
use serde_json::Value;

use super::case::Place;
use super::prepare::{Origins, Prepared};
use super::substitute::Bindings;
use super::target::Exchange;

/// Everything that was observed of one case.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The correlation token.
    pub token: String,
    /// The manifest that was registered before the first step.
    pub manifest: Prepared,
    /// Every document that was sent for registration, in snake_case form, by its digest.
    pub documents: BTreeMap<String, Value>,
    /// How the registration went.
    pub control: Control,
    /// The steps that were taken, as many as there was reason for.
    pub steps: Vec<StepObserved>,
    /// Why the rest was not taken.
    pub stop: Option<Stop>,
    /// Calls that reached the mocks.
    pub calls: Vec<Call>,
    /// Script entries that nobody asked for.
    pub unused: Vec<UnusedEntry>,
    /// Model calls without a token, known to be this case's because it ran alone.
    pub strays: Vec<Call>,
    /// The services' states when all was done, by name.
    pub states: BTreeMap<String, Value>,
    /// What was in the shared folder when all was done, as far as the case looks there, by name.
    pub files: BTreeMap<String, Value>,
    /// What the target told its operator, as far as the case looks there.
    pub signals: Seen,
    /// The transcript of the last close that gave one.
    pub transcript: Option<Value>,
    /// That the target ended meanwhile, where no other case can have been the reason.
    pub ended: Option<&'static str>,
    /// Where target and mocks were, if they were this case's own.
    pub whereabouts: Option<Whereabouts>,
    /// What went wrong in the suite itself.
    pub harness: Option<String>,
    /// How long it took.
    pub duration: Duration,
}

/// What a target told its operator of one case; what is `None` cannot be seen on it, or was not looked for.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The log lines: objects, and texts where a line is none.
    pub logs: Option<Value>,
    /// The spans.
    pub spans: Option<Value>,
    /// What was added to the metrics.
    pub metrics: Option<Value>,
    /// `{requests, slow_answers}`.
    pub collector: Option<Value>,
    /// The texts of all signals, as one list.
    pub told: Option<Value>,
    /// The same, each with its place.
    pub texts: Vec<(&'static str, String)>,
}

impl Seen {
    /// What is at a place; `None` also at those that are no signals.
    pub fn at(&self, place: Place<'_>) -> Option<&Value> {
        match place {
            Place::Logs => self.logs.as_ref(),
            Place::Spans => self.spans.as_ref(),
            Place::Metrics => self.metrics.as_ref(),
            Place::Collector => self.collector.as_ref(),
            Place::Texts => self.told.as_ref(),
            _ => None,
        }
    }
}

/// The positive control: the target must register a manifest before anything else it does can count.
#[derive(Debug, Clone, Default)]
pub struct Control {
    /// The registrations.
    pub exchanges: Vec<Exchange>,
    /// What was wrong with them.
    pub problem: Option<ControlProblem>,
}

impl Control {
    /// Why the steps cannot be taken, if they cannot.
    pub fn obstacle(&self) -> Option<&ControlProblem> {
        self.problem.as_ref().filter(|problem| !problem.soft)
    }
}

/// Why the positive control was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlProblem {
    /// Whether the steps were taken all the same: the manifest is registered, only its answer is wrong.
    pub soft: bool,
    /// What was wrong.
    pub message: String,
}

/// Where the target and the mocks of one case were.
#[derive(Debug, Clone)]
pub struct Whereabouts {
    /// The services.
    pub origins: Origins,
    /// Base URL of the model.
    pub model: String,
    /// Base URL of the target.
    pub target: String,
}

/// One step that was taken.
#[derive(Debug, Clone, Default)]
pub struct StepObserved {
    /// One exchange; several for simultaneous requests, in the order of the case.
    pub exchanges: Vec<Exchange>,
    /// What was bound when the answer was there.
    pub bindings: Bindings,
    /// Names that could not be saved, with their pointers.
    pub missing: Vec<(String, String)>,
    /// The figures of a step that measures, in place of an answer's body; they are no answer of the target.
    pub measured: Option<Value>,
    /// How many calls the journal of the mocks had when the last answer was there, where that was looked at.
    pub calls: Option<usize>,
}

/// Why a case was not run to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// A step names what nothing is bound to.
    Unbound {
        /// Index of that step.
        step: usize,
        /// The name.
        name: String,
    },
    /// The target gave no answer; the step is the last of those taken.
    NoAnswer,
    /// What the case measures cannot be seen on this target.
    Unseen(String),
}

impl Observed {
    /// Observations of a case of which nothing has been seen yet.
    pub fn new(token: String, manifest: Prepared) -> Self {
        Self {
            token,
            documents: BTreeMap::new(),
            manifest,
            control: Control::default(),
            steps: Vec::new(),
            stop: None,
            calls: Vec::new(),
            unused: Vec::new(),
            strays: Vec::new(),
            states: BTreeMap::new(),
            files: BTreeMap::new(),
            signals: Seen::default(),
            transcript: None,
            ended: None,
            whereabouts: None,
            harness: None,
            duration: Duration::ZERO,
        }
    }

    /// Observations of a case that the suite could not run.
    pub fn broken(token: &str, message: String) -> Self {
        let manifest = Prepared {
            document: Value::Null,
            name: String::new(),
            version: String::new(),
            digest: String::new(),
        };
        let mut observed = Self::new(token.to_owned(), manifest);
        observed.harness = Some(message);
        observed
    }
}
