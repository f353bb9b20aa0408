//! The document as a whole, each rule by the least document that breaks it; sizes and bytes.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{
    Kind, LoadError, MAX_VIOLATIONS, Method, UNSUPPORTED_PROTOCOL_VERSION, load, read,
};
use super::{api, assert_refused, loaded, plain, refusals, warnings, with, with_action};

#[test]
fn a_plain_manifest_loads_without_a_word() {
    let manifest = loaded(&plain());
    assert_eq!(manifest.name, "Plain");
    assert_eq!(manifest.version.to_string(), "1.2.3");
    assert_eq!(manifest.declared_version, "1.2.3");
    assert_eq!(manifest.document, plain());
    assert!(manifest.warnings().is_empty() && manifest.needs().is_empty());
    let action = manifest.action("look").expect("loads");
    assert!(manifest.action("Look").is_none());
    let Kind::InvokeApi(call) = &action.kind else {
        panic!("no API action");
    };
    assert_eq!(call.method, Method::Get);
    assert_eq!(call.timeout, Duration::from_secs(10));
    assert!(call.auth.is_none() && call.headers.is_empty());
    assert!(!action.completes_goal && action.feature_flag.is_none());
    assert!(action.input.is_valid(&json!({})) && !action.input.is_valid(&json!(1)));
}

#[test]
fn members_of_the_document() {
    for (members, pointer, rule) in [
        (json!({"name": null}), "", "required"),
        (json!({"version": null}), "", "required"),
        (json!({"actions": null}), "", "required"),
        (json!({"name": 1}), "/name", "type"),
        (json!({"name": ""}), "/name", "pattern"),
        (json!({"name": "a b"}), "/name", "pattern"),
        (json!({"name": "1a"}), "/name", "pattern"),
        (json!({"name": "a@b"}), "/name", "pattern"),
        (json!({"name": "caf\u{e9}"}), "/name", "pattern"),
        (json!({"name": "a\n"}), "/name", "pattern"),
        (json!({"name": "a".repeat(129)}), "/name", "pattern"),
        (json!({"version": 2.0}), "/version", "type"),
        (json!({"description": 1}), "/description", "type"),
        (json!({"protocol_version": 2}), "/protocol_version", "type"),
        (json!({"actions": {}}), "/actions", "type"),
        (json!({"actions": []}), "/actions", "minItems"),
        (json!({"actions": ["x"]}), "/actions/0", "type"),
        (json!({"intents": {}}), "/intents", "type"),
        (json!({"intents": [1]}), "/intents/0", "type"),
        (
            json!({"intents": [{"actions": ["look"]}]}),
            "/intents/0",
            "required",
        ),
        (
            json!({"intents": [{"name": "i"}]}),
            "/intents/0",
            "required",
        ),
        (
            json!({"intents": [{"name": "i", "actions": []}]}),
            "/intents/0/actions",
            "minItems",
        ),
        (
            json!({"intents": [{"name": "i", "actions": "look"}]}),
            "/intents/0/actions",
            "type",
        ),
        (
            json!({"intents": [{"name": "i", "actions": [1]}]}),
            "/intents/0/actions/0",
            "type",
        ),
        (
            json!({"intents": [{"name": "i", "actions": ["look", "gone"]}]}),
            "/intents/0/actions/1",
            "unknown_action",
        ),
        (
            json!({"intents": [{"name": "i!", "actions": ["look"]}]}),
            "/intents/0/name",
            "pattern",
        ),
        (
            json!({"intents": [{"name": "i", "actions": ["look"]}, {"name": "i", "actions": ["look"]}]}),
            "/intents/1/name",
            "duplicate_name",
        ),
        (
            json!({"actions": [api("a"), api("b"), api("a")]}),
            "/actions/2/name",
            "duplicate_name",
        ),
    ] {
        // `null` takes a member away, so every document here breaks one rule.
        assert_refused(&with(members), pointer, rule);
    }
    for value in [json!(null), json!([]), json!("x"), json!(1), json!(true)] {
        assert_refused(&value, "", "type");
    }
    assert_eq!(refusals(&json!({})).len(), 3);
    assert!(load(&with(json!({"name": "a".repeat(128)}))).is_ok());
}

