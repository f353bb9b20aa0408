//! Whether a case is about a target at all: one function, so that there is one answer.

use std::collections::{BTreeMap, BTreeSet};

use mock_services::ModelWire;
use serde::Serialize;
use serde_json::Value;

use super::case::{Case, SCHEMES};
use crate::requirement::{Extension, Profile, Registry};

/// What a target says it can do, declared or discovered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Capabilities {
    /// The profiles it implements; `core` always among them.
    pub profiles: BTreeSet<Profile>,
    /// Code runtimes that `run_code` offers.
    pub runtimes: Vec<String>,
    /// The extensions of the draft that it offers.
    pub extensions: BTreeSet<Extension>,
    /// Whether manifests can be registered with `POST /manifests`.
    pub registers: bool,
    /// Whether it is started with the manifest of each case instead.
    pub delivered: bool,
    /// Cases and requirements (by id) that its maker says it cannot do, with the reason; they stay in the denominators.
    pub cannot: BTreeMap<String, String>,
    /// Whether it asks the scripted model; one that asks a model of its own is judged as in production.
    pub model: bool,
    /// The wire in which it asks that model.
    pub wire: ModelWire,
    /// Whether its clock can be moved.
    pub clock: bool,
    /// Whether there is a folder that it shares with the harness.
    pub files: bool,
    /// Whether it was told where the mock object store is.
    pub objects: bool,
    /// The schemes of roots that it offers; `None`: all that there are.
    pub schemes: Option<Vec<String>>,
    /// Who it says it is.
    pub implementation: Option<Value>,
}

impl Capabilities {
    /// A target with these profiles that registers manifests.
    pub fn of(profiles: impl IntoIterator<Item = Profile>) -> Self {
        let mut profiles: BTreeSet<Profile> = profiles.into_iter().collect();
        profiles.insert(Profile::Core);
        Self {
            profiles,
            runtimes: Vec::new(),
            extensions: BTreeSet::new(),
            registers: true,
            delivered: false,
            cannot: BTreeMap::new(),
            model: true,
            wire: ModelWire::default(),
            clock: false,
            files: false,
            objects: true,
            schemes: None,
            implementation: None,
        }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "applies", content = "reason", rename_all = "snake_case")]
pub enum Applicability {
    /// The case is run and judged.
    Applicable,
    /// The case is about a profile that the target does not declare.
    NotApplicable(String),
    /// The target declares the profile, but its maker says that this is missing.
    NotImplemented(String),
    /// The case applies, and what it is about cannot be seen on this target.
    NotObserved(String),
}

/// Decides it. With `force` every case applies: null targets are to be failed by each.
pub fn applicability(
    case: &Case,
    registry: &Registry,
    capabilities: &Capabilities,
    force: bool,
) -> Applicability {
    if force {
        return Applicability::Applicable;
    }
    let missing: Vec<&str> = case
        .profiles(registry)
        .difference(&capabilities.profiles)
        .map(|profile| profile.name())
        .collect();
    if !missing.is_empty() {
        return Applicability::NotApplicable(format!(
            "the target does not declare {}",
            missing.join(", ")
        ));
    }
    if let Some(profile) = case
        .lacks
        .iter()
        .find(|profile| capabilities.profiles.contains(*profile))
    {
        return Applicability::NotApplicable(format!(
            "the case is about a target without {}, which this one declares",
            profile.name()
        ));
    }
    if let Some(reason) = wrong_extension(case, capabilities) {
        return Applicability::NotApplicable(reason);
    }
    if case.moves_clock() && !capabilities.clock {
        return Applicability::NotApplicable(
            "the case moves the clock, and the target offers none that can be moved".to_owned(),
        );
    }
    if !case.wires.is_empty() && !case.wires.contains(&capabilities.wire) {
        return Applicability::NotApplicable(format!(
            "the case is about another wire of the model than {}, which the target speaks",
            capabilities.wire
        ));
    }
    if let Some(reason) = missing_root(case, capabilities) {
        return Applicability::NotApplicable(reason);
    }
    let named = std::iter::once(&case.id).chain(&case.requirements);
    if let Some((id, reason)) = named
        .into_iter()
        .find_map(|id| capabilities.cannot.get_key_value(id))
    {
        return Applicability::NotImplemented(format!(
            "the target's maker says it cannot do {id}: {reason}"
        ));
    }
    if !capabilities.registers {
        return Applicability::NotImplemented(
            "the target does not register manifests, which this case needs".to_owned(),
        );
    }
    if capabilities.delivered && case.registers() {
        return Applicability::NotImplemented(
            "the target takes its manifest from a file, and the case registers manifests or is about that".to_owned(),
        );
    }
    if !capabilities.model && case.needs_scripted_model() {
        return Applicability::NotObserved(
            "the target asks a model of its own, and the case needs the scripted one".to_owned(),
        );
    }
    Applicability::Applicable
}

