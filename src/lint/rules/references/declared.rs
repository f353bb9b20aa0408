//! What a schema says of one place in the values that it takes, as far as that can be told without values.

use serde_json::{Map, Value};

use super::kinds::Kinds;
use crate::expression::Step;

/// Most references that are followed one after another.
const MOST_REFERENCES: usize = 16;

/// Most required members that are looked at; a schema with more is nobody's.
const MOST_NAMES: usize = 10_000;

/// Most tokens of a pointer that are followed; documents are not nested deeper.
const LONGEST_WAY: usize = 64;

/// The members that a schema names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::lint::rules) struct Names<'s>(Option<&'s Map<String, Value>>);

impl<'s> Names<'s> {
    pub(in crate::lint::rules) fn iter(self) -> impl Iterator<Item = &'s str> {
        self.0
            .into_iter()
            .flat_map(|members| members.keys().map(String::as_str))
    }
}

/// What a schema says of a place.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::lint::rules) enum Declared<'s> {
    /// What stands there satisfies this schema; `surely` when something must stand there.
    Schema { schema: &'s Value, surely: bool },
    /// The number of elements, members or characters; `surely` as above.
    Count { surely: bool },
    /// Nothing can stand there: the schema is closed, or of another type. The step that fails, and the names that it could have had.
    Never { step: usize, names: Names<'s> },
    /// The schema names members, but not this one; nothing forbids it. As above.
    Unnamed { step: usize, names: Names<'s> },
    /// The schema does not tell.
    Unknown,
}

impl<'s> Declared<'s> {
    /// What the schema `root` says of the place that these steps lead to.
    pub(in crate::lint::rules) fn find(root: &'s Value, steps: &[Step<'_>]) -> Declared<'s> {
        let mut at = root;
        let mut surely = true;
        for (index, step) in steps.iter().enumerate() {
            let Some(schema) = followed(root, at) else {
                return Declared::Unknown;
            };
            let Value::Object(members) = schema else {
                return match schema {
                    Value::Bool(false) => Declared::Never {
                        step: index,
                        names: Names(None),
                    },
                    _ => Declared::Unknown,
                };
            };
            let kinds = Kinds::taken_by(schema);
            let next = match step {
                Step::Member(name) => member(members, kinds, name, index),
                Step::Index(position) => element(members, kinds, *position, index),
                Step::Length => match length(members, kinds, index) {
                    // What follows a number is never there.
                    Declared::Count { .. } if index + 1 < steps.len() => Declared::Never {
                        step: index + 1,
                        names: Names(None),
                    },
                    Declared::Count { surely: this } => {
                        return Declared::Count {
                            surely: surely && this,
                        };
                    }
                    other => other,
                },
            };
            match next {
                Declared::Schema {
                    schema,
                    surely: this,
                } => {
                    // Of the value itself it is known that it is there; whether what is in it has that kind, its type says.
                    surely &= this && (index == 0 || kinds.within(kind_that_holds(step)));
                    at = schema;
                }
                other => return other,
            }
        }
        match followed(root, at) {
            Some(schema) => Declared::Schema { schema, surely },
            None => Declared::Unknown,
        }
    }

    /// The same for a JSON Pointer, whose tokens are elements where the schema has an array.
    pub(in crate::lint::rules) fn at_pointer(root: &'s Value, tokens: &[String]) -> Declared<'s> {
        if tokens.len() > LONGEST_WAY {
            return Declared::Unknown;
        }
        let mut steps: Vec<Step<'_>> = Vec::new();
        for token in tokens {
            let here = Declared::find(root, &steps);
            let array = match here {
                Declared::Schema { schema, .. } => {
                    let kinds = Kinds::taken_by(schema);
                    kinds.within(Kinds::ARRAY)
                        || (kinds.meets(Kinds::ARRAY) && token.parse::<i64>().is_ok())
                }
                _ => false,
            };
            let place = token.parse::<i64>().ok().filter(|_| array);
            steps.push(place.map_or(Step::Member(token), Step::Index));
        }
        Declared::find(root, &steps)
    }
}

fn kind_that_holds(step: &Step<'_>) -> Kinds {
    match step {
        Step::Member(_) => Kinds::OBJECT,
        Step::Index(_) => Kinds::ARRAY,
        Step::Length => Kinds::ARRAY.or(Kinds::TEXT).or(Kinds::OBJECT),
    }
}

/// The schema itself, or the one that its `$ref` within the same document leads to; none where that cannot be told.
fn followed<'s>(root: &'s Value, mut schema: &'s Value) -> Option<&'s Value> {
    for _ in 0..MOST_REFERENCES {
        let Some(members) = schema.as_object() else {
            return Some(schema);
        };
        if members.contains_key("$dynamicRef") || members.contains_key("$recursiveRef") {
            return None;
        }
        let Some(reference) = members.get("$ref") else {
            return Some(schema);
        };
        let annotation = |name: &String| {
            matches!(
                name.as_str(),
                "$ref"
                    | "$comment"
                    | "title"
                    | "description"
                    | "default"
                    | "examples"
                    | "$schema"
                    | "$defs"
                    | "definitions"
            )
        };
        if !members.keys().all(annotation) {
            return None;
        }
        let pointer = reference.as_str()?.strip_prefix('#')?;
        // An anchor, or what is written with escapes, is nothing to guess about.
        if pointer.contains('%') || !(pointer.is_empty() || pointer.starts_with('/')) {
            return None;
        }
        schema = root.pointer(pointer)?;
    }
    None
}

/// Whether other parts of a schema may have a say in which members there are.
fn is_combined(members: &Map<String, Value>) -> bool {
    [
        "allOf",
        "anyOf",
        "oneOf",
        "if",
        "dependentSchemas",
        "dependencies",
        "$ref",
    ]
    .iter()
    .any(|name| members.contains_key(*name))
}

fn member<'s>(
    members: &'s Map<String, Value>,
    kinds: Kinds,
    name: &str,
    step: usize,
) -> Declared<'s> {
    let properties = members.get("properties").and_then(Value::as_object);
    let names = Names(properties);
    if !kinds.meets(Kinds::OBJECT) {
        return Declared::Never {
            step,
            names: Names(None),
        };
    }
    if let Some(schema) = properties.and_then(|properties| properties.get(name)) {
        if schema == &Value::Bool(false) {
            return Declared::Never { step, names };
        }
        let required = members.get("required").and_then(Value::as_array);
        let surely =
            required.is_some_and(|names| names.iter().take(MOST_NAMES).any(|one| one == name));
        return Declared::Schema { schema, surely };
    }
    if members.contains_key("patternProperties") {
        return Declared::Unknown;
    }
    match members.get("additionalProperties") {
        Some(Value::Bool(false)) => return Declared::Never { step, names },
        Some(schema @ Value::Object(_)) => {
            return Declared::Schema {
                schema,
                surely: false,
            };
        }
        _ => {}
    }
    if is_combined(members) {
        return Declared::Unknown;
    }
    if members.get("unevaluatedProperties") == Some(&Value::Bool(false)) {
        return Declared::Never { step, names };
    }
    // Said in so many words, other members are welcome.
    let welcome = members.contains_key("additionalProperties");
    match properties {
        Some(properties) if !properties.is_empty() && !welcome => Declared::Unnamed { step, names },
        _ => Declared::Unknown,
    }
}

