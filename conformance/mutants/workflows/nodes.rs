//! Mutants of sections 3 and 4.1.1: the shape of nodes and requests, names and bindings.

use serde_json::{Map, Value};

use crate::diagnostic::Violation;
use crate::manifest::Action;
use crate::manifest::vocabulary::Vocabulary;
use crate::mutants::Mutant;
use crate::runtime::error::{Code, ErrorObject};
use crate::workflow::node::NodeType;
use crate::workflow::schema;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [shape(), requests(), names()]
        .into_iter()
        .flatten()
        .collect()
}

fn shape() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "nodes-are-not-validated",
            "WFL-007",
            "reads from a node what it can and does not care about the rest",
            fn check_shape(&self, _: &str, _: &Value) -> Vec<Violation> {
                Vec::new()
            }
        ),
        swap_workflow!(
            "only-the-first-violation",
            "WFL-007",
            "names the first defect of a request and no other",
            fn check_shape(&self, schema: &str, value: &Value) -> Vec<Violation> {
                let found = schema::check_shape(schema, value);
                found.into_iter().take(1).collect()
            }
        ),
        swap_workflow!(
            "any-type-is-an-action",
            "WFL-008",
            "takes a node of any other type for an action",
            fn node_type(&self, vocabulary: &Vocabulary<'_>, value: &Value) -> Option<NodeType> {
                schema::node_type(vocabulary, value).or(Some(NodeType::Action))
            }
        ),
        swap_workflow!(
            "first-type-counts",
            "WFL-008",
            "takes the first of several types for the type of a node",
            fn node_type(&self, vocabulary: &Vocabulary<'_>, value: &Value) -> Option<NodeType> {
                schema::node_type(vocabulary, value.get(0).unwrap_or(value))
            }
        ),
        swap_workflow!(
            "no-type-is-an-action",
            "WFL-008",
            "takes a node without a type for an action",
            fn check_shape(&self, schema: &str, value: &Value) -> Vec<Violation> {
                schema::check_shape(schema, &typed(value))
            }
        ),
        swap_workflow!(
            "nameless-nodes-go-nowhere",
            "WFL-009",
            "looks for an action without a name in place of refusing the node",
            fn check_shape(&self, schema: &str, value: &Value) -> Vec<Violation> {
                schema::check_shape(schema, &named(value))
            }
        ),
    ]
}

fn requests() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "anybody-may-be-nobody",
            "WFL-015",
            "does without a user",
            fn check_shape(&self, schema: &str, value: &Value) -> Vec<Violation> {
                let mut value = value.clone();
                if let Some(members) = value.as_object_mut() {
                    members.entry("user_id").or_insert(Value::from("somebody"));
                }
                schema::check_shape(schema, &value)
            }
        ),
        swap_workflow!(
            "nothing-to-do-is-done",
            "WFL-015",
            "completes an empty array of nodes",
            fn check_shape(&self, schema: &str, value: &Value) -> Vec<Violation> {
                let empty = value["open_action"].as_array().is_some_and(Vec::is_empty);
                if empty {
                    Vec::new()
                } else {
                    schema::check_shape(schema, value)
                }
            }
        ),
        swap_workflow!(
            "any-number-of-nodes",
            "WFL-015",
            "takes more than a hundred nodes",
            fn check_shape(&self, schema: &str, value: &Value) -> Vec<Violation> {
                let mut value = value.clone();
                if let Some(Value::Array(nodes)) = value.get_mut("open_action") {
                    nodes.truncate(100);
                }
                schema::check_shape(schema, &value)
            }
        ),
        swap_workflow!(
            "fifty-nodes-are-many",
            "WFL-015",
            "refuses more than fifty nodes",
            fn check_shape(&self, schema: &str, value: &Value) -> Vec<Violation> {
                let many = value["open_action"]
                    .as_array()
                    .is_some_and(|nodes| nodes.len() > 50);
                let mut found = schema::check_shape(schema, value);
                if many {
                    found.push(Violation::new(
                        "/open_action",
                        "maxItems",
                        "send fewer nodes",
                    ));
                }
                found
            }
        ),
    ]
}

fn names() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "labels-are-lost",
            "WFL-010",
            "calls a plugin by its reference although the node gives it a name",
            fn label(&self, name: Option<&str>, reference: Option<&str>) -> String {
                reference.or(name).unwrap_or_default().to_owned()
            }
        ),
        swap_workflow!(
            "plugins-known-by-last-part",
            "WFL-010",
            "calls a plugin by the last part of its reference",
            fn label(&self, name: Option<&str>, reference: Option<&str>) -> String {
                let last = reference.and_then(|reference| reference.rsplit('.').next());
                name.or(last).unwrap_or_default().to_owned()
            }
        ),
        swap_workflow!(
            "labels-may-hide-definitions",
            "WFL-011",
            "runs a plugin under the name of another action",
            fn check_both_names(&self, _: &Action, _: &str) -> Result<(), ErrorObject> {
                Ok(())
            }
        ),
        swap_workflow!(
            "names-and-plugins-exclude-each-other",
            "WFL-011",
            "refuses a definition beside the plugin that it is",
            fn check_both_names(&self, _: &Action, _: &str) -> Result<(), ErrorObject> {
                Err(ErrorObject::new(
                    Code::InvalidRequest,
                    "choose one of the two",
                ))
            }
        ),
        swap_workflow!(
            "questions-are-nodes",
            "WFL-012",
            "takes an action that asks a person for a node like any other",
            fn check_usable(&self, _: &Action) -> Result<(), ErrorObject> {
                Ok(())
            }
        ),
        swap_workflow!(
            "definition-fallback-wins",
            "WFL-014",
            "runs the definition's fallback where the node has another",
            fn prefers_nodes_fallback(&self, definition_has_one: bool) -> bool {
                !definition_has_one
            }
        ),
    ]
}

/// A request in which every node has a type.
fn typed(value: &Value) -> Value {
    each_node(value, &|members| {
        members
            .entry("@type")
            .or_insert(Value::from(NodeType::Action.name()));
    })
}

/// A request in which every action has a name.
fn named(value: &Value) -> Value {
    each_node(value, &|members| {
        if !members.contains_key("pluginReference") && !members.contains_key("action") {
            members.entry("name").or_insert(Value::from("nameless"));
        }
    })
}

fn each_node(value: &Value, change: &dyn Fn(&mut Map<String, Value>)) -> Value {
    let mut value = value.clone();
    let change_one = |node: &mut Value| {
        if let Some(members) = node.as_object_mut() {
            change(members);
            if let Some(inner) = members
                .get_mut("fallbackAction")
                .and_then(Value::as_object_mut)
            {
                change(inner);
            }
        }
    };
    match value.get_mut("open_action") {
        Some(Value::Array(nodes)) => nodes.iter_mut().for_each(change_one),
        Some(node) => change_one(node),
        None => {}
    }
    value
}
