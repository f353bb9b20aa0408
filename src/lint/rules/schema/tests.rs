use serde_json::{Value, json};

use super::RULES;
use crate::document::{Document, Format};
use crate::embedded;
use crate::lint::{DocumentKind, Outcome, Preset, Selection, check};

fn looked_at(manifest: &Value) -> Outcome {
    let document = Document::read(manifest.to_string(), Format::Json).expect("reads");
    let ours = RULES.iter().map(|rule| rule.id.to_owned());
    let selection = Selection::preset(Preset::Strict).only(ours);
    check(&document, DocumentKind::Manifest, &selection)
}

fn is_answered(what: &str, schema: Value) -> Outcome {
    let outcome = looked_at(&json!({"actions": [{"input_schema": schema}]}));
    assert!(outcome.findings.len() <= 1000, "{what}");
    outcome
}

#[test]
fn keywords_of_any_type_do_no_harm() {
    let keywords = [
        "type",
        "enum",
        "const",
        "required",
        "properties",
        "items",
        "prefixItems",
        "allOf",
        "oneOf",
        "not",
        "$ref",
        "$defs",
        "definitions",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "minLength",
        "maxLength",
        "minProperties",
        "maxProperties",
        "pattern",
        "patternProperties",
        "format",
        "default",
        "examples",
        "additionalProperties",
        "dependencies",
        "if",
        "then",
        "contains",
        "minContains",
        "$schema",
        "$id",
        "readOnly",
        "nullable",
        "nonsense",
    ];
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("#/"),
        json!([]),
        json!([[]]),
        json!([null, "a", 1]),
        json!({}),
        json!({"": {"": []}}),
        json!([{"$ref": 1}]),
        json!("("),
        json!("[a-"),
        json!("a{1,"),
        json!("(?<"),
        json!("\\"),
    ];
    for (index, first) in keywords.into_iter().enumerate() {
        for second in keywords.into_iter().skip(index % 9).step_by(9) {
            let schemas: Vec<Value> = values
                .iter()
                .flat_map(|a| values.iter().step_by(3).map(move |b| (a, b)))
                .map(|(a, b)| json!({first: a, second: b}))
                .collect();
            let actions: Vec<Value> = schemas
                .iter()
                .map(|schema| json!({"input_schema": schema}))
                .collect();
            looked_at(&json!({"actions": actions}));
        }
    }
}

/// How long it takes is measured in `benches/documents.rs`.
#[test]
fn large_schemas_are_looked_at() {
    let many = |count: usize| {
        (0..count)
            .map(|index| format!("n{index}"))
            .collect::<Vec<_>>()
    };
    is_answered(
        "required",
        json!({"required": many(40_000), "properties": {"m": {}}}),
    );
    is_answered(
        "closed",
        json!({"required": many(40_000), "additionalProperties": false}),
    );
    let declared: serde_json::Map<String, Value> = many(20_000)
        .into_iter()
        .map(|name| (name, json!({})))
        .collect();
    is_answered(
        "declared",
        json!({"required": many(30_000), "properties": declared}),
    );
    is_answered(
        "enum",
        json!({"type": "integer", "enum": many(40_000), "default": 1}),
    );
    is_answered(
        "duplicates",
        json!({"enum": vec![1; 100_000], "examples": vec![2; 100_000]}),
    );
    let name = "n".repeat(200_000);
    is_answered(
        "long names",
        json!({"properties": {name: {"enum": vec![1; 20_000], "items": {"enum": vec![1; 20_000]}}}}),
    );
    let definitions: serde_json::Map<String, Value> = many(10_000)
        .into_iter()
        .map(|name| {
            (
                name,
                json!({"type": "string", "default": "a", "minLength": 1}),
            )
        })
        .collect();
    is_answered(
        "definitions",
        json!({"$defs": definitions, "properties": {"a": {"$ref": "#/$defs/n1", "default": 1}}}),
    );
    is_answered(
        "patterns",
        json!({"pattern": "(a+b".repeat(1000), "items": {"pattern": format!("{}a+{}", "(".repeat(2000), ")+".repeat(2000))}}),
    );
    is_answered(
        "items of a pattern",
        json!({"pattern": format!("({})+", "a+".repeat(2000))}),
    );
    let misspelt: serde_json::Map<String, Value> = many(20_000)
        .into_iter()
        .map(|name| (format!("minLengt{name}"), json!(1)))
        .collect();
    is_answered("keywords", Value::Object(misspelt));
    let mut deep = json!({"type": "string", "default": 1, "minLength": 2});
    for _ in 0..27 {
        deep = json!({"allOf": [deep], "default": 1, "minLength": 2});
    }
    is_answered("deep", deep);
}

#[test]
fn the_valid_manifests_have_no_broken_schemas() {
    for path in embedded::list("fixtures/manifests/valid/") {
        let text = embedded::text(&path).expect("is there").into_owned();
        let document = Document::read(text, Format::Json).expect("reads");
        let outcome = check(
            &document,
            DocumentKind::Manifest,
            &Selection::preset(Preset::Recommended),
        );
        let ours = outcome
            .findings
            .iter()
            .filter(|finding| RULES.iter().any(|rule| rule.id == finding.rule.id));
        let found: Vec<_> = ours
            // One is about drafts which a runtime need not know, and what notes are made of is said by storage.md.
            .filter(|finding| match finding.rule.id {
                "optional_dialect" => !path.ends_with("old-drafts.json"),
                "required_undeclared" => !path.contains("/notes"),
                _ => true,
            })
            .map(|finding| (finding.rule.id, &finding.pointer))
            .collect();
        assert!(found.is_empty(), "{path}: {found:?}");
    }
}