fn element<'s>(
    members: &'s Map<String, Value>,
    kinds: Kinds,
    position: i64,
    step: usize,
) -> Declared<'s> {
    let never = Declared::Never {
        step,
        names: Names(None),
    };
    if !kinds.meets(Kinds::ARRAY) {
        return never;
    }
    let count = |name: &str| members.get(name).and_then(Value::as_u64);
    // The n-th from the end needs n elements, the one at n needs one more.
    let needed = position.unsigned_abs() + u64::from(position >= 0);
    if count("maxItems").is_some_and(|most| most < needed) {
        return never;
    }
    let surely = count("minItems").is_some_and(|least| least >= needed);
    let list = |name: &str| members.get(name).and_then(Value::as_array);
    let first = list("prefixItems").or_else(|| list("items"));
    if let Some(first) = first {
        let own = usize::try_from(position)
            .ok()
            .and_then(|index| first.get(index));
        return own.map_or(Declared::Unknown, |schema| Declared::Schema {
            schema,
            surely,
        });
    }
    match members.get("items") {
        Some(Value::Bool(false)) => never,
        Some(schema @ Value::Object(_)) => Declared::Schema { schema, surely },
        _ => Declared::Unknown,
    }
}

fn length<'s>(members: &'s Map<String, Value>, kinds: Kinds, step: usize) -> Declared<'s> {
    let counted = Kinds::ARRAY.or(Kinds::TEXT);
    if kinds.within(counted) {
        return Declared::Count { surely: true };
    }
    if !kinds.meets(counted.or(Kinds::OBJECT)) {
        return Declared::Never {
            step,
            names: Names(None),
        };
    }
    if kinds.within(Kinds::OBJECT) {
        return match member(members, kinds, "length", step) {
            Declared::Never { .. } => Declared::Count { surely: true },
            own @ Declared::Schema { surely: true, .. } => own,
            _ => Declared::Unknown,
        };
    }
    Declared::Unknown
}

