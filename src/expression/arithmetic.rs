//! `+ - * / %` and the unary minus (EXP-018 to EXP-020).

use std::borrow::Cow;

use super::error::{Fault, Reason};
use super::limits::{self, Meter};
use super::tree::{Factor, Term};
use super::value::{Val, View};

const OVERFLOW: Fault = Fault::new(
    Reason::Overflow,
    "the result does not fit; integers have 64 bits, doubles are finite",
);

const BY_ZERO: Fault = Fault::new(
    Reason::ZeroDivision,
    "the right side is zero; check it first, as in `x != 0 and 1 / x`",
);

const NOT_NUMBERS: Fault = Fault::new(
    Reason::Type,
    "this operator takes two numbers; check the kinds of both sides",
);

const NOT_ADDABLE: Fault = Fault::new(
    Reason::Type,
    "`+` takes two numbers or two strings; make strings of others with `tojson`",
);

/// Both operands are defined.
pub(super) fn add_or_subtract<'a>(
    term: Term,
    left: Val<'a>,
    right: Val<'a>,
    meter: &mut Meter,
) -> Result<Val<'a>, Fault> {
    match (term, left.view(), right.view()) {
        (Term::Add, View::Text(_), View::Text(_)) => join(left, right, meter),
        (Term::Add, left, right) => {
            calculate(left, right, i64::checked_add, |a, b| a + b).map_err(|fault| {
                if fault == NOT_NUMBERS {
                    NOT_ADDABLE
                } else {
                    fault
                }
            })
        }
        (Term::Subtract, left, right) => calculate(left, right, i64::checked_sub, |a, b| a - b),
    }
}

/// Both operands are defined.
pub(super) fn multiply_or_divide<'a>(
    factor: Factor,
    left: View<'_>,
    right: View<'_>,
) -> Result<Val<'a>, Fault> {
    let (Some(a), Some(b)) = (as_double(left), as_double(right)) else {
        return Err(NOT_NUMBERS);
    };
    match factor {
        Factor::Multiply => calculate(left, right, i64::checked_mul, |a, b| a * b),
        // An integer that is not zero is no double zero either.
        Factor::Divide | Factor::Remainder if b == 0.0 => Err(BY_ZERO),
        Factor::Divide => finite(a / b),
        Factor::Remainder => calculate(
            left,
            right,
            |a, b| Some(floored(a.wrapping_rem(b), b)),
            floored_remainder,
        ),
    }
}

/// The operand is defined.
pub(super) fn negate<'a>(operand: View<'_>) -> Result<Val<'a>, Fault> {
    match operand {
        View::Integer(integer) => integer.checked_neg().map(Val::Integer).ok_or(OVERFLOW),
        View::Double(double) => Ok(Val::Double(-double)),
        _ => Err(Fault::new(
            Reason::Type,
            "`-` takes a number; check the kind of the value",
        )),
    }
}

fn calculate<'a>(
    left: View<'_>,
    right: View<'_>,
    integers: impl Fn(i64, i64) -> Option<i64>,
    doubles: impl Fn(f64, f64) -> f64,
) -> Result<Val<'a>, Fault> {
    if let (View::Integer(left), View::Integer(right)) = (left, right) {
        return integers(left, right).map(Val::Integer).ok_or(OVERFLOW);
    }
    match (as_double(left), as_double(right)) {
        (Some(left), Some(right)) => finite(doubles(left, right)),
        _ => Err(NOT_NUMBERS),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a calculation with a double is one of doubles"
)]
fn as_double(value: View<'_>) -> Option<f64> {
    match value {
        View::Integer(integer) => Some(integer as f64),
        View::Double(double) => Some(double),
        _ => None,
    }
}

fn finite<'a>(result: f64) -> Result<Val<'a>, Fault> {
    if result.is_finite() {
        Ok(Val::Double(result))
    } else {
        Err(OVERFLOW)
    }
}

/// A truncated remainder with the divisor's sign.
fn floored(remainder: i64, divisor: i64) -> i64 {
    if remainder != 0 && (remainder < 0) != (divisor < 0) {
        remainder + divisor
    } else {
        remainder
    }
}

fn floored_remainder(dividend: f64, divisor: f64) -> f64 {
    let remainder = dividend % divisor;
    if remainder == 0.0 {
        0.0_f64.copysign(divisor)
    } else if (remainder < 0.0) != (divisor < 0.0) {
        remainder + divisor
    } else {
        remainder
    }
}

/// Appends to the left text where it is ours already, so that a long chain copies its beginning once.
fn join<'a>(left: Val<'a>, right: Val<'a>, meter: &mut Meter) -> Result<Val<'a>, Fault> {
    let (Some(left), Some(right)) = (left.into_text(), right.into_text()) else {
        return Err(NOT_ADDABLE);
    };
    if left.len() + right.len() > limits::MADE {
        return Err(Fault::new(
            Reason::Limit,
            "the text would be longer than 1 MiB; join less of it",
        ));
    }
    meter.made(right.len())?;
    let mut text = match left {
        Cow::Owned(text) => text,
        Cow::Borrowed(text) => {
            meter.made(text.len())?;
            text.to_owned()
        }
    };
    text.push_str(&right);
    Ok(Val::Text(Cow::Owned(text)))
}
