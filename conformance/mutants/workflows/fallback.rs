//! Mutants of section 10: after what a fallback runs, with what, and what is told of it.

use serde_json::{Map, Value, json};

use crate::diagnostic::Violation;
use crate::manifest::{Action, Manifest};
use crate::mutants::Mutant;
use crate::runtime::error::{Code, ErrorObject};
use crate::workflow::fallback::runs_after;
use crate::workflow::input::{self, Held};
use crate::workflow::run::answers;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [after(), not_after(), once(), inputs(), told()]
        .into_iter()
        .flatten()
        .collect()
}

fn after() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "fallbacks-never-run",
            "WFL-070",
            "runs no fallback at all",
            fn falls_back(&self, _: &ErrorObject) -> bool {
                false
            }
        ),
        swap_workflow!(
            "fallback-only-after-retryable",
            "WFL-070",
            "runs a fallback only after failures that may be tried again",
            fn falls_back(&self, error: &ErrorObject) -> bool {
                error.retryable && runs_after(error.code)
            }
        ),
        swap_workflow!(
            "fallback-only-after-statuses",
            "WFL-070",
            "runs a fallback only after an answer of the service",
            fn falls_back(&self, error: &ErrorObject) -> bool {
                error.code == Code::UpstreamStatus
            }
        ),
        swap_workflow!(
            "no-fallback-for-plugins",
            "WFL-070",
            "runs no fallback after a plugin that could not run",
            fn falls_back(&self, error: &ErrorObject) -> bool {
                error.code != Code::PluginError && runs_after(error.code)
            }
        ),
    ]
}

fn not_after() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "fallback-after-unfit-outputs",
            "WFL-071",
            "runs a fallback after an output that does not satisfy its schema",
            fn falls_back(&self, error: &ErrorObject) -> bool {
                error.code == Code::OutputValidationFailed || runs_after(error.code)
            }
        ),
        swap_workflow!(
            "fallback-after-garbled-replies",
            "WFL-071",
            "runs a fallback after a reply that is no JSON",
            fn falls_back(&self, error: &ErrorObject) -> bool {
                error.code == Code::InvalidResponse || runs_after(error.code)
            }
        ),
        swap_workflow!(
            "fallback-after-own-faults",
            "WFL-072",
            "runs a fallback after faults of the request",
            fn falls_back(&self, error: &ErrorObject) -> bool {
                let own = [
                    Code::InputValidationFailed,
                    Code::TemplateError,
                    Code::ConditionalError,
                ];
                own.contains(&error.code) || runs_after(error.code)
            }
        ),
        swap_workflow!(
            "fallback-after-missing-credentials",
            "WFL-072",
            "runs a fallback for an action whose credential is missing",
            fn falls_back(&self, error: &ErrorObject) -> bool {
                error.code == Code::MissingCredential || runs_after(error.code)
            }
        ),
        swap_workflow!(
            "fallback-after-rate-limits",
            "WFL-072",
            "runs a fallback for an action that has reached its rate limit",
            fn falls_back(&self, error: &ErrorObject) -> bool {
                error.code == Code::RateLimited || runs_after(error.code)
            }
        ),
    ]
}

fn once() -> Vec<Mutant> {
    vec![
        swap!(
            "failed-calls-are-sent-again",
            "WFL-073",
            "sends a call that failed a second time",
            fn tries_again(&self, _: &ErrorObject, tries: u32) -> bool {
                tries < 2
            }
        ),
        swap_workflow!(
            "fallbacks-run-twice",
            "WFL-073",
            "runs a fallback once more when it fails",
            fn fallbacks(&self) -> usize {
                2
            }
        ),
        swap!(
            "cycles-are-registered",
            "WFL-079",
            "registers definitions whose fallbacks lead back to themselves",
            fn read_manifest(&self, document: &Value) -> Result<Manifest, Vec<Violation>> {
                super::read_without(document, &["fallback_action", "fallbackAction"])
            }
        ),
    ]
}

fn inputs() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "fallbacks-get-no-input",
            "WFL-074",
            "gives a fallback without an input of its own an empty one",
            fn fallback_input(&self, own: Option<&Map<String, Value>>, _: &Value) -> Value {
                input::of_fallback(own, &json!({}))
            }
        ),
        swap_workflow!(
            "fallbacks-get-the-first-input",
            "WFL-074",
            "gives every fallback the first action's input",
            fn fallback_input(&self, _: Option<&Map<String, Value>>, first: &Value) -> Value {
                first.clone()
            }
        ),
        swap_workflow!(
            "fallback-inputs-are-mixed",
            "WFL-074",
            "lays a fallback's own input over the first action's",
            fn fallback_input(&self, own: Option<&Map<String, Value>>, first: &Value) -> Value {
                let mut mixed = first.as_object().cloned().unwrap_or_default();
                mixed.extend(own.cloned().unwrap_or_default());
                Value::Object(mixed)
            }
        ),
        swap_workflow!(
            "empty-inputs-are-none",
            "WFL-074",
            "takes an empty input of a fallback for none",
            fn fallback_input(&self, own: Option<&Map<String, Value>>, first: &Value) -> Value {
                input::of_fallback(own.filter(|own| !own.is_empty()), first)
            }
        ),
        swap_workflow!(
            "unfit-fallbacks-run",
            "WFL-075",
            "does not hold a fallback's input against its schema",
            fn check_fallback_input(&self, _: &Action, _: &Value) -> Vec<Violation> {
                Vec::new()
            }
        ),
        swap_workflow!(
            "fallback-conditionals-mean-nothing",
            "WFL-076",
            "runs a fallback whatever its conditional says",
            fn fallback_runs(&self, _: &Held) -> bool {
                true
            }
        ),
        swap_workflow!(
            "fallback-conditionals-mean-the-opposite",
            "WFL-076",
            "runs a fallback when its conditional is false",
            fn fallback_runs(&self, held: &Held) -> bool {
                !held.truth
            }
        ),
    ]
}

fn told() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "results-named-after-the-first",
            "WFL-077",
            "tells the first action's name when the fallback ran",
            fn fallback_result(&self, mut result: Value, attempts: Vec<Value>) -> Value {
                let first = attempts.first().and_then(|first| first.get("action_name"));
                if let (Some(members), Some(name)) = (result.as_object_mut(), first) {
                    members.insert("action_name".to_owned(), name.clone());
                }
                answers::with_attempts(result, attempts)
            }
        ),
        swap_workflow!(
            "attempts-are-not-told",
            "WFL-077",
            "does not tell the attempts of a node whose fallback ran",
            fn fallback_result(&self, result: Value, _: Vec<Value>) -> Value {
                result
            }
        ),
        swap_workflow!(
            "attempts-backwards",
            "WFL-077",
            "tells the last attempt first",
            fn fallback_result(&self, result: Value, mut attempts: Vec<Value>) -> Value {
                attempts.reverse();
                answers::with_attempts(result, attempts)
            }
        ),
        swap_workflow!(
            "unfit-fallbacks-give-the-error",
            "WFL-078",
            "tells why the fallback was not executed in place of the first action's failure",
            fn unsaved_error(
                &self,
                first: ErrorObject,
                fallback: Option<&ErrorObject>,
            ) -> ErrorObject {
                fallback.cloned().unwrap_or(first)
            }
        ),
    ]
}