#[test]
fn versions() {
    for (text, full) in [
        ("2.0", "2.0.0"),
        ("0.1", "0.1.0"),
        ("1.2.3", "1.2.3"),
        ("1.0.0-rc.1", "1.0.0-rc.1"),
    ] {
        let document = with(json!({"version": text}));
        let manifest = loaded(&document);
        assert_eq!(manifest.version.to_string(), full);
        assert_eq!(manifest.declared_version, text);
        assert_eq!(manifest.document["version"], text);
        let warned = warnings(&document);
        let two_part = [("/version".to_owned(), "two_part_version".to_owned())];
        assert_eq!(
            warned,
            if text.matches('.').count() == 1 {
                &two_part[..]
            } else {
                &[]
            }
        );
    }
    for wrong in [
        "",
        "2",
        "v1.0.0",
        "1.0.0.0",
        "01.0",
        "1.02",
        "1.0.0+build",
        "2.0-rc1",
        "1.0.0-",
        "1.x",
        "1. 0",
        " 1.0.0",
        "latest",
        "-1.0",
        "99999999999999999999.0",
        "1.",
        ".1",
    ] {
        assert_refused(
            &with(json!({"version": wrong})),
            "/version",
            "invalid_version",
        );
    }
    let long = format!("1.0.0-{}", "a".repeat(300));
    assert_refused(
        &with(json!({"version": long})),
        "/version",
        "invalid_version",
    );
}

#[test]
fn protocol_versions() {
    for fine in [json!("2.0"), json!("2.1"), json!(null)] {
        assert!(
            load(&with(json!({"protocol_version": fine}))).is_ok(),
            "{fine}"
        );
    }
    for other in ["1.0", "3.0", "20.0", "0.2"] {
        assert_refused(
            &with(json!({"protocol_version": other})),
            "/protocol_version",
            UNSUPPORTED_PROTOCOL_VERSION,
        );
    }
    for wrong in ["", "2", "2.0.0", "v2.0", "2.", "two", "02.0", "2.00"] {
        assert_refused(
            &with(json!({"protocol_version": wrong})),
            "/protocol_version",
            "pattern",
        );
    }
}

#[test]
fn every_violation_is_told_at_once() {
    let document = json!({
        "name": "a b",
        "version": "x",
        "protocol_version": "1.0",
        "actions": [
            {"type": "invoke_api", "name": "a", "method": "FETCH", "input_schema": {"type": 1}, "timeout_ms": 0},
            {"name": "a"}
        ],
        "intents": [{"name": "i", "actions": ["b"]}]
    });
    let rules: Vec<_> = refusals(&document)
        .into_iter()
        .map(|(pointer, rule)| format!("{pointer} {rule}"))
        .collect();
    for expected in [
        "/name pattern",
        "/version invalid_version",
        "/protocol_version unsupported_protocol_version",
        "/actions/0 required",
        "/actions/0/method enum",
        "/actions/0/timeout_ms minimum",
        "/actions/0/input_schema/type invalid_schema",
        "/actions/1/name duplicate_name",
        "/actions/1 required",
        "/intents/0/actions/0 unknown_action",
    ] {
        assert!(
            rules.iter().any(|rule| rule == expected),
            "{expected} is not among {rules:#?}"
        );
    }
}

#[test]
fn sizes_are_bounded() {
    let actions: Vec<Value> = (0..1000).map(|n| json!({"type": "plugin", "name": format!("a{n}"), "input_schema": true, "output_schema": true})).collect();
    assert!(load(&with(json!({"actions": actions.clone()}))).is_ok());
    let mut more = actions;
    more.push(api("one_more"));
    assert_refused(&with(json!({"actions": more})), "/actions", "maxItems");

    let nameless = vec![json!({"type": "plugin"}); 60];
    let told = load(&with(json!({"actions": nameless}))).expect_err("refused");
    assert_eq!(told.len(), MAX_VIOLATIONS + 1);
    assert_eq!(told[MAX_VIOLATIONS].rule, "too_many_violations");

    let mut deep = json!({});
    for _ in 0..200 {
        deep = json!({ "fallback_action": deep });
    }
    let document = with_action(json!({"fallback_action": deep}));
    assert_refused(&document, "", "too_deep");
}

#[test]
fn bytes_are_read_strictly() {
    let text = plain().to_string();
    assert!(read(text.as_bytes()).is_ok());
    for (bytes, code) in [
        (&b"{"[..], "malformed_json"),
        (b"\xff", "invalid_utf8"),
        (b"{\"name\": \"a\", \"name\": \"b\"}", "duplicate_key"),
        (b"{\"name\": NaN}", "malformed_json"),
        (b"\xef\xbb\xbf{}", "malformed_json"),
    ] {
        match read(bytes) {
            Err(LoadError::Json(error)) => assert_eq!(error.code, code),
            other => panic!("{code}: {other:?}"),
        }
    }
    assert!(matches!(read(b"{}"), Err(LoadError::Invalid(violations)) if violations.len() == 3));
    let shown = read(b"{}").expect_err("refused").to_string();
    assert_eq!(shown.lines().count(), 3, "{shown}");
}
