//! Runtimes that keep to themselves what was wrong with an expression.

use serde_json::Value;

use crate::expression::{Roots, Templates};
use crate::mutants::Mutant;
use crate::runtime::error::ErrorObject;
use crate::workflow::input::{self, Held};
use crate::workflow::node::Condition;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "reasons-are-not-told",
            "EXP-031",
            "fails with conditional_error and template_error, and does not say for what reason",
            fn holds(&self, condition: &Condition, roots: &Roots<'_>) -> Result<Held, ErrorObject> {
                input::holds(condition, roots).map_err(|error| without(error, "reason"))
            },
            fn resolve_templates(
                &self,
                templates: &Templates,
                input: &Value,
                roots: &Roots<'_>,
            ) -> Result<Value, ErrorObject> {
                input::resolve(templates, input, roots).map_err(|error| without(error, "reason"))
            }
        )
        .rewriting(),
        swap_workflow!(
            "one-reason-for-all",
            "EXP-031",
            "gives the reason type for whatever cannot be evaluated",
            fn holds(&self, condition: &Condition, roots: &Roots<'_>) -> Result<Held, ErrorObject> {
                input::holds(condition, roots).map_err(|error| error.with("reason", "type"))
            },
            fn resolve_templates(
                &self,
                templates: &Templates,
                input: &Value,
                roots: &Roots<'_>,
            ) -> Result<Value, ErrorObject> {
                input::resolve(templates, input, roots)
                    .map_err(|error| error.with("reason", "type"))
            }
        )
        .rewriting(),
        swap_workflow!(
            "offsets-are-not-told",
            "EXP-032",
            "does not say where in an expression it failed",
            fn holds(&self, condition: &Condition, roots: &Roots<'_>) -> Result<Held, ErrorObject> {
                input::holds(condition, roots).map_err(|error| without(error, "offset"))
            },
            fn resolve_templates(
                &self,
                templates: &Templates,
                input: &Value,
                roots: &Roots<'_>,
            ) -> Result<Value, ErrorObject> {
                input::resolve(templates, input, roots).map_err(|error| without(error, "offset"))
            }
        )
        .rewriting(),
    ]
}

fn without(mut error: ErrorObject, member: &str) -> ErrorObject {
    error.details.remove(member);
    error
}
