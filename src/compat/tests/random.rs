//! Random pairs: what is told of them is held against values, and read backwards.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{document, kinds_of, mirrored, with_schemas};
use crate::compat::sample::Sampler;
use crate::compat::{Direction, Level, compare};
use crate::schema;

/// Schemas of a small language, in which everything can happen.
fn a_schema() -> impl Strategy<Value = Value> {
    let number = -3i64..4;
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!(false)),
        Just(json!({})),
        Just(json!({"type": ["integer", "null"]})),
        (number.clone(), 0i64..4).prop_map(
            |(low, more)| json!({"type": "integer", "minimum": low, "maximum": low + more})
        ),
        number
            .clone()
            .prop_map(|low| json!({"type": "number", "exclusiveMinimum": low})),
        (1i64..5).prop_map(|of| json!({"type": "integer", "multipleOf": of})),
        (0usize..3, 2usize..4).prop_map(
            |(least, most)| json!({"type": "string", "minLength": least, "maxLength": most})
        ),
        Just(json!({"type": "string", "pattern": "^a"})),
        Just(json!({"minLength": 2})),
        Just(json!({"maximum": 1})),
        proptest::sample::subsequence(vec![json!("a"), json!("b"), json!(1), json!(null)], 1..4)
            .prop_map(|values| json!({"enum": values})),
        Just(json!({"const": 1})),
        Just(json!({"$ref": "#/$defs/d"})),
        Just(json!({"$ref": "#/$defs/d", "type": "integer"})),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let names = proptest::sample::subsequence(vec!["a", "b", "c"], 0..3);
        let members = proptest::collection::btree_map(proptest::sample::select(vec!["a", "b", "c"]), inner.clone(), 0..3);
        prop_oneof![
            4 => (members.clone(), names, proptest::option::of(inner.clone()), 0usize..3).prop_map(|(members, required, rest, least)| {
                let mut schema = json!({"type": "object", "properties": members, "required": required});
                if let Some(rest) = rest {
                    schema["additionalProperties"] = rest;
                }
                if least > 1 {
                    schema["minProperties"] = json!(least);
                }
                schema
            }),
            2 => (inner.clone(), 0usize..3, any::<bool>()).prop_map(|(items, least, unique)| json!({"type": "array", "items": items, "minItems": least, "uniqueItems": unique})),
            1 => (inner.clone(), inner.clone()).prop_map(|(first, items)| json!({"type": "array", "prefixItems": [first], "items": items})),
            1 => (inner.clone(), 0usize..3).prop_map(|(contains, least)| json!({"type": "array", "contains": contains, "minContains": least})),
            2 => proptest::collection::vec(inner.clone(), 1..3).prop_map(|all| json!({"anyOf": all})),
            2 => proptest::collection::vec(inner.clone(), 1..3).prop_map(|all| json!({"oneOf": all})),
            2 => proptest::collection::vec(inner.clone(), 1..3).prop_map(|all| json!({"allOf": all})),
            1 => inner.clone().prop_map(|not| json!({"not": not})),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| json!({"if": a, "then": b, "else": c})),
            1 => (members.clone(), inner.clone()).prop_map(|(members, rest)| json!({"properties": members, "unevaluatedProperties": rest})),
            1 => (members.clone(), inner.clone(), inner.clone()).prop_map(|(members, rest, last)| json!({"properties": members, "additionalProperties": rest, "unevaluatedProperties": last})),
            1 => (inner.clone(), inner.clone()).prop_map(|(first, last)| json!({"type": "array", "prefixItems": [first], "unevaluatedItems": last})),
            1 => (inner.clone(), inner.clone(), any::<bool>()).prop_map(|(items, last, both)| match both {
                true => json!({"type": "array", "items": items, "unevaluatedItems": last}),
                false => json!({"type": "array", "unevaluatedItems": last}),
            }),
            1 => (inner.clone(), inner.clone()).prop_map(|(first, last)| json!({"anyOf": [{"prefixItems": [first]}, {"type": "array"}], "unevaluatedItems": last})),
            1 => (inner.clone(), inner.clone()).prop_map(|(contains, last)| json!({"type": "array", "contains": contains, "maxContains": 1, "unevaluatedItems": last})),
            1 => (members.clone(), members.clone()).prop_map(|(members, others)| json!({"properties": members, "anyOf": [{"properties": others}], "unevaluatedProperties": false})),
            1 => inner.clone().prop_map(|schema| json!({"patternProperties": {"^[ab]$": schema}})),
            1 => inner.clone().prop_map(|schema| json!({"patternProperties": {"^[ab]$": schema}, "additionalProperties": false})),
            1 => inner.clone().prop_map(|schema| json!({"dependentSchemas": {"a": schema}, "dependentRequired": {"b": ["c"]}})),
        ]
    })
}

