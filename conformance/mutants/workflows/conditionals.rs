//! Mutants of sections 3 and 7.2: conditionals and skips.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::expression::{Roots, Templates};
use crate::mutants::Mutant;
use crate::runtime::error::{Code, ErrorObject};
use crate::workflow::fallback;
use crate::workflow::input::{self, Held};
use crate::workflow::node::Condition;
use crate::workflow::run::answers;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [truth(), roots(), skips(), undefined(), errors()]
        .into_iter()
        .flatten()
        .collect()
}

fn truth() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "node-conditional-replaces",
            "WFL-013",
            "leaves the definition's conditional out where the node has one",
            fn conditions<'c>(&self, all: &'c [Condition]) -> &'c [Condition] {
                all.get(all.len().saturating_sub(1)..).unwrap_or_default()
            }
        ),
        swap_workflow!(
            "the-first-conditional-decides",
            "WFL-013",
            "asks the definition's conditional and leaves out the node's where there are both",
            fn conditions<'c>(&self, all: &'c [Condition]) -> &'c [Condition] {
                all.get(..1).unwrap_or_default()
            }
        ),
        swap_workflow!(
            "false-conditionals-run",
            "WFL-045",
            "executes every action, whatever its conditional came to",
            fn runs(&self, _: &Held) -> bool {
                true
            }
        ),
        swap_workflow!(
            "true-conditionals-skip",
            "WFL-045",
            "skips every action that has a conditional",
            fn runs(&self, _: &Held) -> bool {
                false
            }
        ),
        swap_workflow!(
            "only-false-is-false",
            "WFL-045",
            "skips where the conditional is the value false, and runs where it is null, zero, empty or undefined",
            fn holds(&self, condition: &Condition, roots: &Roots<'_>) -> Result<Held, ErrorObject> {
                literally(condition, roots, |value| value != Some(&Value::Bool(false)))
            }
        ),
        swap_workflow!(
            "only-true-is-true",
            "WFL-045",
            "runs where the conditional is the value true, and skips where it is any other that counts as true",
            fn holds(&self, condition: &Condition, roots: &Roots<'_>) -> Result<Held, ErrorObject> {
                literally(condition, roots, |value| value == Some(&Value::Bool(true)))
            }
        ),
    ]
}

fn roots() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "conditionals-see-no-input",
            "WFL-045",
            "evaluates conditionals without the root input",
            fn holds(&self, condition: &Condition, roots: &Roots<'_>) -> Result<Held, ErrorObject> {
                let roots = Roots {
                    input: None,
                    ..*roots
                };
                input::holds(condition, &roots)
            }
        ),
        swap_workflow!(
            "conditionals-see-the-resolved-input",
            "WFL-045",
            "evaluates conditionals over the input after templates and last result",
            fn holds(&self, condition: &Condition, roots: &Roots<'_>) -> Result<Held, ErrorObject> {
                let mut given = roots.input.cloned().unwrap_or_default();
                if let Ok(templates) = Templates::parse(&given)
                    && let Ok(resolved) = templates.resolve(&given, roots)
                {
                    given = resolved;
                }
                let last = roots.state.and_then(|state| state.get("lastResult"));
                if let (Some(members), Some(last)) =
                    (given.as_object_mut(), last.and_then(Value::as_object))
                {
                    for (name, value) in last {
                        members.entry(name.clone()).or_insert(value.clone());
                    }
                }
                let roots = Roots {
                    input: Some(&given),
                    ..*roots
                };
                input::holds(condition, &roots)
            }
        ),
        swap_workflow!(
            "expressions-see-the-caller",
            "WFL-061",
            "lets conditionals find out under state.caller who calls",
            fn holds(&self, condition: &Condition, roots: &Roots<'_>) -> Result<Held, ErrorObject> {
                let mut state = roots.state.cloned().unwrap_or_default();
                if let Some(members) = state.as_object_mut() {
                    members.insert("caller".to_owned(), json!({"token": "presented"}));
                }
                let roots = Roots {
                    state: Some(&state),
                    ..*roots
                };
                input::holds(condition, &roots)
            }
        ),
        swap_workflow!(
            "expressions-see-secrets",
            "WFL-061",
            "lets conditionals find the credentials under state.credentials",
            fn holds(&self, condition: &Condition, roots: &Roots<'_>) -> Result<Held, ErrorObject> {
                let mut state = roots.state.cloned().unwrap_or_default();
                if let Some(members) = state.as_object_mut() {
                    members.insert("credentials".to_owned(), json!({"CRM_TOKEN": "granted"}));
                }
                let roots = Roots {
                    state: Some(&state),
                    ..*roots
                };
                input::holds(condition, &roots)
            }
        ),
    ]
}

