//! Schemas that no value satisfies, or branches that never matter.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::members::is_annotation;
use super::ranges;
use super::types::Types;
use super::values::exact;
use super::walk::{Sub, each};
use crate::json;
use crate::lint::near::Names;
use crate::lint::rule::Found;
use crate::lint::{Edit, Noted, Subject};

/// Most branches of one keyword that are looked at.
const MOST_BRANCHES: usize = 200;

/// Lower and upper bounds that belong together.
pub(super) const BOUNDS: [(&str, &str); 5] = [
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
    ("minContains", "maxContains"),
];

pub(super) fn bounds_cross(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        for (lower, upper) in BOUNDS {
            if let (Some(least), Some(most)) = (sub.number(lower), sub.number(upper))
                && least > most
            {
                let swapped = [(lower, upper), (upper, lower)].map(|(to, from)| Edit::Replace {
                    pointer: sub.pointer_of(to),
                    value: sub.get(from).cloned().unwrap_or_default(),
                });
                found
                    .at(
                        sub.pointer_of(lower),
                        format!("'{lower}' {least} is more than '{upper}' {most}, so no value satisfies both; exchange them"),
                    )
                    .fix_unsafe(format!("exchange '{lower}' and '{upper}'"), swapped.to_vec());
            }
        }
        exclusive(sub, found);
        counts(sub, found);
        ranges::elements(sub, found);
        ranges::multiples(sub, found);
        ranges::together(sub, found);
    });
}

/// Bounds of which at least one is not itself in the range, and ranges without a whole number.
fn exclusive(sub: &Sub<'_, '_>, found: &mut Found<'_>) {
    let lower = bound(sub.members, "minimum", "exclusiveMinimum");
    let upper = bound(sub.members, "maximum", "exclusiveMaximum");
    let (Some((low, low_out, low_name)), Some((high, high_out, high_name))) = (lower, upper) else {
        return;
    };
    let plain = low_name == "minimum" && high_name == "maximum";
    if low > high {
        if !plain {
            found.at(
                sub.pointer_of(low_name),
                format!("'{low_name}' {low} is more than '{high_name}' {high}, so no value satisfies both; correct one of them"),
            );
        }
    } else if low == high && (low_out || high_out) {
        found.at(
            sub.pointer_of(low_name),
            format!("'{low_name}' and '{high_name}' leave out {low}, the only number between them; widen the range"),
        );
    } else if Types::of(sub.members) == Some(Types::INTEGER) {
        let first = if low_out {
            (low + 1.0).floor()
        } else {
            low.ceil()
        };
        let last = if high_out {
            (high - 1.0).ceil()
        } else {
            high.floor()
        };
        if first > last {
            found.at(
                sub.pointer_of(low_name),
                format!("no whole number lies between '{low_name}' {low} and '{high_name}' {high}; widen the range, or make the type 'number'"),
            );
        }
    }
}

/// The tighter of two bounds, whether it is itself left out, and its keyword. Draft 4 has a flag beside the bound instead.
pub(super) fn bound(
    members: &Map<String, Value>,
    plain: &'static str,
    exclusive: &'static str,
) -> Option<(f64, bool, &'static str)> {
    let number = |keyword: &str| members.get(keyword).and_then(Value::as_f64);
    let inclusive = number(plain);
    if members.get(exclusive) == Some(&Value::Bool(true)) {
        return inclusive.map(|number| (number, true, plain));
    }
    match (inclusive, number(exclusive)) {
        (Some(a), Some(b)) => {
            let tighter = if plain == "minimum" { b >= a } else { b <= a };
            Some(if tighter {
                (b, true, exclusive)
            } else {
                (a, false, plain)
            })
        }
        (Some(a), None) => Some((a, false, plain)),
        (None, Some(b)) => Some((b, true, exclusive)),
        (None, None) => None,
    }
}

/// More members or elements demanded than there can be.
fn counts(sub: &Sub<'_, '_>, found: &mut Found<'_>) {
    if let (Some(required), Some(most)) = (sub.list("required"), sub.number("maxProperties"))
        && required.len() as f64 > most
    {
        found.at(
            sub.pointer_of("maxProperties"),
            format!(
                "'required' lists {} members, and 'maxProperties' allows {most}; raise it",
                required.len()
            ),
        );
    }
    let closed = sub.get("additionalProperties") == Some(&Value::Bool(false))
        && !sub.has("patternProperties");
    if let (true, Some(least)) = (closed, sub.number("minProperties")) {
        let declared = sub.object("properties").map_or(0, Map::len);
        if least > declared as f64 {
            found.at(
                sub.pointer_of("minProperties"),
                format!("'minProperties' demands {least} members, and only {declared} are allowed; lower it"),
            );
        }
    }
}

