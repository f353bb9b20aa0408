//! Workflows over loopback.

pub(super) mod questions;

use super::*;
use crate::runtime::clock::Clock;

/// A manifest whose actions give back their input, fail, or ask for things.
fn manifest(base: &str) -> Value {
    let call = |name: &str, path: &str, patch: Value| {
        let mut action = json!({"type": "invoke_api", "name": name, "endpoint": format!("{base}{path}"), "method": "POST",
                                "input_schema": {"type": "object"}, "output_schema": {}});
        for (name, value) in patch.as_object().expect("a patch") {
            action[name] = value.clone();
        }
        action
    };
    json!({"name": "flow", "version": "1.0", "intents": [{"name": "narrow", "description": "d", "actions": ["give"]}], "actions": [
        call("give", "/mirror", json!({})),
        call("send", "/mirror", json!({"input_schema": {"type": "object", "required": ["to"], "properties": {"to": {"type": "string"}}}})),
        call("fail", "/fail", json!({})),
        call("leak", "/leak", json!({"auth": "Bearer ${TOKEN}"})),
        call("strict", "/mirror", json!({"output_schema": {"type": "object", "required": ["never"]}})),
        call("guarded", "/mirror", json!({"access_control": {"required_scopes": ["guard:use"]}})),
        call("rare", "/mirror", json!({"access_control": {"rate_limit": "1/min"}})),
        call("asked", "/mirror", json!({"access_control": {"verification": "approval"}})),
    ]})
}

pub(super) fn configure(config: &mut Config) {
    let base = config.model.base_url.trim_end_matches("/v1").to_owned();
    config.manifests = vec![crate::manifest::load(&manifest(&base)).expect("valid")];
}

async fn stand() -> Stand {
    Stand::configured(World::default(), configure).await
}

pub(super) fn node(name: &str, patch: Value) -> Value {
    let mut node = json!({"@type": "OpenAction:Action", "name": name});
    for (member, value) in patch.as_object().expect("a patch") {
        node[member] = value.clone();
    }
    node
}

pub(super) fn asking(node: Value) -> Value {
    json!({"@type": "OpenAction:HumanApproval", "prompt": "Send to {{ input.to }}?", "action": node})
}

pub(super) fn request(nodes: Value, patch: Value) -> Value {
    let mut body = json!({"open_action": nodes, "user_id": "U"});
    for (member, value) in patch.as_object().expect("a patch") {
        body[member] = value.clone();
    }
    body
}

impl Stand {
    async fn execute(&self, nodes: Value, patch: Value) -> (u16, Value) {
        self.post("/execute", &request(nodes, patch)).await
    }
}

#[tokio::test]
async fn one_node_gives_its_output_and_an_array_passes_the_state_on() {
    let stand = stand().await;
    let (status, body) = stand
        .execute(node("give", json!({"input": {"a": 1}})), json!({}))
        .await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        (&body["status"], &body["result"]),
        (&json!("completed"), &json!({"a": 1}))
    );
    assert_eq!(body["state"]["lastResult"], json!({"a": 1}));
    assert_eq!(body["state"]["results"], json!({"give": {"a": 1}}));
    assert_eq!(body["state"]["history"][0]["status"], "executed");
    let nodes = json!([
        node("give", json!({"input": {"to": "alice", "n": [1]}})),
        node(
            "send",
            json!({"input": {"note": "{{ state.lastResult.n }}", "text": "to {{ state.lastResult.to }}"}})
        ),
        node("send", json!({"conditional": "state.lastResult.missing"})),
    ]);
    let (status, body) = stand
        .execute(nodes, json!({"state": {"own": {"x": 1}}}))
        .await;
    assert_eq!((status, body.get("result")), (200, None), "{body}");
    assert_eq!(body["state"]["own"], json!({"x": 1}));
    assert_eq!(
        body["results"][1]["output"],
        json!({"note": [1], "text": "to alice", "to": "alice"})
    );
    assert_eq!(body["state"]["history"][1]["defaulted"], json!(["to"]));
    assert_eq!(body["results"][2]["status"], "skipped");
    assert_eq!(
        body["state"]["history"][2]["undefined"],
        json!(["state.lastResult.missing"])
    );
    assert_eq!(stand.seen("/mirror"), 3);
}

