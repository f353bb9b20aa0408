//! One conformance case, as its YAML file says it (`conformance/README.md`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::requirement::{Profile, Registry};

/// A case: what is sent, what the surroundings answer, and what must be observed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// A requirement and a slug; stable for ever.
    pub id: String,
    /// What must hold, in one sentence.
    pub title: String,
    /// Requirements it speaks for, the main one first.
    pub requirements: Vec<String>,
    /// Profiles the target must have besides `core`.
    #[serde(default)]
    pub needs: Vec<Profile>,
    /// Profiles the target must not have: the case is about refusing what belongs to them.
    #[serde(default)]
    pub lacks: Vec<Profile>,
    /// What is registered before the first step.
    pub manifest: ManifestChoice,
    /// Defaults for the body of `open`.
    #[serde(default)]
    pub session: SessionDefaults,
    /// The scripted model, raw; the mock services read it.
    #[serde(default)]
    pub model: Vec<Value>,
    /// The scripted services, raw.
    #[serde(default)]
    pub services: Map<String, Value>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// What must have been seen when all steps are done.
    #[serde(default)]
    pub expect: After,
    /// Mutants the case is expected to kill; checked by the self-test.
    #[serde(default)]
    pub kills: Vec<String>,
    /// For readers.
    #[serde(default)]
    pub notes: Option<String>,
    /// The file it was read from, relative to the folder of cases.
    #[serde(skip)]
    pub file: String,
    /// The text of that file.
    #[serde(skip)]
    pub source: String,
}

/// Which manifest a case or a step registers.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum ManifestChoice {
    /// A fixture as it stands, or `none`.
    Named(String),
    /// A fixture with changes.
    Changed(Changes),
}

/// A fixture and what is changed in it, in this order: `patch`, `drop_actions`, `action_patch`, `add_actions`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// The fixture in `fixtures/manifests/valid/`, without its ending.
    #[serde(rename = "use")]
    pub fixture: String,
    /// Merge patch (RFC 7386) on the whole document.
    #[serde(default)]
    pub patch: Option<Value>,
    /// Merge patch on the action of that name.
    #[serde(default)]
    pub action_patch: BTreeMap<String, Value>,
    /// Actions to take out.
    #[serde(default)]
    pub drop_actions: Vec<String>,
    /// Actions to append.
    #[serde(default)]
    pub add_actions: Vec<Value>,
}

/// Defaults for the body of `open`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionDefaults {
    /// Text of the goal; the harness adds the token.
    pub goal: Option<String>,
    /// Intent the goal names.
    pub intent: Option<String>,
    /// Most steps of the session.
    pub max_steps: Option<u64>,
    /// Feature flags.
    pub flags: Option<Vec<String>>,
    /// `environment` of the initial observation.
    pub environment: Option<Value>,
    /// `user_context.preferences` of the initial observation.
    pub preferences: Option<Value>,
    /// `timestamp` of the initial observation.
    pub timestamp: Option<String>,
}

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
    /// Anything else.
    Request(Request),
    /// Several at the same time.
    Together(Vec<Stimulus>),
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

/// A text many times.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// The text.
    pub text: String,
    /// How often.
    pub times: usize,
}

/// What is expected of a step.
#[derive(Debug, Clone, Default)]
pub enum Expect {
    /// Nothing.
    #[default]
    Nothing,
    /// Of its one answer.
    One(AnswerExpect),
    /// Of the answers to simultaneous requests.
    Many(ManyExpect),
}

/// What one answer must look like; the members are matchers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerExpect {
    /// HTTP status.
    #[serde(default, deserialize_with = "present")]
    pub status: Option<Value>,
    /// Headers by lower-case name.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
    /// The body as JSON, or as a string when it is none.
    #[serde(default, deserialize_with = "present")]
    pub body: Option<Value>,
}

/// What simultaneous answers must look like.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManyExpect {
    /// Every one of them.
    #[serde(default)]
    pub each: Option<AnswerExpect>,
    /// Counts over them.
    #[serde(default)]
    pub tally: Vec<Tally>,
}

/// How many answers look like something.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Which are counted.
    pub of: AnswerExpect,
    /// How many there must be, a matcher.
    pub is: Value,
}

/// What must have been seen when all steps are done.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// What the services saw.
    #[serde(default)]
    services: Option<Value>,
    /// What the model saw.
    #[serde(default)]
    model: Option<Value>,
    /// The transcript that close returned.
    #[serde(default, deserialize_with = "present")]
    transcript: Option<Value>,
    /// Requirements these expectations speak for; empty means those of the case.
    #[serde(default)]
    cites: Vec<String>,
}

/// One expectation on what was seen, with the requirements it speaks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight<'a> {
    /// What is looked at.
    pub place: Place<'a>,
    /// The matcher.
    pub matcher: &'a Value,
    /// Its own citations; empty means those of the case.
    pub cites: Vec<String>,
}

