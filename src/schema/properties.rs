//! The validator against a plain evaluator of a part of JSON Schema, written from the words of the standard.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::compile;
use crate::json::properties::cases;

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-3_i64..4).prop_map(Value::from),
        (-6_i32..7).prop_map(|halves| Value::from(f64::from(halves) / 2.0)),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        "[ab😀]{0,3}".prop_map(Value::from),
    ]
}

fn instance() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[abc]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn names() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(vec!["a", "b", "c"], 0..3)
}

/// Schemas of a few keywords, several of them side by side.
fn schema() -> impl Strategy<Value = Value> {
    let types = vec![
        "null", "boolean", "integer", "number", "string", "array", "object",
    ];
    let keyword = prop_oneof![
        proptest::sample::subsequence(types, 1..4).prop_map(|types| ("type", json!(types))),
        leaf().prop_map(|value| ("const", value)),
        proptest::collection::hash_set(instance().prop_map(|value| value.to_string()), 1..4)
            .prop_map(|values| {
                let values: Vec<Value> = values
                    .iter()
                    .filter_map(|value| serde_json::from_str(value).ok())
                    .collect();
                ("enum", Value::from(values))
            }),
        number().prop_map(|value| ("minimum", value)),
        number().prop_map(|value| ("maximum", value)),
        number().prop_map(|value| ("exclusiveMinimum", value)),
        number().prop_map(|value| ("exclusiveMaximum", value)),
        (1_i64..4).prop_map(|value| ("multipleOf", Value::from(value))),
        (0_usize..3).prop_map(|value| ("minLength", Value::from(value))),
        (0_usize..3).prop_map(|value| ("maxLength", Value::from(value))),
        (0_usize..3).prop_map(|value| ("minItems", Value::from(value))),
        (0_usize..3).prop_map(|value| ("maxItems", Value::from(value))),
        (0_usize..3).prop_map(|value| ("minProperties", Value::from(value))),
        (0_usize..3).prop_map(|value| ("maxProperties", Value::from(value))),
        any::<bool>().prop_map(|value| ("uniqueItems", Value::from(value))),
        names().prop_map(|names| ("required", json!(names))),
    ];
    let plain = proptest::collection::vec(keyword, 0..3).prop_map(object);
    let plain = prop_oneof![8 => plain, 1 => any::<bool>().prop_map(Value::from)];
    plain.prop_recursive(3, 16, 3, |inner| {
        let several = || proptest::collection::vec(inner.clone(), 1..3).prop_map(Value::from);
        let members = || {
            proptest::collection::btree_map("[abc]", inner.clone(), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect()))
        };
        let keyword = prop_oneof![
            members().prop_map(|value| ("properties", value)),
            inner
                .clone()
                .prop_map(|value| ("additionalProperties", value)),
            inner.clone().prop_map(|value| ("propertyNames", value)),
            inner.clone().prop_map(|value| ("items", value)),
            several().prop_map(|value| ("prefixItems", value)),
            inner.clone().prop_map(|value| ("contains", value)),
            several().prop_map(|value| ("allOf", value)),
            several().prop_map(|value| ("anyOf", value)),
            several().prop_map(|value| ("oneOf", value)),
            inner.clone().prop_map(|value| ("not", value)),
            members().prop_map(|value| ("dependentSchemas", value)),
            inner.clone().prop_map(|value| ("if", value)),
            inner.clone().prop_map(|value| ("then", value)),
            inner.clone().prop_map(|value| ("else", value)),
        ];
        proptest::collection::vec(keyword, 1..4).prop_map(object)
    })
}

