//! The snake_case form of a document that may be broken in any way, for those who look at documents without running them.

use serde_json::Value;

use super::report::Report;
use super::spelling::{self, Places, Spelling};

/// A document in the snake_case spelling, and the way back to the document as given.
#[derive(Debug, Default)]
pub struct Unified {
    /// The document.
    pub value: Value,
    places: Places,
}

impl Unified {
    /// A document that has one spelling only.
    pub fn plain(value: Value) -> Self {
        Self {
            value,
            places: Places::default(),
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
    Unified { value, places }
}
