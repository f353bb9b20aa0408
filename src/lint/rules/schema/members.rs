//! What a schema says of the members of an object, and of arguments and outputs as a whole.

use serde_json::{Map, Value, json};

use super::keywords::{self, ANNOTATIONS};
use super::satisfiable::{is_closed, required, suggest};
use super::types::Types;
use super::walk::{Sub, each};
use crate::json;
use crate::lint::rule::Found;
use crate::lint::{Edit, Subject};

/// Keywords by which members may be declared elsewhere than beside `required`.
const ELSEWHERE: [&str; 10] = [
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "allOf",
    "anyOf",
    "oneOf",
    "if",
    "dependentSchemas",
    "dependencies",
    "patternProperties",
];

/// Whether a schema without `properties` is one that needs none: its members are described together, or it only adds to another.
fn says_which(sub: &Sub<'_, '_>) -> bool {
    let together = sub
        .get("additionalProperties")
        .is_some_and(|others| !others.is_boolean());
    let is_object = sub.whole || Types::of(sub.members) == Some(Types::OBJECT);
    let pointer = sub.pointer();
    let around = json::pop(&pointer).and_then(|(around, _)| json::pop(around));
    let is_definition =
        around.is_some_and(|(_, name)| matches!(name.as_str(), "$defs" | "definitions"));
    sub.has("properties") || together || !is_object || is_definition
}

pub(super) fn required_undeclared(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        let none = Map::new();
        let declared = match sub.object("properties") {
            Some(declared) => declared,
            None if says_which(sub) => return,
            None => &none,
        };
        if sub.branch || is_closed(sub) || ELSEWHERE.iter().any(|keyword| sub.has(keyword)) {
            return;
        }
        let (names, free) = required(sub, declared);
        for (index, name) in names {
            if !declared.contains_key(name) {
                let noted = found.at(
                    sub.pointer_in("required", index),
                    format!(
                        "'{name}' is required, and 'properties' does not say what it is; declare it"
                    ),
                );
                suggest(sub, &free, index, name, noted);
            }
        }
    });
}

pub(super) fn contradictory_access(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        let is = |members: &Map<String, Value>, keyword: &str| {
            members.get(keyword) == Some(&Value::Bool(true))
        };
        if is(sub.members, "readOnly") && is(sub.members, "writeOnly") {
            found.at(
                sub.pointer_of("writeOnly"),
                "a value cannot be both read-only and write-only; keep one of the two",
            );
        }
        let Some(declared) = sub.object("properties") else {
            return;
        };
        let (keyword, what) = if sub.input {
            (
                "readOnly",
                "is set by the service alone, and yet every call must send it",
            )
        } else {
            (
                "writeOnly",
                "is never given back, and yet every output must hold it",
            )
        };
        for (index, name) in sub.texts("required") {
            let schema = declared.get(name).and_then(Value::as_object);
            if schema.is_some_and(|schema| is(schema, keyword)) {
                let dropped = match sub.list("required").map_or(0, Vec::len) {
                    0 | 1 => sub.pointer_of("required"),
                    _ => sub.pointer_in("required", index),
                };
                found
                    .at(
                        sub.pointer_in("required", index),
                        format!("'{name}' {what}; drop '{keyword}', or do not require it"),
                    )
                    .fix_unsafe(
                        format!("no longer require '{name}'"),
                        vec![Edit::Remove { pointer: dropped }],
                    );
            }
        }
    });
}

pub(super) fn input_not_object(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        let types = Types::of(sub.members);
        if sub.whole && sub.input && types.is_some_and(|types| !types.meets(Types::OBJECT)) {
            found.at(
                sub.pointer_of("type"),
                "arguments are always an object, so no call satisfies this; make the type 'object' and put the value under 'properties'",
            );
        }
    });
}

pub(super) fn type_missing(subject: &Subject<'_>, found: &mut Found<'_>) {
    const SAID: [&str; 10] = [
        "type",
        "$ref",
        "$dynamicRef",
        "$recursiveRef",
        "enum",
        "const",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
    ];
    each(subject, |sub| {
        if sub.branch || SAID.iter().any(|keyword| sub.has(keyword)) {
            return;
        }
        let mut applies = Types::ALL;
        let mut first = None;
        for keyword in sub.members.keys() {
            if let Some(types) = keywords::applies_to(keyword) {
                applies = applies.and(types);
                first = first.or(Some(keyword));
            }
        }
        let Some(keyword) = first else {
            return;
        };
        let name = [
            (Types::OBJECT, "object"),
            (Types::ARRAY, "array"),
            (Types::STRING, "string"),
            (Types::NUMBER, "number"),
        ];
        let Some((_, name)) = name.iter().find(|(types, _)| *types == applies) else {
            return;
        };
        let step = Edit::Insert {
            pointer: sub.pointer(),
            name: "type".to_owned(),
            value: json!(name),
        };
        found
            .at(
                sub.pointer(),
                format!("'{keyword}' holds for values of type '{name}' only, and every other value passes; add \"type\": \"{name}\""),
            )
            .fix_unsafe(format!("add the type '{name}'"), vec![step]);
    });
}

pub(super) fn default_not_filled_in(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        if sub.input && !sub.whole && sub.has("default") {
            found.at_name(
                sub.pointer_of("default"),
                "a default is never filled in: a call without this member is sent without it; tell the model in the description, or set a constant in the request map",
            );
        }
    });
}

pub(super) fn output_admits_anything(subject: &Subject<'_>, found: &mut Found<'_>) {
    for schema in subject.schemas() {
        let says_nothing = match schema.schema {
            Value::Bool(all) => *all,
            Value::Object(members) => members.keys().all(|keyword| is_annotation(keyword)),
            _ => false,
        };
        if !schema.input && says_nothing {
            found.at(
                schema.pointer,
                "every output satisfies this schema, so nothing a service sends is ever refused; say what is expected",
            );
        }
    }
}

pub(super) fn is_annotation(keyword: &str) -> bool {
    ANNOTATIONS.contains(&keyword) || keyword.starts_with("x-")
}

/// Whether a subschema asserts nothing besides these keywords.
pub(super) fn asserts_only(sub: &Sub<'_, '_>, keywords: &[&str]) -> bool {
    let mut names = sub.members.keys();
    names.all(|name| is_annotation(name) || keywords.contains(&name.as_str()))
}
