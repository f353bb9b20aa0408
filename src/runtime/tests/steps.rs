//! Conditionals, fallbacks, rates and approvals in the steps of a session, with real calls.

use super::*;

/// The stand with members laid over its actions.
async fn stand(patches: &[(&str, Value)]) -> Stand {
    Stand::configured(World::default(), |config| {
        let manifest = config.manifests.first().expect("the stand's own");
        let mut document = manifest.document.clone();
        for action in document["actions"].as_array_mut().expect("actions") {
            for (name, patch) in patches {
                if action["name"] == *name {
                    let members = action.as_object_mut().expect("an action");
                    members.extend(patch.as_object().expect("a patch").clone());
                }
            }
        }
        config.manifests = vec![crate::manifest::load(&document).expect("valid")];
        config.anonymous_scopes = BTreeSet::from(["text:send".to_owned()]);
    })
    .await
}

#[tokio::test]
async fn a_step_falls_back_and_skips_and_is_limited() {
    let stand = stand(&[
        ("fail", json!({"fallback_action": "echo"})),
        ("slow", json!({"conditional": "observation.step > 7"})),
        ("moved", json!({"access_control": {"rate_limit": "1/day"}})),
        ("gone", json!({"fallback_action": "text"})),
    ])
    .await;
    stand.says(&["fail", "slow", "moved", "moved", "gone"].map(act));
    let id = stand.open(9).await;
    let (_, saved) = stand.step(&id).await;
    assert_eq!(saved["result"]["action_name"], "echo");
    assert_eq!(
        saved["result"]["attempts"][0]["error"]["errorCode"],
        "upstream_status"
    );
    let (_, skipped) = stand.step(&id).await;
    assert_eq!(
        (&skipped["result"]["status"], &skipped["steps_done"]),
        (&json!("skipped"), &json!(2))
    );
    assert_eq!(stand.step(&id).await.1["result"]["success"], true);
    let (status, limited) = stand.step(&id).await;
    let error = &limited["result"]["error"];
    assert_eq!(
        (status, &error["errorCode"], &limited["steps_done"]),
        (200, &json!("rate_limited"), &json!(4))
    );
    assert!(
        error["details"]["retry_after"]
            .as_u64()
            .is_some_and(|seconds| seconds > 3600)
    );
    let (_, lost) = stand.step(&id).await;
    assert_eq!(lost["result"]["action_name"], "text");
    assert_eq!(lost["result"]["error"]["errorCode"], "invalid_response");
    assert_eq!(
        [
            stand.seen("/fail"),
            stand.seen("/slow"),
            stand.seen("/moved")
        ],
        [1, 0, 1]
    );
    let (_, closed) = stand
        .send("POST", &format!("/sessions/{id}/close"), None, None)
        .await;
    let numbers: Vec<u64> = closed["transcript"]["side_effects"]
        .as_array()
        .expect("effects")
        .iter()
        .filter_map(|effect| effect["step_number"].as_u64())
        .collect();
    assert_eq!(numbers, [1, 1, 3, 3, 5, 5], "`moved` is redirected once");
    let close = schema::named("close").expect("a schema");
    assert_eq!(close.violations(&closed), []);
    stand.runtime.shutdown().await;
}

#[tokio::test]
async fn an_approved_action_runs_once() {
    let control = json!({"verification": "approval", "required_scopes": ["text:send"]});
    let stand = stand(&[("echo", json!({"access_control": control}))]).await;
    stand.says(&[act("echo"), act("echo")]);
    let id = stand.open(9).await;
    let (status, asked) = stand.step(&id).await;
    assert_eq!((status, &asked["status"]), (200, &json!("awaiting_human")));
    assert_eq!(asked["pending"]["kind"], "approval");
    assert_eq!(stand.seen("/echo"), 0);
    let question = asked["pending"]["id"].as_str().expect("an id");
    let path = format!("/sessions/{id}/interventions/{question}");
    let (status, _) = stand.post(&path, &json!({"output": {}})).await;
    assert_eq!(status, 400);
    let approve = json!({"decision": "approve"});
    let (one, other) = tokio::join!(stand.post(&path, &approve), stand.post(&path, &approve));
    let mut statuses = [one.0, other.0];
    statuses.sort_unstable();
    assert_eq!((statuses, stand.seen("/echo")), ([200, 409], 1));
    let (_, again) = stand.step(&id).await;
    let question = again["pending"]["id"].as_str().expect("an id");
    let path = format!("/sessions/{id}/interventions/{question}");
    let (_, refused) = stand.post(&path, &json!({"decision": "reject"})).await;
    assert_eq!(
        (&refused["result"]["error"]["errorCode"], &refused["status"]),
        (&json!("human_rejected"), &json!("active"))
    );
    assert_eq!(stand.seen("/echo"), 1);
}

#[tokio::test]
async fn an_intent_beyond_the_scopes_opens_no_session() {
    let stand = Stand::configured(World::default(), |config| {
        let manifest = config.manifests.first().expect("the stand's own");
        let mut document = manifest.document.clone();
        document["intents"] = json!([
            {"name": "book", "actions": ["echo"], "access_control": {"required_scopes": ["book"]}},
            {"name": "look", "actions": ["echo"]},
        ]);
        config.manifests = vec![crate::manifest::load(&document).expect("valid")];
    })
    .await;
    let body = |intent: &str| {
        json!({
            "goal": {"description": "d", "intent": intent},
            "observation": {"timestamp": "2026-01-01T00:00:00Z", "user_context": {"user_id": "U", "preferences": {}}, "environment": {}},
        })
    };
    let (status, refused) = stand.post("/sessions", &body("book")).await;
    assert_eq!(
        (
            status,
            &refused["errorCode"],
            &refused["details"]["missing"]
        ),
        (403, &json!("insufficient_scope"), &json!(["book"]))
    );
    assert_eq!(stand.post("/sessions", &body("look")).await.0, 201);
    assert_eq!(stand.post("/sessions", &body("none")).await.0, 404);
}
