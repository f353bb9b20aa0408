//! `result_path`: what is taken out of the output, and where actions lay their results.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::declared::Declared;
use super::kinds::Kinds;
use super::maps;
use crate::json;
use crate::lint::rule::Found;
use crate::lint::subject::{Part, Subject};
use crate::manifest::Pointer;

/// One place to which an action lays something.
struct Target<'v> {
    place: Pointer,
    /// Where it is said.
    pointer: String,
    /// Index of the action among those with targets.
    action: usize,
    /// What the output schema says of the part.
    part: Declared<'v>,
}

/// The parts of an object form: its pointer, the target and the source.
fn parts<'v>(action: &Part<'v>) -> Vec<(String, &'v str, &'v str)> {
    let members = action.get("result_path").and_then(Value::as_object);
    let pointer = action.pointer_of("result_path");
    let each = members.into_iter().flatten();
    each.filter_map(|(target, source)| {
        Some((
            json::push(&pointer, target),
            target.as_str(),
            source.as_str()?,
        ))
    })
    .collect()
}

pub(super) fn sources(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let Some(schema) = action.get("output_schema") else {
            continue;
        };
        for (pointer, _, source) in parts(&action) {
            maps::tell_source(schema, pointer, source, "the output", found);
        }
    }
}

pub(super) fn optional_sources(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let Some(schema) = action.get("output_schema") else {
            continue;
        };
        for (pointer, _, source) in parts(&action) {
            let Ok(parsed) = Pointer::parse(source) else {
                continue;
            };
            if let Declared::Schema { surely: false, .. } =
                Declared::at_pointer(schema, parsed.tokens())
            {
                let message = format!(
                    "the output may lack '{source}', and then the action fails; require it in the output schema"
                );
                found.at(pointer, message);
            }
        }
    }
}

fn targets<'v>(actions: &[Part<'v>]) -> Vec<Target<'v>> {
    let mut targets = Vec::new();
    for (index, action) in actions.iter().enumerate() {
        let schema = action.get("output_schema");
        if let Some(Value::String(target)) = action.get("result_path")
            && let Ok(place) = Pointer::parse(target)
        {
            targets.push(Target {
                place,
                pointer: action.pointer_of("result_path"),
                action: index,
                part: schema.map_or(Declared::Unknown, |schema| Declared::find(schema, &[])),
            });
        }
        for (pointer, target, source) in parts(action) {
            let (Ok(place), Ok(source)) = (Pointer::parse(target), Pointer::parse(source)) else {
                continue;
            };
            let part = schema.map_or(Declared::Unknown, |schema| {
                Declared::at_pointer(schema, source.tokens())
            });
            targets.push(Target {
                place,
                pointer,
                action: index,
                part,
            });
        }
    }
    targets.sort_by(|a, b| (&a.place, a.action).cmp(&(&b.place, b.action)));
    targets
}

fn name_of<'v>(actions: &[Part<'v>], index: usize) -> &'v str {
    actions
        .get(index)
        .and_then(|action| action.text("name"))
        .unwrap_or_default()
}

pub(super) fn wiped(subject: &Subject<'_>, found: &mut Found<'_>) {
    let actions = subject.actions();
    let targets = targets(&actions);
    // Sorted, so that everything below a place follows it.
    let mut above: Vec<&Target<'_>> = Vec::new();
    for target in &targets {
        while above
            .last()
            .is_some_and(|upper| !upper.place.covers(&target.place))
        {
            above.pop();
        }
        let other = above
            .iter()
            .rev()
            .find(|upper| upper.action != target.action && upper.place != target.place);
        if let Some(upper) = other
            && let Some(verb) = harm(upper, target)
        {
            let message = format!(
                "'{}' lies within '{}', where '{}' {verb}; choose another place",
                target.place,
                upper.place,
                name_of(&actions, upper.action)
            );
            found.at(target.pointer.clone(), message);
        }
        above.push(target);
    }
}

/// What the upper result does to the lower one; none where it has that part itself and may be meant to bring it.
fn harm(upper: &Target<'_>, lower: &Target<'_>) -> Option<&'static str> {
    let Declared::Schema { schema, .. } = &upper.part else {
        return Some("lays its whole result");
    };
    if !Kinds::taken_by(schema).meets(Kinds::OBJECT) {
        return Some("lays something that is no object");
    }
    let way = lower
        .place
        .tokens()
        .get(upper.place.tokens().len()..)
        .unwrap_or_default();
    match Declared::at_pointer(schema, way) {
        Declared::Schema { .. } => None,
        _ => Some("lays its whole result"),
    }
}

pub(super) fn shared(subject: &Subject<'_>, found: &mut Found<'_>) {
    let actions = subject.actions();
    let targets = targets(&actions);
    let fallbacks: HashSet<(&str, &str)> = actions
        .iter()
        .filter_map(|action| {
            let fallback = action.get("fallback_action")?;
            let name = fallback
                .as_str()
                .or_else(|| fallback.get("name")?.as_str())?;
            Some((action.text("name")?, name))
        })
        .collect();
    let mut first: HashMap<&Pointer, usize> = HashMap::new();
    for target in &targets {
        let Some(&other) = first.get(&target.place) else {
            first.insert(&target.place, target.action);
            continue;
        };
        let (one, two) = (name_of(&actions, other), name_of(&actions, target.action));
        let related = fallbacks.contains(&(one, two)) || fallbacks.contains(&(two, one));
        if other != target.action && !related {
            let message = format!(
                "'{one}' lays its result at '{}' too; the later one replaces the earlier",
                target.place
            );
            found.at(target.pointer.clone(), message);
        }
    }
}
