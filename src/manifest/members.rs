//! Reading the members of one object, each with its type and bounds.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::report::Report;
use crate::json;

/// An object of the document and where it stands.
#[derive(Debug)]
pub(super) struct Members<'d> {
    map: &'d Map<String, Value>,
    pointer: String,
}

impl<'d> Members<'d> {
    /// The object at `pointer`; another type is reported.
    pub(super) fn of(value: &'d Value, pointer: &str, report: &mut Report) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Self {
                map,
                pointer: pointer.to_owned(),
            }),
            other => {
                report.wrong_type(pointer, "an object", other);
                None
            }
        }
    }

    /// Where its member stands.
    pub(super) fn place(&self, name: &str) -> String {
        json::push(&self.pointer, name)
    }

    /// A member's value, whatever its type.
    pub(super) fn get(&self, name: &str) -> Option<&'d Value> {
        self.map.get(name)
    }

    /// A member's value and place; its absence is reported at the object.
    pub(super) fn require(&self, name: &str, report: &mut Report) -> Option<(&'d Value, String)> {
        let found = self.map.get(name);
        if found.is_none() {
            let spelled = report.spelled(name).to_owned();
            report.refuse(&self.pointer, "required", format!("add \"{spelled}\""));
        }
        found.map(|value| (value, self.place(name)))
    }

    /// A text that may be absent.
    pub(super) fn text(&self, name: &str, report: &mut Report) -> Option<&'d str> {
        self.get(name)
            .and_then(|value| read_text(value, &self.place(name), report))
    }

    /// A text that must be there.
    pub(super) fn required_text(&self, name: &str, report: &mut Report) -> Option<&'d str> {
        self.require(name, report)
            .and_then(|(value, place)| read_text(value, &place, report))
    }

    /// A description or another text that may be empty.
    pub(super) fn free_text(&self, name: &str, report: &mut Report) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => Some(text.clone()),
            other => {
                report.wrong_type(&self.place(name), "a string", other);
                None
            }
        }
    }

    /// A boolean; false when absent.
    pub(super) fn flag(&self, name: &str, report: &mut Report) -> bool {
        match self.get(name) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                report.wrong_type(&self.place(name), "true or false", other);
                false
            }
        }
    }

    /// A whole number within bounds; `default` when absent.
    pub(super) fn integer(
        &self,
        name: &str,
        bounds: RangeInclusive<u64>,
        default: u64,
        report: &mut Report,
    ) -> u64 {
        let Some(value) = self.get(name) else {
            return default;
        };
        let place = self.place(name);
        let number = match value {
            Value::Number(number) => number.as_f64(),
            _ => None,
        };
        // As in JSON Schema, 300.0 is an integer too; every bound is far below 2^53, so a double holds it.
        let Some(number) = number.filter(|number| number.fract() == 0.0) else {
            match value {
                Value::Number(_) => report.refuse(&place, "type", "write a whole number here"),
                other => report.wrong_type(&place, "a whole number", other),
            }
            return default;
        };
        let (least, most) = (*bounds.start(), *bounds.end());
        if number < least as f64 {
            report.refuse(&place, "minimum", format!("write {least} or more"));
            default
        } else if number > most as f64 && most < u64::MAX {
            report.refuse(&place, "maximum", format!("write {most} or less"));
            default
        } else {
            number as u64
        }
    }

    /// The elements of an array with their places; empty when absent, of another type or longer than `most`.
    pub(super) fn list(
        &self,
        name: &str,
        most: usize,
        report: &mut Report,
    ) -> Vec<(&'d Value, String)> {
        match self.get(name) {
            None => Vec::new(),
            Some(Value::Array(elements)) if elements.len() > most => {
                let message = format!("write at most {most} elements, not {}", elements.len());
                report.refuse(&self.place(name), "maxItems", message);
                Vec::new()
            }
            Some(Value::Array(elements)) => {
                let place = self.place(name);
                let each = elements.iter().enumerate();
                each.map(|(index, element)| (element, json::push(&place, &index.to_string())))
                    .collect()
            }
            Some(other) => {
                report.wrong_type(&self.place(name), "an array", other);
                Vec::new()
            }
        }
    }

    /// Warns of members that nothing reads; `x-` members are free.
    pub(super) fn warn_unknown(&self, known: &[&[&str]], owner: &str, report: &mut Report) {
        for name in self.map.keys() {
            let read = known.iter().any(|names| names.contains(&name.as_str()));
            if !read && !name.starts_with("x-") {
                report.warn(
                    &self.place(name),
                    "unknown_member",
                    format!("no member of {owner}; correct its name, or begin it with \"x-\""),
                );
            }
        }
    }
}

/// Reads a text that says something; an empty one is reported.
pub(super) fn read_text<'d>(value: &'d Value, place: &str, report: &mut Report) -> Option<&'d str> {
    match value {
        Value::String(text) if text.is_empty() => {
            report.refuse(place, "minLength", "do not leave this text empty");
            None
        }
        Value::String(text) => Some(text),
        other => {
            report.wrong_type(place, "a string", other);
            None
        }
    }
}

/// Whether a text is a name of the protocol: `[A-Za-z_][A-Za-z0-9_.:-]{0,127}`.
pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let begins = bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    begins
        && text.len() <= 128
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte))
}

/// Whether a text is a plugin's name: `[A-Za-z_][A-Za-z0-9_]*` parts with dots between, 128 characters at most.
pub fn is_dotted_name(text: &str) -> bool {
    let part = |part: &str| {
        let mut bytes = part.bytes();
        let begins = bytes
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
        begins && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    text.len() <= 128 && text.split('.').all(part)
}

/// Reads a plugin's name.
pub(super) fn read_dotted_name<'d>(
    value: &'d Value,
    place: &str,
    report: &mut Report,
) -> Option<&'d str> {
    let name = read_text(value, place, report)?;
    if !is_dotted_name(name) {
        report.refuse(
            place,
            "pattern",
            "write a plugin's name: letters, digits and `_` in parts with dots between, at most 128 characters",
        );
        return None;
    }
    Some(name)
}

/// Reads a name of the protocol's grammar.
pub(super) fn read_name<'d>(value: &'d Value, place: &str, report: &mut Report) -> Option<&'d str> {
    match value {
        Value::String(text) if is_name(text) => Some(text),
        Value::String(_) => {
            report.refuse(
                place,
                "pattern",
                "write a name of 1 to 128 letters, digits, `_`, `.`, `:` or `-` that begins with a letter or `_`",
            );
            None
        }
        other => {
            report.wrong_type(place, "a name", other);
            None
        }
    }
}
