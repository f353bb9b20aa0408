//! Compact JSON: section 5, after RFC 8785 but for integers, which are exact.

use serde_json::{Number, Value};

use super::Flaw;

/// A string as it is, anything else as compact JSON.
pub fn bare(value: &Value, flaw: Option<Flaw>) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => compact(other, flaw),
    }
}

/// The value as compact JSON.
pub fn compact(value: &Value, flaw: Option<Flaw>) -> String {
    let space = if flaw == Some(Flaw::JsonHasSpaces) {
        " "
    } else {
        ""
    };
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(true) => "true".to_owned(),
        Value::Bool(false) => "false".to_owned(),
        Value::Number(number) => print_number(number, flaw),
        Value::String(text) => quoted(text, flaw),
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(|e| compact(e, flaw)).collect();
            format!("[{}]", elements.join(&format!(",{space}")))
        }
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            if flaw != Some(Flaw::JsonKeepsOrder) {
                members.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<u16>>());
            }
            let members: Vec<String> = members
                .into_iter()
                .map(|(name, value)| {
                    format!("{}:{space}{}", quoted(name, flaw), compact(value, flaw))
                })
                .collect();
            format!("{{{}}}", members.join(&format!(",{space}")))
        }
    }
}

fn quoted(text: &str, flaw: Option<Flaw>) -> String {
    let mut made = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => made.push_str("\\\""),
            '\\' => made.push_str("\\\\"),
            '\u{8}' => made.push_str("\\b"),
            '\t' => made.push_str("\\t"),
            '\n' => made.push_str("\\n"),
            '\u{c}' => made.push_str("\\f"),
            '\r' => made.push_str("\\r"),
            _ if character < ' ' => made.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ if !character.is_ascii() && flaw == Some(Flaw::JsonIsAscii) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    made.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => made.push(character),
        }
    }
    made.push('"');
    made
}

fn print_number(number: &Number, flaw: Option<Flaw>) -> String {
    if let Some(integer) = number.as_i64() {
        return integer.to_string();
    }
    let double = number.as_f64().unwrap_or(0.0);
    if flaw == Some(Flaw::JsonKeepsPoint) {
        return format!("{double:?}");
    }
    print_double(double)
}

/// ECMA-262, Number::toString, which RFC 8785 takes over.
fn print_double(double: f64) -> String {
    if double == 0.0 {
        return "0".to_owned();
    }
    if double < 0.0 {
        return format!("-{}", print_double(-double));
    }
    // The fewest digits that read back the same; of two such numbers the closer one, of two as close the one whose last digit is even. Rust gives
    // as many digits, but not always the even one: rounding to that many does.
    let shortest = format!("{double:e}");
    let digits = shortest.bytes().take_while(|byte| *byte != b'e');
    let count = digits.filter(u8::is_ascii_digit).count();
    let shortest = format!("{double:.*e}", count.saturating_sub(1));
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let digits = digits.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // Where the point stands, counted from before the first digit.
    let point = exponent + 1;
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |number: i32| "0".repeat(usize::try_from(number).unwrap_or(0));
    if (count..=21).contains(&point) {
        return format!("{digits}{}", zeros(point - count));
    }
    if (1..=21).contains(&point) {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        return format!("{whole}.{fraction}");
    }
    if (-5..=0).contains(&point) {
        return format!("0.{}{digits}", zeros(-point));
    }
    let sign = if exponent < 0 { "-" } else { "+" };
    let exponent = exponent.unsigned_abs();
    let (first, others) = digits.split_at(1);
    if others.is_empty() {
        format!("{first}e{sign}{exponent}")
    } else {
        format!("{first}.{others}e{sign}{exponent}")
    }
}