/// Why the extensions that the target offers are not those that the case is about.
fn wrong_extension(case: &Case, capabilities: &Capabilities) -> Option<String> {
    let offered = &capabilities.extensions;
    let missing = |extension: &&Extension| !offered.contains(*extension);
    if let Some(extension) = case.extensions.iter().find(missing) {
        return Some(format!(
            "the target does not offer the extension {extension}"
        ));
    }
    let there = |extension: &&Extension| offered.contains(*extension);
    case.without.iter().find(there).map(|extension| {
        format!(
            "the case is about a target without the extension {extension}, which this one offers"
        )
    })
}

/// Why a root of the case cannot be accepted by the target.
fn missing_root(case: &Case, capabilities: &Capabilities) -> Option<String> {
    let offers = |scheme: &str| match &capabilities.schemes {
        Some(offered) => offered.iter().any(|offered| offered == scheme),
        None => true,
    };
    if let Some(scheme) = SCHEMES
        .into_iter()
        .find(|scheme| !offers(scheme) && case.has_root(scheme))
    {
        return Some(format!("the target offers no roots of scheme {scheme}"));
    }
    if !capabilities.files && case.shares_files() {
        return Some("the case needs a folder that the target shares with the harness".to_owned());
    }
    (!capabilities.objects && case.has_root("s3"))
        .then(|| "the target was not told where the mock object store is".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn registry() -> Registry {
        let mut registry = Registry::default();
        registry.add_section(
            "steps",
            r#"
            [[requirement]]
            id = "STP-001"
            level = "MUST"
            profile = "session"
            quote = "A step is a step."
            judged = "live"
            "#,
            "A step is a step.",
        );
        registry
    }

    fn case(needs: &[&str]) -> Case {
        serde_json::from_value(json!({
            "id": "STP-001-a", "title": "t", "requirements": ["STP-001"], "needs": needs,
            "manifest": "none", "steps": [{"step": {}}]
        }))
        .expect("a case")
    }

    fn decide(needs: &[&str], capabilities: &Capabilities, force: bool) -> Applicability {
        applicability(&case(needs), &registry(), capabilities, force)
    }

    #[test]
    fn profiles_decide() {
        let session = Capabilities::of([Profile::Session]);
        assert_eq!(
            decide(&["session"], &session, false),
            Applicability::Applicable
        );
        assert!(matches!(
            decide(&["session", "human"], &session, false),
            Applicability::NotApplicable(reason) if reason.contains("human")
        ));
        // The requirement's own profile counts although the case does not name it.
        let core = Capabilities::of([]);
        assert!(matches!(
            decide(&[], &core, false),
            Applicability::NotApplicable(_)
        ));
    }

    #[test]
    fn a_profile_that_must_be_missing_decides_too() {
        let mut guarded = case(&["session"]);
        guarded.lacks = vec![Profile::Access];
        let decide = |profiles: &[Profile]| {
            applicability(
                &guarded,
                &registry(),
                &Capabilities::of(profiles.iter().copied()),
                false,
            )
        };
        assert_eq!(decide(&[Profile::Session]), Applicability::Applicable);
        assert!(matches!(
            decide(&[Profile::Session, Profile::Access]),
            Applicability::NotApplicable(reason) if reason.contains("access")
        ));
    }

    #[test]
    fn what_the_maker_admits_is_not_implemented() {
        let mut target = Capabilities::of([Profile::Session]);
        target.cannot.insert("STP-001".into(), "later".into());
        assert!(matches!(
            decide(&[], &target, false),
            Applicability::NotImplemented(reason) if reason.ends_with("STP-001: later")
        ));
        target.cannot.clear();
        target.registers = false;
        assert!(matches!(
            decide(&[], &target, false),
            Applicability::NotImplemented(_)
        ));
    }

    #[test]
    fn a_missing_profile_comes_before_what_is_admitted() {
        let mut target = Capabilities::of([]);
        target.cannot.insert("STP-001".into(), "later".into());
        assert!(matches!(
            decide(&[], &target, false),
            Applicability::NotApplicable(_)
        ));
    }

    #[test]
    fn roots_decide_too() {
        let mut target = Capabilities::of([Profile::Session]);
        let mut shared = case(&["session"]);
        shared.source = "root: file:///srv/notes/a/".to_owned();
        let decide =
            |case: &Case, target: &Capabilities| applicability(case, &registry(), target, false);
        assert!(matches!(
            decide(&shared, &target),
            Applicability::NotApplicable(reason) if reason.contains("folder")
        ));
        target.files = true;
        assert_eq!(decide(&shared, &target), Applicability::Applicable);
        target.schemes = Some(vec!["memory".to_owned()]);
        assert!(matches!(
            decide(&shared, &target),
            Applicability::NotApplicable(reason) if reason.contains("file")
        ));
        shared.source = "root: memory:a/".to_owned();
        assert_eq!(decide(&shared, &target), Applicability::Applicable);
        shared.source = "root: s3://notes-bucket/".to_owned();
        (target.schemes, target.objects) = (None, false);
        assert!(matches!(
            decide(&shared, &target),
            Applicability::NotApplicable(reason) if reason.contains("object store")
        ));
    }

    #[test]
    fn extensions_decide_too() {
        let mut target = Capabilities::of([Profile::Session]);
        let mut about = case(&["session"]);
        let decide =
            |case: &Case, target: &Capabilities| applicability(case, &registry(), target, false);
        about.extensions = vec![Extension::Caching];
        assert!(matches!(
            decide(&about, &target),
            Applicability::NotApplicable(reason) if reason.contains("caching")
        ));
        target.extensions.insert(Extension::Caching);
        assert_eq!(decide(&about, &target), Applicability::Applicable);
        about.without = vec![Extension::Cost];
        assert_eq!(decide(&about, &target), Applicability::Applicable);
        target.extensions.insert(Extension::Cost);
        assert!(matches!(
            decide(&about, &target),
            Applicability::NotApplicable(reason) if reason.contains("cost")
        ));
    }

    #[test]
    fn the_wire_of_the_model_decides_where_a_case_names_some() {
        let mut target = Capabilities::of([Profile::Session]);
        let mut about = case(&["session"]);
        about.wires = vec![ModelWire::OpenAi];
        let decide =
            |case: &Case, target: &Capabilities| applicability(case, &registry(), target, false);
        assert_eq!(decide(&about, &target), Applicability::Applicable);
        target.wire = ModelWire::Cohere;
        assert!(matches!(
            decide(&about, &target),
            Applicability::NotApplicable(reason) if reason.contains("cohere")
        ));
        about.wires.clear();
        assert_eq!(decide(&about, &target), Applicability::Applicable);
    }

    #[test]
    fn force_runs_everything() {
        let mut target = Capabilities::of([]);
        target.registers = false;
        assert_eq!(decide(&["human"], &target, true), Applicability::Applicable);
    }
}
