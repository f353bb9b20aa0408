//! The extensions of the draft (`spec/extensions.md`): what a runtime that declares `draft-2.1` offers one by one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A part of the draft that a runtime names in `extensions` of `GET /capabilities`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extension {
    /// Hashes and signatures of steps.
    Provenance,
    /// What steps cost, and budgets.
    Cost,
    /// Actions that a session proposes.
    Proposals,
    /// Observations of other agents.
    Exchange,
    /// `cache` and `batch` of definitions that only read.
    Caching,
    /// Preferences across sessions.
    Preferences,
    /// Names of intents.
    Taxonomy,
    /// Actions executed by another runtime.
    Delegation,
    /// A language that compiles to nodes.
    WorkflowLanguage,
    /// Plans rewritten from what was measured.
    Tuning,
}

impl Extension {
    /// Every extension, in the order of the prose.
    pub const ALL: [Extension; 10] = [
        Self::Provenance,
        Self::Cost,
        Self::Proposals,
        Self::Exchange,
        Self::Caching,
        Self::Preferences,
        Self::Taxonomy,
        Self::Delegation,
        Self::WorkflowLanguage,
        Self::Tuning,
    ];

    /// The extension's name on the wire and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provenance => "provenance",
            Self::Cost => "cost",
            Self::Proposals => "proposals",
            Self::Exchange => "exchange",
            Self::Caching => "caching",
            Self::Preferences => "preferences",
            Self::Taxonomy => "taxonomy",
            Self::Delegation => "delegation",
            Self::WorkflowLanguage => "workflow-language",
            Self::Tuning => "tuning",
        }
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Extension {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|extension| extension.name() == name)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                format!("no extension '{name}'; use one of {names}")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_have_one_name_everywhere() {
        for extension in Extension::ALL {
            assert_eq!(extension.name().parse(), Ok(extension));
            assert_eq!(
                serde_json::to_value(extension).expect("a string"),
                serde_json::Value::from(extension.name())
            );
        }
        assert!("cache".parse::<Extension>().is_err());
    }
}
