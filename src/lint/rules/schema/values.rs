//! Values that stand in schemas: defaults, examples, members of enumerations, bounds.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::members::asserts_only;
use super::types::Types;
use super::walk::{Sub, each};
use crate::json;
use crate::lint::rule::Found;
use crate::lint::{Edit, Subject};
use crate::schema::{self, Schema};

/// Most values in the schemas of one document that are compiled by one rule.
const MOST_COMPILED: usize = 200_000;

/// What compiling costs whatever the size, in values.
const EACH: usize = 50;

/// Most values of one keyword that are looked at.
const MOST_VALUES: usize = 1000;

/// The largest whole number that every reader takes as it is written.
const MOST_EXACT: i64 = 9_007_199_254_740_991;

/// Judges values by a subschema, in the cheapest way that does.
enum Judge {
    /// By its types, and the values that it lists.
    Plain(Types, Option<HashSet<String>>),
    Compiled(Box<Schema>),
}

impl Judge {
    /// By a subschema without one of its keywords. None when it cannot be compiled by itself, or too many were already.
    fn of(sub: &Sub<'_, '_>, without: &str, left: &mut usize) -> Option<Self> {
        if asserts_only(sub, &["type", "enum", "const", without]) {
            let types = Types::of(sub.members).unwrap_or(Types::ALL);
            let listed = match (sub.get("const"), sub.list("enum")) {
                (Some(value), _) => Some(HashSet::from([exact(value)])),
                (None, Some(values)) if without != "enum" => {
                    Some(values.iter().map(exact).collect())
                }
                _ => None,
            };
            return Some(Self::Plain(types, listed));
        }
        let mut refers = false;
        let kept = sub.members.iter().filter(|(keyword, _)| {
            !matches!(keyword.as_str(), "default" | "examples") && *keyword != without
        });
        let mut members = Map::new();
        for (keyword, value) in kept {
            spend(value, left, &mut refers)?;
            refers |= keyword.as_str() == "$ref";
            members.insert(keyword.clone(), value.clone());
        }
        for keyword in ["$schema", "$defs", "definitions"] {
            if let Some(value) = sub
                .root
                .get(keyword)
                .filter(|_| !sub.whole && (refers || keyword == "$schema"))
            {
                spend(value, left, &mut refers)?;
                members.entry(keyword).or_insert_with(|| value.clone());
            }
        }
        *left = left.saturating_sub(EACH);
        let compiled = schema::compile(&Value::Object(members)).ok()?;
        Some(Self::Compiled(Box::new(compiled)))
    }

    /// Why a value does not satisfy it, in a few words.
    fn refusal(&self, value: &Value) -> Option<String> {
        match self {
            Self::Plain(types, _) if !types.meets(Types::of_value(value)) => {
                Some(format!("it is of type '{}'", Types::name(value)))
            }
            Self::Plain(_, listed) => {
                let missing = listed
                    .as_ref()
                    .is_some_and(|all| !all.contains(&exact(value)));
                missing.then(|| "it is none of the values that are listed".to_owned())
            }
            Self::Compiled(schema) if schema.is_valid(value) => None,
            Self::Compiled(schema) => {
                let violations = schema.violations(value);
                let rule = violations
                    .first()
                    .map_or("schema", |first| first.rule.as_str());
                Some(format!("it breaks '{rule}'"))
            }
        }
    }
}

/// Counts a value and what is in it, and whether a reference is; none once no more may be spent. The depth is that of the document.
fn spend(value: &Value, left: &mut usize, refers: &mut bool) -> Option<()> {
    *left = left.checked_sub(1)?;
    match value {
        Value::Array(elements) => elements
            .iter()
            .try_for_each(|element| spend(element, left, refers)),
        Value::Object(members) => {
            *refers |= members.contains_key("$ref");
            members
                .values()
                .try_for_each(|member| spend(member, left, refers))
        }
        _ => Some(()),
    }
}

pub(super) fn default_breaks_schema(subject: &Subject<'_>, found: &mut Found<'_>) {
    let mut left = MOST_COMPILED;
    each(subject, |sub| {
        let Some(value) = sub.get("default") else {
            return;
        };
        let Some(judge) = Judge::of(sub, "default", &mut left) else {
            return;
        };
        if let Some(reason) = judge.refusal(value) {
            let pointer = sub.pointer_of("default");
            found
                .at(
                    &pointer,
                    format!(
                        "this default does not satisfy its own schema: {}; correct one of them",
                        reason
                    ),
                )
                .fix_unsafe(
                    "remove the default",
                    vec![Edit::Remove {
                        pointer: pointer.clone(),
                    }],
                );
        }
    });
}