#[cfg(test)]
mod tests {
    use super::Declared;
    use crate::expression::Step::{Index, Length, Member};
    use serde_json::json;

    #[test]
    fn finds_what_a_schema_says() {
        let text = json!({"type": "string"});
        let schema = json!({
            "type": "object", "required": ["who"], "additionalProperties": false,
            "properties": {
                "who": {"type": "object", "properties": {"name": text}},
                "list": {"type": "array", "items": {"$ref": "#/$defs/one"}},
                "loop": {"$ref": "#/$defs/loop"},
                "either": {"anyOf": [{"properties": {"x": {}}}]}
            },
            "$defs": {"one": {"type": "integer"}, "loop": {"$ref": "#/$defs/loop"}}
        });
        let find = |steps: &[_]| Declared::find(&schema, steps);
        assert_eq!(
            find(&[Member("who"), Member("name")]),
            Declared::Schema {
                schema: &text,
                surely: false
            }
        );
        assert!(matches!(
            find(&[Member("who")]),
            Declared::Schema { surely: true, .. }
        ));
        let Declared::Never { step: 0, names } = find(&[Member("hwo")]) else {
            panic!("closed");
        };
        assert_eq!(names.iter().count(), 4);
        let Declared::Unnamed { step: 1, names } = find(&[Member("who"), Member("nam")]) else {
            panic!("open");
        };
        assert_eq!(names.iter().collect::<Vec<_>>(), ["name"]);
        assert_eq!(
            find(&[Member("list"), Index(-1)]),
            Declared::Schema {
                schema: &json!({"type": "integer"}),
                surely: false
            }
        );
        assert_eq!(
            find(&[Member("list"), Length]),
            Declared::Count { surely: false }
        );
        assert_eq!(find(&[Member("loop"), Member("x")]), Declared::Unknown);
        assert_eq!(find(&[Member("either"), Member("y")]), Declared::Unknown);
        let below_text = find(&[Member("who"), Member("name"), Member("x")]);
        assert!(matches!(below_text, Declared::Never { step: 2, .. }));
    }

    #[test]
    fn pointers_lead_through_arrays() {
        let schema = json!({"type": "object", "properties": {"list": {"type": "array", "items": {"type": "string"}}}});
        let at = |tokens: &[&str]| {
            let tokens: Vec<String> = tokens.iter().map(|token| (*token).to_owned()).collect();
            Declared::at_pointer(&schema, &tokens)
        };
        assert!(matches!(at(&["list", "0"]), Declared::Schema { .. }));
        assert!(matches!(
            at(&["list", "first"]),
            Declared::Never { step: 1, .. }
        ));
        assert!(matches!(at(&[]), Declared::Schema { surely: true, .. }));
    }
}
