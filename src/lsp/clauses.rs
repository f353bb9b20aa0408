//! Which requirements are about the member at a place: members of one name mean different things in a manifest, an action and a node.

use serde_json::Value;

use crate::lint::DocumentKind;
use crate::requirement::{Registry, Requirement};

/// An object whose members have clauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// A manifest.
    Manifest,
    /// An action of a manifest.
    Action,
    /// `access_control` of an action or an intent.
    Access,
    /// `limits` of an action.
    Limits,
    /// `cache` of an action.
    Cache,
    /// `batch` of an action.
    Batch,
    /// An intent of a manifest.
    Intent,
    /// A body of `POST /execute`.
    Request,
    /// `accessControl` of a request.
    RequestAccess,
    /// An action node, of a plan or as a fallback of a definition.
    Node,
    /// `accessControl` of a node.
    NodeAccess,
    /// A human approval.
    Approval,
}

/// Clauses of members by their names in snake_case, those that say most about them first.
const CLAUSES: &[(Home, &str, &[&str])] = &[
    (Home::Manifest, "name", &["MAN-001", "MAN-002"]),
    (
        Home::Manifest,
        "version",
        &["MAN-003", "MAN-004", "MAN-020"],
    ),
    (Home::Manifest, "protocol_version", &["MAN-005"]),
    (Home::Manifest, "actions", &["MAN-001", "MAN-008"]),
    (Home::Manifest, "intents", &["MAN-014"]),
    (Home::Manifest, "@type", &["MAN-015", "WFL-001"]),
    (Home::Manifest, "@context", &["WFL-002", "WFL-004"]),
    (Home::Action, "name", &["MAN-008", "MAN-002"]),
    (Home::Action, "type", &["MAN-007", "MAN-010"]),
    (Home::Action, "action_type", &["MAN-007", "MAN-010"]),
    (Home::Action, "@type", &["WFL-001"]),
    (
        Home::Action,
        "input_schema",
        &["MAN-009", "PLN-014", "WFL-041"],
    ),
    (
        Home::Action,
        "output_schema",
        &["MAN-009", "ACT-022", "WFL-044"],
    ),
    (Home::Action, "endpoint", &["MAN-018", "SEC-002", "MAN-019"]),
    (Home::Action, "method", &["MAN-018", "ACT-005", "ACT-006"]),
    (Home::Action, "auth", &["ACT-008", "SEC-001", "MAN-019"]),
    (Home::Action, "headers", &["ACT-008", "SEC-001", "MAN-019"]),
    (Home::Action, "timeout_ms", &["ACT-016"]),
    (Home::Action, "request_map", &["ACT-010"]),
    (Home::Action, "response_map", &["ACT-018"]),
    (Home::Action, "cache", &["DRF-016", "DRF-019", "DRF-035"]),
    (Home::Action, "batch", &["DRF-018", "DRF-019", "DRF-035"]),
    (Home::Cache, "ttl_s", &["DRF-016"]),
    (Home::Batch, "member", &["DRF-018", "DRF-032"]),
    (Home::Batch, "result_member", &["DRF-033"]),
    (Home::Action, "runtime", &["SBX-002"]),
    (Home::Action, "code", &["SBX-004", "SBX-005"]),
    (Home::Action, "entrypoint", &["SBX-043"]),
    (Home::Action, "limits", &["SBX-016"]),
    (Home::Limits, "cpu_ms", &["SBX-013", "SBX-016"]),
    (Home::Limits, "memory_mib", &["SBX-015", "SBX-016"]),
    (Home::Action, "network", &["SBX-025", "SBX-026", "SBX-027"]),
    (Home::Action, "root", &["STO-001", "STO-002", "STO-024"]),
    (Home::Action, "prompt", &["MAN-013", "HUM-002", "WFL-115"]),
    (Home::Action, "plugin_reference", &["WFL-105"]),
    (Home::Action, "access_control", &["ACC-015", "ACC-016"]),
    (Home::Access, "required_scopes", &["ACC-015", "ACC-014"]),
    (
        Home::Access,
        "rate_limit",
        &["ACC-026", "ACC-027", "ACC-029"],
    ),
    (Home::Access, "verification", &["ACC-035", "ACC-036"]),
    (Home::Action, "effects", &["MAN-021", "ACC-040"]),
    (
        Home::Action,
        "fallback_action",
        &["WFL-070", "WFL-114", "WFL-079"],
    ),
    (
        Home::Action,
        "conditional",
        &["WFL-112", "WFL-013", "WFL-117"],
    ),
    (
        Home::Action,
        "result_path",
        &["OBS-011", "MAN-011", "MAN-012"],
    ),
    (Home::Action, "completes_goal", &["STP-008", "STP-009"]),
    (Home::Action, "feature_flag", &["PLN-013"]),
    (Home::Intent, "name", &["MAN-014", "MAN-002"]),
    (Home::Intent, "actions", &["MAN-014"]),
    (Home::Request, "open_action", &["WFL-015", "WFL-019"]),
    (Home::Request, "user_id", &["WFL-015", "ACC-009"]),
    (Home::Request, "state", &["WFL-064", "WFL-060"]),
    (Home::Request, "intent", &["WFL-037", "WFL-038"]),
    (Home::Request, "manifest", &["WFL-038"]),
    (Home::Request, "access_control", &["ACC-017"]),
    (
        Home::RequestAccess,
        "required_scopes",
        &["ACC-017", "ACC-014"],
    ),
    (Home::Request, "protocol_version", &["WFL-033", "WFL-032"]),
    (Home::Request, "request_id", &["WFL-107", "WFL-111"]),
    (Home::Request, "timestamp", &["SBX-031"]),
    (Home::Request, "seed", &["SBX-032"]),
    (Home::Request, "goal", &["WFL-080", "WFL-084"]),
    (Home::Request, "replan_max", &["WFL-080", "WFL-082"]),
    (Home::Request, "prune", &["WFL-066", "WFL-067"]),
    (
        Home::Request,
        "approval",
        &["WFL-092", "WFL-094", "WFL-099"],
    ),
    (Home::Node, "@type", &["WFL-008", "WFL-001"]),
    (Home::Node, "@context", &["WFL-002", "WFL-004"]),
    (Home::Node, "name", &["WFL-009", "WFL-010", "WFL-037"]),
    (
        Home::Node,
        "plugin_reference",
        &["WFL-100", "WFL-101", "WFL-011"],
    ),
    (Home::Node, "input", &["WFL-050", "WFL-041", "WFL-053"]),
    (
        Home::Node,
        "conditional",
        &["WFL-045", "WFL-048", "WFL-013"],
    ),
    (
        Home::Node,
        "fallback_action",
        &["WFL-014", "WFL-070", "WFL-073"],
    ),
    (
        Home::Node,
        "access_control",
        &["ACC-018", "ACC-033", "ACC-038"],
    ),
    (Home::NodeAccess, "required_scopes", &["ACC-018", "ACC-014"]),
    (Home::NodeAccess, "rate_limit", &["ACC-033", "ACC-026"]),
    (Home::NodeAccess, "verification", &["ACC-035", "ACC-038"]),
    (Home::Node, "request_id", &["WFL-109", "WFL-110"]),
    (Home::Node, "protocol_version", &["WFL-033", "WFL-032"]),
    (Home::Approval, "@type", &["WFL-008", "WFL-001", "WFL-086"]),
    (Home::Approval, "@context", &["WFL-002", "WFL-004"]),
    (Home::Approval, "prompt", &["WFL-087"]),
    (Home::Approval, "action", &["WFL-086", "WFL-091", "WFL-090"]),
    (Home::Approval, "protocol_version", &["WFL-033", "WFL-032"]),
];

