//! Truth, equality, order and containment.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::evaluate::{Maybe, Walk};
use super::{Error, Flaw};

/// Section 3.
pub fn truth(value: Option<&Value>, flaw: Option<Flaw>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Bool(true)) => true,
        Some(Value::Number(number)) => {
            number.as_f64() != Some(0.0) || flaw == Some(Flaw::ZeroIsTrue)
        }
        Some(Value::String(text)) if text == "false" => flaw != Some(Flaw::TextFalseIsFalse),
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(elements)) => {
            !elements.is_empty() || flaw == Some(Flaw::EmptyArrayIsTrue)
        }
        Some(Value::Object(members)) => {
            !members.is_empty() || flaw == Some(Flaw::EmptyObjectIsTrue)
        }
    }
}

/// Whether a comparison holds.
pub fn compare(
    walk: &mut Walk<'_>,
    operator: &str,
    left: &Maybe,
    right: &Maybe,
) -> Result<bool, Error> {
    match operator {
        "==" => maybe_equal(walk, left, right),
        "!=" => maybe_equal(walk, left, right).map(|equal| !equal),
        "in" => contains(walk, left, right),
        "not in" => contains(walk, left, right).map(|found| !found),
        _ => {
            let Some(order) = order(walk, left, right)? else {
                return Ok(false);
            };
            Ok(match operator {
                "<" => order == Ordering::Less,
                "<=" => order != Ordering::Greater,
                ">" => order == Ordering::Greater,
                _ => order != Ordering::Less,
            })
        }
    }
}

fn maybe_equal(walk: &mut Walk<'_>, left: &Maybe, right: &Maybe) -> Result<bool, Error> {
    match (left, right) {
        (None, None) => Ok(true),
        (Some(Value::Null), None) | (None, Some(Value::Null)) => {
            Ok(walk.flawed(Flaw::UndefinedEqualsNull))
        }
        (Some(left), Some(right)) => equal(walk, left, right),
        _ => Ok(false),
    }
}

/// Equality by JSON value.
fn equal(walk: &mut Walk<'_>, left: &Value, right: &Value) -> Result<bool, Error> {
    Ok(match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Number(left), Value::Number(right)) => {
            if walk.flawed(Flaw::FormsDiffer) && left.as_i64().is_some() != right.as_i64().is_some()
            {
                return Ok(false);
            }
            number_order(left, right, walk.flaw) == Some(Ordering::Equal)
        }
        (Value::String(left), Value::String(right)) => left == right,
        (Value::Array(left), Value::Array(right)) => return equal_arrays(walk, left, right),
        (Value::Object(left), Value::Object(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            if walk.flawed(Flaw::DeepEqualityByOrder) && left.keys().ne(right.keys()) {
                return Ok(false);
            }
            for (name, value) in left {
                walk.step()?;
                let Some(other) = right.get(name) else {
                    return Ok(false);
                };
                if !equal(walk, value, other)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Bool(truth), Value::Number(number))
        | (Value::Number(number), Value::Bool(truth))
            if walk.flawed(Flaw::TrueEqualsOne) =>
        {
            number.as_f64() == Some(f64::from(u8::from(*truth)))
        }
        (Value::String(text), Value::Number(number))
        | (Value::Number(number), Value::String(text))
            if walk.flawed(Flaw::TextEqualsNumber) =>
        {
            *text == number.to_string()
        }
        _ => false,
    })
}

fn equal_arrays(walk: &mut Walk<'_>, left: &[Value], right: &[Value]) -> Result<bool, Error> {
    if left.len() != right.len() {
        return Ok(false);
    }
    if walk.flawed(Flaw::ArraysEqualUnordered) {
        let mut others = right.to_vec();
        for value in left {
            let mut at = None;
            for (index, other) in others.iter().enumerate() {
                walk.step()?;
                if equal(walk, value, other)? {
                    at = Some(index);
                    break;
                }
            }
            let Some(index) = at else {
                return Ok(false);
            };
            others.remove(index);
        }
        return Ok(true);
    }
    for (value, other) in left.iter().zip(right) {
        walk.step()?;
        if !equal(walk, value, other)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The order of two operands; `None` where a flaw makes every ordering false.
fn order(walk: &Walk<'_>, left: &Maybe, right: &Maybe) -> Result<Option<Ordering>, Error> {
    match (left, right) {
        (None, _) | (_, None) if walk.flawed(Flaw::MissingOrdersAsFalse) => Ok(None),
        (None, _) | (_, None) => Err(walk.error("undefined")),
        (Some(Value::Number(left)), Some(Value::Number(right))) => {
            Ok(number_order(left, right, walk.flaw))
        }
        (Some(Value::String(left)), Some(Value::String(right))) => Ok(Some(match walk.flaw {
            Some(Flaw::OrderingByUtf16) => left.encode_utf16().cmp(right.encode_utf16()),
            Some(Flaw::OrderingFoldsCase) => left.to_lowercase().cmp(&right.to_lowercase()),
            _ => left.chars().cmp(right.chars()),
        })),
        _ if walk.flawed(Flaw::KindsOrderAsFalse) => Ok(None),
        _ => Err(walk.error("type")),
    }
}

/// The order of two numbers by mathematical value. `None` cannot happen: no number is NaN.
fn number_order(left: &Number, right: &Number, flaw: Option<Flaw>) -> Option<Ordering> {
    if flaw != Some(Flaw::IntegersAsDoubles) {
        match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => return Some(left.cmp(&right)),
            (Some(left), None) => return Some(mixed_order(left, right.as_f64()?)),
            (None, Some(right)) => return Some(mixed_order(right, left.as_f64()?).reverse()),
            (None, None) => {}
        }
    }
    left.as_f64()?.partial_cmp(&right.as_f64()?)
}

/// An integer and a double, exactly.
fn mixed_order(integer: i64, double: f64) -> Ordering {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if double >= BEYOND {
        return Ordering::Less;
    }
    if double < -BEYOND {
        return Ordering::Greater;
    }
    // Within these bounds the whole part is an integer of 64 bits, exactly.
    let whole = double.trunc() as i64;
    let fraction = double - double.trunc();
    integer.cmp(&whole).then(if fraction > 0.0 {
        Ordering::Less
    } else if fraction < 0.0 {
        Ordering::Greater
    } else {
        Ordering::Equal
    })
}

/// Whether the right operand contains the left one.
fn contains(walk: &mut Walk<'_>, left: &Maybe, right: &Maybe) -> Result<bool, Error> {
    match (left, right) {
        (_, None) if walk.flawed(Flaw::MissingContainsNothing) => Ok(false),
        (_, None) => Err(walk.error("undefined")),
        (_, Some(Value::Array(elements))) => {
            for element in elements {
                walk.step()?;
                if maybe_equal(walk, left, &Some(element.clone()))? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (Some(Value::String(part)), Some(Value::String(whole))) => {
            if walk.flawed(Flaw::InIgnoresSubstrings) {
                return Ok(part == whole);
            }
            Ok(whole.contains(part.as_str()))
        }
        (Some(Value::String(name)), Some(Value::Object(members))) => {
            Ok(members.contains_key(name) && !walk.flawed(Flaw::InIgnoresKeys))
        }
        (_, Some(Value::Object(_))) => Ok(false),
        _ => Err(walk.error("type")),
    }
}
