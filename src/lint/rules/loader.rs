//! What the loaders refuse or warn of: one rule for each name they report under.

mod fixes;
mod keywords;
mod model;
mod text;

#[cfg(test)]
mod tests;

use crate::diagnostic::Violation;
use crate::lint::rule::{Group, Rule};
use crate::lint::subject::{DocumentKind, Subject};

pub(super) use fixes::{Advice, asks};
pub(super) use keywords::RULES as KEYWORDS;
pub(super) use model::RULES as MODEL;
pub(super) use text::RULES as TEXT;

/// Everything the loader of the subject's kind says, violations and warnings.
pub(super) fn report(subject: &Subject<'_>) -> Vec<Violation> {
    if subject.kind() != DocumentKind::Manifest {
        return Vec::new();
    }
    let mut reported: Vec<Violation> = subject
        .document()
        .duplicates()
        .iter()
        .map(|twice| {
            Violation::new(
                twice.pointer.clone(),
                "duplicate_key",
                "a member is named twice; name it once",
            )
        })
        .collect();
    let problems = subject.problems();
    reported.extend_from_slice(&problems.violations);
    reported.extend_from_slice(&problems.warnings);
    reported
}

/// What is said of what the loader reports, and how it can be mended, with pointers into the document as given.
pub(super) fn advice(rule: &Rule, violation: &Violation, subject: &Subject<'_>) -> Advice {
    fixes::advice(rule, violation, subject)
}

/// Whether a rule is broken by a member's name, and not by its value.
pub(super) fn points_at_name(rule: &Rule) -> bool {
    matches!(
        rule.id,
        "duplicate_key"
            | "unknown_member"
            | "mixed_spelling"
            | "forbidden_header"
            | "duplicate_header"
            | "protected_term"
            | "unsupported_keyword"
            | "not_a_read"
    )
}

/// What the loaders report is about the document and its members.
const GROUP: Group = Group::Structure;
