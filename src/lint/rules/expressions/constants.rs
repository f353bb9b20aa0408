//! What can be computed without any state: conditionals that are always or never true, and parts that always fail.

use serde_json::Value;

use super::sites::sites;
use crate::expression::{Branch, Form, Reason};
use crate::lint::Edit;
use crate::lint::rule::Found;
use crate::lint::subject::Subject;

/// Most operands that are compared with each other.
const MOST_OPERANDS: usize = 30;

pub(super) fn conditionals(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        if !site.is_condition {
            continue;
        }
        let Some(truth) = truth(site.expression.survey()) else {
            continue;
        };
        let message = if truth {
            "this is always true and guards nothing; ask about something, or leave the conditional out"
        } else {
            "this is never true, so the action never runs; ask about something that can be"
        };
        let (start, end) = site.whole();
        let noted = found.at(site.pointer.clone(), message).within(start, end);
        if truth {
            let pointer = site.pointer.clone();
            noted.fix_unsafe("remove the conditional", vec![Edit::Remove { pointer }]);
        }
    }
}

/// Whether a part is true, or false, whatever the roots hold, as long as nothing in it fails.
fn truth(part: Branch<'_>) -> Option<bool> {
    if let Some(constant) = part.constant() {
        return Some(crate::expression::is_true(constant.ok()?.as_ref()));
    }
    match part.form() {
        Form::Not(operand) => truth(operand).map(|truth| !truth),
        Form::And(operands) => decided(&operands, false),
        Form::Or(operands) => decided(&operands, true),
        _ => None,
    }
}

/// What `and` (decided by a false operand) or `or` (by a true one) comes to.
fn decided(operands: &[Branch<'_>], by: bool) -> Option<bool> {
    let each: Vec<Option<bool>> = operands.iter().map(|operand| truth(*operand)).collect();
    if each.contains(&Some(by)) {
        return Some(by);
    }
    if each.iter().all(|truth| *truth == Some(!by)) {
        return Some(!by);
    }
    let few = operands
        .get(..operands.len().min(MOST_OPERANDS))
        .unwrap_or_default();
    let opposed = few.iter().enumerate().any(|(index, one)| {
        let rest = few.get(index + 1..).unwrap_or_default();
        rest.iter().any(|other| are_opposed(*one, *other, by))
    });
    opposed.then_some(by)
}

/// Whether two operands cannot both be true (of `and`), or cannot both be false (of `or`).
fn are_opposed(one: Branch<'_>, other: Branch<'_>, by: bool) -> bool {
    match (one.form(), other.form()) {
        (Form::Not(inner), _) if inner == other => true,
        (_, Form::Not(inner)) if inner == one => true,
        (Form::Comparison(a, sign, b), Form::Comparison(c, other_sign, d)) if a == c => {
            let (wanted, opposite) = if by { ("!=", "==") } else { ("==", "!=") };
            let differ = || match (b.form(), d.form()) {
                (Form::Literal(b), Form::Literal(d)) => !equal(b, d),
                _ => false,
            };
            (sign == wanted && other_sign == wanted && differ())
                || (b == d && sign == wanted && other_sign == opposite)
                || (b == d && sign == opposite && other_sign == wanted)
        }
        _ => false,
    }
}

fn equal(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

pub(super) fn repeated(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        let whole = site.expression.survey();
        for part in whole.all() {
            let (operands, word) = match part.form() {
                Form::And(operands) => (operands, " and "),
                Form::Or(operands) => (operands, " or "),
                _ => continue,
            };
            let mut once: Vec<Branch<'_>> = Vec::new();
            let mut twice = None;
            for operand in operands.into_iter().take(MOST_OPERANDS) {
                if once.contains(&operand) {
                    twice = twice.or(Some(operand));
                } else {
                    once.push(operand);
                }
            }
            let Some(twice) = twice else {
                continue;
            };
            let message = format!("'{twice}' stands twice here; write it once, or what was meant");
            let (start, end) = site.span(twice);
            let noted = found.at(site.pointer.clone(), message).within(start, end);
            if part == whole && once.len() < MOST_OPERANDS {
                let texts: Vec<String> = once.iter().map(|operand| grouped(*operand)).collect();
                if let Some(steps) = site.rewritten(site.whole(), &texts.join(word)) {
                    noted.fix("write it once", steps);
                }
            }
        }
    }
}

/// The canonical text of an operand, in parentheses where it needs them.
fn grouped(operand: Branch<'_>) -> String {
    match operand.form() {
        Form::And(_) | Form::Or(_) => format!("({operand})"),
        _ => operand.to_string(),
    }
}

pub(super) fn zero_division(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        for part in site.expression.survey().all() {
            let Form::Arithmetic(_, rest) = part.form() else {
                continue;
            };
            for operand in rest {
                let divides = matches!(operand.sign, "/" | "%");
                let value = operand.value.constant().and_then(Result::ok).flatten();
                let is_zero = value.and_then(|value| value.as_f64()) == Some(0.0);
                if divides && is_zero {
                    let start = site.start + operand.at;
                    found
                        .at(site.pointer.clone(), "the right side is always zero, so this always fails; divide by something else")
                        .within(start, start + operand.sign.len());
                }
            }
        }
    }
}

pub(super) fn failing(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        // Outermost parts come first: of nested ones that fail, the outer one is told.
        let mut told: Vec<Branch<'_>> = Vec::new();
        for part in site.expression.survey().all() {
            let Some(Err(error)) = part.constant() else {
                continue;
            };
            if error.reason == Reason::ZeroDivision
                || told.iter().any(|outer| outer.all().contains(&part))
            {
                continue;
            }
            told.push(part);
            let start = (site.start + error.offset).min(site.whole().1);
            let message = format!("this always fails: {}", error.message);
            found
                .at(site.pointer.clone(), message)
                .within(start, site.whole().1);
        }
    }
}