/// The requirements about the member at a pointer of a document.
pub fn of(kind: DocumentKind, document: &Value, pointer: &str) -> Vec<&'static Requirement> {
    let Some((object, name)) = pointer.rsplit_once('/') else {
        return Vec::new();
    };
    let Some(home) = home(kind, document, object) else {
        return Vec::new();
    };
    let name = snake(name);
    let ids = CLAUSES
        .iter()
        .find(|(at, member, _)| *at == home && *member == name)
        .map(|(.., ids)| *ids);
    let registry = Registry::embedded();
    ids.unwrap_or_default()
        .iter()
        .filter_map(|id| registry.get(id))
        .collect()
}

/// What the object at a pointer is.
fn home(kind: DocumentKind, document: &Value, object: &str) -> Option<Home> {
    let tokens: Vec<&str> = object.split('/').skip(1).collect();
    let mut value = document;
    let mut home = match kind {
        DocumentKind::Manifest => Some(Home::Manifest),
        DocumentKind::Plan => Some(of_plan(document)),
        DocumentKind::Target | DocumentKind::Case => return None,
    };
    for token in tokens {
        value = match value {
            Value::Object(members) => members.get(token)?,
            Value::Array(elements) => elements.get(token.parse::<usize>().ok()?)?,
            _ => return None,
        };
        let node = || of_plan(value);
        home = match (home, snake(token).as_str()) {
            // The elements of a list that leads on are what the list leads to.
            (home, token) if token.bytes().all(|byte| byte.is_ascii_digit()) => match home {
                Some(Home::Node) => Some(node()),
                home => home,
            },
            (Some(Home::Manifest), "actions") => Some(Home::Action),
            (Some(Home::Manifest), "intents") => Some(Home::Intent),
            (Some(Home::Action), "limits") => Some(Home::Limits),
            (Some(Home::Action), "cache") => Some(Home::Cache),
            (Some(Home::Action), "batch") => Some(Home::Batch),
            (Some(Home::Action | Home::Intent), "access_control") => Some(Home::Access),
            (Some(Home::Request), "access_control") => Some(Home::RequestAccess),
            (Some(Home::Node), "access_control") => Some(Home::NodeAccess),
            (Some(Home::Request), "open_action") => Some(node()),
            (Some(Home::Approval), "action") => Some(Home::Node),
            (Some(Home::Action | Home::Node), "fallback_action") => Some(Home::Node),
            _ => None,
        };
    }
    home
}

