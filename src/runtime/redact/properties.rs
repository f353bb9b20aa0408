//! Redaction takes every secret away, and nothing else.

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{MARK, Redactor, encodings};
use crate::json::properties::{any_text, any_value, cases};

const SECRETS: [&str; 3] = ["k3y/with+signs=", "p\u{e4}ssw\u{f6}rd \"x\"", "0123456789"];

fn forms() -> Vec<String> {
    SECRETS
        .iter()
        .flat_map(|secret| encodings(secret))
        .collect()
}

fn redactor() -> Redactor {
    Redactor::new(&forms())
}

/// A text in which a form of a secret may stand, and the same with the mark there.
fn marked() -> impl Strategy<Value = (String, String)> {
    let piece = prop_oneof![
        2 => any_text().prop_map(|text| (text.clone(), text)),
        1 => proptest::sample::select(forms()).prop_map(|form| (form, MARK.to_owned())),
    ];
    // What stands between the pieces keeps a form from going on in its neighbour.
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| {
        let joined = |texts: Vec<String>| texts.join(" | ");
        let (with, without): (Vec<_>, Vec<_>) = pieces.into_iter().unzip();
        (joined(with), joined(without))
    })
}

/// A value with such texts, as strings and as names, and the same with marks.
fn marked_value() -> impl Strategy<Value = (Value, Value)> {
    let leaf = prop_oneof![
        marked().prop_map(|(with, without)| (Value::from(with), Value::from(without))),
        Just((json!(123_456_789), json!(123_456_789))),
        Just((json!(9_012_345_678_901_u64), json!(format!("9{MARK}01")))),
        Just((json!(null), json!(null))),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|pairs| {
                let (with, without): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
                (Value::from(with), Value::from(without))
            }),
            proptest::collection::vec((marked(), inner), 0..3).prop_map(|members| {
                let (mut with, mut without) = (Map::new(), Map::new());
                for (index, ((name, clean), (value, clean_value))) in
                    members.into_iter().enumerate()
                {
                    with.insert(format!("{index} {name}"), value);
                    without.insert(format!("{index} {clean}"), clean_value);
                }
                (Value::Object(with), Value::Object(without))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn each_form_becomes_the_mark_and_the_rest_stays((with, without) in marked_value()) {
        prop_assert_eq!(redactor().value(with), without);
    }

    #[test]
    fn once_more_changes_nothing((with, _) in marked_value()) {
        let once = redactor().value(with);
        prop_assert_eq!(redactor().value(once.clone()), once);
    }

    #[test]
    fn a_value_without_a_secret_is_left_alone(value in any_value()) {
        prop_assert_eq!(redactor().value(value.clone()), value.clone());
        let text = value.to_string();
        prop_assert!(matches!(redactor().text(&text), Cow::Borrowed(_)), "{}", text);
    }

    /// A secret within a document that stands as text within another one, as bodies of answers do.
    #[test]
    fn no_secret_is_left_in_the_text_of_a_value((with, _) in marked_value()) {
        let text = redactor().text(&with.to_string()).into_owned();
        for form in forms() {
            prop_assert!(!text.contains(&form), "{} is left in {}", form, text);
        }
    }
}
