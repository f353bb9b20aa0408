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
    let mut few = Vec::new();
    flattened(operands, by, &mut few);
    let opposed = few.iter().enumerate().any(|(index, one)| {
        let rest = few.get(index + 1..).unwrap_or_default();
        rest.iter().any(|other| are_opposed(*one, *other, by))
    });
    opposed.then_some(by)
}

/// The operands with those of the same operator within them, as many as are compared. Recursion ends with the nesting of the text.
fn flattened<'e>(operands: &[Branch<'e>], by: bool, found: &mut Vec<Branch<'e>>) {
    for operand in operands {
        if found.len() >= MOST_OPERANDS {
            return;
        }
        match operand.form() {
            Form::And(inner) if !by => flattened(&inner, by, found),
            Form::Or(inner) if by => flattened(&inner, by, found),
            _ => found.push(*operand),
        }
    }
}

/// Whether two operands cannot both be true (of `and`), or cannot both be false (of `or`).
fn are_opposed(one: Branch<'_>, other: Branch<'_>, by: bool) -> bool {
    match (one.form(), other.form()) {
        (Form::Not(inner), _) if inner == other => true,
        (_, Form::Not(inner)) if inner == one => true,
        _ => match (Claim::of(one, by), Claim::of(other, by)) {
            (Some(one), Some(other)) => one.subject == other.subject && one.excludes(&other),
            _ => false,
        },
    }
}

/// What a comparison claims of a part: of `or`, what is the case when the comparison is false.
struct Claim<'e> {
    subject: Branch<'e>,
    sign: &'static str,
    value: Branch<'e>,
}

impl<'e> Claim<'e> {
    fn of(part: Branch<'e>, negated: bool) -> Option<Self> {
        let Form::Comparison(left, sign, right) = part.form() else {
            return None;
        };
        let is_literal = |part: Branch<'_>| matches!(part.form(), Form::Literal(_));
        let (subject, sign, value) = match (is_literal(left) && !is_literal(right), sign) {
            (true, "in" | "not in") | (false, _) => (left, sign, right),
            (true, sign) => (right, exchanged(sign), left),
        };
        let sign = if negated { opposite(sign)? } else { sign };
        Some(Self {
            subject,
            sign,
            value,
        })
    }

    fn excludes(&self, other: &Self) -> bool {
        if self.value == other.value {
            return disjoint(self.sign, other.sign);
        }
        if let (Some(one), Some(another)) = (self.values(), other.values()) {
            let in_both = |value: &&&Value| another.iter().any(|other| equal(value, other));
            return one.iter().find(in_both).is_none();
        }
        let (Some(one), Some(another)) = (self.number(), other.number()) else {
            return false;
        };
        let below = |upper: &Self, most: f64, lower: &Self, least: f64| {
            let strict = upper.sign == "<" || lower.sign == ">";
            matches!(upper.sign, "<" | "<=" | "==")
                && matches!(lower.sign, ">" | ">=" | "==")
                && (most < least || strict && most <= least)
        };
        below(self, one, other, another) || below(other, another, self, one)
    }

    /// All values that the subject can have by it, where they are written out.
    fn values(&self) -> Option<Vec<&'e Value>> {
        let literal = |part: Branch<'e>| match part.form() {
            Form::Literal(value) => Some(value),
            _ => None,
        };
        match (self.sign, self.value.form()) {
            ("==", Form::Literal(value)) => Some(vec![value]),
            ("in", Form::Array(elements)) => elements.into_iter().map(literal).collect(),
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        self.value.constant()?.ok()??.as_f64()
    }
}

/// The sign that says the same with its sides exchanged.
fn exchanged(sign: &'static str) -> &'static str {
    match sign {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        same => same,
    }
}

/// The sign that holds exactly when this one does not.
fn opposite(sign: &str) -> Option<&'static str> {
    Some(match sign {
        "==" => "!=",
        "!=" => "==",
        "<" => ">=",
        "<=" => ">",
        ">" => "<=",
        ">=" => "<",
        "in" => "not in",
        "not in" => "in",
        _ => return None,
    })
}

/// Whether two comparisons with the same value cannot both hold.
fn disjoint(one: &str, other: &str) -> bool {
    let cases = |sign: &str| match sign {
        "==" => Some([false, true, false]),
        "!=" => Some([true, false, true]),
        "<" => Some([true, false, false]),
        "<=" => Some([true, true, false]),
        ">" => Some([false, false, true]),
        ">=" => Some([false, true, true]),
        _ => None,
    };
    match (cases(one), cases(other)) {
        (Some(one), Some(other)) => !one.iter().zip(other).any(|(one, other)| *one && other),
        _ => opposite(one) == Some(other),
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
