//! Schemas that cause more work than they may, and honest ones that stay free.

use super::super::{check, compile};
use super::*;
use serde_json::{Map, json};

/// Definitions `a0` to `a<n>`, each made by `link` from the name of the next.
fn links(count: usize, link: impl Fn(Value) -> Value) -> Value {
    let mut definitions: Map<String, Value> = (0..count)
        .map(|n| {
            let next = json!({"$ref": format!("#/$defs/a{}", n + 1)});
            (format!("a{n}"), link(next))
        })
        .collect();
    definitions.insert(format!("a{count}"), json!({"type": "string"}));
    json!({"$ref": "#/$defs/a0", "$defs": definitions})
}

/// One in an array in an array, so many levels.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

fn refused_at(document: &Value) -> String {
    match check(document) {
        Ok(_) => "nowhere".to_owned(),
        Err(defects) => defects[0].pointer.clone(),
    }
}

#[test]
fn counts_each_part_as_often_as_it_is_led_to() {
    let shared = json!({
        "properties": {"a": {"$ref": "#/$defs/x"}, "b": {"$ref": "#/$defs/x"}},
        "$defs": {"x": {"items": {"type": "string"}}, "unused": {}}
    });
    assert_eq!(weigh(&shared).expect("compiles").places(), 7);
    assert_eq!(weigh(&json!(true)).expect("compiles").places(), 1);
}

#[test]
fn doubling_references_are_refused_before_they_are_compiled() {
    let doubled = |count| links(count, |next| json!({"allOf": [next, next]}));
    assert!(compile(&doubled(8)).is_ok());
    assert!(compile(&doubled(24)).is_err());
    assert!(
        compile(&links(
            24,
            |next| json!({"anyOf": [next, next], "unevaluatedProperties": false})
        ))
        .is_err()
    );
    assert!(
        compile(&links(
            24,
            |next| json!({"properties": {"x": {"allOf": [next, next]}}})
        ))
        .is_err()
    );
}

#[test]
fn long_chains_are_refused_and_never_overflow_the_stack() {
    assert!(compile(&links(30, |next| next)).is_ok());
    assert!(compile(&links(40, |next| next)).is_err());
    assert!(compile(&links(20_000, |next| next)).is_err());
    assert!(compile(&links(20_000, |next| json!({"properties": {"x": next}}))).is_err());
    // As deep as it may be, on the stack of an ordinary thread.
    let ring = json!({"$ref": "#/$defs/a0", "$defs": (0..28).map(|n| {
        let next = json!({"$ref": format!("#/$defs/a{}", (n + 1) % 28)});
        (format!("a{n}"), if n == 27 { json!({"items": next}) } else { next })
    }).collect::<Map<_, _>>()});
    let schema = compile(&ring).expect("compiles");
    assert!(schema.is_valid(&nested(64)));
    assert_eq!(schema.violations(&nested(64)), []);
}

#[test]
fn a_reference_goes_into_the_value_before_it_comes_back() {
    for document in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"not": {"$ref": "#"}}]}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
        json!({"$dynamicAnchor": "n", "anyOf": [{"$dynamicRef": "#n"}]}),
    ] {
        assert!(compile(&document).is_err(), "{document}");
    }
    let tree =
        json!({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}, "required": ["v"]});
    assert!(
        compile(&tree)
            .expect("compiles")
            .is_valid(&json!({"v": 1, "left": {"v": 2}}))
    );
}

