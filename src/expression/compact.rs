//! Compact JSON: no white space, members in the order of RFC 8785, integers exactly, doubles as RFC 8785 writes them.
//!
//! Not `json::canonical`: that takes a whole value, rounds integers beyond 2^53 and has no bound.

use serde_json::{Map, Value};

use super::error::{Fault, Reason};
use super::limits::{Meter, TOO_DEEP, VALUE_LEVELS};
use super::value::{Elements, View};

const TOO_LONG: Fault = Fault::new(
    Reason::Limit,
    "the text would be longer than 1 MiB; read a part of the value",
);

/// A whole value has no room, be it one that stands in a resolved input as it is.
pub(super) const TOO_LARGE: Fault = Fault::new(
    Reason::Limit,
    "the resolved text, array or input is larger than 1 MiB as JSON, all in all; split it up, or insert a smaller part of the state",
);

const NO_TEXT: Fault = Fault::new(
    Reason::Undefined,
    "the value is undefined; check the names, or give one with `default`",
);

/// Appends a value's compact JSON to a text that may become `limit` bytes long; each element and member is a step.
pub(super) fn append(
    text: &mut String,
    limit: usize,
    value: View<'_>,
    meter: Option<&mut Meter>,
) -> Result<(), Fault> {
    let mut writer = Writer {
        text: Some(text),
        left: 0,
        meter,
    };
    writer.left = limit.saturating_sub(writer.text.as_ref().map_or(0, |text| text.len()));
    writer.value(value)
}

/// How many bytes a value has as compact JSON, `limit` at most.
pub(super) fn size(value: View<'_>, limit: usize) -> Result<usize, Fault> {
    let mut writer = Writer {
        text: None,
        left: limit,
        meter: None,
    };
    writer.value(value)?;
    Ok(limit - writer.left)
}

/// How many bytes a string has as JSON, its quotes included.
pub(super) fn size_of_string(text: &str, limit: usize) -> Result<usize, Fault> {
    size(View::Text(text), limit)
}

struct Writer<'w> {
    /// None when only the length is wanted.
    text: Option<&'w mut String>,
    left: usize,
    meter: Option<&'w mut Meter>,
}

/// An array or object that is half written.
enum Open<'v> {
    Array(Elements<'v>, usize),
    Object(std::vec::IntoIter<(&'v String, &'v Value)>, bool),
}

impl Writer<'_> {
    /// No recursion: how deep the value is is not ours to choose.
    fn value(&mut self, value: View<'_>) -> Result<(), Fault> {
        let mut open = Vec::new();
        self.begin(value, &mut open)?;
        while let Some(last) = open.last_mut() {
            let next = match last {
                Open::Array(elements, index) => {
                    let next = elements.get(*index);
                    match next {
                        None => self.put("]")?,
                        Some(_) if *index > 0 => self.put(",")?,
                        Some(_) => {}
                    }
                    *index += 1;
                    next
                }
                Open::Object(members, first) => match members.next() {
                    None => {
                        self.put("}")?;
                        None
                    }
                    Some((name, value)) => {
                        if !std::mem::take(first) {
                            self.put(",")?;
                        }
                        self.string(name)?;
                        self.put(":")?;
                        Some(View::of(value))
                    }
                },
            };
            match next {
                None => {
                    open.pop();
                }
                Some(value) => {
                    if let Some(meter) = &mut self.meter {
                        meter.step()?;
                    }
                    self.begin(value, &mut open)?;
                }
            }
            if open.len() > VALUE_LEVELS {
                return Err(TOO_DEEP);
            }
        }
        Ok(())
    }

    /// Writes a scalar, or the bracket that opens an array or object.
    fn begin<'v>(&mut self, value: View<'v>, open: &mut Vec<Open<'v>>) -> Result<(), Fault> {
        match value {
            View::Undefined => Err(NO_TEXT),
            View::Null => self.put("null"),
            View::Bool(true) => self.put("true"),
            View::Bool(false) => self.put("false"),
            View::Integer(integer) => self.put(&integer.to_string()),
            View::Double(double) => self.put(&crate::json::canonical(&Value::from(double))),
            View::Text(text) => self.string(text),
            View::Array(elements) => {
                self.foresee(elements.len())?;
                open.push(Open::Array(elements, 0));
                self.put("[")
            }
            View::Object(members) => {
                self.foresee(members.len())?;
                open.push(Open::Object(sorted(members).into_iter(), true));
                self.put("{")
            }
        }
    }

    /// What cannot be finished is not begun: sorting a hundred thousand names would be work for nothing.
    fn foresee(&self, count: usize) -> Result<(), Fault> {
        if count > self.left {
            return Err(self.no_room());
        }
        self.meter
            .as_ref()
            .map_or(Ok(()), |meter| meter.foresee(count))
    }

    fn string(&mut self, text: &str) -> Result<(), Fault> {
        self.put("\"")?;
        let mut rest = text;
        while let Some(index) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
            let (plain, escaped) = rest.split_at(index);
            self.put(plain)?;
            let mut characters = escaped.chars();
            match characters.next() {
                Some('"') => self.put("\\\"")?,
                Some('\\') => self.put("\\\\")?,
                Some('\u{8}') => self.put("\\b")?,
                Some('\t') => self.put("\\t")?,
                Some('\n') => self.put("\\n")?,
                Some('\u{c}') => self.put("\\f")?,
                Some('\r') => self.put("\\r")?,
                Some(c) => self.put(&format!("\\u{:04x}", u32::from(c)))?,
                None => {}
            }
            rest = characters.as_str();
        }
        self.put(rest)?;
        self.put("\"")
    }

    fn no_room(&self) -> Fault {
        match self.text {
            Some(_) => TOO_LONG,
            None => TOO_LARGE,
        }
    }

    fn put(&mut self, piece: &str) -> Result<(), Fault> {
        self.left = match self.left.checked_sub(piece.len()) {
            Some(left) => left,
            None => return Err(self.no_room()),
        };
        if let Some(meter) = &mut self.meter {
            meter.made(piece.len())?;
        }
        if let Some(text) = &mut self.text {
            text.push_str(piece);
        }
        Ok(())
    }
}

/// By UTF-16 code units, as RFC 8785 wants.
fn sorted(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
    sorted
}
