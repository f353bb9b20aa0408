//! What actions do to the world, and who is asked before.

use serde_json::{Value, json};

use crate::json;
use crate::lint::Edit;
use crate::lint::rule::Found;
use crate::lint::rules::ergonomics::words::words;
use crate::lint::rules::loader::asks;
use crate::lint::subject::{Part, Subject};

/// Words with which names of actions begin that take something away for good.
const DESTROY: [&str; 10] = [
    "delete",
    "remove",
    "destroy",
    "drop",
    "purge",
    "erase",
    "wipe",
    "terminate",
    "revoke",
    "truncate",
];

/// Words with which names of actions begin that cost money.
const COST: [&str; 7] = [
    "pay", "charge", "refund", "purchase", "buy", "transfer", "invoice",
];

const WRITES: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

fn is_approved(action: &Part<'_>) -> bool {
    let control = action.get("access_control");
    control
        .and_then(|control| control.get("verification"))
        .and_then(Value::as_str)
        == Some("approval")
}

fn effects<'v>(action: &Part<'v>) -> Vec<&'v str> {
    let effects = action.get("effects").and_then(Value::as_array);
    effects
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// What an action seems to do, by its name and method, that somebody should be asked about, and the effect that says so.
pub(in crate::lint::rules) fn harm(
    name: &str,
    method: &str,
) -> Option<(&'static str, &'static str)> {
    let first = words(name).into_iter().next().unwrap_or_default();
    if COST.contains(&first.as_str()) {
        Some(("costs money", "cost"))
    } else if method == "DELETE" || DESTROY.contains(&first.as_str()) {
        Some(("takes something away for good", "critical"))
    } else {
        None
    }
}

/// Where an action says that nobody is asked: the value of `verification`, or a member that no runtime reads.
fn switched_off(action: &Part<'_>) -> Option<String> {
    let control = action.get("access_control").and_then(Value::as_object);
    let chosen = control.and_then(|control| control.get("verification")?.as_str());
    if let Some(chosen) = chosen.filter(|chosen| *chosen == "none") {
        return Some(format!("'verification' is '{chosen}'"));
    }
    let own = action.members.iter();
    let mut members = own.chain(control.into_iter().flatten());
    let (name, _) = members.find(|(name, value)| **value == Value::Bool(false) && asks(name))?;
    Some(format!("'{name}' is false"))
}

pub(super) fn undeclared(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let acts = matches!(action.text("type"), Some("invoke_api" | "plugin"));
        if !acts || action.get("effects").is_some() || is_approved(&action) {
            continue;
        }
        let name = action.text("name").unwrap_or_default();
        let Some((what, effect)) = harm(name, action.text("method").unwrap_or_default()) else {
            continue;
        };
        let message = match switched_off(&action) {
            Some(how) => format!(
                "'{name}' looks like an action that {what}, and asking is explicitly off: {how}; add `\"effects\": [\"{effect}\"]` and an approval"
            ),
            None => format!(
                "'{name}' looks like an action that {what}, and neither says so nor asks anybody; add `\"effects\": [\"{effect}\"]` and an approval"
            ),
        };
        let step = Edit::Insert {
            pointer: action.pointer.clone(),
            name: "effects".to_owned(),
            value: json!([effect]),
        };
        found
            .at(action.pointer_of("name"), message)
            .fix_unsafe(format!("declare the effect '{effect}'"), vec![step]);
    }
}

pub(super) fn against_method(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let Some(method) = action.text("method") else {
            continue;
        };
        if matches!(method, "PUT" | "PATCH" | "DELETE") && effects(&action) == ["read"] {
            let pointer = action.pointer_of("effects");
            let message = format!(
                "an action that only reads has no use for {method}; declare what it does, or call it with GET or POST"
            );
            let steps = vec![Edit::Replace {
                pointer: json::push(&pointer, "0"),
                value: json!("write"),
            }];
            found
                .at(pointer, message)
                .fix_unsafe("declare the effect 'write'", steps);
        }
    }
}

pub(super) fn unlimited(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let limited = action
            .get("access_control")
            .is_some_and(|control| control.get("rate_limit").is_some());
        let harm = effects(&action)
            .into_iter()
            .find(|effect| *effect != "read");
        if let Some(harm) = harm.filter(|_| !limited) {
            let message = format!(
                "the action has the effect '{harm}', and a model in a loop can call it without end; add a `{}`, such as \"10/min\"",
                subject.spelled("rate_limit")
            );
            found.at(action.pointer_of("effects"), message);
        }
    }
}

pub(super) fn anonymous(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let Some(method) = action
            .text("method")
            .filter(|method| WRITES.contains(method))
        else {
            continue;
        };
        let headers = action.get("headers").and_then(Value::as_object);
        let mut values = headers.into_iter().flat_map(|headers| headers.values());
        let credential = values.any(|value| value.as_str().is_some_and(|text| text.contains("${")));
        if action.get("auth").is_none() && !credential && effects(&action) != ["read"] {
            let message = format!(
                "anybody may {method} to this service, it seems; add `{}`, or say that the call only reads",
                subject.spelled("auth")
            );
            found.at(action.pointer_of("method"), message);
        }
    }
}