/// What a plan is, or a node.
fn of_plan(value: &Value) -> Home {
    let kind = value.get("@type").and_then(Value::as_str);
    if value.get("open_action").is_some() {
        Home::Request
    } else if kind.is_some_and(|kind| kind.ends_with("HumanApproval")) {
        Home::Approval
    } else {
        Home::Node
    }
}

/// `inputSchema` as `input_schema`.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ids(kind: DocumentKind, document: &Value, pointer: &str) -> Vec<&'static str> {
        let found = of(kind, document, pointer).into_iter();
        found.map(|requirement| requirement.id.as_str()).collect()
    }

    #[test]
    fn members_of_one_name_have_the_clauses_of_their_place() {
        let manifest = json!({"name": "m", "version": "1.0.0", "actions": [
            {"name": "a", "conditional": "x", "access_control": {"rate_limit": "1/s"}, "input_schema": {"properties": {"name": {}}},
             "fallback_action": {"name": "b", "conditional": "y", "access_control": {"rate_limit": "1/s"}}}],
            "intents": [{"name": "i", "actions": ["a"]}]});
        let at = |pointer: &str| ids(DocumentKind::Manifest, &manifest, pointer);
        assert_eq!(at("/name"), ["MAN-001", "MAN-002"]);
        assert_eq!(at("/actions/0/name"), ["MAN-008", "MAN-002"]);
        assert_eq!(at("/intents/0/name"), ["MAN-014", "MAN-002"]);
        assert_eq!(at("/intents/0/actions"), ["MAN-014"]);
        assert_eq!(at("/actions"), ["MAN-001", "MAN-008"]);
        assert_eq!(at("/actions/0/conditional")[0], "WFL-112");
        assert_eq!(at("/actions/0/fallback_action/conditional")[0], "WFL-045");
        assert_eq!(at("/actions/0/access_control/rate_limit")[0], "ACC-026");
        assert_eq!(
            at("/actions/0/fallback_action/access_control/rate_limit")[0],
            "ACC-033"
        );
        for own in [
            "/actions/0/input_schema/properties/name",
            "/actions/0/input_schema/properties",
            "/x",
            "",
            "/name/name",
        ] {
            assert!(at(own).is_empty(), "{own}");
        }
        let request = json!({"protocolVersion": "2.0", "requestId": "a", "accessControl": {"requiredScopes": []}, "open_action": [
            {"@type": "OpenAction:HumanApproval", "prompt": "?", "action":
                {"@type": "OpenAction:Action", "name": "a", "requestId": "b", "accessControl": {"requiredScopes": []}, "input": {"name": 1}}}]});
        let at = |pointer: &str| ids(DocumentKind::Plan, &request, pointer);
        assert_eq!(at("/requestId")[0], "WFL-107");
        assert_eq!(at("/open_action/0/action/requestId")[0], "WFL-109");
        assert_eq!(at("/accessControl/requiredScopes")[0], "ACC-017");
        assert_eq!(
            at("/open_action/0/action/accessControl/requiredScopes")[0],
            "ACC-018"
        );
        assert_eq!(at("/open_action/0/prompt"), ["WFL-087"]);
        assert_eq!(at("/open_action/0/action")[0], "WFL-086");
        assert!(at("/open_action/0/action/input/name").is_empty());
        assert_eq!(
            ids(DocumentKind::Plan, &json!([{"name": "a"}]), "/0/name")[0],
            "WFL-009"
        );
    }

    #[test]
    fn every_clause_is_there_and_every_member_stands_once() {
        let mut known = std::collections::BTreeSet::new();
        for (home, member, ids) in CLAUSES {
            assert!(
                known.insert(format!("{home:?} {member}")),
                "{home:?} {member}"
            );
            for id in *ids {
                assert!(Registry::embedded().get(id).is_some(), "{id}");
            }
        }
    }
}
