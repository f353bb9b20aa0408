//! What holds of every value: its canonical text, its digest and its pointers. Strategies that the properties of other modules share
//! are here too.

use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::{Map, Value};

use super::{Duplicates, Limits, canonical, digest, pop, push, read};

/// So many cases for each property, where `PROPTEST_CASES` does not say otherwise. Regressions are kept as plain tests.
pub(crate) fn cases(usual: u32) -> Config {
    let told = std::env::var_os("PROPTEST_CASES").is_some();
    let base = Config::default();
    Config {
        cases: if told { base.cases } else { usual },
        failure_persistence: None,
        ..base
    }
}

/// Names and texts: short, so that they meet; with escapes, and letters of which there are two forms.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-c]{0,2}",
        1 => "[é/~\"\\\\\n\t\u{1}\u{7f}\u{2028}]{1,3}",
        1 => proptest::sample::select(vec!["\u{c5}", "A\u{30a}", "\u{212b}", "\u{1f600}", "\u{fb33}", "\u{e000}", "1", "10", "~1", "~01", "9"])
            .prop_map(str::to_owned),
    ]
}

/// Values without fractions, so that equal values have equal texts.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53)..(1 << 53)).prop_map(Value::from),
        (-3_i64..4).prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((any_text(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The same value with the members of each object in another order: turned by `by`, and backwards where that is odd.
pub(crate) fn reordered(value: &Value, by: usize) -> Value {
    match value {
        Value::Array(elements) => elements
            .iter()
            .map(|element| reordered(element, by))
            .collect(),
        Value::Object(members) => {
            let mut pairs: Vec<(String, Value)> = members
                .iter()
                .map(|(name, member)| (name.clone(), reordered(member, by)))
                .collect();
            let turn = by % pairs.len().max(1);
            pairs.rotate_left(turn);
            if by % 2 == 1 {
                pairs.reverse();
            }
            Value::Object(Map::from_iter(pairs))
        }
        other => other.clone(),
    }
}

/// RFC 8785 by its letter, for values without fractions.
fn plainly(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => quoted(text, out),
        Value::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                plainly(element, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut names: Vec<(Vec<u16>, &String)> = members
                .keys()
                .map(|name| (name.encode_utf16().collect(), name))
                .collect();
            names.sort();
            out.push('{');
            for (index, (_, name)) in names.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                quoted(name, out);
                out.push(':');
                plainly(&members[name], out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control @ '\0'..'\u{20}' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

fn strictly(text: &str) -> Value {
    read(text.as_bytes(), &Limits::DOCUMENT, Duplicates::Refuse).expect("JSON")
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn canonical_text_is_that_of_the_letter(value in any_value()) {
        let mut expected = String::new();
        plainly(&value, &mut expected);
        prop_assert_eq!(canonical(&value), expected);
    }

    #[test]
    fn canonical_text_reads_back_and_is_its_own(value in any_value()) {
        let text = canonical(&value);
        let back = strictly(&text);
        prop_assert_eq!(&back, &value);
        prop_assert_eq!(canonical(&back), text);
    }

    #[test]
    fn order_and_white_space_leave_the_digest_alone(value in any_value(), by in 0_usize..8) {
        let pretty = serde_json::to_string_pretty(&reordered(&value, by)).expect("text");
        prop_assert_eq!(digest(&strictly(&format!(" \r\n\t{pretty}\n"))), digest(&value));
    }

    /// Two forms of one letter are two texts, and `1` is not `"1"`.
    #[test]
    fn another_value_has_another_digest(value in any_value()) {
        for (one, other) in [("\"\u{c5}\"", "\"A\u{30a}\""), ("\"\u{c5}\"", "\"\u{212b}\""), ("1", "\"1\""), ("null", "false"), ("{}", "[]")] {
            let beside = |text: &str| digest(&serde_json::json!([value, strictly(text)]));
            prop_assert_ne!(beside(one), beside(other), "{} and {}", one, other);
        }
    }

    #[test]
    fn a_pointer_leads_back(tokens in proptest::collection::vec(any_text(), 1..4)) {
        let pointer = tokens.iter().fold(String::new(), |at, token| push(&at, token));
        let (parent, last) = pop(&pointer).expect("not the root");
        prop_assert_eq!(tokens.last(), Some(&last));
        let above = tokens.iter().rev().skip(1).rev().fold(String::new(), |at, token| push(&at, token));
        prop_assert_eq!(parent, above);
        let value = tokens.iter().rev().fold(Value::from(7), |inside, token| {
            Value::Object(Map::from_iter([(token.clone(), inside)]))
        });
        prop_assert_eq!(value.pointer(&pointer), Some(&Value::from(7)));
    }
}
