//! What is redacted holds no secret that the search finds, and is otherwise as it was.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{REDACTED, Secrets};
use crate::json::properties::{any_text, any_value, cases};

const VALUES: [&str; 2] = ["s3cr3t/value+x==", "an\u{f6}ther \"one\""];

fn secrets() -> Secrets {
    Secrets::new(VALUES.map(|value| (format!("NAME_{}", value.len()), value.to_owned())))
}

/// A value with a secret somewhere, and the same with the mark there.
fn with_a_secret() -> impl Strategy<Value = (Value, Value)> {
    (
        any_value(),
        any_text(),
        proptest::sample::select(VALUES.to_vec()),
        0_usize..3,
    )
        .prop_map(|(value, text, secret, shape)| {
            let build = |inside: &str| match shape {
                0 => json!({"a": value, "b": [format!("{text} {inside} {text}")]}),
                1 => json!([{format!("{text} {inside}"): value}]),
                _ => json!(inside),
            };
            (build(secret), build(REDACTED))
        })
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn a_secret_becomes_the_mark_and_the_rest_stays((with, without) in with_a_secret()) {
        let all = secrets();
        prop_assert!(!all.in_value(&with).is_empty(), "nothing is found in {}", with);
        let clean = all.redact(&with);
        prop_assert_eq!(&clean, &without);
        prop_assert!(all.in_value(&clean).is_empty());
        prop_assert_eq!(all.redact(&clean), clean);
    }

    #[test]
    fn what_holds_none_is_left_alone(value in any_value()) {
        let all = secrets();
        prop_assert!(all.in_value(&value).is_empty());
        prop_assert_eq!(all.redact(&value), value.clone());
        let text = value.to_string();
        prop_assert_eq!(all.redact_text(&text), text);
    }

    #[test]
    fn a_leak_is_where_its_secret_is((with, _) in with_a_secret()) {
        for leak in secrets().in_value(&with) {
            let there = with.pointer(&leak.pointer).map(Value::to_string).unwrap_or_default();
            prop_assert!(!secrets().in_value(&serde_json::from_str(&there).expect("a value")).is_empty(), "{:?} in {}", leak, with);
        }
    }
}
