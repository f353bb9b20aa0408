//! Templates and `${NAME}`: where they are resolved, and where they are not.

use serde_json::Value;

use super::sites::{sites, strings};
use crate::expression::{Branch, Expression, Form};
use crate::json;
use crate::lint::Edit;
use crate::lint::rule::Found;
use crate::lint::rules::plan::nodes::{self, Form as PlanForm};
use crate::lint::subject::{DocumentKind, Subject};

/// Members of an action that hold texts, in which no template is resolved.
const OF_ACTIONS: [&str; 7] = [
    "endpoint",
    "auth",
    "headers",
    "root",
    "network",
    "feature_flag",
    "access_control",
];
/// Members of a node that hold texts, in which no template is resolved.
const OF_NODES: [(&str, &str); 3] = [
    ("request_id", "requestId"),
    ("access_control", "accessControl"),
    ("plugin_reference", "pluginReference"),
];
/// Members of a request likewise.
const OF_REQUESTS: [&str; 4] = ["user_id", "goal", "manifest", "intent"];

/// The first template of a text that reads a root: its bytes. Other braces are anybody's.
fn template(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(start) = text.get(from..)?.find("{{").map(|at| from + at) {
        let inner = text.get(start + 2..)?;
        let end = inner.find("}}")?;
        let reads = |part: &Branch<'_>| matches!(part.form(), Form::Path(..));
        let expression = Expression::parse(inner.get(..end)?);
        if expression.is_ok_and(|expression| expression.survey().all().iter().any(reads)) {
            return Some((start, start + end + 4));
        }
        from = start + 2;
    }
    None
}

/// The first `${NAME}` of a text: its bytes.
fn variable(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(start) = text.get(from..)?.find("${").map(|at| from + at) {
        let name = text.get(start + 2..)?;
        let length = name
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .filter(|length| {
                name.get(*length..)
                    .is_some_and(|rest| rest.starts_with('}'))
            });
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if let Some(length) = length.filter(|_| begins) {
            return Some((start, start + length + 3));
        }
        from = start + 2;
    }
    None
}

/// The texts in which no template is resolved, though one could think so.
fn unresolved<'s>(subject: &'s Subject<'_>, take: &mut dyn FnMut(&'s str, String)) {
    match subject.kind() {
        DocumentKind::Manifest => {
            let actions = subject.value().get("actions").and_then(Value::as_array);
            for (index, action) in actions.into_iter().flatten().enumerate() {
                let place = format!("/actions/{index}");
                for name in OF_ACTIONS {
                    if let Some(value) = action.get(name) {
                        strings(value, json::push(&place, name), take);
                    }
                }
                for map in ["request_map", "response_map"] {
                    if let Some(value) = action.get(map) {
                        strings(value, json::push(&place, map), take);
                    }
                }
                if let Some(node) = action
                    .get("fallback_action")
                    .filter(|node| node.is_object())
                {
                    let place = json::push(&place, "fallback_action");
                    for (name, _) in OF_NODES {
                        if let Some(value) = node.get(name) {
                            strings(value, json::push(&place, name), take);
                        }
                    }
                }
            }
        }
        DocumentKind::Plan => {
            if let Some(PlanForm::Request(members)) = nodes::form(subject) {
                for name in OF_REQUESTS {
                    if let Some(value) = members.get(name) {
                        strings(value, json::push("", name), take);
                    }
                }
            }
            for node in nodes::nodes(subject) {
                for (_, name) in OF_NODES {
                    if let Some(value) = node.get(name) {
                        strings(value, node.pointer_of(name), take);
                    }
                }
            }
        }
        _ => {}
    }
}

pub(super) fn misplaced(subject: &Subject<'_>, found: &mut Found<'_>) {
    unresolved(subject, &mut |text, pointer| {
        if let Some((start, end)) = template(text) {
            found
                .at(pointer, "a template is not resolved here and is taken as it stands; use it in an 'input', a 'prompt' or a map")
                .within(start, end);
        }
    });
    // The names of members are never templates.
    for (pointer, value) in inputs(subject) {
        let mut open = vec![(pointer, value)];
        while let Some((pointer, value)) = open.pop() {
            match value {
                Value::Array(elements) => {
                    let each = elements.iter().enumerate();
                    open.extend(each.map(|(index, value)| (format!("{pointer}/{index}"), value)));
                }
                Value::Object(members) => {
                    for (name, value) in members {
                        let pointer = json::push(&pointer, name);
                        if template(name).is_some() {
                            found.at_name(
                                pointer.clone(),
                                "a member's name is never a template; write the name itself",
                            );
                        }
                        open.push((pointer, value));
                    }
                }
                _ => {}
            }
        }
    }
}