/// What an expectation after the steps looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// How many calls a service got.
    ServiceCalls(&'a str),
    /// The calls a service got.
    ServiceRequests(&'a str),
    /// A service's state.
    ServiceState(&'a str),
    /// How many requests the model got.
    ModelCalls,
    /// The requests the model got.
    ModelRequests,
    /// The transcript.
    Transcript,
}

impl After {
    /// The single expectations, in a fixed order.
    pub fn sights(&self) -> Vec<Sight<'_>> {
        let mut sights = Vec::new();
        if let Some(block) = &self.services {
            let (services, cites) = self.unwrap_block(block);
            for (name, service) in services.as_object().into_iter().flatten() {
                let cites = own_cites(service).unwrap_or_else(|| cites.clone());
                for (member, place) in [
                    ("calls", Place::ServiceCalls(name)),
                    ("requests", Place::ServiceRequests(name)),
                    ("state", Place::ServiceState(name)),
                ] {
                    sights.extend(service.get(member).map(|matcher| Sight {
                        place,
                        matcher,
                        cites: cites.clone(),
                    }));
                }
            }
        }
        if let Some(block) = &self.model {
            let (model, cites) = self.unwrap_block(block);
            let cites = own_cites(model).unwrap_or(cites);
            for (member, place) in [
                ("calls", Place::ModelCalls),
                ("requests", Place::ModelRequests),
            ] {
                sights.extend(model.get(member).map(|matcher| Sight {
                    place,
                    matcher,
                    cites: cites.clone(),
                }));
            }
        }
        if let Some(block) = &self.transcript {
            let (matcher, cites) = self.unwrap_block(block);
            sights.push(Sight {
                place: Place::Transcript,
                matcher,
                cites,
            });
        }
        sights
    }

    /// A block is the expectation itself, or `{match, cites}`.
    fn unwrap_block<'a>(&self, block: &'a Value) -> (&'a Value, Vec<String>) {
        match (block.get("match"), own_cites(block)) {
            (Some(inner), Some(cites)) => (inner, cites),
            _ => (block, self.cites.clone()),
        }
    }
}

fn own_cites(block: &Value) -> Option<Vec<String>> {
    let cites = block.get("cites")?.as_array()?;
    Some(
        cites
            .iter()
            .filter_map(|cite| cite.as_str().map(str::to_owned))
            .collect(),
    )
}

impl Case {
    /// The profiles a target needs for this case: `core`, those it names, and its main requirement's own.
    pub fn profiles(&self, registry: &Registry) -> BTreeSet<Profile> {
        let mut profiles: BTreeSet<Profile> = self.needs.iter().copied().collect();
        profiles.insert(Profile::Core);
        profiles.insert(self.profile(registry));
        profiles
    }

    /// The profile of the main requirement; of an unknown one the last that is needed.
    pub fn profile(&self, registry: &Registry) -> Profile {
        self.requirements
            .first()
            .and_then(|id| registry.get(id))
            .map(|requirement| requirement.profile)
            .or_else(|| self.needs.last().copied())
            .unwrap_or(Profile::Core)
    }

    /// Every requirement that some expectation of the case speaks for.
    pub fn cited(&self) -> BTreeSet<&str> {
        let mut cited: BTreeSet<&str> = self.requirements.iter().map(String::as_str).collect();
        for step in &self.steps {
            cited.extend(step.cites.iter().map(String::as_str));
        }
        cited.extend(self.expect.cites.iter().map(String::as_str));
        for block in [&self.expect.services, &self.expect.model, &self.expect.transcript]
            .into_iter()
            .flatten()
        {
            collect_cites(block, &mut cited);
        }
        cited
    }

    /// Whether the manifest is `none`: only the control manifest is registered.
    pub fn without_manifest(&self) -> bool {
        matches!(&self.manifest, ManifestChoice::Named(name) if name == "none")
    }

    /// The fixture and changes the case registers; `None` for `none`.
    pub fn manifest_changes(&self) -> Option<Changes> {
        match &self.manifest {
            ManifestChoice::Named(name) if name == "none" => None,
            ManifestChoice::Named(name) => Some(Changes {
                fixture: name.clone(),
                ..Changes::default()
            }),
            ManifestChoice::Changed(changes) => Some(changes.clone()),
        }
    }

    /// The script of the mocks: `{model, services}`.
    pub fn script(&self) -> Value {
        serde_json::json!({"model": self.model, "services": self.services})
    }
}

/// Citations of a block and of its direct members; deeper `cites` are data of a matcher.
fn collect_cites<'a>(block: &'a Value, cited: &mut BTreeSet<&'a str>) {
    let inner = block.get("match");
    let services = inner.unwrap_or(block).as_object();
    for holder in std::iter::once(block)
        .chain(inner)
        .chain(services.into_iter().flat_map(|members| members.values()))
    {
        for cite in holder
            .get("cites")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            cited.extend(cite.as_str().filter(|text| is_requirement_id(text)));
        }
    }
}

