//! Where outputs go in the observation, and what else decides how a session goes on.

use std::collections::BTreeMap;

use serde_json::Value;

use super::change::Changes;
use super::members::Pair;
use super::{equal, member, quoted};
use crate::expression::{Expression, Template};

/// Compares what an action does to a session.
pub(super) fn compare(pair: &Pair<'_>, changes: &mut Changes) {
    result_path(pair, changes);
    if let Some((_, ends)) = pair.defaulted("completes_goal", false, Value::as_bool, changes) {
        let (kind, message) = match ends {
            true => ("completes_goal_set", "its success ends the session now"),
            false => (
                "completes_goal_unset",
                "its success no longer ends the session",
            ),
        };
        changes.add(kind, &pair.at.member("completes_goal"), message);
    }
    if let Some((old, new)) = pair.texts("conditional", changes) {
        let kind = match (old, new) {
            (None, _) => "conditional_added",
            (_, None) => "conditional_removed",
            (Some(old), Some(new)) if is_same_expression(old, new) => "conditional_respelled",
            _ => "conditional_changed",
        };
        let told = |text: Option<&str>| text.map_or("none".to_owned(), quoted);
        let message = format!("the condition was {} and is {}", told(old), told(new));
        changes.add(kind, &pair.at.member("conditional"), message);
    }
    fallback(pair, changes);
}

/// Targets with the sources that go there; a single pointer is a target for the whole output.
fn targets(value: &Value) -> Option<BTreeMap<&str, &str>> {
    match value {
        Value::String(target) => Some(BTreeMap::from([(target.as_str(), "")])),
        Value::Object(members) => members
            .iter()
            .map(|(target, source)| Some((target.as_str(), source.as_str()?)))
            .collect(),
        _ => None,
    }
}

fn result_path(pair: &Pair<'_>, changes: &mut Changes) {
    let name = "result_path";
    let at = pair.at.member(name);
    let Some((old, new)) = pair.differing(name, targets, changes) else {
        return;
    };
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (None, _) => {
            let message = "the output goes to a place of its own instead of being merged";
            return changes.add("result_path_added", &at, message);
        }
        (_, None) => {
            let message = "the output is merged instead of going to its place";
            return changes.add("result_path_removed", &at, message);
        }
    };
    let before = changes.len();
    for (target, source) in &old {
        match new.get(target) {
            None => {
                let message = format!("nothing of the output goes to {} any more", quoted(target));
                changes.add("result_target_removed", &at.called(target), message);
            }
            Some(other) if other != source => {
                let message = format!("another part of the output goes to {}", quoted(target));
                changes.add("result_source_changed", &at.called(target), message);
            }
            Some(_) => {}
        }
    }
    for target in new.keys().filter(|target| !old.contains_key(*target)) {
        let message = format!("a part of the output goes to {} too", quoted(target));
        changes.add("result_target_added", &at.called(target), message);
    }
    if changes.len() == before {
        let kind = match pair.get(name) {
            (Some(Value::String(_)), _) => "default_written",
            _ => "default_omitted",
        };
        changes.add(
            kind,
            &at,
            "the whole output goes to the same place, written in another way",
        );
    }
}

fn fallback(pair: &Pair<'_>, changes: &mut Changes) {
    let name = "fallback_action";
    let at = pair.at.member(name);
    fn read(value: &Value) -> Option<&Value> {
        (value.is_string() || value.is_object()).then_some(value)
    }
    let Some((old, new)) = pair.differing(name, read, changes) else {
        return;
    };
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (None, _) => {
            let message = "what fails is followed by another action";
            return changes.add("fallback_added", &at, message);
        }
        (_, None) => {
            let message = "what fails is no longer followed by another action";
            return changes.add("fallback_removed", &at, message);
        }
    };
    let named = |value: &Value| -> (Option<String>, Option<String>) {
        let text = |name| {
            member(value, name)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        match value {
            Value::String(name) => (Some(name.clone()), None),
            _ => (text("name"), text("plugin_reference")),
        }
    };
    if named(old) != named(new) {
        let message = "what fails is followed by a different action";
        changes.add("fallback_action_changed", &at, message);
    } else if old.is_object() && new.is_object() && is_same_node(old, new) {
        let message = "an expression of the fallback is written in another way";
        changes.add("fallback_node_respelled", &at, message);
    } else if !equal(old, new) {
        let message = "the fallback is the same action and has other members";
        changes.add("fallback_node_changed", &at, message);
    }
}

/// Whether two texts are one expression, whatever white space, quotes and needless parentheses they are written with.
fn is_same_expression(old: &str, new: &str) -> bool {
    match (Expression::parse(old), Expression::parse(new)) {
        (Ok(old), Ok(new)) => old == new,
        _ => false,
    }
}

/// Whether two nodes differ in how their conditionals and templates are written, and in nothing else.
fn is_same_node(old: &Value, new: &Value) -> bool {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return false;
    };
    old.len() == new.len()
        && old.iter().all(|(name, old)| {
            let Some(new) = new.get(name) else {
                return false;
            };
            match (name.as_str(), old, new) {
                ("conditional", Value::String(old), Value::String(new)) => {
                    old == new || is_same_expression(old, new)
                }
                ("input", old, new) => is_same_input(old, new),
                _ => equal(old, new),
            }
        })
}

/// The same of inputs, whose texts hold templates. As deep as the document.
fn is_same_input(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::String(old), Value::String(new)) => {
            old == new
                || match (Template::parse(old), Template::parse(new)) {
                    (Ok(old), Ok(new)) => old == new,
                    _ => false,
                }
        }
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len()
                && old
                    .iter()
                    .zip(new)
                    .all(|(old, new)| is_same_input(old, new))
        }
        (Value::Object(old), Value::Object(new)) => {
            old.len() == new.len()
                && old.iter().all(|(name, old)| {
                    let new = new.get(name);
                    new.is_some_and(|new| is_same_input(old, new))
                })
        }
        (old, new) => equal(old, new),
    }
}