/// Every input of a node in the document.
fn inputs<'s>(subject: &'s Subject<'_>) -> Vec<(String, &'s Value)> {
    match subject.kind() {
        DocumentKind::Manifest => {
            let actions = subject.value().get("actions").and_then(Value::as_array);
            let each = actions.into_iter().flatten().enumerate();
            each.filter_map(|(index, action)| {
                let input = action.get("fallback_action")?.get("input")?;
                Some((format!("/actions/{index}/fallback_action/input"), input))
            })
            .collect()
        }
        DocumentKind::Plan => {
            let each = nodes::nodes(subject).into_iter();
            each.filter_map(|node| Some((node.pointer_of("input"), node.get("input")?)))
                .collect()
        }
        _ => Vec::new(),
    }
}

pub(super) fn in_descriptions(subject: &Subject<'_>, found: &mut Found<'_>) {
    if subject.kind() != DocumentKind::Manifest {
        return;
    }
    let mut places = vec![(
        json::push("", "description"),
        subject.value().get("description"),
    )];
    for part in subject.actions().iter().chain(&subject.intents()) {
        places.push((part.pointer_of("description"), part.get("description")));
    }
    for (pointer, value) in places {
        let text = value.and_then(Value::as_str);
        if let Some((start, end)) = text.and_then(template) {
            found
                .at(
                    pointer,
                    "the model reads these braces as they stand; say in words what is meant",
                )
                .within(start, end);
        }
    }
}

pub(super) fn variables(subject: &Subject<'_>, found: &mut Found<'_>) {
    let mut places: Vec<(String, &Value)> = Vec::new();
    if subject.kind() == DocumentKind::Manifest {
        for action in subject.actions() {
            for name in [
                "prompt",
                "root",
                "feature_flag",
                "conditional",
                "request_map",
                "response_map",
            ] {
                places.extend(
                    action
                        .get(name)
                        .map(|value| (action.pointer_of(name), value)),
                );
            }
        }
    }
    places.extend(inputs(subject));
    if subject.kind() == DocumentKind::Plan {
        for node in nodes::nodes(subject) {
            for name in ["prompt", "requestId"] {
                places.extend(node.get(name).map(|value| (node.pointer_of(name), value)));
            }
        }
    }
    for (pointer, value) in places {
        strings(value, pointer, &mut |text, pointer| {
            if let Some((start, end)) = variable(text) {
                found
                    .at(pointer, "a variable is replaced only in 'endpoint', 'auth' and the values of 'headers'; here it is plain text")
                    .within(start, end);
            }
        });
    }
}

pub(super) fn literals(subject: &Subject<'_>, found: &mut Found<'_>) {
    for site in sites(subject) {
        if site.is_condition {
            continue;
        }
        let Some(Ok(Some(value))) = site.expression.survey().constant() else {
            continue;
        };
        let text = match &value {
            Value::String(text) => text.clone(),
            other => json::canonical(other),
        };
        // Braces cannot be written in any other way.
        if text.contains("{{") || text.contains("}}") {
            continue;
        }
        let span = (
            site.start.saturating_sub(2),
            site.start + site.expression.text().len() + 2,
        );
        let noted = found
            .at(
                site.pointer.clone(),
                "this template reads nothing; write its value",
            )
            .within(span.0, span.1);
        let alone = span == (0, site.text.len()) && !site.is_prompt;
        let steps = if alone {
            let pointer = site.pointer.clone();
            Some(vec![Edit::Replace { pointer, value }])
        } else {
            site.rewritten(span, &text)
        };
        if let Some(steps) = steps {
            noted.fix(format!("write `{}`", shortened(&text)), steps);
        }
    }
}

fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(40)).unwrap_or(text)
}
