//! Arithmetic.

use serde_json::{Number, Value};

use super::compact::bare;
use super::evaluate::{Maybe, Walk};
use super::{Error, Flaw, GROWTH_LIMIT};

/// A number by its form.
#[derive(Clone, Copy)]
enum Form {
    Integer(i64),
    Double(f64),
}

fn form(walk: &Walk<'_>, number: &Number) -> Form {
    match number.as_i64() {
        Some(integer) if !walk.flawed(Flaw::IntegersAsDoubles) => Form::Integer(integer),
        _ => Form::Double(number.as_f64().unwrap_or(0.0)),
    }
}

fn as_double(form: Form) -> f64 {
    match form {
        Form::Integer(integer) => integer as f64,
        Form::Double(double) => double,
    }
}

/// Unary minus.
pub fn minus(walk: &Walk<'_>, value: Maybe) -> Result<Maybe, Error> {
    match value {
        Some(Value::Number(number)) => match form(walk, &number) {
            Form::Integer(integer) => {
                integer_result(walk, -i128::from(integer), -(integer as f64)).map(Some)
            }
            Form::Double(double) => double_result(walk, -double).map(Some),
        },
        None if walk.flawed(Flaw::MissingIsZero) => Ok(Some(Value::from(0))),
        None => Err(walk.error("undefined")),
        Some(_) => Err(walk.error("type")),
    }
}

/// `+ - * / %`
pub fn calculate(
    walk: &Walk<'_>,
    operator: &str,
    left: Maybe,
    right: Maybe,
) -> Result<Maybe, Error> {
    let known = |value: Maybe| match value {
        Some(value) => Ok(value),
        None if walk.flawed(Flaw::MissingIsZero) => Ok(Value::from(0)),
        None => Err(walk.error("undefined")),
    };
    let (left, right) = (known(left)?, known(right)?);
    match (&left, &right) {
        (Value::Number(left), Value::Number(right)) => {
            numbers(walk, operator, form(walk, left), form(walk, right))
        }
        (Value::String(left), Value::String(right)) if operator == "+" => {
            joined(walk, left, right).map(Some)
        }
        (Value::String(_), _) | (_, Value::String(_))
            if operator == "+" && walk.flawed(Flaw::PlusJoinsAnything) =>
        {
            joined(walk, &bare(&left, walk.flaw), &bare(&right, walk.flaw)).map(Some)
        }
        _ => Err(walk.error("type")),
    }
}

fn joined(walk: &Walk<'_>, left: &str, right: &str) -> Result<Value, Error> {
    text_result(walk, format!("{left}{right}"))
}

/// A text that was made, if it is not too long.
pub fn text_result(walk: &Walk<'_>, text: String) -> Result<Value, Error> {
    if text.len() > GROWTH_LIMIT && !walk.flawed(Flaw::NoGrowthLimit) {
        return Err(walk.error("limit"));
    }
    Ok(Value::String(text))
}

fn numbers(walk: &Walk<'_>, operator: &str, left: Form, right: Form) -> Result<Maybe, Error> {
    let (a, b) = (as_double(left), as_double(right));
    if matches!(operator, "/" | "%") && b == 0.0 {
        if walk.flawed(Flaw::DivisionByZeroIsUndefined) {
            return Ok(None);
        }
        return Err(walk.error("zero_division"));
    }
    let result = match (operator, left, right) {
        ("/", Form::Integer(left), Form::Integer(right))
            if walk.flawed(Flaw::DivisionGivesInteger) =>
        {
            integer_result(walk, i128::from(left) / i128::from(right), a / b)
        }
        ("/", ..) => double_result(walk, a / b),
        (_, Form::Integer(left), Form::Integer(right)) => {
            let (left, right) = (i128::from(left), i128::from(right));
            match operator {
                "+" => integer_result(walk, left + right, a + b),
                "-" => integer_result(walk, left - right, a - b),
                "*" => integer_result(walk, left * right, a * b),
                _ => {
                    let rest = left % right;
                    let turn = rest != 0 && (rest < 0) != (right < 0);
                    if turn && !walk.flawed(Flaw::RemainderDividendSign) {
                        integer_result(walk, rest + right, a % b)
                    } else {
                        integer_result(walk, rest, a % b)
                    }
                }
            }
        }
        ("+", ..) => double_result(walk, a + b),
        ("-", ..) => double_result(walk, a - b),
        ("*", ..) => double_result(walk, a * b),
        _ => {
            let rest = a % b;
            let turn = rest != 0.0 && (rest < 0.0) != (b < 0.0);
            if turn && !walk.flawed(Flaw::RemainderDividendSign) {
                double_result(walk, rest + b)
            } else {
                double_result(walk, rest)
            }
        }
    };
    result.map(Some)
}

fn integer_result(walk: &Walk<'_>, exact: i128, double: f64) -> Result<Value, Error> {
    match i64::try_from(exact) {
        Ok(integer) => Ok(Value::from(integer)),
        Err(_) if walk.flawed(Flaw::IntegerOverflowWraps) => Ok(Value::from(exact as i64)),
        Err(_) if walk.flawed(Flaw::IntegerOverflowIsDouble) => double_result(walk, double),
        Err(_) => Err(walk.error("overflow")),
    }
}

fn double_result(walk: &Walk<'_>, double: f64) -> Result<Value, Error> {
    match Number::from_f64(double) {
        Some(number) => Ok(Value::Number(number)),
        None => Err(walk.error("overflow")),
    }
}
