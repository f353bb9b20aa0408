//! What counts as JSON.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::reply::{result, unwrap};
use super::FailureCode;

const LONGEST: usize = 1024 * 1024;

fn why(text: &[u8]) -> (FailureCode, String) {
    let failure = result(text, LONGEST).expect_err("refused");
    (failure.code, failure.message)
}

#[test]
fn json_is_taken_as_it_is() {
    for (text, value) in [
        ("null", Value::Null),
        (" [1, 2.5, \"a\"] ", json!([1, 2.5, "a"])),
        (r#"{"b":1,"a":{"c":[]}}"#, json!({"b": 1, "a": {"c": []}})),
        // SBX 7.1: the borders of what an integer can be.
        ("-9223372036854775808", json!(i64::MIN)),
        ("18446744073709551615", json!(u64::MAX)),
        (r#""\ud83d\ude00""#, json!("😀")),
        (r#""\\ud83d""#, json!("\\ud83d")),
        (
            r#""99999999999999999999999""#,
            json!("99999999999999999999999"),
        ),
        (r#"{"NaN":"Infinity"}"#, json!({"NaN": "Infinity"})),
        ("1e21", json!(1e21)),
    ] {
        assert_eq!(result(text.as_bytes(), LONGEST), Ok(value), "{text}");
    }
}

#[test]
fn what_is_no_json_says_why() {
    for (text, reason) in [
        ("", "empty"),
        ("NaN", "NaN"),
        ("[1,-Infinity]", "NaN and infinities"),
        ("undefined", "line 1"),
        ("[1,]", "line 1"),
        ("1 2", "line 1"),
        ("18446744073709551616", "integer"),
        ("[-9223372036854775809]", "integer"),
        (r#"{"a":123456789012345678901234567890}"#, "integer"),
        (r#""\ud800""#, "surrogate"),
        (r#"["\ude00"]"#, "surrogate"),
        (r#""\ud800\u0041""#, "surrogate"),
        (r#"{"\ud800":1}"#, "surrogate"),
        (r#"{"a":1,"a":2}"#, "twice"),
        ("1e400", "line 1"),
    ] {
        let (code, message) = why(text.as_bytes());
        assert_eq!(code, FailureCode::Error, "{text}");
        assert!(message.contains(reason), "{text}: {message}");
    }
    assert!(why(b"\"\xff\"").1.contains("UTF-8"));
}

#[test]
fn depth_and_length_have_exact_borders() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(result(nested(64).as_bytes(), LONGEST).is_ok());
    assert!(why(nested(65).as_bytes()).1.contains("64 levels"));
    let long = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    assert!(result(long(LONGEST).as_bytes(), LONGEST).is_ok());
    assert_eq!(
        why(long(LONGEST + 1).as_bytes()).0,
        FailureCode::OutputLimit
    );
}

#[test]
fn an_envelope_gives_its_result_within_the_same_borders() {
    assert_eq!(unwrap(br#"{"result":{"a":1}}"#, 7), Ok(json!({"a": 1})));
    assert_eq!(unwrap(br#" { "result" : null } "#, 7), Ok(Value::Null));
    let code = |envelope: &str, longest| unwrap(envelope.as_bytes(), longest).map_err(|f| f.code);
    assert_eq!(
        code(r#"{"result":{"a":12}}"#, 7),
        Err(FailureCode::OutputLimit)
    );
    assert_eq!(
        code(r#"{"result":18446744073709551616}"#, 100),
        Err(FailureCode::Error)
    );
    let nested = |levels: usize| {
        format!(
            "{{\"result\":{}{}}}",
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    assert!(unwrap(nested(64).as_bytes(), LONGEST).is_ok());
    assert_eq!(code(&nested(65), LONGEST), Err(FailureCode::Error));
}

#[test]
fn an_envelope_tells_of_a_failure() {
    for (kind, code) in [
        ("failed", FailureCode::Error),
        ("memory", FailureCode::MemoryLimit),
        ("network", FailureCode::NetworkDenied),
        ("cpu", FailureCode::Error),
    ] {
        let envelope = json!({"error": {"kind": kind, "message": "ValueError: no"}}).to_string();
        let failure = unwrap(envelope.as_bytes(), LONGEST).expect_err("failed");
        assert_eq!(
            (failure.code, failure.message.as_str()),
            (code, "ValueError: no")
        );
    }
}

#[test]
fn an_envelope_that_the_code_made_up_is_worth_nothing() {
    for envelope in [
        "",
        "{}",
        "{",
        "[]",
        "\"result\"",
        r#"{"result":}"#,
        r#"{"result":1},{"a":2}"#,
        r#"{"result":1,"error":{"kind":"memory","message":""}}"#,
        r#"{"error":{"kind":"memory"},"error":{}}"#,
        r#"{"error":17}"#,
        "\u{0}",
    ] {
        let failure = unwrap(envelope.as_bytes(), LONGEST).expect_err(envelope);
        assert_eq!(failure.code, FailureCode::Error, "{envelope}");
    }
}

#[test]
fn a_long_message_is_cut_at_a_character() {
    let envelope = json!({"error": {"kind": "failed", "message": "é".repeat(10_000)}}).to_string();
    let failure = unwrap(envelope.as_bytes(), LONGEST).expect_err("failed");
    assert_eq!(failure.message, "é".repeat(2048));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(".{0,6}", inner, 0..6).prop_map(Value::from_iter),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_comes_back(value in values()) {
        let text = value.to_string();
        prop_assert_eq!(result(text.as_bytes(), LONGEST), Ok(value.clone()));
        let envelope = json!({"result": value}).to_string();
        prop_assert_eq!(unwrap(envelope.as_bytes(), LONGEST), Ok(value));
    }

    #[test]
    fn what_is_taken_is_what_a_parser_reads(text in r#"[\[\]{}",:0-9a-fun \\uUdD.eENI+-]{0,40}"#) {
        if let Ok(value) = result(text.as_bytes(), LONGEST) {
            prop_assert_eq!(Some(value), serde_json::from_str(&text).ok());
        }
    }

    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = result(&bytes, LONGEST);
        let _ = unwrap(&bytes, LONGEST);
        let mut envelope = br#"{"result":"#.to_vec();
        envelope.extend(bytes);
        envelope.push(b'}');
        let _ = unwrap(&envelope, LONGEST);
    }
}
