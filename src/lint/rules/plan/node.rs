//! Each node by itself.

use std::collections::HashMap;

use serde_json::Value;

use super::nodes::{self, Form, Node, NodeType, Place};
use crate::expression::{Error, Expression, Template, Templates};
use crate::json;
use crate::lint::Edit;
use crate::lint::near::nearest;
use crate::lint::rule::Found;
use crate::lint::rules::expressions::mend;
use crate::lint::subject::Subject;
use crate::schema;

/// Members that a node may have, whatever its type.
const OF_ACTIONS: [&str; 10] = [
    "@context",
    "@type",
    "name",
    "pluginReference",
    "input",
    "conditional",
    "fallbackAction",
    "accessControl",
    "requestId",
    "protocolVersion",
];
const OF_APPROVALS: [&str; 5] = ["@context", "@type", "prompt", "action", "protocolVersion"];
/// What belongs to the action of an approval.
const OF_ITS_ACTION: [&str; 4] = [
    "conditional",
    "fallbackAction",
    "accessControl",
    "requestId",
];
/// The snake_case spellings that are refused, and what to write.
const SNAKES: [(&str, &str); 4] = [
    ("fallback_action", "fallbackAction"),
    ("access_control", "accessControl"),
    ("plugin_reference", "pluginReference"),
    ("request_id", "requestId"),
];
const SNAKES_OF_ACCESS: [(&str, &str); 2] = [
    ("required_scopes", "requiredScopes"),
    ("rate_limit", "rateLimit"),
];
/// Most unknown members for which a known one is looked for.
const MOST_SUGGESTED: usize = 100;
const TYPES: [&str; 2] = ["OpenAction:Action", "OpenAction:HumanApproval"];

pub(super) fn types(subject: &Subject<'_>, found: &mut Found<'_>) {
    for node in nodes::nodes(subject) {
        if node.kind.is_some() {
            continue;
        }
        let Some(given) = node.member("@type") else {
            let noted = found.at(
                node.pointer.clone(),
                "the node has no '@type'; write \"OpenAction:Action\" or \"OpenAction:HumanApproval\"",
            );
            let is_action = node.get("name").is_some() || node.get("pluginReference").is_some();
            if is_action && node.get("prompt").is_none() {
                let insert = Edit::Insert {
                    pointer: node.pointer.clone(),
                    name: "@type".to_owned(),
                    value: Value::from("OpenAction:Action"),
                };
                noted.fix_unsafe("add '@type': \"OpenAction:Action\"", vec![insert]);
            }
            continue;
        };
        let meant = given.value.as_str().and_then(meant_type);
        let advice = meant.unwrap_or("OpenAction:Action\" or \"OpenAction:HumanApproval");
        let pointer = node.pointer_of("@type");
        let noted = found.at(
            pointer.clone(),
            format!("this is no type of a node; write \"{advice}\""),
        );
        if let Some(meant) = meant {
            let value = Value::from(meant);
            noted.fix(
                format!("write \"{meant}\""),
                vec![Edit::Replace { pointer, value }],
            );
        }
    }
}

fn meant_type(given: &str) -> Option<&'static str> {
    let bare = given.rsplit(':').next().unwrap_or(given);
    let meant = nearest(given, TYPES).or_else(|| {
        let terms = ["Action", "HumanApproval"];
        let exact = terms.into_iter().find(|term| *term == bare);
        exact.or_else(|| nearest(bare, terms))
    })?;
    TYPES.into_iter().find(|name| name.ends_with(meant))
}

pub(super) fn nameless(subject: &Subject<'_>, found: &mut Found<'_>) {
    for node in nodes::nodes(subject) {
        let named = ["name", "pluginReference", "plugin_reference"];
        let named = named.into_iter().any(|name| node.get(name).is_some());
        if node.kind == Some(NodeType::Action) && !named {
            found.at(
                node.pointer.clone(),
                "the node names no action; add 'name' or 'pluginReference'",
            );
        }
    }
}

