//! Where violations and warnings gather while a document is read.

use serde_json::Value;

use super::MAX_VIOLATIONS;
use super::spelling::Places;
use crate::diagnostic::Violation;

/// Most subschemas of all schemas of one manifest, each counted as often as references lead to it.
const MAX_SUBSCHEMAS: usize = 100_000;

/// Violations and warnings of one load, both bounded.
#[derive(Debug, Clone)]
pub(super) struct Report {
    /// Most violations, and most warnings, that are listed.
    most: usize,
    violations: Vec<Violation>,
    warnings: Vec<Violation>,
    left_out: usize,
    places: Places,
    subschemas: usize,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            most: MAX_VIOLATIONS,
            violations: Vec::new(),
            warnings: Vec::new(),
            left_out: 0,
            places: Places::default(),
            subschemas: 0,
        }
    }
}

impl Report {
    /// From now on so many are listed.
    pub(super) fn list(&mut self, most: usize) {
        self.most = most;
    }

    /// From now on pointers lead into the snake_case form; they are noted as they lead into the document as given.
    pub(super) fn spell_as(&mut self, places: Places) {
        self.places = places;
    }

    /// A member's name as the document spells it.
    pub(super) fn spelled<'n>(&self, name: &'n str) -> &'n str {
        self.places.name(name)
    }

    /// A pointer into the document as given.
    pub(super) fn original(&self, pointer: &str) -> String {
        self.places.original(pointer)
    }

    /// Counts the parts of a schema, and tells whether those of all schemas so far are within bounds.
    pub(super) fn spend(&mut self, subschemas: usize) -> bool {
        self.subschemas += subschemas;
        self.subschemas <= MAX_SUBSCHEMAS
    }

    /// Notes a violation; past the bound it is only counted.
    pub(super) fn refuse(&mut self, pointer: &str, rule: &str, message: impl Into<String>) {
        if self.violations.len() < self.most {
            let pointer = self.places.original(pointer);
            self.violations.push(Violation::new(pointer, rule, message));
        } else {
            self.left_out += 1;
        }
    }

    /// Notes a finding that refuses nothing; past the bound it is dropped.
    pub(super) fn warn(&mut self, pointer: &str, rule: &str, message: impl Into<String>) {
        if self.warnings.len() < self.most {
            let pointer = self.places.original(pointer);
            self.warnings.push(Violation::new(pointer, rule, message));
        }
    }

    /// Notes a value of another type than the one wanted.
    pub(super) fn wrong_type(&mut self, pointer: &str, wanted: &str, got: &Value) {
        self.refuse(
            pointer,
            "type",
            format!("write {wanted} here, not {}", type_name(got)),
        );
    }

    /// Whether nothing was refused so far.
    pub(super) fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// The violations, with one more entry when some were left out.
    pub(super) fn into_violations(mut self) -> Vec<Violation> {
        if self.left_out > 0 {
            self.violations.push(Violation::new(
                "",
                "too_many_violations",
                format!(
                    "{} more violations were left out; mend these first",
                    self.left_out
                ),
            ));
        }
        self.violations
    }

    /// The warnings of a document that was accepted.
    pub(super) fn take_warnings(&mut self) -> Vec<Violation> {
        std::mem::take(&mut self.warnings)
    }
}

/// A JSON type's name with its article, for messages.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_VIOLATIONS, Report};

    #[test]
    fn is_bounded_and_says_so() {
        let mut report = Report::default();
        for index in 0..MAX_VIOLATIONS + 7 {
            report.refuse(&format!("/{index}"), "type", "wrong");
            report.warn(&format!("/{index}"), "unknown_member", "unknown");
        }
        assert!(!report.is_clean());
        let violations = report.into_violations();
        assert_eq!(violations.len(), MAX_VIOLATIONS + 1);
        let last = violations.last().expect("loads");
        assert_eq!(last.rule, "too_many_violations");
        assert!(last.message.starts_with("7 more"), "{}", last.message);
    }

    #[test]
    fn exactly_the_bound_leaves_nothing_out() {
        let mut report = Report::default();
        for _ in 0..MAX_VIOLATIONS {
            report.refuse("", "type", "wrong");
        }
        assert_eq!(report.into_violations().len(), MAX_VIOLATIONS);
    }
}
