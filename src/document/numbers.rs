//! Numbers that a text says more exactly than a value can hold.

use serde_json::Value;

use super::{Document, Kind, Node};
use crate::json;

/// Where numbers stand that are other ones once they were read: those with more digits than 64 bits or a double have room for.
pub fn inexact(document: &Document) -> Vec<String> {
    let mut found = Vec::new();
    look(
        document,
        document.root(),
        document.value(),
        &mut String::new(),
        &mut found,
    );
    found
}

/// The depth of a tree is bounded by its reader.
fn look(
    document: &Document,
    node: &Node,
    value: &Value,
    pointer: &mut String,
    found: &mut Vec<String>,
) {
    let length = pointer.len();
    match (&node.kind, value) {
        (Kind::Array(nodes), Value::Array(values)) => {
            for (index, (node, value)) in nodes.iter().zip(values).enumerate() {
                json::append(pointer, &index.to_string());
                look(document, node, value, pointer, found);
                pointer.truncate(length);
            }
        }
        (Kind::Object(members), Value::Object(values)) => {
            for member in members {
                if let Some(value) = values.get(&member.key) {
                    json::append(pointer, &member.key);
                    look(document, &member.value, value, pointer, found);
                    pointer.truncate(length);
                }
            }
        }
        (Kind::Scalar, Value::Number(number)) => {
            let span = node.span;
            let written = document
                .text()
                .get(span.start..span.end)
                .unwrap_or_default();
            let written = without_properties(written);
            // Hexadecimal and octal numbers of YAML are read exactly, or not at all.
            let is_decimal = !written.starts_with("0x") && !written.starts_with("0o");
            if is_decimal && Decimal::of(written) != Decimal::of(&number.to_string()) {
                found.push(pointer.clone());
            }
        }
        _ => {}
    }
}

/// What is left of a scalar of YAML behind its anchor, its tag and a comment behind them.
fn without_properties(written: &str) -> &str {
    let mut rest = written;
    while rest.starts_with(['&', '!', '#']) {
        let is_comment = rest.starts_with('#');
        let ends = |c: char| c == '\n' || !is_comment && c.is_whitespace();
        let end = rest.find(ends).unwrap_or(rest.len());
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    rest
}

/// A number as the digits that count and the place of the point behind them; the sign of zero is none.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// None for what is no number, or has an exponent that nothing can hold.
    fn of(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let negative = mantissa.starts_with('-');
        let mantissa = mantissa.trim_start_matches(['-', '+']);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let shorter = digits.trim_end_matches('0');
        if shorter.is_empty() {
            return Some(Self {
                negative: false,
                digits: String::new(),
                exponent: 0,
            });
        }
        let exponent = exponent.parse::<i64>().ok()?;
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let cut = i64::try_from(digits.len() - shorter.len()).ok()?;
        Some(Self {
            negative,
            digits: shorter.to_owned(),
            exponent: exponent.checked_add(cut)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::inexact;
    use crate::document::{Document, Format};

    #[test]
    fn only_what_changes_is_told() {
        let text = "{\"a\": [1, -0, 1.0, 1.50, 1E3, 1e-7, 9007199254740993, 18446744073709551615, -9223372036854775808, 0.1, 0e999999],
            \"b\": [18446744073709551616, 0.12345678901234567890, 1e-400, -9223372036854775809, 123456789012345678901234567890]}";
        let document = Document::read(text, Format::Json).expect("JSON");
        assert_eq!(inexact(&document), ["/b/0", "/b/1", "/b/2", "/b/3", "/b/4"]);
        let text = "a: [0x1F, 0o17, 010, +1, .5, 1., 1e3]\nb: 0.12345678901234567890\n";
        let document = Document::read(text, Format::Yaml).expect("YAML");
        assert_eq!(inexact(&document), ["/b"]);
        // An anchor before a number and a name for it are no digits of it.
        let text = "a: [&n 1.5, *n, &m # why\n  30, *m]\nb: [&o 0.12345678901234567890, *o]\n";
        let document = Document::read(text, Format::Yaml).expect("YAML");
        assert_eq!(inexact(&document), ["/b/0"]);
    }
}