pub(super) fn snake_case(subject: &Subject<'_>, found: &mut Found<'_>) {
    let mut tell = |pointer: String, given: &str, right: &str, is_free: bool| {
        let message = format!("'{given}' is refused here; write '{right}'");
        let noted = found.at_name(pointer.clone(), message);
        if is_free {
            let rename = Edit::Rename {
                pointer,
                name: right.to_owned(),
            };
            noted.fix(format!("rename '{given}' to '{right}'"), vec![rename]);
        }
    };
    if let Some(Form::Request(members)) = nodes::form(subject) {
        for (given, right) in SNAKES {
            if members.contains_key(given)
                && right != "fallbackAction"
                && right != "pluginReference"
            {
                tell(
                    json::push("", given),
                    given,
                    right,
                    !members.contains_key(right),
                );
            }
        }
    }
    for node in nodes::nodes(subject) {
        for (given, right) in SNAKES {
            if let Some(member) = node.member(given) {
                // Only a name as it is written can be renamed: with a prefix it takes a thought.
                let is_free = node.get(right).is_none() && member.written == given;
                tell(node.pointer_of(given), given, right, is_free);
            }
        }
        let access = node.get("accessControl").and_then(Value::as_object);
        for (given, right) in SNAKES_OF_ACCESS {
            if let Some(access) = access.filter(|access| access.contains_key(given)) {
                let pointer = json::push(&node.pointer_of("accessControl"), given);
                tell(pointer, given, right, !access.contains_key(right));
            }
        }
    }
}

pub(super) fn approvals(subject: &Subject<'_>, found: &mut Found<'_>) {
    for node in nodes::nodes(subject) {
        let message = match (node.kind, node.place) {
            (Some(NodeType::Approval), Place::Approved) => {
                "this approval stands inside another one; put the action itself here"
            }
            (Some(NodeType::Approval), Place::Fallback(_)) => {
                "a fallback is never an approval; put the action itself here"
            }
            _ => continue,
        };
        found.at(node.pointer, message);
    }
}

pub(super) fn approval_members(subject: &Subject<'_>, found: &mut Found<'_>) {
    for node in nodes::nodes(subject) {
        if node.kind != Some(NodeType::Approval) {
            continue;
        }
        let inner = node.get("action").and_then(Value::as_object);
        for name in OF_ITS_ACTION {
            let Some(member) = node.member(name) else {
                continue;
            };
            let pointer = node.pointer_of(name);
            let noted = found.at_name(
                pointer.clone(),
                format!("'{name}' belongs to the action; move it into 'action'"),
            );
            if inner.is_some_and(|inner| !inner.contains_key(name)) {
                let insert = Edit::Insert {
                    pointer: node.pointer_of("action"),
                    name: name.to_owned(),
                    value: member.value.clone(),
                };
                noted.fix(
                    format!("move '{name}' into the action"),
                    vec![insert, Edit::Remove { pointer }],
                );
            }
        }
    }
}

pub(super) fn conditionals(subject: &Subject<'_>, found: &mut Found<'_>) {
    for node in nodes::nodes(subject) {
        let parsed = node.text("conditional").map(Expression::parse);
        if let Some(Err(error)) = parsed {
            let length = node.text("conditional").map_or(0, str::len);
            let message = format!("the conditional does not parse: {}", error.message);
            let at = error.offset.min(length);
            let pointer = node.pointer_of("conditional");
            let noted = found.at(pointer.clone(), message).within(at, length);
            if let Some(meant) = node.text("conditional").and_then(mend::conditional) {
                let value = Value::from(meant.as_str());
                noted.fix_unsafe(
                    format!("write `{meant}`"),
                    vec![Edit::Replace { pointer, value }],
                );
            }
        }
    }
}

pub(super) fn templates(subject: &Subject<'_>, found: &mut Found<'_>) {
    for node in nodes::nodes(subject) {
        if let Some(Err(error)) = node.text("prompt").map(Template::parse) {
            tell_template(subject, node.pointer_of("prompt"), &error, found);
        }
        if let Some(Err(located)) = node.get("input").map(Templates::parse) {
            let pointer = format!("{}{}", node.pointer_of("input"), located.pointer);
            tell_template(subject, pointer, &located.error, found);
        }
    }
}

fn tell_template(subject: &Subject<'_>, pointer: String, error: &Error, found: &mut Found<'_>) {
    let text = subject.value().pointer(&pointer).and_then(Value::as_str);
    let message = format!("the template does not parse: {}", error.message);
    let length = text.map_or(0, str::len);
    let at = (error.start + error.offset).min(length);
    let noted = found.at(pointer.clone(), message).within(at, length);
    if let Some(meant) = text.and_then(mend::template) {
        let title = "mend the slips in the template";
        let value = Value::String(meant);
        noted.fix_unsafe(title, vec![Edit::Replace { pointer, value }]);
    }
}

