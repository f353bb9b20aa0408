//! From a request's body to bound nodes: checks 2, 4 and 5 of `spec/workflows.md`, section 6.

mod binding;
mod documents;
mod requests;

use serde_json::{Value, json};

use super::request::{self, ExecuteRequest};
use crate::requirement::Profile;
use crate::runtime::error::ErrorObject;
use crate::runtime::parts::Reference;

/// All profiles that requests can need.
const ALL: [Profile; 5] = [
    Profile::Core,
    Profile::Session,
    Profile::Human,
    Profile::Workflow,
    Profile::Access,
];

/// An action node of this name with members laid over it.
fn node(name: &str, members: &Value) -> Value {
    let mut node = json!({"@type": "OpenAction:Action", "name": name});
    for (name, value) in members.as_object().expect("an object") {
        node[name] = value.clone();
    }
    node
}

/// A body with these nodes and members.
fn body(open_action: &Value, members: &Value) -> Value {
    let mut body = json!({"open_action": open_action, "user_id": "u"});
    for (name, value) in members.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

fn read(body: &Value) -> Result<ExecuteRequest, ErrorObject> {
    request::read_execute(&Reference, body, &ALL)
}

/// Code and the first violation's pointer.
fn refusal<T>(outcome: Result<T, ErrorObject>) -> (&'static str, String) {
    let Err(error) = outcome else {
        panic!("nothing is refused");
    };
    let violation = error.details.get("violations").and_then(|all| all.get(0));
    let pointer = violation.and_then(|violation| violation["pointer"].as_str());
    (error.code.name(), pointer.unwrap_or("none").to_owned())
}

/// Asserts that a body is refused with this code, its first violation at this place.
fn assert_refused(body: &Value, code: &str, pointer: &str) {
    assert_eq!(
        refusal(read(body)),
        (code_of(code), pointer.to_owned()),
        "{body}"
    );
}

fn code_of(name: &str) -> &'static str {
    crate::runtime::error::Code::named(name)
        .expect("a code")
        .name()
}

/// A body of two nodes, the second of which is given.
fn second(node_given: Value) -> Value {
    body(&json!([node("look", &json!({})), node_given]), &json!({}))
}
