//! What is read out of bodies, and what is refused (sections 2 to 5, 12 and check 2 of section 6).

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::node::{Node, NodeFallback};
use super::super::request;
use super::{ALL, assert_refused, body, code_of, node, read, refusal, second};
use crate::manifest::Verification;
use crate::runtime::parts::Reference;

#[test]
fn every_member_is_read() {
    let given = node(
        "send",
        &json!({
            "input": {"to": "{{ state.to }}"}, "conditional": "state.n > 0", "requestId": "r1",
            "fallbackAction": node("text", &json!({"input": {}})),
            "accessControl": {"requiredScopes": ["a", "b", "a"], "rateLimit": "2/min", "verification": "approval"},
        }),
    );
    let whole = body(
        &given,
        &json!({
            "state": {"n": 1}, "manifest": "m@1.0.0", "intent": "i", "accessControl": {"requiredScopes": ["c"]},
            "timestamp": "2026-04-01T00:00:00Z", "seed": 7, "goal": "g", "replan_max": 3, "prune": 2,
            "approval": {"id": "q", "decision": "reject"}, "protocolVersion": "2.9",
        }),
    );
    let request = read(&whole).expect("reads");
    assert!(request.single);
    assert_eq!(request.state, *json!({"n": 1}).as_object().expect("object"));
    assert_eq!(request.manifest.as_deref(), Some("m@1.0.0"));
    assert_eq!(request.intent.as_deref(), Some("i"));
    assert_eq!(request.required_scopes, ["c"]);
    assert_eq!(request.timestamp.as_deref(), Some("2026-04-01T00:00:00Z"));
    assert_eq!(
        (request.seed, request.replan_max, request.prune),
        (Some(7), 3, Some(2))
    );
    let decision = request.approval.expect("a decision");
    assert_eq!((decision.id.as_str(), decision.approve), ("q", false));
    let [Node::Action(action)] = request.nodes.as_slice() else {
        panic!("one action");
    };
    assert_eq!(action.name.as_deref(), Some("send"));
    assert!(!action.templates.is_literal());
    assert_eq!(
        action.conditional.as_ref().expect("is there").text,
        "state.n > 0"
    );
    assert_eq!(action.access.required_scopes, ["a", "b"]);
    assert_eq!(action.access.rate_limit.expect("is there").count, 2);
    assert_eq!(action.access.verification, Some(Verification::Approval));
    assert_eq!(action.request_id.as_deref(), Some("r1"));
    assert_eq!(action.source, given);
    assert_eq!(action.place, "/open_action");
    let Some(NodeFallback::Node(fallback)) = &action.fallback else {
        panic!("a fallback");
    };
    assert_eq!(fallback.place, "/open_action/fallbackAction");
    assert_eq!(fallback.input.as_ref().map(serde_json::Map::len), Some(0));

    let least = read(&body(&json!([node("look", &json!({}))]), &json!({}))).expect("reads");
    assert!(!least.single);
    assert_eq!(
        (least.replan_max, least.prune, least.approval),
        (1, None, None)
    );
    assert!(least.nodes[0].action().input.is_none());
}

#[test]
fn wfl_007_to_009_defects_are_told_by_their_places() {
    let whole = body(
        &json!([
            node("look", &json!({})), node("a", &json!({"input": [1]})), node("b", &json!({"conditional": 5})),
            node("c", &json!({"fallbackAction": 7})), {"name": "d"}, {"@type": "OpenAction:Action"}, 5,
            node("e", &json!({"fallbackAction": {"@type": "OpenAction:Action", "input": {}}})),
            node("f f", &json!({"requestId": "", "accessControl": {"rateLimit": "10/week", "requiredScopes": ["a b"]}})),
        ]),
        &json!({"state": {"results": [], "history": {}}}),
    );
    let error = read(&whole).expect_err("refused");
    let told = error.details["violations"].as_array().expect("an array");
    for place in [
        "/open_action/1/input",
        "/open_action/2/conditional",
        "/open_action/3/fallbackAction",
        "/open_action/4",
        "/open_action/5",
        "/open_action/6",
        "/open_action/7/fallbackAction",
        "/open_action/8/name",
        "/open_action/8/requestId",
        "/open_action/8/accessControl/rateLimit",
        "/open_action/8/accessControl/requiredScopes/0",
        "/state/results",
        "/state/history",
    ] {
        assert!(
            told.iter().any(|violation| violation["pointer"] == place),
            "{place} {told:?}"
        );
    }
    assert_refused(
        &body(&node("look", &json!({"input": "x"})), &json!({})),
        "invalid_request",
        "/open_action/input",
    );
    assert_refused(
        &body(&json!("look"), &json!({})),
        "invalid_request",
        "/open_action",
    );
}

