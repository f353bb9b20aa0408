//! What the document as a whole is.

use serde_json::{Map, Value, json};

use super::nodes::{self, Form, Place};
use crate::json;
use crate::lint::rule::Found;
use crate::lint::rules::expressions::strings;
use crate::lint::subject::Subject;
use crate::schema;

/// Most nodes of one call.
const MOST_NODES: usize = 100;
/// Longest `user_id`, in characters.
const LONGEST_USER: usize = 256;

pub(super) fn size(subject: &Subject<'_>, found: &mut Found<'_>) {
    let (value, pointer) = match nodes::form(subject) {
        Some(Form::Nodes(value)) => (value, ""),
        Some(Form::Request(members)) => match members.get("open_action") {
            Some(value) => (value, "/open_action"),
            None => return,
        },
        _ => return,
    };
    match value {
        Value::Array(nodes) if nodes.is_empty() => {
            found.at(pointer, "the plan has no node; give at least one");
        }
        Value::Array(nodes) if nodes.len() > MOST_NODES => {
            let count = nodes.len();
            found.at(
                format!("{pointer}/{MOST_NODES}"),
                format!("the plan has {count} nodes; cut it into calls of at most {MOST_NODES}"),
            );
        }
        Value::Array(_) | Value::Object(_) => {}
        _ => {
            found.at(
                pointer,
                "this is no plan; write a node, or an array of 1 to 100 nodes",
            );
        }
    }
}

pub(super) fn user(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(Form::Request(members)) = nodes::form(subject) else {
        return;
    };
    match members.get("user_id") {
        None => {
            found.at("", "the request has no 'user_id'; say for whom it runs");
        }
        Some(Value::String(name)) if (1..=LONGEST_USER).contains(&name.chars().count()) => {}
        Some(_) => {
            found.at(
                "/user_id",
                format!("write a 'user_id' of 1 to {LONGEST_USER} characters"),
            );
        }
    }
}

pub(super) fn request(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(Form::Request(members)) = nodes::form(subject) else {
        return;
    };
    let Some(schema) = schema::named("execute-request") else {
        return;
    };
    // Nodes, versions, users and the other spelling have rules of their own.
    let told = [
        "open_action",
        "user_id",
        "protocolVersion",
        "protocol_version",
        "access_control",
        "request_id",
    ];
    let own = members
        .iter()
        .filter(|(name, _)| !told.contains(&name.as_str()));
    let mut own: Map<String, Value> = own
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    own.insert(
        "open_action".to_owned(),
        json!({"@type": "OpenAction:Action", "name": "any"}),
    );
    own.insert("user_id".to_owned(), Value::from("any"));
    for violation in schema.violations(&Value::Object(own)) {
        found.at(violation.pointer, violation.message);
    }
}

pub(super) fn answer(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(Form::Answer(members)) = nodes::form(subject) else {
        return;
    };
    let has = |name: &str| members.contains_key(name);
    if has("finished") {
        for name in ["action", "args"].into_iter().filter(|name| has(name)) {
            let message =
                format!("a finish has no '{name}'; decide for the action or for the finish");
            found.at_name(json::push("", name), message);
        }
    } else if !has("args") {
        found.at("", "the plan names an action without 'args'; add an object of arguments, `{}` if there are none");
    } else if !has("action") {
        found.at("", "the plan has 'args' without 'action'; name the action");
    }
    // Which members go together is said above; what is left are their types.
    let shape = schema::named("plan").map(|schema| schema.violations(subject.value()));
    for violation in shape.into_iter().flatten() {
        let member = violation.pointer.trim_start_matches('/');
        if ["action", "args", "finished", "summary"].contains(&member) {
            found.at(violation.pointer, violation.message);
        }
    }
}

pub(super) fn mixed(subject: &Subject<'_>, found: &mut Found<'_>) {
    match nodes::form(subject) {
        Some(Form::Answer(members)) => {
            let of_nodes = [
                "name",
                "input",
                "conditional",
                "fallbackAction",
                "accessControl",
                "requestId",
                "pluginReference",
            ];
            for name in of_nodes
                .into_iter()
                .filter(|name| members.contains_key(*name))
            {
                let message = format!(
                    "'{name}' is a member of a workflow's node and has no effect in a session's plan; leave it out, or write a node with '@type'"
                );
                found.at_name(json::push("", name), message);
            }
        }
        Some(_) => {
            for node in nodes::nodes(subject) {
                let action = node.get("action").is_some_and(Value::is_string);
                let of_answers = [("action", "name", action), ("args", "input", true)];
                for (name, right, counts) in of_answers {
                    if counts && node.get(name).is_some() {
                        let place = match node.place {
                            Place::Plan => "a workflow's node",
                            Place::Approved => "the action of an approval",
                            Place::Fallback(_) => "a fallback",
                        };
                        let message = format!(
                            "'{name}' is a member of a session's plan and has no effect in {place}; write '{right}'"
                        );
                        found.at_name(node.pointer_of(name), message);
                    }
                }
            }
        }
        None => {}
    }
}

pub(super) fn literal_args(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(Form::Answer(members)) = nodes::form(subject) else {
        return;
    };
    let Some(args) = members.get("args") else {
        return;
    };
    strings(args, "/args".to_owned(), &mut |text, pointer| {
        let sign = ["{{", "${"].into_iter().find(|sign| text.contains(sign));
        if let Some(sign) = sign {
            let message = format!(
                "'{sign}' is taken literally in the arguments of a session's plan; write the value itself"
            );
            found.at(pointer, message);
        }
    });
}
