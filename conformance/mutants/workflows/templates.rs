//! Mutants of sections 7.1, 7.3 and 7.4: the resolved input and what is done with it, in order.

use serde_json::{Map, Value};

use crate::diagnostic::Violation;
use crate::expression::{Roots, Template, Templates};
use crate::manifest::Action;
use crate::mutants::Mutant;
use crate::runtime::error::ErrorObject;
use crate::runtime::redact::Redactor;
use crate::suite::options::test_secrets;
use crate::workflow::input;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [order(), places(), failures(), defaults()]
        .into_iter()
        .flatten()
        .collect()
}

type Resolved = Result<Value, ErrorObject>;

fn order() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "templates-before-conditional",
            "WFL-040",
            "resolves the templates before it asks the conditional",
            fn conditional_first(&self) -> bool {
                false
            }
        ),
        swap_workflow!(
            "inputs-are-unchecked",
            "WFL-041",
            "executes with an input that breaks the schema",
            fn check_input(&self, _: &Action, _: &Value) -> Vec<Violation> {
                Vec::new()
            }
        ),
        swap_workflow!(
            "charged-before-validation",
            "WFL-042",
            "charges the rate as soon as a node is reached",
            fn charges_after_validation(&self) -> bool {
                false
            }
        ),
        swap_workflow!(
            "validated-before-redaction",
            "WFL-043",
            "validates and keeps replies as they came, credentials and all",
            fn clean_reply(&self, _: &Redactor, reply: Value) -> Value {
                reply
            },
            fn clean_input(&self, _: &Redactor, input: Value) -> Value {
                input
            }
        ),
        swap_workflow!(
            "outputs-are-kept-unchecked",
            "WFL-044",
            "takes an output that breaks its schema",
            fn check_output(&self, _: &Action, _: &Value) -> Vec<Violation> {
                Vec::new()
            }
        ),
        swap_workflow!(
            "bad-outputs-are-kept",
            "WFL-044",
            "fails a node for its output, but keeps the output in the state",
            fn kept_of_invalid(&self, output: &Value) -> Option<Value> {
                Some(output.clone())
            }
        ),
    ]
}

fn places() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "templates-are-sent-as-they-are",
            "WFL-050",
            "sends the text of a template in the place of its value",
            fn resolve_templates(&self, _: &Templates, input: &Value, _: &Roots<'_>) -> Resolved {
                Ok(input.clone())
            }
        ),
        swap_workflow!(
            "templates-at-the-top-only",
            "WFL-050",
            "resolves the members of the input that are texts and looks into no object and no array",
            fn resolve_templates(
                &self,
                all: &Templates,
                input: &Value,
                roots: &Roots<'_>,
            ) -> Resolved {
                let resolved = input::resolve(all, input, roots)?;
                let members = input.as_object().into_iter().flatten();
                Ok(members
                    .map(|(name, member)| match member {
                        Value::String(_) => (name.clone(), resolved[name].clone()),
                        deeper => (name.clone(), deeper.clone()),
                    })
                    .collect::<Map<_, _>>()
                    .into())
            }
        ),
        swap_workflow!(
            "member-names-are-templates",
            "WFL-050",
            "resolves templates in the names of members as well",
            fn resolve_templates(
                &self,
                all: &Templates,
                input: &Value,
                roots: &Roots<'_>,
            ) -> Resolved {
                let resolved = input::resolve(all, input, roots)?;
                let members = resolved.as_object().into_iter().flatten();
                Ok(members
                    .map(|(name, member)| (resolved_text(name, roots), member.clone()))
                    .collect::<Map<_, _>>()
                    .into())
            }
        ),
        swap_workflow!(
            "templates-give-texts",
            "WFL-050",
            "makes a text of every value that a template gives",
            fn resolve_templates(
                &self,
                all: &Templates,
                input: &Value,
                roots: &Roots<'_>,
            ) -> Resolved {
                let resolved = input::resolve(all, input, roots)?;
                Ok(each_text(input, &resolved, &|_, value| match value {
                    Value::String(text) => Value::from(text.as_str()),
                    other => Value::from(other.to_string()),
                }))
            }
        ),
        swap_workflow!(
            "only-whole-texts-are-templates",
            "WFL-050",
            "leaves templates in longer texts as they stand",
            fn resolve_templates(
                &self,
                all: &Templates,
                input: &Value,
                roots: &Roots<'_>,
            ) -> Resolved {
                let resolved = input::resolve(all, input, roots)?;
                Ok(each_text(input, &resolved, &|text, value| {
                    let whole =
                        text.starts_with("{{") && text.find("}}") == text.len().checked_sub(2);
                    if whole {
                        value.clone()
                    } else {
                        Value::from(text)
                    }
                }))
            }
        ),
        swap_workflow!(
            "templates-see-no-input",
            "WFL-050",
            "resolves templates without the root input",
            fn resolve_templates(
                &self,
                all: &Templates,
                input: &Value,
                roots: &Roots<'_>,
            ) -> Resolved {
                let roots = Roots {
                    input: None,
                    ..*roots
                };
                input::resolve(all, input, &roots)
            }
        ),
        swap_workflow!(
            "templates-are-resolved-twice",
            "WFL-052",
            "looks for templates again in what templates gave",
            fn resolve_templates(
                &self,
                all: &Templates,
                input: &Value,
                roots: &Roots<'_>,
            ) -> Resolved {
                let once = input::resolve(all, input, roots)?;
                let again = Templates::parse(&once).ok();
                let twice = again.and_then(|templates| templates.resolve(&once, roots).ok());
                Ok(twice.unwrap_or(once))
            }
        ),
        swap_workflow!(
            "references-in-inputs-are-filled",
            "WFL-061",
            "puts the credential in where an input names it",
            fn resolve_templates(
                &self,
                all: &Templates,
                input: &Value,
                roots: &Roots<'_>,
            ) -> Resolved {
                let resolved = input::resolve(all, input, roots)?;
                let mut text = resolved.to_string();
                for (name, value) in test_secrets() {
                    text = text.replace(&format!("${{{name}}}"), &value);
                }
                Ok(serde_json::from_str(&text).unwrap_or(resolved))
            }
        ),
    ]
}