#[tokio::test]
async fn failures_stop_and_lose_nothing_and_fallbacks_save() {
    let stand = stand().await;
    let nodes = json!([
        node("give", json!({"input": {"a": 1}})),
        node("fail", json!({})),
        node("give", json!({"input": {"b": 1}})),
    ]);
    let (status, body) = stand.execute(nodes, json!({})).await;
    assert_eq!(
        (status, &body["status"], &body["failed_index"]),
        (200, &json!("failed"), &json!(1)),
        "{body}"
    );
    assert_eq!(body["error"]["errorCode"], "upstream_status");
    assert_eq!(body["error"], body["results"][1]["error"]);
    assert_eq!(body["error"], body["state"]["history"][1]["error"]);
    assert_eq!(body["state"]["lastResult"], json!({"a": 1}));
    assert_eq!(stand.seen("/mirror"), 1);

    let saved = node("fail", json!({"input": {"x": 1}, "fallbackAction": "give"}));
    let (_, body) = stand
        .execute(json!([saved, node("give", json!({}))]), json!({}))
        .await;
    assert_eq!(body["status"], "completed", "{body}");
    assert_eq!(body["results"][0]["action_name"], "give");
    assert_eq!(body["results"][0]["output"], json!({"x": 1}));
    assert_eq!(body["results"][0]["attempts"][0]["action_name"], "fail");
    assert_eq!(body["state"]["history"][1]["fallback_of"], "fail");
    assert_eq!(body["state"]["history"][1]["status"], "fallback");

    let unsaved = node("strict", json!({"fallbackAction": "give"}));
    let (_, body) = stand.execute(unsaved, json!({})).await;
    assert_eq!(body["error"]["errorCode"], "output_validation_failed");
    assert_eq!(body["result"], Value::Null);
    assert_eq!(body["state"].get("lastResult"), None);
}

#[tokio::test]
async fn nothing_runs_when_a_check_fails() {
    let stand = stand().await;
    let good = node("give", json!({}));
    for (nodes, patch, expected) in [
        (
            json!([good, node("none", json!({}))]),
            json!({}),
            (404, "undeclared_action"),
        ),
        (
            json!([good, node("guarded", json!({}))]),
            json!({}),
            (403, "insufficient_scope"),
        ),
        (
            good.clone(),
            json!({"manifest": "other"}),
            (404, "manifest_not_found"),
        ),
        (
            node("send", json!({})),
            json!({"intent": "narrow"}),
            (404, "undeclared_action"),
        ),
        (
            good.clone(),
            json!({"intent": "wide"}),
            (404, "intent_not_found"),
        ),
        (json!([]), json!({}), (400, "invalid_request")),
        (
            json!([good, node("give", json!({"conditional": "1 +"}))]),
            json!({}),
            (400, "conditional_error"),
        ),
        (
            json!([good, node("give", json!({"input": {"a": "{{ x"}}))]),
            json!({}),
            (400, "template_error"),
        ),
        (
            good.clone(),
            json!({"protocolVersion": "3.0"}),
            (400, "unsupported_protocol_version"),
        ),
        (
            good.clone(),
            json!({"state": {"x": "y".repeat(1 << 20)}}),
            (413, "state_too_large"),
        ),
        (
            node("guarded", json!({})),
            json!({"state": {"x": "y".repeat(1 << 20)}}),
            (403, "insufficient_scope"),
        ),
        (
            good.clone(),
            json!({"approval": {"id": "x", "decision": "approve"}}),
            (404, "approval_not_found"),
        ),
        (
            good.clone(),
            json!({"approval": {"id": "x", "decision": "maybe"}}),
            (400, "invalid_request"),
        ),
    ] {
        let (status, body) = stand.execute(nodes, patch).await;
        assert_eq!(
            (status, body["errorCode"].as_str().unwrap_or_default()),
            expected,
            "{body}"
        );
    }
    assert_eq!(stand.seen("/mirror"), 0);
    let large = request(json!([good]), json!({"x": "y".repeat(4 << 20)}));
    assert_eq!(stand.post("/execute", &large).await.0, 413);
}

