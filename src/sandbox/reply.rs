//! Reading what a run answered: JSON, strictly (`spec/sandbox.md`, section 7).

use serde_json::Value;

use super::job::{Failure, FailureCode};
use crate::json;

/// Levels of arrays and objects that a result may have.
const DEPTH: usize = 64;

/// Bytes of a failure's message that are kept.
const MESSAGE: usize = 4096;

/// The result in the text of a module.
///
/// # Errors
/// `OutputLimit` for more than `longest` bytes, `Error` for what is not JSON, saying why.
pub(super) fn result(text: &[u8], longest: usize) -> Result<Value, Failure> {
    if text.len() > longest {
        return Err(too_long(longest));
    }
    if text.is_empty() {
        return Err(not_json("it is empty"));
    }
    if let Some(problem) = beyond_json(text) {
        return Err(not_json(problem));
    }
    let limits = json::Limits {
        bytes: longest,
        depth: DEPTH,
    };
    json::read(text, &limits, json::Duplicates::Refuse).map_err(|error| match error.code {
        "too_deep" => not_json(&format!("it is nested deeper than {DEPTH} levels")),
        "invalid_utf8" => not_json("it is not UTF-8"),
        "duplicate_key" => not_json(&format!(
            "an object names a member twice, at {}",
            cut(&error.pointer, 200)
        )),
        _ => not_json(&error.message),
    })
}

/// The result in the envelope of an interpreter: `{"result": …}` or `{"error": {"kind", "message"}}`.
///
/// The code runs inside the interpreter and may have written the envelope itself, so nothing of it is believed but that this
/// run says so.
///
/// # Errors
/// As [`result`], and the failure that the envelope tells of.
pub(super) fn unwrap(envelope: &[u8], longest: usize) -> Result<Value, Failure> {
    if let Some(text) = member(envelope, "result") {
        return result(text, longest);
    }
    let limits = json::Limits {
        bytes: envelope.len(),
        depth: DEPTH,
    };
    let Ok(value) = json::read(envelope, &limits, json::Duplicates::Refuse) else {
        return Err(Failure::new(
            FailureCode::Error,
            "the interpreter gave an answer that cannot be read",
        ));
    };
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    let code = match text("/error/kind") {
        Some("memory") => FailureCode::MemoryLimit,
        Some("network") => FailureCode::NetworkDenied,
        _ => FailureCode::Error,
    };
    let message = text("/error/message").unwrap_or("the code failed without a message");
    Err(Failure::new(code, cut(message, MESSAGE)))
}

/// The failure of a result that is too long.
pub(super) fn too_long(longest: usize) -> Failure {
    Failure::new(
        FailureCode::OutputLimit,
        format!("the result has more than {longest} bytes of JSON"),
    )
}

fn not_json(why: &str) -> Failure {
    Failure::new(FailureCode::Error, format!("the result is not JSON: {why}"))
}

/// The text of the one member of an object, if it has this name. What follows the member's value, if anything, belongs to the
/// text and makes it unreadable.
fn member<'t>(object: &'t [u8], name: &str) -> Option<&'t [u8]> {
    let rest = object
        .trim_ascii()
        .strip_prefix(b"{")?
        .trim_ascii_start()
        .strip_prefix(b"\"")?
        .strip_prefix(name.as_bytes())?
        .strip_prefix(b"\"")?
        .trim_ascii_start()
        .strip_prefix(b":")?
        .strip_suffix(b"}")?;
    Some(rest.trim_ascii())
}

/// What in a text looks like JSON and is none, or is JSON that no other language would read alike. Parsers round such integers,
/// and report the rest as a syntax error without a name.
fn beyond_json(text: &[u8]) -> Option<&'static str> {
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = match first {
            b'"' => match string(after) {
                Ok(after) => after,
                Err(problem) => return Some(problem),
            },
            b'-' | b'0'..=b'9' => {
                let end = rest
                    .iter()
                    .position(|byte| {
                        !matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
                    })
                    .unwrap_or(rest.len());
                let (number, after) = rest.split_at(end);
                if !fits(number) {
                    return Some("an integer is beyond -2^63 … 2^64-1");
                }
                after
            }
            b'N' | b'I' => return Some("NaN and infinities have no JSON"),
            _ => after,
        };
    }
    None
}

/// What follows a string, whose opening quote was read; or what is wrong with it.
fn string(text: &[u8]) -> Result<&[u8], &'static str> {
    let mut rest = text;
    loop {
        rest = match rest {
            // The parser reports a string without an end.
            [] => return Ok(rest),
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'u', after @ ..] => match unit(after) {
                Some((0xd800..=0xdbff, [b'\\', b'u', second @ ..])) => match unit(second) {
                    Some((0xdc00..=0xdfff, after)) => after,
                    _ => return Err("a text holds a lone surrogate"),
                },
                Some((0xd800..=0xdfff, _)) => return Err("a text holds a lone surrogate"),
                Some((_, after)) => after,
                None => after,
            },
            [b'\\', _, after @ ..] | [_, after @ ..] => after,
        };
    }
}

/// The UTF-16 unit of four hexadecimal digits, and what follows them.
fn unit(text: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, after) = text.split_at_checked(4)?;
    let digits = std::str::from_utf8(digits).ok()?;
    Some((u16::from_str_radix(digits, 16).ok()?, after))
}

/// Whether a number is a fraction, or an integer that 64 bits hold.
fn fits(number: &[u8]) -> bool {
    if number.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        return true;
    }
    // What does not parse in a short text is no number, which the parser reports.
    number.len() <= 20
        && std::str::from_utf8(number)
            .ok()
            .and_then(|text| text.parse::<i128>().ok())
            .is_none_or(|value| value >= i128::from(i64::MIN) && value <= i128::from(u64::MAX))
}

/// The beginning of a text, at most `longest` bytes, at the border of a character.
fn cut(text: &str, longest: usize) -> &str {
    text.get(..text.floor_char_boundary(longest))
        .unwrap_or(text)
}
