//! `| name`: the filter table of `spec/expressions.md`, section 5, for values and arguments that are computed already.

use std::borrow::Cow;

use super::compact;
use super::error::{Fault, Reason};
use super::limits::{self, Meter};
use super::value::{Val, View};

const NO_STRING: Fault = Fault::new(
    Reason::Type,
    "this filter takes a string; make one of other values with `tojson`",
);

const NO_ARRAY: Fault = Fault::new(
    Reason::Type,
    "this filter takes an array; check the kind of the value",
);

const TOO_LONG: Fault = Fault::new(
    Reason::Limit,
    "the text would be longer than 1 MiB; join less of it",
);

const NO_SEPARATOR: Fault = Fault::new(
    Reason::Undefined,
    "the argument of `join` is undefined; check the names, or give a value with `default`",
);

/// `length`: never an own member.
pub(super) fn length<'a>(value: &Val<'a>, meter: &mut Meter) -> Result<Val<'a>, Fault> {
    value
        .view()
        .count(meter)?
        .map(|count| Val::Integer(i64::try_from(count).unwrap_or(i64::MAX)))
        .ok_or(Fault::new(
            Reason::Type,
            "`length` takes an array, an object or a string; check the kind of the value",
        ))
}

/// `first` and `last`, by the index of the element.
pub(super) fn element(value: Val<'_>, index: i64) -> Result<Val<'_>, Fault> {
    match value.view() {
        View::Array(_) => Ok(value.element(index)),
        _ => Err(NO_ARRAY),
    }
}

/// `lower`: Unicode's full mapping, a final sigma included.
pub(super) fn lower<'a>(value: Val<'a>, meter: &mut Meter) -> Result<Val<'a>, Fault> {
    mapped(value, meter, str::to_lowercase)
}

/// `upper`: Unicode's full mapping.
pub(super) fn upper<'a>(value: Val<'a>, meter: &mut Meter) -> Result<Val<'a>, Fault> {
    mapped(value, meter, str::to_uppercase)
}

fn mapped<'a>(
    value: Val<'a>,
    meter: &mut Meter,
    map: fn(&str) -> String,
) -> Result<Val<'a>, Fault> {
    let text = value.into_text().ok_or(NO_STRING)?;
    meter.made(text.len())?;
    Ok(Val::Text(Cow::Owned(map(&text))))
}

/// `trim`: white space is Unicode's White_Space.
pub(super) fn trim<'a>(value: Val<'a>, meter: &mut Meter) -> Result<Val<'a>, Fault> {
    let text = value.into_text().ok_or(NO_STRING)?;
    meter.read(text.len())?;
    Ok(Val::Text(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }))
}

/// `tojson` of a defined value.
pub(super) fn to_json<'a>(value: &Val<'a>, meter: &mut Meter) -> Result<Val<'a>, Fault> {
    let mut text = String::new();
    compact::append(&mut text, limits::MADE, value.view(), Some(meter))?;
    Ok(Val::Text(Cow::Owned(text)))
}

/// `join`, which looks at the value before the argument; each element is a step, and so is what is inside it.
pub(super) fn join<'a>(
    value: &Val<'a>,
    separator: &Val<'_>,
    meter: &mut Meter,
) -> Result<Val<'a>, Fault> {
    let View::Array(elements) = value.view() else {
        return Err(NO_ARRAY);
    };
    let separator = match separator.view() {
        View::Text(separator) => separator,
        View::Undefined => return Err(NO_SEPARATOR),
        _ => {
            return Err(Fault::new(
                Reason::Type,
                "`join` takes a string to put between the elements; write it in quotes",
            ));
        }
    };
    let mut text = String::new();
    for index in 0..elements.len() {
        meter.step()?;
        if index > 0 {
            push(&mut text, separator, meter)?;
        }
        match elements.get(index) {
            Some(View::Text(element)) => push(&mut text, element, meter)?,
            Some(element) => compact::append(&mut text, limits::MADE, element, Some(meter))?,
            None => {}
        }
    }
    Ok(Val::Text(Cow::Owned(text)))
}

fn push(text: &mut String, piece: &str, meter: &mut Meter) -> Result<(), Fault> {
    if text.len() + piece.len() > limits::MADE {
        return Err(TOO_LONG);
    }
    meter.made(piece.len())?;
    text.push_str(piece);
    Ok(())
}
