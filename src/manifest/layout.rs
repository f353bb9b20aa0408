//! The order in which members of manifests and nodes are written, by the tables of `spec/manifests.md` and `spec/workflows.md`.

use serde_json::Value;

use crate::document::format::Shape;

/// A manifest, in both spellings.
pub static MANIFEST: Shape = Shape {
    order: &[
        "@context",
        "@type",
        "name",
        "version",
        "description",
        "protocol_version",
        "protocolVersion",
        "actions",
        "intents",
    ],
    inner: &[("actions", &ACTION), ("intents", &INTENT)],
    spread: true,
};

static ACTION: Shape = Shape {
    order: &[
        "@context",
        "@type",
        "name",
        "type",
        "actionType",
        "description",
        "effects",
        "feature_flag",
        "featureFlag",
        "endpoint",
        "method",
        "auth",
        "headers",
        "timeout_ms",
        "timeoutMs",
        "cache",
        "batch",
        "runtime",
        "code",
        "entrypoint",
        "limits",
        "network",
        "root",
        "prompt",
        "plugin_reference",
        "pluginReference",
        "input_schema",
        "inputSchema",
        "request_map",
        "requestMap",
        "response_map",
        "responseMap",
        "output_schema",
        "outputSchema",
        "result_path",
        "resultPath",
        "completes_goal",
        "completesGoal",
        "access_control",
        "accessControl",
        "conditional",
        "fallback_action",
        "fallbackAction",
    ],
    inner: &[
        ("limits", &LIMITS),
        ("access_control", &ACCESS),
        ("accessControl", &ACCESS),
        ("fallback_action", &NODE),
        ("fallbackAction", &NODE),
    ],
    spread: true,
};

static INTENT: Shape = Shape {
    order: &[
        "@context",
        "@type",
        "name",
        "description",
        "actions",
        "access_control",
        "accessControl",
    ],
    inner: &[("access_control", &ACCESS), ("accessControl", &ACCESS)],
    spread: false,
};

static LIMITS: Shape = Shape {
    order: &["@context", "cpu_ms", "cpuMs", "memory_mib", "memoryMib"],
    inner: &[],
    spread: false,
};

static ACCESS: Shape = Shape {
    order: &[
        "@context",
        "required_scopes",
        "requiredScopes",
        "rate_limit",
        "rateLimit",
        "verification",
    ],
    inner: &[],
    spread: false,
};

/// A node of a workflow, or several in an array.
pub static NODE: Shape = Shape {
    order: &[
        "@context",
        "@type",
        "name",
        "plugin_reference",
        "pluginReference",
        "prompt",
        "action",
        "input",
        "conditional",
        "fallback_action",
        "fallbackAction",
        "access_control",
        "accessControl",
        "request_id",
        "requestId",
        "protocolVersion",
    ],
    inner: &[
        ("action", &NODE),
        ("fallback_action", &NODE),
        ("fallbackAction", &NODE),
        ("access_control", &ACCESS),
        ("accessControl", &ACCESS),
    ],
    spread: false,
};

/// A request for a workflow.
pub static EXECUTE: Shape = Shape {
    order: &[
        "protocolVersion",
        "protocol_version",
        "requestId",
        "user_id",
        "manifest",
        "intent",
        "goal",
        "replan_max",
        "open_action",
        "state",
        "accessControl",
        "timestamp",
        "seed",
        "prune",
        "approval",
    ],
    inner: &[("open_action", &NODE), ("accessControl", &ACCESS)],
    spread: true,
};

/// A plan of a session.
pub static PLAN: Shape = Shape {
    order: &["action", "args", "finished", "summary"],
    inner: &[],
    spread: false,
};

/// What a document is, by its members; none where it is nothing that has an order.
pub fn shape_of(document: &Value) -> Option<&'static Shape> {
    let has = |name: &str| document.get(name).is_some();
    let names_type = |value: &Value, term: &str| {
        let named = value.get("@type");
        let named = named.and_then(|kind| kind.as_array().map_or(Some(kind), |all| all.first()));
        named
            .and_then(Value::as_str)
            .is_some_and(|name| name.ends_with(term))
    };
    let is_node = |value: &Value| names_type(value, "Action") || names_type(value, "HumanApproval");
    match document {
        Value::Array(nodes) if nodes.first().is_some_and(is_node) => Some(&NODE),
        Value::Object(_)
            if has("actions") && (has("version") || names_type(document, "Manifest")) =>
        {
            Some(&MANIFEST)
        }
        Value::Object(_) if has("open_action") => Some(&EXECUTE),
        Value::Object(_) if is_node(document) => Some(&NODE),
        Value::Object(_) if (has("action") && has("args")) || has("finished") => Some(&PLAN),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_member_of_the_published_schemas_has_a_place() {
        for (schema, path, shape) in [
            ("manifest", "/properties", &MANIFEST),
            ("manifest", "/$defs/action/properties", &ACTION),
            ("manifest", "/$defs/intent/properties", &INTENT),
            ("manifest-jsonld", "/properties", &MANIFEST),
            ("manifest-jsonld", "/$defs/action/properties", &ACTION),
            ("manifest-jsonld", "/$defs/intent/properties", &INTENT),
            ("node", "/$defs/action/properties", &NODE),
            ("node", "/$defs/approval/properties", &NODE),
            ("execute-request", "/properties", &EXECUTE),
            ("plan", "/properties", &PLAN),
        ] {
            let text =
                crate::embedded::text(&format!("spec/schemas/{schema}.json")).expect("there");
            let document: Value = serde_json::from_str(&text).expect("json");
            let members = document
                .pointer(path)
                .and_then(Value::as_object)
                .expect(path);
            // Members that are there to be refused need no place.
            for (name, _) in members.iter().filter(|(_, schema)| **schema != false) {
                assert!(
                    shape.order.contains(&name.as_str()),
                    "{schema}{path}/{name}"
                );
            }
        }
    }

    #[test]
    fn documents_are_told_by_their_members() {
        for (document, is) in [
            (
                json!({"name": "a", "version": "1.0.0", "actions": []}),
                &MANIFEST,
            ),
            (json!({"@type": "oa:Manifest", "actions": []}), &MANIFEST),
            (json!({"@type": "OpenAction:Action", "name": "a"}), &NODE),
            (json!([{"@type": ["OpenAction:HumanApproval"]}]), &NODE),
            (json!({"open_action": []}), &EXECUTE),
            (json!({"action": "a", "args": {}}), &PLAN),
            (json!({"finished": true}), &PLAN),
        ] {
            let found = shape_of(&document).expect("known");
            assert!(std::ptr::eq(found, is), "{document}");
        }
        for other in [
            json!({}),
            json!([]),
            json!([1]),
            json!("x"),
            json!({"action": "a"}),
        ] {
            assert!(shape_of(&other).is_none(), "{other}");
        }
    }
}
