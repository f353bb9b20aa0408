//! Schemas together with values that satisfy them and values that do not: by construction, so that no validator is believed.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::fuzz::world::Shape;

/// Most values of one kind that a shape keeps.
const MOST: usize = 6;

/// Names of members; the odd ones need escaping in a JSON Pointer or in a query.
const NAMES: [&str; 4] = ["p", "q", "r", "s"];
const ODD_NAMES: [&str; 4] = ["a/b", "~t", "é", "x y"];

fn shape(schema: Value, good: impl Into<Vec<Value>>, bad: impl Into<Vec<Value>>) -> Shape {
    Shape {
        schema,
        good: good.into(),
        bad: bad.into(),
    }
}

/// The plain ones.
fn plain() -> Vec<Shape> {
    vec![
        shape(
            json!({"type": "string"}),
            [json!("a"), json!("")],
            [json!(1), json!(null)],
        ),
        shape(
            json!({"type": "integer"}),
            [json!(1), json!(-7)],
            [json!("1"), json!(1.5)],
        ),
        shape(
            json!({"type": "boolean"}),
            [json!(true), json!(false)],
            [json!("true"), json!(1)],
        ),
        shape(
            json!({"enum": ["red", "green"]}),
            [json!("red"), json!("green")],
            [json!("blue"), json!("Red")],
        ),
    ]
}

/// Those with a corner of JSON Schema in them (`spec/schemas.md`, section 2).
fn corners() -> Vec<Shape> {
    vec![
        shape(
            json!({"type": "integer"}),
            [json!(1.0), json!(9_007_199_254_740_991_i64)],
            [json!(true)],
        ),
        shape(
            json!({"type": "number", "exclusiveMinimum": 0}),
            [json!(0.5)],
            [json!(0), json!(-1)],
        ),
        shape(
            json!({"type": "integer", "multipleOf": 3}),
            [json!(6)],
            [json!(7)],
        ),
        shape(
            json!({"type": "integer", "minimum": 1, "maximum": 3}),
            [json!(1), json!(3)],
            [json!(0), json!(4)],
        ),
        shape(
            json!({"type": "string", "minLength": 2}),
            [json!("éé"), json!("ab")],
            [json!("é"), json!("")],
        ),
        shape(
            json!({"type": "string", "maxLength": 2}),
            [json!("éé")],
            [json!("abc")],
        ),
        shape(
            json!({"type": "string", "pattern": "b+"}),
            [json!("abc")],
            [json!("ac")],
        ),
        shape(
            json!({"const": {"k": [1, null]}}),
            [json!({"k": [1.0, null]})],
            [json!({"k": [1]})],
        ),
        shape(json!({"const": 1}), [json!(1.0)], [json!(true), json!("1")]),
        shape(
            json!({"type": "null"}),
            [json!(null)],
            [json!(false), json!(0)],
        ),
        shape(
            json!({"not": {"type": "string"}}),
            [json!(1), json!([])],
            [json!("")],
        ),
        shape(
            json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
            [json!("x"), json!(2)],
            [json!([]), json!(null)],
        ),
        shape(
            json!({"oneOf": [{"type": "integer"}, {"minimum": 10}]}),
            [json!(3), json!(11.5)],
            [json!(12)],
        ),
        shape(
            json!({"allOf": [{"type": "integer"}, {"minimum": 5}]}),
            [json!(5)],
            [json!(4), json!("5")],
        ),
        shape(
            json!({"if": {"type": "integer"}, "then": {"minimum": 1}, "else": {"type": "string"}}),
            [json!(1), json!("")],
            [json!(0), json!(null)],
        ),
        shape(
            json!({"type": "array", "uniqueItems": true}),
            [json!([1, 2])],
            [json!([1, 1.0])],
        ),
        shape(
            json!({"type": "array", "contains": {"const": 2}}),
            [json!([1, 2])],
            [json!([1])],
        ),
        shape(
            json!({"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "integer"}}),
            [json!(["a", 1]), json!([])],
            [json!(["a", "b"]), json!([1])],
        ),
        shape(
            json!({"type": "string", "format": "date"}),
            [json!("2026-02-28")],
            [json!("2026-02-30")],
        ),
        shape(
            json!({"type": "string", "format": "date-time"}),
            [json!("2026-04-01T09:00:00Z")],
            [json!("2026-04-01T09:00:00"), json!("2026-13-01T09:00:00Z")],
        ),
        shape(
            json!({"type": "string", "format": "email"}),
            [json!("a@example.com")],
            [json!("a.example.com")],
        ),
        shape(
            json!({"type": "string", "format": "ipv4"}),
            [json!("10.0.0.1")],
            [json!("10.0.0.256")],
        ),
        shape(
            json!({"type": "string", "format": "uuid"}),
            [json!("123e4567-e89b-42d3-a456-426614174000")],
            [json!("123e4567")],
        ),
        shape(
            json!({"type": "string", "format": "there-is-no-such-format"}),
            [json!("x")],
            [json!(1)],
        ),
        shape(
            json!({"type": "integer", "default": 5}),
            [json!(4)],
            [json!("4")],
        ),
        shape(
            json!({"type": "object", "propertyNames": {"maxLength": 1}}),
            [json!({"a": 1})],
            [json!({"ab": 1})],
        ),
        shape(
            json!({"type": "object", "dependentRequired": {"a": ["b"]}}),
            [json!({"a": 1, "b": 2}), json!({})],
            [json!({"a": 1})],
        ),
        shape(
            json!({"type": "object", "properties": {"a": true}, "unevaluatedProperties": false}),
            [json!({"a": 1})],
            [json!({"b": 1})],
        ),
        shape(
            json!({"type": "object", "minProperties": 1}),
            [json!({"a": 1})],
            [json!({})],
        ),
    ]
}

/// Those that can only be a whole schema: they refer to their root, or name their dialect.
fn whole() -> Vec<Shape> {
    vec![
        shape(
            json!({"$ref": "#/$defs/slot", "$defs": {"slot": {"type": "string", "minLength": 1}}}),
            [json!("s")],
            [json!("")],
        ),
        shape(
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "array", "items": [{"type": "string"}], "additionalItems": false}),
            [json!(["a"])],
            [json!(["a", "b"])],
        ),
        shape(
            json!({"$defs": {"list": {"type": "array", "items": {"$ref": "#/$defs/list"}}}, "$ref": "#/$defs/list"}),
            [json!([[], [[]]])],
            [json!([[1]])],
        ),
        shape(
            json!(true),
            [json!({"p": [1, {"q": null}]}), json!("text")],
            [],
        ),
    ]
}