#[test]
fn wfl_015_members_of_the_request() {
    let good = json!([node("look", &json!({}))]);
    for (patch, pointer) in [
        (json!({"user_id": ""}), "/user_id"),
        (json!({"user_id": "u".repeat(257)}), "/user_id"),
        (json!({"user_id": 5}), "/user_id"),
        (json!({"open_action": []}), "/open_action"),
        (json!({"open_action": null}), "/open_action"),
        (
            json!({"open_action": vec![node("look", &json!({})); 101]}),
            "/open_action",
        ),
        (json!({"state": [1]}), "/state"),
        (json!({"replan_max": 4}), "/replan_max"),
        (json!({"replan_max": -1}), "/replan_max"),
        (json!({"prune": -1}), "/prune"),
        (json!({"prune": 1.5}), "/prune"),
        (json!({"seed": 9_007_199_254_740_992_u64}), "/seed"),
        (json!({"timestamp": "today"}), "/timestamp"),
        (json!({"goal": 1}), "/goal"),
        (json!({"manifest": 1}), "/manifest"),
        (json!({"intent": null}), "/intent"),
        (
            json!({"approval": {"id": "q", "decision": "maybe"}}),
            "/approval/decision",
        ),
        (json!({"approval": {"decision": "approve"}}), "/approval"),
        (
            json!({"accessControl": {"requiredScopes": "a"}}),
            "/accessControl/requiredScopes",
        ),
        (
            json!({"accessControl": {"verification": "approval"}}),
            "/accessControl/verification",
        ),
    ] {
        assert_refused(&body(&good, &patch), "invalid_request", pointer);
    }
    assert_refused(&json!({"user_id": "u"}), "invalid_request", "");
    assert_refused(&json!({"open_action": good}), "invalid_request", "");
    assert_refused(&json!([]), "invalid_request", "");
    let hundred =
        json!({"open_action": vec![node("look", &json!({})); 100], "replan_max": 2.0, "prune": 0});
    let request = read(&body(&good, &hundred)).expect("reads");
    assert_eq!(
        (request.nodes.len(), request.replan_max, request.prune),
        (100, 2, Some(0))
    );
}

#[test]
fn wfl_033_versions() {
    let good = json!([node("look", &json!({}))]);
    for version in [
        "1.0", "3.0", "2", "2.0.0", "two", "20.0", "v2.0", "2.", "2.x", "2.01", "",
    ] {
        for name in ["protocolVersion", "protocol_version"] {
            let refused = refusal(read(&body(&good, &json!({name: version}))));
            assert_eq!(refused.0, "unsupported_protocol_version", "{version}");
        }
        let inner = second(node(
            "look",
            &json!({"fallbackAction": node("b", &json!({"protocolVersion": version}))}),
        ));
        assert_eq!(
            refusal(read(&inner)).0,
            "unsupported_protocol_version",
            "{version}"
        );
    }
    assert_eq!(
        refusal(read(&body(&good, &json!({"protocolVersion": 2.0})))).0,
        "unsupported_protocol_version"
    );
    let error = read(&body(&good, &json!({"protocolVersion": "3.0"}))).expect_err("refused");
    assert_eq!(error.status(), 400);
    assert!(read(&body(&good, &json!({"protocolVersion": "2.17"}))).is_ok());
    // What is called so in plain JSON is not a version.
    let plain = node("look", &json!({"input": {"protocolVersion": "9.9"}}));
    assert!(
        read(&body(
            &json!([plain]),
            &json!({"state": {"protocolVersion": 1}})
        ))
        .is_ok()
    );
}

