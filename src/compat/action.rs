//! Actions: which there are, and what each has.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::change::{Changes, Direction};
use super::members::{Element, Matched, Pair, elements, matched, was_and_is};
use super::{access, call, quoted, schema, state};

/// Compares the actions of two documents.
pub(super) fn compare(document: &Pair<'_>, old: &Value, new: &Value, changes: &mut Changes) {
    let at = document.at.member("actions");
    let older = elements(document.old, "actions");
    let newer = elements(document.new, "actions");
    let Matched {
        both,
        gone,
        added,
        renamed,
    } = matched(&older, &newer);
    for (name, Element { index, .. }) in gone {
        let at = at.element(Some(index), None, &name);
        changes.add(
            "action_removed",
            &at,
            format!("action {} is gone", quoted(&name)),
        );
    }
    for (name, Element { index, .. }) in added {
        let at = at.element(None, Some(index), &name);
        changes.add(
            "action_added",
            &at,
            format!("action {} is new", quoted(&name)),
        );
    }
    for ((before, older), (after, newer)) in renamed {
        let at = at.element(Some(older.index), Some(newer.index), &before);
        let message = format!(
            "action {} is called {} now",
            quoted(&before),
            quoted(&after)
        );
        changes.add("action_renamed", &at, message);
    }
    let variables = (call::variables(&older), call::variables(&newer));
    let mut budget = schema::Budget::default();
    for (name, was, is) in both {
        let at = at.element(Some(was.index), Some(is.index), &name);
        let Some(pair) = Pair::of(was.value, is.value, at, changes) else {
            continue;
        };
        own(&pair, changes);
        schemas(&pair, &mut budget, changes);
        state::compare(&pair, changes);
        access::compare(&pair, old, new, changes);
        let actions = (&older, &newer);
        access::of_fallbacks(&pair.at, (was.value, is.value), actions, changes);
        if pair.texts("type", changes).is_some() {
            let (Some(was), Some(is)) = pair.get("type") else {
                let message = "the type is written on one side only";
                changes.add("action_type_changed", &pair.at.member("type"), message);
                continue;
            };
            let message = format!("the type {}", was_and_is(was, is));
            changes.add("action_type_changed", &pair.at.member("type"), message);
        } else {
            call::compare(
                &pair,
                &name,
                (&variables.0, &variables.1),
                (old, new),
                changes,
            );
        }
        pair.unknown_here(old, new, changes);
    }
}

/// What every action has.
fn own(pair: &Pair<'_>, changes: &mut Changes) {
    pair.words("description", "action_description_changed", changes);
    if let Some((old, new)) = pair.texts("feature_flag", changes) {
        let (kind, message) = match (old, new) {
            (None, flag) => (
                "feature_flag_added",
                format!("it needs the flag {}", quoted(flag.unwrap_or_default())),
            ),
            (Some(flag), None) => (
                "feature_flag_removed",
                format!("it needs the flag {} no more", quoted(flag)),
            ),
            (Some(old), Some(new)) => (
                "feature_flag_changed",
                format!(
                    "it needs the flag {} instead of {}",
                    quoted(new),
                    quoted(old)
                ),
            ),
        };
        changes.add(kind, &pair.at.member("feature_flag"), message);
    }
    if let Some((gone, added)) = pair.sets("effects", changes) {
        let at = pair.at.member("effects");
        for effect in gone {
            let message = format!("it no longer has the effect {}", quoted(effect));
            changes.add("effect_removed", &at.called(effect), message);
        }
        for effect in added {
            let message = format!("it has the effect {}", quoted(effect));
            changes.add("effect_added", &at.called(effect), message);
        }
    }
}

fn schemas(pair: &Pair<'_>, budget: &mut schema::Budget, changes: &mut Changes) {
    for (name, direction) in [
        ("input_schema", Direction::Input),
        ("output_schema", Direction::Output),
    ] {
        let at = pair.at.member(name);
        match pair.get(name) {
            (None, None) => {}
            (Some(old), Some(new)) => schema::compare(old, new, direction, &at, budget, changes),
            (None, Some(_)) => {
                changes.add_to_schema("schema_added", direction, &at, "there was no schema");
            }
            (Some(_), None) => {
                changes.add_to_schema("schema_removed", direction, &at, "there is no schema");
            }
        }
    }
}

/// The names of an object's members that are texts, for sets that are told apart whatever their case.
pub(super) fn folded(members: &Map<String, Value>) -> BTreeSet<String> {
    members
        .keys()
        .map(|name| name.to_ascii_lowercase())
        .collect()
}
