//! Keywords and formats that have no effect where they stand.

use jsonschema::Draft;
use serde_json::{Map, Value, json};

use super::types::Types;
use super::walk::{Sub, each};
use crate::lint::near::nearest;
use crate::lint::rule::Found;
use crate::lint::{Edit, Subject};

/// Keywords that say something to readers and assert nothing.
pub(super) const ANNOTATIONS: [&str; 15] = [
    "$schema",
    "$id",
    "id",
    "$comment",
    "$anchor",
    "$vocabulary",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// Keywords that assert something whatever the type, or apply other schemas.
const GENERAL: [&str; 17] = [
    "$ref",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "type",
    "enum",
    "const",
    "format",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "contentSchema",
];

/// Keywords that look at values of one type only.
const TYPED: [(&str, Types); 31] = [
    ("minimum", Types::NUMBER),
    ("maximum", Types::NUMBER),
    ("exclusiveMinimum", Types::NUMBER),
    ("exclusiveMaximum", Types::NUMBER),
    ("multipleOf", Types::NUMBER),
    ("minLength", Types::STRING),
    ("maxLength", Types::STRING),
    ("pattern", Types::STRING),
    ("contentEncoding", Types::STRING),
    ("contentMediaType", Types::STRING),
    ("items", Types::ARRAY),
    ("prefixItems", Types::ARRAY),
    ("additionalItems", Types::ARRAY),
    ("unevaluatedItems", Types::ARRAY),
    ("contains", Types::ARRAY),
    ("minContains", Types::ARRAY),
    ("maxContains", Types::ARRAY),
    ("minItems", Types::ARRAY),
    ("maxItems", Types::ARRAY),
    ("uniqueItems", Types::ARRAY),
    ("properties", Types::OBJECT),
    ("patternProperties", Types::OBJECT),
    ("additionalProperties", Types::OBJECT),
    ("unevaluatedProperties", Types::OBJECT),
    ("propertyNames", Types::OBJECT),
    ("required", Types::OBJECT),
    ("minProperties", Types::OBJECT),
    ("maxProperties", Types::OBJECT),
    ("dependentRequired", Types::OBJECT),
    ("dependentSchemas", Types::OBJECT),
    ("dependencies", Types::OBJECT),
];

/// Formats that every runtime asserts.
const ASSERTED: [&str; 9] = [
    "email",
    "date-time",
    "date",
    "time",
    "uri",
    "uuid",
    "ipv4",
    "ipv6",
    "hostname",
];

/// The other formats of the drafts.
const REGISTERED: [&str; 11] = [
    "duration",
    "idn-email",
    "idn-hostname",
    "uri-reference",
    "iri",
    "iri-reference",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
    "color",
];

/// Formats of OpenAPI, which annotate.
const ANNOTATING: [&str; 11] = [
    "int8", "int16", "int32", "int64", "uint32", "uint64", "float", "double", "byte", "binary",
    "password",
];

/// Most unknown keywords of one document for which a known one is sought.
const MOST_ASKED: usize = 1000;

/// The types whose values a keyword looks at; `None` for one that looks at all.
pub(super) fn applies_to(keyword: &str) -> Option<Types> {
    let found = TYPED.iter().find(|(name, _)| *name == keyword);
    found.map(|(_, types)| *types)
}

fn known() -> impl Iterator<Item = &'static str> {
    let general = ANNOTATIONS.into_iter().chain(GENERAL);
    general.chain(TYPED.into_iter().map(|(name, _)| name))
}

pub(super) fn unknown_keyword(subject: &Subject<'_>, found: &mut Found<'_>) {
    let mut asked = 0;
    each(subject, |sub| {
        for (keyword, value) in sub.members {
            if keyword.starts_with("x-")
                || keyword.starts_with("x_")
                || known().any(|name| name == keyword)
            {
                continue;
            }
            let pointer = sub.pointer_of(keyword);
            let free = known().filter(|name| !sub.has(name));
            asked += 1;
            let meant = (asked <= MOST_ASKED)
                .then(|| nearest(keyword, free))
                .flatten();
            if let Some(meant) = meant {
                let step = Edit::Rename {
                    pointer: pointer.clone(),
                    name: meant.to_owned(),
                };
                found
                    .at_name(pointer, format!("'{keyword}' is no keyword of JSON Schema and asserts nothing; did you mean '{meant}'?"))
                    // A word of the author's own may look like a keyword, and would assert something from then on.
                    .fix_unsafe(format!("rename '{keyword}' to '{meant}'"), vec![step]);
                continue;
            }
            let advice = match keyword.as_str() {
                "nullable" => "add \"null\" to the types instead",
                "example" => "list examples under 'examples'",
                "optional" => "leave the member out of 'required' instead",
                "discriminator" | "xml" | "externalDocs" => {
                    "it belongs to OpenAPI; begin its name with 'x-' to keep it"
                }
                _ if looks_like_schema(value) => "put members under 'properties'",
                _ => "begin its name with 'x-' if it is for readers",
            };
            let noted = found.at_name(
                pointer,
                format!("'{keyword}' is no keyword of JSON Schema and asserts nothing; {advice}"),
            );
            if let ("nullable", Value::Bool(true), Some(Value::String(kind))) =
                (keyword.as_str(), value, sub.get("type"))
            {
                let steps = vec![
                    Edit::Replace {
                        pointer: sub.pointer_of("type"),
                        value: json!([kind, "null"]),
                    },
                    Edit::Remove {
                        pointer: sub.pointer_of(keyword),
                    },
                ];
                noted.fix_unsafe("add \"null\" to the types", steps);
            }
        }
    });
}