#[test]
fn wfl_036_what_does_not_parse() {
    for (given, code, pointer) in [
        (
            node("a", &json!({"conditional": "state.n >"})),
            "conditional_error",
            "/conditional",
        ),
        (
            node("a", &json!({"conditional": ""})),
            "conditional_error",
            "/conditional",
        ),
        (
            node("a", &json!({"input": {"l": [1, {"t/x": "{{ 1 + }}"}]}})),
            "template_error",
            "/input/l/1/t~1x",
        ),
        (
            node("a", &json!({"input": {"n": "{{ secrets.X }}"}})),
            "template_error",
            "/input/n",
        ),
        (
            node(
                "a",
                &json!({"fallbackAction": node("b", &json!({"input": {"n": "{{ }}"}}))}),
            ),
            "template_error",
            "/fallbackAction/input/n",
        ),
        (
            json!({"@type": "OpenAction:HumanApproval", "prompt": "{{ input.to }", "action": node("a", &json!({}))}),
            "template_error",
            "/prompt",
        ),
    ] {
        assert_refused(&second(given), code, &format!("/open_action/1{pointer}"));
    }
    let error =
        read(&second(node("a", &json!({"conditional": "1 < 2 < 3"})))).expect_err("refused");
    assert_eq!(error.details["reason"], "syntax");
    assert!(error.details["offset"].is_u64());
    // Defects of shape come first, since what is no text cannot be parsed.
    let both = body(
        &json!([node("a", &json!({"conditional": "("})), {"name": "b"}]),
        &json!({}),
    );
    assert_eq!(refusal(read(&both)).0, "invalid_request");
}

#[test]
fn requests_for_plans() {
    let read = |body: &Value| request::read_plan_request(&Reference, body, &ALL);
    let request = read(&json!({"goal": "g", "user_id": "u", "state": {"a": 1}, "intent": "i"}))
        .expect("reads");
    assert_eq!(
        (request.goal.as_str(), request.user_id.as_str()),
        ("g", "u")
    );
    assert_eq!(request.intent.as_deref(), Some("i"));
    for (body, code, pointer) in [
        (json!({"user_id": "u"}), "invalid_request", ""),
        (
            json!({"goal": "", "user_id": "u"}),
            "invalid_request",
            "/goal",
        ),
        (json!({"goal": "g"}), "invalid_request", ""),
        (
            json!({"goal": "g", "user_id": "u", "state": 1}),
            "invalid_request",
            "/state",
        ),
        (
            json!({"goal": "g", "user_id": "u", "protocolVersion": "2"}),
            "unsupported_protocol_version",
            "none",
        ),
    ] {
        assert_eq!(
            refusal(read(&body)),
            (code_of(code), pointer.to_owned()),
            "{body}"
        );
    }
}

#[test]
fn nodes_that_stand_alone() {
    let read = |nodes: &Value| request::read_nodes(&Reference, nodes, &ALL);
    assert_eq!(
        read(&json!([node("look", &json!({})), node("b", &json!({}))]))
            .expect("reads")
            .len(),
        2
    );
    assert_eq!(read(&json!([])).expect("reads").len(), 0);
    assert_eq!(
        refusal(read(&json!([{"name": "b"}]))),
        ("invalid_request", "/0".to_owned())
    );
    assert_eq!(
        refusal(read(&json!([node("a", &json!({"conditional": "("}))]))),
        ("conditional_error", "/0/conditional".to_owned())
    );
}

/// Nodes that a stranger might write.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!(1)),
        "[{}a. ]{0,6}".prop_map(Value::from),
        Just(json!("OpenAction:Action")),
        Just(json!("OpenAction:HumanApproval")),
        Just(json!("oa:Action")),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let names = prop::sample::select(vec![
            "@type",
            "@context",
            "name",
            "oa:name",
            "oa",
            "action",
            "fallbackAction",
            "accessControl",
            "input",
            "conditional",
            "prompt",
            "pluginReference",
            "open_action",
            "requestId",
            "OpenAction:action",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..6).prop_map(|members| members
                .into_iter()
                .map(|(n, v)| (n.to_owned(), v))
                .collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_body_panics(given in any_value()) {
        let _ = read(&given);
        let _ = read(&body(&given, &json!({})));
        let _ = request::read_nodes(&Reference, &given, &ALL);
        let _ = request::read_plan_request(&Reference, &given, &ALL);
    }

    #[test]
    fn every_violation_leads_somewhere(given in any_value()) {
        let whole = body(&given, &json!({}));
        if let Err(error) = read(&whole) {
            let told = error.details.get("violations").and_then(Value::as_array);
            for violation in told.into_iter().flatten() {
                let pointer = violation["pointer"].as_str().expect("text");
                prop_assert!(whole.pointer(pointer).is_some(), "{pointer} in {whole}");
            }
        }
    }
}
