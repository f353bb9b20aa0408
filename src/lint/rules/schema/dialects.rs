//! Drafts of JSON Schema, references and definitions.

use std::collections::{BTreeSet, HashMap};

use jsonschema::Draft;
use serde_json::{Map, Value, json};

use super::keywords::{ANNOTATIONS, draft_name, is_of_some_drafts};
use super::walk::{LONGEST, Sub, each};
use crate::json;
use crate::lint::rule::Found;
use crate::lint::{ActionSchema, Edit, Subject};

/// The dialect that holds where none is named.
const CURRENT: &str = "https://json-schema.org/draft/2020-12/schema";

pub(super) fn ref_siblings_ignored(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        if sub.draft > Draft::Draft7 || sub.text("$ref").is_none() {
            return;
        }
        let ignored = sub.members.keys().find(|name| {
            *name != "$ref" && !ANNOTATIONS.contains(&name.as_str()) && !name.starts_with("x-")
        });
        let Some(ignored) = ignored else {
            return;
        };
        let pointer = sub.pointer_of("$ref");
        let noted = found.at_name(
            &pointer,
            format!("in draft {} nothing that stands beside '$ref' is read, '{ignored}' neither; put the reference into 'allOf'", draft_name(sub.draft)),
        );
        if !sub.has("allOf") {
            let steps = vec![
                Edit::Replace {
                    pointer: pointer.clone(),
                    value: json!([{"$ref": sub.get("$ref")}]),
                },
                Edit::Rename {
                    pointer,
                    name: "allOf".to_owned(),
                },
            ];
            noted.fix_unsafe("put the reference into 'allOf'", steps);
        }
    });
}

pub(super) fn missing_dialect(subject: &Subject<'_>, found: &mut Found<'_>) {
    let mut told: Option<&Value> = None;
    each(subject, |sub| {
        // Once for a schema, where its first such keyword stands.
        if sub.root.get("$schema").is_some()
            || told.is_some_and(|root| std::ptr::eq(root, sub.root))
        {
            return;
        }
        let Some(keyword) = sub.members.keys().find(|keyword| differs(sub, keyword)) else {
            return;
        };
        told = Some(sub.root);
        let noted = found.at_name(
            sub.pointer_of(keyword),
            format!("'{keyword}' has not the same meaning in all drafts, and this schema does not say which is its own; name it in '$schema'"),
        );
        let step = Edit::Insert {
            pointer: sub.whole_pointer(),
            name: "$schema".to_owned(),
            value: json!(CURRENT),
        };
        noted.fix("name draft 2020-12, by which it is read", vec![step]);
    });
}

/// Whether a draft that is in use takes a keyword otherwise than 2020-12, or not at all.
fn differs(sub: &Sub<'_, '_>, keyword: &str) -> bool {
    match keyword {
        "$ref" => {
            let asserts = |name: &&String| *name != "$ref" && !ANNOTATIONS.contains(&name.as_str());
            sub.members.keys().any(|name| asserts(&name))
        }
        "definitions" => true,
        "items" => sub.has("prefixItems"),
        _ => is_of_some_drafts(keyword),
    }
}

pub(super) fn optional_dialect(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        let optional = matches!(
            sub.draft,
            Draft::Draft4 | Draft::Draft6 | Draft::Draft201909
        );
        if sub.whole && optional {
            found.at(
                sub.pointer_of("$schema"),
                format!("a runtime need not know draft {}, and refuses the manifest if it does not; write the schema for 2020-12 or draft 7", draft_name(sub.draft)),
            );
        }
    });
}

pub(super) fn definitions_keyword(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject, |sub| {
        if sub.draft < Draft::Draft201909 || sub.object("definitions").is_none() {
            return;
        }
        let pointer = sub.pointer_of("definitions");
        let noted = found.at_name(
            &pointer,
            format!("since draft 2019-09 definitions stand under '$defs'; rename the member and the references to it, or name draft 7 in '$schema' (this is read by {})", draft_name(sub.draft)),
        );
        if sub.whole && !sub.has("$defs") {
            let mut steps = Vec::new();
            let Some(references) = references(sub.root, &sub.pointer()) else {
                return;
            };
            for (place, target) in references {
                if let Some(rest) = target.strip_prefix("#/definitions/") {
                    steps.push(Edit::Replace {
                        pointer: place,
                        value: json!(format!("#/$defs/{rest}")),
                    });
                }
            }
            steps.push(Edit::Rename {
                pointer,
                name: "$defs".to_owned(),
            });
            noted.fix("rename 'definitions' to '$defs', and its references", steps);
        }
    });
}

