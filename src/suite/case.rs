//! One conformance case, as its YAML file says it (`conformance/README.md`).

mod expectation;
mod files;
mod identity;
mod measure;
mod runtimes;
mod step;

use std::collections::{BTreeMap, BTreeSet};

use mock_services::{CollectorFault, ModelWire};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::requirement::{Extension, Profile, Registry};

pub use expectation::{After, AnswerExpect, Expect, ManyExpect, Place, Sight, Tally};
pub use files::{Laid, SCHEMES};
pub use identity::{Identity, Signer};
pub use measure::{Calibrate, Processor};
pub use runtimes::{Variant, id_in_file, variants};
pub use step::{Advance, Call, Register, Repeat, Request, Step, Stimulus};

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
    /// Extensions of the draft that the target must offer.
    #[serde(default)]
    pub extensions: Vec<Extension>,
    /// Extensions of the draft that the target must not offer: the case is about refusing what belongs to them.
    #[serde(default)]
    pub without: Vec<Extension>,
    /// The wires of the model that the case is about; it does not apply to a target that speaks another.
    #[serde(default)]
    pub wires: Vec<ModelWire>,
    /// What is registered before the first step.
    pub manifest: ManifestChoice,
    /// Defaults for the body of `open`.
    #[serde(default)]
    pub session: SessionDefaults,
    /// Who calls, by name; `user` is who calls unless a step says otherwise.
    #[serde(default)]
    pub access: BTreeMap<String, Identity>,
    /// The scripted model, raw; the mock services read it.
    #[serde(default)]
    pub model: Vec<Value>,
    /// The scripted services, raw.
    #[serde(default)]
    pub services: Map<String, Value>,
    /// How the collector of traces fails while the case runs.
    #[serde(default)]
    pub collector: CollectorFault,
    /// What is in the folder that harness and target share, below the case's root; one leading `../` is beside it.
    #[serde(default)]
    pub files: BTreeMap<String, Laid>,
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
    /// The language of its code, where its file is one case for each.
    #[serde(skip)]
    pub language: Option<&'static str>,
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
        cited.extend(self.expect.cited());
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

    /// Whether it moves the target's clock: then no other case may run at the same time.
    pub fn moves_clock(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step.stimulus, Stimulus::Advance(_)))
    }

    /// Whether it looks at what a target counts over all its callers, or has the collector fail for all.
    fn counts(&self) -> bool {
        let counted = |sight: &Sight<'_>| matches!(sight.place, Place::Metrics | Place::Collector);
        self.collector != CollectorFault::None || self.expect.sights().iter().any(counted)
    }

    /// Whether no other case may run at the same time: the clock is everybody's, so is the processor, and so are counters.
    pub fn runs_alone(&self) -> bool {
        self.moves_clock() || self.measures() || self.counts()
    }

    /// Whether it registers or reads manifests itself, besides the one that it begins with, or is about registration.
    pub fn registers(&self) -> bool {
        fn touches(stimulus: &Stimulus) -> bool {
            match stimulus {
                Stimulus::Register(_) => true,
                Stimulus::Request(request) => request.path.starts_with("/manifests"),
                Stimulus::Together(inner) => inner.iter().any(touches),
                _ => false,
            }
        }
        self.id.starts_with("REG-") || self.steps.iter().any(|step| touches(&step.stimulus))
    }

    /// Whether it measures processor time, directly or by what fits into it.
    pub fn measures(&self) -> bool {
        self.steps.iter().any(|step| {
            matches!(
                step.stimulus,
                Stimulus::Calibrate(_) | Stimulus::Processor(_)
            )
        })
    }

    /// Whether it cannot be judged where the target asks another model than the scripted one: it has a script, or looks at
    /// what the model was asked.
    pub fn needs_scripted_model(&self) -> bool {
        let looks =
            |sight: &Sight<'_>| matches!(sight.place, Place::ModelCalls | Place::ModelRequests);
        !self.model.is_empty() || self.expect.sights().iter().any(looks)
    }

    /// The script of the mocks: `{model, services}`.
    pub fn script(&self) -> Value {
        serde_json::json!({"model": self.model, "services": self.services})
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

/// Keeps `null` apart from a member that is not there.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
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
        assert!(matches!(
            step(json!({"step": null})).expect("reads").stimulus,
            Stimulus::Step(_)
        ));
        assert!(matches!(
            step(json!({"open": {"max_steps": 2}}))
                .expect("reads")
                .stimulus,
            Stimulus::Open(_)
        ));
        assert!(step(json!({"name": "x"})).is_err());
        assert!(step(json!({"open": {}, "step": {}})).is_err());
        assert!(step(json!({"stepp": {}})).is_err());
        assert!(step(json!({"step": {"heders": {}}})).is_err());
        assert!(step(json!({"together": [{"together": []}]})).is_err());
        let ahead = json!({"together": [{"step": {}}, {"close": {}}], "head_start": true});
        assert!(step(ahead).expect("reads").head_start);
        assert!(step(json!({"step": {}, "head_start": true})).is_err());
    }

    #[test]
    fn expectations_differ_for_simultaneous_requests() {
        let one =
            step(json!({"step": {}, "expect": {"status": 200, "body": null}})).expect("reads");
        assert!(matches!(
            one.expect,
            Expect::One(AnswerExpect {
                body: Some(Value::Null),
                ..
            })
        ));
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
