//! The rules of the groups that look at documents as values take any value.

use serde_json::{Value, json};

use crate::document::{Document, Format};
use crate::lint::explain::examples;
use crate::lint::{DocumentKind, Group, Preset, Selection, all, check};

/// The places of a value, to a depth at which the model's own members end.
fn places(value: &Value, pointer: &str, depth: usize, found: &mut Vec<String>) {
    found.push(pointer.to_owned());
    let below: Vec<(String, &Value)> = match value {
        _ if depth == 0 => Vec::new(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), value))
            .collect(),
        Value::Array(elements) => elements
            .iter()
            .take(3)
            .enumerate()
            .map(|(index, value)| (index.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    for (name, value) in below {
        places(value, &crate::json::push(pointer, &name), depth - 1, found);
    }
}

#[test]
fn a_document_may_be_broken_in_any_way() {
    // Structure is the loader's, and schemas have tests of their own.
    let judged = |group| !matches!(group, Group::Structure | Group::Schema);
    let own = all().filter(|rule| judged(rule.group));
    for rule in own {
        let only = Selection::preset(Preset::Strict).only([rule.id.to_owned()]);
        for example in examples(rule, "bad") {
            // What is wrong with a text that is none is found before there is a document.
            let Ok(document) = example.document else {
                continue;
            };
            let kind = example.kind;
            let mut found = Vec::new();
            places(document.value(), "", 5, &mut found);
            for pointer in found {
                for instead in [
                    json!(null),
                    json!("{{"),
                    json!([[], {}]),
                    json!({"": {}, "name": 1}),
                ] {
                    let mut broken = document.value().clone();
                    if let Some(place) = broken.pointer_mut(&pointer) {
                        *place = instead;
                    }
                    let broken = Document::read(broken.to_string(), Format::Json).expect("JSON");
                    // What it finds is no matter; that it comes back is.
                    check(&broken, kind, &only);
                }
            }
        }
    }
}

#[test]
fn many_actions_take_no_time() {
    let actions: Vec<Value> = (0..2000)
        .map(|index| {
            json!({
                "name": format!("a{index}"), "type": "invoke_api",
                "input_schema": {"type": "object", "properties": {"x": {"type": "integer"}}},
                "output_schema": {"type": "object", "properties": {"y": {}}},
                "conditional": "input.x > 3 and state.results.a1.y == none or not not input.z",
                "fallback_action": {"name": format!("a{}", index + 1), "input": {"x": "{{ input.x }}", "w": "{{ 1 }}"}},
                "result_path": {format!("/environment/r{index}"): "/z"}, "feature_flag": format!("flag-{index}")
            })
        })
        .collect();
    let names: Vec<String> = (0..2000).map(|index| format!("a{index}")).collect();
    let manifest = json!({"name": "Many", "version": "1.0.0", "actions": actions, "intents": [{"name": "i", "actions": names}]});
    let document = Document::read(manifest.to_string(), Format::Json).expect("JSON");
    let groups = [Group::References, Group::Expressions, Group::Versions];
    let own = all().filter(|rule| groups.contains(&rule.group));
    let only = Selection::preset(Preset::Strict).only(own.map(|rule| rule.id.to_owned()));
    let begun = std::time::Instant::now();
    let outcome = check(&document, DocumentKind::Manifest, &only);
    assert!(outcome.left_out > 2000);
    let taken = begun.elapsed();
    assert!(taken.as_secs() < 60, "{taken:?}");
}
