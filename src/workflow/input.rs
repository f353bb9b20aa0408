//! What a node is run with: conditionals, templates and defaults (`spec/workflows.md`, 7.2 to 7.4).

use serde_json::{Map, Value};

use super::node::Condition;
use crate::expression::{Error, Roots, Template, Templates};
use crate::runtime::error::{Code, ErrorObject};

/// What a conditional came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whether it counts as true.
    pub truth: bool,
    /// The paths it read that were undefined, in order, each once.
    pub undefined: Vec<String>,
}

/// Evaluates a conditional.
///
/// # Errors
/// `conditional_error` with reason and offset; a failed evaluation is never false.
pub fn holds(condition: &Condition, roots: &Roots<'_>) -> Result<Held, ErrorObject> {
    match condition.expression.evaluate(roots) {
        Ok(outcome) => Ok(Held {
            truth: outcome.is_true(),
            undefined: outcome.undefined,
        }),
        Err(error) => Err(failed(
            Code::ConditionalError,
            "the conditional cannot be evaluated",
            &error,
        )),
    }
}

/// Resolves the templates of an input.
///
/// # Errors
/// `template_error` with reason, offset and the place in the input.
pub fn resolve(
    templates: &Templates,
    input: &Value,
    roots: &Roots<'_>,
) -> Result<Value, ErrorObject> {
    templates.resolve(input, roots).map_err(|located| {
        failed(
            Code::TemplateError,
            "a template of the input cannot be evaluated",
            &located.error,
        )
        .with("pointer", located.pointer)
    })
}

/// Resolves the templates of a prompt, which is always text.
///
/// # Errors
/// `template_error` with reason and offset.
pub fn resolve_prompt(prompt: &Template, roots: &Roots<'_>) -> Result<String, ErrorObject> {
    prompt.resolve_text(roots).map_err(|error| {
        failed(
            Code::TemplateError,
            "a template of the prompt cannot be evaluated",
            &error,
        )
    })
}

fn failed(code: Code, what: &str, error: &Error) -> ErrorObject {
    ErrorObject::new(code, format!("{what}: {}", error.message))
        .with("reason", error.reason.as_str())
        .with("offset", error.offset)
}

/// The members that a schema lists in its top-level `required`.
pub fn required(input_schema: &Value) -> Vec<String> {
    let listed = input_schema.get("required").and_then(Value::as_array);
    let names = listed.into_iter().flatten().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

/// The member of this name in an object `state.lastResult`.
pub fn default_of(last_result: Option<&Value>, member: &str) -> Option<Value> {
    last_result?.as_object()?.get(member).cloned()
}

/// The input of a fallback: its own, or what the first action was run with.
pub fn of_fallback(own: Option<&Map<String, Value>>, first: &Value) -> Value {
    match own {
        Some(own) => Value::Object(own.clone()),
        None => first.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Expression;
    use serde_json::json;

    fn condition(text: &str) -> Condition {
        Condition {
            text: text.to_owned(),
            expression: Expression::parse(text).expect("parses"),
        }
    }

    #[test]
    fn a_false_conditional_names_what_was_undefined_and_a_broken_one_is_an_error() {
        let state = json!({"n": 1});
        let roots = Roots {
            state: Some(&state),
            ..Roots::default()
        };
        let held = holds(&condition("state.lastResult.slots"), &roots).expect("evaluates");
        assert!(!held.truth);
        assert_eq!(held.undefined, ["state.lastResult.slots"]);
        assert!(
            holds(&condition("state.n == 1"), &roots)
                .expect("evaluates")
                .truth
        );
        let error = holds(&condition("state.n / 0 > 1"), &roots).expect_err("cannot divide");
        assert_eq!(error.code, Code::ConditionalError);
        assert_eq!(error.details["reason"], "zero_division");
    }

    #[test]
    fn templates_keep_their_types_and_tell_their_place() {
        let state = json!({"list": [1, 2]});
        let roots = Roots {
            state: Some(&state),
            ..Roots::default()
        };
        let input = json!({"a": "{{ state.list }}", "b": ["n: {{ state.list[0] }}"]});
        let templates = Templates::parse(&input).expect("parses");
        assert_eq!(
            resolve(&templates, &input, &roots),
            Ok(json!({"a": [1, 2], "b": ["n: 1"]}))
        );
        let input = json!({"a": {"b/c": "{{ state.none }}"}});
        let templates = Templates::parse(&input).expect("parses");
        let error = resolve(&templates, &input, &roots).expect_err("undefined");
        assert_eq!(error.code, Code::TemplateError);
        assert_eq!(error.details["reason"], "undefined");
        assert_eq!(error.details["pointer"], "/a/b~1c");
    }

    #[test]
    fn only_required_members_of_an_object_are_defaults() {
        let schema = json!({"required": ["to"], "properties": {"cc": {}}});
        assert_eq!(required(&schema), ["to"]);
        assert_eq!(required(&json!(true)), Vec::<String>::new());
        let last = json!({"to": null});
        assert_eq!(default_of(Some(&last), "to"), Some(Value::Null));
        assert_eq!(default_of(Some(&last), "cc"), None);
        assert_eq!(default_of(Some(&json!("text")), "to"), None);
        assert_eq!(default_of(None, "to"), None);
    }
}