#[tokio::test]
async fn an_approved_action_runs_as_it_was_shown_and_once() {
    let stand = stand().await;
    let nodes = json!([
        node("give", json!({"input": {"to": "alice"}})),
        asking(node(
            "send",
            json!({"input": {"to": "{{ state.lastResult.to }}"}, "fallbackAction": "give"})
        )),
        node("give", json!({"input": {"after": true}})),
    ]);
    let body = request(nodes, json!({}));
    let key = Some("call-1");
    let (status, asked) = stand
        .send("POST", "/execute", key, Some(&body.to_string()))
        .await;
    assert_eq!(
        (status, &asked["status"]),
        (202, &json!("awaiting_approval")),
        "{asked}"
    );
    assert_eq!(asked["approval"]["prompt"], "Send to alice?");
    assert_eq!(asked["approval"]["action"]["input"], json!({"to": "alice"}));
    assert_eq!(
        asked["approval"]["action"]["fallbackAction"]["name"],
        "give"
    );
    assert_eq!(asked["resume"].as_array().map(Vec::len), Some(2));
    assert_eq!(stand.seen("/mirror"), 1);
    let (status, again) = stand
        .send("POST", "/execute", key, Some(&body.to_string()))
        .await;
    assert_eq!((status, &again), (202, &asked));
    assert_eq!(stand.seen("/mirror"), 1);

    let decide = |decision: &str, resume: &Value, state: &Value| {
        request(
            resume.clone(),
            json!({"state": state, "approval": {"id": asked["approval"]["id"], "decision": decision}}),
        )
    };
    let mut other = asked["resume"].clone();
    other[0]["action"]["input"]["to"] = json!("mallory");
    let (status, refused) = stand
        .post("/execute", &decide("approve", &other, &asked["state"]))
        .await;
    assert_eq!(
        (status, refused["errorCode"].as_str()),
        (409, Some("approval_changed"))
    );
    let (status, refused) = stand
        .post("/execute", &decide("approve", &asked["resume"], &json!({})))
        .await;
    assert_eq!(
        (status, refused["errorCode"].as_str()),
        (409, Some("approval_changed"))
    );

    let good = decide("approve", &asked["resume"], &asked["state"]);
    let (status, done) = stand.post("/execute", &good).await;
    assert_eq!(
        (status, &done["status"]),
        (200, &json!("completed")),
        "{done}"
    );
    assert_eq!(done["results"][0]["output"], json!({"to": "alice"}));
    assert_eq!(done["results"].as_array().map(Vec::len), Some(2));
    let entry = &done["state"]["history"][1];
    assert_eq!(
        entry["approval"],
        json!({"id": asked["approval"]["id"], "by": "anonymous"})
    );
    assert_eq!(stand.seen("/mirror"), 3);

    let (status, used) = stand.post("/execute", &good).await;
    assert_eq!(
        (status, used["errorCode"].as_str()),
        (409, Some("approval_used"))
    );
    let (status, used) = stand
        .send("POST", "/execute", key, Some(&body.to_string()))
        .await;
    assert_eq!(
        (status, used["errorCode"].as_str()),
        (409, Some("approval_used"))
    );
    assert_eq!(stand.seen("/mirror"), 3);
}

#[tokio::test]
async fn a_rejected_or_late_decision_runs_nothing() {
    let clock = Clock::default();
    let hands = clock.clone();
    let stand = Stand::configured(World::default(), move |config| {
        configure(config);
        config.clock = hands;
    })
    .await;
    let ask = async || {
        let (status, asked) = stand
            .execute(node("asked", json!({"input": {"to": "a"}})), json!({}))
            .await;
        assert_eq!(status, 202, "{asked}");
        asked
    };
    let decide = async |asked: &Value, decision: &str| {
        let approval = json!({"id": asked["approval"]["id"], "decision": decision});
        stand
            .execute(
                asked["resume"].clone(),
                json!({"state": asked["state"], "approval": approval}),
            )
            .await
    };
    let (status, body) = decide(&ask().await, "reject").await;
    assert_eq!(
        (status, body["error"]["errorCode"].as_str()),
        (200, Some("human_rejected"))
    );
    assert_eq!(body["state"]["history"][0]["status"], "rejected");
    let asked = ask().await;
    clock.advance(Duration::from_hours(24) + Duration::from_secs(1));
    let (status, body) = decide(&asked, "approve").await;
    assert_eq!(
        (status, body["errorCode"].as_str()),
        (410, Some("approval_expired"))
    );
    assert_eq!(stand.seen("/mirror"), 0);
}

