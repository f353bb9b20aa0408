//! Values while they are computed: borrowed from the roots and the expression for as long as possible.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::compact;
use super::error::Fault;
use super::limits::{Meter, TOO_DEEP, VALUE_LEVELS};

/// A value, or that there is none.
#[derive(Debug, Clone)]
pub(super) enum Val<'a> {
    Undefined,
    /// Anything that stands in a root or in the expression itself.
    Json(&'a Value),
    Bool(bool),
    Integer(i64),
    Double(f64),
    Text(Cow<'a, str>),
    Array(Vec<Val<'a>>),
}

/// A value as operators look at it: where it comes from makes no difference.
#[derive(Debug, Clone, Copy)]
pub(super) enum View<'v> {
    Undefined,
    Null,
    Bool(bool),
    Integer(i64),
    Double(f64),
    Text(&'v str),
    Array(Elements<'v>),
    Object(&'v Map<String, Value>),
}

/// The elements of an array of either origin.
#[derive(Debug, Clone, Copy)]
pub(super) enum Elements<'v> {
    Json(&'v [Value]),
    Made(&'v [Val<'v>]),
}

impl<'v> Elements<'v> {
    pub(super) fn len(self) -> usize {
        match self {
            Elements::Json(elements) => elements.len(),
            Elements::Made(elements) => elements.len(),
        }
    }

    pub(super) fn get(self, index: usize) -> Option<View<'v>> {
        match self {
            Elements::Json(elements) => elements.get(index).map(View::of),
            Elements::Made(elements) => elements.get(index).map(Val::view),
        }
    }
}

impl<'a> Val<'a> {
    pub(super) fn view(&self) -> View<'_> {
        match self {
            Val::Undefined => View::Undefined,
            Val::Json(value) => View::of(value),
            Val::Bool(value) => View::Bool(*value),
            Val::Integer(integer) => View::Integer(*integer),
            Val::Double(double) => View::Double(*double),
            Val::Text(text) => View::Text(text),
            Val::Array(elements) => View::Array(Elements::Made(elements)),
        }
    }

    pub(super) fn is_undefined(&self) -> bool {
        matches!(self, Val::Undefined)
    }

    /// The element at an index, from the end when negative.
    pub(super) fn element(self, index: i64) -> Val<'a> {
        match self {
            Val::Json(Value::Array(elements)) => position(index, elements.len())
                .and_then(|index| elements.get(index))
                .map_or(Val::Undefined, Val::Json),
            Val::Array(elements) => position(index, elements.len())
                .and_then(|index| elements.into_iter().nth(index))
                .unwrap_or(Val::Undefined),
            _ => Val::Undefined,
        }
    }

    /// An own member of an object.
    pub(super) fn member(self, name: &str) -> Val<'a> {
        match self {
            Val::Json(Value::Object(members)) => {
                members.get(name).map_or(Val::Undefined, Val::Json)
            }
            _ => Val::Undefined,
        }
    }

    /// A string, borrowed for as long as the value is.
    pub(super) fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Val::Json(Value::String(text)) => Some(Cow::Borrowed(text)),
            Val::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value for the world outside; only an array is copied, and bounded for that.
    pub(super) fn into_outcome(self) -> Result<Option<Cow<'a, Value>>, Fault> {
        Ok(Some(match self {
            Val::Undefined => return Ok(None),
            Val::Json(value) => Cow::Borrowed(value),
            Val::Array(_) => {
                compact::size(self.view(), super::limits::MADE)?;
                Cow::Owned(self.into_value())
            }
            _ => Cow::Owned(self.into_value()),
        }))
    }

    /// Recursion ends with the brackets of the expression, 64 at most.
    fn into_value(self) -> Value {
        match self {
            // Neither stands in an array, and every double made is finite.
            Val::Undefined => Value::Null,
            Val::Double(double) => Value::from(double),
            Val::Json(value) => value.clone(),
            Val::Bool(value) => Value::Bool(value),
            Val::Integer(integer) => Value::from(integer),
            Val::Text(text) => Value::String(text.into_owned()),
            Val::Array(elements) => elements.into_iter().map(Val::into_value).collect(),
        }
    }
}

fn position(index: i64, length: usize) -> Option<usize> {
    let offset = usize::try_from(index.unsigned_abs()).ok()?;
    if index < 0 {
        length.checked_sub(offset)
    } else {
        Some(offset)
    }
}

