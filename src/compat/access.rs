//! Who may do it, how often, and with whose approval.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::change::{At, Changes};
use super::members::{Element, Pair};
use super::{member, quoted};

/// Compares `access_control` of two actions or intents.
pub(super) fn compare(outer: &Pair<'_>, old: &Value, new: &Value, changes: &mut Changes) {
    let Some(pair) = outer.object("access_control", changes) else {
        return;
    };
    if let Some((gone, added)) = pair.sets("required_scopes", changes) {
        let at = pair.at.member("required_scopes");
        for scope in gone {
            let message = format!("the scope {} is no longer needed", quoted(scope));
            changes.add("scope_removed", &at.called(scope), message);
        }
        for scope in added {
            let message = format!("the scope {} is needed", quoted(scope));
            changes.add("scope_added", &at.called(scope), message);
        }
    }
    rate_limit(&pair, changes);
    if let Some((old, new)) = pair.defaulted("verification", "none", Value::as_str, changes) {
        let kind = match (old, new) {
            ("none", "approval") => "approval_added",
            ("approval", "none") => "approval_removed",
            _ => "unreadable_changed",
        };
        let message = match kind {
            "approval_added" => "every call goes through a person",
            "approval_removed" => "calls no longer go through a person",
            _ => "the verification differs and cannot be read",
        };
        changes.add(kind, &pair.at.member("verification"), message);
    }
    pair.unknown_here(old, new, changes);
}

/// So many calls in so many seconds.
fn rate(text: &str) -> Option<(u64, u64)> {
    let (count, unit) = text.split_once('/')?;
    let seconds = match unit {
        "s" | "sec" => 1,
        "min" => 60,
        "hour" => 3600,
        "day" => 86_400,
        _ => return None,
    };
    Some((count.parse().ok()?, seconds))
}

/// Whether every row of calls that the narrow limit admits, the wide one admits too.
fn admits(wide: (u64, u64), narrow: (u64, u64)) -> bool {
    if wide.1 <= narrow.1 {
        return wide.0 >= narrow.0;
    }
    // A window touches one unit more than fit into it.
    let units = (wide.1 / narrow.1.max(1)).saturating_add(1);
    wide.0 >= narrow.0.saturating_mul(units)
}

fn rate_limit(pair: &Pair<'_>, changes: &mut Changes) {
    let name = "rate_limit";
    let read = |value: &Value| rate(value.as_str()?);
    let Some((old, new)) = pair.differing(name, read, changes) else {
        return;
    };
    let kind = match (old, new) {
        (None, _) => "rate_limit_added",
        (_, None) => "rate_limit_removed",
        (Some(old), Some(new)) if old == new => "rate_limit_respelled",
        (Some(old), Some(new)) if admits(old, new) => "rate_limit_tightened",
        (Some(old), Some(new)) if admits(new, old) => "rate_limit_loosened",
        _ => "rate_limit_changed",
    };
    let told = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("none").to_owned();
    let (old, new) = pair.get(name);
    let message = format!("the rate limit was {} and is {}", told(old), told(new));
    changes.add(kind, &pair.at.member(name), message);
}

/// Compares the scopes that fallbacks need beyond those of the action itself: they are demanded although it succeeds.
pub(super) fn of_fallbacks(
    at: &At,
    (old, new): (&Value, &Value),
    (older, newer): (
        &BTreeMap<String, Element<'_>>,
        &BTreeMap<String, Element<'_>>,
    ),
    changes: &mut Changes,
) {
    let at = at.member("fallback_action");
    let (own_old, own_new) = (scopes(old), scopes(new));
    let (far_old, far_new) = (of_chain(old, older), of_chain(new, newer));
    for scope in &far_new {
        if !far_old.contains(scope) && !own_old.contains(scope) && !own_new.contains(scope) {
            let message = format!("the fallback needs the scope {}", quoted(scope));
            changes.add("fallback_scope_added", &at.called(scope), message);
        }
    }
    for scope in &far_old {
        if !far_new.contains(scope) && !own_new.contains(scope) && !own_old.contains(scope) {
            let message = format!("no fallback needs the scope {} any more", quoted(scope));
            changes.add("fallback_scope_removed", &at.called(scope), message);
        }
    }
}

fn scopes(action: &Value) -> BTreeSet<&str> {
    let list = member(action, "access_control")
        .and_then(|access| member(access, "required_scopes"))
        .and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// The scopes of all that may run in an action's place.
fn of_chain<'v>(action: &'v Value, actions: &BTreeMap<String, Element<'v>>) -> BTreeSet<&'v str> {
    const LONGEST: usize = 64;
    let mut found = BTreeSet::new();
    let mut names = BTreeSet::new();
    let mut next: Vec<&Value> = member(action, "fallback_action").into_iter().collect();
    for _ in 0..LONGEST {
        let Some(fallback) = next.pop() else { break };
        let name = fallback
            .as_str()
            .or_else(|| member(fallback, "name").and_then(Value::as_str));
        found.extend(scopes(fallback));
        next.extend(member(fallback, "fallback_action"));
        let Some(named) = name.filter(|name| names.insert(*name)) else {
            continue;
        };
        if let Some(element) = actions.get(named) {
            found.extend(scopes(element.value));
            next.extend(member(element.value, "fallback_action"));
        }
    }
    found
}
