//! What a matcher must do whatever it is given: accept what it was made of, forgive only what it does not name, and find each change.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Matcher, check, same};
use crate::json;
use crate::json::properties::{any_value, cases, reordered};

fn accepts(source: &Value, observed: &Value) -> bool {
    check(source, Some(observed))
        .expect("compiles")
        .differences
        .is_empty()
}

/// Where a value has no further inside: scalars, and what is empty.
fn ends(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(elements) if !elements.is_empty() => {
            for (index, element) in elements.iter().enumerate() {
                ends(element, &json::push(at, &index.to_string()), found);
            }
        }
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                ends(member, &json::push(at, name), found);
            }
        }
        _ => found.push(at.to_owned()),
    }
}

/// The value with something else at one of its ends, and the pointer to it.
fn changed(value: &Value, pick: usize) -> (Value, String) {
    let mut all = Vec::new();
    ends(value, "", &mut all);
    let pointer = all[pick % all.len()].clone();
    let mut other = value.clone();
    let place = other.pointer_mut(&pointer).expect("an end");
    *place = match place {
        Value::Null => json!(false),
        Value::Bool(truth) => json!(!*truth),
        Value::Number(number) => json!(number.as_f64().unwrap_or_default() / 2.0 + 0.25),
        Value::String(text) => json!(format!("{text}.")),
        Value::Array(_) => json!([null]),
        Value::Object(_) => json!([]),
    };
    (other, pointer)
}

/// The value with more members in every object.
fn with_more(value: &Value) -> Value {
    match value {
        Value::Array(elements) => elements.iter().map(with_more).collect(),
        Value::Object(members) => {
            let mut more: Map<String, Value> = members
                .iter()
                .map(|(name, member)| (name.clone(), with_more(member)))
                .collect();
            more.insert("one more member".to_owned(), json!([{}]));
            Value::Object(more)
        }
        other => other.clone(),
    }
}

/// An expectation that asks for less at every place: in place of a scalar only its type.
fn laxer(value: &Value) -> Value {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(elements) => return elements.iter().map(laxer).collect(),
        Value::Object(members) => {
            return Value::Object(
                members
                    .iter()
                    .skip(1)
                    .map(|(name, member)| (name.clone(), laxer(member)))
                    .collect(),
            );
        }
    };
    json!({"$type": kind})
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn a_change_is_found_where_it_is(value in any_value(), pick in 0_usize..64) {
        let (other, pointer) = changed(&value, pick);
        for source in [value.clone(), json!({"$exact": value.clone()})] {
            let outcome = check(&source, Some(&other)).expect("compiles");
            prop_assert!(!outcome.differences.is_empty(), "{} accepts {}", source, other);
            // A difference is told at the change or at what holds it.
            for difference in &outcome.differences {
                prop_assert!(pointer.starts_with(&difference.pointer), "{} told at {}", pointer, difference.pointer);
            }
        }
        prop_assert!(accepts(&json!({"$not": value.clone()}), &other), "not");
        prop_assert!(!same(&value, &other));
    }

    #[test]
    fn more_members_are_forgiven_unless_it_must_be_exact(value in any_value()) {
        let more = with_more(&value);
        prop_assert!(accepts(&value, &more));
        prop_assert_eq!(accepts(&json!({"$exact": value.clone()}), &more), value == more);
    }

    #[test]
    fn whoever_asks_for_less_accepts_it_too(value in any_value(), other in any_value()) {
        prop_assert!(accepts(&laxer(&value), &value));
        for other in [with_more(&value), other] {
            if accepts(&value, &other) {
                prop_assert!(accepts(&laxer(&value), &other), "{} accepts {}, and what is laxer does not", value, other);
                prop_assert!(accepts(&json!({"$any_of": [{"$absent": true}, value.clone()]}), &other), "any of");
            }
        }
    }

    #[test]
    fn a_member_that_is_missing_is_found(value in any_value()) {
        let expected = json!({"a": value.clone(), "b": 1});
        let outcome = check(&expected, Some(&json!({"b": 1}))).expect("compiles");
        let pointers: Vec<&str> = outcome.differences.iter().map(|difference| difference.pointer.as_str()).collect();
        prop_assert!(!pointers.is_empty() && pointers.iter().all(|pointer| pointer.starts_with("/a")), "{:?}", pointers);
        prop_assert!(accepts(&json!({"a": {"$absent": true}}), &json!({"b": value})), "absent");
    }

    #[test]
    fn order_of_members_does_not_matter(value in any_value(), by in 0_usize..6, pick in 0_usize..64) {
        let turned = reordered(&value, by);
        prop_assert!(accepts(&turned, &value) && accepts(&json!({"$exact": turned}), &value), "turned");
        let (other, _) = changed(&value, pick);
        let matcher = Matcher::compile(&value).expect("compiles");
        prop_assert_eq!(matcher.check(Some(&other)).differences.len(), matcher.check(Some(&reordered(&other, by))).differences.len());
    }
}
