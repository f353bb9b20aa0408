//! Large, deep and circular documents: bounded work and an answer.

use serde_json::{Map, Value, json};

use super::{document, kinds_of, with_schemas};
use crate::compat::compare;
use crate::document::Document;

fn with_actions(count: usize, minimum: i64) -> Document {
    let actions: Vec<Value> = (0..count)
        .map(|index| json!({"name": format!("a{index}"), "type": "plugin", "output_schema": {},
            "input_schema": {"properties": {"n": {"type": "integer", "minimum": minimum, "maximum": 1000 - minimum}}}}))
        .collect();
    document(&json!({"name": "n", "version": "1.0.0", "actions": actions}))
}

#[test]
fn many_changes_are_cut_and_told() {
    let (old, new) = (with_actions(6000, 1), with_actions(6000, 2));
    let start = std::time::Instant::now();
    let changes = compare(&old, &new);
    assert!(changes.len() <= 10_001, "{}", changes.len());
    assert!(
        changes
            .iter()
            .any(|change| change.kind == "comparison_cut_short")
    );
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
    let few = compare(&with_actions(1000, 1), &with_actions(1000, 2));
    assert_eq!(few.len(), 2000);
    assert!(few.iter().any(|change| change.counterexample.is_some()));
}

#[test]
fn long_places_are_cut_and_told() {
    let around = "long".repeat(25_000);
    let whole = |kind: &str| {
        let members: Map<String, Value> = (0..300)
            .map(|index| (format!("m{index}"), json!({"type": kind})))
            .collect();
        json!({"properties": {around.clone(): {"properties": members}}})
    };
    let (old, new) = (whole("string"), whole("integer"));
    let changes = compare(
        &with_schemas(&old, &json!({})),
        &with_schemas(&new, &json!({})),
    );
    let told: usize = changes.iter().map(|change| change.path.len()).sum();
    assert!(told < 16 << 20, "{told}");
    assert!(
        changes
            .iter()
            .any(|change| change.kind == "comparison_cut_short")
    );
}

#[test]
fn references_that_multiply_or_turn_in_circles_end() {
    let chain = |last: &str| {
        let mut definitions = Map::new();
        for index in 0..60 {
            let next = format!("#/$defs/d{}", index + 1);
            definitions.insert(
                format!("d{index}"),
                json!({"properties": {"a": {"$ref": next}, "b": {"$ref": next}}}),
            );
        }
        definitions.insert("d60".to_owned(), json!({"type": last}));
        json!({"$ref": "#/$defs/d0", "$defs": definitions})
    };
    let circle = |kind: &str| json!({"type": "object", "properties": {"next": {"$ref": "#"}, "n": {"type": kind}}});
    let vain = |kind: &str| json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}, "c": {"type": kind}}});
    let crossed = |one: &str, other: &str, kind: &str| {
        json!({"$ref": "#/$defs/a", "$defs": {
        "a": {"properties": {"x": {"$ref": one}, "y": {"$ref": other}}}, "b": {"properties": {"x": {"$ref": other}, "y": {"$ref": one}}, "type": kind}}})
    };
    let start = std::time::Instant::now();
    for (old, new, expected) in [
        (chain("string"), chain("integer"), Some("type_changed")),
        (circle("string"), circle("integer"), Some("type_changed")),
        (vain("string"), vain("integer"), None),
        (
            crossed("#/$defs/a", "#/$defs/b", "object"),
            crossed("#/$defs/b", "#/$defs/a", "array"),
            None,
        ),
    ] {
        let changes = compare(
            &with_schemas(&old, &json!({})),
            &with_schemas(&new, &json!({})),
        );
        assert!(!changes.is_empty());
        if let Some(kind) = expected {
            assert_eq!(kinds_of(&changes), [kind], "{changes:#?}");
        }
    }
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn deep_and_wide_schemas_end() {
    let deep = |kind: &str| {
        let mut schema = json!({"type": kind});
        for index in 0..25 {
            schema = match index % 3 {
                0 => json!({"anyOf": [schema, {"type": "null"}]}),
                1 => json!({"items": schema}),
                _ => json!({"properties": {"a": schema}}),
            };
        }
        schema
    };
    let wide = |kind: &str| {
        let members: Map<String, Value> = (0..8000)
            .map(|index| (format!("m{index}"), json!({"type": kind})))
            .collect();
        let names: Vec<&String> = members.keys().collect();
        json!({"properties": members, "required": names})
    };
    let alternatives = |kind: &str| {
        let all: Vec<Value> = (0..3000)
            .map(|index| json!({"type": kind, "minLength": index, "minimum": index}))
            .collect();
        json!({"oneOf": all})
    };
    let start = std::time::Instant::now();
    for (old, new) in [
        (deep("string"), deep("integer")),
        (wide("string"), wide("integer")),
        (alternatives("string"), alternatives("integer")),
    ] {
        let changes = compare(
            &with_schemas(&old, &json!({})),
            &with_schemas(&new, &json!({})),
        );
        assert!(!changes.is_empty());
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
