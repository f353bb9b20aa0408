//! Mutants of section 5 for workflows: what goes through a person.

use serde_json::Value;

use crate::diagnostic::Violation;
use crate::manifest::{self, Manifest, Verification};
use crate::mutants::Mutant;
use crate::runtime::error::ErrorObject;
use crate::workflow::bound::{Bound, BoundAction};

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [approvals(), fallbacks()].into_iter().flatten().collect()
}

fn approvals() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "verification-is-ignored",
            "ACC-035",
            "asks nobody but where a node is an approval itself",
            fn needs_approval(&self, _: bool, _: Option<Verification>) -> bool {
                false
            }
        ),
        swap_workflow!(
            "verification-of-nodes-is-ignored",
            "ACC-035",
            "asks where the definition demands it, and not where a node does",
            fn needs_approval(&self, declared: bool, _: Option<Verification>) -> bool {
                declared
            }
        ),
        swap_workflow!(
            "wrapped-actions-are-asked-twice",
            "ACC-035",
            "asks about a wrapped action once for the wrapping and once for its definition",
            fn order(&self, nodes: Vec<Bound>) -> Vec<Bound> {
                let twice = |node: Bound| {
                    let is_wrapped = matches!(&node, Bound::Approval { action, source, .. }
                        if action.approval && *source != action.source);
                    [is_wrapped.then(|| node.clone()), Some(node)]
                };
                nodes.into_iter().flat_map(twice).flatten().collect()
            }
        ),
        swap_workflow!(
            "nodes-lower-verification",
            "ACC-038",
            "asks nobody where a node says that nobody is to be asked",
            fn needs_approval(&self, declared: bool, node: Option<Verification>) -> bool {
                node.map_or(declared, |node| node == Verification::Approval)
            }
        ),
    ]
}

fn fallbacks() -> Vec<Mutant> {
    vec![
        swap!(
            "fallbacks-of-manifests-lose-approval",
            "ACC-039",
            "registers a manifest whose fallback demands approval, and forgets the demand",
            fn read_manifest(&self, document: &Value) -> Result<Manifest, Vec<Violation>> {
                manifest::load(document).or_else(|violations| {
                    let mut document = document.clone();
                    let actions = document.get_mut("actions").and_then(Value::as_array_mut);
                    let controls = actions
                        .into_iter()
                        .flatten()
                        .filter_map(|action| action.get_mut("access_control"));
                    for control in controls {
                        if let Some(members) = control.as_object_mut() {
                            members.remove("verification");
                        }
                    }
                    manifest::load(&document).map_err(|_| violations)
                })
            }
        ),
        swap_workflow!(
            "fallbacks-of-nodes-lose-approval",
            "ACC-039",
            "lets an action that demands approval run in another's place without it",
            fn check_fallback(&self, _: &BoundAction) -> Result<(), ErrorObject> {
                Ok(())
            }
        ),
    ]
}
