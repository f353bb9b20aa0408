//! `fallback_action`: its two forms, the actions it names, and the cycles it must not make.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::members::{Members, read_dotted_name, read_name};
use super::report::Report;
use super::vocabulary::Vocabulary;
use super::{AccessControl, Verification, action};
use crate::expression::{Expression, Templates};
use crate::json;

/// What runs when an action fails.
#[derive(Debug, Clone, PartialEq)]
pub enum Fallback {
    /// Another action of the manifest, with the same input.
    Action(String),
    /// A node; its `name`, if it has one, is an action of the manifest.
    Node(Box<FallbackNode>),
}

/// A fallback that is a node.
#[derive(Debug, Clone, PartialEq)]
pub struct FallbackNode {
    /// An action of the manifest, or with `plugin_reference` a label.
    pub name: Option<String>,
    /// The plugin's dotted name.
    pub plugin_reference: Option<String>,
    /// Its own input before templates; absent: that of the action in whose place it runs.
    pub input: Option<Map<String, Value>>,
    /// The templates of the input.
    pub templates: Templates,
    /// The expression that must hold.
    pub conditional: Option<Expression>,
    /// What it adds to its action's access control.
    pub access_control: Option<AccessControl>,
    /// The key that makes it idempotent.
    pub request_id: Option<String>,
    /// The node in the snake_case spelling.
    pub source: Value,
}

pub(super) const KNOWN_OF_NODE: &[&str] = &[
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
                read_node(value, pointer, report).map(|node| Self::Node(Box::new(node)))
            }
            other => {
                report.wrong_type(pointer, "an action's name or a node", other);
                None
            }
        }
    }
}

fn read_node(value: &Value, pointer: &str, report: &mut Report) -> Option<FallbackNode> {
    let node = Members::of(value, pointer, report)?;
    // The JSON-LD spelling has dropped it by now; in the other one a node may carry it all the same.
    let vocabulary = Vocabulary::default();
    if node
        .get("@type")
        .is_some_and(|kind| vocabulary.type_term(kind).as_deref() != Some("Action"))
    {
        let message = "write \"OpenAction:Action\"; a fallback is never an approval";
        report.refuse(&node.place("@type"), "enum", message);
    }
    let name = node
        .get("name")
        .and_then(|name| read_name(name, &node.place("name"), report));
    let plugin_reference = node.get("plugin_reference").and_then(|reference| {
        let place = node.place("plugin_reference");
        read_dotted_name(reference, &place, report)
    });
    if node.get("name").is_none() && node.get("plugin_reference").is_none() {
        let message = "add \"name\", the action to run instead";
        report.refuse(pointer, "required", message);
    }
    let (input, templates) = read_input(&node, report)?;
    let conditional = action::read_conditional(&node, report);
    let request_id = node.text("request_id", report).map(str::to_owned);
    let access_control = node
        .get("access_control")
        .and_then(|access| AccessControl::read(access, &node.place("access_control"), report));
    if access_control
        .as_ref()
        .is_some_and(|access| access.verification == Verification::Approval)
    {
        report.refuse(
            &json::push(&node.place("access_control"), "verification"),
            "fallback_needs_approval",
            "leave this out; nobody is asked while another action fails",
        );
    }
    // Read for what is wrong with it only: there is no fallback of a fallback.
    if let Some(next) = node.get("fallback_action") {
        Fallback::read(next, &node.place("fallback_action"), report);
    }
    node.warn_unknown(&[KNOWN_OF_NODE], "a node", report);
    Some(FallbackNode {
        name: name.map(str::to_owned),
        plugin_reference: plugin_reference.map(str::to_owned),
        input,
        templates,
        conditional,
        access_control,
        request_id,
        source: value.clone(),
    })
}

/// The input of a node with its templates; none when it is wrong, which is then reported.
fn read_input(
    node: &Members<'_>,
    report: &mut Report,
) -> Option<(Option<Map<String, Value>>, Templates)> {
    let place = node.place("input");
    let given = node.get("input");
    let input = match given {
        None => None,
        Some(Value::Object(input)) => Some(input.clone()),
        Some(other) => {
            report.wrong_type(&place, "an object", other);
            return None;
        }
    };
    let templates = Templates::parse(given.unwrap_or(&Value::Null)).map_err(|found| {
        let message = format!("{} (byte {})", found.error.message, found.error.offset);
        let place = format!("{place}{}", found.pointer);
        report.refuse(&place, "invalid_template", message);
    });
    Some((input, templates.ok()?))
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