fn whole(schema: Value, definition: Value, draft: Option<&str>) -> Value {
    let mut schema = schema;
    if let Value::Object(members) = &mut schema {
        members.insert("$defs".to_owned(), json!({"d": definition}));
        if let Some(draft) = draft {
            members.insert("$schema".to_owned(), json!(draft));
        }
    }
    schema
}

/// Most often the latest, in which all keywords count.
fn drafts(seed: u32) -> (Option<&'static str>, Option<&'static str>) {
    const SEVEN: Option<&str> = Some("http://json-schema.org/draft-07/schema#");
    const OF_2019: Option<&str> = Some("https://json-schema.org/draft/2019-09/schema");
    match seed % 12 {
        0 | 1 => (SEVEN, SEVEN),
        2 => (OF_2019, OF_2019),
        3 => (SEVEN, None),
        4 => (None, SEVEN),
        _ => (None, None),
    }
}

/// A schema, and one that is near it or is any other.
fn two_schemas() -> impl Strategy<Value = (Value, Value)> {
    let definition = || {
        prop_oneof![
            Just(json!({"type": "integer"})),
            Just(json!({"type": "string"})),
            Just(json!({"type": ["integer", "null"]}))
        ]
    };
    (
        a_schema(),
        a_schema(),
        definition(),
        definition(),
        any::<u32>(),
    )
        .prop_map(|(one, other, d1, d2, seed)| {
            let near = match seed % 3 {
                0 => other.clone(),
                _ => graft(&one, &other, &mut (seed / 3)),
            };
            let drafts = drafts(seed.rotate_left(9));
            (whole(one, d1, drafts.0), whole(near, d2, drafts.1))
        })
}

/// Moves the schema of what is undeclared to the other keyword for that, or writes both; tells whether there was one.
fn sideways(members: &mut serde_json::Map<String, Value>, other: &Value, seed: u32) -> bool {
    for (one, two) in [
        ("items", "unevaluatedItems"),
        ("unevaluatedItems", "items"),
        ("additionalProperties", "unevaluatedProperties"),
        ("unevaluatedProperties", "additionalProperties"),
    ] {
        let Some(rest) = members.get(one).cloned() else {
            continue;
        };
        match seed % 3 {
            0 => members.shift_remove(one),
            1 => members.insert(two.to_owned(), other.clone()),
            _ => members.insert(two.to_owned(), rest.clone()),
        };
        if seed % 3 == 2 {
            members.shift_remove(one);
        }
        return true;
    }
    false
}

/// The schema with another in the place of one of its parts.
fn graft(schema: &Value, other: &Value, seed: &mut u32) -> Value {
    let turn = *seed % 4;
    *seed = seed.rotate_right(3) ^ 0x9e37;
    if turn == 0 {
        return other.clone();
    }
    let Value::Object(members) = schema else {
        return schema.clone();
    };
    let mut members = members.clone();
    if seed.is_multiple_of(3) && sideways(&mut members, other, *seed / 3) {
        return Value::Object(members);
    }
    let chosen = members
        .keys()
        .nth(*seed as usize % members.len().max(1))
        .cloned();
    let Some(chosen) = chosen else {
        return other.clone();
    };
    match (chosen.as_str(), members.get_mut(&chosen)) {
        ("properties" | "patternProperties" | "dependentSchemas", Some(Value::Object(inner))) => {
            if let Some((_, value)) = inner.iter_mut().next() {
                *value = graft(&value.clone(), other, seed);
            }
        }
        ("anyOf" | "oneOf" | "allOf" | "prefixItems", Some(Value::Array(list))) => {
            if turn == 1 {
                list.push(other.clone());
            } else if let Some(value) = list.first_mut() {
                *value = graft(&value.clone(), other, seed);
            }
        }
        (
            "items"
            | "additionalProperties"
            | "not"
            | "if"
            | "then"
            | "else"
            | "contains"
            | "unevaluatedItems"
            | "unevaluatedProperties",
            Some(value),
        ) => {
            *value = graft(&value.clone(), other, seed);
        }
        (_, Some(_)) => {
            members.shift_remove(&chosen);
        }
        _ => {}
    }
    Value::Object(members)
}