fn failures() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "undefined-templates-are-empty",
            "WFL-051",
            "puts nothing in the place of a template that failed",
            fn unresolved(&self, _: ErrorObject, input: &Value) -> Resolved {
                Ok(each_text(input, input, &|text, value| {
                    if text.contains("{{") {
                        Value::from("")
                    } else {
                        value.clone()
                    }
                }))
            }
        ),
        swap_workflow!(
            "failing-templates-stay-text",
            "WFL-051",
            "sends the input as it was given when a template fails",
            fn unresolved(&self, _: ErrorObject, input: &Value) -> Resolved {
                Ok(input.clone())
            }
        ),
    ]
}

fn defaults() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "nothing-is-filled",
            "WFL-053",
            "takes no member from the last result",
            fn fillable(&self, _: &Value) -> Vec<String> {
                Vec::new()
            }
        ),
        swap_workflow!(
            "filled-before-templates",
            "WFL-053",
            "reads templates in what it fills in",
            fn default_of(&self, last_result: Option<&Value>, member: &str) -> Option<Value> {
                let state = serde_json::json!({"lastResult": last_result?});
                let roots = Roots {
                    state: Some(&state),
                    ..Roots::default()
                };
                let value = input::default_of(last_result, member)?;
                let templates = Templates::parse(&value).ok();
                let resolved =
                    templates.and_then(|templates| templates.resolve(&value, &roots).ok());
                Some(resolved.unwrap_or(value))
            }
        ),
        swap_workflow!(
            "filled-from-any-depth",
            "WFL-053",
            "fills a member from wherever in the last result its name stands",
            fn default_of(&self, last_result: Option<&Value>, member: &str) -> Option<Value> {
                anywhere(last_result?, member)
            }
        ),
        swap_workflow!(
            "last-result-over-the-input",
            "WFL-054",
            "lays the last result over what the input gives",
            fn is_given(&self, _: &Map<String, Value>, _: &str) -> bool {
                false
            }
        ),
        swap_workflow!(
            "last-result-over-nulls",
            "WFL-054",
            "takes a member that is null for one that is absent",
            fn is_given(&self, input: &Map<String, Value>, member: &str) -> bool {
                input.get(member).is_some_and(|value| !value.is_null())
            }
        ),
        swap_workflow!(
            "optional-members-are-filled",
            "WFL-055",
            "fills every member that the schema knows, required or not",
            fn fillable(&self, input_schema: &Value) -> Vec<String> {
                let known = input_schema.get("properties").and_then(Value::as_object);
                let known = known.into_iter().flatten().map(|(name, _)| name.clone());
                known.collect()
            }
        ),
        swap_workflow!(
            "what-was-filled-is-not-told",
            "WFL-056",
            "fills members without a word in the history",
            fn defaulted(&self, _: Vec<String>) -> Vec<String> {
                Vec::new()
            }
        ),
        swap_workflow!(
            "everything-is-told-to-be-filled",
            "WFL-056",
            "names the whole input as filled in where nothing was",
            fn defaulted(&self, mut filled: Vec<String>) -> Vec<String> {
                if filled.is_empty() {
                    filled.push("input".to_owned());
                }
                filled
            }
        ),
    ]
}

/// A text as a template resolves it; as it is where it cannot be.
fn resolved_text(text: &str, roots: &Roots<'_>) -> String {
    let template = Template::parse(text).ok();
    let resolved = template.and_then(|template| template.resolve_text(roots).ok());
    resolved.unwrap_or_else(|| text.to_owned())
}

/// The given value with each text that holds a template replaced; `change` gets the text and what it was resolved to.
fn each_text(given: &Value, resolved: &Value, change: &dyn Fn(&str, &Value) -> Value) -> Value {
    match given {
        Value::String(text) if text.contains("{{") => change(text, resolved),
        Value::Array(elements) => {
            let pairs = elements.iter().enumerate();
            pairs
                .map(|(index, element)| each_text(element, &resolved[index], change))
                .collect()
        }
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), each_text(member, &resolved[name], change)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// The first member of this name, at any depth.
fn anywhere(value: &Value, member: &str) -> Option<Value> {
    match value {
        Value::Object(members) => members
            .get(member)
            .cloned()
            .or_else(|| members.values().find_map(|value| anywhere(value, member))),
        Value::Array(elements) => elements.iter().find_map(|value| anywhere(value, member)),
        _ => None,
    }
}