pub(super) fn versions(subject: &Subject<'_>, found: &mut Found<'_>) {
    let mut places: Vec<(String, &Value)> = Vec::new();
    if let Some(Form::Request(members)) = nodes::form(subject) {
        for name in ["protocolVersion", "protocol_version"] {
            places.extend(members.get(name).map(|value| (json::push("", name), value)));
        }
    }
    for node in nodes::nodes(subject) {
        let version = node.get("protocolVersion");
        places.extend(version.map(|value| (node.pointer_of("protocolVersion"), value)));
    }
    for (pointer, value) in places {
        let number = |part: &str| {
            let plain = part == "0" || !part.starts_with('0');
            plain && !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let parts = value.as_str().and_then(|text| text.split_once('.'));
        if parts.is_some_and(|(major, minor)| major == "2" && number(minor)) {
            continue;
        }
        let noted = found.at(pointer.clone(), "write version \"2.0\", or leave this out");
        let right = Edit::Replace {
            pointer,
            value: Value::from("2.0"),
        };
        noted.fix_unsafe("write \"2.0\"", vec![right]);
    }
}

pub(super) fn shape(subject: &Subject<'_>, found: &mut Found<'_>) {
    let nodes = nodes::nodes(subject);
    if nodes.is_empty() {
        return;
    }
    // Only now, since the first to ask for one compiles them all.
    let Some(schema) = schema::named("node") else {
        return;
    };
    for node in nodes {
        if node.kind.is_none() {
            continue;
        }
        for violation in schema.violations(&nodes::bare(&node)) {
            // What has a rule of its own is not told twice.
            let told = match violation.rule.as_str() {
                "falseSchema" => true,
                "anyOf" => violation.pointer.is_empty(),
                _ => false,
            };
            if !told {
                found.at(original(&node, &violation.pointer), violation.message);
            }
        }
    }
    // What stands in the place of a node and is no object.
    let list = match nodes::form(subject) {
        Some(Form::Nodes(Value::Array(list))) => Some((list, "")),
        Some(Form::Request(members)) => members
            .get("open_action")
            .and_then(Value::as_array)
            .map(|list| (list, "/open_action")),
        _ => None,
    };
    if let Some((list, pointer)) = list {
        for (index, node) in list.iter().enumerate() {
            if !node.is_object() {
                found.at(
                    format!("{pointer}/{index}"),
                    "a node is an object; write one here",
                );
            }
        }
    }
}

/// The pointer into the document, for one into the bare form of a node.
fn original(node: &Node<'_>, pointer: &str) -> String {
    let Some(rest) = pointer.strip_prefix('/') else {
        return node.pointer.clone();
    };
    let (first, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let name = first.replace("~1", "/").replace("~0", "~");
    format!("{}{rest}", node.pointer_of(&name))
}

pub(super) fn unknown_members(subject: &Subject<'_>, found: &mut Found<'_>) {
    let mut suggested = 0;
    for node in nodes::nodes(subject) {
        let known: &[&str] = match node.kind {
            Some(NodeType::Action) => &OF_ACTIONS,
            Some(NodeType::Approval) => &OF_APPROVALS,
            None => continue,
        };
        for member in &node.members {
            let name = member.name.as_ref();
            let told_elsewhere = OF_ITS_ACTION.contains(&name)
                || SNAKES.iter().any(|(snake, _)| *snake == name)
                || matches!(name, "action" | "args");
            if known.contains(&name)
                || told_elsewhere
                || name.starts_with("x-")
                || name.starts_with('@')
            {
                continue;
            }
            let pointer = json::push(&node.pointer, member.written);
            suggested += 1;
            let known = known
                .iter()
                .copied()
                .filter(|_| suggested <= MOST_SUGGESTED);
            let meant = nearest(name, known);
            let meant = meant.filter(|meant| node.get(meant).is_none());
            let message = match meant {
                Some(meant) => format!("'{name}' has no effect; did you mean '{meant}'?"),
                None => {
                    format!("'{name}' has no effect; leave it out, or begin its name with 'x-'")
                }
            };
            let noted = found.at_name(pointer.clone(), message);
            if let Some(meant) = meant {
                let rename = Edit::Rename {
                    pointer,
                    name: meant.to_owned(),
                };
                noted.fix(format!("rename '{name}' to '{meant}'"), vec![rename]);
            }
        }
    }
}

pub(super) fn request_ids(subject: &Subject<'_>, found: &mut Found<'_>) {
    let mut first: HashMap<&str, String> = HashMap::new();
    for node in nodes::nodes(subject) {
        let Some(id) = node.text("requestId") else {
            continue;
        };
        let pointer = node.pointer_of("requestId");
        match first.get(id) {
            Some(other) => {
                let message = format!("{other} has the same 'requestId'; choose another one");
                found.at(pointer, message);
            }
            None => {
                first.insert(id, pointer);
            }
        }
    }
}
