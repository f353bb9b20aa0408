//! What was found, with its place in the text.

use crate::document::{Document, Place, Span};

use super::rule::{Change, Rule, Severity};

/// Something that breaks a rule.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How much it weighs here; the configuration may say otherwise than the rule.
    pub severity: Severity,
    /// Where, as JSON Pointer into the document as given.
    pub pointer: String,
    /// Where in the text.
    pub span: Span,
    /// What to do about it.
    pub message: String,
    /// How it can be mended, with pointers into the document as given.
    pub change: Option<Change>,
}

impl Finding {
    /// First line and column, and those behind its end.
    pub fn places(&self, document: &Document) -> (Place, Place) {
        (
            document.place(self.span.start),
            document.place(self.span.end),
        )
    }
}
