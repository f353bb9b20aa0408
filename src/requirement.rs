//! The registry of requirements: what `spec/` demands, sentence by sentence (`spec/README.md`).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::embedded;

mod coverage;
mod extension;

pub use coverage::{
    Coverage, LevelCoverage, MissionCoverage, ProfileCoverage, RowCoverage, coverage,
};
pub use extension::Extension;

/// How binding a requirement is (RFC 2119).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// A violation makes a runtime not conformant.
    Must,
    /// A violation is a warning.
    Should,
    /// Described so that those who do it do it alike.
    May,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        })
    }
}

/// A part of the protocol that a runtime declares to implement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Documents, schemas, errors, registration, capabilities.
    Core,
    /// Sessions, steps, transcripts, credentials.
    Session,
    /// Questions to people.
    Human,
    /// JSON-LD plans with state, templates and conditionals.
    Workflow,
    /// Identity, scopes, rate limits.
    Access,
    /// `run_code`.
    Sandbox,
    /// `run_code` in Python.
    #[serde(rename = "sandbox.python")]
    SandboxPython,
    /// `run_code` in JavaScript.
    #[serde(rename = "sandbox.javascript")]
    SandboxJavascript,
    /// `run_code` with modules of the caller's own.
    #[serde(rename = "sandbox.wasm")]
    SandboxWasm,
    /// Granted network inside `run_code`.
    #[serde(rename = "sandbox.network")]
    SandboxNetwork,
    /// `read_file` and `write_file`.
    Storage,
    /// Log lines, traces, metrics.
    Observability,
    /// What the next revision proposes.
    #[serde(rename = "draft-2.1")]
    Draft21,
}

impl Profile {
    /// Every profile, in the order reports print them.
    pub const ALL: [Profile; 13] = [
        Self::Core,
        Self::Session,
        Self::Human,
        Self::Workflow,
        Self::Access,
        Self::Sandbox,
        Self::SandboxPython,
        Self::SandboxJavascript,
        Self::SandboxWasm,
        Self::SandboxNetwork,
        Self::Storage,
        Self::Observability,
        Self::Draft21,
    ];

    /// The profile's name on the wire and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Session => "session",
            Self::Human => "human",
            Self::Workflow => "workflow",
            Self::Access => "access",
            Self::Sandbox => "sandbox",
            Self::SandboxPython => "sandbox.python",
            Self::SandboxJavascript => "sandbox.javascript",
            Self::SandboxWasm => "sandbox.wasm",
            Self::SandboxNetwork => "sandbox.network",
            Self::Storage => "storage",
            Self::Observability => "observability",
            Self::Draft21 => "draft-2.1",
        }
    }

    /// The profile that this one is a part of, and that is declared with it.
    pub const fn part_of(self) -> Option<Profile> {
        match self {
            Self::SandboxPython
            | Self::SandboxJavascript
            | Self::SandboxWasm
            | Self::SandboxNetwork => Some(Self::Sandbox),
            _ => None,
        }
    }

    /// Whether the suite judges this profile already; `pending` is no excuse in one that it does.
    pub const fn landed(self) -> bool {
        matches!(
            self,
            Self::Core
                | Self::Session
                | Self::Human
                | Self::Workflow
                | Self::Access
                | Self::Sandbox
                | Self::SandboxPython
                | Self::SandboxJavascript
                | Self::SandboxWasm
                | Self::SandboxNetwork
                | Self::Storage
                | Self::Observability
        )
    }

    /// Whether the suite judges a part of this profile: what is not `pending` in it is owed a case.
    pub const fn landed_in_part(self) -> bool {
        matches!(self, Self::Draft21)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == name)
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|profile| profile.name()).collect();
                format!("no profile '{name}'; use one of {}", names.join(", "))
            })
    }
}

/// How a requirement is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Judged {
    /// By driving a runtime.
    Live,
    /// From a transcript alone.
    Transcript,
    /// On a document, without a runtime.
    Lint,
    /// By generated inputs.
    Property,
}

/// One testable rule of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// `PREFIX-NNN`, stable for ever.
    pub id: String,
    /// How binding it is.
    pub level: Level,
    /// The profile it belongs to.
    pub profile: Profile,
    /// The section it stands in: `spec/<section>.md`. Set from the registry file's name.
    #[serde(default)]
    pub section: String,
    /// The sentence or clause itself, word for word.
    pub quote: String,
    /// Rows of the mission (statements of the sources) that it answers.
    #[serde(default)]
    pub mission: Vec<String>,
    /// How it is judged.
    pub judged: Judged,
    /// The test of this repository that proves it of the reference, `file: function`, where no black box shows it to a case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// Why it cannot be judged at all, when it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusion: Option<String>,
    /// Whether its profile has not landed yet.
    #[serde(default)]
    pub pending: bool,
}

/// All requirements, by id.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    requirements: BTreeMap<String, Requirement>,
    problems: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegistryFile {
    requirement: Vec<Requirement>,
}