/// A shape without members.
fn leaf(rich: bool) -> BoxedStrategy<Shape> {
    if rich {
        prop_oneof![
            1 => prop::sample::select(plain()),
            2 => prop::sample::select(corners()),
        ]
        .boxed()
    } else {
        prop::sample::select(plain()).boxed()
    }
}

fn array(items: BoxedStrategy<Shape>) -> BoxedStrategy<Shape> {
    (items, 0_usize..2)
        .prop_map(|(items, least)| {
            let first = items.first();
            let mut bad: Vec<Value> = items.bad.iter().map(|bad| json!([first, bad])).collect();
            bad.push(json!({"0": first}));
            if least > 0 {
                bad.push(json!([]));
            }
            bad.truncate(MOST);
            let schema = json!({"type": "array", "items": items.schema, "minItems": least});
            shape(schema, [json!([first]), json!([first, first])], bad)
        })
        .boxed()
}

/// An object with up to three members.
pub(super) fn object(rich: bool) -> BoxedStrategy<Shape> {
    let member = if rich {
        prop_oneof![
            3 => leaf(true),
            1 => array(leaf(true)),
            1 => object_of(leaf(true), true),
        ]
        .boxed()
    } else {
        leaf(false)
    };
    object_of(member, rich)
}

fn object_of(member: BoxedStrategy<Shape>, rich: bool) -> BoxedStrategy<Shape> {
    let name = prop_oneof![
        6 => prop::sample::select(NAMES.to_vec()),
        u32::from(rich) => prop::sample::select(ODD_NAMES.to_vec()),
    ];
    (
        prop::collection::vec((name, member, any::<bool>()), 0..4),
        any::<bool>(),
    )
        .prop_map(|(members, closed)| put_together(members, closed))
        .boxed()
}