impl<'v> View<'v> {
    pub(super) fn of(value: &'v Value) -> Self {
        match value {
            Value::Null => View::Null,
            Value::Bool(value) => View::Bool(*value),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => View::Integer(integer),
                None => View::Double(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => View::Text(text),
            Value::Array(elements) => View::Array(Elements::Json(elements)),
            Value::Object(members) => View::Object(members),
        }
    }

    /// EXP-012.
    pub(super) fn is_true(self) -> bool {
        match self {
            View::Undefined | View::Null => false,
            View::Bool(value) => value,
            View::Integer(integer) => integer != 0,
            View::Double(double) => double != 0.0,
            View::Text(text) => !text.is_empty(),
            View::Array(elements) => elements.len() > 0,
            View::Object(members) => !members.is_empty(),
        }
    }

    /// Elements, members or code points.
    pub(super) fn count(self, meter: &mut Meter) -> Result<Option<usize>, Fault> {
        Ok(match self {
            View::Text(text) => {
                meter.read(text.len())?;
                Some(text.chars().count())
            }
            View::Array(elements) => Some(elements.len()),
            View::Object(members) => Some(members.len()),
            _ => None,
        })
    }
}

/// Two numbers by mathematical value, exactly (EXP-017); none for anything else.
pub(super) fn compare_numbers(left: View<'_>, right: View<'_>) -> Option<Ordering> {
    match (left, right) {
        (View::Integer(left), View::Integer(right)) => Some(left.cmp(&right)),
        (View::Double(left), View::Double(right)) => left.partial_cmp(&right),
        (View::Integer(left), View::Double(right)) => Some(compare_mixed(left, right)),
        (View::Double(left), View::Integer(right)) => Some(compare_mixed(right, left).reverse()),
        _ => None,
    }
}

/// A double of this size or more is above every integer; the same with a minus is the smallest integer.
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

fn compare_mixed(integer: i64, double: f64) -> Ordering {
    if double >= TWO_TO_63 {
        return Ordering::Less;
    }
    if double < -TWO_TO_63 {
        return Ordering::Greater;
    }
    // Within these bounds the whole part is an integer of 64 bits, exactly.
    let whole = double.trunc();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "in range, without fraction"
    )]
    let order = integer.cmp(&(whole as i64));
    order.then_with(|| whole.partial_cmp(&double).unwrap_or(Ordering::Equal))
}

/// Two arrays or objects of equal length, half compared.
enum Pair<'v> {
    Arrays(Elements<'v>, Elements<'v>, usize),
    Objects(serde_json::map::Iter<'v>, &'v Map<String, Value>),
}

/// Equality of JSON values (EXP-014, EXP-016, EXP-023); each pair of elements or members is a step.
///
/// No recursion: how deep the values are is not ours to choose.
pub(super) fn equal(left: View<'_>, right: View<'_>, meter: &mut Meter) -> Result<bool, Fault> {
    let mut open: Vec<Pair<'_>> = Vec::new();
    if !equal_so_far(left, right, &mut open, meter)? {
        return Ok(false);
    }
    while let Some(pair) = open.last_mut() {
        let (left, right) = match pair {
            Pair::Arrays(left, right, index) => {
                let Some((left, right)) = left.get(*index).zip(right.get(*index)) else {
                    open.pop();
                    continue;
                };
                *index += 1;
                (left, right)
            }
            Pair::Objects(left, right) => {
                let Some((name, left)) = left.next() else {
                    open.pop();
                    continue;
                };
                let Some(right) = right.get(name) else {
                    meter.step()?;
                    return Ok(false);
                };
                (View::of(left), View::of(right))
            }
        };
        meter.step()?;
        if !equal_so_far(left, right, &mut open, meter)? {
            return Ok(false);
        }
        if open.len() > VALUE_LEVELS {
            return Err(TOO_DEEP);
        }
    }
    Ok(true)
}

/// Compares what can be compared at once; arrays and objects of equal length are opened.
fn equal_so_far<'v>(
    left: View<'v>,
    right: View<'v>,
    open: &mut Vec<Pair<'v>>,
    meter: &mut Meter,
) -> Result<bool, Fault> {
    Ok(match (left, right) {
        (View::Undefined, View::Undefined) | (View::Null, View::Null) => true,
        (View::Bool(left), View::Bool(right)) => left == right,
        (View::Text(left), View::Text(right)) => {
            let same_length = left.len() == right.len();
            if same_length {
                meter.read(left.len())?;
            }
            same_length && left == right
        }
        (View::Array(left), View::Array(right)) => {
            open.push(Pair::Arrays(left, right, 0));
            left.len() == right.len()
        }
        (View::Object(left), View::Object(right)) => {
            open.push(Pair::Objects(left.iter(), right));
            left.len() == right.len()
        }
        _ => compare_numbers(left, right) == Some(Ordering::Equal),
    })
}
