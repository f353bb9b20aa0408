//! Mutants of `spec/workflows.md`, sections 2 to 16.

use serde_json::Value;

use super::Mutant;
use crate::diagnostic::Violation;
use crate::manifest::Manifest;
use crate::runtime::{Parts, Reference};

mod approvals;
mod calls;
mod checks;
mod conditionals;
mod documents;
mod failures;
mod fallback;
mod node_keys;
mod nodes;
mod planning;
mod plugins;
mod replan;
mod sessions;
mod state;
mod story;
mod templates;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [
        documents::mutants(),
        nodes::mutants(),
        calls::mutants(),
        planning::mutants(),
        checks::mutants(),
        conditionals::mutants(),
        templates::mutants(),
        state::mutants(),
        failures::mutants(),
        fallback::mutants(),
        replan::mutants(),
        approvals::mutants(),
        plugins::mutants(),
        node_keys::mutants(),
        sessions::mutants(),
        story::mutants(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A manifest that is refused, once more without these members of its actions.
fn read_without(document: &Value, members: &[&str]) -> Result<Manifest, Vec<Violation>> {
    Reference.read_manifest(document).or_else(|_| {
        let mut bare = document.clone();
        let actions = bare.get_mut("actions").and_then(Value::as_array_mut);
        for action in actions
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            for member in members {
                action.shift_remove(*member);
            }
        }
        Reference.read_manifest(&bare)
    })
}