fn looks_like_schema(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|members| Types::of(members).is_some())
}

pub(super) fn unknown_format(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        let Some(format) = sub.text("format") else {
            return;
        };
        let all = || ASSERTED.into_iter().chain(REGISTERED).chain(ANNOTATING);
        if all().any(|known| known == format) || format.starts_with("x-") {
            return;
        }
        let meant = match format {
            "url" | "link" => Some("uri"),
            "datetime" | "timestamp" | "iso8601" => Some("date-time"),
            "ip" | "ip4" => Some("ipv4"),
            "mail" => Some("email"),
            "guid" => Some("uuid"),
            _ => nearest(format, ASSERTED.into_iter().chain(REGISTERED)),
        };
        match meant {
            Some(meant) => {
                let step = Edit::Replace {
                    pointer: sub.pointer_of("format"),
                    value: json!(meant),
                };
                found
                    .at(
                        sub.pointer_of("format"),
                        format!(
                            "no format has this name, so every text passes; did you mean '{meant}'?"
                        ),
                    )
                    .fix_unsafe(format!("make the format '{meant}'"), vec![step]);
            }
            None => {
                found.at(
                    sub.pointer_of("format"),
                    "no format has this name, so every text passes; use a known format, or a 'pattern'",
                );
            }
        }
    });
}

pub(super) fn unasserted_format(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        let format = sub.text("format").unwrap_or_default();
        if REGISTERED.contains(&format) {
            found.at(
                sub.pointer_of("format"),
                format!("a runtime need not assert the format '{format}', so one refuses what another takes; add a 'pattern' that says what matters"),
            );
        } else if ANNOTATING.contains(&format) {
            found.at(
                sub.pointer_of("format"),
                format!("the format '{format}' is of OpenAPI and asserts nothing; add bounds or a 'pattern' that say what matters"),
            );
        }
    });
}

pub(super) fn keyword_without_effect(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        let Some(types) = Types::of(sub.members) else {
            return;
        };
        for (keyword, value) in sub.members {
            let looks_at = match (keyword.as_str(), value) {
                ("format", Value::String(format)) if !ANNOTATING.contains(&format.as_str()) => {
                    Types::STRING
                }
                _ => match applies_to(keyword) {
                    Some(types) => types,
                    None => continue,
                },
            };
            if types.meets(looks_at) {
                continue;
            }
            let pointer = sub.pointer_of(keyword);
            let noted = found.at_name(
                &pointer,
                format!("'{keyword}' does not look at values of the 'type' beside it and asserts nothing; remove it, or correct the type"),
            );
            match of_type(keyword, types).filter(|other| !sub.has(other)) {
                Some(other) => {
                    let name = other.to_owned();
                    noted.fix_unsafe(
                        format!("rename '{keyword}' to '{other}'"),
                        vec![Edit::Rename { pointer, name }],
                    );
                }
                None => {
                    noted.fix_unsafe(
                        format!("remove '{keyword}'"),
                        vec![Edit::Remove { pointer }],
                    );
                }
            }
        }
    });
}

/// The keyword that says of values of these types what another says of others.
fn of_type(keyword: &str, types: Types) -> Option<&'static str> {
    let table: [[&str; 4]; 2] = [
        ["minLength", "minItems", "minProperties", "minimum"],
        ["maxLength", "maxItems", "maxProperties", "maximum"],
    ];
    let row = table.iter().find(|row| row.contains(&keyword))?;
    let [string, array, object, _] = row;
    if types == Types::STRING {
        Some(string)
    } else if types == Types::ARRAY {
        Some(array)
    } else if types == Types::OBJECT {
        Some(object)
    } else {
        None
    }
}

