//! `fallback_action`: its two forms, the actions it names, and the cycles it must not make.

use std::collections::HashMap;

use serde_json::Value;

use super::members::{Members, read_name, read_text};
use super::report::Report;
use super::{AccessControl, action};
use crate::json;

/// What runs when an action fails.
#[derive(Debug, Clone, PartialEq)]
pub enum Fallback {
    /// Another action of the manifest, with the same input.
    Action(String),
    /// A node in the snake_case spelling; its `name`, if it has one, is an action of the manifest.
    Node(Value),
}

const KNOWN_OF_NODE: &[&str] = &[
    "@type",
    "name",
    "plugin_reference",
    "input",
    "conditional",
    "fallback_action",
    "access_control",
    "request_id",
];

impl Fallback {
    /// Reads the member at `pointer`; what is wrong goes to `report`.
    pub(super) fn read(value: &Value, pointer: &str, report: &mut Report) -> Option<Self> {
        match value {
            Value::String(name) => Some(Self::Action(name.clone())),
            Value::Object(_) => {
                check_node(value, pointer, report);
                Some(Self::Node(value.clone()))
            }
            other => {
                report.wrong_type(pointer, "an action's name or a node", other);
                None
            }
        }
    }
}

fn check_node(value: &Value, pointer: &str, report: &mut Report) {
    let Some(node) = Members::of(value, pointer, report) else {
        return;
    };
    // The JSON-LD spelling has dropped it by now; in the other one a node may carry it all the same.
    if node
        .get("@type")
        .is_some_and(|kind| kind != "OpenAction:Action")
    {
        let message = "write \"OpenAction:Action\"; a fallback is never an approval";
        report.refuse(&node.place("@type"), "enum", message);
    }
    match (node.get("name"), node.get("plugin_reference")) {
        (None, None) => {
            let message = "add \"name\", the action to run instead";
            report.refuse(pointer, "required", message);
        }
        (Some(name), _) => {
            read_name(name, &node.place("name"), report);
        }
        (None, Some(reference)) => {
            read_text(reference, &node.place("plugin_reference"), report);
        }
    }
    if let Some(input) = node.get("input").filter(|input| !input.is_object()) {
        report.wrong_type(&node.place("input"), "an object", input);
    }
    action::read_conditional(&node, report);
    node.text("request_id", report);
    if let Some(access) = node.get("access_control") {
        AccessControl::read(access, &node.place("access_control"), report);
    }
    if let Some(next) = node.get("fallback_action") {
        Fallback::read(next, &node.place("fallback_action"), report);
    }
    node.warn_unknown(&[KNOWN_OF_NODE], "a node", report);
}

/// A name that a fallback refers to, and where it stands.
pub(super) struct Named<'d> {
    name: &'d str,
    place: String,
}

/// Every name that the fallback of the action at `pointer` refers to, nested nodes included.
pub(super) fn named<'d>(action: &'d Value, pointer: &str) -> Vec<Named<'d>> {
    let mut found = Vec::new();
    let mut place = pointer.to_owned();
    let mut at = action;
    while let Some(next) = at.get("fallback_action") {
        place = json::push(&place, "fallback_action");
        match next {
            Value::String(name) => found.push(Named {
                name,
                place: place.clone(),
            }),
            node => found.extend(node.get("name").and_then(Value::as_str).map(|name| Named {
                name,
                place: json::push(&place, "name"),
            })),
        }
        at = next;
    }
    found
}

/// Reports names that no action has, fallbacks that need a person (`spec/access.md`), and each cycle once, at the first of its actions.
///
/// `fallbacks` holds by action index what the action's fallback refers to.
pub(super) fn check(
    fallbacks: &[Vec<Named<'_>>],
    declared: &HashMap<&str, usize>,
    document: &Value,
    report: &mut Report,
) {
    let mut next: Vec<Vec<usize>> = Vec::with_capacity(fallbacks.len());
    for names in fallbacks {
        let mut targets = Vec::new();
        for named in names {
            match declared.get(named.name) {
                Some(&index) => {
                    targets.push(index);
                    if wants_approval(document, index) {
                        report.refuse(
                            &named.place,
                            "fallback_needs_approval",
                            "name an action that runs without approval; nobody is asked while another one fails",
                        );
                    }
                }
                None => report.refuse(
                    &named.place,
                    "unknown_action",
                    "name an action that this manifest declares",
                ),
            }
        }
        targets.sort_unstable();
        targets.dedup();
        next.push(targets);
    }
    let mut told = vec![false; next.len()];
    for start in 0..next.len() {
        if told[start] || next[start].is_empty() {
            continue;
        }
        let reached = reachable(start, &next);
        if !reached[start] {
            continue;
        }
        for (index, told) in told.iter_mut().enumerate() {
            *told |= reached[index] && reachable(index, &next)[start];
        }
        report.refuse(
            &format!("/actions/{start}/fallback_action"),
            "cycle",
            "let fallbacks end somewhere; this one leads back to its own action",
        );
    }
}

fn wants_approval(document: &Value, index: usize) -> bool {
    document.pointer(&format!("/actions/{index}/access_control/verification"))
        == Some(&Value::from("approval"))
}

/// Which actions are reached from `start` by one fallback or more.
fn reachable(start: usize, next: &[Vec<usize>]) -> Vec<bool> {
    let mut reached = vec![false; next.len()];
    let mut open = vec![start];
    while let Some(index) = open.pop() {
        for &target in &next[index] {
            if !reached[target] {
                reached[target] = true;
                open.push(target);
            }
        }
    }
    reached
}
