//! What nodes are bound to, and the scopes they need (sections 3, 6 and 13, access.md 3 to 5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::bound::{Bound, BoundAction, Catalogue};
use super::super::check;
use super::{body, node, read, refusal};
use crate::manifest::{self, Action, Manifest};
use crate::runtime::error::ErrorObject;
use crate::runtime::parts::Reference;

struct Known(BTreeMap<String, Arc<Action>>);

impl Catalogue for Known {
    fn get(&self, name: &str) -> Option<Arc<Action>> {
        self.0.get(name).cloned()
    }
}

fn api(name: &str, members: &Value) -> Value {
    let mut action = json!({
        "type": "invoke_api", "name": name, "endpoint": "https://service.example.com/v1/things", "method": "POST",
        "input_schema": {"type": "object"}, "output_schema": {},
    });
    lay(&mut action, members);
    action
}

fn lay(onto: &mut Value, members: &Value) {
    for (name, value) in members.as_object().expect("an object") {
        onto[name] = value.clone();
    }
}

fn plugin(name: &str, members: &Value) -> Value {
    let mut action =
        json!({"type": "plugin", "name": name, "input_schema": {}, "output_schema": {}});
    lay(&mut action, members);
    action
}

fn manifest() -> Manifest {
    let document = json!({
        "name": "m", "version": "1.0.0",
        "actions": [
            api("look", &json!({"conditional": "state.a", "fallback_action": "write"})),
            api("write", &json!({})),
            api("guarded", &json!({"access_control": {"required_scopes": ["g"], "rate_limit": "5/min"}})),
            api("costly", &json!({"access_control": {"verification": "approval"}})),
            api("beta", &json!({"feature_flag": "beta"})),
            {"type": "human_intervention", "name": "ask", "prompt": "?", "input_schema": {}, "output_schema": {}},
            plugin("tool", &json!({})),
            plugin("other_tool", &json!({"plugin_reference": "kit.tool", "access_control": {"required_scopes": ["o"]}})),
            plugin("nowhere", &json!({})),
            plugin("quick_tool", &json!({"plugin_reference": "tool", "access_control": {"rate_limit": "20/s"}})),
        ],
        "intents": [
            {"name": "looking", "actions": ["look", "write"], "access_control": {"required_scopes": ["i"]}},
            {"name": "tools", "actions": ["tool", "other_tool"]},
            {"name": "half", "actions": ["look"]},
        ],
    });
    manifest::load(&document).expect("loads")
}

fn known() -> Known {
    let document = json!({"name": "p", "version": "1.0.0", "actions": [
        plugin("tool", &json!({"access_control": {"required_scopes": ["t"], "rate_limit": "9/s"}})),
        plugin("kit.tool", &json!({"access_control": {"required_scopes": ["k"]}})),
        plugin("kit.asks", &json!({"access_control": {"verification": "approval"}})),
    ]});
    let loaded = manifest::load(&document).expect("loads");
    Known(
        loaded
            .actions
            .iter()
            .map(|action| (action.name.clone(), Arc::clone(action)))
            .collect(),
    )
}

fn bind_all(nodes: &Value, intent: Option<&str>) -> Result<Vec<Bound>, ErrorObject> {
    let request = read(&body(nodes, &json!({}))).expect("reads");
    check::bind(&Reference, request.nodes, &manifest(), intent, &known())
}

fn bound(node: &Value) -> BoundAction {
    let bound = bind_all(&json!([node]), None).expect("binds");
    bound[0].action().clone()
}

fn refused(node: &Value, intent: Option<&str>) -> (&'static str, String) {
    refusal(bind_all(&json!([node]), intent))
}

fn reference(reference: &str, members: &Value) -> Value {
    let mut node = json!({"@type": "OpenAction:Action", "pluginReference": reference});
    lay(&mut node, members);
    node
}

#[test]
fn wfl_010_labels() {
    assert_eq!(bound(&node("look", &json!({}))).label, "look");
    assert_eq!(bound(&reference("kit.tool", &json!({}))).label, "kit.tool");
    let labelled = bound(&reference("kit.tool", &json!({"name": "mine"})));
    assert_eq!(
        (labelled.label.as_str(), labelled.action.name.as_str()),
        ("mine", "kit.tool")
    );
}

