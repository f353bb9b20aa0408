//! Mutants of section 4.2: plans that the model writes.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::diagnostic::Violation;
use crate::manifest::{Action, Intent, Manifest};
use crate::model::ModelFailure;
use crate::mutants::Mutant;
use crate::runtime::access::Caller;
use crate::runtime::answer::Answer;
use crate::runtime::error::{Code, ErrorObject};
use crate::workflow::replan::{self, Contract};
use crate::workflow::{check, schema};

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [told(), read(), asked()].into_iter().flatten().collect()
}

fn told() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "contract-without-actions",
            "WFL-026",
            "tells the model the form of a node and no action",
            fn plan_contract(&self, contract: &Contract<'_>) -> String {
                replan::contract(&Contract {
                    actions: &[],
                    ..contract.clone()
                })
            }
        ),
        swap_workflow!(
            "contract-without-schemas",
            "WFL-026",
            "tells the model the names of the actions and not what they take",
            fn plan_contract(&self, contract: &Contract<'_>) -> String {
                let names: Vec<&str> = contract
                    .actions
                    .iter()
                    .map(|action| action.name.as_str())
                    .collect();
                let bare = replan::contract(&Contract {
                    actions: &[],
                    ..contract.clone()
                });
                format!("{bare}\n{}", names.join("\n"))
            }
        ),
        swap_workflow!(
            "contract-beyond-the-intent",
            "WFL-026",
            "tells the model all actions of the manifest although an intent is named",
            fn plan_contract(&self, contract: &Contract<'_>) -> String {
                let all: Vec<&Action> = contract
                    .manifest
                    .actions
                    .iter()
                    .map(AsRef::as_ref)
                    .collect();
                replan::contract(&Contract {
                    actions: &all,
                    ..contract.clone()
                })
            }
        ),
        swap_workflow!(
            "planning-without-the-state",
            "WFL-026",
            "asks for a plan without showing the state",
            fn plan_question(&self, goal: &str, _: &Value) -> String {
                replan::question(goal, &json!({}))
            }
        ),
        swap_workflow!(
            "planning-without-the-goal",
            "WFL-026",
            "asks for a plan without saying what for",
            fn plan_question(&self, _: &str, state: &Value) -> String {
                replan::question("whatever helps", state)
            }
        ),
        swap_workflow!(
            "everything-is-offered",
            "WFL-030",
            "tells the model of actions that the caller may not use",
            fn offers(&self, _: &Caller, _: &BTreeSet<String>) -> bool {
                true
            }
        ),
    ]
}

fn read() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "plans-of-one-node",
            "WFL-024",
            "takes the first node of a plan for the whole",
            fn read_plan_reply(&self, text: &str) -> Result<Value, ErrorObject> {
                let plan = replan::read_reply(text)?;
                let first = plan.as_array().into_iter().flatten().take(1);
                Ok(first.cloned().collect())
            }
        ),
        swap_workflow!(
            "plans-are-carried-out",
            "WFL-025",
            "runs what was planned before it answers",
            fn plan_executes(&self) -> bool {
                true
            }
        ),
        swap_workflow!(
            "plans-are-found-in-any-text",
            "WFL-027",
            "takes the first array that it finds in a reply",
            fn read_plan_reply(&self, text: &str) -> Result<Value, ErrorObject> {
                let start = text.find('[').unwrap_or_default();
                let found = text.get(start..).unwrap_or_default();
                let mut values = serde_json::Deserializer::from_str(found).into_iter::<Value>();
                match values.next() {
                    Some(Ok(plan)) if plan.is_array() => Ok(plan),
                    _ => replan::read_reply(text),
                }
            }
        ),
        swap_workflow!(
            "any-array-is-a-plan",
            "WFL-027",
            "does not hold the nodes of a plan against their schema",
            fn check_shape(&self, schema: &str, document: &Value) -> Vec<Violation> {
                match schema {
                    "nodes" | "node" => Vec::new(),
                    other => schema::check_shape(other, document),
                }
            }
        ),
        swap_workflow!(
            "plans-of-unknown-actions",
            "WFL-027",
            "answers plans with actions that nobody declared",
            fn find_definition(
                &self,
                manifest: &Manifest,
                _: Option<&Intent>,
                name: &str,
            ) -> Option<Arc<Action>> {
                check::find_definition(manifest, None, name)
                    .or_else(|| manifest.actions.first().cloned())
            }
        ),
        swap_workflow!(
            "empty-plans-are-plans",
            "WFL-027",
            "answers an empty array as a plan",
            fn plan_length_allowed(&self, nodes: usize, _: bool) -> bool {
                nodes <= replan::MOST_NODES
            }
        ),
        swap_workflow!(
            "long-plans-are-plans",
            "WFL-027",
            "answers a plan of any length",
            fn plan_length_allowed(&self, nodes: usize, again: bool) -> bool {
                replan::length_allowed(nodes.min(replan::MOST_NODES), again)
            }
        ),
    ]
}

fn asked() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "asks-again-without-the-reply",
            "WFL-028",
            "does not show the model the reply that was refused",
            fn shown_refusals(&self, refused: Vec<(String, String)>) -> Vec<(String, String)> {
                refused
                    .into_iter()
                    .map(|(_, errors)| ("[]".to_owned(), errors))
                    .collect()
            }
        ),
        swap_workflow!(
            "asks-again-without-the-errors",
            "WFL-028",
            "does not tell the model why its reply was refused",
            fn plan_refusal(&self, _: &ErrorObject) -> String {
                "Try again.".to_owned()
            }
        ),
        swap_workflow!(
            "one-try-is-enough",
            "WFL-028",
            "gives up after the first refused reply",
            fn plan_attempts(&self) -> u32 {
                1
            }
        ),
        swap_workflow!(
            "two-tries-are-enough",
            "WFL-028",
            "gives up after the second refused reply",
            fn plan_attempts(&self) -> u32 {
                2
            }
        ),
        swap_workflow!(
            "asks-until-it-fits",
            "WFL-028",
            "goes on asking after the third refused reply",
            fn plan_attempts(&self) -> u32 {
                10
            }
        ),
        swap_workflow!(
            "a-failing-model-is-a-bad-plan",
            "WFL-029",
            "answers a model that failed like one that wrote no plan",
            fn plan_unavailable(&self, failure: &ModelFailure) -> Answer {
                let error = ErrorObject::new(Code::InvalidPlan, failure.message.clone());
                Answer::new(502, error.to_value())
            }
        )
        .rewriting(),
    ]
}
