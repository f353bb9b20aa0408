//! The filters.

use serde_json::Value;

use super::calculate::text_result;
use super::compact::{bare, compact};
use super::evaluate::{Maybe, Walk};
use super::{Error, Flaw, compare};

/// How many elements, members or code points a value has, if it can have any.
pub fn count(value: &Value, flaw: Option<Flaw>) -> Option<usize> {
    match value {
        Value::Array(elements) => Some(elements.len()),
        Value::Object(members) => Some(members.len()),
        Value::String(text) if flaw == Some(Flaw::LengthCountsBytes) => Some(text.len()),
        Value::String(text) => Some(text.chars().count()),
        _ => None,
    }
}

/// Applies one filter. The argument is `None` if none was written.
pub fn apply(
    walk: &mut Walk<'_>,
    name: &str,
    value: Maybe,
    argument: Option<Maybe>,
) -> Result<Maybe, Error> {
    if name == "default" {
        return Ok(default(walk, value, argument.flatten()));
    }
    if name == "length" && value.is_none() && walk.flawed(Flaw::MissingHasLengthZero) {
        return Ok(Some(Value::from(0)));
    }
    let value = value.ok_or(walk.error("undefined"))?;
    match (name, &value) {
        ("length", _) => match count(&value, walk.flaw) {
            Some(count) => Ok(Some(Value::from(count))),
            None => Err(walk.error("type")),
        },
        ("first", Value::Array(elements)) => Ok(elements.first().cloned()),
        ("last", Value::Array(elements)) => Ok(elements.last().cloned()),
        ("lower", Value::String(text)) => {
            Ok(Some(Value::String(if walk.flawed(Flaw::CaseOfAsciiOnly) {
                text.to_ascii_lowercase()
            } else {
                text.to_lowercase()
            })))
        }
        ("upper", Value::String(text)) => {
            Ok(Some(Value::String(if walk.flawed(Flaw::CaseOfAsciiOnly) {
                text.to_ascii_uppercase()
            } else {
                text.to_uppercase()
            })))
        }
        ("trim", Value::String(text)) => {
            let trimmed = if walk.flawed(Flaw::TrimOfAsciiOnly) {
                text.trim_matches(|c: char| c.is_ascii() && c.is_whitespace())
            } else {
                text.trim()
            };
            Ok(Some(Value::String(trimmed.to_owned())))
        }
        ("join", Value::Array(elements)) => join(walk, elements, argument).map(Some),
        ("tojson", _) => {
            visit(walk, &value)?;
            text_result(walk, compact(&value, walk.flaw)).map(Some)
        }
        _ => Err(walk.error("type")),
    }
}

fn default(walk: &Walk<'_>, value: Maybe, instead: Maybe) -> Maybe {
    let replaced = match &value {
        None => true,
        Some(Value::Null) => {
            walk.flawed(Flaw::DefaultReplacesNull) || walk.flawed(Flaw::DefaultReplacesFalse)
        }
        Some(value) => {
            walk.flawed(Flaw::DefaultReplacesFalse) && !compare::truth(Some(value), None)
        }
    };
    if replaced { instead } else { value }
}

fn join(walk: &mut Walk<'_>, elements: &[Value], separator: Option<Maybe>) -> Result<Value, Error> {
    let separator = match separator {
        None => String::new(),
        Some(Some(Value::String(text))) => text,
        Some(None) => return Err(walk.error("undefined")),
        Some(Some(_)) => return Err(walk.error("type")),
    };
    let mut text = String::new();
    for (index, element) in elements.iter().enumerate() {
        walk.step()?;
        visit(walk, element)?;
        if index > 0 {
            text.push_str(&separator);
        }
        if walk.flawed(Flaw::JoinQuotesStrings) {
            text.push_str(&compact(element, walk.flaw));
        } else {
            text.push_str(&bare(element, walk.flaw));
        }
    }
    text_result(walk, text)
}

/// Counts what is in a value, at any depth.
fn visit(walk: &mut Walk<'_>, value: &Value) -> Result<(), Error> {
    match value {
        Value::Array(elements) => {
            for element in elements {
                walk.step()?;
                visit(walk, element)?;
            }
        }
        Value::Object(members) => {
            for member in members.values() {
                walk.step()?;
                visit(walk, member)?;
            }
        }
        _ => {}
    }
    Ok(())
}