pub(super) fn unused_definition(subject: &Subject<'_>, found: &mut Found<'_>) {
    for schema in subject.schemas() {
        let Some(members) = schema.schema.as_object() else {
            continue;
        };
        for keyword in ["$defs", "definitions"] {
            if let Some(definitions) = members.get(keyword).and_then(Value::as_object) {
                unused(&schema, keyword, definitions, found);
            }
        }
    }
}

fn unused(
    schema: &ActionSchema<'_>,
    keyword: &str,
    definitions: &Map<String, Value>,
    found: &mut Found<'_>,
) {
    let container = json::push(&schema.pointer, keyword);
    if definitions.is_empty() {
        found
            .at_name(&container, format!("'{keyword}' is empty; remove it"))
            .fix(
                format!("remove '{keyword}'"),
                vec![Edit::Remove {
                    pointer: container.clone(),
                }],
            );
        return;
    }
    // Which definition each reference stands in, if in any, and which it leads to.
    let mut leads: HashMap<Option<&str>, BTreeSet<&str>> = HashMap::new();
    let Some(references) = references(schema.schema, &schema.pointer) else {
        return;
    };
    for (place, target) in references {
        let inside = place
            .strip_prefix(&container)
            .and_then(|rest| rest.strip_prefix('/')?.split('/').next())
            .map(|token| token.replace("~1", "/").replace("~0", "~"));
        let inside = inside
            .and_then(|name| definitions.get_key_value(&name))
            .map(|(name, _)| name.as_str());
        let to = leads.entry(inside).or_default();
        to.extend(led_to(target, keyword, definitions));
    }
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<&str> = leads.get(&None).into_iter().flatten().copied().collect();
    while let Some(name) = open.pop() {
        if used.insert(name) {
            open.extend(leads.get(&Some(name)).into_iter().flatten());
        }
    }
    for name in definitions.keys() {
        if !used.contains(name.as_str()) {
            let pointer = json::push(&container, name);
            found
                .at_name(
                    &pointer,
                    format!("nothing refers to the definition '{name}'; remove it"),
                )
                .fix(
                    format!("remove '{name}'"),
                    vec![Edit::Remove {
                        pointer: pointer.clone(),
                    }],
                );
        }
    }
}

/// The definitions that a reference leads to or into; all of them where that cannot be told.
fn led_to<'d>(target: &str, keyword: &str, definitions: &'d Map<String, Value>) -> Vec<&'d str> {
    let all = || definitions.keys().map(String::as_str).collect();
    let Some((_, fragment)) = target.split_once('#') else {
        return all();
    };
    if fragment.is_empty() {
        return Vec::new();
    }
    if fragment.contains('%') {
        return all();
    }
    if let Some(rest) = fragment.strip_prefix('/') {
        let mut tokens = rest
            .split('/')
            .map(|token| token.replace("~1", "/").replace("~0", "~"));
        if tokens.next().as_deref() != Some(keyword) {
            return Vec::new();
        }
        let name = tokens.next().unwrap_or_default();
        let found = definitions.get_key_value(&name);
        return found.into_iter().map(|(name, _)| name.as_str()).collect();
    }
    let anchored = |schema: &Value| {
        ["$anchor", "$dynamicAnchor", "$id", "id"]
            .iter()
            .any(|keyword| {
                let anchor = schema.get(keyword).and_then(Value::as_str);
                anchor.is_some_and(|anchor| anchor.trim_start_matches('#') == fragment)
            })
    };
    let named: Vec<&str> = definitions
        .iter()
        .filter(|(_, schema)| anchored(schema))
        .map(|(name, _)| name.as_str())
        .collect();
    // The anchor may stand deep within one of them.
    if named.is_empty() { all() } else { named }
}

/// Every reference in a schema: its place and its text. None when names are so long that their places cannot all be told.
fn references<'v>(schema: &'v Value, pointer: &str) -> Option<Vec<(String, &'v str)>> {
    let mut found = Vec::new();
    let mut open = vec![(schema, pointer.to_owned())];
    while let Some((value, pointer)) = open.pop() {
        if pointer.len() > LONGEST {
            return None;
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let place = || json::push(&pointer, name);
                    match (name.as_str(), member) {
                        ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(target)) => {
                            found.push((place(), target.as_str()));
                        }
                        ("const" | "enum" | "default" | "examples", _) => {}
                        (_, Value::Object(_) | Value::Array(_)) => open.push((member, place())),
                        _ => {}
                    }
                }
            }
            Value::Array(elements) => {
                let each = elements.iter().enumerate();
                open.extend(each.map(|(index, element)| (element, format!("{pointer}/{index}"))));
            }
            _ => {}
        }
    }
    Some(found)
}