pub(super) fn keyword_without_partner(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        let lonely: [(&str, bool, &str); 7] = [
            (
                "if",
                !sub.has("then") && !sub.has("else"),
                "'then' or 'else'",
            ),
            ("then", !sub.has("if"), "'if'"),
            ("else", !sub.has("if"), "'if'"),
            ("minContains", !sub.has("contains"), "'contains'"),
            ("maxContains", !sub.has("contains"), "'contains'"),
            (
                "additionalItems",
                sub.draft < Draft::Draft202012 && !sub.get("items").is_some_and(Value::is_array),
                "a list of schemas under 'items'",
            ),
            (
                "contentSchema",
                !sub.has("contentMediaType"),
                "'contentMediaType'",
            ),
        ];
        for (keyword, alone, partner) in lonely {
            if alone && sub.has(keyword) {
                let pointer = sub.pointer_of(keyword);
                found
                    .at_name(
                        &pointer,
                        format!(
                            "'{keyword}' asserts nothing without {partner}; add that, or remove it"
                        ),
                    )
                    .fix(
                        format!("remove '{keyword}'"),
                        vec![Edit::Remove {
                            pointer: pointer.clone(),
                        }],
                    );
            }
        }
    });
}

/// Keywords and the first and last draft that has them.
const DRAFTS: [(&str, Draft, Draft); 25] = [
    ("prefixItems", Draft::Draft202012, Draft::Draft202012),
    ("$dynamicRef", Draft::Draft202012, Draft::Draft202012),
    ("$dynamicAnchor", Draft::Draft202012, Draft::Draft202012),
    ("$recursiveRef", Draft::Draft201909, Draft::Draft201909),
    ("$recursiveAnchor", Draft::Draft201909, Draft::Draft201909),
    ("$anchor", Draft::Draft201909, Draft::Draft202012),
    ("dependentRequired", Draft::Draft201909, Draft::Draft202012),
    ("dependentSchemas", Draft::Draft201909, Draft::Draft202012),
    (
        "unevaluatedProperties",
        Draft::Draft201909,
        Draft::Draft202012,
    ),
    ("unevaluatedItems", Draft::Draft201909, Draft::Draft202012),
    ("minContains", Draft::Draft201909, Draft::Draft202012),
    ("maxContains", Draft::Draft201909, Draft::Draft202012),
    ("contentSchema", Draft::Draft201909, Draft::Draft202012),
    ("if", Draft::Draft7, Draft::Draft202012),
    ("then", Draft::Draft7, Draft::Draft202012),
    ("else", Draft::Draft7, Draft::Draft202012),
    ("contentEncoding", Draft::Draft7, Draft::Draft202012),
    ("contentMediaType", Draft::Draft7, Draft::Draft202012),
    ("const", Draft::Draft6, Draft::Draft202012),
    ("contains", Draft::Draft6, Draft::Draft202012),
    ("propertyNames", Draft::Draft6, Draft::Draft202012),
    ("$id", Draft::Draft6, Draft::Draft202012),
    ("id", Draft::Draft4, Draft::Draft4),
    ("dependencies", Draft::Draft4, Draft::Draft7),
    ("additionalItems", Draft::Draft4, Draft::Draft201909),
];

pub(super) fn keyword_of_another_draft(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        for keyword in sub.members.keys() {
            let Some((_, first, last)) = DRAFTS.iter().find(|(name, _, _)| name == keyword) else {
                continue;
            };
            if (*first..=*last).contains(&sub.draft) {
                continue;
            }
            let which = if sub.draft < *first {
                format!("came with draft {}", draft_name(*first))
            } else {
                format!("ended with draft {}", draft_name(*last))
            };
            let pointer = sub.pointer_of(keyword);
            let noted = found.at_name(
                &pointer,
                format!("'{keyword}' {which}, and this schema is read by draft {}; use a keyword of that, or name another '$schema'", draft_name(sub.draft)),
            );
            if let Some(name) = successor(sub, keyword).filter(|name| !sub.has(name)) {
                let name = name.to_owned();
                noted.fix_unsafe(
                    format!("rename '{keyword}' to '{name}'"),
                    vec![Edit::Rename { pointer, name }],
                );
            }
        }
    });
}

/// Whether a keyword came or went after draft 7, the oldest that every runtime knows.
pub(super) fn is_of_some_drafts(keyword: &str) -> bool {
    let found = DRAFTS.iter().find(|(name, _, _)| *name == keyword);
    found.is_some_and(|(_, first, last)| *first > Draft::Draft7 || *last < Draft::Draft202012)
}

/// What the drafts since 2019-09 call a keyword of before.
fn successor(sub: &Sub<'_, '_>, keyword: &str) -> Option<&'static str> {
    let values: Vec<&Value> = sub
        .object(keyword)
        .into_iter()
        .flat_map(Map::values)
        .collect();
    match keyword {
        "id" => Some("$id"),
        "dependencies" if values.iter().all(|value| value.is_array()) => Some("dependentRequired"),
        "dependencies" if values.iter().all(|value| !value.is_array()) => Some("dependentSchemas"),
        _ => None,
    }
}

/// A draft's short name.
pub(super) fn draft_name(draft: Draft) -> &'static str {
    match draft {
        Draft::Draft4 => "4",
        Draft::Draft6 => "6",
        Draft::Draft7 => "7",
        Draft::Draft201909 => "2019-09",
        _ => "2020-12",
    }
}