/// Holds what is told of two schemas against a few hundred values; tells whether there was anything to hold.
fn held(old: &Value, new: &Value) -> Result<bool, String> {
    let (Ok(before), Ok(after)) = (schema::compile(old), schema::compile(new)) else {
        return Ok(false);
    };
    let changes = compare(&with_schemas(old, old), &with_schemas(new, new));
    let back = compare(&with_schemas(new, new), &with_schemas(old, old));
    if mirrored(&changes) != kinds_of(&back) {
        return Err(format!(
            "not symmetric\nold {old}\nnew {new}\n{changes:#?}\n{back:#?}"
        ));
    }
    let breaks = |direction| {
        changes.iter().any(|change| {
            // The one level that is laid down and not derived.
            let laid_down = change.kind == "property_added";
            change.direction == direction && (change.level == Level::Breaking || laid_down)
        })
    };
    let (input, output) = (breaks(Direction::Input), breaks(Direction::Output));
    if changes.is_empty() || (input && output) {
        return Ok(false);
    }
    for value in values_of(old, new) {
        let (was, is) = (before.is_valid(&value), after.is_valid(&value));
        if (!input && was && !is) || (!output && is && !was) {
            return Err(format!(
                "{value} breaks\nold {old}\nnew {new}\n{changes:#?}"
            ));
        }
    }
    Ok(true)
}

fn values_of(old: &Value, new: &Value) -> Vec<Value> {
    let mut values = small_values();
    for root in [old, new] {
        values.extend(Sampler { root, left: 20_000 }.values(root, 0));
    }
    values
}

fn breaks_by_values(old: &Value, new: &Value) -> bool {
    let (Ok(before), Ok(after)) = (schema::compile(old), schema::compile(new)) else {
        return false;
    };
    let mut values = values_of(old, new).into_iter();
    values.any(|value| before.is_valid(&value) && !after.is_valid(&value))
}

#[test]
fn random_pairs_are_near_enough_to_be_judged() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut judged, mut noticed) = (0, 0);
    for _ in 0..300 {
        let pair = two_schemas().new_tree(&mut runner).expect("a pair");
        let (old, new) = pair.current();
        judged += usize::from(held(&old, &new).expect("nothing breaks"));
        noticed += usize::from(breaks_by_values(&old, &new));
    }
    assert!(judged >= 45, "{judged} of 300");
    // Were all levels taken for compatible, so many pairs would show it.
    assert!(noticed >= 100, "{noticed} of 300");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("OAP_COMPAT_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(256),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// What is not told as breaking breaks nothing that a few hundred values could show.
    #[test]
    fn what_is_not_breaking_breaks_nothing((old, new) in two_schemas()) {
        let held = held(&old, &new);
        prop_assert_eq!(held.err(), None);
    }

    /// Whatever the documents are, they are compared.
    #[test]
    fn any_two_documents_are_compared(one in any_value(), other in any_value()) {
        let (one, other) = (document(&one), document(&other));
        let (there, back) = (compare(&one, &other), compare(&other, &one));
        prop_assert_eq!(mirrored(&there), kinds_of(&back));
        prop_assert!(compare(&one, &one).is_empty());
    }
}

fn small_values() -> Vec<Value> {
    let plain = [
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(-3),
        json!(2.5),
        json!(6),
        json!(""),
        json!("a"),
        json!("b"),
        json!("ab"),
        json!("abc"),
        json!([]),
        json!({}),
    ];
    let mut values = plain.to_vec();
    values.push(json!([1, 2, 3]));
    values.push(json!(["a", "b", 1]));
    for one in &plain {
        values.push(json!([one]));
        for name in ["a", "b", "c", "z"] {
            values.push(json!({name: one}));
            values.push(json!({name: one, "b": 1}));
            values.push(json!({"a": one, "b": one, "c": one, name: 1}));
        }
        for other in &plain {
            values.push(json!([one, other]));
            values.push(json!({"a": one, "b": other}));
            values.push(json!({"b": one, "c": other}));
        }
    }
    values
}

/// Values with the names of the model in places where they mean something and where they do not.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        (-2i64..3).prop_map(Value::from),
        Just(json!(1.5)),
        proptest::sample::select(vec![
            "",
            "a",
            "invoke_api",
            "run_code",
            "plugin",
            "1.0",
            "10/min",
            "/environment/a",
            "${A}",
            "https://x.example:443/",
            "object",
            "#"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let names = proptest::sample::select(vec![
            "actions", "intents", "name", "type", "version", "input_schema", "output_schema", "access_control", "required_scopes", "rate_limit",
            "headers", "limits", "cache", "ttl_s", "fallback_action", "result_path", "effects", "network", "endpoint", "auth", "properties",
            "$ref", "allOf", "anyOf", "items", "enum", "required", "@type", "actionType", "$defs", "x",
        ]);
        prop_oneof![
            2 => proptest::collection::btree_map(names, inner.clone(), 0..6).prop_map(|members| json!(members)),
            1 => proptest::collection::vec(inner, 0..4).prop_map(Value::from),
        ]
    })
}
