//! Mutants of section 11: new plans in the middle of a call.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::expression::{self, Expression};
use crate::manifest::{Action, Intent, Manifest};
use crate::mutants::Mutant;
use crate::runtime::error::{Code, ErrorObject};
use crate::workflow::bound::Bound;
use crate::workflow::check;
use crate::workflow::node::Condition;
use crate::workflow::replan::{self, Trigger};
use crate::workflow::run::answers::Status;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [occasions(), number(), place(), checks()]
        .into_iter()
        .flatten()
        .collect()
}

fn occasions() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "failures-do-not-plan-again",
            "WFL-080",
            "ends the call at a failure, goal or not",
            fn replans_after(&self, trigger: Trigger) -> bool {
                trigger == Trigger::Skipped
            }
        ),
        swap_workflow!(
            "skips-do-not-plan-again",
            "WFL-080",
            "asks for a new plan after failures alone",
            fn replans_after(&self, trigger: Trigger) -> bool {
                trigger == Trigger::Failed
            }
        ),
        swap_workflow!(
            "plans-again-from-the-first-state",
            "WFL-080",
            "shows the model a state without what the nodes have left in it",
            fn plan_question(&self, goal: &str, state: &Value) -> String {
                let mut first = state.clone();
                if let Some(members) = first.as_object_mut() {
                    for left in ["lastResult", "results", "history"] {
                        members.shift_remove(left);
                    }
                }
                replan::question(goal, &first)
            }
        ),
        swap_workflow!(
            "plans-again-for-no-goal",
            "WFL-080",
            "asks for a new plan without saying what for",
            fn plan_question(&self, goal: &str, state: &Value) -> String {
                // The token keeps the request this case's.
                let token = goal.split('[').next_back().unwrap_or_default();
                replan::question(&format!("whatever helps [{token}"), state)
            }
        ),
        swap_workflow!(
            "plans-again-without-a-goal",
            "WFL-084",
            "asks the model for help where the request names no goal",
            fn may_replan(&self, _: Option<&str>) -> bool {
                true
            }
        ),
        swap_workflow!(
            "rejections-plan-again",
            "WFL-085",
            "asks for another way when a person has said no",
            fn replans_after_rejection(&self) -> bool {
                true
            }
        ),
    ]
}

fn number() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "plans-again-without-end",
            "WFL-082",
            "asks for new plans as long as nodes fail or are skipped",
            fn replans_left(&self, made: u32, _: u32) -> bool {
                made < 20
            }
        ),
        swap_workflow!(
            "one-new-plan-too-many",
            "WFL-082",
            "asks for one new plan more than the request allows",
            fn replans_left(&self, made: u32, most: u32) -> bool {
                made <= most
            }
        ),
        swap_workflow!(
            "plans-again-once",
            "WFL-080",
            "asks for one new plan at most, whatever the request allows",
            fn replans_left(&self, made: u32, most: u32) -> bool {
                made < most.min(1)
            }
        ),
    ]
}

fn place() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "new-plans-go-before-the-rest",
            "WFL-081",
            "runs the old nodes after those of the new plan",
            fn replace_rest(&self, rest: Vec<Bound>, planned: Vec<Bound>) -> Vec<Bound> {
                planned.into_iter().chain(rest).collect()
            }
        ),
        swap_workflow!(
            "new-plans-go-after-the-rest",
            "WFL-081",
            "runs the old nodes before those of the new plan",
            fn replace_rest(&self, rest: Vec<Bound>, planned: Vec<Bound>) -> Vec<Bound> {
                rest.into_iter().chain(planned).collect()
            }
        ),
        swap_workflow!(
            "new-plans-forget-the-failure",
            "WFL-081",
            "does not answer the failed result when a new plan went well",
            fn results(&self, status: Status, mut results: Vec<Value>) -> Vec<Value> {
                if status == Status::Completed {
                    results.retain(|result| result.get("success") == Some(&json!(true)));
                }
                results
            }
        )
        .rewriting(),
    ]
}

fn checks() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "new-plans-of-unknown-actions",
            "WFL-083",
            "takes the manifest's first action where a plan names one that is not there",
            fn find_definition(
                &self,
                manifest: &Manifest,
                intent: Option<&Intent>,
                name: &str,
            ) -> Option<Arc<Action>> {
                check::find_definition(manifest, intent, name)
                    .or_else(|| manifest.actions.first().cloned())
            }
        ),
        swap_workflow!(
            "new-plans-leave-the-intent",
            "WFL-083",
            "does not hold a new plan to the intent",
            fn find_definition(
                &self,
                manifest: &Manifest,
                _: Option<&Intent>,
                name: &str,
            ) -> Option<Arc<Action>> {
                check::find_definition(manifest, None, name)
            }
        ),
        swap_workflow!(
            "new-plans-run-as-far-as-they-fit",
            "WFL-083",
            "leaves nodes out of a plan that name no action",
            fn read_plan_reply(&self, text: &str) -> Result<Value, ErrorObject> {
                let plan = replan::read_reply(text)?;
                let nodes = plan.as_array().into_iter().flatten();
                let named = nodes.filter(|node| {
                    node.get("name").is_some()
                        || node.get("pluginReference").is_some()
                        || node.get("action").is_some()
                });
                Ok(named.cloned().collect())
            }
        ),
        swap_workflow!(
            "new-plans-parse-late",
            "WFL-083",
            "takes a conditional that does not parse for one that is false",
            fn parse_condition(&self, text: &str) -> Result<Condition, expression::Error> {
                let expression = Expression::parse(text).or_else(|_| Expression::parse("false"))?;
                Ok(Condition {
                    text: text.to_owned(),
                    expression,
                })
            }
        ),
        swap_workflow!(
            "new-plans-need-no-scopes",
            "WFL-083",
            "runs a new plan whose scopes the caller does not hold",
            fn new_plan_refusal(&self, error: ErrorObject) -> Option<ErrorObject> {
                (error.code != Code::InsufficientScope).then_some(error)
            }
        ),
    ]
}