/// Whether a text has the form of a requirement's id, `ACT-007`.
pub fn is_requirement_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 7
        && bytes[..3].iter().all(u8::is_ascii_uppercase)
        && bytes[3] == b'-'
        && bytes[4..].iter().all(u8::is_ascii_digit)
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
}

impl TryFrom<RawStep> for Step {
    type Error = String;

    fn try_from(raw: RawStep) -> Result<Self, String> {
        let RawStep {
            open,
            step,
            answer,
            close,
            register,
            request,
            together,
            name,
            expect,
            save,
            cites,
            setup,
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
        stimuli.extend(register.map(Stimulus::Register));
        stimuli.extend(request.map(Stimulus::Request));
        if let Some(inner) = together {
            let inner = inner
                .into_iter()
                .map(|raw| match Step::try_from(raw)?.stimulus {
                    Stimulus::Together(_) => {
                        Err("together stands inside together; list the requests once".to_owned())
                    }
                    stimulus => Ok(stimulus),
                })
                .collect::<Result<_, _>>()?;
            stimuli.push(Stimulus::Together(inner));
        }
        let (Some(stimulus), None) = (stimuli.pop(), stimuli.pop()) else {
            return Err(
                "a step has exactly one of open, step, answer, close, register, request, together"
                    .to_owned(),
            );
        };
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

/// Keeps `null` apart from a member that is not there.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The verdict-relevant summary of a case that `list` and `show` print.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Requirements it speaks for.
    pub requirements: Vec<String>,
    /// The profile of its main requirement.
    pub profile: Profile,
    /// Profiles a target needs for it.
    pub needs: BTreeSet<Profile>,
    /// Mutants it is expected to kill.
    pub kills: Vec<String>,
    /// Its file.
    pub file: String,
}

impl Case {
    /// The summary that lists print.
    pub fn summary(&self, registry: &Registry) -> Summary {
        Summary {
            id: self.id.clone(),
            title: self.title.clone(),
            requirements: self.requirements.clone(),
            profile: self.profile(registry),
            needs: self.profiles(registry),
            kills: self.kills.clone(),
            file: self.file.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn step(value: Value) -> Result<Step, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_step_has_one_stimulus() {
        assert!(matches!(step(json!({"step": null})).expect("reads").stimulus, Stimulus::Step(_)));
        assert!(matches!(step(json!({"open": {"max_steps": 2}})).expect("reads").stimulus, Stimulus::Open(_)));
        assert!(step(json!({"name": "x"})).is_err());
        assert!(step(json!({"open": {}, "step": {}})).is_err());
        assert!(step(json!({"stepp": {}})).is_err());
        assert!(step(json!({"step": {"heders": {}}})).is_err());
        assert!(step(json!({"together": [{"together": []}]})).is_err());
    }

    #[test]
    fn expectations_differ_for_simultaneous_requests() {
        let one = step(json!({"step": {}, "expect": {"status": 200, "body": null}})).expect("reads");
        assert!(matches!(one.expect, Expect::One(AnswerExpect { body: Some(Value::Null), .. })));
        let many = json!({"together": [{"step": {}}, {"close": {}}], "expect": {"tally": [{"of": {"status": 200}, "is": 1}]}});
        assert!(matches!(step(many).expect("reads").expect, Expect::Many(_)));
        assert!(step(json!({"step": {}, "expect": {"each": {}}})).is_err());
    }

    #[test]
    fn sights_carry_the_nearest_citations() {
        let after: After = serde_json::from_value(json!({
            "services": {"calendar": {"calls": 0, "cites": ["ACT-001"]}, "crm": {"state": {}}},
            "model": {"match": {"calls": 2}, "cites": ["MOD-001"]},
            "transcript": {"status": "closed"},
            "cites": ["STP-001"]
        }))
        .expect("reads");
        let sights: Vec<_> = after
            .sights()
            .into_iter()
            .map(|sight| (sight.place, sight.cites.join(",")))
            .collect();
        assert_eq!(
            sights,
            [
                (Place::ServiceCalls("calendar"), "ACT-001".to_owned()),
                (Place::ServiceState("crm"), "STP-001".to_owned()),
                (Place::ModelCalls, "MOD-001".to_owned()),
                (Place::Transcript, "STP-001".to_owned()),
            ]
        );
    }

    #[test]
    fn requirement_ids_have_one_form() {
        assert!(is_requirement_id("ACT-007"));
        for text in ["act-007", "ACT-07", "ACT-0077", "ACT_007", ""] {
            assert!(!is_requirement_id(text), "{text}");
        }
    }
}