impl Registry {
    /// The registry this binary carries, read once.
    pub fn embedded() -> &'static Registry {
        static REGISTRY: OnceLock<Registry> = OnceLock::new();
        REGISTRY.get_or_init(|| {
            let mut registry = Registry::default();
            for path in embedded::list("spec/requirements/") {
                let section = path
                    .trim_start_matches("spec/requirements/")
                    .trim_end_matches(".toml");
                let prose = embedded::text(&format!("spec/{section}.md")).unwrap_or_default();
                let text = embedded::text(&path).unwrap_or_default();
                registry.add_section(section, &text, &prose);
            }
            registry
        })
    }

    /// Adds one section's file; what is wrong with it is kept for [`Registry::problems`].
    pub fn add_section(&mut self, section: &str, text: &str, prose: &str) {
        let file: RegistryFile = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                self.problems
                    .push(format!("spec/requirements/{section}.toml: {error}"));
                return;
            }
        };
        let prose = fold(prose);
        for mut requirement in file.requirement {
            requirement.section = section.to_owned();
            let id = requirement.id.clone();
            if !prose.contains(&fold(&requirement.quote)) {
                self.problems.push(format!(
                    "{id}: its quote does not stand in spec/{section}.md; mend one of them"
                ));
            }
            let owed = requirement.profile.landed() && requirement.level == Level::Must;
            if requirement.pending && (owed || requirement.exclusion.is_some()) {
                self.problems.push(format!(
                    "{id}: cannot be pending; it is a MUST of a profile that has landed, or it is excluded"
                ));
            }
            if self.requirements.insert(id.clone(), requirement).is_some() {
                self.problems.push(format!(
                    "{id}: stands twice in the registry; renumber the newer"
                ));
            }
        }
    }

    /// The same registry with these requirements only.
    pub fn only(&self, ids: &std::collections::BTreeSet<&str>) -> Registry {
        let kept = |(id, one): (&String, &Requirement)| {
            ids.contains(id.as_str()).then(|| (id.clone(), one.clone()))
        };
        Registry {
            requirements: self.requirements.iter().filter_map(kept).collect(),
            problems: self.problems.clone(),
        }
    }

    /// One requirement by its id.
    pub fn get(&self, id: &str) -> Option<&Requirement> {
        self.requirements.get(id)
    }

    /// All requirements in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Requirement> {
        self.requirements.values()
    }

    /// What is wrong with the registry itself: quotes that do not stand in the prose, ids that stand twice, files that do not parse.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

/// White space folded to single blanks, so that a quote survives a rewrapped paragraph.
fn fold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"
        [[requirement]]
        id = "ACT-001"
        level = "MUST"
        profile = "core"
        quote = "A reply outside 2xx is a failed result."
        judged = "live"
    "#;

    #[test]
    fn a_quote_must_stand_in_the_prose() {
        let mut registry = Registry::default();
        registry.add_section(
            "actions",
            ONE,
            "Text. A reply outside 2xx\nis a failed result. More.",
        );
        assert_eq!(registry.problems(), &[] as &[String]);
        let mut registry = Registry::default();
        registry.add_section("actions", ONE, "A reply outside 2xx is fine.");
        assert_eq!(registry.problems().len(), 1);
    }

    #[test]
    fn proofs_are_tests_that_stand_where_they_are_said_to() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut proofs = 0;
        for requirement in Registry::embedded().iter() {
            let Some(proof) = &requirement.proof else {
                continue;
            };
            let (file, function) = proof.split_once(": ").expect(proof);
            let text = std::fs::read_to_string(root.join(file)).expect(proof);
            assert!(text.contains(&format!("fn {function}(")), "{proof}");
            assert!(
                text.contains(&requirement.id),
                "{proof} says what it proves"
            );
            proofs += 1;
        }
        assert!(proofs > 0);
    }

    #[test]
    fn a_profile_that_landed_in_part_has_pending_rules_and_judged_ones() {
        let mut registry = Registry::default();
        let prose = "A reply outside 2xx is a failed result.";
        let draft = ONE.replace("core", Profile::Draft21.name());
        registry.add_section("extensions", &format!("{draft}\npending = true"), prose);
        assert_eq!(registry.problems(), &[] as &[String]);
    }

    #[test]
    fn an_id_stands_once_and_members_are_known() {
        let mut registry = Registry::default();
        let prose = "A reply outside 2xx is a failed result.";
        registry.add_section("actions", ONE, prose);
        registry.add_section("actions", ONE, prose);
        registry.add_section("errors", &format!("{ONE}\nowner = \"x\""), prose);
        assert_eq!(registry.problems().len(), 2);
    }

    #[test]
    fn pending_is_no_excuse_in_a_profile_that_landed() {
        let mut registry = Registry::default();
        let prose = "A reply outside 2xx is a failed result.";
        registry.add_section("actions", &format!("{ONE}\npending = true"), prose);
        assert_eq!(registry.problems().len(), 1);
    }

    #[test]
    fn profiles_have_one_name_everywhere() {
        for profile in Profile::ALL {
            assert_eq!(profile.name().parse(), Ok(profile));
            assert_eq!(
                serde_json::to_value(profile).expect("a string"),
                serde_json::Value::from(profile.name())
            );
        }
        assert!("cores".parse::<Profile>().is_err());
    }
}
