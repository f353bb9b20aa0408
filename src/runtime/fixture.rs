//! Small manifests for the unit tests of this room.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::manifest::{self, Action, Manifest};

/// A manifest with an action `probe`, an action `ask` for a person, and `patch` laid over its members.
pub(crate) fn manifest(patch: &Value) -> Manifest {
    let mut document = json!({
        "name": "fixture", "version": "1.0.0",
        "actions": [
            declared("probe", &json!({})),
            {"type": "human_intervention", "name": "ask", "prompt": "Which zone?",
             "input_schema": {"type": "object"}, "output_schema": {"type": "object", "required": ["zone"]}},
        ],
    });
    lay_over(&mut document, patch);
    manifest::load(&document).expect("a valid manifest")
}

/// An action of this name with `patch` laid over its members.
pub(crate) fn action(name: &str, patch: &Value) -> Arc<Action> {
    let document =
        json!({"name": "fixture", "version": "1.0.0", "actions": [declared(name, patch)]});
    let loaded = manifest::load(&document).expect("a valid manifest");
    Arc::clone(loaded.actions.first().expect("one action"))
}

/// The document of an `invoke_api` action.
pub(crate) fn declared(name: &str, patch: &Value) -> Value {
    let mut action = json!({
        "type": "invoke_api", "name": name, "endpoint": "https://service.example.com/v1/things", "method": "POST",
        "input_schema": {"type": "object"}, "output_schema": {},
    });
    lay_over(&mut action, patch);
    action
}

fn lay_over(document: &mut Value, patch: &Value) {
    if let (Value::Object(members), Value::Object(changes)) = (document, patch) {
        for (name, member) in changes {
            members.insert(name.clone(), member.clone());
        }
    }
}
