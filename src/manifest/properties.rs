//! What a document may be written like leaves what is said of it alone: order of members, white space and spelling.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{load, read, to_json_ld, unified};
use crate::json::properties::{any_text, any_value, cases, reordered};

/// Manifests that load, with texts in all forms of one letter.
fn manifest() -> impl Strategy<Value = Value> {
    let action = (any_text(), any_value(), any::<bool>(), any::<bool>()).prop_map(|(text, constant, queried, asks)| {
        let mut action = json!({
            "type": "invoke_api", "description": format!("x{text}"), "endpoint": "https://api.example.com/look",
            "method": if queried { "GET" } else { "POST" },
            "input_schema": {"type": "object", "properties": {"a": {"const": constant, "description": text}}},
            "output_schema": {"type": "object"},
        });
        if asks {
            action["access_control"] = json!({"requires_approval": true, "required_scopes": ["look"]});
            action["result_path"] = json!("/environment/seen");
        }
        action
    });
    (proptest::collection::vec(action, 1..4), any_text()).prop_map(|(mut actions, text)| {
        for (index, action) in actions.iter_mut().enumerate() {
            action["name"] = json!(format!("act_{index}"));
        }
        let names: Vec<Value> = actions.iter().map(|action| action["name"].clone()).collect();
        json!({"name": "generated", "version": "1.2.3", "description": format!("x{text}"), "actions": actions,
               "intents": [{"name": "all", "description": "Everything.", "actions": names}]})
    })
}

/// One thing that is wrong, by a pointer into the snake_case form and the value that stands there.
fn defect() -> impl Strategy<Value = (&'static str, Value)> {
    proptest::sample::select(vec![
        ("/version", json!("one")),
        ("/name", json!(7)),
        ("/actions/0/method", json!("FETCH")),
        ("/actions/0/endpoint", json!("ftp://example.com")),
        ("/actions/0/input_schema", json!({"type": "objekt"})),
        ("/actions/0/output_schema", json!(5)),
        ("/actions/0/name", json!("not a name")),
        ("/intents/0/actions", json!(["nobody"])),
        ("/actions", json!([])),
    ])
}

/// Each rule that is broken, and how often.
fn rules(document: &Value) -> Option<BTreeMap<String, usize>> {
    let violations = load(document).err()?;
    let mut rules = BTreeMap::new();
    for violation in violations {
        *rules.entry(violation.rule.to_string()).or_default() += 1;
    }
    Some(rules)
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn order_white_space_and_spelling_leave_a_manifest_the_same(document in manifest(), by in 0_usize..6) {
        let loaded = load(&document).expect("a manifest");
        let turned = serde_json::to_string_pretty(&reordered(&document, by)).expect("text");
        let linked = to_json_ld(&loaded).expect("spelled otherwise");
        for other in [read(turned.as_bytes()).expect("read"), load(&linked).expect("read"), load(&reordered(&linked, by)).expect("read")] {
            prop_assert_eq!(&other.digest, &loaded.digest);
            prop_assert_eq!(&other.document, &loaded.document);
            let names = |manifest: &super::Manifest| -> Vec<String> { manifest.actions.iter().map(|action| action.name.clone()).collect() };
            prop_assert_eq!(names(&other), names(&loaded));
            prop_assert_eq!(other.warnings().len(), loaded.warnings().len());
            prop_assert_eq!(other.needs().len(), loaded.needs().len());
        }
    }

    #[test]
    fn what_is_wrong_is_wrong_in_every_order_and_spelling(document in manifest(), (pointer, wrong) in defect(), by in 0_usize..6) {
        let linked = to_json_ld(&load(&document).expect("a manifest")).expect("spelled otherwise");
        let there = unified(&linked).original(pointer);
        let (mut snake, mut camel) = (document, linked);
        *snake.pointer_mut(pointer).expect("a member") = wrong.clone();
        *camel.pointer_mut(&there).expect("the same member") = wrong;
        let expected = rules(&snake);
        prop_assert!(expected.is_some(), "{} is not missed", pointer);
        for other in [&camel, &reordered(&snake, by), &reordered(&camel, by)] {
            prop_assert_eq!(&rules(other), &expected, "{}", pointer);
        }
    }

    /// Two forms of one letter are two texts: nothing is normalised on the way.
    #[test]
    fn forms_of_letters_are_left_alone(document in manifest()) {
        let spelled = |form: &str| {
            let mut document = document.clone();
            document["description"] = json!(form);
            load(&document).expect("a manifest")
        };
        let (composed, decomposed) = (spelled("\u{e9}"), spelled("e\u{301}"));
        prop_assert_ne!(&composed.digest, &decomposed.digest);
        prop_assert_eq!(decomposed.description.as_deref(), Some("e\u{301}"));
        let there_and_back = load(&to_json_ld(&decomposed).expect("spelled otherwise")).expect("a manifest");
        prop_assert_eq!(there_and_back.digest, decomposed.digest);
    }
}