fn skips() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "skips-are-failures",
            "WFL-045",
            "gives a skipped node a result without success",
            fn skipped_result(&self, label: &str) -> Value {
                let mut result = answers::skipped(label);
                result["success"] = json!(false);
                result["error"] = json!({"errorCode": "conditional_error", "message": "the conditional is false", "retryable": false});
                result
            }
        )
        .rewriting(),
        swap_workflow!(
            "skips-leave-no-entry",
            "WFL-046",
            "writes nothing into the history for a skipped node",
            fn node_entries(&self, mut entries: Vec<Value>) -> Vec<Value> {
                entries.retain(|entry| entry["status"] != "skipped");
                entries
            }
        ),
        swap_workflow!(
            "a-skip-clears-the-last-result",
            "WFL-046",
            "sets the last result to null when a node is skipped",
            fn state_after_skip(&self, state: &Value) -> Option<Value> {
                let mut state = state.clone();
                state["lastResult"] = Value::Null;
                Some(state)
            }
        ),
        swap_workflow!(
            "a-skip-empties-the-results",
            "WFL-046",
            "empties the results when a node is skipped",
            fn state_after_skip(&self, state: &Value) -> Option<Value> {
                let mut state = state.clone();
                state["results"] = json!({});
                Some(state)
            }
        ),
        swap_workflow!(
            "a-skip-asks-the-model",
            "WFL-049",
            "plans again after a skip although no goal was given",
            fn may_replan(&self, _: Option<&str>) -> bool {
                true
            }
        ),
    ]
}

fn undefined() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "undefined-paths-are-not-named",
            "WFL-047",
            "keeps to itself which paths a false conditional did not find",
            fn undefined_paths(&self, _: &Held) -> Vec<String> {
                Vec::new()
            }
        ),
        swap_workflow!(
            "only-the-first-undefined-path",
            "WFL-047",
            "names the first undefined path and no other",
            fn undefined_paths(&self, held: &Held) -> Vec<String> {
                held.undefined.iter().take(1).cloned().collect()
            }
        ),
        swap_workflow!(
            "unread-paths-are-named",
            "WFL-047",
            "names every path that stands in the conditional, read or not, there or not",
            fn holds(&self, condition: &Condition, roots: &Roots<'_>) -> Result<Held, ErrorObject> {
                let held = input::holds(condition, roots)?;
                let words = condition
                    .text
                    .split(|c: char| !c.is_alphanumeric() && c != '.' && c != '_');
                let paths =
                    words.filter(|word| word.starts_with("state.") || word.starts_with("input."));
                Ok(Held {
                    undefined: paths.map(str::to_owned).collect(),
                    ..held
                })
            }
        ),
    ]
}

fn errors() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "conditional-errors-are-false",
            "WFL-048",
            "skips a node whose conditional cannot be evaluated",
            fn unevaluated(&self, _: ErrorObject) -> Result<Held, ErrorObject> {
                Ok(counts_as(false))
            }
        ),
        swap_workflow!(
            "conditional-errors-are-true",
            "WFL-048",
            "runs a node whose conditional cannot be evaluated",
            fn unevaluated(&self, _: ErrorObject) -> Result<Held, ErrorObject> {
                Ok(counts_as(true))
            }
        ),
        swap_workflow!(
            "conditional-errors-run-the-fallback",
            "WFL-048",
            "runs the fallback of a node whose conditional cannot be evaluated",
            fn falls_back(&self, error: &ErrorObject) -> bool {
                error.code == Code::ConditionalError || fallback::runs_after(error.code)
            }
        ),
    ]
}

fn counts_as(truth: bool) -> Held {
    Held {
        truth,
        undefined: Vec::new(),
    }
}

/// A conditional that holds if its value, `None` where it is undefined, is what this says.
fn literally(
    condition: &Condition,
    roots: &Roots<'_>,
    is_true: fn(Option<&Value>) -> bool,
) -> Result<Held, ErrorObject> {
    let held = input::holds(condition, roots)?;
    let outcome = condition.expression.evaluate(roots);
    let value = outcome.ok().and_then(|outcome| outcome.value);
    Ok(Held {
        truth: is_true(value.as_ref().map(Cow::as_ref)),
        ..held
    })
}
