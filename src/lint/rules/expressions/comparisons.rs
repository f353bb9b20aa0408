//! Comparisons whose outcome the kinds of their sides decide.

use serde_json::Value;

use super::kinds::{declared, kinds};
use super::sites::{Site, sites};
use crate::expression::{Branch, Form, Step};
use crate::lint::near::nearest;
use crate::lint::rule::Found;
use crate::lint::rules::references::declared::Declared;
use crate::lint::rules::references::kinds::Kinds;
use crate::lint::subject::Subject;

/// A comparison of an expression.
struct Comparison<'e> {
    whole: Branch<'e>,
    left: Branch<'e>,
    sign: &'static str,
    right: Branch<'e>,
}

fn comparisons(site: &Site<'_>, mut take: impl FnMut(Comparison<'_>)) {
    for whole in site.expression.survey().all() {
        if let Form::Comparison(left, sign, right) = whole.form() {
            take(Comparison {
                whole,
                left,
                sign,
                right,
            });
        }
    }
}

/// The bytes of the operator.
fn operator(site: &Site<'_>, comparison: &Comparison<'_>) -> (usize, usize) {
    let start = site.start + comparison.whole.at();
    (start, start + comparison.sign.len())
}

fn literal<'e>(part: Branch<'e>) -> Option<&'e Value> {
    match part.form() {
        Form::Literal(value) => Some(value),
        _ => None,
    }
}

fn is_path(part: Branch<'_>) -> bool {
    matches!(part.form(), Form::Path(..))
}

/// The side that is a path, and the literal on the other one.
fn path_and_literal<'e>(
    comparison: &Comparison<'e>,
) -> Option<(Branch<'e>, Branch<'e>, &'e Value)> {
    let sides = [
        (comparison.left, comparison.right),
        (comparison.right, comparison.left),
    ];
    sides.into_iter().find_map(|(path, other)| {
        let value = literal(other)?;
        is_path(path).then_some((path, other, value))
    })
}

/// Whether a comparison with null is told of elsewhere, as one with what may be undefined.
fn is_about_null(comparison: &Comparison<'_>, site: &Site<'_>) -> bool {
    path_and_literal(comparison).is_some_and(|(path, _, value)| {
        value.is_null() && kinds(path, site).meets(Kinds::UNDEFINED)
    })
}

pub(super) fn impossible(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        comparisons(&site, |comparison| {
            let (left, right) = (
                kinds(comparison.left, &site),
                kinds(comparison.right, &site),
            );
            let outcome = match comparison.sign {
                "==" => "never",
                "!=" => "always",
                _ => return,
            };
            let constant = comparison.whole.constant().is_some();
            // What is undefined for certain is told of by its name.
            let nameless = [left, right].contains(&Kinds::UNDEFINED);
            if left.meets(right) || constant || nameless || is_about_null(&comparison, &site) {
                return;
            }
            let message = format!(
                "this is {outcome} true: '{}' is {} and '{}' is {}",
                comparison.left,
                left.words(),
                comparison.right,
                right.words()
            );
            let (start, end) = operator(&site, &comparison);
            let noted = found.at(site.pointer.clone(), message).within(start, end);
            let Some((path, other, value)) = path_and_literal(&comparison) else {
                return;
            };
            if let Some(right) = in_kind(value, kinds(path, &site))
                && let Some(steps) = site.rewritten(site.span(other), &right)
            {
                noted.fix_unsafe(format!("compare with {right}"), steps);
            }
        });
    }
}