#[tokio::test]
async fn rates_are_a_status_before_the_first_action_and_an_error_after_it() {
    let stand = stand().await;
    let rare = || node("rare", json!({}));
    let (status, body) = stand.execute(json!([rare(), rare()]), json!({})).await;
    assert_eq!(
        (status, body["error"]["errorCode"].as_str()),
        (200, Some("rate_limited")),
        "{body}"
    );
    assert!(body["error"]["details"]["retry_after"].as_u64().is_some());
    let (status, body) = stand.execute(rare(), json!({})).await;
    assert_eq!(
        (status, body["errorCode"].as_str()),
        (429, Some("rate_limited"))
    );
    assert_eq!(stand.seen("/mirror"), 1);
}

#[tokio::test]
async fn a_node_with_a_key_runs_once() {
    let stand = stand().await;
    let keyed = |n: u64| node("give", json!({"requestId": "n-1", "input": {"n": n}}));
    for _ in 0..2 {
        let (_, body) = stand.execute(keyed(1), json!({})).await;
        assert_eq!(
            (&body["status"], &body["result"]),
            (&json!("completed"), &json!({"n": 1}))
        );
        assert_eq!(body["state"]["lastResult"], json!({"n": 1}));
        assert_eq!(body["state"]["history"].as_array().map(Vec::len), Some(1));
    }
    let (_, body) = stand.execute(keyed(2), json!({})).await;
    assert_eq!(body["error"]["errorCode"], "idempotency_conflict");
    assert_eq!(stand.seen("/mirror"), 1);
}

#[tokio::test]
async fn plans_are_asked_for_checked_and_not_run() {
    let stand = stand().await;
    let plan = json!([node("give", json!({"input": {"a": 1}}))]);
    stand.says(&[
        json!({"not": "a plan"}),
        json!([node("none", json!({}))]),
        plan.clone(),
    ]);
    let ask = json!({"goal": "do it", "user_id": "U", "state": {"mark": "in the state"}});
    let (status, body) = stand.post("/plan", &ask).await;
    assert_eq!((status, &body["plan"]), (200, &plan), "{body}");
    stand.says(&[json!(1), json!([]), json!({})]);
    let (status, body) = stand.post("/plan", &ask).await;
    assert_eq!(
        (status, body["errorCode"].as_str()),
        (502, Some("invalid_plan"))
    );
    let (status, body) = stand.post("/plan", &ask).await;
    assert_eq!(
        (status, body["errorCode"].as_str()),
        (503, Some("llm_unavailable"))
    );
    assert_eq!(stand.seen("/mirror"), 0);
    let seen = stand.world.seen.lock().expect("seen");
    let last = seen.last().expect("asked").1.to_string();
    assert!(
        last.contains("in the state") && last.contains("do it") && last.contains("inputSchema")
    );
}

#[tokio::test]
async fn a_goal_leads_to_new_plans_and_without_one_nobody_asks() {
    let stand = stand().await;
    let skipped = || node("give", json!({"conditional": "false"}));
    let (_, body) = stand.execute(json!([skipped()]), json!({})).await;
    assert_eq!(body["status"], "completed");
    assert_eq!(stand.seen("/v1/chat/completions"), 0);

    stand.says(&[json!([node("give", json!({"input": {"b": 1}}))])]);
    let nodes = json!([
        node("fail", json!({})),
        node("give", json!({"input": {"never": 1}}))
    ]);
    let (_, body) = stand.execute(nodes, json!({"goal": "g"})).await;
    assert_eq!(body["status"], "completed", "{body}");
    assert_eq!(body["results"].as_array().map(Vec::len), Some(2));
    assert_eq!(body["state"]["lastResult"], json!({"b": 1}));

    stand.says(&[json!([])]);
    let (_, body) = stand
        .execute(json!([node("fail", json!({}))]), json!({"goal": "g"}))
        .await;
    assert_eq!(
        (&body["status"], &body["failed_index"]),
        (&json!("failed"), &json!(0))
    );
    assert_eq!(body["error"]["errorCode"], "upstream_status");

    stand.says(&[json!([skipped()]), json!([skipped()])]);
    let (_, body) = stand
        .execute(json!([skipped()]), json!({"goal": "g", "replan_max": 2}))
        .await;
    assert_eq!(body["status"], "completed");
    assert_eq!(body["results"].as_array().map(Vec::len), Some(3));
    assert_eq!(stand.seen("/v1/chat/completions"), 4);
}

