//! Which kinds of values a part of an expression can have, by literals, operators and schemas.

use serde_json::Value;

use super::sites::{Input, Site};
use crate::expression::{Branch, Form, Step};
use crate::lint::rules::references::declared::Declared;
use crate::lint::rules::references::kinds::Kinds;

/// The kinds that the value of a part can have when it has one; [`Kinds::UNDEFINED`] says that it may have none.
pub(super) fn kinds(part: Branch<'_>, site: &Site<'_>) -> Kinds {
    match part.form() {
        Form::Literal(value) => Kinds::of(value),
        Form::Path(root, steps) => path(root, &steps, site),
        Form::Within(base, steps) => match (steps.as_slice(), kinds(base, site)) {
            ([Step::Length], base) if base.within(Kinds::ARRAY.or(Kinds::TEXT)) => Kinds::NUMBER,
            _ => Kinds::ALL,
        },
        Form::Array(_) => Kinds::ARRAY,
        Form::Negative(_) => Kinds::NUMBER,
        Form::Test { .. } | Form::Comparison(..) | Form::Not(_) => Kinds::BOOLEAN,
        Form::Arithmetic(first, rest) => {
            let only_plus = rest.iter().all(|operand| operand.sign == "+");
            let operands = std::iter::once(first).chain(rest.iter().map(|operand| operand.value));
            let mut taken = operands.map(|operand| kinds(operand, site).without(Kinds::UNDEFINED));
            if !only_plus {
                return Kinds::NUMBER;
            }
            let either = Kinds::NUMBER.or(Kinds::TEXT);
            taken
                .try_fold(either, |left, kinds| Some(left.and(kinds)))
                .unwrap_or(either)
        }
        Form::And(parts) | Form::Or(parts) => {
            let each = parts.into_iter().map(|part| kinds(part, site));
            each.fold(Kinds::NOTHING, Kinds::or)
        }
        Form::Filtered(base, filters) => {
            let mut value = kinds(base, site);
            for filter in filters {
                value = match (filter.name, filter.argument) {
                    ("length", _) => Kinds::NUMBER,
                    ("lower" | "upper" | "trim" | "join" | "tojson", _) => Kinds::TEXT,
                    ("default", Some(other)) if value.meets(Kinds::UNDEFINED) => {
                        value.without(Kinds::UNDEFINED).or(kinds(other, site))
                    }
                    ("default", _) => value,
                    _ => Kinds::ALL,
                };
            }
            value
        }
    }
}

/// The schema of what a path leads to, and whether something must stand there.
pub(super) fn declared<'s>(root: &str, steps: &[Step<'_>], site: &Site<'s>) -> Declared<'s> {
    match (root, site.input, &site.outputs) {
        ("input", Input::Schema(schema), _) => Declared::find(schema, steps),
        ("input", Input::Either(schema, own), _) => match steps.first() {
            Some(Step::Member(name)) if !own.contains_key(*name) => Declared::find(schema, steps),
            _ => Declared::Unknown,
        },
        ("state", _, Some(outputs)) => match steps {
            [Step::Member("results"), Step::Member(name), rest @ ..] => match outputs.get(name) {
                Some(schema) => match Declared::find(schema, rest) {
                    // Whether the action ran already, nobody knows.
                    Declared::Schema { schema, .. } => Declared::Schema {
                        schema,
                        surely: false,
                    },
                    Declared::Count { .. } => Declared::Count { surely: false },
                    other => other,
                },
                None => Declared::Unknown,
            },
            _ => Declared::Unknown,
        },
        _ => Declared::Unknown,
    }
}

fn path(root: &str, steps: &[Step<'_>], site: &Site<'_>) -> Kinds {
    let is_there = match root {
        "state" => site.has_state,
        "observation" => site.has_observation,
        _ => true,
    };
    if !is_there {
        return Kinds::UNDEFINED;
    }
    let or_none = |kinds: Kinds| kinds.or(Kinds::UNDEFINED);
    match declared(root, steps, site) {
        Declared::Schema {
            schema,
            surely: true,
        } => return Kinds::taken_by(schema),
        Declared::Schema { schema, .. } => return or_none(Kinds::taken_by(schema)),
        Declared::Count { surely: true } => return Kinds::NUMBER,
        Declared::Count { .. } => return or_none(Kinds::NUMBER),
        Declared::Never { .. } => return Kinds::UNDEFINED,
        Declared::Unnamed { .. } | Declared::Unknown => {}
    }
    let names: Option<Vec<&str>> = steps
        .iter()
        .map(|step| match step {
            Step::Member(name) => Some(*name),
            _ => None,
        })
        .collect();
    match (root, names.as_deref(), site.input) {
        ("input", Some([name]), Input::Members(members)) => match members.get(*name) {
            None => Kinds::UNDEFINED,
            // What a template leaves is another kind, perhaps; before it, this is text.
            Some(Value::String(text)) if text.contains("{{") => Kinds::ALL,
            Some(value) => Kinds::of(value),
        },
        ("input", Some([_, ..]), Input::Empty) => Kinds::UNDEFINED,
        ("input", Some([]), _) => Kinds::OBJECT,
        (
            "observation",
            Some(["timestamp"] | ["user_context", "user_id"] | ["last_result", "action_name"]),
            _,
        ) => or_none(Kinds::TEXT),
        ("observation", Some(["step"]), _) => or_none(Kinds::NUMBER),
        ("observation", Some(["last_result", "success"]), _) => or_none(Kinds::BOOLEAN),
        ("observation", Some([] | ["environment" | "user_context" | "last_result"]), _)
        | ("state", Some([] | ["results"]), _) => or_none(Kinds::OBJECT),
        ("state", Some(["history"]), _) => or_none(Kinds::ARRAY),
        _ => Kinds::ALL,
    }
}
