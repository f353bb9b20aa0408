//! The snake_case form of a document that may be broken in any way, for those who look at documents without running them.

use serde_json::Value;

use super::check;
use super::report::Report;
use super::spelling::{self, Places, Spelling};
use crate::diagnostic::Violation;

/// A document in the snake_case spelling, and the way back to the document as given.
#[derive(Debug, Default)]
pub struct Unified {
    /// The document.
    pub value: Value,
    places: Places,
    /// What was wrong with the spelling.
    report: Report,
}

/// What [`load`](super::load) says of a document, warnings of one that it refuses included: a misspelt member is both missing and unknown.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    /// Why it is refused; empty when it is not.
    pub violations: Vec<Violation>,
    /// What refuses nothing.
    pub warnings: Vec<Violation>,
}

impl Unified {
    /// A document that has one spelling only.
    pub fn plain(value: Value) -> Self {
        Self {
            value,
            ..Self::default()
        }
    }

    /// What the loader says of the document as given; compiles every schema.
    pub fn problems(&self) -> Problems {
        self.problems_up_to(super::MAX_VIOLATIONS)
    }

    /// The same with so many violations and warnings listed, for those who mend them all.
    pub fn problems_up_to(&self, most: usize) -> Problems {
        let mut report = self.report.clone();
        report.list(most);
        report.spell_as(self.places.clone());
        if self.value.is_object() {
            check::manifest(&self.value, &mut report);
        } else {
            report.wrong_type("", "an object", &self.value);
        }
        Problems {
            warnings: report.take_warnings(),
            violations: report.into_violations(),
        }
    }

    /// The pointer into the document as given, for a pointer into the snake_case form.
    pub fn original(&self, pointer: &str) -> String {
        self.places.original(pointer)
    }

    /// The pointer into the snake_case form, for one into the document as given.
    pub fn unified(&self, original: &str) -> String {
        self.places.unified(original)
    }

    /// A member's name as the document spells it.
    pub fn name<'n>(&self, name: &'n str) -> &'n str {
        self.places.name(name)
    }

    /// Whether the document as given is in the JSON-LD spelling.
    pub fn is_json_ld(&self) -> bool {
        self.places.spelling() == Spelling::JsonLd
    }
}

/// The snake_case form of a document; what is no object stays as it is.
///
/// The depth of the document is bounded by whoever read it.
pub fn unified(document: &Value) -> Unified {
    let Value::Object(members) = document else {
        return Unified::plain(document.clone());
    };
    let mut report = Report::default();
    let (value, places) = spelling::unify(members, &mut report);
    Unified {
        value,
        places,
        report,
    }
}