pub(super) fn example_breaks_schema(subject: &Subject<'_>, found: &mut Found<'_>) {
    let mut left = MOST_COMPILED;
    each(subject, |sub| {
        let Some(values) = sub.list("examples").filter(|values| !values.is_empty()) else {
            return;
        };
        let Some(judge) = Judge::of(sub, "examples", &mut left) else {
            return;
        };
        for (index, value) in values.iter().take(MOST_VALUES).enumerate() {
            if let Some(reason) = judge.refusal(value) {
                let pointer = sub.pointer_in("examples", index);
                found
                    .at(
                        &pointer,
                        format!(
                            "this example does not satisfy its schema: {}; correct one of them",
                            reason
                        ),
                    )
                    .fix_unsafe(
                        "remove the example",
                        vec![Edit::Remove {
                            pointer: pointer.clone(),
                        }],
                    );
            }
        }
    });
}

pub(super) fn enum_member_breaks_schema(subject: &Subject<'_>, found: &mut Found<'_>) {
    let mut left = MOST_COMPILED;
    each(subject, |sub| {
        let Some(values) = sub.list("enum").filter(|values| !values.is_empty()) else {
            return;
        };
        let Some(judge) = Judge::of(sub, "enum", &mut left) else {
            return;
        };
        let values = || values.iter().take(MOST_VALUES);
        // That none has the type is said once, by the rule of that.
        let typed = Types::of(sub.members).unwrap_or(Types::ALL);
        if values().all(|value| !typed.meets(Types::of_value(value))) {
            return;
        }
        for (index, value) in values().enumerate() {
            if let Some(reason) = judge.refusal(value) {
                let pointer = sub.pointer_in("enum", index);
                found
                    .at(&pointer, format!("the rest of the schema refuses this member, so it can never be chosen: {}; correct one of them", reason))
                    .fix_unsafe("remove the member", vec![Edit::Remove { pointer: pointer.clone() }]);
            }
        }
    });
}

pub(super) fn duplicate_enum_member(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (index, value) in sub.list("enum").into_iter().flatten().enumerate() {
            // In the canonical form numbers of one value are written alike, however large: as doubles.
            let first = *seen.entry(exact(value)).or_insert(index);
            if first != index {
                let pointer = sub.pointer_in("enum", index);
                found
                    .at(
                        &pointer,
                        format!("this value is the same as member {first}; list each value once"),
                    )
                    .fix(
                        "remove the second one",
                        vec![Edit::Remove {
                            pointer: pointer.clone(),
                        }],
                    );
            }
        }
    });
}

/// A text that is the same for equal values only.
pub(super) fn exact(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        Value::Number(number) => match number.as_f64() {
            Some(double) if double.fract() == 0.0 && double.abs() <= MOST_EXACT as f64 => {
                (double as i64).to_string()
            }
            _ => number.to_string(),
        },
        other => json::canonical(other),
    }
}

pub(super) fn imprecise_bound(subject: &Subject<'_>, found: &mut Found<'_>) {
    const BOUNDS: [&str; 5] = [
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
    ];
    each(subject, |sub| {
        for keyword in BOUNDS {
            if let Some(number) = sub.get(keyword).and_then(too_large) {
                let pointer = sub.pointer_of(keyword);
                let step = Edit::Replace {
                    pointer: pointer.clone(),
                    value: json!(number),
                };
                found
                    .at(pointer, "beyond 2^53 readers of JSON round whole numbers, so this bound is not the same for all; stay within 9007199254740991, or pass the number as a text")
                    .fix_unsafe(format!("write {number}"), vec![step]);
            }
        }
    });
}

/// The nearest number that is exact everywhere, for a whole number that is not.
fn too_large(value: &Value) -> Option<i64> {
    let Value::Number(number) = value else {
        return None;
    };
    if let Some(signed) = number.as_i64() {
        return (signed.unsigned_abs() > MOST_EXACT.unsigned_abs())
            .then_some(MOST_EXACT * signed.signum());
    }
    number.as_u64().map(|_| MOST_EXACT)
}
