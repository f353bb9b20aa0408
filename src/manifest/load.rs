//! From bytes or a JSON value to a [`Manifest`].

use std::sync::Arc;

use serde_json::Value;

use super::report::Report;
use super::{LoadError, Manifest, check, need, spelling};
use crate::diagnostic::Violation;
use crate::json::{self, Duplicates, Limits};

/// Reads a manifest from bytes: strict JSON of at most 1 MiB and 64 levels, no member named twice.
///
/// # Errors
/// [`LoadError::Json`] when the bytes are no such JSON text, [`LoadError::Invalid`] as in [`load`].
pub fn read(bytes: &[u8]) -> Result<Manifest, LoadError> {
    let document =
        json::read(bytes, &Limits::DOCUMENT, Duplicates::Refuse).map_err(LoadError::Json)?;
    load(&document).map_err(LoadError::Invalid)
}

/// Checks a document in either spelling against every rule of `spec/manifests.md`.
///
/// # Errors
/// Every violation found, in the order in which the document is read, at most
/// [`MAX_VIOLATIONS`](super::MAX_VIOLATIONS) and one more that says how many were left out.
pub fn load(document: &Value) -> Result<Manifest, Vec<Violation>> {
    let mut report = Report::default();
    if let Some(manifest) = convert(document, &mut report) {
        Ok(manifest)
    } else {
        Err(report.into_violations())
    }
}

fn convert(document: &Value, report: &mut Report) -> Option<Manifest> {
    // Nothing below may recurse without bound, and a caller may have built the value itself.
    if !nested_within(document, Limits::DOCUMENT.depth) {
        let most = Limits::DOCUMENT.depth;
        report.refuse("", "too_deep", format!("nest at most {most} levels deep"));
        return None;
    }
    let Value::Object(members) = document else {
        report.wrong_type("", "an object", document);
        return None;
    };
    let (unified, places) = spelling::unify(members, report);
    report.spell_as(places);
    let checked = check::manifest(&unified, report);
    if !report.is_clean() {
        return None;
    }
    let checked = checked?;
    Some(Manifest {
        needs: need::find(&checked, &unified, report),
        codes: need::codes(&checked, report),
        name: checked.name,
        version: checked.version,
        declared_version: checked.declared_version,
        description: checked.description,
        actions: checked.actions.into_iter().map(Arc::new).collect(),
        intents: checked.intents,
        digest: json::digest(&unified),
        warnings: report.take_warnings(),
        document: unified,
    })
}

/// Whether a value nests at most `levels` arrays and objects; looks no deeper than that.
fn nested_within(value: &Value, levels: usize) -> bool {
    match (value, levels.checked_sub(1)) {
        (Value::Array(elements), Some(left)) => {
            elements.iter().all(|element| nested_within(element, left))
        }
        (Value::Object(members), Some(left)) => {
            members.values().all(|member| nested_within(member, left))
        }
        (Value::Array(_) | Value::Object(_), None) => false,
        _ => true,
    }
}
