//! One action of a session's plan as a node, and a node as a plan, where each can say what the other does.
//!
//! A plan's arguments are literal (`spec/plans.md` 2.5) and a node's input holds templates (`spec/workflows.md` 7.3), so literal
//! braces are written as `{{ '{{' }}` in a node (`spec/expressions.md` 7.7), and a node with any other template is no plan.

use serde_json::{Map, Value, json};

use super::node::NodeType;
use super::parts::WorkflowParts;
use super::schema;
use crate::diagnostic::Violation;
use crate::json::push;

const BRACES: &str = "{{";
const WRITTEN_BRACES: &str = "{{ '{{' }}";

/// The node that does what an action plan asks for.
///
/// # Errors
/// At the member that no node can have: a finish, or a member beyond `action` and `args`.
pub fn node_of(plan: &Map<String, Value>) -> Result<Value, Violation> {
    let other = plan
        .keys()
        .find(|name| !matches!(name.as_str(), "action" | "args"));
    if let Some(name) = other {
        let message = "a node has no such member; leave it out";
        return Err(Violation::new(push("", name), "not_expressible", message));
    }
    let mut input = plan.get("args").cloned().unwrap_or_else(|| json!({}));
    each_text(&mut input, "", &mut |text, _| {
        *text = text.replace(BRACES, WRITTEN_BRACES);
        Ok(())
    })?;
    Ok(json!({
        "@type": NodeType::Action.name(),
        "name": plan.get("action").cloned().unwrap_or_default(),
        "input": input,
    }))
}

/// The action plan that asks for what a node does; the node goes by whatever names its contexts allow.
///
/// # Errors
/// At the first member or template that no plan can have.
pub fn plan_of(parts: &dyn WorkflowParts, node: &Value) -> Result<Value, Violation> {
    let canonical = schema::of_nodes(parts, node);
    let refuse = |pointer: &str, message: &str| {
        Err(Violation::new(
            canonical.original(pointer),
            "not_expressible",
            message,
        ))
    };
    let Some(members) = canonical.value.as_object() else {
        return refuse("", "only a single node can be a plan");
    };
    if members.get("@type").and_then(Value::as_str) != Some(NodeType::Action.name()) {
        return refuse("/@type", "a plan asks nobody; only an action can be one");
    }
    for name in members.keys() {
        if !matches!(name.as_str(), "@type" | "@context" | "name" | "input") {
            return refuse(&push("", name), "a plan has no such member");
        }
    }
    let Some(name) = members.get("name") else {
        return refuse("", "a plan names an action of the manifest");
    };
    let mut args = members.get("input").cloned().unwrap_or_else(|| json!({}));
    each_text(&mut args, "/input", &mut |text, pointer| {
        let parts: Vec<&str> = text.split(WRITTEN_BRACES).collect();
        if parts.iter().any(|part| part.contains(BRACES)) {
            return Err(Violation::new(
                canonical.original(pointer),
                "not_expressible",
                "a plan's arguments hold no templates; write the value out",
            ));
        }
        *text = parts.join(BRACES);
        Ok(())
    })?;
    Ok(json!({"action": name, "args": args}))
}

/// Does something to each text of a value, names aside; the depth of a document is bounded.
fn each_text(
    value: &mut Value,
    pointer: &str,
    change: &mut dyn FnMut(&mut String, &str) -> Result<(), Violation>,
) -> Result<(), Violation> {
    match value {
        Value::String(text) => change(text, pointer),
        Value::Array(elements) => {
            for (index, element) in elements.iter_mut().enumerate() {
                each_text(element, &push(pointer, &index.to_string()), change)?;
            }
            Ok(())
        }
        Value::Object(members) => {
            for (name, member) in members {
                each_text(member, &push(pointer, name), change)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::{Roots, Templates};
    use crate::runtime::parts::Reference;
    use proptest::prelude::*;

    fn node(plan: Value) -> Result<Value, Violation> {
        node_of(plan.as_object().expect("an object"))
    }

    #[test]
    fn a_plan_is_a_node_and_back() {
        let plan = json!({"action": "look", "args": {"a": [1, "{{ x }}"], "{{": null}});
        let made = node(plan.clone()).expect("a node");
        assert_eq!(
            made,
            json!({"@type": "OpenAction:Action", "name": "look", "input": {"a": [1, "{{ '{{' }} x }}"], "{{": null}})
        );
        assert_eq!(plan_of(&Reference, &made), Ok(plan));
        let spelled = json!({"@context": {"oa": "https://open-action.example/2.0/vocab#"}, "@type": ["oa:Action"], "oa:name": "look"});
        assert_eq!(
            plan_of(&Reference, &spelled),
            Ok(json!({"action": "look", "args": {}}))
        );
    }

    #[test]
    fn what_the_other_cannot_say_is_refused() {
        let pointer = |result: Result<Value, Violation>| result.expect_err("refused").pointer;
        assert_eq!(pointer(node(json!({"finished": true}))), "/finished");
        assert_eq!(
            pointer(node(json!({"action": "a", "args": {}, "why": 1}))),
            "/why"
        );
        let back = |node: Value| pointer(plan_of(&Reference, &node));
        let with = |name: &str, value: Value| {
            let mut node = json!({"@type": "OpenAction:Action", "name": "a"});
            node[name] = value;
            node
        };
        assert_eq!(back(with("conditional", json!("true"))), "/conditional");
        assert_eq!(back(with("requestId", json!("r"))), "/requestId");
        assert_eq!(
            back(with("input", json!({"a": ["{{ state.x }}"]}))),
            "/input/a/0"
        );
        assert_eq!(
            back(with("@type", json!("OpenAction:HumanApproval"))),
            "/@type"
        );
        assert_eq!(back(json!([])), "");
        assert_eq!(
            back(json!({"@type": "OpenAction:Action", "pluginReference": "p"})),
            "/pluginReference"
        );
    }

    proptest! {
        #[test]
        fn arguments_survive_and_resolve_to_themselves(texts in proptest::collection::vec("[{} '\"a]{0,12}", 0..4)) {
            let args = json!({"texts": texts});
            let plan = json!({"action": "a", "args": args});
            let made = node(plan.clone()).expect("a node");
            prop_assert_eq!(plan_of(&Reference, &made), Ok(plan));
            let input = &made["input"];
            let resolved = Templates::parse(input).expect("templates").resolve(input, &Roots::default());
            prop_assert_eq!(resolved.expect("a value"), args);
        }
    }
}