fn object(keywords: Vec<(&'static str, Value)>) -> Value {
    let members = keywords
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    Value::Object(members.collect())
}

/// Whether a value satisfies a schema of these keywords.
fn satisfies(schema: &Value, value: &Value) -> bool {
    let Value::Object(keywords) = schema else {
        return schema == &Value::Bool(true);
    };
    keywords
        .iter()
        .all(|(keyword, says)| keyword_holds(keywords, keyword, says, value))
}

fn keyword_holds(all: &Map<String, Value>, keyword: &str, says: &Value, value: &Value) -> bool {
    let each = |list: &Value, holds: &dyn Fn(&Value) -> bool| {
        list.as_array().is_none_or(|list| list.iter().all(holds))
    };
    let count = |list: &Value| {
        list.as_array().map_or(0, |list| {
            list.iter().filter(|one| satisfies(one, value)).count()
        })
    };
    let limit = says
        .as_u64()
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(0);
    let compared = value.as_f64().zip(says.as_f64());
    let length = value.as_str().map(|text| text.chars().count());
    let elements = value.as_array();
    let members = value.as_object();
    let no_members = Map::new();
    let named = |keyword: &str| {
        all.get(keyword)
            .and_then(Value::as_object)
            .unwrap_or(&no_members)
            .clone()
    };
    match keyword {
        "type" => says.as_array().is_some_and(|types| {
            types
                .iter()
                .any(|one| is_a(value, one.as_str().unwrap_or_default()))
        }),
        "const" => equal(value, says),
        "enum" => says
            .as_array()
            .is_some_and(|values| values.iter().any(|one| equal(value, one))),
        "minimum" => compared.is_none_or(|(value, bound)| value >= bound),
        "maximum" => compared.is_none_or(|(value, bound)| value <= bound),
        "exclusiveMinimum" => compared.is_none_or(|(value, bound)| value > bound),
        "exclusiveMaximum" => compared.is_none_or(|(value, bound)| value < bound),
        "multipleOf" => compared.is_none_or(|(value, of)| value % of == 0.0),
        "minLength" => length.is_none_or(|length| length >= limit),
        "maxLength" => length.is_none_or(|length| length <= limit),
        "minItems" => elements.is_none_or(|elements| elements.len() >= limit),
        "maxItems" => elements.is_none_or(|elements| elements.len() <= limit),
        "minProperties" => members.is_none_or(|members| members.len() >= limit),
        "maxProperties" => members.is_none_or(|members| members.len() <= limit),
        "uniqueItems" => {
            says == &Value::Bool(false)
                || elements.is_none_or(|elements| {
                    (0..elements.len())
                        .all(|one| (0..one).all(|other| !equal(&elements[one], &elements[other])))
                })
        }
        "required" => members.is_none_or(|members| {
            each(says, &|name| {
                members.contains_key(name.as_str().unwrap_or_default())
            })
        }),
        "properties" => members.is_none_or(|members| {
            named("properties").iter().all(|(name, schema)| {
                members
                    .get(name)
                    .is_none_or(|member| satisfies(schema, member))
            })
        }),
        "additionalProperties" => members.is_none_or(|members| {
            let declared = named("properties");
            members
                .iter()
                .filter(|(name, _)| !declared.contains_key(*name))
                .all(|(_, member)| satisfies(says, member))
        }),
        "propertyNames" => members.is_none_or(|members| {
            members
                .keys()
                .all(|name| satisfies(says, &Value::from(name.as_str())))
        }),
        "prefixItems" => elements.is_none_or(|elements| {
            let schemas = says.as_array().into_iter().flatten();
            schemas
                .zip(elements)
                .all(|(schema, element)| satisfies(schema, element))
        }),
        "items" => elements.is_none_or(|elements| {
            let first = all
                .get("prefixItems")
                .and_then(Value::as_array)
                .map_or(0, Vec::len);
            elements
                .iter()
                .skip(first)
                .all(|element| satisfies(says, element))
        }),
        "contains" => {
            elements.is_none_or(|elements| elements.iter().any(|element| satisfies(says, element)))
        }
        "allOf" => each(says, &|schema| satisfies(schema, value)),
        "anyOf" => count(says) > 0,
        "oneOf" => count(says) == 1,
        "not" => !satisfies(says, value),
        "dependentSchemas" => members.is_none_or(|members| {
            named(keyword)
                .iter()
                .all(|(name, schema)| !members.contains_key(name) || satisfies(schema, value))
        }),
        "if" => {
            let branch = if satisfies(says, value) {
                "then"
            } else {
                "else"
            };
            all.get(branch)
                .is_none_or(|schema| satisfies(schema, value))
        }
        // They say nothing without an `if`, and the `if` speaks for them.
        "then" | "else" => true,
        other => panic!("{other} is not generated"),
    }
}

fn is_a(value: &Value, kind: &str) -> bool {
    match value {
        Value::Null => kind == "null",
        Value::Bool(_) => kind == "boolean",
        Value::Number(number) => {
            kind == "number"
                || kind == "integer" && number.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        Value::String(_) => kind == "string",
        Value::Array(_) => kind == "array",
        Value::Object(_) => kind == "object",
    }
}

/// Numbers by their value, the members of objects in any order.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, one)| other.get(name).is_some_and(|other| equal(one, other)))
        }
        _ => one == other,
    }
}

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn a_value_is_valid_where_a_plain_evaluator_says_so(schema in schema(), values in proptest::collection::vec(instance(), 1..6)) {
        // An enum may hold one value in two spellings, which the meta-schema refuses.
        let Ok(compiled) = compile(&schema) else {
            return Err(TestCaseError::reject("no schema"));
        };
        for value in values {
            let expected = satisfies(&schema, &value);
            prop_assert_eq!(compiled.is_valid(&value), expected, "{} of {}", value, schema);
            let violations = compiled.violations(&value);
            prop_assert_eq!(violations.is_empty(), expected, "{} of {}: {:?}", value, schema, violations);
            for violation in violations {
                prop_assert!(value.pointer(&violation.pointer).is_some(), "{:?} is nowhere in {}", violation, value);
            }
        }
    }

    #[test]
    fn order_of_keywords_and_members_does_not_matter(schema in schema(), members in proptest::collection::vec(instance(), 3), by in 0_usize..6) {
        let value: Value = ["a", "b", "c"].into_iter().zip(members).map(|(name, member)| (name.to_owned(), member)).collect::<Map<_, _>>().into();
        let turned = |value: &Value| crate::json::properties::reordered(value, by);
        let (one, other) = (compile(&schema), compile(&turned(&schema)));
        prop_assert_eq!(one.is_ok(), other.is_ok());
        if let (Ok(one), Ok(other)) = (one, other) {
            prop_assert_eq!(one.is_valid(&value), other.is_valid(&turned(&value)));
        }
    }
}
