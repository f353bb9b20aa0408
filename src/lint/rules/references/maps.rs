//! `request_map` and `response_map` against the schemas between which they stand.

use std::collections::HashSet;

use serde_json::Value;

use super::declared::Declared;
use super::fallbacks::required;
use crate::json;
use crate::lint::Edit;
use crate::lint::near::nearest;
use crate::lint::rule::Found;
use crate::lint::subject::{Part, Subject};
use crate::manifest::Pointer;

/// The entries of a map: the pointer to each, its target, and its source where that is no constant.
fn entries<'v>(action: &Part<'v>, map: &str) -> Vec<(String, &'v str, Option<&'v str>)> {
    let members = action.get(map).and_then(Value::as_object);
    let pointer = action.pointer_of(map);
    let each = members.into_iter().flatten();
    each.map(|(target, source)| {
        (
            json::push(&pointer, target),
            target.as_str(),
            source.as_str(),
        )
    })
    .collect()
}

/// The first tokens of some pointers.
struct Firsts {
    /// One of them is the whole value.
    whole: bool,
    names: HashSet<String>,
}

impl Firsts {
    fn of(pointers: impl Iterator<Item = Pointer>) -> Self {
        let mut firsts = Firsts {
            whole: false,
            names: HashSet::new(),
        };
        for pointer in pointers {
            match pointer.tokens().first() {
                Some(first) => {
                    firsts.names.insert(first.clone());
                }
                None => firsts.whole = true,
            }
        }
        firsts
    }

    fn has(&self, name: &str) -> bool {
        self.whole || self.names.contains(name)
    }
}

/// Says that a source leads nowhere, when the schema says so.
pub(super) fn tell_source(
    schema: &Value,
    pointer: String,
    source: &str,
    whole: &str,
    found: &mut Found<'_>,
) {
    let Ok(parsed) = Pointer::parse(source) else {
        return;
    };
    let Some((closed, meant)) = nowhere(schema, &parsed) else {
        return;
    };
    let message = match &meant {
        Some(meant) => format!("{whole} has no '{source}' by its schema; did you mean '{meant}'?"),
        None => format!("{whole} has no '{source}' by its schema; name something that it has"),
    };
    let noted = found.at(pointer.clone(), message);
    if let Some(meant) = meant {
        let title = format!("write '{meant}'");
        let steps = vec![Edit::Replace {
            pointer,
            value: Value::String(meant),
        }];
        if closed {
            noted.fix(title, steps);
        } else {
            noted.fix_unsafe(title, steps);
        }
    }
}

/// Whether a schema has nothing at a place: then whether it forbids it, and the place that was surely meant.
fn nowhere(schema: &Value, place: &Pointer) -> Option<(bool, Option<String>)> {
    let (closed, step, names) = match Declared::at_pointer(schema, place.tokens()) {
        Declared::Never { step, names } => (true, step, names),
        Declared::Unnamed { step, names } => (false, step, names),
        _ => return None,
    };
    let given = place.tokens().get(step)?;
    let meant = nearest(given, names.iter()).map(|name| {
        let tokens = place.tokens().iter().enumerate();
        tokens.fold(String::new(), |at, (index, token)| {
            json::push(&at, if index == step { name } else { token })
        })
    });
    let meant = meant.filter(|meant| {
        let meant = Pointer::parse(meant);
        meant.is_ok_and(|meant| nowhere_at(schema, &meant).is_none())
    });
    Some((closed, meant))
}

fn nowhere_at(schema: &Value, place: &Pointer) -> Option<()> {
    match Declared::at_pointer(schema, place.tokens()) {
        Declared::Never { .. } | Declared::Unnamed { .. } => Some(()),
        _ => None,
    }
}

pub(super) fn request_sources(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let Some(schema) = action.get("input_schema") else {
            continue;
        };
        for (pointer, _, source) in entries(&action, "request_map") {
            if let Some(source) = source {
                tell_source(schema, pointer, source, "the input", found);
            }
        }
    }
}

pub(super) fn unsent(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let entries = entries(&action, "request_map");
        let Some(schema) = action.get("input_schema").filter(|_| !entries.is_empty()) else {
            continue;
        };
        // A fallback gets the arguments as well.
        if action.get("fallback_action").is_some() {
            continue;
        }
        let broken = |source: &str| Pointer::parse(source).is_err();
        if entries
            .iter()
            .any(|(_, _, source)| source.is_some_and(broken))
        {
            continue;
        }
        let sources = entries
            .iter()
            .filter_map(|(_, _, source)| Pointer::parse((*source)?).ok());
        let sources = Firsts::of(sources);
        let read = action.text("conditional").unwrap_or_default();
        for name in required(schema) {
            if !sources.has(name) && !read.contains(name) {
                let member = subject.spelled("request_map");
                let message = format!(
                    "'{name}' is required and sent nowhere; map it in '{member}', or take it out of the schema"
                );
                found.at_name(action.pointer_of("request_map"), message);
            }
        }
    }
}

pub(super) fn missing_outputs(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let entries = entries(&action, "response_map");
        let Some(schema) = action.get("output_schema").filter(|_| !entries.is_empty()) else {
            continue;
        };
        let targets = entries
            .iter()
            .filter_map(|(_, target, _)| Pointer::parse(target).ok());
        let targets = Firsts::of(targets);
        for name in required(schema) {
            if !targets.has(name) {
                let message = format!(
                    "the output schema requires '{name}', and nothing builds it; add an entry for '/{name}'"
                );
                found.at_name(action.pointer_of("response_map"), message);
            }
        }
    }
}

pub(super) fn unknown_outputs(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let Some(schema) = action.get("output_schema") else {
            continue;
        };
        for (pointer, target, _) in entries(&action, "response_map") {
            let Ok(parsed) = Pointer::parse(target) else {
                continue;
            };
            let Some((closed, meant)) = nowhere(schema, &parsed) else {
                continue;
            };
            let map = action.get("response_map");
            let meant = meant.filter(|meant| map.is_some_and(|map| map.get(meant).is_none()));
            let message = match &meant {
                Some(meant) => {
                    format!("the output schema has no '{target}'; did you mean '{meant}'?")
                }
                None => format!(
                    "the output schema has no '{target}'; declare it there, or build something else"
                ),
            };
            let noted = found.at_name(pointer.clone(), message);
            if let Some(meant) = meant {
                let title = format!("write '{meant}'");
                let steps = vec![Edit::Rename {
                    pointer: pointer.clone(),
                    name: meant,
                }];
                if closed {
                    noted.fix(title, steps);
                } else {
                    noted.fix_unsafe(title, steps);
                }
            }
        }
    }
}