#[test]
fn references_to_nothing_are_refused_where_they_stand() {
    for (document, pointer) in [
        (json!({"$ref": "#/$defs/gone"}), "/$ref"),
        (
            json!({"properties": {"a": {"$ref": "#gone"}}}),
            "/properties/a/$ref",
        ),
        (
            json!({"items": {"$dynamicRef": "#gone"}}),
            "/items/$dynamicRef",
        ),
        (json!({"$ref": "#/%zz"}), "/$ref"),
        (
            json!({"properties": {"const": {"$ref": "https://example.com/x"}}}),
            "/properties/const/$ref",
        ),
    ] {
        assert_eq!(refused_at(&document), pointer, "{document}");
    }
    for fine in [
        json!({"$ref": "#/$defs/a%20b~1c", "$defs": {"a b/c": {}}}),
        json!({"$ref": "#here", "$defs": {"a": {"$anchor": "here"}}}),
        json!({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#here", "definitions": {"a": {"$id": "#here"}}}),
        json!({"$schema": "http://json-schema.org/draft-04/schema#", "$ref": "#here", "definitions": {"a": {"id": "#here"}}}),
        json!({"properties": {"a": {"id": "plain", "$ref": "#/$defs/a"}}, "$defs": {"a": {}}}),
        json!({"$ref": "https://json-schema.org/draft/2020-12/schema"}),
    ] {
        assert_eq!(refused_at(&fine), "nowhere", "{fine}");
    }
}

#[test]
fn lists_of_violations_are_affordable_or_one_entry() {
    // Fifty-seven bytes that double the work at each level of the value.
    let twice = compile(
        &json!({"allOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}], "minItems": 1}),
    )
    .expect("compiles");
    let short = (0..3).fold(json!([]), |inner, _| json!([inner]));
    assert!(twice.violations(&short).len() > 1);
    let deep = (0..60).fold(json!([]), |inner, _| json!([inner]));
    let told = twice.violations(&deep);
    assert_eq!(
        (told.len(), told[0].rule.as_str(), told[0].pointer.as_str()),
        (1, "schema", "")
    );

    // A tree recurs twice as well, but never into the same part.
    let tree =
        json!({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}, "required": ["v"]});
    let tall = (0..60).fold(json!({}), |inner, _| json!({"v": 1, "left": inner}));
    assert_eq!(compile(&tree).expect("compiles").violations(&tall).len(), 1);

    // What is affordable is bounded by the size of the value too.
    let list = compile(&json!({"items": {"$ref": "#"}, "type": "array"})).expect("compiles");
    assert_eq!(list.violations(&json!([[[], [1]], 2])).len(), 2);
}

#[test]
fn branches_without_recursion_are_bounded_too() {
    // A thousand branches for each element, none of which fits: an error is kept for each until the list is there.
    let branches = links(10, |next| json!({"anyOf": [next, next]}));
    let schema = compile(&json!({"items": {"$ref": "#/$defs/a0"}, "$defs": branches["$defs"]}))
        .expect("compiles");
    let few = vec![0; 3];
    assert!(schema.violations(&json!(few)).len() > 1);
    let many = schema.violations(&json!(vec![0; 20_000]));
    assert_eq!((many.len(), many[0].rule.as_str()), (1, "schema"));
    assert!(schema.is_valid(&json!(vec!["x"; 20])));
}

#[test]
fn what_would_take_too_long_to_check_is_not_valid() {
    let each: Vec<Value> = (0..3000)
        .map(|n| json!({"not": {"contains": {"const": n}}}))
        .collect();
    let schema = compile(&json!({"allOf": each})).expect("compiles");
    assert!(schema.is_valid(&json!(vec![-1; 1000])));
    let long = json!(vec![-1; 200_000]);
    assert!(!schema.is_valid(&long));
    let told = schema.violations(&long);
    assert_eq!((told.len(), told[0].rule.as_str()), (1, "schema"));
    assert!(told[0].message.contains("too much work"));
}

#[test]
fn larger_schemas_of_honest_authors_are_admitted() {
    let address = json!({"type": "object", "properties": {"street": {"type": "string"}, "town": {"type": "string"}}});
    let members: Map<String, Value> = (0..500)
        .map(|n| (format!("m{n}"), json!({"$ref": "#/$defs/address"})))
        .collect();
    assert!(compile(&json!({"properties": members, "$defs": {"address": address}})).is_ok());
    let expression = json!({"$defs": {"e": {"anyOf": [
        {"type": "number"},
        {"type": "object", "properties": {"add": {"items": {"$ref": "#/$defs/e"}}}, "required": ["add"]},
        {"type": "object", "properties": {"mul": {"items": {"$ref": "#/$defs/e"}}}, "required": ["mul"]}
    ]}}, "$ref": "#/$defs/e"});
    let schema = compile(&expression).expect("compiles");
    assert!(
        !schema
            .violations(&json!({"add": [1, {"mul": [2, "x"]}]}))
            .is_empty()
    );
}

#[test]
fn pointers_lead_into_the_document() {
    for document in [
        links(24, |next| json!({"allOf": [next, next]})),
        links(40, |next| next),
        links(2, |_| json!({"items": {"$ref": "#/$defs/gone"}})),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}),
    ] {
        let pointer = refused_at(&document);
        assert!(document.pointer(&pointer).is_some(), "{pointer}");
    }
    let dangling = links(2, |_| json!({"items": {"$ref": "#/$defs/gone"}}));
    assert_eq!(refused_at(&dangling), "/$defs/a0/items/$ref");
}