#[tokio::test]
async fn what_is_resumed_is_read_like_what_was_sent() {
    let stand = stand().await;
    let context = json!({"oa": "https://open-action.example/2.0/vocab#"});
    let nodes = json!([
        {"@context": context, "@type": "oa:HumanApproval", "oa:prompt": "?",
         "oa:action": {"@type": "oa:Action", "oa:name": "give", "oa:input": {"oa:x": 1}}},
        {"@context": context, "@type": "oa:Action", "name": "give"},
    ]);
    let (status, asked) = stand.execute(nodes.clone(), json!({})).await;
    assert_eq!((status, &asked["resume"]), (202, &nodes), "{asked}");
    let patch = json!({"state": asked["state"], "approval": {"id": asked["approval"]["id"], "decision": "approve"}});
    let (status, done) = stand.execute(nodes, patch).await;
    assert_eq!(
        (status, &done["status"]),
        (200, &json!("completed")),
        "{done}"
    );
    assert_eq!(done["results"][0]["output"], json!({"oa:x": 1}));
}

#[tokio::test]
async fn calls_and_nodes_with_one_key_run_once_at_the_same_time() {
    let gate = tokio::sync::Semaphore::new(0);
    let world = World {
        gate: Some(gate),
        ..World::default()
    };
    let stand = Stand::configured(world, configure).await;
    let open = async {
        // Both are there before the first may end.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while stand.seen("/mirror") == 0 {
            assert!(tokio::time::Instant::now() < deadline, "nothing was called");
            tokio::task::yield_now().await;
        }
        stand.world.gate.as_ref().expect("a gate").add_permits(100);
    };
    let whole = request(
        node("give", json!({"input": {"n": 1}})),
        json!({"requestId": "r-1"}),
    )
    .to_string();
    let send = || stand.send("POST", "/execute", None, Some(&whole));
    let (one, other, ()) = tokio::join!(send(), send(), open);
    assert_eq!((one.0, &one), (200, &other));
    assert_eq!(stand.seen("/mirror"), 1);
    let keyed = || {
        stand.execute(
            node("give", json!({"requestId": "n-1", "input": {"n": 2}})),
            json!({}),
        )
    };
    let (one, other) = tokio::join!(keyed(), keyed());
    assert_eq!(
        (&one.1["result"], &other.1["result"]),
        (&json!({"n": 2}), &json!({"n": 2}))
    );
    assert_eq!(stand.seen("/mirror"), 2);
}

#[tokio::test]
async fn of_concurrent_decisions_one_acts_and_a_refused_rate_uses_none_up() {
    let clock = Clock::default();
    let hands = clock.clone();
    let stand = Stand::configured(World::default(), move |config| {
        configure(config);
        config.clock = hands;
    })
    .await;
    let question = || asking(node("rare", json!({"input": {"to": "a"}})));
    let (_, asked) = stand.execute(json!([question()]), json!({})).await;
    let decide = |asked: &Value| {
        let approval = json!({"id": asked["approval"]["id"], "decision": "approve"});
        stand.execute(
            asked["resume"].clone(),
            json!({"state": asked["state"], "approval": approval}),
        )
    };
    let (one, other) = tokio::join!(decide(&asked), decide(&asked));
    let mut statuses = [one.0, other.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(stand.seen("/mirror"), 1);
    let (_, asked) = stand.execute(json!([question()]), json!({})).await;
    let (status, body) = decide(&asked).await;
    assert_eq!(
        (status, body["errorCode"].as_str()),
        (429, Some("rate_limited"))
    );
    clock.advance(Duration::from_secs(61));
    let (status, body) = decide(&asked).await;
    assert_eq!(
        (status, &body["status"]),
        (200, &json!("completed")),
        "{body}"
    );
    assert_eq!(stand.seen("/mirror"), 2);
}

#[tokio::test]
async fn a_plugin_without_code_fails_its_own_node_only() {
    let stand = stand().await;
    let plugin = |name: &str| json!({"@type": "OpenAction:Action", "pluginReference": name, "input": {"to": "a", "ref": "r"}});
    let (_, body) = stand.execute(plugin("oap_test.broken"), json!({})).await;
    assert_eq!(body["error"]["errorCode"], "plugin_error", "{body}");
    let mut saved = plugin("oap_test.missing");
    saved["fallbackAction"] = json!("give");
    let (_, body) = stand.execute(json!([saved]), json!({})).await;
    assert_eq!(body["status"], "completed", "{body}");
    let (status, body) = stand.execute(plugin("none.such"), json!({})).await;
    assert_eq!(
        (status, body["errorCode"].as_str()),
        (404, Some("plugin_not_found"))
    );
}
