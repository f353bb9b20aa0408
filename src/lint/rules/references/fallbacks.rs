//! What fallbacks name, and whether it can run in their place.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::declared::Declared;
use super::kinds::Kinds;
use crate::expression::Step;
use crate::json;
use crate::lint::Edit;
use crate::lint::rule::Found;
use crate::lint::rules::plan::nodes::{self, Place};
use crate::lint::subject::{DocumentKind, Part, Subject};

/// Most required members that are looked at.
const MOST_NAMES: usize = 1000;
/// Longest list of an intent that a change is offered for, and most such changes.
const LONGEST_LIST: usize = 200;
const MOST_CHANGES: usize = 100;

/// A fallback that is a definition of the same manifest.
struct Fallback<'v> {
    /// Where its name stands.
    place: String,
    name: &'v str,
    /// Its own input, where it is a node that has one.
    input: Option<(String, &'v Map<String, Value>)>,
}

/// What the fallback of an action names; none when it has none, or a plugin's.
fn fallback<'v>(action: &Part<'v>) -> Option<Fallback<'v>> {
    let pointer = action.pointer_of("fallback_action");
    match action.get("fallback_action")? {
        Value::String(name) => Some(Fallback {
            place: pointer,
            name,
            input: None,
        }),
        Value::Object(node) if !node.contains_key("plugin_reference") => {
            let input = node.get("input").and_then(Value::as_object);
            Some(Fallback {
                place: json::push(&pointer, "name"),
                name: node.get("name")?.as_str()?,
                input: input.map(|input| (json::push(&pointer, "input"), input)),
            })
        }
        _ => None,
    }
}

/// Each action with its fallback and the action that it names, where that is another one.
fn pairs<'s>(actions: &'s [Part<'s>]) -> Vec<(&'s Part<'s>, Fallback<'s>, &'s Part<'s>)> {
    let found = actions
        .iter()
        .filter_map(|action| Some((action, fallback(action)?)));
    let mut found = found.peekable();
    if found.peek().is_none() {
        return Vec::new();
    }
    let mut named: HashMap<&str, &Part<'_>> = HashMap::new();
    for action in actions {
        if let Some(name) = action.text("name") {
            named.entry(name).or_insert(action);
        }
    }
    found
        .filter_map(|(action, fallback)| {
            let other = *named.get(fallback.name)?;
            (other.pointer != action.pointer).then_some((action, fallback, other))
        })
        .collect()
}

pub(super) fn nested(subject: &Subject<'_>, found: &mut Found<'_>) {
    let mut tell = |pointer: String| {
        found
            .at_name(
                pointer.clone(),
                "this never runs: there is no fallback of a fallback; remove it",
            )
            .fix(
                "remove the fallback of the fallback",
                vec![Edit::Remove { pointer }],
            );
    };
    match subject.kind() {
        DocumentKind::Manifest => {
            for action in subject.actions() {
                let node = action.get("fallback_action").and_then(Value::as_object);
                if node.is_some_and(|node| node.contains_key("fallback_action")) {
                    tell(json::push(
                        &action.pointer_of("fallback_action"),
                        "fallback_action",
                    ));
                }
            }
        }
        DocumentKind::Plan => {
            for node in nodes::nodes(subject) {
                if node.place == Place::Fallback(1) && node.get("fallbackAction").is_some() {
                    tell(node.pointer_of("fallbackAction"));
                }
            }
        }
        _ => {}
    }
}

pub(super) fn chains(subject: &Subject<'_>, found: &mut Found<'_>) {
    for (action, first, other) in pairs(&subject.actions()) {
        let Some(second) = fallback(other) else {
            continue;
        };
        // A circle is refused as such.
        if action.text("name") == Some(second.name) || second.name == first.name {
            continue;
        }
        let (name, next) = (first.name, second.name);
        let message = format!("'{name}' has the fallback '{next}', which does not run here");
        found.at(first.place, message);
    }
}

pub(super) fn people(subject: &Subject<'_>, found: &mut Found<'_>) {
    for (_, fallback, other) in pairs(&subject.actions()) {
        if other.text("type") == Some("human_intervention") {
            let message = format!(
                "'{}' asks a person and never runs as a fallback; name another action",
                fallback.name
            );
            found.at(fallback.place, message);
        }
    }
}

pub(super) fn flags(subject: &Subject<'_>, found: &mut Found<'_>) {
    for (action, fallback, other) in pairs(&subject.actions()) {
        if let Some(flag) = other.text("feature_flag")
            && action.text("feature_flag") != Some(flag)
        {
            let message = format!(
                "'{}' exists only with the flag '{flag}', which this action does not need; give both the same flag",
                fallback.name
            );
            found.at(fallback.place, message);
        }
    }
}