#[test]
fn wfl_011_and_012_names_that_cannot_be_used() {
    let both = reference("kit.tool", &json!({"name": "write"}));
    assert_eq!(
        refused(&both, None),
        ("invalid_request", "/open_action/0".to_owned())
    );
    let other = reference("kit.tool", &json!({"name": "tool"}));
    assert_eq!(refused(&other, None).0, "invalid_request");
    // Each of the two guards it, so both hold.
    let same = bound(&reference("kit.tool", &json!({"name": "other_tool"})));
    assert_eq!(same.scopes, ["k", "o"]);
    assert_eq!(
        refused(&node("ask", &json!({})), None),
        ("invalid_request", "/open_action/0".to_owned())
    );
    let fallback = node("write", &json!({"fallbackAction": "ask"}));
    assert_eq!(refused(&fallback, None).0, "invalid_request");
}

#[test]
fn wfl_013_and_014_definition_and_node() {
    let texts = |action: &BoundAction| -> Vec<String> {
        action
            .conditions
            .iter()
            .map(|condition| condition.text.clone())
            .collect()
    };
    let plain = bound(&node("look", &json!({})));
    assert_eq!(texts(&plain), ["state.a"]);
    let fallback = plain.fallback.expect("the definition's");
    assert_eq!((fallback.label.as_str(), fallback.input), ("write", None));
    let given = node(
        "look",
        &json!({
            "conditional": "state.b", "input": {"x": 1},
            "fallbackAction": node("guarded", &json!({"input": {}, "conditional": "state.c", "requestId": "f"})),
        }),
    );
    let given = bound(&given);
    assert_eq!(texts(&given), ["state.a", "state.b"]);
    let fallback = given.fallback.expect("the node's");
    assert_eq!(
        (fallback.label.as_str(), fallback.request_id.as_deref()),
        ("guarded", Some("f"))
    );
    assert_eq!(texts(&fallback), ["state.c"]);
    assert!(fallback.input.is_some());
    assert!(fallback.fallback.is_none());
    // A fallback has none of its own, whatever its definition says.
    let chained = bound(&node("write", &json!({"fallbackAction": "look"})));
    assert!(chained.fallback.expect("is there").fallback.is_none());
}

#[test]
fn wfl_037_and_038_what_is_not_there() {
    for (given, code, pointer) in [
        (
            node("nothing", &json!({})),
            "undeclared_action",
            "/open_action/0/name",
        ),
        (
            node("Look", &json!({})),
            "undeclared_action",
            "/open_action/0/name",
        ),
        (
            node("beta", &json!({})),
            "undeclared_action",
            "/open_action/0/name",
        ),
        (
            node("write", &json!({"fallbackAction": "nothing"})),
            "undeclared_action",
            "/open_action/0/fallbackAction/name",
        ),
        (
            reference("kit.none", &json!({})),
            "plugin_not_found",
            "/open_action/0/pluginReference",
        ),
        (
            node("nowhere", &json!({})),
            "plugin_not_found",
            "/open_action/0/pluginReference",
        ),
    ] {
        assert_eq!(refused(&given, None), (code, pointer.to_owned()), "{given}");
    }
    let look = node("look", &json!({}));
    assert_eq!(refused(&look, Some("none")).0, "intent_not_found");
    assert_eq!(
        refused(&node("guarded", &json!({})), Some("looking")).0,
        "undeclared_action"
    );
    assert!(bind_all(&look, Some("looking")).is_ok());
    // The definition's fallback is part of the request too.
    assert_eq!(refused(&look, Some("half")).0, "undeclared_action");
    let inner = json!({"@type": "OpenAction:HumanApproval", "prompt": "?", "action": node("nothing", &json!({}))});
    assert_eq!(
        refused(&inner, None),
        ("undeclared_action", "/open_action/0/action/name".to_owned())
    );
}

