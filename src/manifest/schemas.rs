//! The JSON Schemas that a manifest holds.

use serde_json::Value;

use super::Pointer;
use super::report::Report;
use crate::schema::{self, Schema};

/// What a refused schema counts for: when a hundred are, the list of violations is full and no more need be looked at.
const REFUSED: usize = 1000;

/// Compiles the schema at `pointer`; what is wrong goes to `report`, at its place within the schema.
///
/// Once the schemas together are too large, which is reported, none is compiled any more.
pub(super) fn compile(document: &Value, pointer: &str, report: &mut Report) -> Option<Schema> {
    if !document.is_object() && !document.is_boolean() {
        report.wrong_type(pointer, "a JSON Schema, an object or a boolean", document);
        return None;
    }
    if !report.spend(0) {
        return None;
    }
    match schema::check(document) {
        Ok(schema) if report.spend(schema.places()) => Some(schema),
        Ok(_) => {
            report.refuse(
                pointer,
                "invalid_schema",
                "make the schemas of this manifest smaller; together they have too many parts",
            );
            None
        }
        Err(defects) => {
            report.spend(REFUSED);
            for defect in defects {
                let rule = if leaves_the_document(document, &defect.pointer) {
                    "remote_ref"
                } else {
                    "invalid_schema"
                };
                let place = format!("{pointer}{}", defect.pointer);
                report.refuse(&place, rule, defect.message);
            }
            None
        }
    }
}

/// Whether the refused place is a reference to another document.
fn leaves_the_document(document: &Value, pointer: &str) -> bool {
    let Ok(place) = Pointer::parse(pointer) else {
        return false;
    };
    let reference = matches!(
        place.tokens().last().map(String::as_str),
        Some("$ref" | "$dynamicRef" | "$recursiveRef")
    );
    let target = place.find(document).and_then(Value::as_str);
    reference && target.is_some_and(|target| schema::local_fragment(document, target).is_none())
}
