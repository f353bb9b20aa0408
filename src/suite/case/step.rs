//! One step of a case: its stimulus, and what it brings back to later steps.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Changes;
use super::expectation::Expect;
use super::measure::{Calibrate, Processor};
use super::present;

/// One stimulus and what is expected of its answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "RawStep")]
pub struct Step {
    /// What is sent.
    pub stimulus: Stimulus,
    /// Its name in reports.
    pub name: Option<String>,
    /// What must come back.
    pub expect: Expect,
    /// Names bound to values of the answer's body, by JSON Pointer.
    pub save: BTreeMap<String, String>,
    /// Requirements the expectation speaks for; empty means those of the case.
    pub cites: Vec<String>,
    /// Whether an unmet expectation means that the case could not be set up.
    pub setup: bool,
    /// Of simultaneous requests: whether the first goes ahead, until it has reached the model or a service or was answered.
    pub head_start: bool,
    /// Who sends it, by the names of the case's identities; for simultaneous requests one each, in their order.
    pub callers: Vec<Option<String>>,
}

/// What a step sends.
#[derive(Debug, Clone)]
pub enum Stimulus {
    /// `POST /sessions`; a merge patch on the body that the harness builds, and `$headers`.
    Open(Map<String, Value>),
    /// `POST /sessions/{id}/step`.
    Step(Call),
    /// `POST /sessions/{id}/interventions/{iid}`; the body, and `$headers`.
    Answer(Map<String, Value>),
    /// `POST /sessions/{id}/close`.
    Close(Call),
    /// `POST /manifests`.
    Register(Register),
    /// `POST /execute`; members that take the place of those of the body that the harness builds, `$drop` and `$headers`.
    Execute(Map<String, Value>),
    /// `POST /execute` with what the last 202 brought, and a decision; members as of `Execute`.
    Resume(Map<String, Value>),
    /// `POST /plan`; members as of `Execute`.
    Plan(Map<String, Value>),
    /// Moves the target's clock forward.
    Advance(Advance),
    /// `POST /execute` again and again: finds how much work fits a limit.
    Calibrate(Calibrate),
    /// `POST /execute` again and again: measures the processor time of the target.
    Processor(Processor),
    /// Anything else.
    Request(Request),
    /// Several at the same time.
    Together(Vec<Stimulus>),
}

/// How far the target's clock is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advance {
    /// Seconds, at least one.
    pub seconds: u32,
}

/// A call on a session.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Request headers to add.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Another session than `${session}`.
    #[serde(default)]
    pub session: Option<String>,
    /// JSON body; none if absent.
    #[serde(default, deserialize_with = "present")]
    pub body: Option<Value>,
}

/// A registration within the steps.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// A fixture, possibly with changes.
    #[serde(rename = "use", default)]
    pub fixture: Option<String>,
    /// See [`Changes::patch`].
    #[serde(default)]
    pub patch: Option<Value>,
    /// See [`Changes::action_patch`].
    #[serde(default)]
    pub action_patch: BTreeMap<String, Value>,
    /// See [`Changes::drop_actions`].
    #[serde(default)]
    pub drop_actions: Vec<String>,
    /// See [`Changes::add_actions`].
    #[serde(default)]
    pub add_actions: Vec<Value>,
    /// A document of the case's own.
    #[serde(default, deserialize_with = "present")]
    pub document: Option<Value>,
    /// Raw text in place of a document.
    #[serde(default)]
    pub text: Option<String>,
    /// Request headers to add.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

impl Register {
    /// The fixture and its changes, when a fixture is used.
    pub fn changes(&self) -> Option<Changes> {
        self.fixture.as_ref().map(|fixture| Changes {
            fixture: fixture.clone(),
            patch: self.patch.clone(),
            action_patch: self.action_patch.clone(),
            drop_actions: self.drop_actions.clone(),
            add_actions: self.add_actions.clone(),
        })
    }
}

/// A request of the case's own making.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Path with its query.
    pub path: String,
    /// Request headers; `content-type` is `application/json` unless given.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Body as JSON.
    #[serde(default, deserialize_with = "present")]
    pub json: Option<Value>,
    /// Body as text.
    #[serde(default)]
    pub text: Option<String>,
    /// Body as bytes in base64.
    #[serde(default)]
    pub base64: Option<String>,
    /// Body made of one text many times.
    #[serde(default)]
    pub repeat: Option<Repeat>,
}

/// A text many times, possibly within another.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// The text.
    pub text: String,
    /// How often.
    pub times: usize,
    /// What stands before; names in it are replaced.
    #[serde(default)]
    pub before: String,
    /// What stands after; names in it are replaced.
    #[serde(default)]
    pub after: String,
}

impl Step {
    /// Where it is in reports; `index` counts from 0.
    pub fn place(&self, index: usize) -> String {
        let name = self.name.as_deref().unwrap_or_else(|| self.stimulus.verb());
        format!("step {} ({name})", index + 1)
    }
}

