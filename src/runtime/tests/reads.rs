//! Replies that are given again and calls that share a request, over loopback.

use super::*;
use crate::runtime::offered_extensions;

/// A manifest whose actions get back what they send.
fn manifest(base: &str) -> Value {
    let ids = json!({"type": "object", "required": ["ids"], "properties": {"ids": {"type": "array", "maxItems": 50}}});
    let read = |name: &str, path: &str, patch: Value| {
        let mut action = json!({"type": "invoke_api", "name": name, "endpoint": format!("{base}{path}"), "method": "POST",
                                "input_schema": ids, "output_schema": {}, "effects": ["read"]});
        for (name, value) in patch.as_object().expect("a patch") {
            action[name] = value.clone();
        }
        action
    };
    json!({"name": "reads", "version": "1.0.0", "actions": [
        read("look", "/mirror", json!({"cache": {"ttl_s": 30}})),
        read("leak", "/leak", json!({"cache": {"ttl_s": 30}, "auth": "Bearer ${TOKEN}"})),
        read("gather", "/mirror", json!({"batch": {"window_ms": 200, "member": "ids", "result_member": "ids"}})),
        read("slow", "/slow", json!({"batch": {"window_ms": 1, "member": "ids"}, "timeout_ms": 50})),
    ]})
}

async fn stand() -> Stand {
    Stand::configured(World::default(), |config| {
        let base = config.model.base_url.trim_end_matches("/v1").to_owned();
        config.manifests = vec![crate::manifest::load(&manifest(&base)).expect("valid")];
    })
    .await
}

impl Stand {
    async fn read(&self, action: &str, input: Value) -> Value {
        let node = json!({"@type": "OpenAction:Action", "name": action, "input": input});
        let body = json!({"open_action": node, "user_id": "U"});
        let (status, body) = self.post("/execute", &body).await;
        assert_eq!(status, 200, "{body}");
        body
    }
}

#[tokio::test]
async fn an_equal_call_is_answered_from_the_store_and_redacted() {
    let stand = stand().await;
    for _ in 0..3 {
        let body = stand.read("look", json!({"ids": [1]})).await;
        assert_eq!(body["result"], json!({"ids": [1]}));
    }
    assert_eq!(stand.seen("/mirror"), 1);
    stand.read("look", json!({"ids": [2]})).await;
    assert_eq!(stand.seen("/mirror"), 2);
    // `send` looks whether the token is in an answer.
    for _ in 0..2 {
        let body = stand.read("leak", json!({"ids": []})).await;
        assert_eq!(body["status"], "completed");
    }
    assert_eq!(stand.seen("/leak"), 1);
}

#[tokio::test]
async fn many_calls_share_a_few_requests_and_each_gets_its_own() {
    let stand = Arc::new(stand().await);
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..24_u64 {
        let stand = Arc::clone(&stand);
        calls.spawn(async move {
            // Some bring nothing, and nobody the same number of elements as the one before.
            let ids: Vec<u64> = (0..number % 4).map(|at| number * 10 + at).collect();
            let body = stand.read("gather", json!({"ids": ids})).await;
            assert_eq!(body["result"], json!({"ids": ids}));
        });
    }
    while let Some(done) = calls.join_next().await {
        done.expect("its own elements");
    }
    let requests = stand.seen("/mirror");
    assert!((1..24).contains(&requests), "{requests} requests");
    let seen = stand.world.seen.lock().expect("seen");
    let sent: usize = seen
        .iter()
        .map(|(_, body)| body["ids"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(sent, 36, "each element is sent once");
}

#[tokio::test]
async fn the_time_limit_is_that_of_the_request() {
    let stand = stand().await;
    let body = stand.read("slow", json!({"ids": [1]})).await;
    assert_eq!(body["error"]["errorCode"], "upstream_timeout");
}

#[tokio::test]
async fn without_the_extension_its_members_are_refused() {
    let stand = Stand::configured(World::default(), |config| config.extensions.clear()).await;
    let (_, said) = stand.send("GET", "/capabilities", None, None).await;
    assert_eq!(said["extensions"], json!([]));
    let (status, body) = stand.post("/manifests", &manifest(&stand.base)).await;
    assert_eq!(
        (status, body["errorCode"].as_str()),
        (422, Some("profile_not_supported"))
    );
    assert_eq!(
        body["details"]["violations"].as_array().map(Vec::len),
        Some(4)
    );
}

#[tokio::test]
async fn extensions_need_their_profile_and_must_be_there() {
    let profiles = |config: &mut Config| {
        config
            .profiles
            .remove(&crate::requirement::Profile::Draft21);
        config.extensions.clear();
    };
    let stand = Stand::configured(World::default(), profiles).await;
    let (_, said) = stand.send("GET", "/capabilities", None, None).await;
    assert!(said.get("extensions").is_none());
    // Nobody has defined a budget then.
    let (status, _) = stand.post("/sessions", &json!({
        "goal": {"description": "d"}, "budget": {"tokens": 1},
        "observation": {"timestamp": "2026-01-01T00:00:00Z", "user_context": {"user_id": "U", "preferences": {}}, "environment": {}},
    })).await;
    assert_eq!(status, 201);
    assert!(!offered_extensions().contains(&crate::requirement::Extension::Cost));
}
