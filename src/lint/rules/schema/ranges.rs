//! Bounds that leave no value when they are taken together: elements, multiples, and the schemas of `allOf`.

use serde_json::{Map, Value};

use super::satisfiable::{BOUNDS, admits_nothing, bound};
use super::types::Types;
use super::walk::Sub;
use crate::lint::rule::Found;

/// Most schemas of one `allOf` that are taken together.
const MOST_BRANCHES: usize = 200;

/// How far a quotient of two decimal fractions may be from the whole number that it stands for.
const SLACK: f64 = 1e-9;

/// More elements demanded than there can be.
pub(super) fn elements(sub: &Sub<'_, '_>, found: &mut Found<'_>) {
    let least = sub.number("minItems").unwrap_or(0.0);
    // A list under `items` is the older way to speak of the first elements.
    let (first, rest) = match sub.list("items") {
        Some(first) => (first.len(), "additionalItems"),
        None => (sub.list("prefixItems").map_or(0, Vec::len), "items"),
    };
    if least > first as f64 && sub.get(rest).is_some_and(admits_nothing) {
        let allowed = match first {
            0 => "none is allowed".to_owned(),
            _ => format!("only {first} are allowed"),
        };
        found.at(
            sub.pointer_of("minItems"),
            format!("'minItems' demands {least} elements, and {allowed}; lower it"),
        );
    }
    let wanted = sub.number("minContains").is_none_or(|least| least >= 1.0);
    if wanted
        && sub.get("contains").is_some_and(admits_nothing)
        && Types::of(sub.members) == Some(Types::ARRAY)
    {
        found.at(
            sub.pointer_of("contains"),
            "an array must hold an element that satisfies this, and nothing does, so no array is valid; say what it must hold",
        );
    }
}

/// A range that no multiple of `multipleOf` lies in.
pub(super) fn multiples(sub: &Sub<'_, '_>, found: &mut Found<'_>) {
    let lower = bound(sub.members, "minimum", "exclusiveMinimum");
    let upper = bound(sub.members, "maximum", "exclusiveMaximum");
    let step = sub.number("multipleOf").filter(|step| *step > 0.0);
    let (Some((low, low_out, low_name)), Some((high, high_out, high_name)), Some(step)) =
        (lower, upper, step)
    else {
        return;
    };
    // Crossing bounds are told by themselves.
    if low > high || low == high && (low_out || high_out) {
        return;
    }
    let first = multiple(low / step, low_out, f64::ceil, 1.0);
    let last = multiple(high / step, high_out, f64::floor, -1.0);
    if first > last {
        found.at(
            sub.pointer_of("multipleOf"),
            format!("no multiple of {step} lies between '{low_name}' {low} and '{high_name}' {high}; widen the range, or take a smaller step"),
        );
    }
}

/// The whole number at a bound, or next to it on the inner side where the bound itself is left out.
fn multiple(quotient: f64, left_out: bool, inner: fn(f64) -> f64, step: f64) -> f64 {
    let whole = quotient.round();
    let exact = (quotient - whole).abs() <= SLACK * quotient.abs().max(1.0);
    match (exact, left_out) {
        (true, true) => whole + step,
        (true, false) => whole,
        (false, _) => inner(quotient),
    }
}

/// A bound, whether it is itself left out, its keyword, and which of the schemas has it.
type Bound = (f64, bool, &'static str, usize);

/// Bounds of different schemas that must hold together and leave nothing.
pub(super) fn together(sub: &Sub<'_, '_>, found: &mut Found<'_>) {
    let Some(branches) = sub.list("allOf") else {
        return;
    };
    let branches = branches.iter().take(MOST_BRANCHES);
    let branches = branches.filter_map(|branch| Some(referred(sub, branch.as_object()?)));
    let schemas: Vec<&Map<String, Value>> = std::iter::once(sub.members).chain(branches).collect();
    for (lower, upper) in BOUNDS {
        let (outer, inner) = match lower {
            "minimum" => ("exclusiveMinimum", "exclusiveMaximum"),
            _ => ("", ""),
        };
        let bounds = |plain, exclusive| {
            let each = schemas.iter().enumerate();
            each.filter_map(move |(index, members)| {
                let (number, out, name) = bound(members, plain, exclusive)?;
                Some((number, out, name, index))
            })
        };
        let order = |a: &Bound, b: &Bound| a.0.total_cmp(&b.0);
        let low = bounds(lower, outer).max_by(|a, b| order(a, b).then(a.1.cmp(&b.1)));
        let high = bounds(upper, inner).min_by(|a, b| order(a, b).then(b.1.cmp(&a.1)));
        let (Some(low), Some(high)) = (low, high) else {
            continue;
        };
        let crossed = low.0 > high.0 || low.0 == high.0 && (low.1 || high.1);
        // What crosses within one schema is told there.
        if crossed && low.3 != high.3 {
            found.at(
                sub.pointer_of("allOf"),
                format!(
                    "'{}' {} of one of these schemas and '{}' {} of another leave nothing between them; correct one of them",
                    low.2, low.0, high.2, high.0
                ),
            );
        }
    }
}

/// A branch, or the definition that it only refers to.
fn referred<'v>(sub: &Sub<'v, '_>, branch: &'v Map<String, Value>) -> &'v Map<String, Value> {
    let target = branch.get("$ref").and_then(Value::as_str);
    let target = target.and_then(|target| sub.root.pointer(target.strip_prefix('#')?));
    match target.and_then(Value::as_object) {
        Some(target) if branch.len() == 1 => target,
        _ => branch,
    }
}
