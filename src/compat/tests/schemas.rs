//! Changes of schemas that are easily taken for less than they are. Expected levels follow from the prose of JSON Schema.

use serde_json::{Value, json};

use super::with_schemas;
use crate::compat::{Direction, Level, compare};
use crate::schema;

/// The worst level of a change of a schema as input, and as output.
fn levels(old: &Value, new: &Value) -> (Option<Level>, Option<Level>) {
    let changes = compare(&with_schemas(old, old), &with_schemas(new, new));
    let worst = |direction| {
        let of = changes.iter().filter(|one| one.direction == direction);
        of.map(|one| one.level).max()
    };
    (worst(Direction::Input), worst(Direction::Output))
}

/// Both schemas are valid, the older one accepts the value and the newer one refuses it, so that the change breaks inputs, and read
/// backwards outputs.
fn narrows(old: &Value, new: &Value, value: &Value) {
    let accepts = |schema: &Value| schema::compile(schema).expect("a schema").is_valid(value);
    assert!(
        accepts(old) && !accepts(new),
        "{value}\nold {old}\nnew {new}"
    );
    let breaking = Some(Level::Breaking);
    assert_eq!(levels(old, new).0, breaking, "input\nold {old}\nnew {new}");
    assert_eq!(levels(new, old).1, breaking, "output\nold {new}\nnew {old}");
}

/// Nothing that anybody notices changes, in either direction.
fn says_the_same(old: &Value, new: &Value) {
    for (old, new) in [(old, new), (new, old)] {
        for schema in [old, new] {
            schema::compile(schema).expect("a schema");
        }
        let patch = Some(Level::Patch);
        let changes = compare(&with_schemas(old, old), &with_schemas(new, new));
        assert_eq!(
            levels(old, new),
            (patch, patch),
            "old {old}\nnew {new}\n{changes:#?}"
        );
    }
}

#[test]
fn elements_are_left_for_unevaluated_items_or_not() {
    let integer = json!({"type": "integer"});
    for (old, new, value) in [
        (
            json!({"unevaluatedItems": true}),
            json!({"items": integer}),
            json!(["a"]),
        ),
        (
            json!({"items": integer, "unevaluatedItems": false}),
            json!({"unevaluatedItems": false}),
            json!([1]),
        ),
        (
            json!({"prefixItems": [integer], "items": true, "unevaluatedItems": false}),
            json!({"prefixItems": [integer], "unevaluatedItems": false}),
            json!([1, 2]),
        ),
        (
            json!({"unevaluatedItems": integer}),
            json!({"unevaluatedItems": {"type": "integer", "minimum": 3}}),
            json!([1]),
        ),
        // The alternative knows the first element, which `items` judges and `unevaluatedItems` does not.
        (
            json!({"anyOf": [{"prefixItems": [{"type": "string"}]}], "unevaluatedItems": integer}),
            json!({"anyOf": [{"prefixItems": [{"type": "string"}]}], "items": integer}),
            json!(["a"]),
        ),
    ] {
        narrows(&old, &new, &value);
    }
    says_the_same(
        &json!({"items": integer, "unevaluatedItems": false}),
        &json!({"items": integer}),
    );
    says_the_same(
        &json!({"prefixItems": [integer], "unevaluatedItems": false}),
        &json!({"prefixItems": [integer], "items": false}),
    );
    let (input, _) = levels(
        &json!({"unevaluatedItems": {"type": "integer", "minimum": 3}}),
        &json!({"unevaluatedItems": integer}),
    );
    assert_eq!(input, Some(Level::Compatible));
}

#[test]
fn members_are_left_for_unevaluated_properties_or_not() {
    let integer = json!({"type": "integer"});
    for (old, new, value) in [
        (
            json!({"unevaluatedProperties": false, "additionalProperties": integer}),
            json!({"unevaluatedProperties": false}),
            json!({"a": 1}),
        ),
        (
            json!({"unevaluatedProperties": false, "additionalProperties": true}),
            json!({"unevaluatedProperties": false}),
            json!({"a": 1}),
        ),
        (
            json!({"unevaluatedProperties": true}),
            json!({"unevaluatedProperties": true, "additionalProperties": integer}),
            json!({"a": "x"}),
        ),
        (
            json!({"unevaluatedProperties": integer}),
            json!({"unevaluatedProperties": {"type": "integer", "minimum": 3}}),
            json!({"a": 1}),
        ),
        // The alternative knows the member, of which `additionalProperties` knows nothing.
        (
            json!({"anyOf": [{"properties": {"a": {}}}], "unevaluatedProperties": false}),
            json!({"anyOf": [{"properties": {"a": {}}}], "additionalProperties": false}),
            json!({"a": 1}),
        ),
    ] {
        narrows(&old, &new, &value);
    }
    says_the_same(
        &json!({"additionalProperties": integer, "unevaluatedProperties": false}),
        &json!({"additionalProperties": integer}),
    );
    says_the_same(
        &json!({"unevaluatedProperties": false}),
        &json!({"additionalProperties": false}),
    );
}

