//! Runtimes whose expressions see another world than they should.

use std::borrow::Cow;

use serde_json::Value;

use crate::expression::{Expression, Roots, Templates};
use crate::mutants::Mutant;
use crate::runtime::error::ErrorObject;
use crate::workflow::input::{self, Held};
use crate::workflow::node::Condition;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "observation-is-the-state",
            "EXP-008",
            "lets workflows read their state as `observation` too",
            fn holds(&self, condition: &Condition, roots: &Roots<'_>) -> Result<Held, ErrorObject> {
                let observation = roots.observation.or(roots.state);
                input::holds(
                    condition,
                    &Roots {
                        observation,
                        ..*roots
                    },
                )
            },
            fn resolve_templates(
                &self,
                templates: &Templates,
                input: &Value,
                roots: &Roots<'_>,
            ) -> Result<Value, ErrorObject> {
                let observation = roots.observation.or(roots.state);
                input::resolve(
                    templates,
                    input,
                    &Roots {
                        observation,
                        ..*roots
                    },
                )
            }
        ),
        swap_session!(
            "state-is-the-observation",
            "EXP-008",
            "lets sessions read their observation as `state` too",
            fn roots<'a>(&self, observation: &'a Value, args: &'a Value) -> Roots<'a> {
                Roots {
                    state: Some(observation),
                    observation: Some(observation),
                    input: Some(args),
                }
            }
        ),
        swap_workflow!(
            "camel-case-paths-are-folded",
            "EXP-041",
            "looks for camelCase members under their names in snake_case",
            fn holds(&self, condition: &Condition, roots: &Roots<'_>) -> Result<Held, ErrorObject> {
                let text = folded(&condition.text);
                let Ok(expression) = Expression::parse(&text) else {
                    return input::holds(condition, roots);
                };
                let text = text.into_owned();
                input::holds(&Condition { text, expression }, roots)
            },
            fn resolve_templates(
                &self,
                templates: &Templates,
                input: &Value,
                roots: &Roots<'_>,
            ) -> Result<Value, ErrorObject> {
                let Some(members) = input.as_object() else {
                    return input::resolve(templates, input, roots);
                };
                let members = members.iter().map(|(name, member)| {
                    let member = member
                        .as_str()
                        .map_or_else(|| member.clone(), |text| folded(text).into());
                    (name.clone(), member)
                });
                let input = Value::Object(members.collect());
                let templates = Templates::parse(&input).unwrap_or_else(|_| templates.clone());
                input::resolve(&templates, &input, roots)
            }
        ),
    ]
}

/// A text whose words are all lower case, with `_` before what was upper case.
fn folded(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_uppercase) {
        return Cow::Borrowed(text);
    }
    let letters = text.chars().map(|letter| {
        if letter.is_uppercase() {
            format!("_{}", letter.to_lowercase())
        } else {
            letter.to_string()
        }
    });
    Cow::Owned(letters.collect())
}
