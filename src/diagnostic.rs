//! What is wrong with a document, and where.

use serde::{Deserialize, Serialize};

/// One defect of a document.
///
/// Registration answers with all of them at once (`spec/registration.md`), so each carries
/// enough to be mended without a second look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Violation {
    /// JSON Pointer (RFC 6901) into the document as it was given; empty for the document itself.
    pub pointer: String,
    /// The broken rule: a JSON Schema keyword (`required`, `format`) or a rule's own name (`duplicate_name`). Contract.
    pub rule: String,
    /// What to do about it, for people; not contract.
    pub message: String,
}

impl Violation {
    /// A violation of `rule` at `pointer`.
    pub fn new(
        pointer: impl Into<String>,
        rule: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            rule: rule.into(),
            message: message.into(),
        }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if self.pointer.is_empty() {
            "(document)"
        } else {
            &self.pointer
        };
        write!(f, "{place}: {} [{}]", self.message, self.rule)
    }
}