fn put_together(members: Vec<(&'static str, Shape, bool)>, closed: bool) -> Shape {
    let mut properties = Map::new();
    let mut parts: Vec<(&str, Shape, bool)> = Vec::new();
    for (name, member, required) in members {
        if parts.iter().all(|(other, ..)| *other != name) {
            properties.insert(name.to_owned(), member.schema.clone());
            parts.push((name, member, required));
        }
    }
    let whole: Map<String, Value> = parts
        .iter()
        .map(|(name, member, _)| ((*name).to_owned(), member.first()))
        .collect();
    let required: Vec<&str> = parts
        .iter()
        .filter(|(.., required)| *required)
        .map(|(name, ..)| *name)
        .collect();
    let mut schema = json!({"type": "object"});
    if !properties.is_empty() {
        schema["properties"] = Value::Object(properties);
    }
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if closed {
        schema["additionalProperties"] = json!(false);
    }
    let mut good = vec![Value::Object(whole.clone())];
    let least: Map<String, Value> = whole
        .iter()
        .filter(|(name, _)| required.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    good.push(Value::Object(least));
    for (name, member, _) in &parts {
        for other in member.good.iter().skip(1) {
            let mut changed = whole.clone();
            changed.insert((*name).to_owned(), other.clone());
            good.push(Value::Object(changed));
        }
    }
    let mut bad = Vec::new();
    for (name, member, required) in &parts {
        if *required {
            let mut without = whole.clone();
            without.shift_remove(*name);
            bad.push(Value::Object(without));
        }
        for wrong in &member.bad {
            let mut changed = whole.clone();
            changed.insert((*name).to_owned(), wrong.clone());
            bad.push(Value::Object(changed));
        }
    }
    if closed {
        let mut surplus = whole;
        surplus.insert("surplus".to_owned(), json!(1));
        bad.push(Value::Object(surplus));
    }
    good.dedup();
    good.truncate(MOST);
    bad.truncate(MOST);
    shape(schema, good, bad)
}

/// An output: anything.
pub(super) fn output(rich: bool) -> BoxedStrategy<Shape> {
    let bad_too = |mut shape: Shape| {
        if shape.schema.get("type") == Some(&json!("object")) {
            shape.bad.push(json!([]));
        }
        shape
    };
    if rich {
        prop_oneof![
            3 => object(true).prop_map(bad_too),
            1 => leaf(true),
            1 => array(leaf(true)),
            1 => prop::sample::select(whole()),
        ]
        .boxed()
    } else {
        prop_oneof![
            4 => object(false).prop_map(bad_too),
            1 => leaf(false),
        ]
        .boxed()
    }
}

/// A value of the client's own.
pub(super) fn plain_value() -> BoxedStrategy<Value> {
    prop::sample::select(vec![
        json!(1),
        json!("two"),
        json!({"deep": {"er": [1, "é", null]}}),
        json!([]),
        json!(9_007_199_254_740_991_i64),
        json!(0.1),
        json!("line\nbreak \"quoted\" \u{1F600}"),
        json!({"": {"a/b": 1, "~": 2}}),
    ])
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    fn holds(shape: &Shape) {
        let compiled = schema::compile(&shape.schema).expect("a schema");
        assert!(!shape.good.is_empty());
        for value in &shape.good {
            assert!(compiled.is_valid(value), "{} {value}", shape.schema);
        }
        for value in &shape.bad {
            assert!(!compiled.is_valid(value), "{} {value}", shape.schema);
        }
    }

    #[test]
    fn the_fixed_shapes_are_what_they_say() {
        plain()
            .iter()
            .chain(&corners())
            .chain(&whole())
            .for_each(holds);
    }

    proptest! {
        #[test]
        fn made_shapes_are_what_they_say(output in output(true), plain in output(false), input in object(true)) {
            holds(&output);
            holds(&plain);
            holds(&input);
        }
    }
}