impl Stimulus {
    /// What the stimulus is called in reports.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Step(_) => "step",
            Self::Answer(_) => "answer",
            Self::Close(_) => "close",
            Self::Register(_) => "register",
            Self::Execute(_) => "execute",
            Self::Resume(_) => "resume",
            Self::Plan(_) => "plan",
            Self::Advance(_) => "advance",
            Self::Calibrate(_) => "calibrate",
            Self::Processor(_) => "processor",
            Self::Request(_) => "request",
            Self::Together(_) => "together",
        }
    }
}

/// The members of a step before its one stimulus is picked out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    #[serde(default, deserialize_with = "present")]
    open: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    step: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    answer: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    close: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    execute: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    resume: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    plan: Option<Value>,
    #[serde(default)]
    advance: Option<Advance>,
    #[serde(default)]
    calibrate: Option<Calibrate>,
    #[serde(default)]
    processor: Option<Processor>,
    #[serde(default)]
    register: Option<Register>,
    #[serde(default)]
    request: Option<Request>,
    #[serde(default)]
    together: Option<Vec<RawStep>>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    expect: Option<Value>,
    #[serde(default)]
    save: BTreeMap<String, String>,
    #[serde(default)]
    cites: Vec<String>,
    #[serde(default)]
    setup: bool,
    #[serde(default)]
    head_start: bool,
    #[serde(default, rename = "as")]
    caller: Option<String>,
}

impl TryFrom<RawStep> for Step {
    type Error = String;

    fn try_from(raw: RawStep) -> Result<Self, String> {
        let RawStep {
            open,
            step,
            answer,
            close,
            execute,
            resume,
            plan,
            advance,
            calibrate,
            processor,
            register,
            request,
            together,
            name,
            expect,
            save,
            cites,
            setup,
            head_start,
            caller,
        } = raw;
        let mut stimuli = Vec::new();
        if let Some(value) = open {
            stimuli.push(Stimulus::Open(members(value, "open")?));
        }
        if let Some(value) = step {
            stimuli.push(Stimulus::Step(call(value, "step")?));
        }
        if let Some(value) = answer {
            stimuli.push(Stimulus::Answer(members(value, "answer")?));
        }
        if let Some(value) = close {
            stimuli.push(Stimulus::Close(call(value, "close")?));
        }
        if let Some(value) = execute {
            stimuli.push(Stimulus::Execute(members(value, "execute")?));
        }
        if let Some(value) = resume {
            stimuli.push(Stimulus::Resume(members(value, "resume")?));
        }
        if let Some(value) = plan {
            stimuli.push(Stimulus::Plan(members(value, "plan")?));
        }
        stimuli.extend(advance.map(Stimulus::Advance));
        stimuli.extend(calibrate.map(Stimulus::Calibrate));
        stimuli.extend(processor.map(Stimulus::Processor));
        stimuli.extend(register.map(Stimulus::Register));
        stimuli.extend(request.map(Stimulus::Request));
        let mut callers = Vec::new();
        if let Some(inner) = together {
            let mut together = Vec::new();
            for raw in inner {
                let step = Step::try_from(raw)?;
                match step.stimulus {
                    Stimulus::Together(_) => {
                        return Err(
                            "together stands inside together; list the requests once".to_owned()
                        );
                    }
                    Stimulus::Advance(_) => {
                        return Err("the clock is moved in a step of its own".to_owned());
                    }
                    Stimulus::Calibrate(_) | Stimulus::Processor(_) => {
                        return Err("what is measured is measured in a step of its own".to_owned());
                    }
                    stimulus => together.push(stimulus),
                }
                callers.extend(
                    step.callers
                        .into_iter()
                        .map(|own| own.or_else(|| caller.clone())),
                );
            }
            stimuli.push(Stimulus::Together(together));
        } else {
            callers.push(caller);
        }
        let (Some(stimulus), None) = (stimuli.pop(), stimuli.pop()) else {
            return Err(
                "a step has exactly one of open, step, answer, close, execute, resume, plan, advance, calibrate, processor, register, request, together"
                    .to_owned(),
            );
        };
        if matches!(stimulus, Stimulus::Advance(Advance { seconds: 0 })) {
            return Err("advance moves the clock by at least one second".to_owned());
        }
        if head_start && !matches!(stimulus, Stimulus::Together(_)) {
            return Err("head_start is for together; take it out".to_owned());
        }
        let expect = match (expect, &stimulus) {
            (None, _) => Expect::Nothing,
            (Some(value), Stimulus::Together(_)) => {
                Expect::Many(serde_json::from_value(value).map_err(|error| error.to_string())?)
            }
            (Some(value), _) => {
                Expect::One(serde_json::from_value(value).map_err(|error| error.to_string())?)
            }
        };
        Ok(Self {
            stimulus,
            name,
            expect,
            save,
            cites,
            setup,
            head_start,
            callers,
        })
    }
}

/// `null` where a map is allowed stands for an empty one: `- step:` is `- step: {}`.
fn members(value: Value, name: &str) -> Result<Map<String, Value>, String> {
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(members) => Ok(members),
        _ => Err(format!("{name} takes a map")),
    }
}

fn call(value: Value, name: &str) -> Result<Call, String> {
    serde_json::from_value(Value::Object(members(value, name)?))
        .map_err(|error| format!("{name}: {error}"))
}