#[test]
fn wfl_100_and_105_plugins() {
    let tool = bound(&node("tool", &json!({})));
    assert_eq!(tool.action.name, "tool");
    assert_eq!(tool.scopes, ["t"]);
    assert_eq!(tool.rate.expect("is there").count, 9);
    // The definition's rate does not lift the plugin's: both hold.
    let quick = bound(&node("quick_tool", &json!({})));
    let counts = [quick.rate, quick.other_rate].map(|rate| rate.expect("is there").count);
    assert_eq!(counts, [20, 9]);
    let other = bound(&node("other_tool", &json!({})));
    assert_eq!(other.scopes, ["o", "k"]);
    assert!(bind_all(&reference("tool", &json!({})), Some("tools")).is_ok());
    assert_eq!(
        refused(&reference("kit.tool", &json!({})), Some("tools")).0,
        "undeclared_action"
    );
    assert_eq!(
        refused(&reference("tool", &json!({})), Some("looking")).0,
        "undeclared_action"
    );
}

#[test]
fn acc_approvals() {
    let nodes = json!([
        node("costly", &json!({})),
        node("write", &json!({"accessControl": {"verification": "approval"}})),
        node("costly", &json!({"accessControl": {"verification": "none"}})),
        reference("kit.asks", &json!({})),
        {"@type": "OpenAction:HumanApproval", "prompt": "Really?", "action": node("costly", &json!({}))},
        node("write", &json!({"accessControl": {"verification": "none"}})),
    ]);
    let bound = bind_all(&nodes, None).expect("binds");
    let prompts: Vec<Option<&str>> = bound
        .iter()
        .map(|node| match node {
            Bound::Approval { prompt_text, .. } => Some(prompt_text.as_str()),
            Bound::Action(_) => None,
        })
        .collect();
    assert!(
        prompts[..4]
            .iter()
            .all(|prompt| prompt.is_some_and(|prompt| !prompt.is_empty())),
        "{prompts:?}"
    );
    assert_eq!(prompts[4..], [Some("Really?"), None]);
    assert!(prompts[0].is_some_and(|prompt| prompt.contains("costly")));
    for fallback in [
        json!("costly"),
        node("costly", &json!({})),
        node(
            "write",
            &json!({"accessControl": {"verification": "approval"}}),
        ),
        reference("kit.asks", &json!({})),
    ] {
        let given = node("guarded", &json!({"fallbackAction": fallback}));
        assert_eq!(refused(&given, None).0, "invalid_request", "{given}");
    }
}

#[test]
fn acc_scopes_and_rates() {
    let nodes = json!([
        node("guarded", &json!({"accessControl": {"requiredScopes": ["n"], "rateLimit": "2/min"}})),
        node("write", &json!({"fallbackAction": node("guarded", &json!({"accessControl": {"requiredScopes": ["f"]}}))})),
        {"@type": "OpenAction:HumanApproval", "prompt": "?", "action": node("tool", &json!({"accessControl": {"requiredScopes": ["w"]}}))},
    ]);
    let bound = bind_all(&nodes, None).expect("binds");
    let needed = |intent, request: &[&str]| {
        let request: Vec<String> = request.iter().map(|scope| (*scope).to_owned()).collect();
        check::required_scopes(&Reference, &bound, &manifest(), intent, &request)
    };
    let set = |scopes: &[&str]| {
        scopes
            .iter()
            .map(|scope| (*scope).to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(needed(None, &[]), set(&["f", "g", "n", "t", "w"]));
    assert_eq!(
        needed(Some("looking"), &["r"]),
        set(&["f", "g", "i", "n", "r", "t", "w"])
    );
    let first = bound[0].action();
    assert_eq!(first.scopes, ["g", "n"]);
    assert_eq!(first.rate.expect("the definition's").count, 5);
    assert_eq!(first.node_rate.expect("the node's").count, 2);
}

#[test]
fn fallbacks_of_sessions() {
    let manifest = manifest();
    let look = manifest.action("look").expect("is there");
    let fallback = check::bind_fallback(&Reference, look, &manifest, &known()).expect("binds");
    assert_eq!(fallback.label, "write");
    let write = manifest.action("write").expect("is there");
    assert!(check::bind_fallback(&Reference, write, &manifest, &known()).is_none());
}
