//! Case files as text: YAML in blocks where something is long, in one line where it is short.

use std::fmt::Write as _;

use serde_json::Value;

/// Longest value that stands in one line.
const WIDTH: usize = 100;

/// A value as a YAML document. The members of an object keep their order.
pub fn yaml(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(_) | Value::Array(_) => block(value, 0, &mut text),
        other => {
            text.push_str(&flow(other));
            text.push('\n');
        }
    }
    text
}

/// Writes what begins on a line of its own.
fn block(value: &Value, indent: usize, text: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                let _ = write!(text, "{pad}{}:", key(name));
                after(member, indent, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let _ = write!(text, "{pad}-");
                after(item, indent, text);
            }
        }
        other => {
            let _ = writeln!(text, "{pad}{}", flow(other));
        }
    }
}

/// Writes what follows a name or a dash: in the same line where it fits.
fn after(value: &Value, indent: usize, text: &mut String) {
    let line = flow(value);
    let is_leaf = !matches!(value, Value::Object(_) | Value::Array(_));
    if is_leaf || line.len() + indent <= WIDTH {
        let _ = writeln!(text, " {line}");
    } else {
        text.push('\n');
        block(value, indent + 2, text);
    }
}

/// A value in one line: JSON, with what YAML does not take in a text written as an escape.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, member)| format!("{}: {}", key(name), flow(member)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}

/// The name of a member: bare where it is a plain word.
fn key(name: &str) -> String {
    let mut bytes = name.bytes();
    let plain = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
        // Some readers take these for values.
        && !matches!(name, "true" | "false" | "null" | "yes" | "no" | "off" | "y" | "n");
    if plain { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            odd if is_odd(odd) => {
                // Writing to a string cannot fail.
                let _ = if (odd as u32) > 0xffff {
                    write!(quoted, "\\U{:08x}", odd as u32)
                } else {
                    write!(quoted, "\\u{:04x}", odd as u32)
                };
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// What is not printed, or reads as a break of the line or as a mark of the encoding.
fn is_odd(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
        || (character as u32) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::yaml as reader;
    use proptest::prelude::*;
    use serde_json::json;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~]{0,12}".prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            prop::sample::select(vec![
                "yes", "- a", "a: b", "# c", "''", "\u{0}", "\u{85}", "1.0", "~", "&a", "*a", "!t",
                "|"
            ])
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-z/~ \"]{0,6}|on|no|é", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(value in prop::collection::vec(any_value(), 1..4)) {
            let value = json!({"value": value});
            let text = yaml(&value);
            let read = reader::read(&text).map_err(|error| TestCaseError::fail(format!("{}\n{text}", error.message)))?;
            prop_assert_eq!(read.value, value, "{}", text);
        }
    }

    #[test]
    fn what_is_long_stands_in_blocks() {
        let value = json!({"id": "a", "steps": [{"open": {"max_steps": 2}}, {"step": {"body": {"text": "x".repeat(120)}}}]});
        let text = super::yaml(&value);
        assert!(
            text.starts_with("id: \"a\"\nsteps:\n  - {open: {max_steps: 2}}\n  -\n    step:\n"),
            "{text}"
        );
    }
}
