//! Two manifests compared: what changed, and whom each change breaks (`spec/compatibility.md`).
//!
//! [`compare`] looks at the snake_case form of both, so that the spelling and the order of members do not matter, and tells pointers
//! into the documents as they are written. What a change breaks follows from its direction: inputs may become wider, outputs
//! narrower. What cannot be shown compatible counts as breaking.

mod access;
mod action;
mod address;
mod call;
mod change;
mod counterexample;
pub mod demand;
mod intent;
pub mod kinds;
mod members;
mod merged;
mod pattern;
mod sample;
mod schema;
mod state;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use change::{Change, Direction, Level};

use crate::document::Document;
use crate::manifest::{self, Unified};
use change::Changes;

/// What changed from one manifest to another, the worst first; within a level by path.
///
/// The documents may be broken in any way: what is no part of a manifest is compared as it stands. The work is bounded: at most
/// 10 000 changes are told, and where comparing takes too long, one `comparison_cut_short` says so.
pub fn compare(old: &Document, new: &Document) -> Vec<Change> {
    compare_forms(
        &manifest::unified(old.value()),
        &manifest::unified(new.value()),
    )
}

/// The same, of documents whose snake_case form is at hand.
pub fn compare_forms(old: &Unified, new: &Unified) -> Vec<Change> {
    let mut changes = Changes::default();
    members::compare(&old.value, &new.value, &mut changes);
    changes.finish(old, new)
}

/// The value of a member; none where there is none, or where the value around it is no object.
fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.as_object()?.get(name)
}

/// Whether two values are equal as JSON values: 1.0 is 1.
fn equal(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Number(old), Value::Number(new)) => {
            old == new || schema::number::order(old, new) == std::cmp::Ordering::Equal
        }
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| equal(old, new))
        }
        (Value::Object(old), Value::Object(new)) => {
            old.len() == new.len()
                && old
                    .iter()
                    .all(|(name, old)| new.get(name).is_some_and(|new| equal(old, new)))
        }
        _ => old == new,
    }
}

/// A value for a message: one line, cut where it is long.
fn shown(value: &Value) -> String {
    const MOST: usize = 60;
    // A long text is not written out in full first.
    if let Value::String(text) = value
        && let Some((end, _)) = text.char_indices().nth(MOST)
    {
        return format!("{}…", Value::from(&text[..end]));
    }
    let text = match value {
        Value::Array(elements) if elements.len() > MOST => {
            format!("an array of {} elements", elements.len())
        }
        Value::Object(members) if members.len() > MOST => {
            format!("an object of {} members", members.len())
        }
        _ => value.to_string(),
    };
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A name for a message: quoted, cut where it is long.
fn quoted(name: &str) -> String {
    const MOST: usize = 60;
    match name.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", &name[..end]),
        None => format!("{name:?}"),
    }
}