pub(super) fn enum_never_matches(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        let (Some(values), Some(types)) = (sub.list("enum"), Types::of(sub.members)) else {
            return;
        };
        if values.is_empty()
            || values
                .iter()
                .any(|value| types.meets(Types::of_value(value)))
        {
            return;
        }
        let noted = found.at(
            sub.pointer_of("enum"),
            "no member of this 'enum' has the 'type' that stands beside it; correct one of them",
        );
        let mut names: Vec<&str> = values.iter().map(Types::name).collect();
        names.sort_unstable();
        names.dedup();
        if let [name] = names.as_slice() {
            let step = Edit::Replace {
                pointer: sub.pointer_of("type"),
                value: json!(name),
            };
            noted.fix_unsafe(format!("make the type '{name}'"), vec![step]);
        }
    });
}

pub(super) fn const_never_matches(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        let Some(value) = sub.get("const") else {
            return;
        };
        if Types::of(sub.members).is_some_and(|types| !types.meets(Types::of_value(value))) {
            let step = Edit::Replace {
                pointer: sub.pointer_of("type"),
                value: json!(Types::name(value)),
            };
            found
                .at(
                    sub.pointer_of("const"),
                    format!("this constant is of type '{}', which the 'type' beside it does not admit; correct one of them", Types::name(value)),
                )
                .fix_unsafe(format!("make the type '{}'", Types::name(value)), vec![step]);
        } else if sub
            .list("enum")
            .is_some_and(|values| !values.iter().any(|other| exact(other) == exact(value)))
        {
            found.at(
                sub.pointer_of("const"),
                "this constant is no member of the 'enum' beside it; correct it, or leave the 'enum' out",
            );
        }
    });
}

pub(super) fn required_but_forbidden(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        let empty = Map::new();
        let declared = sub.object("properties").unwrap_or(&empty);
        let (names, free) = required(sub, declared);
        for (index, name) in names {
            match declared.get(name) {
                Some(schema) if admits_nothing(schema) => {
                    let why = if schema.is_boolean() {
                        "is false, which"
                    } else {
                        "has a 'not' around everything, so it"
                    };
                    found.at(
                        sub.pointer_in("required", index),
                        format!("'{name}' is required, and its schema {why} admits nothing; drop one of the two"),
                    );
                }
                Some(_) => {}
                None if is_closed(sub) => {
                    let noted = found.at(
                        sub.pointer_in("required", index),
                        format!("'{name}' is required, and 'additionalProperties' forbids it; declare it under 'properties'"),
                    );
                    suggest(sub, &free, index, name, noted);
                }
                None => {}
            }
        }
        names_forbidden(sub, found);
    });
}

/// Names of members that are demanded, where `propertyNames` lets no such name pass.
fn names_forbidden(sub: &Sub<'_, '_>, found: &mut Found<'_>) {
    let Some(names) = sub.get("propertyNames") else {
        return;
    };
    let demanded = sub.texts("required");
    if admits_nothing(names) {
        let least = sub.number("minProperties").unwrap_or(0.0);
        if !demanded.is_empty() || least >= 1.0 {
            found.at(
                sub.pointer_of("propertyNames"),
                "no name satisfies this, and members are demanded all the same, so no object is valid; say which names are allowed",
            );
        }
        return;
    }
    let Some(allowed) = names.get("enum").and_then(Value::as_array) else {
        return;
    };
    let allowed: HashSet<&str> = allowed.iter().filter_map(Value::as_str).collect();
    for (index, name) in demanded.into_iter().take(MOST_REQUIRED) {
        if !allowed.contains(name) {
            found.at(
                sub.pointer_in("required", index),
                format!("'{name}' is required, and 'propertyNames' does not allow the name; add it there"),
            );
        }
    }
}

/// Whether a schema surely admits every value.
fn admits_all(schema: &Value) -> bool {
    match schema {
        Value::Bool(all) => *all,
        Value::Object(members) => members.keys().all(|keyword| is_annotation(keyword)),
        _ => false,
    }
}

/// Whether a schema surely admits no value.
pub(super) fn admits_nothing(schema: &Value) -> bool {
    match schema {
        Value::Bool(all) => !*all,
        Value::Object(members) => members.get("not").is_some_and(admits_all),
        _ => false,
    }
}

/// Whether members that are not declared are forbidden.
pub(super) fn is_closed(sub: &Sub<'_, '_>) -> bool {
    sub.get("additionalProperties") == Some(&Value::Bool(false))
        && sub.object("patternProperties").is_none_or(Map::is_empty)
}

/// Most required names that are looked at, of one object.
const MOST_REQUIRED: usize = 1000;

/// The required names, each with its index; and those declared ones that are not required.
pub(super) fn required<'v>(
    sub: &Sub<'v, '_>,
    declared: &'v Map<String, Value>,
) -> (Vec<(usize, &'v str)>, Free<'v>) {
    let mut names = sub.texts("required");
    let listed: HashSet<&str> = names.iter().map(|(_, name)| *name).collect();
    let free = declared.keys().map(String::as_str);
    let free = Free {
        names: free.filter(|name| !listed.contains(name)).collect(),
        index: OnceCell::new(),
    };
    names.truncate(MOST_REQUIRED);
    (names, free)
}

/// Declared names that are not required.
pub(super) struct Free<'v> {
    names: Vec<&'v str>,
    /// Made when one is looked for.
    index: OnceCell<Names<'v>>,
}