/// The literal in the kind of the other side, where its text says such a value.
fn in_kind(value: &Value, wanted: Kinds) -> Option<String> {
    let wanted = wanted.without(Kinds::UNDEFINED).without(Kinds::NULL);
    match value {
        Value::String(text) if wanted == Kinds::NUMBER => {
            let number: serde_json::Number = text.parse().ok()?;
            Some(number.to_string())
        }
        Value::String(text) if wanted == Kinds::BOOLEAN => ["true", "false"]
            .contains(&text.as_str())
            .then(|| text.clone()),
        Value::Number(_) | Value::Bool(_) if wanted == Kinds::TEXT => Some(format!("\"{value}\"")),
        Value::Number(number) if wanted == Kinds::BOOLEAN => match number.as_i64()? {
            0 => Some("false".to_owned()),
            1 => Some("true".to_owned()),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn outside_enum(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        comparisons(&site, |comparison| {
            if !matches!(comparison.sign, "==" | "!=" | "in" | "not in") {
                return;
            }
            let Form::Path(root, steps) = comparison.left.form() else {
                return;
            };
            let Declared::Schema { schema, .. } = declared(root, &steps, &site) else {
                return;
            };
            let allowed: Vec<&Value> = match (schema.get("const"), schema.get("enum")) {
                (Some(only), _) => vec![only],
                (None, Some(Value::Array(values))) => values.iter().collect(),
                _ => return,
            };
            let asked = match comparison.right.form() {
                Form::Array(elements) if comparison.sign.ends_with("in") => elements,
                _ if comparison.sign.ends_with("in") => return,
                _ => vec![comparison.right],
            };
            for part in asked {
                let Some(value) = literal(part) else {
                    continue;
                };
                // Numbers are compared by value; of another kind than all of them is the other rule's.
                let same_kind = allowed.iter().any(|one| Kinds::of(one) == Kinds::of(value));
                let has = allowed
                    .iter()
                    .any(|one| one.as_f64().is_some() && one.as_f64() == value.as_f64())
                    || allowed.contains(&value);
                if has || !same_kind || value.is_null() {
                    continue;
                }
                let names = allowed.iter().filter_map(|value| value.as_str());
                let meant = value.as_str().and_then(|text| nearest(text, names));
                let message = match meant {
                    Some(meant) => format!(
                        "'{}' is never {part} by its schema; did you mean \"{meant}\"?",
                        comparison.left
                    ),
                    None => format!(
                        "'{}' is never {part} by its schema; compare with one of its values",
                        comparison.left
                    ),
                };
                let span = site.span(part);
                let noted = found
                    .at(site.pointer.clone(), message)
                    .within(span.0, span.1);
                let new = meant.map(|meant| Value::from(meant).to_string());
                if let Some(new) = new
                    && let Some(steps) = site.rewritten(span, &new)
                {
                    noted.fix_unsafe(format!("compare with {new}"), steps);
                }
            }
        });
    }
}

pub(super) fn unordered(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        comparisons(&site, |comparison| {
            if !matches!(comparison.sign, "<" | "<=" | ">" | ">=") {
                return;
            }
            if comparison.whole.constant().is_some() {
                return;
            }
            let (left, right) = (
                kinds(comparison.left, &site),
                kinds(comparison.right, &site),
            );
            let can = |kind: Kinds| left.meets(kind) && right.meets(kind);
            let nameless = [left, right].contains(&Kinds::UNDEFINED);
            if can(Kinds::NUMBER) || can(Kinds::TEXT) || nameless {
                return;
            }
            let message = format!(
                "this always fails: '{}' is {} and '{}' is {}; only two numbers or two strings have an order",
                comparison.left,
                left.words(),
                comparison.right,
                right.words()
            );
            let (start, end) = operator(&site, &comparison);
            found.at(site.pointer.clone(), message).within(start, end);
        });
    }
}

pub(super) fn with_null(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        let whole = site.expression.survey();
        let asked: Vec<String> = whole
            .all()
            .into_iter()
            .filter_map(|part| match part.form() {
                Form::Test { operand, .. } => Some(operand.to_string()),
                _ => None,
            })
            .collect();
        comparisons(&site, |comparison| {
            if !matches!(comparison.sign, "==" | "!=") || !is_about_null(&comparison, &site) {
                return;
            }
            let Some((path, ..)) = path_and_literal(&comparison) else {
                return;
            };
            let name = path.to_string();
            if kinds(path, &site) == Kinds::UNDEFINED || asked.contains(&name) {
                return;
            }
            let outcome = if comparison.sign == "==" {
                "false"
            } else {
                "true"
            };
            let message = format!(
                "this is {outcome} when '{name}' is absent, since undefined is not null; ask `is defined`, or give null with `default(none)`"
            );
            let span = site.span(path);
            let (start, end) = operator(&site, &comparison);
            let noted = found.at(site.pointer.clone(), message).within(start, end);
            if site.text.get(span.0..span.1) == Some(name.as_str())
                && let Some(steps) = site.rewritten(span, &format!("{name} | default(none)"))
            {
                noted.fix_unsafe("take what is absent for null", steps);
            }
        });
    }
}

pub(super) fn with_itself(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        comparisons(&site, |comparison| {
            if comparison.left == comparison.right && comparison.whole.constant().is_none() {
                let message = format!(
                    "'{}' is compared with itself; compare it with something else",
                    comparison.left
                );
                let (start, end) = operator(&site, &comparison);
                found.at(site.pointer.clone(), message).within(start, end);
            }
        });
    }
}

/// Whether a part is a count.
fn is_count(part: Branch<'_>) -> bool {
    match part.form() {
        Form::Path(_, steps) | Form::Within(_, steps) => steps.last() == Some(&Step::Length),
        Form::Filtered(_, filters) => filters.last().is_some_and(|filter| filter.name == "length"),
        _ => false,
    }
}

pub(super) fn negative_length(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        comparisons(&site, |comparison| {
            let number = |part| literal(part).and_then(Value::as_f64);
            let (bound, sign) = match (is_count(comparison.left), is_count(comparison.right)) {
                (true, false) => (number(comparison.right), comparison.sign),
                (false, true) => (number(comparison.left), mirrored(comparison.sign)),
                _ => return,
            };
            let Some(bound) = bound else {
                return;
            };
            let outcome = match sign {
                "<" if bound <= 0.0 => "never",
                "<=" | "==" if bound < 0.0 => "never",
                ">=" if bound <= 0.0 => "always",
                ">" | "!=" if bound < 0.0 => "always",
                _ => return,
            };
            let message = format!(
                "this is {outcome} true, since a length is never negative; compare with 0 as in `> 0`"
            );
            let (start, end) = operator(&site, &comparison);
            found.at(site.pointer.clone(), message).within(start, end);
        });
    }
}

/// The operator of the comparison written the other way about.
fn mirrored(sign: &str) -> &str {
    match sign {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        same => same,
    }
}