#[test]
fn a_definition_that_was_compared_elsewhere_may_still_close_an_object() {
    let whole = |known: Value| {
        json!({"type": "object", "$defs": {"d": {"properties": known}}, "properties": {
            "first": {"$ref": "#/$defs/d"},
            "second": {"$ref": "#/$defs/d", "unevaluatedProperties": false},
        }})
    };
    let old = whole(json!({"a": {}, "b": {}}));
    let new = whole(json!({"a": {}}));
    narrows(&old, &new, &json!({"second": {"b": 1}}));
    let described = whole(json!({"a": {"description": "the first"}, "b": {}}));
    says_the_same(&old, &described);
}

#[test]
fn a_declared_member_that_nothing_satisfies_is_refused() {
    let old = json!({"type": "object"});
    for nothing in [
        json!(false),
        json!({"not": {}}),
        json!({"type": "string", "enum": [1]}),
        json!({"allOf": [{"type": "string", "minLength": 2, "maxLength": 1}]}),
    ] {
        let new = json!({"type": "object", "properties": {"a": nothing}});
        narrows(&old, &new, &json!({"a": 1}));
        let closed = json!({"type": "object", "additionalProperties": nothing});
        narrows(&old, &closed, &json!({"a": 1}));
        let open =
            json!({"type": "object", "additionalProperties": nothing, "properties": {"a": true}});
        narrows(&open, &closed, &json!({"a": 1}));
    }
    let new = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    assert_eq!(levels(&old, &new).0, Some(Level::Compatible));
    says_the_same(
        &json!({"additionalProperties": false}),
        &json!({"additionalProperties": false, "properties": {"a": false}}),
    );
}

const SEVEN: &str = "http://json-schema.org/draft-07/schema#";

#[test]
fn what_a_draft_ignores_is_no_change() {
    let seven = |schema: Value| {
        let mut schema = schema;
        schema["$schema"] = json!(SEVEN);
        schema["definitions"] = json!({"d": {"type": "integer"}});
        schema
    };
    for (old, new) in [
        (
            json!({"properties": {"n": {"$ref": "#/definitions/d"}}}),
            json!({"properties": {"n": {"$ref": "#/definitions/d", "minimum": 5}}}),
        ),
        (
            json!({"properties": {"n": {"$ref": "#/definitions/d", "type": "string"}}}),
            json!({"properties": {"n": {"$ref": "#/definitions/d", "allOf": [false]}}}),
        ),
        (
            json!({"contains": {"type": "integer"}, "minContains": 2}),
            json!({"contains": {"type": "integer"}, "minContains": 3, "maxContains": 4}),
        ),
        (
            json!({"dependentRequired": {"a": ["b"]}}),
            json!({"dependentSchemas": {"a": false}}),
        ),
        (
            json!({"prefixItems": [{"type": "string"}]}),
            json!({"prefixItems": [{"type": "integer"}]}),
        ),
        (
            json!({"properties": {"a": {}}, "unevaluatedProperties": false}),
            json!({"properties": {"a": {}}, "unevaluatedItems": false}),
        ),
    ] {
        says_the_same(&seven(old), &seven(new));
    }
    // A member of that name is no keyword.
    narrows(
        &seven(json!({"properties": {"minContains": {"type": "integer"}}})),
        &seven(json!({"properties": {"minContains": {"type": "string"}}})),
        &json!({"minContains": 1}),
    );
    // What was beside the reference begins to count when the reference goes.
    narrows(
        &seven(json!({"$ref": "#/definitions/d", "maximum": 3})),
        &seven(json!({"type": "integer", "maximum": 3})),
        &json!(5),
    );
    let latest =
        |schema: Value| json!({"properties": {"n": schema}, "$defs": {"d": {"type": "integer"}}});
    narrows(
        &latest(json!({"$ref": "#/$defs/d"})),
        &latest(json!({"$ref": "#/$defs/d", "minimum": 5})),
        &json!({"n": 1}),
    );
}

#[test]
fn a_draft_may_be_named_within_and_content_may_be_checked() {
    let within = |draft: Value| json!({"properties": {"n": {"$schema": draft, "items": {"type": "string"}}}});
    let changes = compare(
        &with_schemas(&within(json!(SEVEN)), &json!({})),
        &with_schemas(
            &within(json!("https://json-schema.org/draft/2020-12/schema")),
            &json!({}),
        ),
    );
    assert!(
        changes
            .iter()
            .any(|change| change.kind == "dialect_changed"),
        "{changes:#?}"
    );
    // Up to draft 7 an implementation may check content, and ours does.
    narrows(
        &json!({"$schema": SEVEN, "type": "string"}),
        &json!({"$schema": SEVEN, "type": "string", "contentMediaType": "application/json"}),
        &json!("{"),
    );
    says_the_same(
        &json!({"type": "string"}),
        &json!({"type": "string", "contentMediaType": "application/json"}),
    );
}