pub(super) fn intents(subject: &Subject<'_>, found: &mut Found<'_>) {
    let actions = subject.actions();
    let fallbacks: HashMap<&str, &str> = pairs(&actions)
        .into_iter()
        .filter_map(|(action, fallback, _)| Some((action.text("name")?, fallback.name)))
        .collect();
    if fallbacks.is_empty() {
        return;
    }
    let mut changes = 0;
    for intent in subject.intents() {
        let Some(Value::Array(listed)) = intent.get("actions") else {
            continue;
        };
        let names: HashSet<&str> = listed.iter().filter_map(Value::as_str).collect();
        for (index, name) in listed.iter().enumerate() {
            let fallback = name.as_str().and_then(|name| fallbacks.get(name));
            let Some(fallback) = fallback.filter(|fallback| !names.contains(**fallback)) else {
                continue;
            };
            let list = intent.pointer_of("actions");
            let message =
                format!("its fallback '{fallback}' does not exist with this intent; list it too");
            let noted = found.at(json::push(&list, &index.to_string()), message);
            if listed.len() > LONGEST_LIST || changes == MOST_CHANGES {
                continue;
            }
            changes += 1;
            let mut longer = listed.clone();
            longer.push(Value::from(*fallback));
            let replace = Edit::Replace {
                pointer: list,
                value: Value::Array(longer),
            };
            noted.fix_unsafe(format!("list '{fallback}' in the intent"), vec![replace]);
        }
    }
}

/// The names that a schema requires at its top.
pub(super) fn required(schema: &Value) -> impl Iterator<Item = &str> {
    let names = schema.get("required").and_then(Value::as_array);
    names
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .take(MOST_NAMES)
}

pub(super) fn inputs(subject: &Subject<'_>, found: &mut Found<'_>) {
    for (action, fallback, other) in pairs(&subject.actions()) {
        let Some(wanted) = other.get("input_schema") else {
            continue;
        };
        let name = fallback.name;
        if let Some((place, input)) = &fallback.input {
            own_input(name, place, input, wanted, found);
            continue;
        }
        let Some(given) = action.get("input_schema") else {
            continue;
        };
        let at = |schema, member| Declared::find(schema, &[Step::Member(member)]);
        for member in required(given) {
            if let Declared::Never { .. } = at(wanted, member) {
                let message = format!(
                    "'{name}' refuses '{member}', which this action requires, and gets the same input; give the fallback an 'input' of its own"
                );
                found.at(fallback.place.clone(), message);
            }
        }
        for member in required(wanted) {
            if let Declared::Never { .. } | Declared::Unnamed { .. } = at(given, member) {
                let message = format!(
                    "'{name}' requires '{member}', which the input of this action does not have; give the fallback an 'input' of its own"
                );
                found.at(fallback.place.clone(), message);
                continue;
            }
            if let (Declared::Schema { schema: one, .. }, Declared::Schema { schema: two, .. }) =
                (at(given, member), at(wanted, member))
            {
                let (one, two) = (Kinds::taken_by(one), Kinds::taken_by(two));
                if !one.meets(two) {
                    let message = format!(
                        "'{member}' is {} here and {} for '{name}', which gets the same input; give the fallback an 'input' of its own",
                        one.words(),
                        two.words()
                    );
                    found.at(fallback.place.clone(), message);
                }
            }
        }
    }
}

fn own_input(
    name: &str,
    place: &str,
    input: &Map<String, Value>,
    wanted: &Value,
    found: &mut Found<'_>,
) {
    for member in required(wanted) {
        if !input.contains_key(member) {
            let message = format!("'{name}' requires '{member}'; add it to this input");
            found.at(place, message);
        }
    }
    for (member, value) in input {
        let pointer = json::push(place, member);
        match Declared::find(wanted, &[Step::Member(member)]) {
            Declared::Never { .. } => {
                let message = format!("'{name}' refuses '{member}'; leave it out");
                found.at_name(pointer, message);
            }
            Declared::Schema { schema, .. } => {
                let is_template = value.as_str().is_some_and(|text| text.contains("{{"));
                let kinds = Kinds::taken_by(schema);
                if !is_template && !kinds.meets(Kinds::of(value)) {
                    let message = format!("'{name}' wants {} for '{member}'", kinds.words());
                    found.at(pointer, message);
                }
            }
            _ => {}
        }
    }
}
