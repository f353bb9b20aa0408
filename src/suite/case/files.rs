//! What a case lays into the folder that harness and target share, and the roots that it needs.

use serde::Deserialize;

use super::{Case, ManifestChoice, Repeat, Stimulus};
use crate::suite::prepare;

/// Something that is there before the first step.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Laid {
    /// A file with this text.
    Text(String),
    /// A file with these bytes.
    Base64 {
        /// The bytes in base64.
        base64: String,
    },
    /// A file made of one text many times.
    Repeat {
        /// Which text, and how often.
        repeat: Repeat,
    },
    /// A directory.
    Directory {
        /// Always true.
        directory: bool,
    },
    /// A symbolic link.
    Symlink {
        /// Where it leads; `${place}` is the folder of the case.
        symlink: String,
    },
}

/// The schemes of roots, as a target declares them.
pub const SCHEMES: [&str; 3] = ["file", "memory", "s3"];

impl Case {
    /// Whether it needs a folder that harness and target share.
    pub fn shares_files(&self) -> bool {
        !self.files.is_empty() || self.expect.files().next().is_some() || self.has_root("file")
    }

    /// Whether a root of that scheme stands in it where it has to be accepted: printed ones lead to places of the harness.
    pub fn has_root(&self, scheme: &str) -> bool {
        let printed = match scheme {
            "file" => prepare::FILE_ROOT,
            "s3" => prepare::OBJECT_ROOT,
            "memory" => "memory:",
            _ => return false,
        };
        let fixtures = std::iter::once(match &self.manifest {
            ManifestChoice::Named(name) => Some(name.as_str()),
            ManifestChoice::Changed(changes) => Some(changes.fixture.as_str()),
        })
        .chain(self.steps.iter().map(|step| match &step.stimulus {
            Stimulus::Register(register) => register.fixture.as_deref(),
            _ => None,
        }));
        self.source.contains(printed)
            || fixtures
                .flatten()
                .filter(|name| *name != "none")
                .any(|name| prepare::fixture_holds(name, printed))
    }
}