impl<'v> Free<'v> {
    fn nearest(&self, name: &str) -> Option<&'v str> {
        let index = self
            .index
            .get_or_init(|| Names::of(self.names.iter().copied()));
        index.nearest(name)
    }
}

/// Offers the declared name that a required one was surely meant to be.
pub(super) fn suggest(
    sub: &Sub<'_, '_>,
    free: &Free<'_>,
    index: usize,
    name: &str,
    noted: Noted<'_>,
) {
    if let Some(meant) = free.nearest(name) {
        let step = Edit::Replace {
            pointer: sub.pointer_in("required", index),
            value: json!(meant),
        };
        noted.fix_unsafe(format!("require '{meant}' instead"), vec![step]);
    }
}

pub(super) fn false_schema(subject: &Subject<'_>, found: &mut Found<'_>) {
    for schema in subject.schemas() {
        if schema.schema == &Value::Bool(false) {
            let what = if schema.input { "no call" } else { "no output" };
            found.at(
                schema.pointer,
                format!(
                    "the schema 'false' admits nothing, so {what} is ever valid; say what is valid"
                ),
            );
        }
    }
    each(subject, |sub| {
        if (sub.whole || sub.branch) && sub.get("not").is_some_and(admits_all) {
            found.at(
                sub.pointer_of("not"),
                "everything satisfies the schema under this 'not', so nothing satisfies the one around it; say what is excluded",
            );
        }
    });
}

pub(super) fn disjoint_types(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        let own = Types::of(sub.members).unwrap_or(Types::ALL);
        let mut common = own;
        for branch in branches(sub, "allOf") {
            common = common.and(branch_types(sub, branch));
        }
        if common.is_empty() {
            found.at(
                sub.pointer_of("allOf"),
                "these schemas admit no type in common, so no value satisfies them all; use 'anyOf', or correct their types",
            );
        }
        for keyword in ["anyOf", "oneOf"] {
            let branches = branches(sub, keyword);
            let none = !branches.is_empty()
                && branches
                    .iter()
                    .all(|branch| !own.meets(branch_types(sub, branch)));
            if none {
                found.at(
                    sub.pointer_of(keyword),
                    format!("no branch of this '{keyword}' admits the 'type' beside it; correct the type, or leave it out"),
                );
            }
        }
    });
}

pub(super) fn dead_branch(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        let Some(own) = Types::of(sub.members) else {
            return;
        };
        for keyword in ["anyOf", "oneOf"] {
            let branches = branches(sub, keyword);
            let dead = |branch: &&Value| !own.meets(branch_types(sub, branch));
            if branches.iter().all(dead) {
                continue;
            }
            for (index, branch) in branches.iter().enumerate() {
                if dead(branch) {
                    let pointer = sub.pointer_in(keyword, index);
                    found
                        .at(
                            &pointer,
                            "this branch does not admit the 'type' beside it, so it never matches; widen the type, or remove the branch",
                        )
                        .fix("remove the branch", vec![Edit::Remove { pointer: pointer.clone() }]);
                }
            }
        }
    });
}

fn branches<'v>(sub: &Sub<'v, '_>, keyword: &str) -> Vec<&'v Value> {
    let elements = sub.list(keyword).into_iter().flatten();
    elements.take(MOST_BRANCHES).collect()
}

/// The types that a branch admits, by itself or by the definition that it refers to.
fn branch_types(sub: &Sub<'_, '_>, branch: &Value) -> Types {
    let Some(members) = branch.as_object() else {
        return Types::ALL;
    };
    let target = members.get("$ref").and_then(Value::as_str);
    let target = target
        .and_then(|target| sub.root.pointer(target.strip_prefix('#')?))
        .and_then(Value::as_object);
    let own = Types::of(members).unwrap_or(Types::ALL);
    let referred = target.and_then(Types::of).unwrap_or(Types::ALL);
    let by_value = members.get("const").map_or(Types::ALL, Types::of_value);
    own.and(referred).and(by_value)
}

pub(super) fn empty_enum(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        if sub.list("enum").is_some_and(Vec::is_empty) {
            found.at(
                sub.pointer_of("enum"),
                "an empty 'enum' admits no value at all; list the values, or leave it out",
            );
        }
    });
}

pub(super) fn repeated_branch(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let mut seen: HashMap<String, usize> = HashMap::new();
            for (index, branch) in branches(sub, keyword).into_iter().enumerate() {
                let first = *seen.entry(json::canonical(branch)).or_insert(index);
                if first == index {
                    continue;
                }
                let pointer = sub.pointer_in(keyword, index);
                let steps = vec![Edit::Remove {
                    pointer: pointer.clone(),
                }];
                if keyword == "oneOf" {
                    found
                        .at(pointer, format!("this branch is the same as branch {first}, so what satisfies it satisfies two, and 'oneOf' refuses that; remove it"))
                        .fix_unsafe("remove the branch", steps);
                } else {
                    found
                        .at(pointer, format!("this branch is the same as branch {first} and adds nothing; remove it"))
                        .fix("remove the branch", steps);
                }
            }
        }
    });
}
